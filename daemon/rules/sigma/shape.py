"""What pySigma takes for granted of a document. Where it would fail over a value's kind, the mistake is told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from daemon.errors import Problem
from daemon.marked_yaml import named
from daemon.rules.sigma.documents import Document, Way

_OCTAL = re.compile(r"[-+]?0[0-7_]+")


def misshapen(document: Document) -> list[Problem]:
    """Everything that is of the wrong kind."""
    found = [document.mark(*way).problem(message) for way, message in _wrong(document.value)]
    return found + [problem for key in ("detection", "filter") for problem in _misread(document, key)]


def _misread(document: Document, key: str) -> Iterator[Problem]:
    """Numbers that YAML 1.1 takes for octal or for a time, such as the id of an AWS account that begins with 0."""
    for mark, written in document.numbers(key):
        if _OCTAL.fullmatch(written) or ":" in written:
            read = yaml.safe_load(written)
            yield mark.problem(f"YAML takes {written} for the number {read}.", f"Put it in quotes: '{written}'.")


def _wrong(value: dict[str, Any]) -> Iterator[tuple[Way, str]]:
    yield from _texts(value, "id", several=False)
    if isinstance(detection := value.get("detection"), dict):
        yield from _detection(detection)
    if isinstance(excepted := value.get("filter"), dict):
        yield from _filter(excepted)
    if isinstance(correlation := value.get("correlation"), dict):
        yield from _correlation(correlation)


def _detection(detection: dict[Any, Any]) -> Iterator[tuple[Way, str]]:
    yield from _keys(("detection",), detection)
    yield from _texts(detection, "condition", "detection", several=True)
    if "condition" in detection and detection["condition"] is None:
        yield ("detection", "condition"), "this is a text, not nothing."


def _filter(excepted: dict[Any, Any]) -> Iterator[tuple[Way, str]]:
    yield from _keys(("filter",), excepted)
    yield from _texts(excepted, "condition", "filter", several=False)
    yield from _texts(excepted, "rules", "filter", several=True)


def _keys(way: Way, value: Any) -> Iterator[tuple[Way, str]]:
    """Every key, however deep, is the name of a field or a search."""
    if isinstance(value, dict):
        for key, part in value.items():
            if not isinstance(key, str):
                yield (*way, str(key)), f"a key is a text, not {named(key)}; put it in quotes."
            yield from _keys((*way, str(key)), part)
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _keys((*way, number), part)


def _correlation(correlation: dict[Any, Any]) -> Iterator[tuple[Way, str]]:
    yield from _keys(("correlation",), correlation)
    yield from _texts(correlation, "type", "correlation", several=False)
    for key in ("rules", "group-by"):
        yield from _texts(correlation, key, "correlation", several=True)
    if isinstance(condition := correlation.get("condition"), dict):
        yield from _texts(condition, "field", "correlation", "condition", several=True)
    aliases = correlation.get("aliases")
    for alias, fields in aliases.items() if isinstance(aliases, dict) else ():
        if not isinstance(fields, dict):
            yield ("correlation", "aliases", alias), f"an alias is a map from rules to fields, not {named(fields)}."
        for rule, field in fields.items() if isinstance(fields, dict) else ():
            if not isinstance(field, str) or not field:
                yield ("correlation", "aliases", alias, rule), f"a field is a text, not {named(field)}."


def _texts(value: dict[Any, Any], key: str, *way: str, several: bool) -> Iterator[tuple[Way, str]]:
    """A text, or where `several` may stand a list of texts; nothing at all is pySigma's to judge."""
    found = value.get(key)
    if found is None:
        return
    many = several and isinstance(found, list)
    for number, each in enumerate(found if many else [found]):
        if not isinstance(each, str) or not each:
            wanted = "a text or a list of texts" if several else "a text"
            yield (*way, key, number) if many else (*way, key), f"this is {wanted}, not {named(each)}."
