"""What rules say of one another and of problems, made good once all of them are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from daemon.errors import Problem
from daemon.rules import policy
from daemon.rules.model import Rule
from daemon.rules.reader import nearest


def resolve(rules: Mapping[str, Rule], problems: Mapping[str, policy.Problem]) -> tuple[list[Rule], list[Problem]]:
    """The rules in the given order, each with what its problem owns and, over other rules, with their sources; and
    what is wrong between them."""
    wrong = [*_unknown(rules), *_circles(rules), *_parts(rules, problems)]
    if wrong:
        return list(rules.values()), wrong
    return [_sourced(_owned(rule, problems), rules) for rule in rules.values()], []


def _unknown(rules: Mapping[str, Rule]) -> Iterator[Problem]:
    for rule in rules.values():
        for step in rule.over:
            if step.rule not in rules:
                hint = nearest(step.rule, rules) or "An id is the file's path under the rules folder."
                yield Problem(rule.file, rule.line, f"there is no rule '{step.rule}' for this one to stand on.", hint)


def _circles(rules: Mapping[str, Rule]) -> Iterator[Problem]:
    for rule in rules.values():
        if rule.id in _beneath(rule, rules):
            yield Problem(
                rule.file, rule.line, f"'{rule.id}' stands on itself.", "A rule cannot wait for its own firing."
            )


def _beneath(rule: Rule, rules: Mapping[str, Rule]) -> set[str]:
    """Every rule that this one stands on, however far down."""
    found: set[str] = set()
    waiting = [step.rule for step in rule.over]
    while waiting:
        id = waiting.pop()
        if id in rules and id not in found:
            found.add(id)
            waiting += [step.rule for step in rules[id].over]
    return found


def _parts(rules: Mapping[str, Rule], problems: Mapping[str, policy.Problem]) -> Iterator[Problem]:
    """Whether each rule of a problem has the parts of the problem's key."""
    for rule in rules.values():
        key = problems[rule.problem].key if rule.problem else ()
        for part in key:
            if part not in rule.group_by:
                hint = f"Write group_by: {{{part}: path in this source}}."
                yield Problem(rule.file, rule.line, f"problem '{rule.problem}' is told apart by '{part}'.", hint)


def _owned(rule: Rule, problems: Mapping[str, policy.Problem]) -> Rule:
    if not rule.problem:
        return rule
    owner = problems[rule.problem]
    return replace(
        rule, class_=owner.class_, clear=owner.clear, reopen_within=owner.reopen_within, team=owner.team, key=owner.key
    )


def _sourced(rule: Rule, rules: Mapping[str, Rule]) -> Rule:
    if not rule.over:
        return rule
    sources = (source for id in sorted(_beneath(rule, rules)) for source in rules[id].sources)
    return replace(rule, sources=tuple(dict.fromkeys(sources)))
