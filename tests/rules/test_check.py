"""What is allowed in a rule, and still worth a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.rules.check import warnings
from daemon.rules.load import load
from daemon.rules.seen import Seen
from tests.rules.names import NAMES

BARE = "title: x\nsource: sentry\nmatch: {level: fatal}\nseverity: 2\nclass: defect\n"
PROVED = f"""{BARE}runbook: Look.
false_positives: A drill.
tests:
  - it: hits
    given: [{{signal: {{level: fatal}}}}]
    expect: {{severity: 2}}
  - it: misses
    given: [{{signal: {{level: info}}}}]
    expect: nothing
"""


def said(folder: Path, seen: Seen | None = None) -> list[str]:
    return [str(problem).removeprefix(f"{folder.name}/") for problem in warnings(load(folder, NAMES), seen)]


def test_a_rule_that_proves_nothing_is_told(tmp_path: Path) -> None:
    """A hit, a near miss and a runbook are expected of each."""
    (tmp_path / "bare.yaml").write_text(BARE)

    assert [
        "bare.yaml:1: no false_positives: nothing says what looks like it and is harmless.",
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


@pytest.mark.parametrize(
    ("match", "field"),
    [
        ("{level: fatal, all: {level: info}}", "level"),
        ("{level: fatal, level|not: [fatal, error]}", "level"),
        ("[{all: [{level: 1}, {level: [2, 3]}]}]", "level"),
    ],
)
def test_lines_that_rule_each_other_out_are_told(tmp_path: Path, match: str, field: str) -> None:
    """No signal can ever meet them."""
    (tmp_path / "a.yaml").write_text(PROVED.replace("match: {level: fatal}", f"match: {match}"))

    assert [f"a.yaml:1: no signal can match: two lines on '{field}' rule each other out."] == said(tmp_path)


@pytest.mark.parametrize(
    "match",
    [
        "{level: fatal, all: {level: [fatal, error]}}",
        "{level: fatal, level|not: error}",
        "{any: [{level: fatal}, {level: info}]}",
        "{level: fatal, all: {level|contains: info}}",
    ],
)
def test_lines_that_can_both_be_met_need_no_word(tmp_path: Path, match: str) -> None:
    (tmp_path / "a.yaml").write_text(PROVED.replace("match: {level: fatal}", f"match: {match}"))

    assert [] == said(tmp_path)


def test_a_field_of_several_values_may_be_two_things_at_once(tmp_path: Path) -> None:
    """As the tests show it."""
    rule = PROVED.replace("match: {level: fatal}", "match: {level: fatal, all: {level: info}}")
    (tmp_path / "a.yaml").write_text(rule.replace("{signal: {level: fatal}}", "{signal: {level: [fatal, info]}}"))

    assert [] == said(tmp_path)


@pytest.mark.parametrize("unless", ["{level: fatal}", "{level: [fatal, error]}", "[{x: 1}, {level: fatal}]"])
def test_an_exception_of_everything_is_told(tmp_path: Path, unless: str) -> None:
    (tmp_path / "a.yaml").write_text(PROVED + f"unless: {unless}\n")

    assert ["a.yaml:1: no signal is left: 'unless' holds for all that 'match' means."] == said(tmp_path)


@pytest.mark.parametrize("unless", ["{level: error}", "{level: fatal, x: 1}", "{level|not: fatal}"])
def test_an_exception_of_less_needs_no_word(tmp_path: Path, unless: str) -> None:
    (tmp_path / "a.yaml").write_text(PROVED + f"unless: {unless}\n")

    assert [] == said(tmp_path)


def test_a_silent_rule_that_none_stands_on_is_told(tmp_path: Path) -> None:
    """One on which another stands is well."""
    (tmp_path / "a.yaml").write_text(PROVED + "silent: true\n")
    over = PROVED.replace("source: sentry\nmatch: {level: fatal}\n", "over: b\nwindow: {count: 3, within: 1h}\n")
    (tmp_path / "b.yaml").write_text(PROVED.replace("fatal", "error") + "silent: true\n")
    (tmp_path / "c.yaml").write_text(over.replace("signal: {", "source: sentry, signal: {"))

    assert ["a.yaml:1: this rule is silent, and no other stands on it: nothing comes of it."] == said(tmp_path)


def test_a_field_that_looks_misspelt_is_told(tmp_path: Path) -> None:
    """By the fields that the tests of all rules of that source show."""
    (tmp_path / "a.yaml").write_text(PROVED)
    (tmp_path / "b.yaml").write_text(PROVED + "raise: {to: 1, match: {Level: fatal}}\nkind: sentry.issue\n")

    (tmp_path / "c.yaml").write_text(PROVED + "raise: {to: 1, match: {levels.all: x}}\nkind: datadog.event\n")

    assert ["b.yaml:1: no signal of sentry was seen with 'Level'. Did you mean 'level'?"] == said(tmp_path)


def test_a_field_that_recordings_lack_is_told(tmp_path: Path) -> None:
    """Without recordings nobody can know: tests show few of the fields that there are."""
    (tmp_path / "a.yaml").write_text(PROVED + "raise: {to: 1, match: {priority: high}}\n")
    seen = Seen()
    seen.record("sentry", {"level": "fatal", "title": "x"})

    assert [] == said(tmp_path)
    assert ["a.yaml:1: no signal of sentry was seen with 'priority'."] == said(tmp_path, seen)
