"""Looks at each ticket's clocks when something of theirs falls due: warnings, breaches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from daemon.desk import ledger
from daemon.desk.terms import Terms
from daemon.metrics import Metrics
from daemon.store import tickets
from daemon.store.engine import Store
from daemon.worker import WORKED, Idle, Outcome


@dataclass
class Clocks:
    """One transaction a batch, the longest overdue first."""

    store: Store
    terms: Callable[[], Terms]
    metrics: Metrics
    name: str = "clocks"

    def step(self, now: datetime) -> Outcome:
        outcome = self._look(now)
        self.metrics.ticked(now)
        return outcome

    def _look(self, now: datetime) -> Outcome:
        with self.store.read() as connection:
            if not (due_at := tickets.next_due(connection)) or due_at > now:
                return Idle(due_at)
        with self.store.write() as connection:
            ledger.settle_all(connection, self.terms(), tickets.due(connection, now), now)
        return WORKED
