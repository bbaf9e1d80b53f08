"""What is counted is what the clocks say, in whatever order it was written down; and no counter ever falls."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.desk import commands, ledger
from daemon.model import EventKind, TicketState
from daemon.sla.clocks import fold
from daemon.store import tickets
from tests.pipeline.doubles import HOUR, MINUTE, NOON, World, kinds, signal, world_at


@dataclass(frozen=True)
class Told:
    """Something that happened, so many minutes after noon."""

    minute: int
    kind: EventKind
    body: dict[str, Any]


What: TypeAlias = tuple[EventKind, dict[str, Any]]
REPLY: What = (EventKind.MESSAGE, {"text": "x", "public": True, "human": True, "by": "rep"})
WAITS: What = (EventKind.STATE, {"to": TicketState.AWAITING_CLIENT.value})
RESUMES: What = (EventKind.STATE, {"to": TicketState.IN_PROGRESS.value})
RESOLVED: What = (EventKind.RESOLVED, {"text": "x"})
REOPENED: What = (EventKind.REOPENED, {"reason": "x"})
RAISED: What = (EventKind.SEVERITY, {"to": 1, "reason": "x"})
LOWERED: What = (EventKind.SEVERITY, {"to": 2, "reason": "x"})


@st.composite
def stories(draw: st.DrawFn) -> list[Told]:
    """Up to eight things within twenty hours, each at an instant of its own."""
    minutes = draw(st.lists(st.integers(1, 1200), unique=True, max_size=8))
    what: st.SearchStrategy[What] = st.sampled_from([REPLY, WAITS, RESUMES, RESOLVED, REOPENED, RAISED, LOWERED])
    return [Told(minute, *draw(what)) for minute in sorted(minutes)]


@given(story=stories(), chance=st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_figures_are_those_of_the_clocks(
    story: list[Told], chance: random.Random, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Told in any order, hours late: decisions less corrections are what a fold of the log says."""
    shuffled = [*story]
    chance.shuffle(shuffled)
    for world in world_at(tmp_path_factory.mktemp("counting")):
        world.hear(signal("a"))
        figures: Counter[str] = Counter()
        for number, told in enumerate(shuffled):
            world.until(NOON + 21 * HOUR + number * MINUTE)
            tell(world, told)
            figures = never_less(figures, world)
        assert expected(world) == standing(world)
        assert len(world.rows("warnings")) == len({key(row) for row in world.rows("warnings")})


def tell(world: World, told: Told) -> None:
    with world.store.write() as connection:
        ticket = tickets.get(connection, 1)
        assert ticket is not None
        ledger.record(
            connection, world.terms, ticket, told.kind, world.clock.now(), actor="person:asha",
            effective_at=NOON + told.minute * MINUTE, body=told.body,
        )  # fmt: skip


def never_less(before: Counter[str], world: World) -> Counter[str]:
    now = Counter(row["kind"] for row in world.counted())
    assert all(now[kind] >= number for kind, number in before.items())
    return now


def standing(world: World) -> Counter[tuple[str, int, str]]:
    sums: Counter[tuple[str, int, str]] = Counter()
    for row in world.counted():
        kind = row["kind"].removesuffix("_withdrawn")
        sums[row["goal"], row["cycle"], kind] += 1 if kind == row["kind"] else -1
    return +sums


def expected(world: World) -> Counter[tuple[str, int, str]]:
    contract = world.terms.policy.pinned(world.ticket.contract)
    sums: Counter[tuple[str, int, str]] = Counter()
    for clock in fold(contract, world.log(), world.clock.now()):
        instants: dict[str, datetime | None] = {"decision": clock.decided_at, "breach": clock.breached_at}
        sums.update((clock.goal, clock.cycle, kind) for kind, at in instants.items() if at is not None)
    return sums


def key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("ticket", "goal", "cycle", "arming", "threshold"))


def test_an_answer_that_is_written_down_late_takes_the_breach_back(world: World) -> None:
    """The decision stands: it is made once. The log says what was taken back."""
    world.hear(signal("a"))
    world.until(NOON + HOUR)
    world.run(world.clocks())
    with world.store.write() as connection:
        desk = world.desk(connection)
        commands.reply(type(desk)(connection, world.terms, desk.actor, desk.now, NOON + 10 * MINUTE), 1, "Called them.")

    response = [row for row in world.counted() if row["goal"] == "response"]
    assert ["decision", "breach", "breach_withdrawn"] == [row["kind"] for row in response]
    assert 1 == len({(row["client"], row["severity"]) for row in response})
    assert ["opened", "message", "corrected"] == kinds(world.log())
    assert {"goal": "response", "cycle": 1, "kind": "breach", "was": "2026-03-02T12:15:00+00:00"} == world.log()[
        -1
    ].body


def test_a_ticket_goes_on_after_a_correction(world: World) -> None:
    """The next command finds it as it stands."""
    test_an_answer_that_is_written_down_late_takes_the_breach_back(world)
    world.after(timedelta(minutes=1))
    with world.store.write() as connection:
        assert 4 == commands.reply(world.desk(connection), 1, "Still at it.").version


def test_only_what_is_told_late_takes_anything_back(world: World) -> None:
    """A look at the clocks that comes out otherwise, as after a change of zones, undoes no breach."""
    world.hear(signal("a"))
    world.until(NOON + HOUR)
    world.run(world.clocks())
    with world.store.write() as connection:
        ticket = tickets.get(connection, 1)
        assert ticket is not None
        ledger.settle_all(connection, world.terms, [ticket], NOON + MINUTE)

    assert ["decision", "breach"] == [row["kind"] for row in world.counted() if row["goal"] == "response"]
