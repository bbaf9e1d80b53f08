"""P4: signals acknowledged a second, through the real collect and detect steps on SQLite, against the bare disk
(append and fdatasync) and against the bare driver writing the same rows as durably."""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from daemon.clock import ToldClock
from daemon.contract import Batch
from daemon.model import Cursor, Polarity, Signal
from daemon.rules.engine import Engine
from daemon.store.engine import Store
from tests.bench.measure import in_turn, rate, ratio
from tests.pipeline.doubles import NOON, World

_WANTED_EVERY = 100
_PADDING = "x" * 900
_numbers = itertools.count()


class Trail:
    """Brings batches of new events of about 1.3 kB; a hundredth of them wanted, all of one group."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.ready: list[Batch] = []

    def prepare(self, batches: int) -> None:
        self.ready = [Batch(tuple(_signal() for _ in range(self.size)), {"n": n}, more=True) for n in range(batches)]

    def probe(self) -> None: ...

    def poll(self, since: Cursor | None, now: Any) -> Batch:
        return self.ready.pop()


def _signal() -> Signal:
    n = next(_numbers)
    fields = {
        "project": "shop", "level": "fatal" if n % _WANTED_EVERY == 0 else "info", "eventName": "AssumeRole",
        "sourceIPAddress": f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}", "userAgent": f"agent/{n}",
        "userIdentity": {"arn": f"arn:aws:iam::123456789012:user/{n}"}, "requestParameters": _PADDING,
    }  # fmt: skip
    return Signal("sentry", "sentry", "sentry.issue", f"event-{n}", NOON, fields, Polarity.BROKEN)


def bench(folder: Path, size: int, batches: int, rounds: int, told: Callable[[], None]) -> dict[str, Any]:
    """Rates in signals a second; ratios of ours to the two limits."""
    with (
        _steps(folder / f"wanted-{size}.db", size, keep_all=False, batches=batches) as wanted,
        _steps(folder / f"all-{size}.db", size, keep_all=True, batches=batches) as everything,
    ):
        runs = {
            "disk": lambda: _disk(folder / f"bare-{size}.log", size, batches),
            "driver": lambda: _driver(folder / f"bare-{size}.db", size, batches),
            "one in a hundred": wanted,
            "keep all": everything,
        }
        found = in_turn(runs, rounds, told)
    return {
        "rates": found,
        "one in a hundred / disk": ratio(found, "one in a hundred", "disk"),
        "keep all / driver": ratio(found, "keep all", "driver"),
    }


@contextmanager
def _steps(path: Path, size: int, *, keep_all: bool, batches: int) -> Iterator[Callable[[], float]]:
    clock, trail = ToldClock(NOON), Trail(size)
    store = Store(f"sqlite:///{path}", clock)
    store.migrate()
    world = World(store, clock)
    engine = Engine(world.rules)
    collect = replace(world.collect(), source=trail, keep_all=keep_all, engine=lambda: engine)

    def steps() -> None:
        for _ in range(batches):
            collect.step(clock.now())

    def run() -> float:
        trail.prepare(batches)
        clock.advance(timedelta(minutes=1))
        return rate(steps, batches * size)

    yield run
    store.close()


def _disk(path: Path, size: int, batches: int) -> float:
    payloads = [b"".join(_text(_signal()) for _ in range(size)) for _ in range(batches)]
    with path.open("ab", buffering=0) as file:

        def append() -> None:
            for payload in payloads:
                file.write(payload)
                os.fdatasync(file.fileno())

        return rate(append, batches * size)


def _driver(path: Path, size: int, batches: int) -> float:
    rows = [[(s.source, s.id, _text(s)) for s in (_signal() for _ in range(size))] for _ in range(batches)]
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS signals (row INTEGER PRIMARY KEY, source TEXT, id TEXT, fields TEXT,"
        " UNIQUE (source, id))"
    )

    def insert() -> None:
        for batch in rows:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO signals (source, id, fields) VALUES (?, ?, ?)", batch)
            connection.execute("COMMIT")

    try:
        return rate(insert, batches * size)
    finally:
        connection.close()


def _text(signal: Signal) -> bytes:
    return json.dumps(signal.fields, separators=(",", ":")).encode()
