"""What is allowed in a rule, and still worth a word: `heliograph rules check`."""

from __future__ import annotations

from collections.abc import Iterator

from daemon.errors import Problem
from daemon.rules.model import Rule, RuleSet
from daemon.rules.reach import contradiction, is_excepted
from daemon.rules.seen import Seen, most_values


def warnings(ruleset: RuleSet, seen: Seen | None = None) -> list[Problem]:
    """In the order of the files. `seen` holds what was recorded of the sources; the rules' own tests are added."""
    fields = seen or Seen()
    fields.add_tests(ruleset)
    stood_on = {step.rule for rule in ruleset for step in rule.over}
    found = [
        *(each for rule in ruleset for each in _lacks(rule)),
        *(each for rule in ruleset for each in _never_met(rule, fields, stood_on)),
        *(each for rule in ruleset for each in _unknown_fields(rule, fields)),
        *_duplicates(ruleset),
    ]
    return sorted(found)


def _lacks(rule: Rule) -> Iterator[Problem]:
    if rule.origin == "sigma":
        return  # its language has no place for tests
    if not any(test.expect.incidents for test in rule.tests) and not rule.silent:
        yield Problem(rule.file, rule.line, "no test shows what this rule catches.")
    if not any(test.expect.incidents == 0 for test in rule.tests):
        yield Problem(rule.file, rule.line, "no test shows a near miss.", "Add one that ends in expect: nothing.")
    if rule.silent:
        return
    if not rule.runbook:
        yield Problem(rule.file, rule.line, "no runbook: whoever is woken by this will not know what to do.")
    if not rule.false_positives:
        yield Problem(rule.file, rule.line, "no false_positives: nothing says what looks like it and is harmless.")


def _never_met(rule: Rule, seen: Seen, stood_on: set[str]) -> Iterator[Problem]:
    if rule.silent and rule.id not in stood_on:
        yield Problem(rule.file, rule.line, "this rule is silent, and no other stands on it: nothing comes of it.")
    if rule.over:
        return
    signals = seen.of(rule)
    path = contradiction(rule.condition, lambda path: most_values(signals, path) <= 1)
    if path is not None:
        yield Problem(rule.file, rule.line, f"no signal can match: two lines on '{path}' rule each other out.")
    if is_excepted(rule):
        yield Problem(rule.file, rule.line, "no signal is left: 'unless' holds for all that 'match' means.")


def _unknown_fields(rule: Rule, seen: Seen) -> Iterator[Problem]:
    for path, hint in seen.unknown(rule):
        yield Problem(rule.file, rule.line, f"no signal of {', '.join(rule.sources)} was seen with '{path}'.", hint)


def _duplicates(ruleset: RuleSet) -> Iterator[Problem]:
    seen: dict[str, Rule] = {}
    for rule in ruleset.rules:
        said = (rule.sources, rule.kinds, rule.condition, rule.exception, rule.window, rule.group_by, rule.over)
        first = seen.setdefault(repr(said), rule)
        if first is not rule:
            yield Problem(rule.file, rule.line, f"this rule matches exactly what '{first.id}' does.")
