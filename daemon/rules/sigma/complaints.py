"""What pySigma finds wrong, at its place and in plain words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from ipaddress import ip_interface

from sigma.exceptions import SigmaError
from sigma.modifiers import modifier_mapping
from sigma.rule import SigmaLevel, SigmaStatus

from daemon.errors import Problem
from daemon.rules.reader import nearest, one_of
from daemon.rules.sigma.aggregation import given_up
from daemon.rules.sigma.documents import Document, Way

KEYS: Mapping[str, tuple[str, ...]] = {
    "SigmaAuthorError": ("author",),
    "SigmaConditionError": ("detection", "condition"),
    "SigmaCorrelationConditionError": ("correlation", "condition"),
    "SigmaCorrelationRuleError": ("correlation",),
    "SigmaCorrelationTypeError": ("correlation", "type"),
    "SigmaDateError": ("date",),
    "SigmaDescriptionError": ("description",),
    "SigmaDetectionError": ("detection",),
    "SigmaFalsePositivesError": ("falsepositives",),
    "SigmaFieldsError": ("fields",),
    "SigmaFilterConditionError": ("filter", "condition"),
    "SigmaFilterError": ("filter",),
    "SigmaFilterRuleReferenceError": ("filter", "rules"),
    "SigmaIdentifierError": ("id",),
    "SigmaLevelError": ("level",),
    "SigmaLicenseError": ("license",),
    "SigmaLogsourceError": ("logsource",),
    "SigmaModifiedError": ("modified",),
    "SigmaModifierError": ("detection",),
    "SigmaNameError": ("name",),
    "SigmaReferencesError": ("references",),
    "SigmaRegularExpressionError": ("detection",),
    "SigmaRelatedError": ("related",),
    "SigmaScopeError": ("scope",),
    "SigmaStatusError": ("status",),
    "SigmaTagError": ("tags",),
    "SigmaTaxonomyError": ("taxonomy",),
    "SigmaTimespanError": ("correlation", "timespan"),
    "SigmaTitleError": ("title",),
}
"""pySigma's error → the key that it is about."""


NO_SEARCHES: Mapping[str, frozenset[str]] = {
    "detection": frozenset({"condition", "timeframe"}),
    "filter": frozenset({"condition", "rules"}),
}
"""What stands among the searches and is none; `timeframe` is of counting in conditions."""
_MODIFIERS = {kind.__name__: name for name, kind in reversed(modifier_mapping.items())}
_ONE_OF: Mapping[str, type[Enum]] = {"level": SigmaLevel, "status": SigmaStatus}


def complaint(document: Document, error: SigmaError, *way: str | int) -> Problem:
    """The mistake at the place that is given; without one, at the key that the error is about."""
    at: Way = way or KEYS.get(type(error).__name__, ())
    words = str(error.args[0] if error.args else error)
    message, hint = given_up(document.value) if words.startswith("The pipe syntax") else _said(words)
    if found := re.match(r"Detection '(.*)' not defined|Selector '(?:1|any|all) of (.*)' doesn't match", words):
        key = "filter" if "filter" in document.value else "detection"
        hint = nearest(found[1] or found[2], set(document.value[key]) - NO_SEARCHES[key])
    return document.mark(*at).problem(message, hint)


def _said(words: str) -> tuple[str, str]:
    """Message and hint."""
    for pattern, say in _SAYINGS:
        if found := pattern.search(words):
            return say(found)
    return f"{words.rstrip('.')}.", next((hint for start, hint in _HINTS.items() if words.startswith(start)), "")


def _modifier(found: re.Match[str]) -> tuple[str, str]:
    return f"there is no modifier '{found[1]}'.", nearest(found[1], modifier_mapping)


def _unfit(found: re.Match[str]) -> tuple[str, str]:
    """A modifier and a value of a kind that it does not take."""
    name, value = _MODIFIERS.get(found[1], found[1]), {"True": "true", "False": "false"}.get(found[2], found[2])
    if "SigmaNull" in value:
        return f"the modifier '{name}' cannot be used with null.", "Write null in a line of its own, without modifiers."
    if value.startswith(("Sigma", "<sigma.")):
        return f"the modifier '{name}' cannot follow those before it.", ""
    if name in {"gt", "gte", "lt", "lte"}:
        hint = "It compares numbers, which stand without quotes."
    elif name == "exists":
        hint = "Write true or false."
    else:
        hint = f"Put it in quotes: '{value}'."
    return f"the modifier '{name}' cannot be used with {value}.", hint


def _pattern(found: re.Match[str]) -> tuple[str, str]:
    hint = "Patterns run on RE2, which has no look-around and no back-references."
    return f"the regular expression '{found[1]}' cannot be run: {found[2]}.", hint


def _condition(found: re.Match[str]) -> tuple[str, str]:
    hint = "A condition is searches by name, joined by 'and', 'or' and 'not', which are written small."
    return f"this condition cannot be read from its character {found[1]} on.", hint


def _word(found: re.Match[str]) -> tuple[str, str]:
    """A level or status."""
    words = [word.lower() for word in _ONE_OF[found[2]].__members__]
    return f"'{found[1]}' is not a valid Sigma rule {found[2]}.", nearest(found[1], words) or one_of("It is", words)


def _network(found: re.Match[str]) -> tuple[str, str]:
    network = ip_interface(found[1]).network
    return f"'{found[1]}' is an address in a network, not a network.", f"Write {network}."


def _date(_: re.Match[str]) -> tuple[str, str]:
    return "YAML takes this value for a date.", "Put it in quotes."


_SAYINGS: Sequence[tuple[re.Pattern[str], Callable[[re.Match[str]], tuple[str, str]]]] = (
    (re.compile(r"^Unknown modifier '(.*)'"), _modifier),
    (re.compile(r"^Modifier (\w+) incompatible to value type of '(.*)'", re.DOTALL), _unfit),
    (re.compile(r"^Regular expression '(.*)' is invalid: (.*)$", re.DOTALL), _pattern),
    (re.compile(r"\(line:1, col:(\d+)\)$"), _condition),
    (re.compile(r"^'(.*)' is not a valid Sigma rule (level|status)"), _word),
    (re.compile(r"^Unsupported type: <class 'datetime"), _date),
    (re.compile(r"^Invalid CIDR expression: (\S+) has host bits set"), _network),
)
_HINTS: Mapping[str, str] = {
    "Sigma rule identifier must be an UUID": "Write a UUID, or leave 'id' out and give the rule a 'name'.",
    "Value count correlation rule without field reference": "Write the field into the condition: {gte: 3, field: a.b}.",
}
"""How pySigma's words start → what to do."""
