"""Reads marked YAML by tables of key → parser, and gathers every mistake with its place."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, TypeAlias

from daemon.contract import parse_duration
from daemon.errors import Problem
from daemon.marked_yaml import Mark, MarkedList, MarkedMap
from daemon.model import Json
from daemon.rules.model import Names
from daemon.rules.paths import parse_path
from daemon.rules.template import Template, parse_template


class Mistake(Exception):
    """One value cannot be used. Its place is that of the value, unless `mark` says otherwise."""

    def __init__(self, message: str, hint: str = "", mark: Mark | None = None) -> None:
        super().__init__(message)
        self.message, self.hint, self.mark = message, hint, mark


class Reader:
    """One file's reading: what may be named, and what was wrong."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.problems: list[Problem] = []

    def report(self, mark: Mark, message: str, hint: str = "") -> None:
        self.problems.append(Problem(mark.file, mark.line, message, hint, mark.column))

    def attempt(self, parser: Parser, value: Json, mark: Mark) -> Any:
        """The parsed value; None, and a problem, if it cannot be used."""
        try:
            return parser(self, value, mark)
        except Mistake as mistake:
            self.report(mistake.mark or mark, mistake.message, mistake.hint)
            return None

    def table(self, value: Json, mark: Mark, parsers: Mapping[str, Parser], what: str, *needed: str) -> dict[str, Any]:
        """Each known key's parsed value; those that were wrong are left out, and reported."""
        if not isinstance(value, MarkedMap):
            raise Mistake(f"{what} is a map of keys, not {named(value)}.", one_of("Its keys are", parsers))
        for key in value:
            if key not in parsers:
                hint = nearest(key, parsers) or one_of("The keys are", parsers)
                self.report(value.key_mark(key), f"{what} has no key '{key}'.", hint)
        for key in needed:
            if key not in value:
                self.report(value.mark, f"{what} needs '{key}'.")
        parsed = {k: self.attempt(parsers[k], v, value.value_mark(k)) for k, v in value.items() if k in parsers}
        return {key: found for key, found in parsed.items() if found is not None}


Parser: TypeAlias = Callable[[Reader, Json, Mark], Any]


def nearest(word: str, known: Iterable[str]) -> str:
    """`Did you mean 'group_by'?`, or nothing if no known word is near."""
    close = difflib.get_close_matches(str(word), sorted(known), n=1, cutoff=0.6)
    return f"Did you mean '{close[0]}'?" if close else ""


def one_of(start: str, words: Iterable[Any]) -> str:
    return f"{start} {', '.join(map(str, words))}."


def named(value: Json) -> str:
    """A value as an operator would call it."""
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return "a map" if isinstance(value, dict) else "a list"
    return f"'{str(value).lower() if isinstance(value, bool) else value}'"


def mark_of(value: Json, otherwise: Mark) -> Mark:
    """Containers and texts know their place; numbers have that of what holds them."""
    mark = getattr(value, "mark", None)
    return mark if isinstance(mark, Mark) else otherwise


def plain(value: Json) -> Json:
    """The same without marks."""
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    return str(value) if isinstance(value, str) else value


def text(reader: Reader, value: Json, mark: Mark) -> str:
    if not isinstance(value, str) or not value.strip():
        raise Mistake(f"this is a text, not {named(value)}." if value != "" else "this text is empty.")
    return str(value)


def flag(reader: Reader, value: Json, mark: Mark) -> bool:
    if not isinstance(value, bool):
        raise Mistake(f"this is true or false, not {named(value)}.")
    return value


def whole(least: int) -> Parser:
    def parse(reader: Reader, value: Json, mark: Mark) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise Mistake(f"this is a whole number, at least {least}, not {named(value)}.")
        return value

    return parse


def duration(reader: Reader, value: Json, mark: Mark) -> timedelta:
    try:
        return parse_duration(value)
    except ValueError as error:
        raise Mistake(f"{error}.") from error


def word(what: str, known: Callable[[Names], Iterable[str]]) -> Parser:
    """One of the words that configuration or the language knows."""

    def parse(reader: Reader, value: Json, mark: Mark) -> str:
        words = sorted(known(reader.names))
        if value not in words:
            raise Mistake(f"there is no {what} {named(value)}.", nearest(value, words) or one_of("There is", words))
        return str(value)

    return parse


def several(parser: Parser) -> Parser:
    """A list; one alone may stand for a list of one."""

    def parse(reader: Reader, value: Json, mark: Mark) -> tuple[Any, ...]:
        parts = value if isinstance(value, MarkedList) else [value]
        if not parts:
            raise Mistake("this list is empty.")
        found = [reader.attempt(parser, part, mark_of(part, mark)) for part in parts]
        return tuple(part for part in found if part is not None)

    return parse


def path_text(reader: Reader, value: Json, mark: Mark) -> str:
    try:
        parse_path(text(reader, value, mark))
    except ValueError as error:
        raise Mistake(f"{error}.") from error
    return str(value)


def template(cap: int) -> Parser:
    def parse(reader: Reader, value: Json, mark: Mark) -> Template:
        try:
            return parse_template(text(reader, value, mark), cap)
        except ValueError as error:
            raise Mistake(f"{error}.") from error

    return parse


def severity(reader: Reader, value: Json, mark: Mark) -> int:
    known = sorted(reader.names.severities)
    if isinstance(value, bool) or value not in known:
        raise Mistake(f"there is no severity {named(value)}.", one_of("There is", known))
    return int(value)
