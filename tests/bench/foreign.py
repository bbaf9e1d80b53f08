"""Rivals in an environment of their own: CEL's two evaluators for Python, of which one that does not run is named, and
why; and ElastAlert's rule classes."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

_PACKAGES = ("cel-python", "common-expression-language")
_EVENTS = {"cel-python": 5, "common-expression-language": 100}
"""So many are enough for those."""

_PROGRAM = """
import json, sys, time
which, file = sys.argv[1:]
job = json.load(open(file))
if which == "cel-python":
    import celpy
    from celpy.adapter import json_to_cel
    environment = celpy.Environment()
    rules = [environment.program(environment.compile(text)) for text in job["rules"]]
    def holds(rule, event):
        try:
            return bool(rule.evaluate({"e": event}))
        except celpy.CELEvalError:
            return False
    def read(line):
        return json_to_cel(json.loads(line))
else:
    import cel
    rules = [cel.compile(text) for text in job["rules"]]
    def holds(rule, event):
        try:
            return bool(rule.execute({"e": event}))
        except (RuntimeError, ValueError, KeyError, TypeError):
            return False
    read = json.loads
began = time.perf_counter()
hits = []
for number, line in enumerate(job["events"]):
    event = read(line)
    hits += [[number, rule] for rule, program in enumerate(rules) if holds(program, event)]
print(json.dumps({"rate": len(job["events"]) / (time.perf_counter() - began), "hits": hits}))
"""


def rivals(folder: Path, raw: Sequence[bytes], rules: Sequence[str], expected: set[tuple[int, int]]) -> dict[str, Any]:
    """Rate in events a second and whether the hits agree, or why one did not run. One round, on few events."""
    python = _installed(folder, _PACKAGES)
    return {which: _run(python, which, raw, rules, expected) for which in _PACKAGES}


def _installed(folder: Path, packages: Sequence[str]) -> Path:
    python, done = folder / "bin" / "python", folder / f"{packages[0]}.installed"
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=False)
        done.touch()
    return python


_ALERTING = ("elastalert2", "pytz")
_HEARD = 50_000
"""Events that ElastAlert is told: the first of all, which flatters it where there are many keys."""

_ALERTS = """
import datetime, gc, json, sys, time
from elastalert.ruletypes import CardinalityRule, FrequencyRule, SpikeRule
kind, file = sys.argv[1:]
utc, within = datetime.timezone.utc, datetime.timedelta(minutes=10)
events = [{"@timestamp": datetime.datetime.fromtimestamp(at / 1e6, utc), "key": key, "n": n}
          for key, at, n in json.load(open(file))]
rule = {
    "count": lambda of: FrequencyRule({**of, "num_events": 10}),
    "distinct": lambda of: CardinalityRule({**of, "cardinality_field": "n", "max_cardinality": 7}),
    "spike": lambda of: SpikeRule({**of, "spike_height": 3, "spike_type": "up", "threshold_cur": 8}),
}[kind]({"timeframe": within, "query_key": "key", "timestamp_field": "@timestamp"})
gc.collect()
gc.freeze()
began = time.perf_counter()
for start in range(0, len(events), 1000):
    rule.add_data(events[start : start + 1000])
print(len(events) / (time.perf_counter() - began))
"""


def elastalert(folder: Path, kind: str, events: Iterable[tuple[int, int, Any]]) -> Callable[[], float]:
    """What runs its class for this kind of window: updates a second. Making its events is not counted."""
    python, told = _installed(folder, _ALERTING), json.dumps(list(islice(events, _HEARD)))

    def run() -> float:
        with tempfile.TemporaryDirectory() as place:
            (job := Path(place) / "job.json").write_text(told)
            done = subprocess.run([python, "-c", _ALERTS, kind, job], capture_output=True, text=True, check=True)
        return float(done.stdout)

    return run


def _run(
    python: Path, which: str, raw: Sequence[bytes], rules: Sequence[str], expected: set[tuple[int, int]]
) -> dict[str, Any] | str:
    some = [line.decode() for line in raw[: _EVENTS[which]]]
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder) / "job.json"
        job.write_text(json.dumps({"events": some, "rules": rules}))
        done = subprocess.run([python, "-c", _PROGRAM, which, job], capture_output=True, text=True, check=False)
    if done.returncode:
        return f"did not run: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}"
    said = json.loads(done.stdout)
    agrees = {tuple(hit) for hit in said["hits"]} == {hit for hit in expected if hit[0] < len(some)}
    return {"rate": said["rate"], "agrees": agrees}
