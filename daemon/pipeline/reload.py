"""Takes configuration, policy and rules anew when their files change, or when told to: the whole set, or none of it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from daemon.desk.terms import Terms
from daemon.errors import ConfigError
from daemon.metrics import Metrics
from daemon.pipeline import alarm
from daemon.store.engine import Store
from daemon.worker import Idle

log = logging.getLogger("heliograph.reload")

EVERY = timedelta(seconds=2)
"""How often the files are looked at."""


class Reload:
    """One step. `digest` tells the set's files apart by what they hold; `take` reads them and puts them to use, or
    raises ConfigError and changes nothing; neither is called within a transaction. `running` is the digest of what runs
    at the start."""

    name = "reload"

    def __init__(
        self,
        digest: Callable[[], str],
        take: Callable[[], None],
        store: Store,
        terms: Callable[[], Terms],
        metrics: Metrics,
        running: str,
    ) -> None:
        self._digest, self._take, self._store, self._terms, self._metrics = digest, take, store, terms, metrics
        self._seen, self._told = running, False
        self._asked = threading.Event()

    def ask(self) -> None:
        """Read them again though they look the same: a variable or a secret's file may have changed."""
        self._asked.set()

    def step(self, now: datetime) -> Idle:
        if not self._told:
            self._told = True
            self._well(self._seen, now)
        found = self._digest()
        if found != self._seen or self._asked.is_set():
            self._asked.clear()
            self._seen = found
            self._read(found, now)
        return Idle(now + EVERY)

    def _read(self, found: str, now: datetime) -> None:
        try:
            self._take()
        except ConfigError as error:
            self._refused(error, now)
            return
        log.info("configuration, policy and rules are taken anew: %s", found[:12])
        self._well(found, now)

    def _well(self, running: str, now: datetime) -> None:
        self._metrics.reloaded(now, running)
        with self._store.write() as connection:
            alarm.reloaded(connection, self._terms(), now)

    def _refused(self, error: ConfigError, now: datetime) -> None:
        for problem in error.problems:
            log.error("%s", problem)
        log.error("nothing was taken of the new configuration, policy and rules: the old set runs on")
        self._metrics.not_reloaded()
        with self._store.write() as connection:
            alarm.not_reloaded(connection, self._terms(), error, now)
