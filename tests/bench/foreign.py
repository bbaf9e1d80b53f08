"""CEL's two evaluators for Python, in an environment of their own; one that does not run is named, and why."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
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
    python = _installed(folder)
    return {which: _run(python, which, raw, rules, expected) for which in _PACKAGES}


def _installed(folder: Path) -> Path:
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *_PACKAGES], check=False)
    return python


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
