"""What Prometheus and a supervisor ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from prometheus_client import CollectorRegistry

from daemon.clock import SystemClock
from daemon.collector import Collector, Known
from daemon.metrics import Metrics
from daemon.portal.ops import ops
from daemon.portal.server import Port, Server
from daemon.store.engine import Store
from tests.pipeline.doubles import terms


class Daemon:
    """What the three paths show, to be set by a test."""

    def __init__(self, store: Store) -> None:
        self.registry = CollectorRegistry()
        self.sick: list[str] = []
        self.missing: list[str] = []
        Metrics(self.registry).declare_source("shop")
        self.registry.register(Collector(store, SystemClock(), lambda: Known(terms(), {"shop": "sentry"}, ("page",))))


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    store = Store(f"sqlite:///{tmp_path}/heliograph.db", SystemClock())
    store.migrate()
    yield Daemon(store)
    store.close()


@pytest.fixture
def url(daemon: Daemon) -> Iterator[str]:
    app = ops(daemon.registry, lambda: daemon.sick, lambda: daemon.missing)
    with Server(app, Port("127.0.0.1", 0, "metrics.port")) as server:
        yield server.url


def test_metrics_of_the_daemon_and_of_the_store(url: str) -> None:
    """Both are on one page, in the form that was asked for."""
    answer = requests.get(f"{url}/metrics", timeout=5)
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert 'heliograph_source_polls_total{source="shop"} 0.0\n' in answer.text
    assert 'heliograph_tickets{client="acme",sev="1",state="new"} 0.0\n' in answer.text

    asked = {"Accept": "application/openmetrics-text; version=1.0.0"}
    answer = requests.get(f"{url}/metrics", headers=asked, timeout=5)
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.endswith("# EOF\n")


def test_a_scrape_may_ask_by_name(url: str) -> None:
    """Only what was asked for comes, of the store's figures too."""
    answer = requests.get(f"{url}/metrics", params={"name[]": "heliograph_ticket_collect_success"}, timeout=5)
    samples = [line for line in answer.text.splitlines() if not line.startswith("#")]

    assert ["heliograph_ticket_collect_success 1.0"] == samples


def test_health_and_readiness(url: str, daemon: Daemon) -> None:
    """200 while nothing is wrong, else 503 with every reason; what is not ready is not therefore sick."""
    for path in ("/healthz", "/readyz"):
        answer = requests.get(url + path, timeout=5)
        assert (200, {"ok": True, "reasons": []}) == (answer.status_code, answer.json())
    daemon.missing += ["source shop has not been read yet"]
    answer = requests.get(f"{url}/readyz", timeout=5)
    assert (503, {"ok": False, "reasons": daemon.missing}) == (answer.status_code, answer.json())
    assert 200 == requests.get(f"{url}/healthz", timeout=5).status_code
    daemon.sick += ["collect:shop has not returned for 2 minutes"]
    assert 503 == requests.get(f"{url}/healthz", timeout=5).status_code


def test_nothing_else_is_there(url: str) -> None:
    """Pages and commands are not on the metrics port."""
    assert [404, 404, 405] == [
        requests.get(f"{url}/", timeout=5).status_code,
        requests.get(f"{url}/tickets/1", timeout=5).status_code,
        requests.post(f"{url}/metrics", timeout=5).status_code,
    ]
