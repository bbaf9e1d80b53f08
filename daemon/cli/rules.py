"""`heliograph rules test | check`."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import track

from daemon import app
from daemon.cli.rehearse import stage
from daemon.cli.where import config_file
from daemon.errors import ConfigError, Problem
from daemon.rules.check import warnings
from daemon.rules.model import Rule, RuleTest


def test(options: argparse.Namespace) -> int:
    """0 if every test of the rules holds, 1 if one does not."""
    setup = app.read(config_file(options.config), os.environ, options.chance, credentials=False)
    rules = list(_chosen(setup, options.paths))
    cases = [(rule, case) for rule in rules for case in rule.tests]
    console = Console(stderr=True)
    failed: list[tuple[Rule, RuleTest, list[str]]] = []
    with stage(setup.detection, frozenset(setup.config.actions)) as play:
        for rule, case in track(cases, "rules test", console=console, transient=True, disable=options.json):
            if differences := play.play(rule, case, setup.rules.by_id):
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
    """0 if the rules can be used, whatever could be better; problems that forbid it end with 2."""
    setup = app.read(config_file(options.config), os.environ, options.chance, credentials=False)
    chosen = {rule.file for rule in _chosen(setup, options.paths)}
    found = [warning for warning in warnings(setup.rules) if warning.file in chosen]
    if options.json:
        print(json.dumps({"rules": len(chosen), "warnings": [asdict(warning) for warning in found]}, indent=2))
        return 0
    for warning in found:
        print(warning)
    print(f"{len(chosen)} rules can be used, {len(found) or 'no'} warnings")
    return 0


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
