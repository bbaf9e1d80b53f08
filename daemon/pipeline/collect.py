"""Polls one source, and records in one transaction its cursor, its signals and all that they mean."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from daemon.contract import Batch, Source
from daemon.errors import Failure
from daemon.metrics import Metrics
from daemon.model import Cursor
from daemon.pipeline import alarm, detect
from daemon.pipeline.detect import Wanted
from daemon.pipeline.open import Detection
from daemon.pipeline.turn import DEADLINE, Turn
from daemon.rules.engine import Engine
from daemon.store import polls, signals
from daemon.worker import Outcome, Outside

log = logging.getLogger("heliograph.collect")


@dataclass(frozen=True, slots=True)
class _Sifted:
    batch: Batch
    wanted: list[Wanted]
    unwanted: int

    @property
    def next(self) -> Cursor:
        return self.batch.next

    @property
    def more(self) -> bool:
        return self.batch.more

    @property
    def watermark(self) -> datetime | None:
        return self.batch.watermark


@dataclass
class Collect:
    """One source's turn."""

    turn: Turn
    source: Source
    keep_all: bool
    engine: Callable[[], Engine]
    detection: Callable[[], Detection]
    outside: Outside
    metrics: Metrics

    @property
    def name(self) -> str:
        return f"collect:{self.turn.name}"

    def step(self, now: datetime) -> Outcome:
        return self.turn.step(now, lambda cursor: self._poll(cursor, now), self._record, self._failed)

    def _poll(self, cursor: Cursor | None, now: datetime) -> _Sifted:
        with self.metrics.polled(self.turn.name):
            batch = self.outside(lambda: self.source.poll(cursor, now), DEADLINE)
        return _Sifted(batch, *detect.sift(self.engine(), batch.signals, self.keep_all))

    def _record(self, connection: Connection, got: _Sifted, now: datetime) -> None:
        new = detect.detect(connection, self.detection(), got.wanted, now)
        polls.count(connection, self.turn.name, new, got.unwanted)
        for reason, record in got.batch.quarantined:
            if signals.quarantine_record(connection, self.turn.name, reason, record, now):
                self.metrics.dropped(self.turn.name, reason)
        self.metrics.collected(self.turn.name, new, got.unwanted)
        alarm.source_answers(connection, self.detection().terms, self.turn.name, now)

    def _failed(self, connection: Connection, failure: Failure, now: datetime) -> None:
        self.metrics.poll_failed(self.turn.name, failure.reason)
        alarm.source_failed(connection, self.detection().terms, self.turn.name, failure, now)
