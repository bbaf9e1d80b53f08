"""Marked YAML → settings: every mistake gathered with its place, in an operator's words, and reading goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from daemon.config.secrets import Outside, Unavailable, is_secret, names_any, where_to_get
from daemon.contract import Settings
from daemon.errors import Problem
from daemon.marked_yaml import Mark, MarkedList, MarkedMap, mark_of, named, nearest, one_of

Model = TypeVar("Model", bound=Settings)


class Reading:
    """One reading of the configuration, and what was wrong in it."""

    def __init__(self, outside: Outside) -> None:
        self.outside = outside
        self.files: list[Path] = []
        """Other files that parts stand in."""
        self.problems: list[Problem] = []

    def report(self, mark: Mark, message: str, hint: str = "") -> None:
        problem = mark.problem(message, hint)
        if problem not in self.problems:
            self.problems.append(problem)

    def known(self, table: MarkedMap, keys: Iterable[str], where: str) -> None:
        """Reports each key that is none of `keys`."""
        choice = list(keys)
        for key in table:
            if key not in choice:
                hint = nearest(key, choice) or one_of("There is", sorted(choice))
                self.report(table.key_mark(key), f"{_at(where)}there is no setting '{key}'.", hint)

    def refer(self, name: Any, mark: Mark, known: Iterable[str], what: str, where: str) -> bool:
        """Whether the name is one of those known; reported if not."""
        choice = sorted(known)
        if name in choice:
            return True
        hint = nearest(name, choice) or (one_of("There is", choice) if choice else f"There is no {what} at all.")
        self.report(mark, f"{where}: there is no {what} {named(name)}.", hint)
        return False

    def table(self, value: Any, mark: Mark, where: str) -> MarkedMap | None:
        if isinstance(value, MarkedMap):
            return value
        self.report(mark, f"{where}: this is a map, not {named(value)}.")
        return None

    def settings(
        self, model: type[Model], value: Any, mark: Mark, where: str, *, off: bool = False, also: Iterable[str] = ()
    ) -> Model | None:
        """The settings, or None and the problems. What is off may be incomplete, and what it names is not read.

        `also` are keys that are read elsewhere: they are known, for did-you-mean."""
        if (table := self.table(value, mark, where)) is None:
            return None
        self.known(table, [*fields(model), *also], where)
        return self._validated(model, table, where, off=off)

    def _validated(self, model: type[Model], value: MarkedMap, where: str, *, off: bool) -> Model | None:
        values, absent = self._values(model, value, where, off=off)
        try:
            made = model.model_validate(values)
        except ValidationError as error:
            for one in error.errors(include_url=False):
                if one["type"] == "default_factory_not_called":
                    continue  # it would be made of another setting, which is told
                if one["type"] != "missing" or not (off or one["loc"][0] in absent):
                    self._refused(model, value, where, one)
            return None
        return None if off or absent else made

    def _values(
        self, model: type[Settings], table: MarkedMap, where: str, *, off: bool
    ) -> tuple[dict[str, Any], set[str]]:
        """What the keys say, and which of them say what is not to be had."""
        values: dict[str, Any] = {}
        absent: set[str] = set()
        known = fields(model)
        for key, value in table.items():
            if (field := known.get(key)) is None:
                continue
            secret = is_secret(field)
            if off and (secret or names_any(value)):
                absent.add(key)
                continue
            try:
                values[key] = self.outside.secret(value) if secret else self.outside.expanded(value)
            except Unavailable as why:
                absent.add(key)
                hint = why.hint or (where_to_get(field) if secret else "")
                self.report(table.value_mark(key), f"{where}.{key}: {why.message}", hint)
        return values, absent

    def _refused(self, model: type[Settings], table: MarkedMap, where: str, error: ErrorDetails) -> None:
        if error["type"] == "missing" and len(error["loc"]) == 1:
            name = str(error["loc"][0])
            field = fields(model)[name]
            meant = f": {field.description.rstrip('.')}." if field.description else "."
            self.report(table.mark, f"{where}: '{name}' is missing{meant}", where_to_get(field))
            return
        mark, path, value = _found(table, error["loc"])
        message, hint = _said(error, value)
        self.report(mark, f"{'.'.join([where, *path])}: {message}", hint)


def fields(model: type[Settings]) -> dict[str, FieldInfo]:
    """The settings by the keys that an operator writes."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def part(table: MarkedMap, keys: Iterable[str]) -> MarkedMap:
    """The table with those keys only, each where it stands."""
    made = MarkedMap(table.mark)
    for key in keys:
        if key in table:
            made.add(key, table[key], table.key_mark(key), table.value_mark(key))
    return made


def _at(where: str) -> str:
    return f"{where}: " if where else ""


def _found(table: MarkedMap, loc: tuple[int | str, ...]) -> tuple[Mark, list[str], Any]:
    """The place, path and value, as written, that an error is about: as far as its location leads."""
    mark, path = table.mark, list[str]()
    value: Any = table
    for step in loc:
        if isinstance(value, MarkedMap) and (key := _key(value, step)) is not None:
            mark, value = value.value_mark(key), value[key]
        elif isinstance(value, MarkedList) and isinstance(step, int) and step < len(value):
            mark, value = value.item_mark(step), value[step]
        else:
            break
        path.append(str(step))
    return mark_of(value, mark), path, value


def _key(table: MarkedMap, step: int | str) -> Any:
    return next((key for key in table if str(key) == str(step)), None)


_KINDS = {
    "string": ("a text", "Put it in quotes."),
    "int": ("a whole number", ""),
    "float": ("a number", ""),
    "bool": ("true or false", ""),
    "list": ("a list", "Write [a, b], or each item on a line of its own after '- '."),
    "tuple": ("a list", "Write [a, b], or each item on a line of its own after '- '."),
    "dict": ("a map", "Write 'name: value' on lines of their own."),
    "model": ("a map of settings", ""),
}
"""Beginnings of pydantic's error types → what the value should have been."""

_SAID: dict[str, Callable[[dict[str, Any]], str]] = {
    "value_error": lambda given: f"{given['error']}.",
    "literal_error": lambda given: f"this is {given['expected']}, not {given['shown']}.",
    "greater_than": lambda given: f"this is more than {given['gt']}, not {given['shown']}.",
    "greater_than_equal": lambda given: f"this is at least {given['ge']}, not {given['shown']}.",
    "less_than": lambda given: f"this is less than {given['lt']}, not {given['shown']}.",
    "less_than_equal": lambda given: f"this is at most {given['le']}, not {given['shown']}.",
    "too_short": lambda given: f"this needs at least {given['min_length']} of them.",
    "too_long": lambda given: f"this takes at most {given['max_length']} of them.",
    "string_too_short": lambda given: "this text is empty.",
    "string_pattern_mismatch": lambda given: f"{given['shown']} does not look like one.",
    "missing": lambda given: "something is missing here.",
    "extra_forbidden": lambda given: "there is no such setting.",
}


def _said(error: ErrorDetails, value: Any) -> tuple[str, str]:
    """A complaint of pydantic's in an operator's words."""
    kind = error["type"]
    if kind in _SAID:
        return _SAID[kind]({**error.get("ctx", {}), "shown": named(value)}), ""
    if (family := kind.partition("_")[0]) in _KINDS:
        wanted, hint = _KINDS[family]
        return f"this is {wanted}, not {named(value)}.", hint
    return f"{error['msg']}.", ""
