"""Conditions: what `match:` and `unless:` say, as values, and compiled into functions of a signal's fields.

A test is `path|modifiers: operand`. It holds if any value at the path meets any operand (with `all`: if each operand is
met). A missing field meets nothing, so only `exists: false` and `not` can hold for it; null counts as missing
to `exists`. Equality is by type: 137 is 137.0, and neither is "137" nor true.

Sigma's own semantics are fields with `loose` and `ignore_case`: values compare by their text, whatever their type.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from daemon.model import Json
from daemon.rules.paths import Fields, Path, Values, parse_path, values_at
from daemon.rules.regex import as_text_test, from_glob, searcher
from daemon.rules.text import leaf_texts, scalar_text, text_of

Test: TypeAlias = Callable[[Json], bool]
Holds: TypeAlias = Callable[[Fields], bool]

_NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Field:
    """One line of a map."""

    path: Path
    operator: str
    """A key of `OPERATORS` or of `PREPARED`, or `exists`."""
    operands: tuple[Json, ...]
    each: bool = False
    """Every operand must be met, not any."""
    negated: bool = False
    ignore_case: bool = False
    """Texts compare casefolded; `re` alone by RE2's own flag i. Other flags stand in the pattern: `(?ms)…`."""
    reference: bool = False
    """The operands are paths into the same signal."""
    loose: bool = False
    """Values and operands compare by their text: true is "true", and 137 and 137.0 are "137".

    `equals` (and a glob without wildcards) compares scalars only. To the other operators on text a map or a list at
    the path is its JSON without spaces as well; a list's elements still answer each for themselves. `equals` with null
    holds where the path has no value but null. Numeric and `exists` operators are as without it.
    """


@dataclass(frozen=True, slots=True)
class Keywords:
    """Holds if any scalar anywhere in the signal, by its text, meets any operand (with `each`: if each is met)."""

    operands: tuple[str, ...]
    operator: str = "contains"
    """Or `equals`, `startswith`, `endswith`, `glob` (of the whole scalar, so mostly `*…*`), `re`."""
    each: bool = False
    ignore_case: bool = True


@dataclass(frozen=True, slots=True)
class All:
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Any:
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: Condition


Condition: TypeAlias = Field | Keywords | All | Any | Not

ON_TEXT = frozenset({"contains", "startswith", "endswith", "glob", "re"})
"""Operators to which, in a loose field, a map or list is its JSON."""


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


def fold(value: Json) -> Json:
    return value.casefold() if isinstance(value, str) else value


def _pattern(operand: Json, ignore_case: bool) -> Test:
    found = searcher(("(?i)" if ignore_case else "") + operand)
    return lambda value: isinstance(value, str) and found(value)


def _glob(operand: Json, ignore_case: bool) -> Test:
    if not ignore_case:
        return _pattern(from_glob(operand), False)
    matches = _pattern(from_glob(operand.casefold()), False)
    return lambda value: matches(fold(value))


def _network(operand: Json, ignore_case: bool) -> Test:
    network = ipaddress.ip_network(operand)

    def inside(value: Json) -> bool:
        try:
            return isinstance(value, str) and ipaddress.ip_address(value) in network
        except ValueError:
            return False

    return inside


PREPARED: Mapping[str, Callable[[Json, bool], Test]] = {"re": _pattern, "glob": _glob, "cidr": _network}


def prepare(operator: str, operand: Json, ignore_case: bool) -> Test:
    """The test of one operand. Raises ValueError if the operand cannot be used."""
    if operator in PREPARED:
        return PREPARED[operator](operand, ignore_case)
    compare = OPERATORS[operator]
    if ignore_case:
        folded = fold(operand)
        return lambda value: compare(fold(value), folded)
    return lambda value: compare(value, operand)


def simplified(condition: Condition) -> Condition:
    """The same in fewer words: no glob that a plainer operator can say, no loose operand that is not text."""
    match condition:
        case Field():
            return _simple_field(condition)
        case Not(part):
            return Not(simplified(part))
        case All(parts):
            return All(tuple(map(simplified, parts)))
        case Any(parts):
            return Any(tuple(map(simplified, parts)))
        case _:
            return condition


