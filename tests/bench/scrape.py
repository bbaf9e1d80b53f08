"""A scrape at scale (P6): seconds, memory and bytes of `/metrics`, by how many tickets are open.

Twenty clients, and every counter and bucket has moved, so that all there can be is written each time.
"""

from __future__ import annotations

import random
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest
from sqlalchemy import text

from daemon.clock import ToldClock
from daemon.collector import Collector, Known
from daemon.collector.known import zeros
from daemon.desk.terms import Terms
from daemon.marked_yaml import parse as parse_yaml
from daemon.sla.policy import parse
from daemon.store import tallies
from daemon.store.engine import Store
from daemon.store.tallies import Tally
from tests.bench.clocks import CALENDARS, CONTRACTS, START, seed

SIZES = (1_000, 10_000, 100_000)
QUICK = (50, 500)
CLIENTS, RULES = 20, 100
_SPREAD = """
update tickets set client = 'c' || (id % 20), severity = 1 + id % 2, state = case id % 3 when 0 then 'new' else
    'in_progress' end, assignee = case id % 2 when 0 then '' else 'asha' end;
update clocks set client = 'c' || (ticket % 20), severity = 1 + ticket % 2, contract = 'gold@2026-01-01T00:00:00Z';
analyze
"""


def bench(folder: Path, sizes: tuple[int, ...], rounds: int, told: Callable[[], None]) -> dict[str, Any]:
    seconds, look, peak, size = {}, {}, {}, {}
    for open_ in sizes:
        with _registry(folder, open_) as registry:
            each = [_scrape(registry) for _ in range(rounds)]
            tracemalloc.start()
            written = _written(registry)
            peak[str(open_)] = tracemalloc.get_traced_memory()[1] / 1e6
            tracemalloc.stop()
        seconds[str(open_)] = median(took for took, _ in each)
        look[str(open_)] = median(of_store for _, of_store in each)
        size[str(open_)] = len(written)
        told()
    least, most = str(sizes[0]), str(sizes[-1])
    return {
        "seconds": seconds,
        "of the store": look,
        "peak megabytes": peak,
        "bytes": size,
        f"scrape at {most} / {least}": {"median": seconds[most] / seconds[least]},
        f"memory at {most} / {least}": {"median": peak[most] / peak[least]},
    }


def _scrape(registry: CollectorRegistry) -> tuple[float, float]:
    """Seconds of all of it, and of the look at the store."""
    began = time.perf_counter()
    written = _written(registry)
    took = time.perf_counter() - began
    (line,) = [line for line in written.splitlines() if line.startswith(b"heliograph_ticket_collect_duration_seconds ")]
    return took, float(line.split()[1])


def _written(registry: CollectorRegistry) -> bytes:
    written: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]
    return written


@contextmanager
def _registry(folder: Path, size: int) -> Iterator[CollectorRegistry]:
    path = folder / f"scrape-{size}.db"
    store = Store(f"sqlite:///{path}", _Ticking(START))
    store.migrate()
    seed(store, size)
    known = _known()
    with store.write() as connection:
        for statement in _SPREAD.split(";"):
            connection.execute(text(statement))
        moved = (Tally(figure, key, 1, 1) for figure, keys in zeros(known, START) for key in keys)
        tallies.add(connection, moved, START)
    registry = CollectorRegistry()
    registry.register(Collector(store, store._clock, lambda: known))
    yield registry
    store.close()
    for left in folder.glob(f"{path.name}*"):
        left.unlink()


class _Ticking(ToldClock):
    """The instant is told; a duration is measured."""

    def monotonic(self) -> float:
        return time.perf_counter()


def _known() -> Known:
    clients = "\n".join(f"c{number}: {{contract: gold}}" for number in range(CLIENTS))
    parts = (parse_yaml(each, "c.yaml") for each in (CALENDARS, CONTRACTS, clients))
    terms = Terms(parse(*parts), {}, {}, frozenset({"page"}), random.Random(1))
    sources = {name: name for name in ("sentry", "datadog", "cloudtrail")}
    return Known(terms, sources, ("page", "defect"), tuple(f"rule-{number}" for number in range(RULES)))
