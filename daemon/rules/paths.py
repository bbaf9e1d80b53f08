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
    """Equal for every spelling of the same way."""

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


def values_at(path: Path) -> Values:
    """A function from fields to every value at the path; none where a step is missing."""
    names = path.names

    def values(fields: Fields) -> Sequence[Json]:
        here: Json = fields
        for depth, name in enumerate(names):
            if not isinstance(here, Mapping):
                return _walk(here, names[depth:])
            here = here.get(name, _MISSING)
            if here is _MISSING:
                return ()
        return _walk(here, ()) if isinstance(here, list) else (here,)

    return values


def _walk(here: Json, names: tuple[str, ...]) -> list[Json]:
    if isinstance(here, list):
        return [found for element in here for found in _walk(_untagged(element, names), names)]
    if not names:
        return [] if here is _MISSING else [here]
    if isinstance(here, Mapping):
        return _walk(here[names[0]], names[1:]) if names[0] in here else []
    return []


def _untagged(element: Json, names: tuple[str, ...]) -> Json:
    """A `name:value` text seen as the map that it stands for."""
    if names and isinstance(element, str) and element.startswith(f"{names[0]}:"):
        return {names[0]: element[len(names[0]) + 1 :]}
    return element
