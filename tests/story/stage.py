"""The daemon and the lab under one told clock, and what the daemon's log says meanwhile."""

from __future__ import annotations

import io
import json
import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from daemon import app, log
from daemon.cli.demo.fast import Play, _desk
from daemon.cli.demo.stage import environment
from daemon.clock import ToldClock
from daemon.worker import directly
from lab import Lab

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@dataclass
class Stage:
    """A story of one's own, and the daemon that watches it; it may be started anew in between."""

    folder: Path
    lab: Lab
    clock: ToldClock
    chance: random.Random = field(default_factory=lambda: random.Random(1))

    def __post_init__(self) -> None:
        self.daemon = self._start()
        self.lab.begin()

    def play(self, until: timedelta | None = None) -> None:
        """To the story's end, or until so long after its beginning."""
        play = Play(self.lab, self.daemon, self.clock, lambda at: None)
        if until is None:
            play.to_the_end()
            return
        steps = self.daemon.steps()
        while (due_at := play._rest(steps)) is not None:
            following = min(at for at in (due_at, self.lab.next_at()) if at is not None)
            if following > START + until:
                return
            self.clock.tell(following)

    def restart(self) -> None:
        self.daemon.close()
        self.daemon = self._start()

    def _start(self) -> app.Daemon:
        setup = app.read(self.lab.config, environment(self.lab, self.folder), self.chance)
        daemon = app.Daemon(setup, self.clock, self.chance, directly)
        daemon.open()
        self.lab.seat(_desk(daemon))
        return daemon


@contextmanager
def staged(folder: Path, story: str) -> Iterator[Stage]:
    (folder / "story.yaml").write_text(story)
    clock = ToldClock(START)
    lab = Lab(clock.now, story=folder / "story.yaml")
    lab.start()
    try:
        stage = Stage(folder, lab, clock)
        try:
            yield stage
        finally:
            stage.daemon.close()
    finally:
        lab.stop()


@contextmanager
def logged(level: log.Level = "info", format: log.Format = "json") -> Iterator[io.StringIO]:
    """What the daemon logs; afterwards all is as it was."""
    root, ours, stream = logging.getLogger(), logging.getLogger("heliograph"), io.StringIO()
    handlers, levels = list(root.handlers), (root.level, ours.level)
    log.configure(level, format, stream)
    try:
        yield stream
    finally:
        root.handlers[:] = handlers
        root.setLevel(levels[0])
        ours.setLevel(levels[1])


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]
