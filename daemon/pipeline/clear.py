"""Clears incidents that have been quiet for as long as their rule asks, in event time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from daemon.desk import opening
from daemon.desk.terms import Terms
from daemon.store import incidents, polls
from daemon.store.engine import Store
from daemon.worker import WORKED, Idle, Outcome


@dataclass
class Clear:
    """Nothing is quiet before every source that could say otherwise has been read past that time."""

    store: Store
    terms: Callable[[], Terms]
    name: str = "clear"

    def step(self, now: datetime) -> Outcome:
        with self.store.read() as connection:
            if not incidents.quiet(connection, polls.watermarks(connection)):
                return Idle()
        with self.store.write() as connection:
            for incident, quiet_at in incidents.quiet(connection, polls.watermarks(connection)):
                opening.clear(connection, self.terms(), incident, quiet_at, "no signal any more", now)
        return WORKED
