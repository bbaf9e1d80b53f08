"""Signals in, matches out. Pure: what is open, and what a window has seen so far, is the caller's to remember."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from daemon.model import INTERNAL, UNASSIGNED, Json, Polarity, Severity, Signal
from daemon.rules.compile import Program
from daemon.rules.conditions import All, Any, Condition, Holds, Not, compile_condition
from daemon.rules.model import Clients, Rule
from daemon.rules.paths import Fields, Values, parse_path, values_at
from daemon.rules.template import clean

_LONGEST_KEY = 200
NEVER = Any(())


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
    clears: Holds
    raises: tuple[tuple[Severity, Holds], ...]
    group: tuple[tuple[str, Values], ...]
    clients: Callable[[Fields], tuple[str, ...] | Literal["all"]]

    def group_of(self, fields: Fields) -> dict[str, Json]:
        return {path: _single(values(fields)) for path, values in self.group}

    def severity(self, fields: Fields) -> Severity:
        return min([self.rule.severity, *(to for to, holds in self.raises if holds(fields))])

    def reads(self, kind: str) -> bool:
        return not self.rule.kinds or kind in self.rule.kinds

    def names_its_group(self, fields: Fields) -> bool:
        """Or one object's recovery would clear another's trouble."""
        return all(values(fields) for _, values in self.group)

    def match(self, fields: Fields, *, recovered: bool) -> Match:
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


class _Route:
    """What one source name or type leads to."""

    def __init__(self, compiled: Sequence[_Compiled]) -> None:
        self._compiled = compiled
        self._opens = Program([opens(each.rule) for each in compiled])
        self._recovering = [each for each in compiled if each.rule.clear.recovery or each.rule.clear.match]
        self._clears: Callable[[Fields], Sequence[int]] = lambda fields: ()
        if any(each.rule.clear.match for each in compiled):
            self._clears = Program([each.rule.clear.match or NEVER for each in compiled])

    def told(self, signal: Signal) -> Iterable[tuple[_Compiled, bool]]:
        """Each rule that the signal speaks to, and whether it says that its trouble is over."""
        if signal.polarity is Polarity.RECOVERED:
            return self._recovered(signal)
        opened, over = self._opens(signal.fields), self._clears(signal.fields)
        return self._either(signal, opened, over) if opened or over else ()

    def _recovered(self, signal: Signal) -> Iterator[tuple[_Compiled, bool]]:
        """It need not look like the trouble."""
        for each in self._recovering:
            said = each.rule.clear.recovery or each.clears(signal.fields)
            if said and each.reads(signal.kind) and each.names_its_group(signal.fields):
                yield each, True

    def _either(self, signal: Signal, opened: Sequence[int], over: Sequence[int]) -> Iterator[tuple[_Compiled, bool]]:
        """What is the trouble itself does not clear it."""
        for number in sorted({*opened, *over}):
            each = self._compiled[number]
            recovered = number not in opened
            if each.reads(signal.kind) and (not recovered or each.names_its_group(signal.fields)):
                yield each, recovered


class Engine:
    """The rules compiled. Holds no state; safe in several threads."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        by_source: dict[str, list[_Compiled]] = {}
        for rule in rules:
            compiled = _compile(rule)
            for source in dict.fromkeys(rule.sources):
                by_source.setdefault(source, []).append(compiled)
        self._routes = {source: _Route(compiled) for source, compiled in by_source.items()}

    def match(self, signal: Signal) -> tuple[Match, ...]:
        """Each rule's match, once, in the order of the rules within a type and then within a name."""
        matches: dict[str, Match] = {}
        for name in (signal.type,) if signal.type == signal.source else (signal.type, signal.source):
            route = self._routes.get(name)
            for each, recovered in route.told(signal) if route else ():
                if each.rule.id not in matches:
                    matches[each.rule.id] = each.match(signal.fields, recovered=recovered)
        return tuple(matches.values())


def incident_key(rule: str, group: Mapping[str, Json]) -> str:
    """Stable text of a rule and a group; a long one is cut and told apart by a hash."""
    text = json.dumps(group, sort_keys=True, separators=(",", ":"), default=str)
    if len(text) > _LONGEST_KEY:
        text = f"{text[: _LONGEST_KEY - 64]}#{hashlib.sha256(text.encode()).hexdigest()}"
    return f"{rule} {text}" if group else rule


def _compile(rule: Rule) -> _Compiled:
    return _Compiled(
        rule=rule,
        clears=compile_condition(rule.clear.match) if rule.clear.match else lambda fields: False,
        raises=tuple((each.to, compile_condition(each.condition)) for each in rule.raises),
        group=tuple((part, values_at(parse_path(rule.path_of(part)))) for part in rule.group_by),
        clients=_clients(rule.clients),
    )


def opens(rule: Rule) -> Condition:
    """What a signal must meet to be the trouble."""
    return All((rule.condition, Not(rule.exception))) if rule.exception else rule.condition


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
