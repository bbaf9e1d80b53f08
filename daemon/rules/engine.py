"""Signals in, matches out. Pure: what is open, and what a window has seen so far, is the caller's to remember."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from daemon.model import INTERNAL, PROBLEM_KEY, SHADOW_KEY, UNASSIGNED, Json, Polarity, Severity, Signal
from daemon.rules.compile import Program
from daemon.rules.conditions import All, Condition, Holds, Not, as_number, compile_condition
from daemon.rules.model import (
    NEVER,
    Aggregate,
    Change,
    Clients,
    Count,
    Distinct,
    Drop,
    FirstSeen,
    Ratio,
    Rule,
    Spike,
    Step,
    Window,
)
from daemon.rules.model import Sequence as Sequential
from daemon.rules.paths import Fields, Values, parse_path, values_at
from daemon.rules.template import clean
from daemon.rules.windows import Mover

_LONGEST_KEY = 200
_RECOVERED = Polarity.RECOVERED
_as_text = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=str).encode


class Match(NamedTuple):
    """One rule's word on one signal. What only an opening asks for is worked out when it does."""

    rule: Rule
    group: Mapping[str, Json]
    """Path → value, as `group_by` names them."""
    key: str
    """Rule and group: the same text for the same incident, for ever. At most 264 characters and the rule's id."""
    recovered: bool
    """The signal says that the trouble of this group is over; it opens nothing."""
    severity: Severity
    clients: tuple[str, ...] | Literal["all"]
    """As the signal names them: they need not be configured ones."""
    shown: Fields
    """What the title and the location may show."""

    @property
    def title(self) -> str:
        return self.rule.title.render(self.shown)

    @property
    def location(self) -> str:
        return self.rule.location.render(self.shown)

    @property
    def incident(self) -> str:
        """The key of its incident: the rule's problem, or itself, with the parts that tell incidents apart. What a
        rule in shadow would open is told apart from what it opens once it is live."""
        rule = self.rule
        shadow = "" if rule.stage == "live" else SHADOW_KEY
        if rule.key is None and not rule.problem:
            return shadow + self.key
        parts = self.group if rule.key is None else {part: self.group.get(part) for part in rule.key}
        return shadow + incident_key(f"{PROBLEM_KEY}{rule.problem}" if rule.problem else rule.id, parts)


@dataclass(frozen=True, slots=True)
class _Compiled:
    rule: Rule
    look: Callable[[Signal], Json]
    mover: Mover | None
    clears: Holds
    raises: tuple[tuple[Severity, Holds], ...]
    group: tuple[tuple[str, Values], ...]
    clients: Callable[[Fields], tuple[str, ...] | Literal["all"]]

    def group_of(self, fields: Fields) -> dict[str, Json]:
        return {path: _single(values(fields)) for path, values in self.group}

    def severity(self, fields: Fields) -> Severity:
        worst = self.rule.severity
        for to, holds in self.raises:
            if to < worst and holds(fields):
                worst = to
        return worst

    def reads(self, kind: str) -> bool:
        return not self.rule.kinds or kind in self.rule.kinds

    def names_its_group(self, fields: Fields) -> bool:
        """Or one object's recovery would clear another's trouble."""
        return all(values(fields) for _, values in self.group)

    def match(self, fields: Fields, *, recovered: bool) -> Match:
        return self.of_group(fields, self.group_of(fields), recovered=recovered)

    def of_group(self, fields: Fields, group: Mapping[str, Json], *, recovered: bool = False) -> Match:
        """Titles and locations may show the group's parts by their names."""
        shown = {**fields, **group} if self.rule.aliases or self.rule.over else fields
        key = incident_key(self.rule.id, group)
        return Match(self.rule, group, key, recovered, self.severity(fields), self.clients(shown), shown)


class _Route:
    """What one source name or type leads to."""

    def __init__(self, compiled: Sequence[_Compiled]) -> None:
        self._compiled = compiled
        self._opens = Program([opens(each.rule) for each in compiled]).holding
        self._recovering = [each for each in compiled if each.rule.clear.recovery or each.rule.clear.match]
        self._clears: Callable[[Fields], Sequence[int]] | None = None
        if any(each.rule.clear.match for each in compiled):
            self._clears = Program([each.rule.clear.match or NEVER for each in compiled]).holding

    def match(self, signal: Signal) -> tuple[Match, ...]:
        """The word of each rule that the signal speaks to."""
        if signal.polarity is _RECOVERED:
            return tuple(self._recovered(signal))
        opened = self._opens(signal.fields)
        over = self._clears(signal.fields) if self._clears else ()
        if over:
            return tuple(self._either(signal, opened, over))
        return tuple(self._opened(signal, opened)) if opened else ()

    def _opened(self, signal: Signal, opened: Sequence[int]) -> list[Match]:
        told = [self._compiled[number] for number in opened]
        return [each.match(signal.fields, recovered=False) for each in told if each.reads(signal.kind)]

    def _recovered(self, signal: Signal) -> Iterator[Match]:
        """It need not look like the trouble."""
        for each in self._recovering:
            said = each.rule.clear.recovery or each.clears(signal.fields)
            if said and each.reads(signal.kind) and each.names_its_group(signal.fields):
                yield each.match(signal.fields, recovered=True)

    def _either(self, signal: Signal, opened: Sequence[int], over: Sequence[int]) -> Iterator[Match]:
        """What is the trouble itself does not clear it."""
        for number in sorted({*opened, *over}):
            each = self._compiled[number]
            recovered = number not in opened
            if each.reads(signal.kind) and (not recovered or each.names_its_group(signal.fields)):
                yield each.match(signal.fields, recovered=recovered)


