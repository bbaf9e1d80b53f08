"""A small configuration of one's own, on real files."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daemon import app
from daemon.clock import ToldClock
from daemon.secret import Secret
from daemon.worker import directly
from integrations.webhook import sign

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
SECRET = "a-secret-of-at-least-32-characters"
CONFIG = """
store: sqlite:///heliograph.db
rules: rules
portal: {listen: "127.0.0.1:0"}
metrics: {listen: "127.0.0.1:0"}
sources:
  hook: {type: webhook, secrets: [$HOOK_SECRET]}
severities:
  1: {name: urgent, means: down, then: [ticket]}
  2: {name: high, means: hurt, then: [ticket]}
  3: {name: normal, means: impaired, then: [ticket]}
  4: {name: low, means: a question, then: [ticket]}
"""
RULE = """
title: "{name} is down"
source: webhook
match: {status: down}
group_by: [name]
severity: 1
class: availability
clear: {quiet_for: 5m}
runbook: Look at it.
tests:
  - it: opens when something is down
    given: [{signal: {name: shop, status: down}}]
    expect: {incidents: 1}
  - it: lets be what is up
    given: [{signal: {name: shop, status: up}}]
    expect: nothing
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a command is started; its ./config.yaml is what it takes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "down.yaml").write_text(RULE)
    return tmp_path


@pytest.fixture
def daemon(folder: Path) -> Iterator[app.Daemon]:
    """One that has the database."""
    chance = random.Random(1)
    setup = app.read(folder / "config.yaml", {"HOOK_SECRET": SECRET}, chance)
    one = app.Daemon(setup, ToldClock(NOW), chance, directly)
    one.open()
    yield one
    one.close()


def down(daemon: app.Daemon, name: str) -> None:
    """Something is down: a ticket is opened."""
    body = json.dumps({"id": f"{name}-1", "name": name, "status": "down"}).encode()
    headers = {"x-heliograph-signature": sign(body, Secret(SECRET)), "x-heliograph-delivery": f"{name}-1"}
    daemon.hooks()["hook"](headers, body)
