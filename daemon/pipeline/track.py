"""Brings back what became of what we sent: who acknowledged a page, what was written on it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from daemon.contract import Facts, Feed
from daemon.desk import commands
from daemon.desk.desk import Desk
from daemon.desk.telling import tell
from daemon.desk.terms import Terms
from daemon.errors import Failure
from daemon.metrics import Metrics
from daemon.model import Cursor, Fact, FactKind, Role
from daemon.pipeline.turn import DEADLINE, Turn
from daemon.store import deliveries, signals
from daemon.worker import Outcome, Outside

log = logging.getLogger("heliograph.track")


@dataclass(frozen=True, slots=True)
class _Brought:
    facts: Facts
    watermark: None = None

    @property
    def next(self) -> Cursor:
        return self.facts.next

    @property
    def more(self) -> bool:
        return self.facts.more


@dataclass
class Track:
    """One action's feed."""

    turn: Turn
    role: Role
    feed: Feed
    terms: Callable[[], Terms]
    outside: Outside
    metrics: Metrics

    @property
    def name(self) -> str:
        return f"track:{self.role}"

    def step(self, now: datetime) -> Outcome:
        return self.turn.step(now, self._poll, self._record, self._failed)

    def _poll(self, cursor: Cursor | None, as_of: datetime) -> _Brought:
        with self.metrics.requested(self.role, "feed"):
            return _Brought(self.outside(lambda: self.feed.poll(cursor, as_of), DEADLINE))

    def _record(self, connection: Connection, got: _Brought, now: datetime) -> None:
        for fact in got.facts.facts:
            if signals.fact_is_new(connection, self.role, fact.id, now):
                self._apply(connection, fact, now)

    def _apply(self, connection: Connection, fact: Fact, now: datetime) -> None:
        """Through the desk. What speaks of nothing that we sent is not ours."""
        incident = deliveries.incident_of(connection, self.role, fact.key)
        if incident is None:
            return
        tell(
            connection, log, logging.INFO, f"{self.role} {fact.kind.value}", incident=incident, role=self.role,
            delivery=fact.key, actor=fact.actor,
        )  # fmt: skip
        terms = self.terms()
        name = terms.staff.named(str(fact.fields.get("user") or "")) or fact.actor or self.role
        desk = Desk(connection, terms, f"person:{name}", now, fact.at, fact.id)
        taken = fact.kind is FactKind.ACKNOWLEDGED or (
            fact.kind is FactKind.RESOLVED and commands.is_open(desk, incident)
        )
        if taken:
            commands.page_acknowledged(desk, incident, fact.kind.value)
        elif fact.kind is FactKind.NOTED:
            commands.note(desk, incident, fact.text)

    def _failed(self, connection: Connection, failure: Failure, now: datetime) -> None:
        self.metrics.request_failed(self.role, "feed", failure.reason)
