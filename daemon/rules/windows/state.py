"""What a window remembers of one group, and what it says."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from collections.abc import Sequence as Several
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from types import MappingProxyType
from typing import Any, NamedTuple

from daemon.model import Json, Severity

LATENESS = timedelta(hours=1)
"""How much later than the newest one a signal may have happened before it is too late to count."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@lru_cache(maxsize=1_000)
def microseconds(length: timedelta) -> int:
    return length // MICROSECOND


def stamp(instant: datetime) -> int:
    return (instant - EPOCH) // MICROSECOND


def instant(stamp: int) -> datetime:
    return EPOCH + timedelta(microseconds=stamp)


class Entry(NamedTuple):
    """One signal as a window sees it."""

    at: int
    """Microseconds since 1970."""
    id: int
    severity: Severity = 4
    value: Json = 1
    """What the kind looks at: a weight, a number, a text, whether a condition held, the number of a step."""


_entry = partial(tuple.__new__, Entry)
"""Of its four parts; for many at once, faster by half than calling the class."""


def entries(
    ats: Several[int], ids: Several[int], severities: Several[int], values: Iterable[Json]
) -> tuple[Entry, ...]:
    """Of the parts of each."""
    return tuple(map(_entry, zip(ats, ids, severities, values, strict=True)))


def place_of(entries: Several[Entry], at: int) -> int:
    """The place of the first entry that happened at `at` or later."""
    if not entries or entries[0].at >= at:
        return 0
    if entries[-1].at < at:
        return len(entries)
    return bisect_left(entries, (at,))  # a shorter tuple comes before all that begin as it does


class State(NamedTuple):
    """`entries` in the order of event time; `memory` is the kind's own, of what is no longer among them."""

    entries: tuple[Entry, ...] = ()
    settled: int | None = None
    """Up to when the sources were known to be read."""
    since: int | None = None
    """When the first signal of all happened."""
    memory: Mapping[str, Any] = MappingProxyType({})

    def between(self, first: int, last: int) -> Several[Entry]:
        """Both ends counted."""
        left = place_of(self.entries, first)
        return self.entries[left : place_of(self.entries, last + 1)]


@dataclass(frozen=True, slots=True)
class Firing:
    """The window has enough."""

    at: datetime
    """Event time at which it had."""
    ids: tuple[int, ...]
    """The signals that it rests on, in event time; none where it is a silence that fires."""
    severity: Severity
    """The worst of theirs."""
    first_at: datetime
    """When the first of them happened."""
    completed: tuple[tuple[datetime, int | None], ...] = ()
    """When, and by which signal, it came to have enough, where it had not: what rules over this one see."""
    total: float = 0


class Verdict(NamedTuple):
    state: State
    """What the window has come to. Of what is moved in place, no more than was looked at."""
    firings: tuple[Firing, ...] = ()
    recovered: tuple[tuple[datetime, int | None], ...] = ()
    """When a silence that had fired was over, and by which signal."""
    due: int | None = None
    """Microseconds since 1970: once the sources are read up to there, `settle` has something to say."""
    total: float = 0
    """How far the newest signal's span has come, for the decision record."""
    needed: float = 0
    counted: bool = True
    """Whether the signal was new to the window, in time, and weighed something."""
    dropped: int = 0
    """Signals or values forgotten because a cap bit; for a metric."""


def firing(span: Several[Entry], at: int, total: float, completed: Several[tuple[int, int | None]] = ()) -> Firing:
    return Firing(
        at=instant(at),
        ids=tuple(dict.fromkeys(entry.id for entry in span)),
        severity=min((entry.severity for entry in span), default=4),
        first_at=instant(span[0].at) if span else instant(at),
        completed=tuple((instant(when), id) for when, id in completed),
        total=total,
    )


def without(state: State, before: int) -> State:
    """The same without the entries that happened before `before`."""
    left = place_of(state.entries, before)
    return state._replace(entries=state.entries[left:]) if left else state
