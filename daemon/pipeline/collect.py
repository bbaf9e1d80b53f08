"""Polls one source, and records in one transaction its cursor, its signals and all that they mean."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from daemon import http, trace
from daemon.contract import Batch, Source
from daemon.desk import telling
from daemon.errors import Failure
from daemon.log import about
from daemon.metrics import Metrics
from daemon.model import Cursor, Signal
from daemon.pipeline import alarm, detect
from daemon.pipeline.open import Detection
from daemon.pipeline.sift import Wanted, sift
from daemon.pipeline.turn import DEADLINE, Turn
from daemon.rules.engine import Engine
from daemon.store import polls, signals
from daemon.store.engine import once_committed
from daemon.trace import Ids, Span
from daemon.worker import Outcome, Outside

log = logging.getLogger("heliograph.collect")

MOST_REMEMBERED = 100_000
"""Ids for each source: far more than the overlap of two polls brings again."""


@dataclass
class SiftedOut:
    """The newest ids of one source of which nothing more is wanted, by the rules that said so: by none, or no more than
    that it was heard. What overlapping polls bring again is neither matched nor counted again. Held in memory only:
    after a restart it is."""

    most: int = MOST_REMEMBERED
    _engine: Engine | None = None
    _ids: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def unknown(self, engine: Engine, batch: Iterable[Signal]) -> list[Signal]:
        """Those that are still to be judged by `engine`."""
        if engine is not self._engine:
            self._engine = engine
            self._ids.clear()
        return [signal for signal in batch if signal.id not in self._ids]

    def remember(self, ids: Iterable[str]) -> None:
        """To be called once the transaction that counted them has committed."""
        self._ids.update(dict.fromkeys(ids))
        while len(self._ids) > self.most:
            self._ids.popitem(last=False)


@dataclass(frozen=True, slots=True)
class _Sifted:
    batch: Batch
    engine: Engine
    """By whose rules: they may have changed since."""
    wanted: list[Wanted]
    unwanted: list[str]
    """Ids."""

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
    sifted_out: SiftedOut = field(default_factory=SiftedOut)

    @property
    def name(self) -> str:
        return f"collect:{self.turn.name}"

    def step(self, now: datetime) -> Outcome:
        counted: list[str] = []

        def record(connection: Connection, got: _Sifted, at: datetime) -> None:
            self._record(connection, got, now, at)
            counted.extend([*got.unwanted, *(each.signal.id for each in got.wanted if each.beat)])

        outcome = self.turn.step(now, self._poll, record, self._failed)
        self.sifted_out.remember(counted)  # only here is it committed
        return outcome

    def _poll(self, cursor: Cursor | None, as_of: datetime) -> _Sifted:
        allowance = http.Allowance()

        def poll() -> Batch:
            with allowance:  # in the thread that makes the calls
                return self.source.poll(cursor, as_of)

        try:
            with self.metrics.polled(self.turn.name):
                batch = self.outside(poll, DEADLINE)
        finally:
            self.metrics.allowed(self.turn.name, allowance.remaining)
        engine = self.engine()
        return _Sifted(batch, engine, *sift(engine, self.sifted_out.unknown(engine, batch.signals), self.keep_all))

    def _record(self, connection: Connection, got: _Sifted, began_at: datetime, now: datetime) -> None:
        poll = trace.of_poll(self.turn.name, now)
        detected = detect.detect(connection, self.detection(), got.engine, got.wanted, now, poll)
        new, unwanted = detected.new, len(got.unwanted) + detected.spared
        polls.count(connection, self.turn.name, new, unwanted)
        self.metrics.matched(detected.matched)
        self.metrics.windows_capped(detected.dropped)
        for reason, record in got.batch.quarantined:
            if signals.quarantine_record(connection, self.turn.name, reason, record, now):
                self.metrics.dropped(self.turn.name, reason)
        self.metrics.collected(self.turn.name, new, unwanted)
        tell_brought(connection, log, "poll", poll, self.turn.name, began_at, now, new, unwanted)
        alarm.source_answers(connection, self.detection().terms, self.turn.name, now)

    def _failed(self, connection: Connection, failure: Failure, now: datetime) -> None:
        self.metrics.poll_failed(self.turn.name, failure.reason)
        alarm.source_failed(connection, self.detection().terms, self.turn.name, failure, now)


def tell_brought(
    connection: Connection, log: logging.Logger, what: str, ids: Ids, source: str, began_at: datetime, now: datetime,
    new: int, unwanted: int,
) -> None:  # fmt: skip
    """What a poll or a push brought; a trace only if that was anything new."""
    said = about(source=source, new=new, unwanted=unwanted)

    def say() -> None:
        log.debug("%s recorded", what, extra=said)
        if new:
            trace.record(Span(what, began_at, now, ids, outbound=True, attributes=telling.attributes_of(said)))

    once_committed(connection, say)
