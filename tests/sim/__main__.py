"""`python -m tests.sim --seed 8123` replays one seed; `python -m tests.sim --seeds 4000` is a campaign."""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from daemon.clock import SystemClock
from tests.sim.campaign import Verdict, folder, play, play_all

_CHUNK = 10


def main() -> int:
    """0 if every promise was kept, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--seed", type=int, help="replay this seed and print what happened")
    which.add_argument("--seeds", type=int, help="play so many seeds")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed of a campaign")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    return replay(options.seed) if options.seeds is None else campaign(options.first, options.seeds)


def replay(seed: int) -> int:
    with folder() as within:
        verdict = play(seed, within, told=print)
    print(verdict)
    return 1 if verdict.problems else 0


def campaign(first: int, many: int) -> int:
    clock = SystemClock()
    began = clock.monotonic()
    broken: list[Verdict] = []
    crashes = 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        task = progress.add_task("seeds", total=many)
        for verdict in _played(range(first, first + many)):
            crashes += verdict.crashes
            if verdict.problems:
                broken.append(verdict)
                progress.console.print(str(verdict))
            progress.update(task, advance=1, description=f"{len(broken)} broken")
    rate = many / (clock.monotonic() - began)
    print(f"{many} seeds from {first}, {crashes} crashes, {len(broken)} broke a promise; {rate:.1f} seeds/s")
    return 1 if broken else 0


def _played(seeds: range) -> Iterator[Verdict]:
    chunks = [seeds[at : at + _CHUNK] for at in range(0, len(seeds), _CHUNK)]
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        for done in as_completed([pool.submit(play_all, chunk) for chunk in chunks]):
            yield from done.result()


if __name__ == "__main__":
    sys.exit(main())
