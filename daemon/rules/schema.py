"""JSON Schemas (draft 2020-12) of rules and policy, for editors: what is misspelt or misshapen shows as it is typed.
What one key says of another, and whether a pattern is one, only `heliograph rules check` knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from daemon.rules import words
from daemon.rules.model import Names
from daemon.rules.policy import GROUP
from daemon.rules.read_window import COMPARISONS, KINDS, MOST_COUNTED, Kind
from daemon.rules.words import CONDITION, Shape, Word, several

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_STEP = r'(?:"[^"|]+"|[^."\[\]|{}]+)(?:\[\])?'
_PATH = rf"{_STEP}(?:\.{_STEP})*"
_NESTED = ("any", "all", "none")
_FREE = r"(?:\|(?:not|all))*"
_CASED = r"(?:\|(?:not|all|i|ignorecase))*"
_SCALAR: Shape = {"type": ["string", "number", "boolean", "null"]}
_TEXT: Shape = {"type": "string"}


def schema(names: Names) -> dict[str, Any]:
    """Of a rule that may name these; what is an empty set there may be any text."""
    return {
        "$schema": DIALECT,
        "title": "A rule of Heliograph",
        "description": "One file is one rule, from signal to promise; its path under the rules folder is its id.",
        **_table(words.RULE, "title", "severity"),
        "allOf": [_over(), _problem()],
        "$defs": {**_shared(names), **_tables(), "window": _window()},
    }


def policy_schema(names: Names) -> dict[str, Any]:
    """Of a file under `policy/`. What another of its files names may be any text."""
    selector = {**_table(words.SELECTOR), "minProperties": 1}
    part = selector["properties"].pop(f"{GROUP}PART")
    selector["patternProperties"] = {f"^{words.GROUP_PART}$": part}
    return {
        "$schema": DIALECT,
        "title": "Policy of Heliograph",
        "description": "What rules share, and what holds openings back. Every key may be spread over several files.",
        **_table(words.POLICY),
        "$defs": {
            **_shared(names),
            "type": {"enum": sorted(names.types.union(names.sources.values()))},
            "problem": _table(words.PROBLEM, "key", "class"),
            "maintenance": {**_table(words.MAINTENANCE, "name", "hold"), **_recurs_or_once()},
            "inhibition": _table(words.INHIBITION, "name", "while", "hold"),
            "selector": {"anyOf": [{"const": "all"}, selector]},
        },
    }


def _recurs_or_once() -> Shape:
    once = {"anyOf": [{"required": ["begins"]}, {"required": ["ends"]}]}
    no_other = dict.fromkeys(("tz", "days", "between", "from", "until"), False)
    return {
        "if": once,
        "then": {"required": ["begins", "ends"], "properties": no_other},
        "else": {"required": ["between"]},
    }


def _shared(names: Names) -> dict[str, Shape]:
    clear = {**_table(words.CLEAR), "minProperties": 1}
    return {**_values(), **_named(names), "condition": _condition(), "clear": clear}


def _table(of: Mapping[str, Word], *needed: str) -> dict[str, Any]:
    """A map that has these keys and no other."""
    return {
        "type": "object",
        "properties": {key: {**word.shape, "description": word.says} for key, word in of.items()},
        "required": list(needed),
        "additionalProperties": False,
    }


def _values() -> dict[str, Shape]:
    return {
        "duration": {"type": "string", "pattern": "^[0-9]+[smhd]$", "examples": ["30s", "15m", "4h", "30d"]},
        "length": {"type": "string", "pattern": "^0*[1-9][0-9]*[smhd]$", "examples": ["30s", "15m", "4h", "30d"]},
        "path": {"type": "string", "pattern": f"^{_PATH}$"},
        "paths": {"type": "object", "additionalProperties": {"type": "string", "pattern": f"^{_PATH}$"}},
        "template": {"type": "string", "pattern": rf"^(?=[\s\S]*\S)(?:[^{{}}]|\{{{_PATH}\}})*$"},
        "counted": words.at_least(1, MOST_COUNTED),
        "instant": {
            "type": "string",
            "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+(?:Z|[+-][0-9]{2}:?[0-9]{2})$",
            "examples": ["2026-12-05T20:00:00Z"],
        },
    }


def _named(names: Names) -> dict[str, Shape]:
    """What must be one of the configuration's or the language's own."""
    known: Mapping[str, Iterable[Any]] = {
        "source": {*names.sources, *names.types},
        "kind": names.kinds,
        "severity": names.severities,
        "class": names.classes,
        "team": names.teams,
        "client": names.clients,
        "role": names.roles,
        "problem": names.problems,
        "list": names.lists,
    }
    return {key: {"enum": found} if (found := sorted(each)) else words.TEXT for key, each in known.items()}


def _tables() -> dict[str, Shape]:
    step = {**_table(words.STEP), "oneOf": [{"required": ["rule"]}, {"required": ["not"]}]}
    return {
        "step": {"anyOf": [words.TEXT, step]},
        "raise": _table(words.RAISE, "to", "match"),
        "test": _table(words.TEST, "it", "given", "expect"),
        "given": _table(words.GIVEN, "signal"),
        "expect": _table(words.EXPECT),
    }


def _condition() -> Shape:
    lines = {
        "type": "object",
        "minProperties": 1,
        "properties": {name: {**CONDITION, "description": says} for name, says in _NESTS.items()},
        "patternProperties": dict(_lines()),
        "additionalProperties": False,
    }
    return {"anyOf": [lines, {"type": "array", "minItems": 1, "items": lines}]}


_NESTS: Mapping[str, str] = {
    "any": "One of these maps must hold, or one line of a map.",
    "all": "Every one of these maps must hold, or every line of a map.",
    "none": "None of these may hold.",
}


def _lines() -> Iterable[tuple[str, Shape]]:
    """Pattern of a line's key → what stands behind it. Each key meets one pattern at most."""
    start = f"^(?!(?:{'|'.join(_NESTED)})$){_PATH}"
    direct = rf"{start}(?!.*\|(?:fieldref|in_list)(?:\||$))"
    says = "This field, compared with the value, or with any of a list. A path, then modifiers."
    yield f"{direct}{_CASED}$", {**several(_SCALAR), "description": says}
    for operators, flags, shape in (
        (("contains", "startswith", "endswith", "glob", "re"), _CASED, several(_TEXT)),
        (("cidr",), _FREE, several(_TEXT)),
        (("gt", "gte", "lt", "lte"), _FREE, several(words.NUMBER)),
        (("exists",), _FREE, words.FLAG),
    ):
        yield f"{direct}{flags}{_one_of(operators)}{flags}$", {**shape, "description": _says(operators)}
    compared, any_ = _one_of(_COMPARED), rf"(?:\|(?:{'|'.join(words.MODIFIER)}))*"
    reference = rf"(?:\|(?:not|all|i|ignorecase|fieldref))*(?:{compared})?(?:\|(?:not|all|i|ignorecase|fieldref))*$"
    yield rf"{start}(?=.*\|fieldref(?:\||$)){reference}", {**several(words.PATH), "description": _says(("fieldref",))}
    yield rf"{start}(?=.*\|in_list(?:\||$)){any_}$", {**words.ref("list"), "description": _says(("in_list",))}


