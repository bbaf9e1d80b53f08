"""One group's window while it is moved in place: two numbers for a signal, and no object."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING

from daemon.model import Json
from daemon.rules.windows.document import Columns
from daemon.rules.windows.state import State

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


def fill(pane: Pane, columns: Columns, *, valued: bool) -> None:
    """Of an empty one."""
    pane.frombytes(bytes(16 * len(columns.ats)))
    pane[::2] = array("q", columns.ats)
    pane[1::2] = array("q", map(mark, columns.ids, columns.severities))
    if valued:
        pane.values = [1] * len(columns.ats) if columns.values is None else list(columns.values)


def columns_of(pane: Pane, first: int, last: int, *, valued: bool) -> Columns:
    """From the signal numbered `first` to before `last`."""
    marks = pane[2 * first + 1 : 2 * last : 2]
    ids, severities = [mark >> 3 for mark in marks], [mark & 7 for mark in marks]
    return Columns(pane[2 * first : 2 * last : 2], ids, severities, pane.values[first:last] if valued else None)


def place_in(pane: Pane, at: int) -> int:
    """The number of the first signal that happened at `at` or later."""
    return bisect_left(range(0, len(pane), 2), at, key=pane.__getitem__)
