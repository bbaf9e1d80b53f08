"""Plays a rule's test through the pipeline itself, under told time, in a transaction that is undone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import TypeAlias

from sqlalchemy import Connection, func, select, union_all

from daemon.clock import ToldClock
from daemon.desk import owed
from daemon.model import Incident, IncidentState
from daemon.pipeline import detect
from daemon.pipeline.open import Detection
from daemon.pipeline.settle import expect, settle
from daemon.rules.engine import Engine
from daemon.rules.model import Rule, RuleTest
from daemon.rules.testing import Arrival, Observed, ObservedIncident, arrivals, compare
from daemon.store import deliveries, incidents, polls, tickets, windows
from daemon.store import schema as tables
from daemon.store.engine import Store
from daemon.store.schema import evidence, signals

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
"""A Monday morning."""

_MOMENT = timedelta(microseconds=1)

SETTLES_AFTER = timedelta(days=30)
"""How long after its last signal a test is watched: every quiet time has passed by then."""


MOST_INCIDENTS = 1_000_000

Rested: TypeAlias = tuple[str, str, str]
"""A rule, and a signal's source and id."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of signals that were played back."""

    incidents: tuple[tuple[Incident, bool, bool], ...] = ()
    """Each with whether a page and whether a defect would be owed; the first to open first. Those of rules in shadow
    are among them."""
    evidence: Mapping[Rested, str] = field(default_factory=dict)
    """Which incident rests on a signal, by a rule's word."""


class _Undone(Exception):
    """Ends a rehearsal's transaction."""


@dataclass(frozen=True)
class Stage:
    """Where rules are rehearsed: an empty store, and all actions of the configuration as if they were on."""

    store: Store
    detection: Detection

    def play(self, rule: Rule, test: RuleTest, rules: Mapping[str, Rule] | None = None) -> list[str]:
        """What was not as the test expects, in words. `rules` are those on which this one may stand."""
        seen = Observed()
        try:
            with self.store.write() as connection:
                engine = Engine(_cast(rule, rules or {}))
                seen = _play(connection, self._watching(engine), engine, test)
                raise _Undone
        except _Undone:
            return compare(test.expect, seen)

    def replay(self, engine: Engine, wanted: Iterable[detect.Wanted], sources: Mapping[str, str]) -> Replayed:
        """What would have come of these, in the order in which they happened. `sources`: name → type of theirs."""
        detection = replace(self.detection, sources=sources)
        found = Replayed()
        try:
            with self.store.write() as connection:
                at = START
                _declare(connection, detection)
                hearing = Hearing(connection, detection, engine)
                for each in wanted:
                    at = each.signal.at
                    hearing.hear([each], at, at)
                hearing.read_up_to(at + _MOMENT)  # where it ends is no silence
                found = _replayed(connection)
                raise _Undone
        except _Undone:
            return found

    def _watching(self, engine: Engine) -> Detection:
        """Rules may name a type of which no source is configured."""
        return replace(self.detection, sources={name: name for rule in engine.rules.values() for name in rule.sources})


def _cast(rule: Rule, rules: Mapping[str, Rule]) -> list[Rule]:
    """The rule, live, and beneath it those on which it stands, which open nothing here."""
    beneath: dict[str, Rule] = {}
    waiting = [step.rule for step in rule.over]
    while waiting:
        id = waiting.pop()
        if id not in beneath and id in rules:
            beneath[id] = replace(rules[id], silent=True)
            waiting += [step.rule for step in rules[id].over]
    return [*beneath.values(), replace(rule, stage="live", silent=False)]


@contextmanager
def stage(detection: Detection, roles: frozenset[str]) -> Iterator[Stage]:
    terms = replace(detection.terms, roles=roles)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{Path(folder) / 'rehearsal.db'}", ToldClock(START))
        store.migrate()
        yield Stage(store, replace(detection, terms=terms))
        store.close()


def _play(connection: Connection, detection: Detection, engine: Engine, test: RuleTest) -> Observed:
    """As if the sources were always read as far as they can be: up to the earliest signal that is still to arrive."""
    waiting = arrivals(test, START)
    end = max((arrival.at for arrival in waiting), default=START)
    _declare(connection, detection)
    expect(connection, engine, START)
    hearing = Hearing(connection, detection, engine)
    for arrival, earliest in zip(waiting, _earliest(waiting), strict=True):
        wanted, _ = detect.sift(engine, [arrival.signal])
        hearing.hear(wanted, min(earliest, arrival.at), arrival.at)
    hearing.read_up_to(end + SETTLES_AFTER if test.until is None else max(end, START + test.until))
    return Observed(tuple(_observed(connection, incident) for incident in incidents.recent(connection)))


