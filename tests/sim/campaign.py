"""Runs seeds, one or many, and says which of them broke a promise."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.sim.verdict import judge
from tests.sim.world import World

# A database in memory costs no disk; where there is no such folder any other does.
_MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Verdict:
    seed: int
    problems: tuple[str, ...]
    crashes: int

    def __str__(self) -> str:
        told = "; ".join(self.problems) or "all promises kept"
        return f"seed {self.seed}: {told}\nreplay: python -m tests.sim --seed {self.seed}"


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for databases, in memory where there is one."""
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as path:
        yield Path(path)


def play(
    seed: int, within: Path, kind: type[World] = World, told: Callable[[str], None] = lambda line: None
) -> Verdict:
    """One seed, from the first signal to the verdict."""
    world = kind(seed, within, told)
    try:
        world.run()
        return Verdict(seed, tuple(dict.fromkeys(judge(world))), world.crashes)
    finally:
        world.close()


def play_all(seeds: Iterable[int]) -> list[Verdict]:
    """Several in a process of their own, which says nothing of its own."""
    logging.disable(logging.CRITICAL)
    with folder() as within:
        return [play(seed, within) for seed in seeds]


def first_broken(seeds: Iterable[int], kind: type[World]) -> Verdict | None:
    """The first of these seeds that breaks a promise."""
    with folder() as within:
        for seed in seeds:
            verdict = play(seed, within, kind)
            if verdict.problems:
                return verdict
    return None
