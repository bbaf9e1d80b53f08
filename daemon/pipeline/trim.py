"""Forgets what no incident rests on once it is old. Tickets, events, decisions and evidence are kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from daemon.store import signals
from daemon.store.engine import Store
from daemon.worker import Idle, Outcome

KEPT_FOR = timedelta(days=90)
EVERY = timedelta(hours=1)


@dataclass
class Trim:
    store: Store
    name: str = "trim"
    _due_at: datetime | None = field(default=None, init=False)

    def step(self, now: datetime) -> Outcome:
        if self._due_at is None or now >= self._due_at:
            with self.store.write() as connection:
                signals.trim(connection, now - KEPT_FOR)
            self._due_at = now + EVERY
        return Idle(self._due_at)
