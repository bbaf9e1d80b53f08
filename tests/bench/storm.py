"""A storm: thousands of signals of one key, brought a hundred at a time to a rule that has enough again and again. What
one costs when the storm is old is set against what it cost at its beginning; time is told, what is measured is work.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

from daemon import app
from daemon.cli.rehearse import START
from daemon.clock import ToldClock
from daemon.model import Signal
from daemon.pipeline import detect
from daemon.pipeline.open import Detection
from daemon.pipeline.sift import sift
from daemon.rules.engine import Engine
from daemon.rules.load import load_text
from daemon.rules.model import Names, Rule
from daemon.shipped import shipped
from daemon.store.engine import Store

WINDOWS = {
    "no window": ("",),
    "count": ("window: {count: 10, within: 5m}\n",),
    "shared": ("", "window: {count: 10, within: 5m}\n"),
}
"""Of the rules that are hit; those of one storm share an incident."""
SIGNALS = 5_000
QUICK = 600
_AT_ONCE = 100


def bench(folder: Path, most: int, rounds: int, told: Callable[[], None]) -> dict[str, Any]:
    """Microseconds of the first fifth and of the last, and their ratio, by what is hit."""
    found: dict[str, Any] = {}
    setup = app.read(shipped("config.yaml"), {}, random.Random(0), credentials=False)
    for name, windows in WINDOWS.items():
        each = []
        for _ in range(rounds):
            each.append(_played(folder, setup.detection, _rules(windows), most))
            told()
        first, last = (median(turn[n] for turn in each) * 1e6 for n in (0, 1))
        ratios = [turn[1] / turn[0] for turn in each]
        spread = {"median": median(ratios), "least": min(ratios), "greatest": max(ratios)}
        found[name] = {"microseconds": {"first": first, "last": last}, "last / first": spread}
    return {f"{name}, {what}": figure for name, all_ in found.items() for what, figure in all_.items()}


def _rules(windows: tuple[str, ...]) -> list[Rule]:
    names = Names(sources={"sentry": "sentry"}, types=frozenset({"sentry"}))
    text = "title: down\nsource: sentry\nmatch: {level: fatal}\nseverity: 1\nclass: availability\ngroup_by: [project]\n"
    rules = [load_text(f"r{number}", text + window, "r.yaml", names) for number, window in enumerate(windows)]
    return [replace(rule, problem="storm") for rule in rules]


def _played(folder: Path, detection: Detection, rules: list[Rule], most: int) -> tuple[float, float]:
    """Seconds for one signal of the first fifth, and of the last."""
    detection, engine = replace(detection, sources={"sentry": "sentry"}), Engine(rules)
    with tempfile.TemporaryDirectory(dir=folder) as here:
        store = Store(f"sqlite:///{here}/storm.db", ToldClock(START))
        store.migrate()
        took = [_brought(store, detection, engine, start) for start in range(0, most, _AT_ONCE)]
        store.close()
    fifth = len(took) // 5
    return sum(took[:fifth]) / fifth / _AT_ONCE, sum(took[-fifth:]) / fifth / _AT_ONCE


def _brought(store: Store, detection: Detection, engine: Engine, start: int) -> float:
    """Seconds of work for a hundred signals, a second apart. What the disk takes is left out."""
    signals = [_signal(number) for number in range(start, start + _AT_ONCE)]
    wanted, _ = sift(engine, signals)
    began = time.process_time()
    with store.write() as connection:
        detect.detect(connection, detection, engine, wanted, signals[-1].at)
    return time.process_time() - began


def _signal(number: int) -> Signal:
    at = START + timedelta(seconds=number)
    return Signal("sentry", "sentry", "sentry.issue", f"s{number}", at, {"project": "shop", "level": "fatal"})
