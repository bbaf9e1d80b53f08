"""Which fields a source's signals have, as far as anybody has seen: in the tests of its rules, and in recordings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from daemon.model import Json
from daemon.rules.conditions import All, Any, Condition, Field, Not
from daemon.rules.model import Rule, RuleSet
from daemon.rules.paths import Fields, Path, parse_path, values_at
from daemon.rules.reader import nearest


@dataclass
class Seen:
    """By source type: the signals that were seen, each set of fields once."""

    signals: dict[str, list[Fields]] = field(default_factory=dict)
    recorded: set[str] = field(default_factory=set)
    """Types of which there are recordings: what is not in them is likely not to exist."""

    def record(self, type: str, fields: Fields) -> None:
        self.recorded.add(type)
        self.signals.setdefault(type, []).append(fields)

    def add_tests(self, rules: RuleSet) -> None:
        for rule in rules:
            for given in (given for test in rule.tests for given in test.given):
                self.signals.setdefault(given.type, []).append(given.fields)

    def of(self, rule: Rule) -> list[Fields]:
        return [fields for type in self._types(rule) for fields in self.signals.get(type, ())]

    def unknown(self, rule: Rule) -> Iterator[tuple[Path, str]]:
        """Paths that no signal of the rule's sources had, each with what may have been meant. Without recordings only
        those that look misspelt: tests show few of the fields that there are."""
        signals, recorded = self.of(rule), bool(self._types(rule) & self.recorded)
        for path in dict.fromkeys(paths(rule)):
            if not signals or any(map(values_at(path), signals)):
                continue
            hint = nearest(str(path), {name for fields in signals for name in _names(fields)})
            if recorded or (hint and _is_near(str(path), hint)):
                yield path, hint

    def _types(self, rule: Rule) -> set[str]:
        return {*rule.sources, *(given.type for test in rule.tests for given in test.given)}


def paths(rule: Rule) -> Iterator[Path]:
    """Every path that must be there for the rule to do what it says."""
    yield from _of_condition(rule.condition)
    yield from (path for each in rule.raises for path in _of_condition(each.condition))
    yield from (parse_path(rule.path_of(part)) for part in rule.group_by if not rule.over)


def _of_condition(condition: Condition) -> Iterator[Path]:
    match condition:
        case Field():
            if not condition.negated and not (condition.operator == "exists" and condition.operands[0] is False):
                yield condition.path
        case All(parts) | Any(parts):
            yield from (path for part in parts for path in _of_condition(part))
        case Not():
            return


def _names(fields: Json, before: str = "") -> Iterator[str]:
    """Every path into the fields, lists walked."""
    if isinstance(fields, list):
        for element in fields:
            yield from _names(element, before)
    elif isinstance(fields, Mapping):
        for name, value in fields.items():
            here = f"{before}.{name}" if before else str(name)
            yield here
            yield from _names(value, here)


def _is_near(path: str, hint: str) -> bool:
    """Whether it is the same but for case, or for a letter or two."""
    meant = hint.removeprefix("Did you mean '").removesuffix("'?")
    return path.lower() == meant.lower() or (abs(len(path) - len(meant)) <= 1 and _apart(path, meant) <= 2)


def _apart(left: str, right: str) -> int:
    """Letters between what both begin and end with."""
    start = next((n for n, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
    rest = left[start:], right[start:]
    end = next((n for n, (a, b) in enumerate(zip(*map(reversed, rest), strict=False)) if a != b), min(map(len, rest)))
    return max(map(len, rest)) - end


def most_values(signals: Iterable[Fields], path: Path) -> int:
    """The most values that any of the signals has at the path."""
    return max((len(values_at(path)(fields)) for fields in signals), default=0)
