"""The month in a real Prometheus: what the registry said at each scrape, put into it as if it had been scraped then."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import requests
import yaml
from prometheus_client import CollectorRegistry

from tests.dashboards.files import tool
from tests.dashboards.month import SCRAPES, Month, played
from tests.dashboards.processes import PATIENCE, free_port, process, until

JOB, INSTANCE = "heliograph", "heliograph-0:9464"
LOOKBACK = "16m"
"""How long a sample counts: a little more than the closest scrapes are apart."""


def apart(since: float) -> float:
    """How far apart the samples are that a panel of so many seconds takes."""
    return [every.total_seconds() for length, every in SCRAPES if length.total_seconds() >= since][-1]


class History:
    """Writes OpenMetrics with timestamps, which promtool makes blocks of."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w")

    def scrape(self, at: datetime, registry: CollectorRegistry) -> None:
        began, stamp, many = time.perf_counter(), f"{at.timestamp():.3f}", 0
        own = f'job="{JOB}",instance="{INSTANCE}"'
        for family in registry.collect():
            for name, labels, value, *_ in family.samples:
                said = "".join(f',{label}="{text}"' for label, text in labels.items())
                self._file.write(f"{name}{{{own}{said}}} {value} {stamp}\n")
                many += 1
        took = time.perf_counter() - began
        for name, number in (("up", 1.0), ("scrape_duration_seconds", took), ("scrape_samples_scraped", float(many))):
            self._file.write(f"{name}{{{own}}} {number} {stamp}\n")

    def close(self) -> None:
        self._file.write("# EOF\n")
        self._file.close()


@contextmanager
def month_in_prometheus(folder: Path) -> Iterator[tuple[Month, str]]:
    """The month, over, and the address of a Prometheus that knows all of it."""
    written, data = folder / "history.txt", folder / "tsdb"
    binary, promtool = tool("prometheus"), tool("promtool")
    history = History(written)
    with played(folder, history.scrape) as month:
        history.close()
        backfill = [promtool, "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=1440h", "-q"]
        subprocess.run([*backfill, written, data], check=True, capture_output=True, timeout=2 * PATIENCE)
        written.unlink()
        with _prometheus(binary, folder, data, []) as url:
            yield month, url


@contextmanager
def scraping(folder: Path, targets: Sequence[str]) -> Iterator[str]:
    """The address of a Prometheus that scrapes these, as often as it can."""
    with _prometheus(tool("prometheus"), folder, folder / "tsdb", targets) as url:
        yield url


@contextmanager
def _prometheus(binary: str, folder: Path, data: Path, targets: Sequence[str]) -> Iterator[str]:
    config, port = folder / "prometheus.yml", free_port()
    job = {"job_name": JOB, "scrape_interval": "1s", "static_configs": [{"targets": list(targets)}]}
    config.write_text(yaml.safe_dump({"scrape_configs": [job]}))
    command = [
        binary, f"--config.file={config}", f"--storage.tsdb.path={data}", "--storage.tsdb.retention.time=100y",
        f"--web.listen-address=127.0.0.1:{port}", f"--query.lookback-delta={LOOKBACK}",
    ]  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    with process(command, folder, folder / "prometheus.log"):
        assert until(lambda: _ready(url)), (folder / "prometheus.log").read_text()
        yield url


def _ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/-/ready", timeout=PATIENCE).ok
    except requests.ConnectionError:
        return False
