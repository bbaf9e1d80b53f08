"""`python -m tests.pipeline.killed FOLDER`: hears what happened, batch by batch, from where its database stands, and
says the number of each once it is committed. To be killed at any moment."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path

from daemon.contract import Batch
from daemon.model import Cursor, Polarity, Signal
from tests.pipeline.doubles import MINUTE, NOON, SECOND, World, signal, world_at
from tests.pipeline.test_windows import BASE, SILENT, rules

BATCHES = 60
_LATE = 600

RULES = {
    "burst": BASE + "title: '{project} bursts'\nmatch: {level: error}\nwindow: {count: 4, within: 5m}\n",
    "spread": BASE + "title: '{project} spreads'\nmatch: {level: error}\n"
    "window: {distinct: user, count: 5, within: 10m}\n",
    "more": BASE + "title: '{project} rises'\nmatch: {level: error}\n"
    "window: {spike: 2, within: 5m, baseline: 30m, floor: 3}\n",
    "mute": BASE + "title: '{project} is silent'\nmatch: {level: [fatal, error]}\nwindow: {absent: 8m}\n",
    "new": BASE + "title: '{project} has a new user'\nmatch: {user|exists: true}\n"
    "window: {first_seen: user, within: 1h, learn: 5m}\n",
    "fail": SILENT + "match: {level: error}\nwindow: {count: 2, within: 5m}\n",
    "win": SILENT + "match: {level: fatal}\n",
    "fell": "title: '{project} fell'\nseverity: 1\nclass: availability\ngroup_by: [project]\n"
    "window: {sequence: [fail, win], within: 15m}\nclear: {quiet_for: 10m}\n",
}  # fmt: skip


@dataclass(frozen=True)
class Played:
    """A source whose cursor is the number of batches read."""

    @cached_property
    def batches(self) -> list[tuple[Signal, ...]]:
        """Up to ten minutes late, with a recovery now and then."""
        chance = random.Random(7)
        happened = [_happened(chance, n) for n in range(400)]
        happened.sort(key=lambda each: each.at + chance.randrange(_LATE) * SECOND)
        return [tuple(happened[start::BATCHES]) for start in range(BATCHES)]

    def probe(self) -> None: ...

    def poll(self, since: Cursor | None, now: datetime) -> Batch:
        done = since or 0
        if done >= BATCHES:
            return Batch((), BATCHES + 1, watermark=NOON + 300 * MINUTE)
        return Batch(self.batches[done], done + 1, watermark=NOON + 3 * done * MINUTE - _LATE * SECOND)


def _happened(chance: random.Random, number: int) -> Signal:
    level = chance.choice(("error", "error", "error", "fatal"))
    polarity = Polarity.RECOVERED if chance.random() < 0.05 else Polarity.BROKEN
    at = chance.randrange(10_800) * SECOND
    project, user = chance.choice(("shop", "till", "depot")), f"u{chance.randrange(9)}"
    return signal(f"s{number}", at, polarity, project=project, level=level, user=user)


@contextmanager
def world_of(folder: Path) -> Iterator[World]:
    with contextmanager(world_at)(folder) as world:
        world.rules = rules(**RULES)
        world.terms = replace(world.terms, random=random.SystemRandom())  # no id twice, whoever goes on
        yield world


def play(world: World) -> Iterator[int]:
    """How many batches are read, each time that one is committed and what had become certain was said."""
    collect, done = world.collect(source=Played()), _read(world)  # type: ignore[arg-type]
    while done <= BATCHES:
        world.until(NOON + 3 * done * MINUTE)
        due = world.run(collect)
        if (now_read := _read(world)) == done:
            assert due is not None  # whoever was killed still had its turn
            world.until(due)
            continue
        done = now_read
        world.settle()
        yield done


def _read(world: World) -> int:
    return next((row["cursor"] or 0 for row in world.rows("polls")), 0)


def main(folder: Path) -> None:
    with world_of(folder) as world:
        for number in play(world):
            print(number, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
