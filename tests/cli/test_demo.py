"""What the demonstration says before it plays."""

from __future__ import annotations

import io
import json
from pathlib import Path

import yaml
from rich.console import Console

from daemon.cli.demo.live import _greet

WIDTH = 40
"""A narrow terminal: what is to be copied must not be broken."""


def greeted() -> str:
    console = Console(file=io.StringIO(), width=WIDTH)
    _greet(console, {"portal": "http://127.0.0.1:8080"}, "127.0.0.1:19464")
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_it_says_how_a_prometheus_reads_it() -> None:
    """A piece of configuration that is right as it stands: the address, and rules that are there."""
    snippet = yaml.safe_load(greeted().partition("reads it with:\n")[2].partition("and a Grafana")[0])
    (job,) = snippet["scrape_configs"]

    assert ("heliograph", [{"targets": ["127.0.0.1:19464"]}]) == (job["job_name"], job["static_configs"])
    assert ["rules.yml", "alerts.yml"] == [Path(file).name for file in snippet["rule_files"]]
    assert [] == [file for file in snippet["rule_files"] if not Path(file).is_file()]


def test_it_says_which_dashboards_a_grafana_takes() -> None:
    """Files that are there, and are dashboards."""
    files = greeted().partition("Import:\n")[2].partition("Nothing leaves")[0].split()

    assert files
    assert [] == [file for file in files if "panels" not in json.loads(Path(file).read_text())]
