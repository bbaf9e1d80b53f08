"""The files for Prometheus, read, and the tools that check them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.house.tree import ROOT

DASHBOARDS = ROOT / "dashboards"
PROMETHEUS = DASHBOARDS / "prometheus"
RULES, ALERTS = PROMETHEUS / "rules.yml", PROMETHEUS / "alerts.yml"
PATIENCE = 120


def rules(file: Path) -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]]


def recorded() -> frozenset[str]:
    return frozenset(rule["record"] for rule in rules(RULES))


def tool(name: str) -> str:
    """Where it is. Without it a test is skipped, except in CI, which has it."""
    found = shutil.which(name)
    if found is None and os.environ.get("CI"):
        pytest.fail(f"{name} is not here, and CI must have it: see .ci/run")
    if found is None:
        pytest.skip(f"{name} is not here: install prometheus, or promtool and prometheus-alertmanager")
    return found


def said_by(name: str, *arguments: str | Path) -> tuple[int, str]:
    """Exit code, and all that the tool writes."""
    command = [tool(name), *map(str, arguments)]
    done = subprocess.run(command, check=False, cwd=PROMETHEUS, capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, done.stdout + done.stderr
