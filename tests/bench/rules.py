"""What whoever writes rules waits for: the shipped rules tested and checked, and the command line's help.

Each command is a process of its own, as people run it, beside one that only starts Python. The statements are counted
in this process.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from sqlalchemy import event

from daemon import app
from daemon.cli.rehearse import cast, stage
from daemon.shipped import shipped
from daemon.store.engine import Store
from tests.bench.measure import Run, in_turn, ratio

COMMANDS = {"test": ["rules", "test"], "check": ["rules", "check"], "help": ["--help"]}
CANDIDATES = len(COMMANDS) + 1


def bench(rounds: int, told: Callable[[], None], most: int | None = None) -> dict[str, Any]:
    """Seconds of each command, of all rules, and the statements that a signal costs, of the first `most` tests."""
    runs = {"python": _running(["-c", ""])} | {
        name: _running(["-m", "daemon", *words]) for name, words in COMMANDS.items()
    }
    found = in_turn(runs, rounds, told)
    ratios = {f"{name} / python": ratio(found, name, "python") for name in COMMANDS}
    seconds = {name: median(each) for name, each in found.items()}
    return {"seconds": found, "median seconds / run": seconds, "statements / signal": _statements(most), **ratios}


def _running(words: list[str]) -> Run:
    def run() -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.perf_counter() - began

    return run


def _statements(most: int | None) -> dict[str, float]:
    setup = app.read(shipped("config.yaml"), {}, random.Random(0), credentials=False)
    cases = [(cast(rule, setup.rules.by_id), test) for rule in setup.rules for test in rule.tests[:most]][:most]
    with stage(setup.detection, frozenset(setup.config.actions)) as on:
        statements = _counted(on.store, lambda: [on.play(engine, test) for engine, test in cases])
    signals = sum(given.repeat for _, test in cases for given in test.given)
    return {"tests": len(cases), "signals": signals, "statements": statements, "each": statements / signals}


def _counted(store: Store, work: Callable[[], object]) -> int:
    """How many statements the work sends to the store."""
    sent: list[object] = []
    with store.write() as connection:
        event.listen(connection.engine, "before_cursor_execute", lambda *told: sent.append(told[2]))
    work()
    return len(sent)
