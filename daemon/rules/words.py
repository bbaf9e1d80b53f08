"""What each key of a rule or of policy is for, and what it may hold, in JSON Schema's terms: for editors. The parsers
beside this are what decides; a test holds the keys here to theirs, and every file that is shipped to the schemas."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from daemon.rules.policy import FIELDS, GROUP

NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,62}$")
"""Of what `policy/` names."""
GROUP_PART = rf"{re.escape(GROUP)}[\s\S]+"

Shape: TypeAlias = Mapping[str, Any]
"""A JSON Schema; `#/$defs/` leads to those of `schema`."""


@dataclass(frozen=True, slots=True)
class Word:
    says: str
    shape: Shape


def ref(name: str) -> Shape:
    return {"$ref": f"#/$defs/{name}"}


def several(shape: Shape) -> Shape:
    """A list, or one alone."""
    return {"anyOf": [shape, {"type": "array", "minItems": 1, "items": shape}]}


def named(shape: Shape) -> Shape:
    """A map of names to such."""
    return {"type": "object", "propertyNames": {"pattern": NAME.pattern}, "additionalProperties": shape}


def known(name: str) -> Shape:
    """Any of those that the configuration knows, or a pattern of them."""
    return several({"anyOf": [ref(name), {"type": "string", "pattern": r"[*?]"}]})


def at_least(least: int, most: int | None = None) -> Shape:
    return {"type": "integer", "minimum": least} | ({} if most is None else {"maximum": most})


TEXT: Shape = {"type": "string", "pattern": r"\S"}
FLAG: Shape = {"type": "boolean"}
NUMBER: Shape = {"type": "number"}
POSITIVE: Shape = {"type": "number", "exclusiveMinimum": 0}
DURATION, LENGTH, PATH, PATHS = ref("duration"), ref("length"), ref("path"), ref("paths")
CONDITION, TEMPLATE, SEVERITY, COUNTED = ref("condition"), ref("template"), ref("severity"), ref("counted")

RULE: Mapping[str, Word] = {
    "title": Word("The incident's title; {path} stands for what the signal says there.", TEMPLATE),
    "source": Word("Configured sources by name, or a type for all of that type.", several(ref("source"))),
    "kind": Word("Only these streams of the source.", several(ref("kind"))),
    "match": Word("Which signals the rule means: all lines of a map, any map of a list.", CONDITION),
    "unless": Word("Which of the signals that match it does not mean.", CONDITION),
    "group_by": Word(
        "What tells one incident of this rule from another: paths, or a map of name to path.",
        {"anyOf": [several(PATH), {**PATHS, "minProperties": 1}]},
    ),
    "key": Word("Parts of group_by that tell incidents apart, where windows are kept by more.", several(TEXT)),
    "over": Word("Rules whose firings are seen in place of signals.", several(ref("step"))),
    "window": Word("What many signals say together. Without it one signal is enough.", ref("window")),
    "severity": Word("How bad it is; 1 is the worst.", SEVERITY),
    "raise": Word("What makes it worse.", several(ref("raise"))),
    "class": Word("What sort of trouble it is.", ref("class")),
    "location": Word("Where it is, for people; {path} stands for what the signal says there.", TEMPLATE),
    "problem": Word("What it is one sign of. Rules of one problem share their incidents.", ref("problem")),
    "team": Word("Who repairs it.", ref("team")),
    "clients": Word(
        "Whom it hits: none, all, a list of names, or {from: path}.",
        {
            "anyOf": [
                {"enum": ["none", "all"]},
                {"type": "array", "minItems": 1, "items": ref("client")},
                {"type": "object", "properties": {"from": PATH}, "required": ["from"], "additionalProperties": False},
            ]
        },
    ),
    "clear": Word(
        "When the trouble is over: recovery, never, or whichever of a map comes first.",
        {"anyOf": [{"enum": ["recovery", "never"]}, ref("clear")]},
    ),
    "reopen_within": Word("How long after it ended the same incident opens again, as its next episode.", DURATION),
    "then": Word("Roles, in place of what the severity and the class set going.", several(ref("role"))),
    "stage": Word("shadow: what it would have opened is recorded, and nothing is sent.", {"enum": ["live", "shadow"]}),
    "silent": Word("A building block for other rules: it opens nothing.", FLAG),
    "runbook": Word("What whoever is woken should do.", TEXT),
    "false_positives": Word("What looks like it and is harmless.", several(TEXT)),
    "tests": Word(
        "What shows that the rule is right: a hit and a near miss at least.",
        {"type": "array", "items": ref("test")},
    ),
}

WINDOW: Mapping[str, Word] = {
    "count": Word("How many signals, or different values.", COUNTED),
    "distinct": Word("The field whose different values are counted.", PATH),
    "sum": Word("The field whose numbers are added up.", PATH),
    "avg": Word("The field whose numbers' average is taken.", PATH),
    "min": Word("The field whose least number is taken.", PATH),
    "max": Word("The field whose greatest number is taken.", PATH),
    "percentile": Word("The field of whose numbers a percentile is taken.", PATH),
    "p": Word("Which percentile, above 0 and to 100.", {**POSITIVE, "maximum": 100}),
    "gt": Word("Fires above this.", NUMBER),
    "gte": Word("Fires at this and above.", NUMBER),
    "lt": Word("Fires below this.", NUMBER),
    "lte": Word("Fires at this and below.", NUMBER),
    "at_least": Word("Numbers, or signals, there must be before anything is compared.", COUNTED),
    "ratio": Word("Which signals the share is of.", CONDITION),
    "spike": Word("How many times the average before is too much.", POSITIVE),
    "drop": Word("How many times the average before is too little.", NUMBER),
    "baseline": Word("How far back the average reaches.", LENGTH),
    "floor": Word("Less than this is no spike; a baseline of less is too thin to drop from.", at_least(1)),
    "absent": Word("How long a silence.", LENGTH),
    "expect": Word(
        "Groups that must be heard of even if they never were: a value each, or a list in the order of group_by.",
        {"type": "array", "minItems": 1},
    ),
    "first_seen": Word("The field whose new values matter.", PATH),
    "learn": Word("How long a group is only learned from, from its first signal.", DURATION),
    "change": Word("The field that must not change.", PATH),
    "sequence": Word("Which rules, in which order.", several(ref("step"))),
    "ordered": Word("Whether the order matters.", FLAG),
    "within": Word("In which time, both ends counted.", LENGTH),
    "of": Word(
        "What is counted: signals, or what the vendor says was added since the last look.",
        {"enum": ["signals", "count_delta"]},
    ),
}

STEP: Mapping[str, Word] = {
    "rule": Word("The id of the rule that must fire.", TEXT),
    "not": Word("The id of the rule that must not fire.", TEXT),
    "by": Word("Where this rule's signals have a part of the group: part to path.", PATHS),
}

RAISE: Mapping[str, Word] = {
    "to": Word("The severity instead, worse than the rule's own.", SEVERITY),
    "match": Word("For which signals.", CONDITION),
}

CLEAR: Mapping[str, Word] = {
    "quiet_for": Word("After so long without a signal that the rule matches.", DURATION),
    "recovery": Word("At a signal of the same group that says recovered.", FLAG),
    "match": Word("At a signal of the same group for which this holds, and the rule does not.", CONDITION),
}

TEST: Mapping[str, Word] = {
    "it": Word("What holds, as the end of a sentence.", TEXT),
    "given": Word("What is played.", several(ref("given"))),
    "expect": Word("What must come of it: nothing, or a map.", {"anyOf": [{"const": "nothing"}, ref("expect")]}),
    "until": Word("How long it is watched, from its start; default: until all that is quiet has cleared.", DURATION),
}

GIVEN: Mapping[str, Word] = {
    "signal": Word("The vendor's fields.", {"type": "object"}),
    "at": Word("When it happens, from the start of the test; default: as the one before.", DURATION),
    "repeat": Word("How often it is played.", at_least(1, 100_000)),
    "every": Word("How far apart.", DURATION),
    "late": Word("How long after it happened it arrives.", DURATION),
    "source": Word("Where it comes from; default: the rule's first source.", ref("source")),
    "kind": Word("Its stream; default: the rule's first.", TEXT),
    "polarity": Word("Whether it says that something broke or recovered.", {"enum": ["broken", "recovered", "none"]}),
    "id": Word("The signal's id: the same id is seen once.", TEXT),
    "count_delta": Word("What the vendor says was added.", at_least(0)),
}

EXPECT: Mapping[str, Word] = {
    "incidents": Word("How many open; default 1.", at_least(0)),
    "severity": Word("The worst that it came to.", SEVERITY),
    "at": Word("When the first one opened, from the start of the test.", DURATION),
    "page": Word("Whether a page is owed.", FLAG),
    "defect": Word("Whether a defect is owed.", FLAG),
    "cleared": Word("Whether, or when, it cleared.", {"anyOf": [FLAG, DURATION]}),
    "location": Word("The location, written out.", TEXT),
    "title": Word("The title, written out.", TEXT),
    "team": Word("Who repairs it.", TEXT),
    "clients": Word("Whose tickets it opens.", several(TEXT)),
    "ticket": Word("The state in which each of its tickets ends, if nobody touches it.", TEXT),
    "due": Word(
        "When each goal of its tickets is due: response, resolution, update.",
        {"type": "object", "additionalProperties": DURATION},
    ),
}

_CALLED: Shape = {"type": "string", "pattern": NAME.pattern}
_DAY = "(?:mon|tue|wed|thu|fri|sat|sun)"
_HOUR = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"

POLICY: Mapping[str, Word] = {
    "lists": Word(
        "Values that in_list compares with, by the list's name.",
        named({"type": "array", "minItems": 1, "items": {"type": ["string", "number", "boolean"]}}),
    ),
    "problems": Word("What several rules are signs of, by name. Its rules share its incidents.", named(ref("problem"))),
    "maintenance": Word("When openings are held.", {"type": "array", "items": ref("maintenance")}),
    "inhibitions": Word("Which openings wait for which incidents.", {"type": "array", "items": ref("inhibition")}),
}

PROBLEM: Mapping[str, Word] = {
    "key": Word("Parts of group_by that tell its incidents apart; each of its rules groups by these.", several(TEXT)),
    "class": RULE["class"],
    "clear": RULE["clear"],
    "team": RULE["team"],
    "reopen_within": RULE["reopen_within"],
}

MAINTENANCE: Mapping[str, Word] = {
    "name": Word("What it is called.", _CALLED),
    "hold": Word("What is held while it is open.", ref("selector")),
    "tz": Word("The IANA zone whose clock it goes by, over its changes; default: UTC.", TEXT),
    "days": Word(
        "On which days it opens; default: every day.",
        several({"type": "string", "pattern": f"^{_DAY}(?:-{_DAY})?$", "examples": ["mon-fri", "sat"]}),
    ),
    "between": Word(
        "When it opens and closes by the clock on the wall; overnight it belongs to the day on which it opens.",
        {"type": "string", "pattern": f"^{_HOUR}-(?:{_HOUR}|24:00)$", "examples": ["22:00-02:00"]},
    ),
    "from": Word("The first day on which it opens.", {"type": "string", "pattern": f"^{_DATE}$"}),
    "until": Word("The last day on which it opens.", {"type": "string", "pattern": f"^{_DATE}$"}),
    "begins": Word("When it opens, if it opens once.", ref("instant")),
    "ends": Word("When it closes, if it opens once.", ref("instant")),
    "reason": Word("What is told to those who ask why.", TEXT),
}

INHIBITION: Mapping[str, Word] = {
    "name": Word("What it is called.", _CALLED),
    "while": Word("Which incident must be open.", ref("selector")),
    "hold": Word("What waits meanwhile.", ref("selector")),
    "equal": Word(
        "Fields of an incident that both must share; default: location.",
        several({"anyOf": [{"enum": list(FIELDS)}, {"type": "string", "pattern": f"^{GROUP_PART}$"}]}),
    ),
}

SELECTOR: Mapping[str, Word] = {
    "rule": Word("The id of its rule.", several(TEXT)),
    "problem": Word("What its rule is one sign of.", several(TEXT)),
    "source": Word("The type of its source.", known("type")),
    "class": Word("Its class.", known("class")),
    "team": Word("Who repairs it.", known("team")),
    "location": Word("Its location, written out.", several(TEXT)),
    "severity": Word("How bad it is, 1 to 4.", known("severity")),
    f"{GROUP}PART": Word("The value of this part of its group.", several({"type": ["string", "integer"]})),
}
"""Which incidents are meant. In each value `*` stands for anything and `?` for one character."""

MODIFIER: Mapping[str, str] = {
    "contains": "contains the text",
    "startswith": "begins with the text",
    "endswith": "ends with the text",
    "gt": "is greater",
    "gte": "is at least this",
    "lt": "is less",
    "lte": "is at most this",
    "re": "has a part that matches this RE2 pattern",
    "glob": "is such a text: * is any, ? is one character",
    "cidr": "is an address in this network",
    "exists": "is there (true) or not (false)",
    "not": "does not do what the rest of the line says",
    "all": "meets every value of the list, not any",
    "i": "does so whatever the case",
    "ignorecase": "does so whatever the case",
    "in_list": "does so with any value of this list of policy/",
    "fieldref": "compares so with another field, whose path is the value",
}
"""The line holds if the field …"""
