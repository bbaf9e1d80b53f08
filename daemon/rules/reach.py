"""Whether any signal can meet a rule at all: contradictions that show without knowing what signals there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations

from daemon.rules.conditions import All, Any, Condition, Field, exact_key
from daemon.rules.model import Rule
from daemon.rules.paths import Path


def contradiction(condition: Condition, is_single: Callable[[Path], bool]) -> Path | None:
    """A field of which two lines ask what cannot both be. `is_single`: whether it never has several values."""
    for left, right in combinations(list(_lines(condition)), 2):
        if left.path == right.path and _are_at_odds(left, right, is_single(left.path)):
            return left.path
    return None


def is_excepted(rule: Rule) -> bool:
    """Whether `unless` takes away all that `match` means."""
    if rule.exception is None:
        return False
    ways = rule.condition.parts if isinstance(rule.condition, Any) else (rule.condition,)
    return bool(ways) and all(_implies(way, rule.exception) for way in ways)


def _lines(condition: Condition) -> Iterator[Field]:
    """Those that must all hold."""
    match condition:
        case Field():
            yield condition
        case All(parts):
            yield from (line for part in parts for line in _lines(part))
        case Any((part,)):
            yield from _lines(part)


def _is_exact(line: Field) -> bool:
    return line.operator == "equals" and not (line.each or line.ignore_case or line.reference)


def _are_at_odds(left: Field, right: Field, single: bool) -> bool:
    if not (_is_exact(left) and _is_exact(right)):
        return False
    ours, theirs = _values(left), _values(right)
    if left.negated and right.negated:
        return False
    if left.negated or right.negated:
        asked, refused = (theirs, ours) if left.negated else (ours, theirs)
        return asked <= refused
    return single and not ours & theirs


def _values(line: Field) -> frozenset[object]:
    return frozenset(map(exact_key, line.operands))


def _implies(condition: Condition, other: Condition) -> bool:
    """Whether whatever meets the one surely meets the other."""
    match other:
        case All(parts):
            return all(_implies(condition, part) for part in parts)
        case Any(parts):
            return any(_implies(condition, part) for part in parts)
        case Field():
            return any(_is_within(line, other) for line in _lines(condition))
    return False


def _is_within(line: Field, other: Field) -> bool:
    if line == other:
        return True
    alike = _is_exact(line) and _is_exact(other) and not line.negated and not other.negated
    return alike and line.path == other.path and _values(line) <= _values(other)
