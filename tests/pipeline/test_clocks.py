"""Clocks and trimming: each threshold is told once, when it is due; only what nothing rests on is forgotten."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from daemon.desk import commands
from daemon.pipeline.trim import KEPT_FOR, Trim
from daemon.store import polls, signals
from daemon.worker import Idle
from tests.pipeline.doubles import MINUTE, NOON, SECOND, World, signal, terms


@pytest.fixture(autouse=True)
def ticket(world: World) -> None:
    world.hear(signal("a"))


def warned(world: World) -> list[str]:
    return [key for _, key, _ in world.deliveries("warning")]


def test_nothing_is_looked_at_before_it_is_due(world: World) -> None:
    """The first threshold is half of the quarter of an hour."""
    assert Idle(NOON + 7.5 * MINUTE) == world.clocks().step(world.clock.now())


def test_every_look_is_told_to_prometheus(world: World) -> None:
    """Whether anything was due or not: the figure stands still only if nobody looks."""
    world.clock.tell(NOON + MINUTE)
    world.clocks().step(world.clock.now())
    name = "heliograph_scheduler_last_tick_timestamp_seconds"

    assert (NOON + MINUTE).timestamp() == world.registry.get_sample_value(name)


def test_a_warning_is_owed_once_when_it_is_due(world: World) -> None:
    """Looked at again and again, by one or by several."""
    world.clock.tell(NOON + 7.5 * MINUTE - SECOND)
    world.run(world.clocks())
    assert [] == warned(world)
    world.after(SECOND)
    for _ in range(3):
        world.run(world.clocks(), world.clocks())

    assert ["w:1:response:1:1:50%"] == sorted(warned(world))
    (owed,) = [row for row in world.rows("deliveries") if row["role"] == "warning"]
    assert (1, ["assignee"], "2026-03-02T12:15:00Z") == (owed["ticket"], owed["body"]["notify"], owed["body"]["due"])


def test_a_breach_is_decided_once_and_pages(world: World) -> None:
    """At the deadline, however late it is seen; an answer afterwards decides nothing more. What came due while nobody
    looked is recorded piece by piece, and told as one, which says that it is late."""
    world.clock.tell(NOON + 20 * MINUTE)
    world.run(world.clocks())
    with world.store.write() as connection:
        commands.reply(world.desk(connection), 1, "We are on it.")
    world.after(MINUTE)
    world.run(world.clocks())

    assert [("response", "decision", NOON + 15 * MINUTE), ("response", "breach", NOON + 15 * MINUTE)] == [
        (row["goal"], row["kind"], row["at"]) for row in world.counted()
    ]
    assert ["w:1:response:1:1:breach"] == warned(world)
    assert ["hg:<id>:1", "w:1:response:1:1:breach"] == [key for _, key, _ in world.deliveries()]
    assert ["50%", "breach"] == [row["threshold"] for row in world.rows("warnings")]
    (owed,) = [row["body"] for row in world.rows("deliveries") if row["role"] == "warning"]
    assert (["assignee"], 300) == (owed["notify"], owed["late_seconds"])


def test_what_is_off_is_owed_nothing(world: World) -> None:
    """The warning is recorded all the same, once: it is not told late when the action is switched on."""
    world.terms = replace(world.terms, roles=frozenset())
    world.clock.tell(NOON + 20 * MINUTE)
    world.run(world.clocks())
    assert ["50%", "breach"] == sorted(row["threshold"] for row in world.rows("warnings"))
    world.terms = terms()
    world.after(MINUTE)
    world.run(world.clocks())

    assert ([], 1) == (warned(world), len(world.deliveries()))


def test_an_answer_in_time_is_decided_as_met_and_warns_nobody(world: World) -> None:
    """The clock that stopped has nothing due."""
    world.clock.tell(NOON + 5 * MINUTE)
    with world.store.write() as connection:
        commands.reply(world.desk(connection), 1, "We are on it.")
    world.clock.tell(NOON + 30 * MINUTE)
    world.run(world.clocks())

    assert [("decision", NOON + 5 * MINUTE)] == [(row["kind"], row["at"]) for row in world.counted()]
    assert [] == warned(world)


def test_what_an_incident_rests_on_is_kept(world: World) -> None:
    """What nothing rests on goes after its time, once an hour."""
    with world.store.write() as connection:
        polls.declare(connection, "sentry", NOON)
        signals.keep(connection, [signal("b", level="info")], NOON)
        signals.quarantine_record(connection, "sentry", "bad", "{", NOON)
    trim = Trim(world.store)
    world.clock.tell(NOON + KEPT_FOR)
    assert Idle(NOON + KEPT_FOR + timedelta(hours=1)) == trim.step(world.clock.now())
    assert 2 == len(world.rows("signals"))
    world.clock.tell(NOON + KEPT_FOR + MINUTE)
    trim.step(world.clock.now())
    assert 2 == len(world.rows("signals"))
    world.clock.tell(NOON + KEPT_FOR + timedelta(hours=1))
    trim.step(world.clock.now())

    assert (["a"], []) == ([row["id"] for row in world.rows("signals")], world.rows("quarantine"))
    assert (1, 1, 1) == (len(world.incidents()), len(world.tickets()), len(world.log()))
