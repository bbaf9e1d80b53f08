"""YAML whose values know their file and line, read strictly.

Scalars are those of YAML 1.2's core schema: `no`, `on` and `12:30` are strings, `0o17` is a number. Anchors, aliases,
merge keys, tags, directives, repeated keys and a second document are mistakes; so is a number with leading zeros, which
would lose them (an AWS account's id). Values are built from the parser's events, so that neither a deep nor a
self-multiplying file can cost more than its own length.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from daemon.errors import ConfigError, Problem

LARGEST = 1_000_000
DEEPEST = 50
_LONGEST_NUMBER = 100

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_WORDS: dict[str, bool | None] = dict.fromkeys(("", "~", "null", "Null", "NULL"))
_WORDS |= dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(("false", "False", "FALSE"), False)
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_ENDLESS = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")


@dataclass(frozen=True, slots=True)
class Mark:
    """Where something stands; line and column count from 1."""

    file: str
    line: int
    column: int

    def problem(self, message: str, hint: str = "") -> Problem:
        return Problem(self.file, self.line, message, hint, self.column)


class MarkedStr(str):
    __slots__ = ("mark",)
    mark: Mark

    def __new__(cls, text: str, mark: Mark) -> Self:
        made = super().__new__(cls, text)
        made.mark = mark
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


class MarkedList(list[Any]):
    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self._items: list[Mark] = []

    def add(self, value: Any, mark: Mark) -> None:
        self.append(value)
        self._items.append(mark)

    def item_mark(self, index: int) -> Mark:
        return self._items[index]


class MarkedMap(dict[Any, Any]):
    """Keys are strings, or integers where they were written as such."""

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self._marks: dict[Any, tuple[Mark, Mark]] = {}

    def add(self, key: Hashable, value: Any, key_mark: Mark, value_mark: Mark) -> None:
        self[key] = value
        self._marks[key] = (key_mark, value_mark)

    def key_mark(self, key: Hashable) -> Mark:
        return self._marks[key][0]

    def value_mark(self, key: Hashable) -> Mark:
        return self._marks[key][1]


def load(path: Path, *, shown: str | None = None) -> Any:
    """The value in a file; `shown` is what messages call the file. Raises ConfigError."""
    file = shown or str(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except OSError as error:
        raise ConfigError([Problem(file, 0, f"cannot be read: {error.strerror}.")]) from None
    try:
        text = data[:LARGEST].decode() if len(data) > LARGEST else data.decode()
    except UnicodeDecodeError as error:
        if len(data) > LARGEST:
            raise _too_large(file) from None
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(file, line, "is not UTF-8 text.", "Save the file as UTF-8.")]) from None
    if len(data) > LARGEST:
        raise _too_large(file)
    return parse(text, file)


def parse(text: str, file: str) -> Any:
    """The value of one document; None of an empty one. Raises ConfigError with every mistake that can be told."""
    if len(text) > LARGEST:
        raise _too_large(file)
    _refuse_unprintable(text, file)
    builder = _Builder(text, file)
    try:
        value = builder.document()
    except yaml.MarkedYAMLError as error:
        raise ConfigError([*builder.problems, _syntax(error, text, file)]) from None
    if builder.problems:
        raise ConfigError(builder.problems)
    return value


def mark_of(value: Any, otherwise: Mark) -> Mark:
    """Containers and texts know their place; numbers have that of what holds them."""
    mark = getattr(value, "mark", None)
    return mark if isinstance(mark, Mark) else otherwise


def plain(value: Any) -> Any:
    """The same without marks, and with texts for keys."""
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    return str(value) if isinstance(value, str) else value


def dump(value: Any) -> str:
    """YAML that `parse` reads back the same; two values that are equal give one text."""
    return yaml.safe_dump(_unmarked(value), sort_keys=True, allow_unicode=True, width=1_000_000)


def _unmarked(value: Any) -> Any:
    """The same value without marks, its keys as they are."""
    if isinstance(value, dict):
        return {_unmarked(key): _unmarked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_unmarked(item) for item in value]
    return str(value) if isinstance(value, str) else value


def nearest(word: object, known: Iterable[object]) -> str:
    """`Did you mean 'group_by'?`, or nothing if no known word is near."""
    close = difflib.get_close_matches(str(word), sorted(map(str, known)), n=1, cutoff=0.6)
    return f"Did you mean '{close[0]}'?" if close else ""


def one_of(start: str, words: Iterable[object]) -> str:
    return f"{start} {', '.join(map(str, words))}."


def named(value: Any) -> str:
    """A value as an operator would call it."""
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return "a map" if isinstance(value, dict) else "a list"
    return f"'{str(value).lower() if isinstance(value, bool) else value}'"


def _too_large(file: str) -> ConfigError:
    return ConfigError([Problem(file, 0, f"is larger than {LARGEST // 1000} kB.")])


def _refuse_unprintable(text: str, file: str) -> None:
    found = _UNPRINTABLE.search(text)
    if found is None:
        return
    before = text[: found.start()]
    mark = Mark(file, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
    if found[0] == "\ufeff":
        raise ConfigError([mark.problem("a byte-order mark.", "Save the file as UTF-8 without one.")])
    raise ConfigError([mark.problem(f"the character U+{ord(found[0]):04X}, which cannot be printed.")])


class _TooDeep(Exception):
    pass


class _Builder:
    """Makes values of the parser's events. What is refused is noted and read on, so that all of it is told."""

    def __init__(self, text: str, file: str) -> None:
        self._events: Iterator[Any] = iter(yaml.parse(text, Loader=_Loader))
        self._file = file
        self.problems: list[Problem] = []

    def document(self) -> Any:
        next(self._events)  # the stream starts
        start = next(self._events)
        if isinstance(start, yaml.StreamEndEvent):
            return None
        if start.version or start.tags:
            self._refuse(start, "a directive (%…) has no place here.")
        try:
            value = self._value(next(self._events), 1)
        except _TooDeep:
            return None
        next(self._events)  # the document ends
        after = next(self._events)
        if isinstance(after, yaml.DocumentStartEvent):
            self._refuse(after, "a second document (---) in one file.")
        return value

    def _mark(self, event: Any) -> Mark:
        return Mark(self._file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _refuse(self, event: Any, message: str, hint: str = "") -> None:
        self.problems.append(self._mark(event).problem(message, hint))

    def _value(self, event: Any, depth: int) -> Any:
        if depth > DEEPEST:
            self._refuse(event, f"is nested deeper than {DEEPEST} levels.")
            raise _TooDeep
        if isinstance(event, yaml.AliasEvent):
            self._refuse(event, f"an alias (*{event.anchor}) has no place here.", "Write the value out.")
            return None
        if event.anchor:
            self._refuse(
                event, f"an anchor (&{event.anchor}) has no place here.", "Write the value out where it is used."
            )
        if event.tag:
            self._refuse(event, f"a tag ({event.tag}) has no place here.")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        return self._map(event, depth) if isinstance(event, yaml.MappingStartEvent) else self._list(event, depth)

    def _list(self, start: Any, depth: int) -> MarkedList:
        made = MarkedList(self._mark(start))
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            made.add(self._value(event, depth + 1), self._mark(event))
        return made

    def _map(self, start: Any, depth: int) -> MarkedMap:
        made = MarkedMap(self._mark(start))
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._value(event, depth + 1)
            value_event = next(self._events)
            value = self._value(value_event, depth + 1)
            if self._is_key(event, key, made):
                made.add(key, value, self._mark(event), self._mark(value_event))
        return made

    def _is_key(self, event: Any, key: Any, made: MarkedMap) -> bool:
        if isinstance(key, bool) or not isinstance(key, str | int):
            self._refuse(event, "a key must be a word or a whole number.", "Put it in quotes if it is meant as text.")
        elif key == "<<" and event.style in (None, ""):
            self._refuse(event, "a merge key (<<) has no place here.", "Write the values out.")
        elif key in made:
            self._refuse(event, f"'{key}' is there twice; first on line {made.key_mark(key).line}.")
        else:
            return True
        return False

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        if event.style not in (None, ""):
            return MarkedStr(text, self._mark(event))
        if text in _WORDS:
            return _WORDS[text]
        if _ENDLESS.fullmatch(text):
            return float(text.replace(".", ""))
        if _INTEGER.fullmatch(text) or _FLOAT.fullmatch(text):
            return self._number(event, text)
        return MarkedStr(text, self._mark(event))

    def _number(self, event: Any, text: str) -> int | float | None:
        if _LEADING_ZERO.fullmatch(text):
            self._refuse(event, f"'{text}' is a number that would lose its leading zero.", "Put it in quotes.")
            return None
        if len(text) > _LONGEST_NUMBER:
            self._refuse(event, f"a number of {len(text)} digits.", "Put it in quotes if it is meant as text.")
            return None
        if _INTEGER.fullmatch(text):
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        return float(text)


_OPENED = {
    "',' or ']'": ("a '[' that is not closed.", "Close it with ']', or put a ',' between its items."),
    "',' or '}'": ("a '{' that is not closed.", "Close it with '}', or put a ',' between its entries."),
    "quoted scalar": ("a quotation mark that is not closed.", ""),
    "anchor": ("a value cannot begin with '&'.", "Put it in quotes."),
    "alias": ("a value cannot begin with '*'.", "Put it in quotes."),
}
"""Words of the parser's complaint → what is said of the place where the thing began."""

_STOPPED = {
    "mapping values are not allowed": (
        "a ':' that cannot stand here.",
        "Put the text in quotes, or check the indentation.",
    ),
    "could not find expected ':'": ("a line without ':'.", "Write 'name: value'; put text that goes on in quotes."),
    "sequence entries are not allowed": ("a '-' that cannot stand here.", "Begin the list on a line of its own."),
    "expected key": ("the indentation does not fit the lines above.", "Entries of one map begin in one column."),
    "parsing a block collection": (
        "the indentation does not fit the list above.",
        "Items of one list begin in one column.",
    ),
    "<block end>": ("the indentation does not fit the lines above.", "Entries of one map begin in one column."),
    "tab": ("a tab in the indentation.", "Use spaces."),
    "escape character": ("an unknown escape (\\) in double quotes.", "Use single quotes, or write \\\\."),
    "document start": ("text after the end of the value.", "Check the indentation and the brackets."),
}
"""Words of the parser's complaint → what is said of the place where it stopped."""


def _syntax(error: yaml.MarkedYAMLError, text: str, file: str) -> Problem:
    """The parser's complaint in plain words."""
    stopped, opened = error.problem_mark, error.context_mark or error.problem_mark
    complaint = f"{error.context or ''}: {error.problem or ''}"
    if "cannot start any token" in complaint and stopped:
        return _place(stopped, file).problem(*_bad_start(text, stopped.line, stopped.column))
    for words, said in _OPENED.items():
        if words in complaint and "escape" not in complaint and opened:
            return _place(opened, file).problem(*said)
    for words, said in _STOPPED.items():
        if words in complaint and stopped:
            return _place(stopped, file).problem(*said)
    return _place(stopped or opened, file).problem(f"is not YAML: {error.problem}.")


def _place(mark: Any, file: str) -> Mark:
    return Mark(file, mark.line + 1, mark.column + 1) if mark else Mark(file, 0, 0)


def _bad_start(text: str, line: int, column: int) -> tuple[str, str]:
    lines = re.split("\r\n|\r|\n", text)
    character = lines[line][column : column + 1] if line < len(lines) else ""
    if character == "\t":
        return _STOPPED["tab"]
    return f"a value cannot begin with '{character}'.", "Put it in quotes."
