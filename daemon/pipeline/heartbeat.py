"""Calls a dead man's switch for as long as all is well: when the daemon falls silent, somebody else notices."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import requests

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

    def __post_init__(self) -> None:
        self._session = http.session(_DEADLINE.total_seconds())

    def step(self, now: datetime) -> Outcome:
        if self._due_at is None or now >= self._due_at:
            self._due_at = now + self.every
            if self.well():
                self._beat()
        return Idle(self._due_at)

    def _beat(self) -> None:
        try:
            self.outside(self._call, _DEADLINE)
        except Failure as failure:
            self.once.broke(log, self.name, "the heartbeat does not arrive: %s", failure)
        else:
            self.once.recovered(log, self.name, "the heartbeat arrives again")

    def _call(self) -> None:
        try:
            answer = self._session.get(self.url.reveal())
        except requests.RequestException as error:
            raise http.translate(error, sent=False) from None
        http.raise_for_status(answer.status_code, answer.headers, answer.text, sent=False)
