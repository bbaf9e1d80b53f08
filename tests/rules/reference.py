"""The plainest evaluation of a condition that there is: slow, and meant to be read against the page on rules.

It shares the tree and the reading of paths and numbers with the daemon, and nothing else: patterns run on Python's own
`re`, and every value is looked at one by one.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator, Mapping

from daemon.model import Json
from daemon.rules.conditions import All, Any, Condition, Field, Keywords, Not
from daemon.rules.paths import parse_path

JSON_TEXT = ("contains", "startswith", "endswith", "glob", "re")
NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?\s*", re.ASCII)


def holds(condition: Condition, fields: Mapping[str, Json]) -> bool:
    match condition:
        case All(parts):
            return all(holds(part, fields) for part in parts)
        case Any(parts):
            return any(holds(part, fields) for part in parts)
        case Not(part):
            return not holds(part, fields)
        case Keywords():
            return _keywords(condition, fields)
        case Field():
            return _field(condition, fields) is not condition.negated


def _keywords(keywords: Keywords, fields: Mapping[str, Json]) -> bool:
    texts = [_scalar(leaf) for leaf in _leaves(fields)]
    met = [
        any(_met(keywords.operator, text, operand, keywords.ignore_case) for text in texts)
        for operand in keywords.operands
    ]
    return all(met) if keywords.each else any(met)


def _leaves(value: Json) -> Iterator[Json]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _leaves(inner)
    else:
        yield value


def _field(field: Field, fields: Mapping[str, Json]) -> bool:
    met = [_operand(field, operand, fields) for operand in field.operands]
    return all(met) if field.each else any(met)


def _operand(field: Field, operand: Json, fields: Mapping[str, Json]) -> bool:
    present = any(not isinstance(v, list) and v is not None for v in _values(fields, field.path.names))
    if field.operator == "exists":
        return present is operand
    if field.loose and field.operator == "equals" and operand is None and not field.reference:
        return not present
    others = _compared(field, fields, parse_path(operand).names) if field.reference else [_wanted(field, operand)]
    scalars = field.operator == "glob" and not re.search(r"[*?]", re.sub(r"\\[*?\\]", "", operand))
    mine = _compared(field, fields, field.path.names, scalars=scalars)
    return any(_met(field.operator, value, other, field.ignore_case) for value in mine for other in others)


def _wanted(field: Field, operand: Json) -> Json:
    return _scalar(operand) if field.loose and field.operator == "equals" else operand


def _compared(field: Field, fields: Mapping[str, Json], names: tuple[str, ...], *, scalars: bool = False) -> list[Json]:
    found = list(_values(fields, names))
    if not field.loose or field.operator in {"gt", "gte", "lt", "lte"}:
        return [value for value in found if not isinstance(value, list)]
    whole = field.operator in JSON_TEXT and not scalars
    texts = [_json(value) if whole and isinstance(value, dict | list) else _scalar(value) for value in found]
    return [text for text in texts if text is not None]


def _values(value: Json, names: tuple[str, ...]) -> Iterator[Json]:
    """Every value at the path; a list that stands there, and then its elements."""
    if isinstance(value, list):
        if not names:
            yield value
        for element in value:
            yield from _elements(element, names)
    elif not names:
        yield value
    elif isinstance(value, dict) and names[0] in value:
        yield from _values(value[names[0]], names[1:])


def _elements(element: Json, names: tuple[str, ...]) -> Iterator[Json]:
    if names and isinstance(element, str) and element.startswith(names[0] + ":"):
        yield from _values(element.removeprefix(names[0] + ":"), names[1:])
    elif names or not isinstance(element, list):
        yield from _values(element, names)
    else:
        for inner in element:
            yield from _elements(inner, names)


def _scalar(value: Json) -> str | None:
    if isinstance(value, bool | None):
        return {True: "true", False: "false", None: None}[value]
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, str | int | float) else None


def _json(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _met(operator: str, value: Json, operand: Json, ignore_case: bool) -> bool:
    if operator in {"gt", "gte", "lt", "lte"}:
        return _ordered(operator, _number(value), _number(operand))
    if operator == "re":
        flags = re.IGNORECASE if ignore_case else 0
        return isinstance(value, str) and re.search(operand.replace(r"\z", r"\Z"), value, flags) is not None
    if ignore_case:
        value, operand = (each.casefold() if isinstance(each, str) else each for each in (value, operand))
    if operator == "equals":
        return value == operand and isinstance(value, bool) is isinstance(operand, bool)
    if not isinstance(value, str) or not isinstance(operand, str):
        return False
    return {
        "contains": lambda: operand in value,
        "startswith": lambda: value.startswith(operand),
        "endswith": lambda: value.endswith(operand),
        "glob": lambda: _globbed(value, operand),
        "cidr": lambda: _inside(value, operand),
    }[operator]()


def _globbed(text: str, glob: str) -> bool:
    """Piece by piece, trying every length for a star."""
    if not glob:
        return not text
    if glob[0] == "*":
        return any(_globbed(text[start:], glob[1:]) for start in range(len(text) + 1))
    if glob[0] == "\\" and glob[1:2] in {"*", "?", "\\"}:
        return text[:1] == glob[1] and _globbed(text[1:], glob[2:])
    return bool(text) and glob[0] in {"?", text[0]} and _globbed(text[1:], glob[1:])


def _inside(text: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(text) in ipaddress.ip_network(network)
    except ValueError:
        return False


def _number(value: Json) -> int | float | None:
    if isinstance(value, str):
        if len(value) > 64 or not NUMBER.fullmatch(value):
            return None
        return float(value) if set(value) & set(".eE") else int(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _ordered(operator: str, left: float | None, right: float | None) -> bool:
    if left is None or right is None:
        return False
    return {"gt": left > right, "gte": left >= right, "lt": left < right, "lte": left <= right}[operator]
