"""One group's window while it is moved in place: two numbers for a signal, and no object."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING

from daemon.model import Json
from daemon.rules.windows.state import Entry, State

if TYPE_CHECKING:
    _Numbers = array[int]
else:
    _Numbers = array

NEVER = -(2**63)


class Pane(_Numbers):
    """In order of event time, of each signal when it happened, and its `mark`."""

    __slots__ = ("full", "rest", "settled", "values")

    full: int
    """Once it is so long, it is looked through for what can be forgotten."""
    rest: State
    """The state but for what is here; all of it, for a kind that is not moved in place."""
    settled: int
    """As in `State`; NEVER for None."""
    values: list[Json]
    """What the kind looks at in each signal; not there for kinds that only look at how many there are."""


def mark(id: int, severity: int) -> int:
    return id << 3 | severity


def id_of(mark: int) -> int:
    return mark >> 3


def fill(pane: Pane, *, valued: bool) -> None:
    """From its `rest`."""
    entries, settled, since, memory = pane.rest
    for at, id, severity, _ in entries:
        pane.append(at)
        pane.append(id << 3 | severity)
    if valued:
        pane.values = [entry.value for entry in entries]
    pane.rest = State((), settled, since, memory)


def entries_of(pane: Pane, first: int, last: int, *, valued: bool) -> tuple[Entry, ...]:
    ats, marks = pane[2 * first : 2 * last : 2], pane[2 * first + 1 : 2 * last : 2]
    values = pane.values[first:last] if valued else [1] * len(marks)
    severities = [mark & 7 for mark in marks]
    return tuple(map(Entry, ats, map(id_of, marks), severities, values))


def place_in(pane: Pane, at: int) -> int:
    """The number of the first signal that happened at `at` or later."""
    return bisect_left(range(0, len(pane), 2), at, key=pane.__getitem__)
