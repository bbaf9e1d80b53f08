"""Signals of which no more is wanted than that a group was heard: those are kept that a silence can hang on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.model import Signal
from daemon.pipeline.sift import Wanted, sift, thinned
from daemon.rules.engine import Engine, Match
from daemon.rules.load import load_text
from daemon.rules.model import Rule
from daemon.rules.windows import Entry, Pane, State, Verdict
from daemon.rules.windows.state import stamp
from daemon.store import windows
from tests.pipeline.doubles import HOUR, MINUTE, NOON, SECOND, World, recovered, rule, signal, world_at
from tests.rules.names import NAMES

FLOWING = replace(NAMES, types=NAMES.types | {"vpcflow"})
SILENT = "title: '{project} is silent'\nmatch: {level: fatal}\nclass: availability\nseverity: 2\ngroup_by: [project]\n"

Thin: TypeAlias = Callable[[Sequence[Wanted], Callable[[Match], State]], Sequence[Wanted]]


def heart(id: str = "heart", window: str = "{absent: 10m}", source: str = "sentry", more: str = "") -> Rule:
    return load_text(id, f"source: {source}\n{SILENT}window: {window}\n{more}", f"rules/{id}.yaml", FLOWING)


def few(wanted: Sequence[Wanted], state: Callable[[Match], State]) -> Sequence[Wanted]:
    return thinned(wanted, state)[0]


def every(wanted: Sequence[Wanted], state: Callable[[Match], State]) -> Sequence[Wanted]:
    return wanted


@dataclass
class Heard:
    """The windows of one set of rules, moved as the daemon does."""

    thin: Thin
    rules: list[Rule] = field(default_factory=lambda: [heart(), heart("slow", "{absent: 25m}")])
    panes: dict[tuple[str, str], Pane] = field(default_factory=dict)
    said: list[tuple[str, str, str, datetime]] = field(default_factory=list)
    """Rule, group, what it said, when."""
    kept: list[Signal] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.engine = Engine(self.rules)

    def hear(self, batch: Sequence[Signal]) -> None:
        for each in self.thin(sift(self.engine, batch)[0], self._state):
            self.kept.append(each.signal)
            for match in each.matches:
                entry = Entry(stamp(each.signal.at), len(self.kept))
                mover = self.engine.mover(match.rule.id)
                self._take(match.rule.id, match.key, mover.move(self._pane(match), *entry))

    def read_to(self, mark: datetime) -> None:
        for (id, key), pane in self.panes.items():
            self._take(id, key, self.engine.mover(id).settle(pane, stamp(mark)))

    def _pane(self, match: Match) -> Pane:
        return self.panes.setdefault((match.rule.id, match.key), self.engine.mover(match.rule.id).pane())

    def _state(self, match: Match) -> State:
        return self.engine.mover(match.rule.id).state(self._pane(match))

    def _take(self, id: str, key: str, verdict: Verdict | None) -> None:
        if verdict is None:
            return
        self.said += [(id, key, "silent", fired.at) for fired in verdict.firings]
        self.said += [(id, key, "heard", at) for at, _ in verdict.recovered]


BATCH = st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["shop", "till"])), max_size=12)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(BATCH, st.integers(0, 20), st.integers(-10, 25)), max_size=8))
def test_silences_begin_and_end_as_if_all_were_heard(polls: list[tuple[list[tuple[int, str]], int, int]]) -> None:
    """Whatever comes in a poll, in whatever order, late ones and too late ones among it."""
    all_of_them, some = Heard(every), Heard(few)
    start = number = 0
    for batch, passes, behind in polls:
        told = [signal(f"{number + n}", (start + at) * MINUTE, project=name) for n, (at, name) in enumerate(batch)]
        number, start = number + len(batch), start + passes
        for each in (all_of_them, some):
            each.hear(told)
            each.read_to(NOON + (start + behind) * MINUTE)
    for each in (all_of_them, some):
        each.read_to(NOON + 10 * HOUR)

    assert sorted(all_of_them.said) == sorted(some.said)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 3600), min_size=1, max_size=300))
def test_what_is_kept_of_a_poll_grows_with_its_time_alone(seconds: list[int]) -> None:
    """Two for each length of the silence, however much is heard."""
    heard = Heard(few, [heart()])
    heard.hear([signal(f"{n}", at * SECOND) for n, at in enumerate(seconds)])

    assert len(heard.kept) <= 2 * (max(seconds) - min(seconds)) / 600 + 2


def test_of_a_poll_the_last_is_enough_where_the_one_before_is_near(world: World) -> None:
    """The heartbeat of an idle day: a row a poll."""
    world.rules = [heart()]
    world.hear(*(signal(f"a{n}", n * SECOND) for n in range(60)))
    world.hear(*(signal(f"b{n}", (60 + n) * SECOND) for n in range(60)))

    assert ["a0", "a59", "b59"] == [row["id"] for row in world.rows("signals")]


def test_what_is_not_kept_counts_as_unwanted_and_as_matched(world: World) -> None:
    """Each once, however often overlapping polls bring it."""
    world.rules = [heart()]
    engine = Engine(world.rules)
    collect = replace(world.collect(), engine=lambda: engine)
    for _ in range(2):
        world.source.say(*(signal(f"{n}", n * SECOND) for n in range(60)))
        collect.step(world.clock.now())
        world.after(MINUTE)

    assert [(2, 58)] == [(row["signals"], row["unwanted"]) for row in world.rows("polls")]
    assert 60.0 == world.registry.get_sample_value("heliograph_rule_matches_total", {"rule": "heart"})


def test_what_is_pushed_is_thinned_too(world: World) -> None:
    world.rules = [heart()]
    world.receive()({"signature": "right"}, b"a b c d")

    assert ["d"] == [row["id"] for row in world.rows("signals")]
    assert [(1, 3)] == [(row["signals"], row["unwanted"]) for row in world.rows("polls")]


@pytest.mark.parametrize("other", [rule("silent: true\n"), heart("many", "{count: 100, within: 1h}")])
def test_what_another_rule_wants_is_kept(world: World, other: Rule) -> None:
    world.rules = [heart(), other]
    world.hear(*(signal(f"{n}", n * SECOND) for n in range(60)))

    assert 60 == len(world.rows("signals"))


def test_what_is_to_be_kept_is_kept_and_heard(world: World) -> None:
    """`keep: all` is for replays, which should find what was found."""
    world.rules = [heart()]
    everything = world.collect()
    everything.keep_all = True
    world.source.say(*(signal(f"{n}", n * SECOND) for n in range(60)))
    world.run(everything)

    assert [60, 60] == [len(world.rows("signals")), len(world.rows("judgements"))]


def test_a_recovery_is_heard_though_it_comes_between_beats(world: World) -> None:
    """It is no beat."""
    world.rules = [heart(more="clear: recovery\n")]
    world.hear(signal("a"), recovered("r", SECOND), signal("b", 2 * SECOND), signal("c", 3 * SECOND))

    assert ["a", "r", "c"] == [row["id"] for row in world.rows("signals")]


def test_what_comes_too_late_leaves_one_on_record(world: World) -> None:
    """It changes nothing; that it came is worth knowing."""
    world.rules = [heart()]
    world.after(2 * HOUR)
    world.hear(signal("a", HOUR), watermark=NOON + 2 * HOUR)
    world.settle()
    world.hear(*(signal(f"late{n}", n * SECOND) for n in range(60)))

    assert ["late59"] == [row["id"] for row in world.rows("signals")][1:]
    assert "uncounted" == world.rows("judgements")[-1]["outcome"]


def test_heartbeats_crowd_no_decision_out(world: World) -> None:
    """Of a year of them and one silence, the silence is what is asked about."""
    world.rules = [heart()]
    world.hear(signal("a"), watermark=NOON)
    world.after(20 * MINUTE)
    world.hear(watermark=NOON + 15 * MINUTE)
    world.settle()
    for n in range(4):
        world.hear(signal(f"b{n}", (20 + n) * MINUTE))

    with world.store.read() as connection:
        judged = windows.judged(connection, world.incident.key, 3)
    assert ["opened", "waiting", "waiting"] == [each.outcome for each in judged]


def flow(n: int, after: timedelta) -> Signal:
    """A row of a flow log."""
    fields = {"project": "111122223333", "level": "fatal", "interface-id": f"eni-{n % 40}", "bytes": n}
    return Signal("flow", "vpcflow", "aws.vpcflow", f"{after}-{n}", NOON + after, fields)


@pytest.fixture
def flowing(tmp_path: Path) -> Iterator[World]:
    with contextmanager(world_at)(tmp_path) as world:
        world.sources = {"flow": "vpcflow"}
        yield world


def test_thousands_of_rows_a_poll_leave_a_handful(flowing: World) -> None:
    """And the incident of a later silence begins, opens and is over when it would have."""
    world = flowing
    world.rules = [heart(source="vpcflow", more="then: [ticket]\n")]
    collect = world.collect(name="flow")

    def poll(*signals: Signal, read_to: timedelta) -> None:
        world.source.say(*signals, watermark=NOON + read_to)
        world.until(NOON + read_to + MINUTE)
        collect.step(world.clock.now())
        world.settle()

    poll(*(flow(n, n % 60 * SECOND) for n in range(5_000)), read_to=MINUTE)
    assert 2 == len(world.rows("signals")) == len(world.rows("judgements"))

    poll(read_to=11 * MINUTE)
    assert ("open", NOON + 59 * SECOND + 10 * MINUTE) == (world.incident.state, world.incident.began_at)

    poll(*(flow(n, 15 * MINUTE + n % 60 * SECOND) for n in range(5_000)), read_to=16 * MINUTE)
    assert [NOON + 15 * MINUTE] == [row["over_at"] for row in world.rows("incidents")]
    assert 4 == len(world.rows("signals"))
    assert [10_000] == [row["signals"] + row["unwanted"] for row in world.rows("polls")]
