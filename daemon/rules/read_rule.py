"""One rule file: its keys, what each may say, and what is meant where it says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from daemon.marked_yaml import Mark, MarkedList, MarkedMap
from daemon.model import Json
from daemon.rules.model import Clear, Clients, Names, Raise, Rule, Window
from daemon.rules.paths import parse_path
from daemon.rules.read_condition import condition
from daemon.rules.read_test import read_tests
from daemon.rules.reader import (
    Mistake,
    Parser,
    Reader,
    duration,
    flag,
    named,
    nearest,
    one_of,
    path_text,
    several,
    severity,
    template,
    text,
    whole,
    word,
)

MOST_COUNTED = 10_000
"""Windows keep every signal that they count."""


def read_rule(reader: Reader, id: str, value: Json, mark: Mark) -> Rule | None:
    """The rule, or None with the problems in the reader."""
    said = reader.attempt(_rule, value, mark)
    if said is None or reader.problems:
        return None
    keys = {_FIELDS.get(key, key): found for key, found in said.items()}
    keys.setdefault("clear", _default_clear(reader.names, keys["sources"], keys.get("group_by", ())))
    return Rule(id=id, file=mark.file, line=mark.line, **keys)


def _rule(reader: Reader, value: Json, mark: Mark) -> dict[str, Any]:
    said = reader.table(value, mark, RULE, "a rule", "title", "source", "match", "severity", "class")
    _check_recovery(reader, value, said)
    _check_raises(reader, value, said)
    if "tests" in said and said.get("source"):
        kind = said.get("kind", ("",))[0]
        said["tests"] = read_tests(reader, said["tests"], said["source"][0], kind)
    return said


def _check_recovery(reader: Reader, value: MarkedMap, said: Mapping[str, Any]) -> None:
    if "clear" in said and said["clear"].recovery and "group_by" not in value:
        hint = "Name the fields that tell objects apart, such as group_by: [id]."
        message = "'recovery' needs 'group_by', or the recovery of any object would clear this."
        reader.report(value.key_mark("clear"), message, hint)


def _check_raises(reader: Reader, value: MarkedMap, said: Mapping[str, Any]) -> None:
    for entry in said.get("raise", ()):
        if "severity" in said and entry.to >= said["severity"]:
            message = f"'raise' to {entry.to} is not worse than severity {said['severity']}."
            reader.report(value.key_mark("raise"), message, "1 is the worst.")


def _default_clear(names: Names, sources: tuple[str, ...], group_by: tuple[str, ...]) -> Clear:
    """Recovery, where the sources tell of it and the group names the object; else an hour of quiet."""
    types = {names.sources.get(source, source) for source in sources}
    if types <= names.recovering and "id" in group_by:
        return Clear(recovery=True)
    return Clear(quiet_for=timedelta(hours=1))


def _window(reader: Reader, value: Json, mark: Mark) -> Window:
    said = reader.table(value, mark, WINDOW, "a window", "count", "within")
    if said.get("count", 0) > MOST_COUNTED:
        raise Mistake(f"a window counts to {MOST_COUNTED} at most.", mark=value.value_mark("count"))
    return Window(said.get("count", 1), said.get("within", timedelta(0)), said.get("of", "signals"))


def _raise(reader: Reader, value: Json, mark: Mark) -> Raise | None:
    said = reader.table(value, mark, RAISE, "an entry of 'raise'", "to", "match")
    return Raise(said["to"], said["match"]) if len(said) == 2 else None


def _clear(reader: Reader, value: Json, mark: Mark) -> Clear:
    if value == "never":
        return Clear()
    if value == "recovery":
        return Clear(recovery=True)
    if not isinstance(value, MarkedMap):
        hint = "Write recovery, never, {quiet_for: 30m}, or {match: {…}}."
        raise Mistake(f"'clear' says when the trouble is over; {named(value)} does not.", hint)
    if not value:
        raise Mistake("'clear' is empty.", "Write clear: never if only people may end it.")
    return Clear(**reader.table(value, mark, CLEAR, "'clear'"))


def _clients(reader: Reader, value: Json, mark: Mark) -> Clients:
    if isinstance(value, MarkedList):
        return Clients("names", several(word("client", lambda names: names.clients))(reader, value, mark))
    if isinstance(value, MarkedMap):
        said = reader.table(value, mark, {"from": path_text}, "'clients'", "from")
        return Clients("from", path=parse_path(said["from"])) if said else Clients()
    if value in ("none", "all"):
        return Clients("all" if value == "all" else "none")
    raise Mistake(f"'clients' cannot be {named(value)}.", "Write none, all, a list of names, or {from: path}.")


def _source(reader: Reader, value: Json, mark: Mark) -> str:
    known = sorted({*reader.names.sources, *reader.names.types})
    if value not in known:
        hint = nearest(value, known) or one_of("There is", known)
        raise Mistake(f"there is no source or source type {named(value)}.", hint)
    return str(value)


def _kind(reader: Reader, value: Json, mark: Mark) -> str:
    known = reader.names.kinds
    return word("kind", lambda names: names.kinds)(reader, value, mark) if known else text(reader, value, mark)


def _kept(reader: Reader, value: Json, mark: Mark) -> Json:
    return value


def _one_word(what: str, *words: str) -> Parser:
    return word(what, lambda _: words)


RULE: Mapping[str, Parser] = {
    "title": template(200),
    "source": several(_source),
    "kind": several(_kind),
    "match": condition,
    "unless": condition,
    "group_by": several(path_text),
    "window": _window,
    "severity": severity,
    "raise": several(_raise),
    "class": word("class", lambda names: names.classes),
    "location": template(200),
    "team": word("team", lambda names: names.teams),
    "clients": _clients,
    "clear": _clear,
    "reopen_within": duration,
    "then": several(word("role", lambda names: names.roles)),
    "stage": _one_word("stage", "live", "shadow"),
    "silent": flag,
    "runbook": text,
    "tests": _kept,
}
"""Every key of a rule. `tests` are read last, for they follow the rule's own source."""

WINDOW: Mapping[str, Parser] = {
    "count": whole(1),
    "within": duration,
    "of": _one_word("thing to count", "signals", "count_delta"),
}
RAISE: Mapping[str, Parser] = {"to": severity, "match": condition}
CLEAR: Mapping[str, Parser] = {"quiet_for": duration, "recovery": flag, "match": condition}

_FIELDS: Mapping[str, str] = {
    "source": "sources",
    "kind": "kinds",
    "match": "condition",
    "unless": "exception",
    "raise": "raises",
    "class": "class_",
}
"""Where a key and the field of `Rule` that holds it differ."""
