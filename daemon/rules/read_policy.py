"""`policy/`: files of lists, problems, maintenance windows and inhibitions. All of it is taken, or none."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

from daemon.errors import ConfigError
from daemon.errors import Problem as Slip
from daemon.marked_yaml import Mark, MarkedList, MarkedMap, load
from daemon.model import Json
from daemon.rules.load import rule_files, shown_as
from daemon.rules.model import Clear, Names
from daemon.rules.policy import ALL_DAYS, Inhibition, Maintenance, Problem, RulePolicy
from daemon.rules.read_rule import RULE
from daemon.rules.reader import Mistake, Parser, Reader, mark_of, named, nearest, one_of, plain, several, text
from daemon.rules.selectors import field, selector
from daemon.rules.words import NAME, POLICY
from daemon.sla import reader as sla
from daemon.sla.read_calendars import weekdays

KEYS = tuple(POLICY)


def load_policy(folder: Path, names: Names) -> RulePolicy:
    """What every file under the folder says; nothing, if there is no such folder.

    Raises ConfigError with every problem of every file.
    """
    slips: list[Slip] = []
    files: list[MarkedMap] = []
    digest = hashlib.sha256()
    for path in rule_files(folder):
        name = shown_as(folder, path)
        try:
            value = load(path, shown=name)
            content = path.read_bytes()
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
            files += _file(value, name)
        except ConfigError as error:
            slips += error.problems
    reading = _Reading(names)
    policy = reading.policy(files)
    if slips or reading.slips:
        raise ConfigError([*slips, *reading.slips])
    return replace(policy, hash=digest.hexdigest())


def with_policy(names: Names, policy: RulePolicy) -> Names:
    """What rules may name, once `policy/` is read."""
    return replace(names, lists=policy.lists, problems=frozenset(policy.problems))


def _file(value: Json, name: str) -> Iterator[MarkedMap]:
    """The map of a file; nothing of one that holds comments alone."""
    if isinstance(value, MarkedMap):
        yield value
    elif value is not None:
        hint = one_of("Its keys are", KEYS)
        raise ConfigError([mark_of(value, Mark(name, 1, 1)).problem(f"this is a map, not {named(value)}.", hint)])


class _Reading:
    """The reading of the whole folder: lists first, for a problem's condition may name one."""

    def __init__(self, names: Names) -> None:
        self._reader = Reader(names)
        self._seen: dict[tuple[str, str], Mark] = {}

    @property
    def slips(self) -> list[Slip]:
        return self._reader.problems

    def policy(self, files: list[MarkedMap]) -> RulePolicy:
        for file in files:
            for key in file:
                if key not in KEYS:
                    hint = nearest(key, KEYS) or one_of("The keys are", KEYS)
                    self._reader.report(file.key_mark(key), f"a file of policy has no key '{key}'.", hint)
        lists = dict(self._named(files, "lists", "list", _list))
        self._reader.names = replace(self._reader.names, lists=lists)
        problems = dict(self._named(files, "problems", "problem", _problem))
        known = frozenset(name for kind, name in self._seen if kind == "problem")
        self._reader.names = replace(self._reader.names, problems=known)
        return RulePolicy(
            lists,
            {name: replace(problem, name=name) for name, problem in problems.items()},
            tuple(self._listed(files, "maintenance", "maintenance window", _maintenance)),
            tuple(self._listed(files, "inhibitions", "inhibition", _inhibition)),
        )

    def _named(self, files: list[MarkedMap], key: str, what: str, parser: Parser) -> Iterator[tuple[str, Any]]:
        """What stands under a key of any file, by its name."""
        for file in files:
            table = file.get(key)
            if not isinstance(table, MarkedMap):
                if key in file:
                    self._reader.report(file.value_mark(key), f"'{key}' is a map of names, not {named(table)}.")
                continue
            for name, value in table.items():
                if self._is_new(what, name, table.key_mark(name)):
                    found = self._reader.attempt(parser, value, table.value_mark(name))
                    if found is not None:
                        yield str(name), found

    def _listed(self, files: list[MarkedMap], key: str, what: str, parser: Parser) -> Iterator[Any]:
        for file in files:
            entries = file.get(key)
            if not isinstance(entries, MarkedList):
                if key in file:
                    hint = f"Begin each {what} with '- name: …'."
                    self._reader.report(file.value_mark(key), f"'{key}' is a list, not {named(entries)}.", hint)
                continue
            for index, value in enumerate(entries):
                found = self._reader.attempt(parser, value, entries.item_mark(index))
                if found is not None and self._is_new(what, found.name, entries.item_mark(index)):
                    yield found

    def _is_new(self, what: str, name: Json, mark: Mark) -> bool:
        if not isinstance(name, str) or not NAME.fullmatch(name):
            hint = "Use small letters, digits, - and _."
            self._reader.report(mark, f"{named(name)} is no name for a {what}.", hint)
            return False
        first = self._seen.setdefault((what, str(name)), mark)
        if first is not mark:
            self._reader.report(mark, f"there is already a {what} '{name}', at {first.file}:{first.line}.")
        return first is mark


