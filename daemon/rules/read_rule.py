"""One rule file: its keys, what each may say, and what is meant where it says nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from daemon.marked_yaml import Mark, MarkedList, MarkedMap
from daemon.model import Json
from daemon.rules.model import NEVER, Absent, Clear, Clients, Drop, Names, Raise, Rule, Sequence
from daemon.rules.paths import parse_path
from daemon.rules.read_condition import condition
from daemon.rules.read_test import read_tests
from daemon.rules.read_window import step, window
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
    word,
)


def read_rule(reader: Reader, id: str, value: Json, mark: Mark) -> Rule | None:
    """The rule, or None with the problems in the reader."""
    said = reader.attempt(_rule, value, mark)
    if said is None or reader.problems:
        return None
    keys = {_FIELDS.get(key, key): found for key, found in said.items()}
    keys["group_by"], keys["aliases"] = keys.get("group_by", ((), {}))
    keys.setdefault("class_", "")  # a problem's rules have the problem's
    if isinstance(keys.get("window"), Sequence):
        keys["over"] = keys["window"].steps
    if "over" in keys:
        keys |= {"sources": (), "condition": NEVER}
    keys.setdefault("clear", _default_clear(reader.names, keys))
    return Rule(id=id, file=mark.file, line=mark.line, **keys)


def _rule(reader: Reader, value: Json, mark: Mark) -> dict[str, Any]:
    needed = ["title", "severity", *_needed(value)]
    said = reader.table(value, mark, RULE, "a rule", *needed)
    _check_over(reader, value, said)
    _check_recovery(reader, value, said)
    _check_key(reader, value, said)
    _check_expected(reader, value, said)
    _check_raises(reader, value, said)
    if "tests" in said:
        kind = said.get("kind", ("",))[0]
        sources = said.get("source") or ("",)
        said["tests"] = read_tests(reader, said["tests"], sources[0], kind)
    return said


def _needed(value: Json) -> Iterator[str]:
    """What a rule must say beside title and severity."""
    if not isinstance(value, MarkedMap):
        return
    if not _reads_rules(value):
        yield from ("source", "match")
    if "problem" not in value:
        yield "class"


def _reads_rules(value: MarkedMap) -> bool:
    """Whether its window sees what other rules found, and no signals of its own."""
    return "over" in value or (isinstance(value.get("window"), MarkedMap) and "sequence" in value["window"])


def _check_over(reader: Reader, value: MarkedMap, said: Mapping[str, Any]) -> None:
    if not _reads_rules(value):
        return
    for key in ("source", "kind", "match", "unless"):
        if key in value:
            reader.report(value.key_mark(key), f"a rule over other rules has no '{key}' of its own.")
    if "over" in value and isinstance(said.get("window"), Sequence):
        reader.report(value.key_mark("over"), "a sequence names its rules as its steps, not by 'over'.")
    if "over" in value and "window" not in value:
        reader.report(value.key_mark("over"), "'over' needs a 'window'.")


def _check_recovery(reader: Reader, value: MarkedMap, said: Mapping[str, Any]) -> None:
    if "clear" in said and said["clear"].recovery and "group_by" not in value:
        hint = "Name the fields that tell objects apart, such as group_by: [id]."
        message = "'recovery' needs 'group_by', or the recovery of any object would clear this."
        reader.report(value.key_mark("clear"), message, hint)
    for key in ("clear", "class", "key", "team", "reopen_within"):
        if "problem" in value and key in value:
            reader.report(value.key_mark(key), f"'{key}' is the problem's to say, not its rules'.")


def _check_key(reader: Reader, value: MarkedMap, said: Mapping[str, Any]) -> None:
    parts = said.get("group_by", ((), {}))[0]
    for name in said.get("key", ()):
        if name not in parts:
            hint = nearest(name, parts) or "Name parts of group_by."
            reader.report(value.key_mark("key"), f"'{name}' is no part of 'group_by'.", hint)


def _check_expected(reader: Reader, value: MarkedMap, said: Mapping[str, Any]) -> None:
    found, parts = said.get("window"), said.get("group_by", ((), {}))[0]
    if isinstance(found, Absent) and any(len(group) != len(parts) for group in found.expect):
        message = f"each group of 'expect' has {len(parts)} values, one for each part of 'group_by'."
        reader.report(value.key_mark("window"), message, "" if parts else "Name the parts by group_by.")


def _check_raises(reader: Reader, value: MarkedMap, said: Mapping[str, Any]) -> None:
    for entry in said.get("raise", ()):
        if "severity" in said and entry.to >= said["severity"]:
            message = f"'raise' to {entry.to} is not worse than severity {said['severity']}."
            reader.report(value.key_mark("raise"), message, "1 is the worst.")


def _default_clear(names: Names, keys: Mapping[str, Any]) -> Clear:
    """What is quiet by nature is over when it is heard again. Else recovery, where the sources tell of it and the
    group names the object; else an hour of quiet."""
    if isinstance(keys.get("window"), Absent | Drop):
        return Clear()
    types = {names.sources.get(source, source) for source in keys["sources"]}
    if types and types <= names.recovering and "id" in keys["group_by"]:
        return Clear(recovery=True)
    return Clear(quiet_for=timedelta(hours=1))


def _group(reader: Reader, value: Json, mark: Mark) -> tuple[tuple[str, ...], dict[str, str]]:
    """Names of parts, and the paths of those that are named otherwise."""
    if not isinstance(value, MarkedMap):
        return several(path_text)(reader, value, mark), {}
    if not value:
        raise Mistake("this map is empty.")
    paths = {str(name): reader.attempt(path_text, path, value.value_mark(name)) for name, path in value.items()}
    return tuple(paths), {name: path for name, path in paths.items() if path and name != path}


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
    "group_by": _group,
    "key": several(text),
    "over": several(step),
    "window": window,
    "severity": severity,
    "raise": several(_raise),
    "class": word("class", lambda names: names.classes),
    "location": template(200),
    "problem": word("problem", lambda names: names.problems),
    "team": word("team", lambda names: names.teams),
    "clients": _clients,
    "clear": _clear,
    "reopen_within": duration,
    "then": several(word("role", lambda names: names.roles)),
    "stage": _one_word("stage", "live", "shadow"),
    "silent": flag,
    "runbook": text,
    "false_positives": several(text),
    "tests": _kept,
}
"""Every key of a rule. `tests` are read last, for they follow the rule's own source."""

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
