"""What is allowed in a rule, and still worth a word: `heliograph rules check`."""

from __future__ import annotations

from collections.abc import Iterator

from daemon.errors import Problem
from daemon.rules.model import Rule, RuleSet


def warnings(ruleset: RuleSet) -> list[Problem]:
    """In the order of the files."""
    return sorted([*(found for rule in ruleset.rules for found in _lacks(rule)), *_duplicates(ruleset)])


def _lacks(rule: Rule) -> Iterator[Problem]:
    if rule.origin == "sigma":
        return  # its language has no place for tests
    if not any(test.expect.incidents for test in rule.tests):
        yield Problem(rule.file, rule.line, "no test shows what this rule catches.")
    if not any(test.expect.incidents == 0 for test in rule.tests):
        yield Problem(rule.file, rule.line, "no test shows a near miss.", "Add one that ends in expect: nothing.")
    if not rule.runbook:
        yield Problem(rule.file, rule.line, "no runbook: whoever is woken by this will not know what to do.")


def _duplicates(ruleset: RuleSet) -> Iterator[Problem]:
    seen: dict[object, Rule] = {}
    for rule in ruleset.rules:
        said = (rule.sources, rule.kinds, rule.condition, rule.exception, rule.window, rule.group_by)
        first = seen.setdefault(said, rule)
        if first is not rule:
            yield Problem(rule.file, rule.line, f"this rule matches exactly what '{first.id}' does.")