class Engine:
    """The rules compiled. Holds no state; safe in several threads."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        by_source: dict[str, list[_Compiled]] = {}
        self._compiled = {rule.id: _compile(rule) for rule in rules}
        for compiled in self._compiled.values():
            for source in dict.fromkeys(compiled.rule.sources):
                by_source.setdefault(source, []).append(compiled)
        self._routes = {source: _Route(compiled) for source, compiled in by_source.items()}
        self._steps = {
            (rule.id, number): _parts(rule, step, self.rules)
            for rule in self.rules.values()
            for number, step in enumerate(rule.over)
        }

    @cached_property
    def rules(self) -> Mapping[str, Rule]:
        """By their ids."""
        return {id: compiled.rule for id, compiled in self._compiled.items()}

    @cached_property
    def over(self) -> Mapping[str, Sequence[tuple[Rule, int]]]:
        """By the id of each rule that others stand on: those, and as which of their steps."""
        found: dict[str, list[tuple[Rule, int]]] = {}
        for rule in self.rules.values():
            for number, step in enumerate(rule.over):
                found.setdefault(step.rule, []).append((rule, number))
        return found

    def word(self, rule: str, signal: Signal) -> Match:
        """What the rule says of a signal that is its evidence, whether or not it would match it today."""
        return self._compiled[rule].match(signal.fields, recovered=False)

    def word_over(self, rule: str, step: int, signal: Signal) -> Match:
        """What a rule over others says of a signal on which its step `step` fired."""
        group = {part: _single(values(signal.fields)) for part, values in self._steps[rule, step]}
        return self._compiled[rule].of_group(signal.fields, group)

    def weighs(self, over: Match, step: int, signal: Signal) -> Json:
        """What the window of a rule over others looks at in a signal on which its step fired; None if there is nothing.

        A Sigma correlation leaves out what lacks a part of its group, as Sigma's own backends do.
        """
        if over.rule.origin == "sigma" and None in over.group.values():
            return None
        return step if isinstance(over.rule.window, Sequential) else self.seen(over.rule, signal)

    def silence(self, rule: str, group: Mapping[str, Json]) -> Match:
        """What the rule says of a group of which there is no signal."""
        compiled = self._compiled[rule]
        fields: dict[str, Json] = {}
        for part, value in group.items():
            _put(fields, parse_path(compiled.rule.path_of(part)).names, value)
        return compiled.of_group(fields, group)

    def seen(self, rule: Rule, signal: Signal) -> Json:
        """What the rule's window looks at in a signal; None if there is nothing."""
        return self._compiled[rule.id].look(signal)

    def mover(self, rule: str) -> Mover:
        """Of a rule that has a window."""
        found = self._compiled[rule].mover
        assert found is not None
        return found

    def match(self, signal: Signal) -> tuple[Match, ...]:
        """Each rule's match, once, in the order of the rules within a type and then within a name."""
        route = self._routes.get(signal.type)
        found = route.match(signal) if route else ()
        if signal.source == signal.type or not (named := self._routes.get(signal.source)):
            return found
        known = {match.rule.id for match in found}
        return found + tuple(match for match in named.match(signal) if match.rule.id not in known)


def incident_key(rule: str, group: Mapping[str, Json]) -> str:
    """Stable text of a rule and a group; a long one is cut and told apart by a hash."""
    if not group:
        return rule
    text = _as_text(group)
    if len(text) > _LONGEST_KEY:
        text = f"{text[: _LONGEST_KEY - 64]}#{hashlib.sha256(text.encode()).hexdigest()}"
    return f"{rule} {text}"


def _put(fields: dict[str, Json], names: Sequence[str], value: Json) -> None:
    for name in names[:-1]:
        fields = fields.setdefault(name, {})
    fields[names[-1]] = value


def _parts(rule: Rule, step: Step, rules: Mapping[str, Rule]) -> Sequence[tuple[str, Values]]:
    """Where each part of the group stands in the signals of a step's rule."""
    base = rules[step.rule]
    paths = {
        part: step.by.get(part) or (base.path_of(part) if part in base.group_by else part) for part in rule.group_by
    }
    return [(part, values_at(parse_path(path))) for part, path in paths.items()]


def _look(window: Window | None) -> Callable[[Signal], Json]:
    match window:
        case Count(of="count_delta") | Spike(of="count_delta") | Drop(of="count_delta"):
            return lambda signal: signal.count_delta
        case Distinct(path=path) | FirstSeen(path=path) | Change(path=path):
            values = values_at(path)
            return lambda signal: _single(values(signal.fields))
        case Aggregate(function=function, path=path):
            numbers = values_at(path)
            return lambda signal: _number(numbers(signal.fields), 0 if function == "sum" else None)
        case Ratio(condition=condition):
            holds = compile_condition(condition)
            return lambda signal: holds(signal.fields)
        case _:
            return lambda signal: 1


def _number(values: Iterable[Json], least: float | None) -> float | None:
    """The first that is a number, or a text that is one."""
    for value in values:
        number = as_number(value)
        if number is not None:
            return number if least is None else max(number, least)
    return None


def _compile(rule: Rule) -> _Compiled:
    return _Compiled(
        rule=rule,
        look=_look(rule.window),
        mover=None if rule.window is None else Mover(rule.window),
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