def _simple_field(field: Field) -> Condition:
    if field.reference or field.operator not in {"equals", "glob"} or not (field.loose or field.operator == "glob"):
        return field
    parts: dict[str, list[Json]] = {}
    for operand in field.operands:
        operator, plainer = _plainer(field, operand)
        parts.setdefault(operator, []).append(plainer)
    positive = replace(field, negated=False)
    found = [replace(positive, operator=operator, operands=tuple(each)) for operator, each in parts.items()]
    whole = found[0] if len(found) == 1 else All(tuple(found)) if field.each else Any(tuple(found))
    return Not(whole) if field.negated else whole


def _plainer(field: Field, operand: Json) -> tuple[str, Json]:
    """Operator and operand."""
    if field.operator == "glob":
        return as_text_test(operand)
    return ("exists", False) if operand is None else ("equals", scalar_text(operand))


def compile_condition(condition: Condition) -> Holds:
    """The function that says whether the condition holds. Every operand was checked when it was read.

    For what is asked now and then. `daemon.rules.compile` makes many conditions into one function.
    """
    return compile_simple(simplified(condition))


def compile_simple(condition: Condition) -> Holds:
    """As `compile_condition`, of what is `simplified` already."""
    match condition:
        case Field():
            holds = _compile_field(condition)
            return (lambda fields: not holds(fields)) if condition.negated else holds
        case Keywords():
            return _compile_tests(condition, lambda fields: tuple(leaf_texts(fields)))
        case Not(part):
            holds = compile_simple(part)
            return lambda fields: not holds(fields)
        case All(parts):
            every = tuple(compile_simple(part) for part in parts)
            return lambda fields: all(holds(fields) for holds in every)
        case Any(parts):
            some = tuple(compile_simple(part) for part in parts)
            return lambda fields: any(holds(fields) for holds in some)


def _compile_field(field: Field) -> Holds:
    if field.operator == "exists":
        values, wanted = values_at(field.path), field.operands[0]
        return lambda fields: any(value is not None for value in values(fields)) is wanted
    if field.reference:
        return _compile_reference(field)
    if field.operator == "equals" and not (field.ignore_case or field.each or field.loose):
        return _compile_equals(field)
    return _compile_tests(field, _compared(field, field.path))


def _compile_equals(field: Field) -> Holds:
    values, keys = values_at(field.path), frozenset(map(exact_key, field.operands))

    def holds(fields: Fields) -> bool:
        return any(not isinstance(value, Mapping) and exact_key(value) in keys for value in values(fields))

    return holds


def _compared(field: Field, path: Path) -> Values:
    """The values at the path as the field compares them."""
    if not field.loose or field.operator not in ON_TEXT | {"equals", "cidr"}:
        return values_at(path)
    on_text = field.operator in ON_TEXT
    values, text = values_at(path, lists=on_text), text_of if on_text else scalar_text
    return lambda fields: [told for value in values(fields) if (told := text(value)) is not None]


def _compile_tests(tested: Field | Keywords, values: Values) -> Holds:
    tests = tuple(prepare(tested.operator, operand, tested.ignore_case) for operand in tested.operands)
    quantifier = all if tested.each else any

    def holds(fields: Fields) -> bool:
        found = values(fields)
        return quantifier(any(test(value) for value in found) for test in tests)

    return holds


def _compile_reference(field: Field) -> Holds:
    values = _compared(field, field.path)
    others = tuple(_compared(field, parse_path(operand)) for operand in field.operands)
    compare = OPERATORS[field.operator]
    ready = fold if field.ignore_case else (lambda value: value)
    quantifier = all if field.each else any

    def holds(fields: Fields) -> bool:
        found = [ready(value) for value in values(fields)]
        return quantifier(any(compare(a, ready(b)) for b in other(fields) for a in found) for other in others)

    return holds
