"""Finds the few rules that a signal could meet: by source, then by the exact values that a rule cannot hold without."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Generic, TypeAlias, TypeVar

from daemon.model import Json
from daemon.rules.conditions import All, Any, Condition, Field, exact_key
from daemon.rules.paths import Fields, Path, Values, values_at

T = TypeVar("T")
Demand: TypeAlias = frozenset[tuple[Path, Json]]
"""Pairs of path and value, at least one of which a signal has if the condition holds for it."""


def demands(condition: Condition) -> list[Demand]:
    """Every demand that can be read off the condition; none if it may hold without any exact value."""
    match condition:
        case Field(operator="equals", negated=False, ignore_case=False, reference=False):
            return [frozenset((condition.path, exact_key(operand)) for operand in condition.operands)]
        case All(parts):
            return [demand for part in parts for demand in demands(part)]
        case Any(parts):
            branches = [demands(part) for part in parts]
            return [frozenset().union(*map(_fewest, branches))] if all(branches) else []
        case _:
            return []


def _fewest(choices: Sequence[Demand]) -> Demand:
    return min(choices, key=len)


class Index(Generic[T]):
    """Entries of one source, in the order given."""

    def __init__(self, entries: Iterable[tuple[Condition, T]]) -> None:
        self._entries: list[T] = []
        self._always: list[int] = []
        self._paths: list[tuple[Values, Mapping[Json, list[int]]]] = []
        choices: list[list[Demand]] = []
        for condition, entry in entries:
            self._entries.append(entry)
            choices.append(demands(condition))
        self._place(choices)

    def _place(self, choices: Sequence[Sequence[Demand]]) -> None:
        """Each entry goes under the demand whose pairs the fewest others share."""
        popular = Counter(pair for options in choices for demand in options for pair in demand)
        places: dict[Path, dict[Json, list[int]]] = {}
        for number, options in enumerate(choices):
            if not options:
                self._always.append(number)
                continue
            for path, key in min(options, key=lambda demand: sum(popular[pair] for pair in demand)):
                places.setdefault(path, {}).setdefault(key, []).append(number)
        self._paths = [(values_at(path), numbers) for path, numbers in places.items()]

    def candidates(self, fields: Fields) -> Iterator[T]:
        """Every entry whose condition could hold, once, in the order given."""
        numbers = set(self._always)
        for values, places in self._paths:
            for value in values(fields):
                if not isinstance(value, Mapping):
                    numbers.update(places.get(exact_key(value), ()))
        return map(self._entries.__getitem__, sorted(numbers))