_COMPARED = ("contains", "startswith", "endswith", "gt", "gte", "lt", "lte")


def _one_of(operators: Sequence[str]) -> str:
    return rf"\|(?:{'|'.join(operators)})"


def _says(modifiers: Sequence[str]) -> str:
    return "\n".join(f"{modifier}: holds if the field {words.MODIFIER[modifier]}." for modifier in modifiers)


def _window() -> Shape:
    """Told apart by the key that names the kind, so that what is wrong is told of that kind alone."""
    named = ("distinct", *(name for name in KINDS if name not in ("distinct", "count")), "count")
    chain: Shape = {"anyOf": [{"required": [name]} for name in named]}
    for name in reversed(named):
        chain = {"if": {"type": "object", "required": [name]}, "then": _kind(name, KINDS[name]), "else": chain}
    return {"type": "object", "properties": _table(words.WINDOW)["properties"], **chain}


def _kind(name: str, kind: Kind) -> Shape:
    table = _table({key: words.WINDOW[key] for key in kind.keys}, name, *kind.needs)
    if kind.compares:
        table["oneOf"] = [{"required": [comparison]} for comparison in COMPARISONS]
    return {**table, "title": f"A window of kind {name}"}


def _over() -> Shape:
    """A rule over other rules reads no signals itself; any other says which it reads."""
    sequence = {"required": ["window"], "properties": {"window": {"type": "object", "required": ["sequence"]}}}
    stands = {"anyOf": [{"required": ["over"]}, sequence]}
    none_of_its_own = {
        "properties": dict.fromkeys(("source", "kind", "match", "unless"), False),
        "required": ["window"],
    }
    return {"if": stands, "then": none_of_its_own, "else": {"required": ["source", "match"]}}


def _problem() -> Shape:
    owned = ("clear", "class", "key", "team", "reopen_within")
    return {
        "if": {"required": ["problem"]},
        "then": {"properties": dict.fromkeys(owned, False)},
        "else": {"required": ["class"]},
    }
