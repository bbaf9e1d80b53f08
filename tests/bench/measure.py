"""What every bench shares: rounds in which the candidates take turns, so that a host that drifts drifts for all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median

Run = Callable[[], float]
"""Runs once; its rate or its seconds, whichever the bench says."""


def in_turn(runs: Mapping[str, Run], rounds: int, told: Callable[[], None]) -> dict[str, list[float]]:
    """Each of `runs`, one after another, `rounds` times; `told` is called after each."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            found[name].append(run())
            told()
    return found


def ratio(found: Mapping[str, list[float]], of: str, to: str) -> dict[str, float]:
    """The median of the rounds' ratios, and the least and greatest."""
    each = [mine / theirs for mine, theirs in zip(found[of], found[to], strict=True)]
    return {"median": median(each), "least": min(each), "greatest": max(each)}


def rate(work: Callable[[], object], items: int) -> float:
    """Items a second."""
    began = time.perf_counter()
    work()
    return items / (time.perf_counter() - began)
