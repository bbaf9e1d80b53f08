"""What is allowed in a rule, and still worth a word."""

from __future__ import annotations

from pathlib import Path

from daemon.rules.check import warnings
from daemon.rules.load import load
from tests.rules.names import NAMES

BARE = "title: x\nsource: sentry\nmatch: {level: fatal}\nseverity: 2\nclass: defect\n"
PROVED = f"""{BARE}runbook: Look.
tests:
  - it: hits
    given: [{{signal: {{level: fatal}}}}]
    expect: {{severity: 2}}
  - it: misses
    given: [{{signal: {{level: info}}}}]
    expect: nothing
"""


def said(folder: Path) -> list[str]:
    return [str(problem).removeprefix(f"{folder.name}/") for problem in warnings(load(folder, NAMES))]


def test_a_rule_that_proves_nothing_is_told(tmp_path: Path) -> None:
    """A hit, a near miss and a runbook are expected of each."""
    (tmp_path / "bare.yaml").write_text(BARE)

    assert [
        "bare.yaml:1: no runbook: whoever is woken by this will not know what to do.",
        "bare.yaml:1: no test shows a near miss. Add one that ends in expect: nothing.",
        "bare.yaml:1: no test shows what this rule catches.",
    ] == said(tmp_path)


def test_a_duplicate_is_told(tmp_path: Path) -> None:
    """Two rules that match the same open two incidents of one trouble."""
    (tmp_path / "a.yaml").write_text(PROVED)
    (tmp_path / "b.yaml").write_text(PROVED.replace("title: x", "title: y"))
    (tmp_path / "c.yaml").write_text(PROVED.replace("match: {level: fatal}", "match: {level: [fatal, error]}"))

    assert ["b.yaml:1: this rule matches exactly what 'a' does."] == said(tmp_path)


def test_a_good_rule_needs_no_word(tmp_path: Path) -> None:
    """Silence means that there is nothing to say."""
    (tmp_path / "a.yaml").write_text(PROVED)

    assert [] == said(tmp_path)