def _earliest(waiting: Sequence[Arrival]) -> list[datetime]:
    """For each arrival, when the earliest of it and of all after it happened."""
    backwards = accumulate((arrival.signal.at for arrival in reversed(waiting)), min)
    return list(backwards)[::-1]


@dataclass
class Hearing:
    """Signals one after the other, each at its own time, and between them what becomes certain at its own.

    As long as nothing comes of them, windows are moved in memory and written once.
    """

    connection: Connection
    detection: Detection
    engine: Engine
    _detecting: detect.Detecting | None = None
    _next_at: datetime | None = None
    """When the first of what is written has something to say."""

    def hear(self, wanted: Sequence[detect.Wanted], read_to: datetime, now: datetime) -> None:
        """Up to `read_to` all sources have been read by then."""
        detecting = self._detecting
        if detecting is None or detecting.stirred or self._is_due(read_to) or _recovers(wanted):
            self.read_up_to(read_to)
            detecting = self._detecting = detect.Detecting(self.connection, self.detection, self.engine, now)
        detecting.now = now
        detecting.take(wanted)

    def read_up_to(self, until: datetime) -> None:
        if self._detecting is not None:
            self._detecting.flush()
            self._detecting = None
        before, worked = datetime.min.replace(tzinfo=UTC), False
        while (due := _next(self.connection)) is not None and due < until and (due > before or worked):
            polls.read_to(self.connection, due + _MOMENT)
            worked = settle(self.connection, self.detection, self.engine, due)
            before = due
        polls.read_to(self.connection, until)
        self._next_at = due

    def _is_due(self, until: datetime) -> bool:
        moved = None if self._detecting is None else self._detecting.due_at
        return any(at is not None and at < until for at in (moved, self._next_at))


def _recovers(wanted: Iterable[detect.Wanted]) -> bool:
    return any(match.recovered for each in wanted for match in each.matches)


_NEXT = union_all(
    select(func.min(tables.windows.c.due_at).label("at")),
    select(func.min(tables.incidents.c.clear_at)).where(tables.incidents.c.state == IncidentState.OPEN.value),
)


def _next(connection: Connection) -> datetime | None:
    """When the first window or quiet time has something to say."""
    return min((at for at in connection.execute(_NEXT).scalars() if at is not None), default=None)


def _declare(connection: Connection, detection: Detection) -> None:
    for name in detection.sources:
        polls.declare(connection, name, START)


def _observed(connection: Connection, incident: Incident) -> ObservedIncident:
    over_at = incidents.over_at(connection, incident.id)
    owned, (page, defect) = tickets.of_incident(connection, incident.id), _owed(connection, incident)
    return ObservedIncident(
        severity=incident.severity,
        at=windows.opened_at(connection, incident.id, incident.opened_at) - START,
        title=incident.title,
        location=incident.location,
        team=incident.team,
        clients=tuple(ticket.client for ticket in owned),
        page=page,
        defect=defect,
        cleared=None if over_at is None else over_at - START,
        tickets=tuple(ticket.state for ticket in owned),
        due=tuple(
            (clock.goal, clock.deadline - START)
            for ticket in owned
            for clock in tickets.clocks_of(connection, ticket.id)
            if clock.cycle == 1 and clock.deadline is not None
        ),
    )


def _replayed(connection: Connection) -> Replayed:
    found = [one for shadow in (False, True) for one in incidents.recent(connection, MOST_INCIDENTS, shadow=shadow)]
    opened = sorted(found, key=lambda one: (one.opened_at, one.key))
    rested = select(evidence.c.rule, signals.c.source, signals.c.id, evidence.c.incident).join_from(
        evidence, signals, evidence.c.signal == signals.c.row
    )
    return Replayed(
        tuple((one, *_owed(connection, one)) for one in opened),
        {(rule, source, id): incident for rule, source, id, incident in connection.execute(rested)},
    )


def _owed(connection: Connection, incident: Incident) -> tuple[bool, bool]:
    """Whether a page, and whether a defect."""
    return (
        deliveries.was_owed(connection, owed.PAGE, owed.page_key(incident)),
        deliveries.was_owed(connection, owed.DEFECT, owed.defect_key(incident)),
    )
