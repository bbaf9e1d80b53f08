"""`heliograph demo`: the daemon against the lab's vendors. The only importer of `lab`.

`--fast` tells the time: the clock moves to the next due instant once daemon and lab are at rest, so a story of minutes
takes seconds and is the same each time.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from rich.console import Console
from sqlalchemy import Connection

from daemon import app
from daemon.cli.outcome import outcome
from daemon.clock import SystemClock, ToldClock
from daemon.errors import ConfigError, Problem
from daemon.portal.local import ON_TICKET, Said
from daemon.shipped import shipped
from daemon.store import tickets
from daemon.worker import directly, until_idle
from lab import Lab, StoryError

_SEED = 1
"""Told time is the same each time, its chances too."""

_AT_REST_AFTER = 1_000
"""Turns of lab and daemon at one instant before we say that they keep each other busy."""


def demo(options: argparse.Namespace) -> int:
    """0 if all went as the story expects, 1 if not."""
    if options.fast or options.cloudtrail:
        return _fast(options)
    from daemon.cli.live import live

    return live(options)


def _fast(options: argparse.Namespace) -> int:
    clock = ToldClock(SystemClock().now().replace(microsecond=0))
    console = Console(stderr=True)
    with (
        _lab(options, clock.now) as lab,
        tempfile.TemporaryDirectory() as folder,
        _daemon(lab, Path(folder), clock, options.chance) as daemon,
        console.status("playing the story") as status,
    ):
        lab.begin()
        Play(lab, daemon, clock, lambda at: status.update(f"playing the story: {at:%H:%M:%S}")).to_the_end()
        report = _report(lab, daemon)
    unmet = lab.check(report)
    if options.report:
        options.report.write_text(json.dumps(report | {"unmet": unmet}, indent=2) + "\n")
    _tell(report, unmet)
    return 1 if unmet else 0


@contextmanager
def _lab(options: argparse.Namespace, now: Callable[[], datetime]) -> Iterator[Lab]:
    story = None if options.cloudtrail else options.story
    try:
        lab = Lab(now, story=story, recorded=options.cloudtrail)
    except (StoryError, FileNotFoundError) as error:
        raise ConfigError([Problem(str(story or options.cloudtrail), 0, f"{error}.")]) from None
    lab.start()
    try:
        yield lab
    finally:
        lab.stop()


@contextmanager
def _daemon(lab: Lab, folder: Path, clock: ToldClock, chance: random.Random) -> Iterator[app.Daemon]:
    chance.seed(_SEED)
    setup = app.read(lab.config, environment(lab, folder), chance)
    daemon = app.Daemon(setup, clock, chance, directly)
    daemon.open()
    lab.seat(_desk(daemon))
    try:
        yield daemon
    finally:
        daemon.close()


def environment(lab: Lab, folder: Path) -> dict[str, str]:
    """What the demo's configuration is told by the environment: where the lab is, and where to keep things."""
    return {
        **os.environ, **lab.environment(), "LAB_STORE": f"sqlite:///{folder / 'heliograph.db'}",
        "LAB_RULES": str(shipped("rules")), "LAB_PORTAL": "127.0.0.1:0", "LAB_METRICS": "127.0.0.1:0",
    }  # fmt: skip


def _desk(daemon: app.Daemon) -> Callable[[str, dict[str, Any]], None]:
    """How people of a story act on tickets: as they would by the command line."""

    def act(command: str, arguments: dict[str, Any]) -> None:
        wanted, now = arguments.pop("ticket"), daemon.store.now()
        with daemon.store.write() as connection:
            number = ticket_titled(connection, wanted)
            ON_TICKET[command](connection, daemon.setup.terms, number, Said(**arguments), now)

    return act


def ticket_titled(connection: Connection, title: str) -> int:
    """The newest ticket of such a title; `*` stands for anything. Raises LookupError."""
    for ticket in sorted(tickets.recent(connection), key=lambda one: -one.id):
        if fnmatchcase(ticket.title, title):
            return ticket.id
    raise LookupError(f"no ticket is titled '{title}'")


@dataclass
class Play:
    """Lab and daemon under one told clock."""

    lab: Lab
    daemon: app.Daemon
    clock: ToldClock
    told: Callable[[datetime], None]

    def to_the_end(self) -> None:
        steps = self.daemon.steps()
        while True:
            daemon_next = self._rest(steps)
            if self.lab.done():
                return
            following = [at for at in (daemon_next, self.lab.next_at()) if at is not None]
            self.clock.tell(min(following))
            self.told(self.clock.now())

    def _rest(self, steps: list[Any]) -> datetime | None:
        """Until neither has anything to do at this instant; when the daemon has, next."""
        for _ in range(_AT_REST_AFTER):
            played = self.lab.play()
            due_at = until_idle(steps, self.daemon.store.now)
            if not played and not self.lab.busy():
                return due_at
        raise RuntimeError("daemon and lab do not come to rest")


def _report(lab: Lab, daemon: app.Daemon) -> dict[str, Any]:
    with daemon.store.read() as connection:
        return outcome(connection) | lab.report()


def _tell(report: dict[str, Any], unmet: list[str]) -> None:
    counts = ("signals", "incidents", "tickets", "pages", "defects", "warnings", "breaches")
    print(", ".join(f"{len(report[name])} {name}" for name in counts))
    for expectation in unmet:
        print(f"not as told: {expectation}")
    if not unmet:
        print("all went as told")
