"""What both ways of playing share: the lab, the environment that its configuration takes, and the report."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from daemon.cli.outcome import outcome
from daemon.errors import ConfigError, Problem
from daemon.shipped import shipped
from daemon.store import tickets
from daemon.store.engine import Store
from lab import Lab, StoryError

COUNTED = ("signals", "incidents", "tickets", "pages", "defects", "warnings", "breaches")
_ANYWHERE = "127.0.0.1:0"


@contextmanager
def open_lab(
    options: argparse.Namespace, now: Callable[[], datetime], ports: Mapping[str, int] | None = None
) -> Iterator[Lab]:
    """Raises ConfigError for a story, or a folder, that cannot be played."""
    story = None if options.cloudtrail else options.story
    try:
        lab = Lab(now, story=story, recorded=options.cloudtrail, ports=ports)
        lab.start()
        try:
            yield lab
        finally:
            lab.stop()
    except StoryError as error:
        raise ConfigError([Problem(str(story or options.cloudtrail or "the story"), 0, f"{error}.")]) from None


def environment(lab: Lab, folder: Path, portal: str = _ANYWHERE, metrics: str = _ANYWHERE) -> dict[str, str]:
    """What the demo's configuration is told by the environment: where the lab is, and where to keep things."""
    return {
        **os.environ, **lab.environment(), "LAB_STORE": f"sqlite:///{folder / 'heliograph.db'}",
        "LAB_RULES": str(shipped("rules")), "LAB_PORTAL": portal, "LAB_METRICS": metrics,
    }  # fmt: skip


def ticket_titled(connection: Connection, title: str) -> int:
    """The newest ticket of such a title; `*` stands for anything. Raises LookupError."""
    for ticket in sorted(tickets.recent(connection), key=lambda one: -one.id):
        if fnmatchcase(ticket.title, title):
            return ticket.id
    raise LookupError(f"no ticket is titled '{title}'")


def conclude(lab: Lab, store: Store, file: Path | None) -> int:
    """Says what came of it and whether it is what the story expects; writes it to `file`. The exit code."""
    with store.read() as connection:
        report: dict[str, Any] = outcome(connection) | lab.report()
    unmet = lab.check(report)
    if file:
        file.write_text(json.dumps(report | {"unmet": unmet}, indent=2) + "\n")
    print(", ".join(f"{len(report[name])} {name}" for name in COUNTED))
    for problem in report.get("unreadable", ()):
        print(f"could not be read: {problem}")
    if many := len(report.get("unshown", ())):
        print(f"{many} records are none that LookupEvents would show")
    for expectation in unmet:
        print(f"not as told: {expectation}")
    if not unmet:
        print("all went as told")
    return 1 if unmet else 0
