"""Troubles and recoveries of one key that arrive late and in any order part the same episodes as in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as some

from daemon.model import Polarity, Signal
from tests.pipeline.doubles import HOUR, MINUTE, NOON, SECOND, World, rule, signal, world_at

LATENESS = 10
"""Minutes."""

Happened: TypeAlias = tuple[int, bool, int]
"""At which minute, whether it recovered, and how many minutes late it arrives."""

Lived: TypeAlias = tuple[int, float | None, float | None, list[str]]
"""Number, beginning, end, evidence."""

CLEARS = ("recovery", "{quiet_for: 4m}", "{quiet_for: 4m, recovery: true}")
WINDOWS = ("", "window: {count: 2, within: 3m}\n", "window: {count: 2, within: 10m}\n")

happened = some.lists(
    some.tuples(some.integers(0, 20), some.booleans(), some.integers(0, LATENESS)), min_size=1, max_size=8
)
told_late = settings(
    deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


@dataclass(frozen=True)
class Life:
    """What became of one key, whatever the instants at which it did."""

    state: str
    episodes: tuple[Lived, ...]


@contextmanager
def days(
    folder: Path,
    clear: str,
    window: str,
) -> Iterator[Days]:
    """A day for each play, and a key: one world lives through all of them."""
    with contextmanager(world_at)(folder) as world:
        world.rules = [rule(f"clear: {clear}\nreopen_within: 1h\n{window}")]
        yield Days(world)


class Days:
    def __init__(self, world: World) -> None:
        self.world = world
        self._day = 0

    def play(self, happened: Sequence[Happened], *, late: bool) -> list[Life]:
        """What the store has of it in the end."""
        self._day += 1
        start = timedelta(days=self._day)
        arrivals = sorted(
            (minute + (delay if late else 0), minute, recovers, n)
            for n, (minute, recovers, delay) in enumerate(happened)
        )
        self.world.hear(watermark=NOON + start - SECOND)
        while arrivals:
            (arrives, *_), *rest = arrivals
            self.world.until(NOON + start + arrives * MINUTE)
            read_to = min((minute for _, minute, *_ in rest), default=arrives) * MINUTE - SECOND
            self.world.hear(self._signal(start, *arrivals[0][1:]), watermark=NOON + start + read_to)
            self.world.settle()
            arrivals = rest
        self.world.until(NOON + start + 3 * HOUR)
        self.world.hear(watermark=NOON + start + 3 * HOUR)
        self.world.settle()
        return self._lives()

    def _signal(self, start: timedelta, minute: int, recovers: bool, n: int) -> Signal:
        polarity = Polarity.RECOVERED if recovers else Polarity.BROKEN
        return signal(f"{self._day}.{n}", start + minute * MINUTE, polarity, project=f"p{self._day}")

    def _lives(self) -> list[Life]:
        """In minutes of the day."""
        ids = {row["row"]: row["id"].partition(".")[2] for row in self.world.rows("signals")}
        evidence = self.world.rows("evidence")
        return [
            Life(row["state"], tuple(self._episode(each, evidence, ids) for each in self._of(row["id"])))
            for row in self.world.rows("incidents")
            if f'"p{self._day}"' in row["key"]
        ]

    def _of(self, incident: str) -> list[dict[str, Any]]:
        return [row for row in self.world.rows("episodes") if row["incident"] == incident]

    def _episode(self, row: dict[str, Any], evidence: list[dict[str, Any]], ids: dict[int, str]) -> Lived:
        start = NOON + timedelta(days=self._day)
        began, over = ((at - start) / MINUTE if at else None for at in (row["began_at"], row["over_at"]))
        of_it = (row["incident"], row["episode"])
        proofs = sorted(ids[each["signal"]] for each in evidence if (each["incident"], each["episode"]) == of_it)
        return row["episode"], began, over, proofs


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("clear", CLEARS)
def test_late_recoveries_part_the_same_episodes(tmp_path: Path, clear: str, window: str) -> None:
    """Keys, their number, when each begins and is over, and what it rests on."""
    with days(tmp_path, clear, window) as lived:

        @told_late
        @example([(0, False, 0), (2, True, 9), (4, False, 0), (6, True, 1), (8, False, 0)])
        @example([(0, False, 5), (3, True, 0)])
        @example([(0, False, 0), (0, True, 1), (0, True, 0)])
        @given(happened)
        def check(happened: list[Happened]) -> None:
            assert lived.play(happened, late=False) == lived.play(happened, late=True)

        check()


@pytest.mark.parametrize("clear", CLEARS)
def test_nobody_is_paged_more_often_for_what_comes_late(tmp_path: Path, clear: str) -> None:
    """Once an episode at the most, each under a key of its own; and each page of what is over is resolved."""
    with days(tmp_path, clear, "") as lived:
        world = lived.world

        @told_late
        @given(happened)
        def check(happened: list[Happened]) -> None:
            before = len(world.rows("deliveries"))
            lives = lived.play(happened, late=True)
            owed = [
                row
                for row in world.rows("deliveries")[before:]
                if row["key"].startswith("hg:") and row["state"] != "cancelled"
            ]
            opened = Counter(row["key"] for row in owed if row["verb"] == "open")
            closed = Counter(row["key"] for row in owed if row["verb"] == "close")
            standing = sum(life.state == "open" for life in lives)

            assert set(opened.values()) <= {1}
            assert standing == len(opened - closed)
            assert len(opened) <= sum(len(life.episodes) for life in lives)

        check()
