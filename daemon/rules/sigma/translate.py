"""pySigma's condition tree → a condition of ours.

Sigma compares texts, whatever a value's type, in any case unless told otherwise: our `loose` and `ignore_case`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.types import (
    CompareOperators,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaRegularExpressionFlag,
    SigmaString,
    SigmaTimestampPart,
    SigmaType,
    SpecialChars,
)

from daemon.model import Json
from daemon.rules.conditions import All, Condition, Field, Keywords, Not
from daemon.rules.conditions import Any as AnyOf
from daemon.rules.paths import Path, parse_path
from daemon.rules.regex import searcher

Said: TypeAlias = tuple[str, Json, bool]
"""Operator, operand, whether case is ignored."""

_WILD = {SpecialChars.WILDCARD_MULTI: "*", SpecialChars.WILDCARD_SINGLE: "?"}
_ESCAPED = str.maketrans({"\\": r"\\", "*": r"\*", "?": r"\?"})
_LIST = re.compile(r"(\{\}|\[\*?\])+$")
_NUMBERED = re.compile(r"[\[{]-?\d+[\]}](?=\.|[\[{]|$)")
_FLAGS = {
    SigmaRegularExpressionFlag.IGNORECASE: "i",
    SigmaRegularExpressionFlag.MULTILINE: "m",
    SigmaRegularExpressionFlag.DOTALL: "s",
}


class Unusable(Exception):
    """Sigma can say it, and the engine cannot run it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


def condition(node: Any) -> Condition:
    """Raises Unusable."""
    match node:
        case ConditionAND():
            return All(tuple(condition(part) for part in node.args))
        case ConditionOR():
            return _any(tuple(condition(part) for part in node.args))
        case ConditionNOT():
            return Not(condition(node.args[0]))
        case ConditionFieldEqualsValueExpression():
            return _field(path(node.field), node.value)
        case ConditionValueExpression():
            return _keywords(node.value)
        case _:
            raise Unusable("this condition says nothing.")


def path(name: str) -> Path:
    """A field's. Names may hold what our own paths may not; `{}`, `[]` or `[*]` after one says that a list is there.

    Raises Unusable where one element of a list is meant.
    """
    if numbered := _NUMBERED.search(name):
        hint = f"Leave '{numbered[0]}' out: any element may answer."
        raise Unusable(f"the field '{name}' names one element of a list, and a path walks all of them.", hint)
    try:
        return parse_path(name)
    except ValueError:
        return Path(tuple(_LIST.sub("", part) or part for part in name.split(".")))


def path_text(name: str) -> str:
    """A field's path, written as ours are. Raises Unusable where it cannot be."""
    written = str(path(name))
    try:
        parse_path(written)
    except ValueError as error:
        raise Unusable(f"the field '{name}' cannot be referred to: {error}.") from error
    return written


def _any(parts: tuple[Condition, ...]) -> Condition:
    """One field with many operands rather than many fields with one."""
    merged: dict[object, Condition] = {}
    for number, part in enumerate(parts):
        like = _like(part)
        before = merged.get(like)
        if like is not None and isinstance(before, Field) and isinstance(part, Field):
            merged[like] = replace(before, operands=before.operands + part.operands)
        else:
            merged[number if like is None else like] = part
    return next(iter(merged.values())) if len(merged) == 1 else AnyOf(tuple(merged.values()))


def _like(part: Condition) -> object:
    mergeable = isinstance(part, Field) and part.loose and not part.reference and part.operator in {"equals", "glob"}
    return (part.path, part.operator, part.ignore_case) if mergeable and isinstance(part, Field) else None


def _field(at: Path, value: SigmaType) -> Condition:
    match value:
        case SigmaExpansion():
            return _any(tuple(_field(at, one) for one in value.values))
        case SigmaExists():
            return Field(at, "exists", (bool(value),))
        case SigmaNull():
            return Field(at, "equals", (None,), loose=True)
        case SigmaFieldReference():
            return _reference(at, value)
        case SigmaCompareExpression():
            return _compared(at, value)
        case _:
            operator, operand, ignore_case = _said(value)
            return Field(at, operator, (operand,), ignore_case=ignore_case, loose=True)


def _said(value: SigmaType) -> Said:
    match value:
        case SigmaTimestampPart():
            raise Unusable("parts of a time (minute, hour, day, …) cannot be compared here.")
        case SigmaString():
            return _text(value)
        case SigmaNumber() | SigmaBool():
            return "equals", value.number if isinstance(value, SigmaNumber) else value.boolean, True
        case SigmaCIDRExpression():
            return "cidr", value.cidr, False
        case SigmaRegularExpression():
            return "re", _pattern(value), False
        case _:
            raise Unusable(f"a value of pySigma's type {type(value).__name__} cannot be compared here.")


def _text(value: SigmaString) -> Said:
    ignore_case = not isinstance(value, SigmaCasedString)
    if not (value.contains_special() or value.contains_placeholder()):
        return "equals", "".join(map(str, value.s)), ignore_case
    return "glob", "".join(map(_glob_part, value.s)), ignore_case


def _glob_part(part: object) -> str:
    if isinstance(part, str):
        return part.translate(_ESCAPED)
    if isinstance(part, SpecialChars):
        return _WILD[part]
    raise Unusable("the modifier 'expand' needs values that only a processing pipeline knows.", "Write the values out.")


def _pattern(value: SigmaRegularExpression) -> str:
    """The flags stand in the pattern. Raises Unusable where RE2 cannot run it."""
    flags = "".join(sorted(_FLAGS[flag] for flag in value.flags))
    pattern = (f"(?{flags})" if flags else "") + str(value.regexp)
    try:
        searcher(pattern)
    except ValueError as error:
        hint = "Patterns run on RE2, which has no look-around and no back-references."
        raise Unusable(f"the regular expression '{value.regexp}' cannot be run: {error}.", hint) from error
    return pattern


def _reference(at: Path, value: SigmaFieldReference) -> Condition:
    ends = (value.starts_with, value.ends_with)
    operator = {(True, True): "contains", (True, False): "startswith", (False, True): "endswith"}.get(ends, "equals")
    return Field(at, operator, (path_text(value.field),), ignore_case=True, reference=True, loose=True)


_NO_KEYWORD = "a keyword is a text, a number or a regular expression."
_COMPARISONS: Mapping[CompareOperators, str] = {
    CompareOperators.LT: "lt",
    CompareOperators.LTE: "lte",
    CompareOperators.GT: "gt",
    CompareOperators.GTE: "gte",
}


def _compared(at: Path, value: SigmaCompareExpression) -> Condition:
    if isinstance(value.number, SigmaTimestampPart):
        _said(value.number)
    if value.op is CompareOperators.NEQ:
        return Not(Field(at, "equals", (value.number.number,), ignore_case=True, loose=True))
    return Field(at, _COMPARISONS[value.op], (value.number.number,))


def _keywords(value: SigmaType) -> Condition:
    """Something anywhere in the signal."""
    if isinstance(value, SigmaExpansion):
        return AnyOf(tuple(_keywords(one) for one in value.values))
    if isinstance(value, SigmaNull | SigmaExists | SigmaFieldReference | SigmaCompareExpression):
        raise Unusable(_NO_KEYWORD)
    operator, operand, ignore_case = _said(value)
    if operator == "re":
        return Keywords((str(operand),), "re", ignore_case=False)
    if operator == "glob":
        return Keywords((f"*{operand}*",), "glob", ignore_case=ignore_case)
    if operator == "equals" and not isinstance(operand, bool):
        return Keywords((str(operand),), ignore_case=ignore_case)
    raise Unusable(_NO_KEYWORD)
