"""Hands the queue over when the next site opens, and keeps who is on call as the pager says."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from daemon.contract import OnCall
from daemon.desk import handover
from daemon.desk.terms import Terms
from daemon.errors import Failure
from daemon.log import about
from daemon.metrics import Metrics
from daemon.model import Cursor, Shift
from daemon.pipeline.turn import DEADLINE, Turn
from daemon.store import handovers
from daemon.store.engine import Store
from daemon.worker import WORKED, Idle, Outcome, Outside

log = logging.getLogger("heliograph.desk")

LOOK_EVERY = timedelta(minutes=1)


@dataclass
class HandOver:
    """A look a minute: sites open and close by the wall, and policy may change at any time."""

    store: Store
    terms: Callable[[], Terms]
    name: str = "hand over"

    def step(self, now: datetime) -> Outcome:
        staff = self.terms().staff
        with self.store.read() as connection:
            before = handovers.latest(connection)
        owner = staff.duty(now).owner
        if owner is None or (before is not None and before.to_site == owner):
            return Idle(now + LOOK_EVERY)
        with self.store.write() as connection:
            handed = handover.hand_over(connection, self.terms(), now)
        if handed is not None:
            log.info("queue handed over", extra=about(handover=handed.id, tickets=len(handed.tickets)))
        return WORKED


@dataclass(frozen=True, slots=True)
class _Said:
    shifts: tuple[Shift, ...]
    next: Cursor = None
    more: bool = False
    watermark: datetime | None = None


@dataclass
class ReadRota:
    """What the pager said last stands while it cannot be asked."""

    turn: Turn
    role: str
    pager: OnCall
    outside: Outside
    metrics: Metrics

    @property
    def name(self) -> str:
        return self.turn.name

    def step(self, now: datetime) -> Outcome:
        return self.turn.step(now, self._poll, self._record, self._failed)

    def _poll(self, cursor: Cursor | None, as_of: datetime) -> _Said:
        with self.metrics.requested(self.role, "rota"):
            return _Said(self.outside(lambda: self.pager.on_call(as_of), DEADLINE))

    def _record(self, connection: Connection, said: _Said, now: datetime) -> None:
        handovers.keep_rota(connection, self.role, said.shifts, now)

    def _failed(self, connection: Connection, failure: Failure, now: datetime) -> None:
        self.metrics.request_failed(self.role, "rota", failure.reason)
