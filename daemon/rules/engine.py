"""Signals in, matches out. Pure: what is open, and what a window has seen so far, is the caller's to remember."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from daemon.model import INTERNAL, UNASSIGNED, Json, Polarity, Severity, Signal
from daemon.rules.conditions import Any, Condition, Holds, compile_condition
from daemon.rules.index import Index
from daemon.rules.model import Clients, Rule
from daemon.rules.paths import Fields, Values, parse_path, values_at
from daemon.rules.template import clean

_LONGEST_KEY = 200


@dataclass(frozen=True, slots=True)
class Match:
    """One rule's word on one signal."""

    rule: Rule
    group: Mapping[str, Json]
    """Path → value, as `group_by` names them."""
    key: str
    """Rule and group: the same text for the same incident, for ever. At most 264 characters and the rule's id."""
    recovered: bool
    """The signal says that the trouble of this group is over; it opens nothing."""
    severity: Severity
    title: str
    location: str
    clients: tuple[str, ...] | Literal["all"]
    """As the signal names them: they need not be configured ones."""


@dataclass(frozen=True, slots=True)
class _Compiled:
    rule: Rule
    holds: Holds
    clears: Holds
    raises: tuple[tuple[Severity, Holds], ...]
    group: tuple[tuple[str, Values], ...]
    clients: Callable[[Fields], tuple[str, ...] | Literal["all"]]

    def group_of(self, fields: Fields) -> dict[str, Json]:
        return {path: _single(values(fields)) for path, values in self.group}

    def severity(self, fields: Fields) -> Severity:
        return min([self.rule.severity, *(to for to, holds in self.raises if holds(fields))])

    def judge(self, signal: Signal) -> Match | None:
        fields = signal.fields
        if self.rule.kinds and signal.kind not in self.rule.kinds:
            return None
        if signal.polarity is not Polarity.RECOVERED and self.holds(fields):
            return self._match(fields, recovered=False)
        if self._recovers(signal):
            return self._match(fields, recovered=True)
        return None

    def _recovers(self, signal: Signal) -> bool:
        """The group's fields must be there, or one object's recovery would clear another's trouble."""
        said = self.rule.clear.recovery and signal.polarity is Polarity.RECOVERED
        return (said or self.clears(signal.fields)) and all(values(signal.fields) for _, values in self.group)

    def _match(self, fields: Fields, *, recovered: bool) -> Match:
        group = self.group_of(fields)
        return Match(
            rule=self.rule,
            group=group,
            key=incident_key(self.rule.id, group),
            recovered=recovered,
            severity=self.severity(fields),
            title=self.rule.title.render(fields),
            location=self.rule.location.render(fields),
            clients=self.clients(fields),
        )


@dataclass
class _Route:
    """What one source name or type leads to."""

    broken: Index[_Compiled]
    recovered: list[_Compiled] = field(default_factory=list)


Routes: TypeAlias = Mapping[str, _Route]


class Engine:
    """The rules compiled. Holds no state; safe in several threads."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        by_source: dict[str, list[_Compiled]] = {}
        for rule in rules:
            compiled = _compile(rule)
            for source in dict.fromkeys(rule.sources):
                by_source.setdefault(source, []).append(compiled)
        self._routes: Routes = {source: _route(compiled) for source, compiled in by_source.items()}

    def match(self, signal: Signal) -> tuple[Match, ...]:
        """Each rule's match, once, in the order of the rules within a type and then within a name."""
        matches: dict[str, Match] = {}
        for name in dict.fromkeys((signal.type, signal.source)):
            route = self._routes.get(name)
            if route is None:
                continue
            recovered = signal.polarity is Polarity.RECOVERED
            for compiled in route.recovered if recovered else route.broken.candidates(signal.fields):
                if compiled.rule.id not in matches and (match := compiled.judge(signal)) is not None:
                    matches[compiled.rule.id] = match
        return tuple(matches.values())


def incident_key(rule: str, group: Mapping[str, Json]) -> str:
    """Stable text of a rule and a group; a long one is cut and told apart by a hash."""
    text = json.dumps(group, sort_keys=True, separators=(",", ":"), default=str)
    if len(text) > _LONGEST_KEY:
        text = f"{text[: _LONGEST_KEY - 64]}#{hashlib.sha256(text.encode()).hexdigest()}"
    return f"{rule} {text}" if group else rule


def _route(compiled: list[_Compiled]) -> _Route:
    broken = Index((_either(each.rule), each) for each in compiled)
    return _Route(broken, [each for each in compiled if each.rule.clear.recovery or each.rule.clear.match])


def _either(rule: Rule) -> Condition:
    """What a signal must meet to open or, by a `match`, to clear."""
    return Any((rule.condition, rule.clear.match)) if rule.clear.match else rule.condition


def _compile(rule: Rule) -> _Compiled:
    return _Compiled(
        rule=rule,
        holds=_unless(rule),
        clears=compile_condition(rule.clear.match) if rule.clear.match else lambda fields: False,
        raises=tuple((each.to, compile_condition(each.condition)) for each in rule.raises),
        group=tuple((part, values_at(parse_path(rule.path_of(part)))) for part in rule.group_by),
        clients=_clients(rule.clients),
    )


def _unless(rule: Rule) -> Holds:
    holds = compile_condition(rule.condition)
    if rule.exception is None:
        return holds
    excepted = compile_condition(rule.exception)
    return lambda fields: holds(fields) and not excepted(fields)


def _clients(clients: Clients) -> Callable[[Fields], tuple[str, ...] | Literal["all"]]:
    if clients.path is not None:
        values = values_at(clients.path)
        return lambda fields: _named(values(fields))
    if clients.kind == "all":
        return lambda fields: "all"
    names = clients.names or (INTERNAL,)
    return lambda fields: names


def _named(values: Iterable[Json]) -> tuple[str, ...]:
    """Names out of a signal, once each; none that can be read is nobody's yet."""
    names = dict.fromkeys(clean(str(v))[:120] for v in values if isinstance(v, str | int) and not isinstance(v, bool))
    return tuple(name for name in names if name) or (UNASSIGNED,)


def _single(values: Iterable[Json]) -> Json:
    """One value as it is, several as a list, none as null; whole floats as integers, which they equal."""
    plain = [int(v) if isinstance(v, float) and v.is_integer() else v for v in values]
    return plain[0] if len(plain) == 1 else plain or None
