"""Nothing is lost and nothing is doubled, whatever fails, dies or happens at once.

`HELIOGRAPH_SIM_SECONDS` says for how long new seeds are played; which ones follows from the date.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from daemon.clock import SystemClock
from tests.sim.campaign import folder, play

PINNED = (0, 1, 2, 3)
"""Always played."""
A_DAY = 100_000
"""Seeds that each day has for its own."""


@pytest.mark.parametrize("seed", PINNED)
def test_a_pinned_seed_keeps_every_promise(seed: int) -> None:
    with folder() as within:
        verdict = play(seed, within)
    assert () == verdict.problems, str(verdict)


def test_two_runs_of_a_seed_are_the_same() -> None:
    with folder() as within:
        assert 20 < len(_trace(7, within))
        assert _trace(7, within) == _trace(7, within)


def _trace(seed: int, within: Path) -> list[str]:
    lines: list[str] = []
    play(seed, within, told=lines.append)
    return lines


def test_the_seeds_of_today_keep_every_promise() -> None:
    clock = SystemClock()
    first = clock.now().toordinal() * A_DAY
    ends = clock.monotonic() + float(os.environ.get("HELIOGRAPH_SIM_SECONDS", "60"))
    seed = first
    with folder() as within:
        while clock.monotonic() < ends:
            verdict = play(seed, within)
            assert () == verdict.problems, str(verdict)
            seed += 1
    print(f"{seed - first} seeds from {first} keep every promise")
    assert seed > first
