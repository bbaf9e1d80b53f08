"""`heliograph sla test`: an operator's own worked examples, against what the configuration promises."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.text import Text

from daemon import marked_yaml
from daemon.cli.desk import setup_of
from daemon.cli.show import console, plain
from daemon.sla.examples import Difference, Example, differences, read_examples


def test(options: argparse.Namespace) -> int:
    """0 if every example comes out as it was worked, 1 if one does not, 2 if one cannot be read."""
    policy = setup_of(options).config.policy
    examples = [one for path in options.files for one in read_examples(_document(path), str(path), policy)]
    results = [(one, differences(one)) for one in examples]
    if options.json:
        print(json.dumps([_result(one, found) for one, found in results], indent=2))
    else:
        _tell(results)
    return 1 if any(found for _, found in results) else 0


def _document(path: Path) -> object:
    return marked_yaml.load(path)


def _tell(results: list[tuple[Example, list[Difference]]]) -> None:
    screen = console()
    for example, found in results:
        screen.print(Text.assemble(("FAIL ", "bold red") if found else ("ok   ", "green"), plain(example.name)))
        for one in found:
            screen.print(
                plain(f"     {one.mark.file}:{one.mark.line}: {one.what}: expected {one.expected}, is {one.actual}")
            )
    kept = sum(not found for _, found in results)
    screen.print(plain(f"{kept} of {len(results)} examples come out as they were worked"))


def _result(example: Example, found: list[Difference]) -> dict[str, object]:
    rows = [{"what": one.what, "expected": one.expected, "actual": one.actual, "line": one.mark.line} for one in found]
    return {
        "name": example.name, "file": example.mark.file, "line": example.mark.line,
        "contract": example.contract.version, "ok": not found, "differences": rows,
    }  # fmt: skip
