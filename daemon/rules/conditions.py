"""Conditions: what `match:` and `unless:` say, as values, and compiled into functions of a signal's fields.

A test is `path|modifiers: operand`. It holds if any value at the path meets any operand (with `all`: if each operand is
met). A missing field meets nothing, so only `exists: false` and `not` can hold for it; null counts as missing
to `exists`. Equality is by type: 137 is 137.0, and neither is "137" nor true.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from daemon.model import Json
from daemon.rules.paths import Fields, Path, parse_path, values_at
from daemon.rules.regex import from_glob, searcher

Test: TypeAlias = Callable[[Json], bool]
Holds: TypeAlias = Callable[[Fields], bool]

_NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Field:
    """One line of a map."""

    path: Path
    operator: str
    """A key of `OPERATORS`."""
    operands: tuple[Json, ...]
    each: bool = False
    """Every operand must be met, not any."""
    negated: bool = False
    ignore_case: bool = False
    reference: bool = False
    """The operands are paths into the same signal."""


@dataclass(frozen=True, slots=True)
class All:
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Any:
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: Condition


Condition: TypeAlias = Field | All | Any | Not


def exact_key(value: Json) -> Json:
    """What two values have in common exactly if they are equal by type: fit for a dictionary."""
    return ("bool", value) if isinstance(value, bool) else value


def _same(value: Json, operand: Json) -> bool:
    return isinstance(value, bool) is isinstance(operand, bool) and bool(value == operand)


def _number(value: Json) -> int | float | None:
    if isinstance(value, str) and len(value) <= 64 and _NUMBER.fullmatch(value):
        return float(value) if re.search(r"[.eE]", value) else int(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _ordered(compare: Callable[[int | float, int | float], bool]) -> Callable[[Json, Json], bool]:
    def holds(value: Json, operand: Json) -> bool:
        left, right = _number(value), _number(operand)
        return left is not None and right is not None and compare(left, right)

    return holds


def _texts(compare: Callable[[str, str], bool]) -> Callable[[Json, Json], bool]:
    return lambda value, operand: isinstance(value, str) and isinstance(operand, str) and compare(value, operand)


OPERATORS: Mapping[str, Callable[[Json, Json], bool]] = {
    "equals": _same,
    "contains": _texts(lambda value, operand: operand in value),
    "startswith": _texts(str.startswith),
    "endswith": _texts(str.endswith),
    "gt": _ordered(lambda value, operand: value > operand),
    "gte": _ordered(lambda value, operand: value >= operand),
    "lt": _ordered(lambda value, operand: value < operand),
    "lte": _ordered(lambda value, operand: value <= operand),
}
"""Operators of two values; those of `PREPARED` are made ready once from their operand."""


def _fold(value: Json) -> Json:
    return value.casefold() if isinstance(value, str) else value


def _pattern(operand: Json, ignore_case: bool) -> Test:
    found = searcher(("(?i)" if ignore_case else "") + operand)
    return lambda value: isinstance(value, str) and found(value)


def _network(operand: Json, ignore_case: bool) -> Test:
    network = ipaddress.ip_network(operand)

    def inside(value: Json) -> bool:
        try:
            return isinstance(value, str) and ipaddress.ip_address(value) in network
        except ValueError:
            return False

    return inside


PREPARED: Mapping[str, Callable[[Json, bool], Test]] = {
    "re": _pattern,
    "glob": lambda operand, ignore_case: _pattern(from_glob(operand), ignore_case),
    "cidr": _network,
}


def prepare(operator: str, operand: Json, ignore_case: bool) -> Test:
    """The test of one operand. Raises ValueError if the operand cannot be used."""
    if operator in PREPARED:
        return PREPARED[operator](operand, ignore_case)
    compare = OPERATORS[operator]
    if ignore_case:
        folded = _fold(operand)
        return lambda value: compare(_fold(value), folded)
    return lambda value: compare(value, operand)


def compile_condition(condition: Condition) -> Holds:
    """The function that says whether the condition holds. Every operand was checked when it was read."""
    match condition:
        case Field():
            return _compile_field(condition)
        case Not(part):
            holds = compile_condition(part)
            return lambda fields: not holds(fields)
        case All(parts):
            every = tuple(compile_condition(part) for part in parts)
            return lambda fields: all(holds(fields) for holds in every)
        case Any(parts):
            some = tuple(compile_condition(part) for part in parts)
            return lambda fields: any(holds(fields) for holds in some)


def _compile_field(field: Field) -> Holds:
    if field.operator == "exists":
        holds = _compile_exists(field)
    elif field.reference:
        holds = _compile_reference(field)
    elif field.operator == "equals" and not field.ignore_case and not field.each:
        holds = _compile_equals(field)
    else:
        holds = _compile_tests(field)
    return (lambda fields: not holds(fields)) if field.negated else holds


def _compile_exists(field: Field) -> Holds:
    values, wanted = values_at(field.path), field.operands[0]
    return lambda fields: any(value is not None for value in values(fields)) is wanted


def _compile_equals(field: Field) -> Holds:
    values, keys = values_at(field.path), frozenset(map(exact_key, field.operands))

    def holds(fields: Fields) -> bool:
        return any(not isinstance(value, Mapping) and exact_key(value) in keys for value in values(fields))

    return holds


def _compile_tests(field: Field) -> Holds:
    values = values_at(field.path)
    tests = tuple(prepare(field.operator, operand, field.ignore_case) for operand in field.operands)
    quantifier = all if field.each else any

    def holds(fields: Fields) -> bool:
        found = values(fields)
        return quantifier(any(test(value) for value in found) for test in tests)

    return holds


def _compile_reference(field: Field) -> Holds:
    values = values_at(field.path)
    others = tuple(values_at(parse_path(operand)) for operand in field.operands)
    compare = OPERATORS[field.operator]
    fold = _fold if field.ignore_case else (lambda value: value)
    quantifier = all if field.each else any

    def holds(fields: Fields) -> bool:
        found = [fold(value) for value in values(fields)]
        return quantifier(any(compare(a, fold(b)) for b in other(fields) for a in found) for other in others)

    return holds
