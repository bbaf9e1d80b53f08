"""Plays a rule's test through the pipeline itself, under told time, in a transaction that is undone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

from sqlalchemy import Connection, select

from daemon.clock import ToldClock
from daemon.desk import opening, owed
from daemon.model import Incident
from daemon.pipeline import detect
from daemon.pipeline.open import Detection
from daemon.rules.engine import Engine
from daemon.rules.model import Rule, RuleTest
from daemon.rules.testing import Observed, ObservedIncident, arrivals, compare
from daemon.store import deliveries, incidents, tickets
from daemon.store.engine import Store
from daemon.store.schema import evidence, signals

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
"""A Monday morning."""

SETTLES_AFTER = timedelta(days=30)
"""How long after its last signal a test is watched: every quiet time has passed by then."""


MOST_INCIDENTS = 1_000_000

Rested: TypeAlias = tuple[str, str, str]
"""A rule, and a signal's source and id."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of signals that were played back."""

    incidents: tuple[tuple[Incident, bool, bool], ...] = ()
    """Each with whether a page and whether a defect would be owed; the first to open first."""
    evidence: Mapping[Rested, str] = field(default_factory=dict)
    """Which incident rests on a signal, by a rule's word."""


class _Undone(Exception):
    """Ends a rehearsal's transaction."""


@dataclass(frozen=True)
class Stage:
    """Where rules are rehearsed: an empty store, and all actions of the configuration as if they were on."""

    store: Store
    detection: Detection

    def play(self, rule: Rule, test: RuleTest) -> list[str]:
        """What was not as the test expects, in words."""
        seen = Observed()
        try:
            with self.store.write() as connection:
                seen = _play(connection, self._watching(rule), rule, test)
                raise _Undone
        except _Undone:
            return compare(test.expect, seen)

    def replay(self, wanted: Iterable[detect.Wanted], sources: Mapping[str, str]) -> Replayed:
        """What would have come of these, in the order in which they happened. `sources`: name → type of theirs."""
        detection = replace(self.detection, sources=sources)
        found = Replayed()
        try:
            with self.store.write() as connection:
                for each in wanted:
                    at = each.signal.at
                    _clear(connection, detection, at, {})
                    detect.detect(connection, detection, [each], at)
                found = _replayed(connection)
                raise _Undone
        except _Undone:
            return found

    def _watching(self, rule: Rule) -> Detection:
        """A rule may name a type of which no source is configured."""
        return replace(self.detection, sources={name: name for name in rule.sources})


@contextmanager
def stage(detection: Detection, roles: frozenset[str]) -> Iterator[Stage]:
    terms = replace(detection.terms, roles=roles)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{Path(folder) / 'rehearsal.db'}", ToldClock(START))
        store.migrate()
        yield Stage(store, replace(detection, terms=terms))
        store.close()


def _play(connection: Connection, detection: Detection, rule: Rule, test: RuleTest) -> Observed:
    engine = Engine([replace(rule, stage="live")])
    cleared: dict[str, timedelta] = {}
    end = START
    for arrival in arrivals(test, START):
        _clear(connection, detection, arrival.signal.at, cleared)
        wanted, _ = detect.sift(engine, [arrival.signal])
        detect.detect(connection, detection, wanted, arrival.at)
        end = max(end, arrival.at)
    _clear(connection, detection, end + SETTLES_AFTER, cleared)
    return Observed(tuple(_observed(connection, incident, cleared) for incident in incidents.recent(connection)))


def _clear(connection: Connection, detection: Detection, at: datetime, cleared: dict[str, timedelta]) -> None:
    for incident, quiet_at in incidents.quiet(connection, dict.fromkeys(detection.sources, at)):
        opening.clear(connection, detection.terms, incident, quiet_at, "no signal any more", quiet_at)
        cleared[incident.id] = quiet_at - START


def _observed(connection: Connection, incident: Incident, cleared: dict[str, timedelta]) -> ObservedIncident:
    over_at = incidents.over_at(connection, incident.id)
    page, defect = _owed(connection, incident)
    return ObservedIncident(
        severity=incident.severity,
        at=incident.opened_at - START,
        title=incident.title,
        location=incident.location,
        team=incident.team,
        clients=tuple(ticket.client for ticket in tickets.of_incident(connection, incident.id)),
        page=page,
        defect=defect,
        cleared=cleared.get(incident.id, None if over_at is None else over_at - START),
    )


def _replayed(connection: Connection) -> Replayed:
    opened = sorted(incidents.recent(connection, MOST_INCIDENTS), key=lambda one: (one.opened_at, one.key))
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
