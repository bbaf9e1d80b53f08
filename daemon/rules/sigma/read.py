"""Sigma's files → rules: all of them at once, for correlations refer to rules of other files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule

from daemon.errors import ConfigError, Problem
from daemon.rules.model import Names, Rule
from daemon.rules.sigma.actions import acted
from daemon.rules.sigma.complaints import complaint
from daemon.rules.sigma.correlations import Correlation
from daemon.rules.sigma.documents import Document, documents
from daemon.rules.sigma.filters import Filter, read_filter
from daemon.rules.sigma.patterns import POLICY
from daemon.rules.sigma.rules import read_signals
from daemon.rules.sigma.shape import misshapen
from daemon.rules.sigma_terms import SigmaTerms


@dataclass(frozen=True, slots=True)
class File:
    id: str
    """Its path under the rules folder, without the suffix."""
    text: str
    shown: str


@dataclass
class _Reading:
    names: Names
    terms: SigmaTerms
    rules: list[Rule] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    known: dict[str, str] = field(default_factory=dict)
    """Sigma's name or id → ours, of every rule and correlation."""
    signals: list[tuple[Document, SigmaRule, str]] = field(default_factory=list)
    filters: list[Filter] = field(default_factory=list)
    waiting: list[Correlation] = field(default_factory=list)


def read_rules(files: Iterable[File], names: Names, terms: SigmaTerms) -> tuple[list[Rule], list[Problem]]:
    """Every rule of the files that has no problem, and every problem."""
    reading = _Reading(names, terms)
    for file in files:
        _file(reading, file)
    _filtered(reading)
    silent: set[str] = set()
    for correlation in reading.waiting:
        rule, problems = correlation.rule(terms)
        reading.problems += problems
        if rule:
            reading.rules.append(rule)
            silent |= set() if correlation.parsed.generate else correlation.beneath()
    return [replace(rule, silent=rule.id in silent) for rule in reading.rules], reading.problems


def _filtered(reading: _Reading) -> None:
    """Rules over signals, once all filters are known."""
    for each in reading.filters:
        reading.problems += each.strangers(reading.known)
    for document, parsed, id in reading.signals:
        also = [each.condition for each in reading.filters if each.applies_to(parsed)]
        rule, problems = read_signals(document, parsed, id, reading.names, reading.terms, also)
        reading.problems += problems
        reading.rules += [rule] if rule else []


def _file(reading: _Reading, file: File) -> None:
    try:
        found = documents(file.text, file.shown)
    except ConfigError as error:
        reading.problems += error.problems
        return
    for number, document in acted(found, reading.problems):
        name = document.value.get("name")
        part = name if isinstance(name, str) and name and document.says("name") else str(number)
        _document(reading, document, file.id if len(found) == 1 else f"{file.id}/{part}")


def _document(reading: _Reading, document: Document, id: str) -> None:
    if wrong := misshapen(document):
        reading.problems += wrong
        return
    if "filter" in document.value:
        found, problems = read_filter(document)
        reading.problems += problems
        reading.filters += [found] if found else []
        return
    try:
        parsed = _parsed(document)
    except SigmaError as error:
        reading.problems.append(complaint(document, error))
        return
    _name(reading, document, parsed, id)
    if isinstance(parsed, SigmaCorrelationRule):
        reading.waiting.append(Correlation(document, parsed, id, reading.known))
        return
    reading.signals.append((document, parsed, id))


def _parsed(document: Document) -> SigmaRule | SigmaCorrelationRule:
    if "correlation" in document.value:
        return SigmaCorrelationRule.from_dict(document.value, collect_errors=True)
    return SigmaRule.from_dict(_without_timeframe(document.value), collect_errors=True, policy=POLICY)


def _without_timeframe(rule: dict[str, Any]) -> dict[str, Any]:
    """It is of counting in conditions, which is no more, and stands among the searches."""
    detection = rule.get("detection")
    if not isinstance(detection, dict):
        return rule
    return {**rule, "detection": {name: said for name, said in detection.items() if name != "timeframe"}}


def _name(reading: _Reading, document: Document, parsed: SigmaRule | SigmaCorrelationRule, id: str) -> None:
    for key, said in (("id", parsed.id), ("name", parsed.name)):
        if not said:
            continue
        if str(said) in reading.known and document.says(key):
            other = reading.known[str(said)]
            reading.problems.append(document.mark(key).problem(f"rule '{other}' has the {key} '{said}' already."))
        reading.known[str(said)] = id
