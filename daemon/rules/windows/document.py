"""A window's state as the store keeps it: a few bytes for a signal."""

from __future__ import annotations

import json
from collections.abc import Sequence as Several
from itertools import accumulate, islice
from typing import Any

from daemon.model import Json
from daemon.rules.model import Aggregate, Change, Distinct, FirstSeen, Sequence, Window
from daemon.rules.windows.bits import packed, unpacked
from daemon.rules.windows.state import Entry, State

_ONES = [1]


def document_of(window: Window, state: State) -> Json:
    """The state as the store keeps it, with what it is the state of."""
    entries, settled, since, memory = state
    found, numbers = _numbered([entry.value for entry in entries])
    document: dict[str, Json] = {"of": _signature(window), "is": _packed(entries, settled, since, numbers)}
    if entries and found != _ONES:
        document["values"] = found
    return document | ({"memory": dict(memory)} if memory else {})


def state_of(window: Window, document: Json) -> State:
    """What `document_of` wrote. None is a group never heard of; what a rule's window was before it came to look at
    something else is forgotten."""
    if document is None or document["of"] != _signature(window):
        return State()
    if "state" in document:  # as earlier releases wrote it
        entries, settled, since, memory = document["state"]
        return State(tuple(map(Entry._make, entries)), settled, since, memory)
    return _read(document)


def _packed(entries: Several[Entry], settled: int | None, since: int | None, numbers: Several[int]) -> str:
    """Of each signal how it differs from the one before, in columns as wide as their greatest number: what is the same
    for all takes nothing."""
    ats, ids, severities, _ = zip(*entries, strict=True) if entries else ((), (), (), ())
    at, id, worst = ats[0] if ats else 0, ids[0] if ids else 0, min(severities, default=0)
    columns = [
        [later - before for before, later in zip((at, *ats), ats, strict=False)],
        [_folded(other - before) for before, other in zip((id, *ids), ids, strict=False)],
        [severity - worst for severity in severities],
        numbers,
    ]
    known = [0 if each is None else 1 + _folded(each - at) for each in (settled, since)]
    return packed([_folded(at), _folded(id), worst, *known], columns)


def _read(document: dict[str, Any]) -> State:
    (at, id, worst, *known), (later, further, severities, numbers) = unpacked(document["is"], 5, 4)
    at, id = _unfolded(at), _unfolded(id)
    settled, since = (None if each == 0 else _unfolded(each - 1) + at for each in known)
    ats = islice(accumulate(later, initial=at), 1, None)
    ids = islice(accumulate(map(_unfolded, further), initial=id), 1, None)
    values = document.get("values", _ONES)
    told = map(Entry, ats, ids, [worst + each for each in severities], [values[number] for number in numbers])
    return State(tuple(told), settled, since, document.get("memory", State().memory))


def _numbered(values: Several[Json]) -> tuple[list[Json], list[int]]:
    """Each that is different once, and of each value which that is."""
    places: dict[object, int] = {}
    found: list[Json] = []
    numbers = []
    for value in values:
        name = json.dumps(value) if isinstance(value, list | dict) else value
        number = places.setdefault((type(value), name), len(found))
        if number == len(found):
            found.append(value)
        numbers.append(number)
    return found, numbers


def _folded(number: int) -> int:
    """Whole numbers as those from zero on: 0, -1, 1, -2, 2 …"""
    return 2 * number if number >= 0 else -2 * number - 1


def _unfolded(number: int) -> int:
    return number >> 1 if number % 2 == 0 else -(number >> 1) - 1


def _signature(window: Window) -> str:
    """What the values of the entries are."""
    match window:
        case Aggregate(path=path) | Distinct(path=path) | FirstSeen(path=path) | Change(path=path):
            return f"{type(window).__name__} {path}"
        case Sequence(steps=steps):
            return " ".join(["Sequence", *(f"{'not ' if step.negated else ''}{step.rule}" for step in steps)])
        case _:
            return type(window).__name__
