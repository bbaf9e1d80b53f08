"""A window's state as the store keeps it: a few bytes for a signal."""

from __future__ import annotations

import json
from collections.abc import Sequence as Several
from itertools import accumulate
from operator import sub
from typing import NamedTuple

from daemon.model import Json
from daemon.rules.model import Aggregate, Change, Count, Distinct, Drop, FirstSeen, Sequence, Spike, Window
from daemon.rules.windows.bits import packed, unpacked
from daemon.rules.windows.state import State, entries

_ONES = [1]
_NOTHING = State()


class Columns(NamedTuple):
    """A state's entries, each part of them by itself; no values where all are one."""

    ats: Several[int]
    ids: Several[int]
    severities: Several[int]
    values: Several[Json] | None


def document_of(window: Window, state: State) -> Json:
    """The state as the store keeps it, with what it is the state of."""
    columns = Columns(*zip(*state.entries, strict=True)) if state.entries else Columns((), (), (), None)
    return written(window, columns, state)


def written(window: Window, columns: Columns, rest: State) -> Json:
    """The same of a state in columns, and what else it is."""
    found, numbers = _ONES, [0] * len(columns.ats)
    if columns.values is not None:
        found, numbers = _numbered(columns.values)
    document: dict[str, Json] = {"of": _signature(window), "is": _packed(columns, rest, numbers)}
    if found != _ONES or type(found[0]) is not int:
        document["values"] = found
    return document | ({"memory": dict(rest.memory)} if rest.memory else {})


def state_of(window: Window, document: Json) -> State:
    """What `document_of` wrote."""
    columns, (_, settled, since, memory) = read(window, document)
    values = [1] * len(columns.ats) if columns.values is None else columns.values
    return State(entries(columns.ats, columns.ids, columns.severities, values), settled, since, memory)


def read(window: Window, document: Json) -> tuple[Columns, State]:
    """What `written` wrote. None is a group never heard of; what a rule's window was before it came to look at
    something else is forgotten."""
    if document is None or document["of"] != _signature(window):
        return Columns((), (), (), None), _NOTHING
    if "state" in document:  # as earlier releases wrote it
        told, *rest = document["state"]
        return Columns(*zip(*told, strict=True)) if told else Columns((), (), (), None), State((), *rest)
    (at, id, worst, *known), (later, further, severities, numbers) = unpacked(document["is"], 5, 4)
    at, id = _unfolded(at), _unfolded(id)
    settled, since = (None if each == 0 else _unfolded(each - 1) + at for each in known)
    values = document.get("values")
    columns = Columns(
        [at + each for each in accumulate(later)],
        [id + each for each in accumulate(map(_unfolded, further))],
        [worst + each for each in severities],
        None if values is None else [values[number] for number in numbers],
    )
    memory = document.get("memory", _NOTHING.memory)
    return columns, State((), settled, since, memory) if memory or any(known) else _NOTHING


def _packed(columns: Columns, rest: State, numbers: Several[int]) -> str:
    """Of each signal how it differs from the one before, in columns as wide as their greatest number: what is the same
    for all takes nothing."""
    ats, ids, severities, _ = columns
    at, id, worst = (ats[0], ids[0], min(severities)) if ats else (0, 0, 0)
    known = [0 if each is None else 1 + _folded(each - at) for each in (rest.settled, rest.since)]
    differing = [
        list(map(sub, ats, (at, *ats))),
        [_folded(each) for each in map(sub, ids, (id, *ids))],
        [severity - worst for severity in severities],
        numbers,
    ]
    return packed([_folded(at), _folded(id), worst, *known], differing)


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
        case Count(of="count_delta") | Spike(of="count_delta") | Drop(of="count_delta"):
            return f"{type(window).__name__} {window.of}"
        case Sequence(steps=steps):
            return " ".join(["Sequence", *(f"{'not ' if step.negated else ''}{step.rule}" for step in steps)])
        case _:
            return type(window).__name__
