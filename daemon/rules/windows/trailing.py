"""Kinds that look at the span of `within` that ends with a signal: what it comes to, and whether that is enough."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import NoneType
from typing import Any, TypeAlias

from daemon.model import Json
from daemon.rules.model import Aggregate, Count, Distinct, Ratio, Window
from daemon.rules.model import Sequence as Steps
from daemon.rules.windows.state import Entry

COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le,
}  # fmt: skip

_VALUE = operator.attrgetter("value")
_PLAIN = {str, int, float, NoneType}
"""Types whose values differ where they are not equal. Not so of true and one."""

Measure: TypeAlias = Callable[[Sequence[Entry]], float | None]

_GROWS = {"sum": ("gt", "gte"), "max": ("gt", "gte"), "min": ("lt", "lte")}
"""Functions, and the comparisons that a further number can only bring nearer."""


def only_grows(window: Window) -> bool:
    """Whether a signal that is still on its way can make it fire, and never unmake that."""
    if isinstance(window, Aggregate):
        return window.at_least == 1 and window.comparison in _GROWS.get(window.function, ())
    if isinstance(window, Steps):
        return not any(step.negated for step in window.steps)
    return isinstance(window, Count | Distinct)


def measure(window: Window) -> Measure:
    """Says what a span comes to; None while too little is there."""
    comes_to = total(window)
    return lambda span: comes_to(list(map(_VALUE, span)))


def total(window: Window) -> Callable[[Sequence[Any]], float | None]:
    """Says what the values of a span come to; None while there are too few."""
    match window:
        case Count():
            return lambda weights: float(sum(weights))
        case Distinct():
            return _different
        case Ratio(at_least=least):
            return lambda held: sum(map(bool, held)) / len(held) if len(held) >= least else None
        case Aggregate():
            return partial(_aggregate, window)
        case _:
            raise TypeError(f"a {type(window).__name__} window has no trailing span")


def most(window: Window) -> Callable[[Sequence[Any]], float | None]:
    """Of a kind that only grows: says what these values, or any of them, come to at most."""
    if isinstance(window, Aggregate) and window.function == "sum":
        return lambda numbers: math.fsum(number for number in numbers if number > 0)
    return total(window)


def enough(window: Window) -> Callable[[float], bool]:
    """Says whether what a span comes to is enough."""
    if isinstance(window, Aggregate | Ratio):
        compare, bound = COMPARE[window.comparison], window.bound
        return lambda total: compare(total, bound)
    assert isinstance(window, Count | Distinct)
    count = window.count
    return lambda total: total >= count


def judge(window: Aggregate | Ratio) -> Callable[[Sequence[Entry], int], tuple[bool, float]]:
    """Says of a span whether it is enough, and what it comes to."""
    comes_to, is_enough = measure(window), enough(window)

    def judged(span: Sequence[Entry], at: int) -> tuple[bool, float]:
        total = comes_to(span)
        return total is not None and is_enough(total), total or 0.0

    return judged


def needed(window: Window) -> float:
    if isinstance(window, Aggregate | Ratio):
        return window.bound
    return window.count if isinstance(window, Count | Distinct) else 0


def _aggregate(window: Aggregate, numbers: Sequence[float]) -> float | None:
    if len(numbers) < window.at_least or not numbers:
        return None
    match window.function:
        case "sum":
            return math.fsum(numbers)
        case "avg":
            return math.fsum(numbers) / len(numbers)
        case "min":
            return min(numbers)
        case "max":
            return max(numbers)
        case "percentile":
            take = _interpolated if window.interpolated else _percentile
            return take(sorted(numbers), window.percentile)


def _percentile(numbers: Sequence[float], p: float) -> float:
    """The nearest rank: the smallest number that at least p percent of them do not exceed."""
    return numbers[max(0, math.ceil(len(numbers) * p / 100) - 1)]


def _interpolated(numbers: Sequence[float], p: float) -> float:
    """Between the two numbers around the place; of 50, the median."""
    place = (len(numbers) - 1) * p / 100
    left = math.floor(place)
    part = place - left
    return numbers[left] * (1 - part) + numbers[left + 1] * part if part else numbers[left]


def weight(span: Sequence[Entry]) -> float:
    """What the signals of a span stand for, where each is a number of things that happened."""
    return float(sum(map(_VALUE, span)))


def _different(values: Sequence[Json]) -> int:
    return len(set(values) if _PLAIN.issuperset(map(type, values)) else set(map(_hashable, values)))


def _hashable(value: Json) -> Json:
    return (type(value).__name__, repr(value)) if isinstance(value, list | dict | bool) else value
