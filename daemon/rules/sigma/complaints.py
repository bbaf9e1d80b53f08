"""What pySigma finds wrong, at its place and in plain words."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sigma.exceptions import SigmaError
from sigma.modifiers import modifier_mapping

from daemon.errors import Problem
from daemon.rules.reader import nearest
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


def complaint(document: Document, error: SigmaError, *way: str | int) -> Problem:
    """The mistake at the place that is given; without one, at the key that the error is about."""
    at: Way = way or KEYS.get(type(error).__name__, ())
    return document.mark(*at).problem(*_said(str(error.args[0] if error.args else error)))


def _said(words: str) -> tuple[str, str]:
    """Message and hint."""
    if found := re.fullmatch(r"Unknown modifier '(.*)'", words):
        return f"there is no modifier '{found[1]}'.", nearest(found[1], modifier_mapping)
    if found := re.fullmatch(r"Regular expression '(.*)' is invalid: (?:b['\"])?(.*?)['\"]?", words, re.DOTALL):
        hint = "Patterns run on RE2, which has no look-around and no back-references."
        return f"the regular expression '{found[1]}' cannot be run: {found[2]}.", hint
    if found := re.search(r"^Expected .*\(line:1, col:(\d+)\)$", words, re.DOTALL):
        return f"this condition cannot be read from its character {found[1]} on.", ""
    if words.startswith("The pipe syntax"):
        return "counting in a condition is no part of Sigma any more.", "Write a correlation over this rule."
    return f"{words.rstrip('.')}.", ""
