"""The beginning of a rule: it can be used, and its tests hold, before anybody has changed a line of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from daemon.contract import Example
from daemon.model import Json

_ID = re.compile(r"[a-z0-9][a-z0-9_-]*(?:/[a-z0-9][a-z0-9_-]*)*")

_WINDOWS: Mapping[str, str] = {
    "count": "{count: 5, within: 10m}",
    "distinct": "{distinct: value, count: 5, within: 10m}",
    "sum": "{sum: value, gte: 10, within: 10m}",
    "avg": "{avg: value, gte: 2, within: 10m, at_least: 5}",
    "min": "{min: value, lte: 1, within: 10m, at_least: 5}",
    "max": "{max: value, gte: 5, within: 10m}",
    "percentile": "{percentile: value, p: 95, gte: 5, within: 10m, at_least: 5}",
    "ratio": "{ratio: {value|gte: 3}, gte: 0.5, within: 10m, at_least: 5}",
    "spike": "{spike: 3, within: 10m, baseline: 2h, floor: 5}",
    "drop": "{drop: 0.2, within: 10m, baseline: 2h, floor: 5}",
    "absent": "{absent: 30m}",
    "first_seen": "{first_seen: value, within: 30d, learn: 7d}",
    "change": "{change: value, within: 1d}",
}
"""`value` stands for the field that matters."""

_NOTES_AT = 40


def is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def files(id: str, type: str, example: Example, window: str | None) -> dict[str, str]:
    """Each file's text by the id of its rule: for one signal, for a window of this kind, or for a sequence and the two
    rules that it stands on."""
    if window == "sequence":
        return {
            f"{id}-first": _step(id, type, example, example.match[1], example.near),
            f"{id}-second": _step(id, type, example, example.near, example.match[1]),
            id: _sequence(id, type, example),
        }
    return {id: _rule(type, example, window)}


def _rule(type: str, example: Example, window: str | None) -> str:
    key, value = example.match
    part = example.group_by
    lines = [
        _noted(f"title: Say what is wrong with {{{part}}}", "{path} is what the signal says there"),
        _noted(f"source: {type}", "a type, or sources as config.yaml names them"),
        _noted("match:", "all lines must hold; a list of maps: any of them"),
        f"  {key}: {_yaml(value)}",
        _noted("# unless:", "exceptions, so that they can be read alone"),
        f"#   {part}: [harmless]",
        _noted(f"group_by: [{part}]", "one incident for each value"),
        *([f"window: {_WINDOWS[window]}"] if window else []),
        _noted("severity: 3", "1 is the worst"),
        _noted("class: availability", "or performance, security, defect, abuse"),
        *([] if window in ("absent", "drop") else [_noted("clear: {quiet_for: 1h}", "when it is over")]),
        _noted("stage: shadow", "it opens nothing: delete this line to switch it on"),
        "runbook: |",
        "  1. Say what whoever is woken should look at first.",
        "  2. Say what to do about it, and who can.",
        "false_positives:",
        "  - Say what looks like it and is harmless.",
        _noted("tests:", "heliograph rules test"),
        *_tests(example, window),
    ]
    return "\n".join(lines) + "\n"


def _noted(line: str, note: str) -> str:
    return f"{line:<{_NOTES_AT}}  # {note}"


def _tests(example: Example, window: str | None) -> list[str]:
    hit = example.fields
    miss = {**hit, example.match[0]: example.near}
    if window is None:
        given, missed = [_given(hit)], [_given(miss)]
    elif window == "count":
        given, missed = [_given(hit, repeat=5, every="1m")], [_given(hit, repeat=4, every="1m")]
    else:
        given, missed = _of_window(hit, window), [_given(miss, repeat=5, every="1m")]
    return _proved(given, missed)


def _proved(given: Sequence[str], missed: Sequence[str]) -> list[str]:
    return [
        "  - it: opens when it should",
        "    given:",
        *(f"      - {each}" for each in given),
        "    expect: {incidents: 1, severity: 3}",
        "  - it: leaves alone what is nearly the same",
        "    given:",
        *(f"      - {each}" for each in missed),
        "    expect: nothing",
    ]


def _of_window(hit: Mapping[str, Json], window: str) -> list[str]:
    """Signals that make a window of this kind fire."""
    if window == "absent":
        return [_given(hit)]
    if window == "spike":
        return [_given(hit, repeat=12, every="10m"), _given(hit, at="2h", repeat=20, every="10s")]
    if window == "drop":
        return [_given(hit, repeat=120, every="1m"), _given(hit, at="3h")]
    if window == "first_seen":
        return [_given({**hit, "value": 1}, repeat=9, every="1d"), _given({**hit, "value": 2}, at="9d")]
    return [_given({**hit, "value": number}, at=f"{number}m") for number in range(1, 6)]


def _given(fields: Mapping[str, Json], **beside: object) -> str:
    said = "".join(f"{key}: {value}, " for key, value in beside.items())
    return f"{{{said}signal: {{{', '.join(f'{key}: {_yaml(value)}' for key, value in fields.items())}}}}}"


def _yaml(value: Json) -> str:
    """Plain where YAML reads it back as the same text."""
    return value if isinstance(value, str) and re.fullmatch(r"[A-Za-z][\w ./:-]*\w", value) else json.dumps(value)


def _step(id: str, type: str, example: Example, value: Json, other: Json) -> str:
    part, key = example.group_by, example.match[0]
    hit, miss = ({**example.fields, key: each} for each in (value, other))
    lines = [
        f"title: Say what happened to {{{part}}}",
        f"source: {type}",
        "match:",
        f"  {key}: {_yaml(value)}",
        f"group_by: [{part}]",
        "severity: 3",
        "class: availability",
        _noted("silent: true", "it opens nothing: others stand on it"),
        f"runbook: A building block of {id}.",
        "false_positives: [It opens nothing.]",
        _noted("tests:", "as if it were not silent"),
        *_proved([_given(hit)], [_given(miss)]),
    ]
    return "\n".join(lines) + "\n"


def _sequence(id: str, type: str, example: Example) -> str:
    part, hit = example.group_by, example.fields
    then = {**hit, example.match[0]: example.near}
    return f"""\
title: Say in one line what is wrong with {{{part}}}
group_by: [{part}]                 # what the steps must have in common
window:
  sequence:                            # ids of other rules, in order; those may say silent: true
    - {id}-first
    - {{rule: {id}-second, by: {{{part}: {part}}}}}  # by: where it stands in that step's signals
    # - {{not: another/rule}}            # must not fire
  within: 15m
severity: 3                            # 1 is the worst
class: availability                    # or performance, security, defect, abuse
clear: {{quiet_for: 1h}}                 # when it is over
stage: shadow                          # it opens nothing: delete this line to switch it on
runbook: |
  1. Say what whoever is woken should look at first.
  2. Say what to do about it, and who can.
false_positives:
  - Say what looks like it and is harmless.
tests:                                 # heliograph rules test
  - it: opens when both happen in this order
    given:
      - {_given(hit, source=type)}
      - {_given(then, source=type, at="1m")}
    expect: {{incidents: 1, severity: 3}}
  - it: leaves the other order alone
    given:
      - {_given(then, source=type)}
      - {_given(hit, source=type, at="1m")}
    expect: nothing
"""
