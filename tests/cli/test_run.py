"""`heliograph run`, `check` and `doctor` as an operator meets them, with mistakes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest

from daemon.__main__ import main
from daemon.cli.check import holidays
from daemon.model import Json
from daemon.sla.calendar import Weekly, zone
from lab import Lab
from tests.cli.conftest import NOW

ROOT = Path(__file__).parents[2]
PATIENCE = 60


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`heliograph run` in `folder`, without any credential in the environment."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "daemon", "run", *arguments]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def shipped(folder: Path, change: str = "", to: str = "") -> Path:
    """A copy of the shipped configuration, with one change, on ports that are free."""
    text = (ROOT / "config.yaml").read_text()
    assert change in text
    for listen in ("127.0.0.1:8080", "127.0.0.1:9464"):
        text = text.replace(listen, "127.0.0.1:0")
    (folder / "config.yaml").write_text(text.replace(change, to, 1) if change else text)
    (folder / "rules").symlink_to(ROOT / "rules")
    return folder / "config.yaml"


def test_as_shipped_it_watches_only_says_how_to_switch_on_and_stops_cleanly(tmp_path: Path) -> None:
    shipped(tmp_path)
    said = ""
    with running(tmp_path) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said += line
            if "figures at" in line:
                process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(PATIENCE)

    assert "Watch only" in said
    assert "Set 'enabled: true'" in said
    assert "stopping" in said


def test_a_vendor_that_is_on_without_credentials_says_which_where_and_what_for(tmp_path: Path) -> None:
    on = "    type: sentry\n    enabled: true"
    shipped(tmp_path, "    type: sentry\n    enabled: false", on)
    with running(tmp_path) as process:
        said, _ = process.communicate(timeout=PATIENCE)

    assert 2 == process.returncode
    assert "config.yaml:27:12: sources.sentry.token: SENTRY_TOKEN is not set" in said
    assert "Developer Settings" in said
    assert "event:read" in said
    assert "Traceback" not in said


def test_a_port_in_use_is_said_with_the_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        file = shipped(tmp_path)
        file.write_text(file.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}", 1))
        with running(tmp_path) as process:
            said, _ = process.communicate(timeout=PATIENCE)

    assert 2 == process.returncode
    assert f"127.0.0.1:{port}" in said
    assert "portal.listen" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("change", "to", "said"),
    [
        ("organization: example", "organisation: example", "did you mean 'organization'"),
        ("every: 30s", "every: often", "config.yaml:28"),
        ("then: [ticket, page]", "then: [ticket, pagr]", "did you mean 'page'"),
    ],
)
def test_a_mistake_is_said_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, to: str, said: str
) -> None:
    assert 2 == main(["check", "--config", str(shipped(tmp_path, change, to))])
    assert said.lower() in capsys.readouterr().err.lower()


def test_a_bad_pattern_in_a_rule_is_said_with_its_place(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rule = folder / "rules" / "down.yaml"
    rule.write_text(rule.read_text().replace("match: {status: down}", 'match: {status|re: "(down"}'))

    assert 2 == main(["check"])
    assert "down.yaml:4" in capsys.readouterr().err


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Lab]:
    """The vendors, and an environment that leads to them."""
    one = Lab(lambda: NOW)
    told = {"LAB_STORE": f"sqlite:///{tmp_path / 'heliograph.db'}", "LAB_RULES": str(ROOT / "rules")}
    listens = dict.fromkeys(("LAB_PORTAL", "LAB_METRICS"), "127.0.0.1:0")
    for name, value in {**one.environment(), **told, **listens}.items():
        monkeypatch.setenv(name, value)
    one.start()
    yield one
    one.stop()


def doctor(lab: Lab, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, dict[str, Json]]]:
    import json

    code = main(["doctor", "--json", "--config", str(lab.config)])
    return code, {one["name"]: one for one in json.loads(capsys.readouterr().out)}


def test_the_doctor_tries_every_vendor(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = doctor(lab, capsys)

    assert 0 == code
    vendors = {"sentry", "datadog", "cloudtrail", "page", "defect", "warning"}
    assert vendors == {name for name, one in found.items() if one["part"] in ("source", "action")}
    assert {"well"} == {found[name]["state"] for name in vendors}
    assert "well" == next(one["state"] for one in found.values() if one["part"] == "database")


@pytest.mark.parametrize("kind", ["500", "401", "html", "half", "empty", "refuse"])
def test_the_doctor_says_what_a_vendor_answers_badly(lab: Lab, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    lab.vendors["sentry"].faults.add("GET", kind)
    code, found = doctor(lab, capsys)

    assert 1 == code
    assert {"sentry"} == {name for name, one in found.items() if one["state"] == "failed"}
    assert found["sentry"]["says"]


def test_a_person_reads_the_doctors_table(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.vendors["jira"].faults.add(".*", "403")

    assert 1 == main(["doctor", "--config", str(lab.config)])
    table = capsys.readouterr().out
    assert "✗ failed" in table
    assert "✓ well" in table


@pytest.mark.parametrize(
    ("today", "state", "says"),
    [
        (date(2026, 11, 25), "well", "its holidays are listed up to the end of 2027"),
        (date(2027, 1, 1), "unsure", "its holidays are listed up to the end of 2027: add those of 2028"),
    ],
)
def test_the_doctor_asks_for_the_holidays_of_the_year_to_come(today: date, state: str, says: str) -> None:
    """Without them a promise would count on days off, and nobody would notice until one is missed."""
    london = Weekly(zone("Europe/London"), {0: ((540, 1020),)}, frozenset({date(2026, 12, 25), date(2027, 1, 1)}))
    assert london.listed_until is not None

    assert (state, says) == holidays(london.listed_until, today)
    assert None is Weekly(zone("UTC"), {}).listed_until
