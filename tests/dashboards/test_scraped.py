"""A real Prometheus reads a real daemon by the rules that are shipped: nothing is lost between the two."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.dashboards.files import ALERTS, PROMETHEUS, RULES, rules, tool
from tests.dashboards.processes import PATIENCE, environment, free_port, process, until

EVERY = "1s"
FAULT = re.compile("level=(warn|error)|duplicate", re.IGNORECASE)
CONFIG = """
store: sqlite:///heliograph.db
rules: rules
portal: {listen: "127.0.0.1:0"}
metrics: {listen: "127.0.0.1:0"}
severities:
  1: {name: urgent, means: down, then: [ticket]}
  2: {name: high, means: hurt, then: [ticket]}
  3: {name: normal, means: impaired, then: [ticket]}
  4: {name: low, means: a question, then: [ticket]}
contracts:
  gold:
    goals:
      response: {1: {target: 2s, calendar: 24x7}, 2: {target: 20m, calendar: 24x7}, 3: null, 4: null}
clients: {acme: {contract: gold}}
"""


@dataclass(frozen=True)
class Scene:
    folder: Path
    prometheus: str
    """Its address."""
    log: Path

    def heliograph(self, *arguments: str) -> Any:
        """What the command line prints, as JSON."""
        command = [sys.executable, "-m", "daemon", *arguments, "--json"]
        done = subprocess.run(
            command, check=False, cwd=self.folder, env=environment(), capture_output=True, text=True, timeout=PATIENCE
        )
        assert 0 == done.returncode, done.stderr
        return json.loads(done.stdout)

    def api(self, path: str, **parameters: str) -> Any:
        answer = requests.get(f"{self.prometheus}/api/v1/{path}", params=parameters, timeout=PATIENCE)
        return answer.json()["data"]

    def warned_of(self, query: str) -> list[str]:
        answer = requests.get(f"{self.prometheus}/api/v1/query", params={"query": query}, timeout=PATIENCE)
        return list(answer.json().get("warnings", ()))

    def value(self, query: str) -> float | None:
        """Of a query that has one answer, or none."""
        found = self.api("query", query=query)["result"]
        assert len(found) <= 1
        return float(found[0]["value"][1]) if found else None

    def firing(self) -> set[str]:
        return {one["labels"]["alertname"] for one in self.api("alerts")["alerts"] if one["state"] == "firing"}


def configured(folder: Path, target: str) -> Path:
    """As shipped, but for the address, how often it looks, and Alertmanager, which is not here."""
    written = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    (ours,) = (job for job in written["scrape_configs"] if job["job_name"] == "heliograph")
    ours["static_configs"] = [{"targets": [target]}]
    written |= {
        "global": {"scrape_interval": EVERY, "scrape_timeout": EVERY, "evaluation_interval": EVERY},
        "rule_files": [str(RULES), str(ALERTS)],
        "scrape_configs": [ours],
    }
    del written["alerting"]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(written))
    return folder / "prometheus.yml"


def figures_at(log: Path) -> str:
    found = re.search(r"figures at http://([\d.:]+)", log.read_text())
    return found[1] if found else ""


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    binary = tool("prometheus")
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "rules").mkdir()
    port = free_port()
    run = [sys.executable, "-m", "daemon", "run"]
    with process(run, tmp_path, tmp_path / "daemon.log"):
        target = until(lambda: figures_at(tmp_path / "daemon.log"))
        config = configured(tmp_path, target)
        command = [binary, f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'tsdb'}",
                   f"--web.listen-address=127.0.0.1:{port}", "--enable-feature=exemplar-storage"]  # fmt: skip
        with process(command, tmp_path, tmp_path / "prometheus.log"):
            yield Scene(tmp_path, f"http://127.0.0.1:{port}", tmp_path / "prometheus.log")


def ready(scene: Scene) -> bool:
    """Prometheus answers, and has read the daemon."""
    try:
        started = requests.get(f"{scene.prometheus}/-/ready", timeout=PATIENCE).ok
        return started and scene.value('up{job="heliograph"}') == 1
    except requests.ConnectionError:
        return False


def evaluated(scene: Scene) -> list[dict[str, Any]]:
    """All rules, once each has been evaluated."""
    found = [rule for group in scene.api("rules")["groups"] for rule in group["rules"]]
    return found if all(rule["health"] != "unknown" for rule in found) else []


def test_a_prometheus_reads_the_daemon_and_every_rule_works(scene: Scene) -> None:
    """A Sev 1 is missed after two seconds; a Sev 2 is due in twenty minutes, which is near."""
    assert until(lambda: ready(scene))
    for severity in ("1", "2"):
        scene.heliograph("ticket", "open", "acme", severity, "The checkout fails")

    assert until(lambda: scene.value('sum(heliograph_sla_breaches_total{client="acme", sev="1"})') == 1)
    assert until(lambda: "HeliographSlaDeadlineNear" in scene.firing())
    found = until(lambda: evaluated(scene))
    assert len(rules(RULES)) + len(rules(ALERTS)) == len(found)
    assert [] == [(rule["name"], rule["lastError"]) for rule in found if rule["health"] != "ok"]
    assert [] == [warning for rule in found for warning in scene.warned_of(rule["query"])]

    tickets = {one["severity"]: one for one in scene.heliograph("ticket", "list")}
    opened = 'heliograph_tickets_opened_total{client="acme", sev="%d"}'
    assert [1.0, 1.0] == [scene.value(f"sum({opened % severity})") for severity in tickets]
    assert 2 == scene.value('sum(heliograph_tickets{client="acme", state="new"})') == len(tickets)
    assert 0 < (scene.value('client_sev_goal:heliograph_sla_time_left:seconds{sev="2"}') or 0) <= 20 * 60
    (seen,) = scene.api("query_exemplars", query='heliograph_sla_breaches_total{sev="1"}', start="0", end="4e9")
    assert {tickets[1]["id"]} == {int(one["labels"]["ticket"]) for one in seen["exemplars"]}
    assert [] == complaints(scene.log)


def complaints(log: Path) -> list[str]:
    """What Prometheus found wrong with what it read, or with what it was told."""
    return [line for line in log.read_text().splitlines() if FAULT.search(line)]
