"""`match:` and its like: a map whose lines must all hold, a list of maps any of which may, `any all none` inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from daemon.marked_yaml import Mark, MarkedList, MarkedMap
from daemon.model import Json
from daemon.rules.conditions import OPERATORS, PREPARED, All, Any, Condition, Field, Not, prepare
from daemon.rules.paths import Path, parse_path
from daemon.rules.reader import Mistake, Reader, mark_of, named, nearest, one_of, plain

_TEXT_OPERATORS = frozenset({"contains", "startswith", "endswith", "glob", "re", "cidr"})
_CASED = (_TEXT_OPERATORS | {"equals"}) - {"cidr"}
_FLAGS: Mapping[str, str] = {
    "not": "negated",
    "i": "ignore_case",
    "ignorecase": "ignore_case",
    "all": "each",
    "fieldref": "reference",
}
LISTED = "in_list"
MODIFIERS = (*(name for name in OPERATORS if name != "equals"), *PREPARED, "exists", *_FLAGS, LISTED)

_NESTED: Mapping[str, Callable[[tuple[Condition, ...]], Condition]] = {
    "any": Any,
    "all": All,
    "none": lambda parts: Not(Any(parts)),
}


def condition(reader: Reader, value: Json, mark: Mark) -> Condition:
    """A map or a list of maps. Every bad line is reported, and the rest read on."""
    if isinstance(value, MarkedList):
        return Any(_maps(reader, value))
    return All(_lines(reader, value, mark))


def _maps(reader: Reader, value: MarkedList) -> tuple[Condition, ...]:
    if not value:
        raise Mistake("this list is empty, so it can never hold.")
    return tuple(All(_lines(reader, part, mark_of(part, value.mark))) for part in value)


def _lines(reader: Reader, value: Json, mark: Mark) -> tuple[Condition, ...]:
    """The conditions of a map's lines."""
    if not isinstance(value, MarkedMap):
        raise Mistake(f"a condition is a map of fields, or a list of such maps, not {named(value)}.", mark=mark)
    if not value:
        raise Mistake("this condition is empty, so it would hold for every signal.", mark=mark)
    found = [
        reader.attempt(_line(str(key), value.key_mark(key)), part, value.value_mark(key)) for key, part in value.items()
    ]
    return tuple(part for part in found if part is not None)


def _line(key: str, at: Mark) -> Callable[[Reader, Json, Mark], Condition]:
    def parse(reader: Reader, value: Json, mark: Mark) -> Condition:
        if key in _NESTED:
            inner = _maps(reader, value) if isinstance(value, MarkedList) else _lines(reader, value, mark)
            return _NESTED[key](inner)
        return _field(reader, key, at, value, mark)

    return parse


def _field(reader: Reader, key: str, at: Mark, value: Json, mark: Mark) -> Field:
    path, *modifiers = key.split("|")
    operator, flags = _modifiers([modifier for modifier in modifiers if modifier != LISTED], at)
    operands = _listed(reader, value) if LISTED in modifiers else _operands(path, value)
    field = Field(_path(path, at), operator, operands, **flags)
    for operand in field.operands:
        _check(field, operand, at)
    return field


def _path(text: str, mark: Mark) -> Path:
    try:
        return parse_path(text)
    except ValueError as error:
        raise Mistake(f"{error}.", mark=mark) from error


def _modifiers(modifiers: list[str], at: Mark) -> tuple[str, dict[str, bool]]:
    """The operator and the flags."""
    for modifier in modifiers:
        if modifier not in MODIFIERS:
            raise Mistake(f"there is no modifier '{modifier}'.", _hint(modifier), at)
    operators = [modifier for modifier in modifiers if modifier not in _FLAGS]
    if len(operators) > 1:
        raise Mistake(f"'{operators[0]}' and '{operators[1]}' cannot both be asked of one field.", mark=at)
    return (operators or ["equals"])[0], {_FLAGS[m]: True for m in modifiers if m in _FLAGS}


def _hint(modifier: str) -> str:
    if modifier.startswith("eq"):
        return "A field without a modifier is compared for equality."
    return nearest(modifier, MODIFIERS) or one_of("The modifiers are", MODIFIERS)


def _listed(reader: Reader, value: Json) -> tuple[Json, ...]:
    """The values of a list of `policy/`, compared by whatever operator stands beside `in_list`."""
    lists = reader.names.lists
    if not isinstance(value, str) or value not in lists:
        hint = nearest(str(value), lists) or (one_of("There is", sorted(lists)) if lists else "Write it in policy/.")
        raise Mistake(f"there is no list {named(value)}.", hint)
    return lists[value]


def _operands(path: str, value: Json) -> tuple[Json, ...]:
    operands = plain(value) if isinstance(value, MarkedList) else [plain(value)]
    if not operands:
        raise Mistake("an empty list of values can never be met.")
    for operand in operands:
        if isinstance(operand, dict | list):
            inner = next(iter(operand), "name") if isinstance(operand, dict) else "name"
            message = f"a field is compared with plain values, not {named(operand)}."
            raise Mistake(message, f"Write '{path}{'|' if inner in MODIFIERS else '.'}{inner}: …'.")
    return tuple(operands)


def _check(field: Field, operand: Json, at: Mark) -> None:
    """Whether the operator can use the operand, and the flags make sense with it."""
    if field.ignore_case and field.operator not in _CASED:
        raise Mistake(f"'i' has no meaning with '{field.operator}'.", mark=at)
    if field.reference:
        _check_reference(field, operand, at)
    elif field.operator == "exists":
        if not isinstance(operand, bool) or len(field.operands) > 1:
            raise Mistake(f"'exists' is true or false, not {named(operand)}.")
    elif field.operator in _TEXT_OPERATORS:
        _check_text(field, operand)
    elif field.operator != "equals" and (isinstance(operand, bool) or not isinstance(operand, int | float)):
        raise Mistake(f"'{field.operator}' compares numbers, not {named(operand)}.")


def _check_reference(field: Field, operand: Json, at: Mark) -> None:
    if field.operator not in OPERATORS:
        raise Mistake(f"'fieldref' has no meaning with '{field.operator}'.", mark=at)
    if not isinstance(operand, str):
        raise Mistake(f"'fieldref' names another field, not {named(operand)}.")
    try:
        parse_path(operand)
    except ValueError as error:
        raise Mistake(f"{error}.") from error


def _check_text(field: Field, operand: Json) -> None:
    if not isinstance(operand, str):
        raise Mistake(f"'{field.operator}' needs a text, not {named(operand)}.", "Put it in quotes.")
    try:
        prepare(field.operator, operand, field.ignore_case)
    except ValueError as error:
        what = {"re": "is not a regular expression", "cidr": "is not a network"}.get(field.operator, "is no pattern")
        raise Mistake(f"'{operand}' {what}: {error}.") from error