def _list(reader: Reader, value: Json, mark: Mark) -> tuple[Json, ...]:
    if not isinstance(value, MarkedList):
        raise Mistake(f"a list of values is written [a, b], not {named(value)}.")
    if not value:
        raise Mistake("this list is empty, so nothing could ever be in it.")
    for index, entry in enumerate(value):
        if entry is None or isinstance(entry, dict | list):
            raise Mistake(f"a list holds plain values, not {named(entry)}.", mark=value.item_mark(index))
    return tuple(plain(value))


def _problem(reader: Reader, value: Json, mark: Mark) -> Problem | None:
    said = reader.table(value, mark, PROBLEM, "a problem", "key", "class")
    if "key" not in said or "class" not in said:
        return None
    return Problem(
        name="",
        key=said["key"],
        class_=said["class"],
        clear=said.get("clear", Clear(quiet_for=timedelta(hours=1))),
        reopen_within=said.get("reopen_within", timedelta(hours=1)),
        team=said.get("team", ""),
    )


def _maintenance(reader: Reader, value: Json, mark: Mark) -> Maintenance | None:
    said = reader.table(value, mark, MAINTENANCE, "a maintenance window", "name", "hold")
    assert isinstance(value, MarkedMap)
    once = [key for key in _ONCE if key in value]
    if not once and "between" not in value:
        hint = 'Write between: "22:00-02:00" for one that recurs, or begins: and ends: for one that opens once.'
        raise Mistake("a maintenance window needs to say when it opens.", hint)
    if once:
        _check_once(reader, value, said)
    elif said.get("until") and said.get("from") and said["until"] < said["from"]:
        reader.report(value.value_mark("until"), "'until' is before 'from', so this never opens.")
    if not {"name", "hold"} <= set(said):
        return None
    opens, closes = said.get("between", (None, None))
    days = frozenset() if once else said.get("days", ALL_DAYS)
    return Maintenance(
        said["name"], said["hold"], said.get("tz", "UTC"), days, opens, closes, said.get("from"), said.get("until"),
        said.get("begins"), said.get("ends"), said.get("reason", ""), mark.file, mark.line,
    )  # fmt: skip


def _check_once(reader: Reader, value: MarkedMap, said: Mapping[str, Any]) -> None:
    for key in _RECURRING:
        if key in value:
            message = f"'{key}' is of a window that recurs, and this one has '{next(k for k in _ONCE if k in value)}'."
            reader.report(value.key_mark(key), message)
    for key in _ONCE:
        if key not in value:
            reader.report(value.mark, f"a maintenance window that opens once needs '{key}'.")
    begins, ends = said.get("begins"), said.get("ends")
    if isinstance(begins, datetime) and isinstance(ends, datetime) and ends <= begins:
        reader.report(value.value_mark("ends"), "'ends' is not after 'begins', so this never opens.")


def _inhibition(reader: Reader, value: Json, mark: Mark) -> Inhibition | None:
    said = reader.table(value, mark, INHIBITION, "an inhibition", "name", "while", "hold")
    if not {"name", "while", "hold"} <= set(said):
        return None
    equal = said.get("equal", ("location",))
    return Inhibition(said["name"], said["while"], said["hold"], equal, mark.file, mark.line)


def _sla(parse: Callable[[Any], Any]) -> Parser:
    """What promises and rules write alike."""

    def parser(reader: Reader, value: Json, mark: Mark) -> Any:
        try:
            return parse(value)
        except sla.Wrong as wrong:
            raise Mistake(wrong.message, wrong.hint) from wrong

    return parser


def _days(reader: Reader, value: Json, mark: Mark) -> frozenset[int]:
    spans = several(_sla(weekdays))(reader, value, mark)
    return frozenset(day for span in spans for day in span)


def _between(value: Any) -> tuple[time, time]:
    opens, closes = sla.window(value)
    return _wall(opens), _wall(closes)


def _wall(minute: int) -> time:
    return time(minute // 60 % 24, minute % 60)


_ONCE = ("begins", "ends")
_RECURRING = ("tz", "days", "between", "from", "until")

PROBLEM: Mapping[str, Parser] = {
    "key": several(text),
    "class": RULE["class"],
    "clear": RULE["clear"],
    "team": RULE["team"],
    "reopen_within": RULE["reopen_within"],
}
MAINTENANCE: Mapping[str, Parser] = {
    "name": text,
    "hold": selector,
    "tz": _sla(sla.zone_name),
    "days": _days,
    "between": _sla(_between),
    "from": _sla(sla.calendar_date),
    "until": _sla(sla.calendar_date),
    "begins": _sla(sla.moment),
    "ends": _sla(sla.moment),
    "reason": text,
}
INHIBITION: Mapping[str, Parser] = {"name": text, "while": selector, "hold": selector, "equal": several(field)}
