"""Plays a rule's test through the pipeline itself, under told time, in a transaction that is undone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import accumulate, islice
from pathlib import Path
from typing import TypeAlias

from sqlalchemy import Connection, select

from daemon.clock import ToldClock
from daemon.desk import owed
from daemon.model import Incident
from daemon.pipeline.detect import Detecting
from daemon.pipeline.open import Detection
from daemon.pipeline.settle import expect, settle
from daemon.pipeline.sift import Wanted
from daemon.rules.engine import Engine
from daemon.rules.model import Rule, RuleTest
from daemon.rules.testing import Arrival, Observed, ObservedIncident, arrivals, compare
from daemon.store import deliveries, incidents, tickets, windows
from daemon.store.engine import Store
from daemon.store.schema import evidence, signals

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
"""A Monday morning."""

_MOMENT = timedelta(microseconds=1)

SETTLES_AFTER = timedelta(days=30)
"""How long after its last signal a test is watched: every quiet time has passed by then."""


MOST_INCIDENTS = 1_000_000
_AT_ONCE = 1_000

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

    def play(self, engine: Engine, test: RuleTest) -> list[str]:
        """What was not as the test expects, in words. `engine` is that of the rule's `cast`."""
        seen = Observed()
        try:
            with self.store.write() as connection:
                seen = _play(Playback(connection, self._watching(engine), engine), test)
                raise _Undone
        except _Undone:
            return compare(test.expect, seen)

    def replay(self, engine: Engine, wanted: Iterable[Wanted], sources: Mapping[str, str]) -> Replayed:
        """What would have come of these, in the order in which they happened. `sources`: name → type of theirs."""
        detection = replace(self.detection, sources=sources)
        found = Replayed()
        try:
            with self.store.write() as connection:
                _replay(Playback(connection, detection, engine), wanted)
                found = _replayed(connection)
                raise _Undone
        except _Undone:
            return found

    def _watching(self, engine: Engine) -> Detection:
        """Rules may name a type of which no source is configured."""
        return replace(self.detection, sources={name: name for rule in engine.rules.values() for name in rule.sources})


def cast(rule: Rule, rules: Mapping[str, Rule]) -> Engine:
    """The rule, live, and beneath it those of `rules` on which it stands, which open nothing here."""
    beneath: dict[str, Rule] = {}
    waiting = [step.rule for step in rule.over]
    while waiting:
        id = waiting.pop()
        if id not in beneath and id in rules:
            beneath[id] = replace(rules[id], silent=True)
            waiting += [step.rule for step in rules[id].over]
    return Engine([*beneath.values(), replace(rule, stage="live", silent=False)])


@contextmanager
def stage(detection: Detection, roles: frozenset[str]) -> Iterator[Stage]:
    terms = replace(detection.terms, roles=roles)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{Path(folder) / 'rehearsal.db'}", ToldClock(START))
        store.migrate()
        yield Stage(store, replace(detection, terms=terms))
        store.close()


@dataclass
class Playback:
    """Signals told one after another, each at its own time, as if the sources were always read as far as is said."""

    connection: Connection
    detection: Detection
    engine: Engine

    @cached_property
    def _detecting(self) -> Detecting:
        return Detecting(self.connection, self.detection, self.engine, START)

    def take(self, wanted: Sequence[Wanted]) -> list[int | None]:
        """The row of each, to be heard in this order; None of what was seen before."""
        return self._detecting.take(wanted)

    def hear(self, wanted: Wanted, row: int | None, now: datetime) -> None:
        if row is not None:
            self._detecting.now = now
            self._detecting.hear(wanted, row)

    def read_up_to(self, until: datetime) -> None:
        """Tells the sources to be read up to `until`, and lets what becomes certain on the way happen at its own
        time."""
        now, worked = datetime.min.replace(tzinfo=UTC), True
        while (due := self._detecting.next_due(until)) is not None and (worked or due > now):
            now = max(due, now)
            self._read(now + _MOMENT)
            self._detecting.now = now
            worked = settle(self._detecting)
        self._read(until)

    def end(self) -> None:
        """Writes what is still to be written."""
        self._detecting.flush()

    def _read(self, mark: datetime) -> None:
        self._detecting.watermarks = dict.fromkeys(self.detection.sources, mark)


def _play(playback: Playback, test: RuleTest) -> Observed:
    """As if the sources were always read as far as they can be: up to the earliest signal that is still to arrive."""
    waiting = arrivals(test, START)
    end = max((arrival.at for arrival in waiting), default=START)
    expect(playback.connection, playback.engine, START)
    told = [Wanted(arrival.signal, playback.engine.match(arrival.signal)) for arrival in waiting]
    heard = [one for one in zip(waiting, _earliest(waiting), told, strict=True) if one[2].matches]
    rows = playback.take([wanted for _, _, wanted in heard])
    for (arrival, earliest, wanted), row in zip(heard, rows, strict=True):
        playback.read_up_to(min(earliest, arrival.at))
        playback.hear(wanted, row, arrival.at)
    playback.read_up_to(end + SETTLES_AFTER if test.until is None else max(end, START + test.until))
    playback.end()
    return Observed(tuple(_observed(playback.connection, each) for each in incidents.recent(playback.connection)))


def _replay(playback: Playback, wanted: Iterable[Wanted]) -> None:
    at, waiting = START, iter(wanted)
    while batch := list(islice(waiting, _AT_ONCE)):
        for each, row in zip(batch, playback.take(batch), strict=True):
            at = each.signal.at
            playback.read_up_to(at)
            playback.hear(each, row, at)
        playback.end()
    playback.read_up_to(at + _MOMENT)  # where it ends is no silence
    playback.end()


def _earliest(waiting: Sequence[Arrival]) -> list[datetime]:
    """For each arrival, when the earliest of it and of all after it happened."""
    backwards = accumulate((arrival.signal.at for arrival in reversed(waiting)), min)
    return list(backwards)[::-1]


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
