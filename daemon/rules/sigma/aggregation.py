"""Counting in a condition, which Sigma gave up for correlations: the correlation that says the same."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_COUNTED = re.compile(
    r"\|\s*(?P<what>count|sum|avg)\s*\((?P<field>[^()]*)\)\s*(?:by\s+(?P<by>.+?)\s*)?(?P<operator>[<>]=?)\s*(?P<limit>\d+)\s*"
)
_NEAR = re.compile(r"\|\s*near\b")
_OPERATORS = {">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}


def given_up(rule: Mapping[str, Any]) -> tuple[str, str]:
    """What is said of a rule whose condition has a pipe: message and hint."""
    condition = _piped(rule)
    if _NEAR.search(condition):
        return (
            "'near' is no part of Sigma any more.",
            "Write a rule for each side, and a temporal correlation over them.",
        )
    message = "counting in a condition is no part of Sigma any more."
    found = _COUNTED.search(condition)
    if not found or found.end() != len(condition):
        return message, "Write a correlation over this rule."
    left, counted = condition[: found.start()].rstrip(), found[0].strip()
    hint = f"Write the condition as '{left}', and a correlation instead of '{counted}': {_correlation(rule, found)}."
    return message, hint


def _piped(rule: Mapping[str, Any]) -> str:
    """The first condition that has a pipe."""
    said = rule.get("detection", {}).get("condition")
    return next((each for each in (said if isinstance(said, list) else [said]) if "|" in str(each)), "")


def _correlation(rule: Mapping[str, Any], found: re.Match[str]) -> str:
    """On one line. `count` with a field counted its different values."""
    field, by = found["field"].strip(), found["by"]
    kind = f"value_{found['what']}" if field else "event_count"
    name = rule.get("name") or rule.get("id") or "NAME"
    group = f", group-by: [{by}]" if by else ""
    timespan = rule["detection"].get("timeframe") or rule.get("timeframe") or "TIME"
    condition = f"{_OPERATORS[found['operator']]}: {found['limit']}" + (f", field: {field}" if field else "")
    return f"{{type: {kind}, rules: [{name}]{group}, timespan: {timespan}, condition: {{{condition}}}}}"
