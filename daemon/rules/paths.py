"""Paths into a signal's fields: `userIdentity.sessionContext.attributes`, `containers[].exitCode`, `labels."a.b"`.

A list is walked wherever it stands, and any of its elements may answer; `[]` only says so to the reader.
A step by name into a list of `name:value` texts (Datadog's tags) answers with the value: `tags.env`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from daemon.model import Json

Fields: TypeAlias = Mapping[str, Json]
Values: TypeAlias = Callable[[Fields], Sequence[Json]]

_STEP = re.compile(r'(?:"([^"]+)"|([^."\[\]|{}]+))(?:\[\])?')
_MISSING: Any = object()


@dataclass(frozen=True, slots=True)
class Path:
    """Equal for every spelling of the same way. Built from names where these may hold any character."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join(f'"{name}"' if "." in name else name for name in self.names)


def parse_path(text: str) -> Path:
    """Raises ValueError on anything but steps joined by dots."""
    names = []
    position = 0
    while step := _STEP.match(text, position):
        names.append(step[1] or step[2])
        position = step.end()
        if position == len(text):
            return Path(tuple(names))
        if text[position] != ".":
            break
        position += 1
    raise ValueError(f"'{text}' is not a path such as userIdentity.type or containers[].exitCode")


def values_at(path: Path, *, lists: bool = False) -> Values:
    """A function from fields to every value at the path; none where a step is missing.

    A list there answers with its elements, to any depth; with `lists`, with itself too, before them.
    """
    names = path.names

    def values(fields: Fields) -> Sequence[Json]:
        here: Json = fields
        for depth, name in enumerate(names):
            if here.__class__ is not dict and not isinstance(here, Mapping):
                return _walk(here, names, depth, lists=lists)
            here = here.get(name, _MISSING)
            if here is _MISSING:
                return ()
        return _walk(here, names, len(names), lists=lists) if isinstance(here, list) else (here,)

    return values


def _walk(here: Json, names: tuple[str, ...], depth: int, *, lists: bool) -> list[Json]:
    """In the document's order. Without recursion, for a vendor may nest lists as deep as it likes."""
    found: list[Json] = []
    left = [(here, depth, lists)]
    while left:
        here, depth, whole = left.pop()
        if isinstance(here, list):
            inner = whole and depth < len(names)
            if whole and not inner:
                found.append(here)
            left.extend((*_untagged(element, names, depth), inner) for element in reversed(here))
        elif depth == len(names):
            found.append(here)
        elif isinstance(here, Mapping) and names[depth] in here:
            left.append((here[names[depth]], depth + 1, whole))
    return found


def _untagged(element: Json, names: tuple[str, ...], depth: int) -> tuple[Json, int]:
    """A `name:value` text answers a step by that name."""
    if depth < len(names) and isinstance(element, str) and element.startswith(f"{names[depth]}:"):
        return element[len(names[depth]) + 1 :], depth + 1
    return element, depth
