"""Told time: the clock moves to the next due instant once daemon and lab are at rest, so a story of minutes takes
seconds and is the same each time."""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from daemon import app
from daemon.cli.demo.stage import conclude, environment, open_lab, ticket_titled
from daemon.clock import SystemClock, ToldClock
from daemon.desk.desk import Refused
from daemon.desk.orders import ON_TICKET
from daemon.worker import Step, directly, until_idle
from lab import Lab

_SEED = 1
"""Told time is the same each time, its chances too."""

_AT_REST_AFTER = 1_000
"""Turns of lab and daemon at one instant before we say that they keep each other busy."""


def fast(options: argparse.Namespace) -> int:
    """0 if all went as the story expects, 1 if not."""
    clock = ToldClock(SystemClock().now().replace(microsecond=0))
    with (
        open_lab(options, clock.now) as lab,
        tempfile.TemporaryDirectory() as folder,
        _daemon(lab, Path(folder), clock, options.chance) as daemon,
    ):
        with Console(stderr=True).status("playing the story") as status:
            lab.begin()
            Play(lab, daemon, clock, lambda at: status.update(f"playing the story: {at:%H:%M:%S}")).to_the_end()
        return conclude(lab, daemon.store, options.report)


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


def _desk(daemon: app.Daemon) -> Callable[[str, dict[str, Any]], None]:
    """How people of a story act on tickets: as they would by the command line."""

    def act(command: str, arguments: dict[str, Any]) -> None:
        title, now = arguments.pop("ticket"), daemon.store.now()
        with daemon.store.write() as connection:
            number = ticket_titled(connection, title)
            try:
                order = ON_TICKET[command].model_validate(arguments)
                order.carry_out(order.desk(connection, daemon.setup.terms, now), number)
            except Refused as reason:
                raise LookupError(str(reason)) from None

    return act


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

    def _rest(self, steps: Sequence[Step]) -> datetime | None:
        """Until neither has anything to do at this instant; when the daemon has, next."""
        for _ in range(_AT_REST_AFTER):
            played = self.lab.play()
            due_at = until_idle(steps, self.daemon.store.now)
            if not played and not self.lab.busy():
                return due_at
        raise RuntimeError("daemon and lab do not come to rest")
