"""P3: from a signed push over HTTP, by rule, incident and outbox, each step synced, to the signed webhook that goes
out, against one bare fsync and one bare HTTP round trip."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from statistics import quantiles
from typing import Any

import requests
from starlette.applications import Starlette

from daemon.clock import SystemClock
from daemon.pipeline.receive import Receive
from daemon.portal import hooks
from daemon.portal.server import Port, Server
from daemon.rules.engine import Engine
from daemon.rules.load import load_text
from daemon.rules.model import Names
from daemon.secret import Secret
from daemon.store.engine import Store
from daemon.worker import Crew, directly
from integrations import webhook
from lab import hook as lab_hook
from lab.server import Request, Response
from lab.server import Server as LabServer
from tests.bench.measure import in_turn
from tests.pipeline.doubles import World

_RULE = (
    "title: '{id} is down'\nsource: webhook\nmatch: {status: down}\nseverity: 1\ngroup_by: [id]\nclass: availability\n"
)
_NAMES = Names(sources={"partner": "webhook"}, types=frozenset({"webhook"}), recovering=frozenset({"webhook"}))
_LONGEST_WAIT = 10.0
_PERCENTILES = (50, 99)
_numbers = itertools.count(1)


class Partner(lab_hook.Hook):
    """Says when a delivery has come."""

    def __init__(self) -> None:
        super().__init__(SystemClock().now)
        self.came = threading.Event()

    def handle(self, request: Request) -> Response:
        response = super().handle(request)
        if request.method == "POST":
            self.came.set()
        return response


def bench(folder: Path, times: int, rounds: int, told: Callable[[], None]) -> dict[str, Any]:
    """Seconds, by percentile, of each candidate; and ours as ratios to both limits."""
    seconds: dict[str, list[float]] = {"fsync": [], "round trip": [], "page": []}

    with _paging(folder / "page.db") as (vendor, page), (folder / "bare.log").open("ab", buffering=0) as file:
        one = {"fsync": lambda: _fsync(file), "round trip": lambda: _round_trip(vendor), "page": page}

        def repeat(name: str) -> float:
            seconds[name] += [_timed(one[name]) for _ in range(times)]
            return seconds[name][-1]

        in_turn({name: lambda name=name: repeat(name) for name in one}, rounds, told)  # type: ignore[misc]
    figures = {name: _percentiles(found) for name, found in seconds.items()}
    return {
        "seconds": figures,
        **{
            f"page / {limit}": {key: figures["page"][key] / figures[limit][key] for key in figures[limit]}
            for limit in ("fsync", "round trip")
        },
    }


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _percentiles(seconds: list[float]) -> dict[str, float]:
    cuts = quantiles(seconds, n=100, method="inclusive")
    return {f"p{percentile}": cuts[percentile - 1] for percentile in _PERCENTILES}


def _fsync(file: Any) -> None:
    file.write(b"x" * 1_000)
    os.fdatasync(file.fileno())


def _round_trip(vendor: LabServer) -> None:
    requests.head(vendor.url, timeout=_LONGEST_WAIT)


@contextmanager
def _paging(path: Path) -> Iterator[tuple[LabServer, Callable[[], None]]]:
    partner = Partner()
    vendor = LabServer(partner)
    vendor.start()
    secret = Secret(lab_hook.SECRET)
    clock = SystemClock()
    store = Store(f"sqlite:///{path}", clock)
    store.migrate()
    world = World(store, clock, sources={"partner": "webhook"})  # type: ignore[arg-type]
    engine = Engine([load_text("down", _RULE, "rules/down.yaml", _NAMES)])
    source = webhook.source("partner", webhook.SourceSettings.model_validate({"secrets": [secret]}))
    receive = Receive("partner", source, False, store, lambda: engine, lambda: world.detection, world.metrics)
    poster = webhook.action(webhook.ActionSettings.model_validate({"url": f"{vendor.url}/page", "secret": secret}))
    crew = Crew([replace(world.send(), action=poster, outside=directly)], clock, store.now)

    def taken(headers: Any, body: bytes) -> None:
        receive(headers, body)
        crew.wake()

    with Server(Starlette(routes=[hooks.route({"partner": taken})]), Port("127.0.0.1", 0, "bench")) as server:
        crew.start()

        def page() -> None:
            partner.came.clear()
            status = partner.push(f"{server.url}/hooks/partner", {"id": f"shop-{next(_numbers)}", "status": "down"})
            if status != 202 or not partner.came.wait(_LONGEST_WAIT):
                raise RuntimeError(f"no page came out of a push that was answered {status}")

        yield vendor, page
        crew.stop(timedelta(seconds=10))
    vendor.stop()
    store.close()
