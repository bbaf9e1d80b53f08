"""`heliograph run` with traces on, and a collector that it was told of by OpenTelemetry's own variables."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import requests

from daemon.secret import Secret
from integrations.webhook import sign
from lab.otlp import Collector
from lab.server import Server
from tests.cli.conftest import CONFIG, NOW, SECRET

ROOT = Path(__file__).parents[2]
PATIENCE = 60


def test_what_happened_is_sent_before_it_stops(folder: Path) -> None:
    """And the log names the very trace that the collector has."""
    (folder / "config.yaml").write_text(CONFIG + "traces: {enabled: true}\n")
    collector = Collector(lambda: NOW)
    with Server(collector) as server:
        said = _run_and_push(folder, {"OTEL_EXPORTER_OTLP_ENDPOINT": server.url})

    names = [one.name for one in collector.spans]
    assert {"receive", "incident", "match", "ticket"} <= set(names)
    (opened,) = [line for line in said if line["message"] == "incident opened"]
    assert {opened["trace"]} == {one.trace for one in collector.spans if one.name != "receive"}


def test_nothing_is_sent_unless_the_configuration_says_so(folder: Path) -> None:
    """A variable that is there for other programs is not enough."""
    collector = Collector(lambda: NOW)
    with Server(collector) as server:
        said = _run_and_push(folder, {"OTEL_EXPORTER_OTLP_ENDPOINT": server.url})

    assert ([], []) == (list(collector.received), [line for line in said if "trace" in line])
    assert "incident opened" in {line["message"] for line in said}


def _run_and_push(folder: Path, environ: dict[str, str]) -> list[dict[str, str]]:
    """Runs the daemon, tells it that something is down, and stops it. What it logged."""
    environ |= {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "HOOK_SECRET": SECRET}
    command = [sys.executable, "-m", "daemon", "run", "--log", "json", "--log-level", "debug"]
    said = []
    with subprocess.Popen(
        command, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                said.append(json.loads(line))
                if found := re.match(r"pages at (\S+),", said[-1]["message"]):
                    _push(found[1])
                if said[-1]["message"] == "ticket opened":
                    process.send_signal(signal.SIGTERM)
            assert 0 == process.wait(PATIENCE)
        finally:
            process.kill()
    return said


def _push(portal: str) -> None:
    body = json.dumps({"id": "1", "at": NOW.isoformat(), "name": "shop", "status": "down"}).encode()
    headers = {"x-heliograph-signature": sign(body, Secret(SECRET)), "x-heliograph-delivery": "1"}
    assert requests.post(f"{portal}/hooks/hook", data=body, headers=headers, timeout=PATIENCE).ok
