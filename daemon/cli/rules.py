"""`heliograph rules test | check | list`."""

from __future__ import annotations

import argparse
import json
import os
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import track

from daemon import app
from daemon.cli import WRONG
from daemon.cli.recorded import Reader, files
from daemon.cli.rehearse import cast, stage
from daemon.cli.show import show
from daemon.cli.where import config_file
from daemon.errors import ConfigError, Problem
from daemon.model import Json, Signal
from daemon.rules.check import warnings
from daemon.rules.model import Aggregate, Rule, RuleTest
from daemon.rules.seen import Seen


def test(options: argparse.Namespace) -> int:
    """0 if every test of the rules holds, 1 if one does not."""
    setup = app.read(config_file(options.config), os.environ, options.chance, credentials=False)
    rules = list(_chosen(setup, options.paths))
    cases = [(rule, case) for rule in rules for case in rule.tests]
    engines = {rule.id: cast(rule, setup.rules.by_id) for rule in rules if rule.tests}
    console = Console(stderr=True)
    failed: list[tuple[Rule, RuleTest, list[str]]] = []
    with stage(setup.detection, frozenset(setup.config.actions)) as play:
        for rule, case in track(cases, "rules test", console=console, transient=True, disable=options.json):
            if differences := play.play(engines[rule.id], case):
                failed.append((rule, case, differences))
    _tell(options.json, len(rules), len(cases), failed)
    return 1 if failed else 0


def _tell(as_json: bool, rules: int, cases: int, failed: list[tuple[Rule, RuleTest, list[str]]]) -> None:
    if as_json:
        found = [
            {"rule": rule.id, "file": rule.file, "line": case.line, "it": case.it, "differences": differences}
            for rule, case, differences in failed
        ]
        print(json.dumps({"rules": rules, "tests": cases, "failed": found}, indent=2))
        return
    for rule, case, differences in failed:
        print(f"{rule.file}:{case.line}: {case.it}")
        print("".join(f"    {difference}\n" for difference in differences), end="")
    print(f"{rules} rules, {cases} tests: {len(failed) or 'none'} failed")


def check(options: argparse.Namespace) -> int:
    """0 if the rules can be used, whatever could be better (1 with --strict); 2 if one cannot be used."""
    try:
        setup = app.read(config_file(options.config), os.environ, options.chance, credentials=False)
        rules = list(_chosen(setup, options.paths))
    except ConfigError as error:
        if not options.json:
            raise
        print(json.dumps({"problems": [asdict(one) for one in error.problems]}, indent=2))
        return WRONG
    seen = _recorded(options.recorded) if options.recorded else None
    chosen = {rule.file for rule in rules}
    found = [warning for warning in warnings(setup.rules, seen) if warning.file in chosen]
    if options.json:
        said = {"problems": [], "rules": len(rules), "warnings": [asdict(warning) for warning in found]}
        print(json.dumps(said, indent=2))
    else:
        for warning in found:
            print(warning)
        print(f"{len(rules)} rules can be used, {len(found) or 'no'} warnings")
    return 1 if found and options.strict else 0


def _recorded(folder: Path) -> Seen:
    """What the recordings show of each source's fields. What cannot be read shows nothing."""
    if not folder.exists():
        raise ConfigError([Problem(str(folder), 0, "there is no such folder.")])
    reader, seen = Reader(app.recordings(), {}), Seen()
    for path in files(str(folder)):
        with suppress(OSError, EOFError, zlib.error, ValueError):
            for record in reader.read(path):
                if isinstance(record, Signal):
                    seen.record(record.type, record.fields)
    return seen


def listing(options: argparse.Namespace) -> int:
    """Always 0."""
    setup = app.read(config_file(options.config), os.environ, options.chance, credentials=False)
    rules = list(_chosen(setup, options.paths))
    if options.json:
        print(json.dumps([_listed(rule) for rule in rules], indent=2))
        return 0
    columns = ("rule", "source", "severity", "window", "stage", "class", "tests")
    show(columns, [_row(rule) for rule in rules])
    print()
    _cover(rules)
    return 0


def _listed(rule: Rule) -> dict[str, Json]:
    return {
        "rule": rule.id,
        "source": list(rule.sources),
        "severity": rule.severity,
        "raise": sorted({each.to for each in rule.raises}),
        "window": _kind(rule),
        "stage": _stage(rule),
        "class": rule.class_,
        "tests": len(rule.tests),
        "file": rule.file,
    }


def _row(rule: Rule) -> tuple[str, ...]:
    raised = "".join(f" → {to}" for to in sorted({each.to for each in rule.raises}, reverse=True))
    sources = ", ".join(rule.sources)
    return rule.id, sources, f"{rule.severity}{raised}", _kind(rule), _stage(rule), rule.class_, str(len(rule.tests))


def _kind(rule: Rule) -> str:
    """The kind of its window, as it is written; empty without one."""
    if isinstance(rule.window, Aggregate):
        return rule.window.function
    return re.sub(r"(?<=.)(?=[A-Z])", "_", type(rule.window).__name__).lower() if rule.window else ""


def _stage(rule: Rule) -> str:
    return "silent" if rule.silent else rule.stage


def _cover(rules: list[Rule]) -> None:
    """How many rules of each source can come to each severity."""
    severities = sorted({level for rule in rules for level in _levels(rule)})
    sources = sorted({source for rule in rules for source in rule.sources})
    reach = Counter((source, level) for rule in rules for source in rule.sources for level in _levels(rule))
    rows = [(source, *(reach[source, level] or "·" for level in severities)) for source in sources]
    show(("rules that reach", *(f"Sev {level}" for level in severities)), rows)


def _levels(rule: Rule) -> set[int]:
    return {rule.severity, *(each.to for each in rule.raises)}


def _chosen(setup: app.Setup, paths: list[Path]) -> Iterator[Rule]:
    """The rules at or under the given paths; all of them if none is given."""
    folder = setup.config.rules
    wanted = [path.resolve() for path in paths]
    for path in wanted:
        if not path.exists() or not path.is_relative_to(folder.resolve()):
            raise ConfigError([Problem(str(path), 0, f"is not in the rules folder '{folder}'.")])
    for rule in setup.rules:
        file = (folder.parent / rule.file).resolve()
        if not wanted or any(file.is_relative_to(path) for path in wanted):
            yield rule
