"""Calls a dead man's switch for as long as all is well: when the daemon falls silent, somebody else notices."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from daemon import http
from daemon.errors import Failure
from daemon.log import Once
from daemon.secret import Secret
from daemon.worker import Idle, Outcome, Outside

log = logging.getLogger("heliograph.heartbeat")

_DEADLINE = timedelta(seconds=10)


@dataclass
class Heartbeat:
    """A failed call is not repeated before its next time: a switch waits for several before it rings."""

    url: Secret
    every: timedelta
    well: Callable[[], bool]
    outside: Outside
    once: Once
    name: str = "heartbeat"
    _due_at: datetime | None = field(default=None, init=False)

    def step(self, now: datetime) -> Outcome:
        if self._due_at is None or now >= self._due_at:
            self._due_at = now + self.every
            if self.well():
                self._beat()
        return Idle(self._due_at)

    def _beat(self) -> None:
        try:
            self.outside(lambda: http.call(self.url.reveal(), _DEADLINE.total_seconds()), _DEADLINE)
        except Failure as failure:
            self.once.broke(log, self.name, "the heartbeat does not arrive: %s", failure)
        else:
            self.once.recovered(log, self.name, "the heartbeat arrives again")
