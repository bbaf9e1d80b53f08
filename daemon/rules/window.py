"""The `count` window: event time, any order of arrival, bounded state.

State is a list of `[microseconds, id, weight, severity]` in event-time order, fit for JSON; None at first. A signal is
kept while it lies within `within + lateness` of the newest one seen, and at most `cap` are kept: while neither bites,
the evidence that comes out is the same in whatever order signals arrive.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from daemon.model import Json, Severity, Signal
from daemon.rules.model import Count as Window

LATENESS = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Entry: TypeAlias = list[Json]


@dataclass(frozen=True, slots=True)
class Verdict:
    state: Json
    fired: bool = False
    """The signal lies in a span that holds the count."""
    ids: tuple[str, ...] = ()
    """If fired: every signal of every such span that the new one is part of, in event-time order."""
    first_at: datetime | None = None
    """If fired: when the first of them happened."""
    severity: Severity | None = None
    """If fired: the worst that any of them was given."""
    total: int = 0
    """The most that any span with the new signal in it holds."""
    dropped: int = 0
    """Signals forgotten because the cap bit; for a metric."""


def weight(window: Window, signal: Signal) -> int:
    """What a signal adds to the count."""
    return signal.count_delta if window.of == "count_delta" else 1


def cap(window: Window) -> int:
    return max(200, 2 * window.count)


def advance(
    window: Window,
    state: Json,
    at: datetime,
    id: str,
    weight: int = 1,
    severity: Severity = 4,
    lateness: timedelta = LATENESS,
) -> Verdict:
    """Add one signal. A second one of the same id, one that weighs nothing, and one too late change nothing."""
    entries: list[Entry] = list(state or ())
    entry: Entry = [(at - _EPOCH) // _MICROSECOND, id, weight, severity]
    if weight <= 0 or any(seen[1] == id for seen in entries):
        return Verdict(state)
    newest = max(entry[0], entries[-1][0] if entries else entry[0])
    oldest = newest - (window.within + lateness) // _MICROSECOND
    if entry[0] < oldest:
        return Verdict(state)
    insort(entries, entry)
    kept = [seen for seen in entries if seen[0] >= oldest]
    fired, total = _spans(kept, kept.index(entry), window)
    dropped = max(0, len(kept) - cap(window))
    return _verdict(kept[dropped:], fired, total, dropped)


def _spans(entries: Sequence[Entry], new: int, window: Window) -> tuple[Sequence[Entry], int]:
    """The entries of every span with the new one in it that holds the count, and the most that such a span holds."""
    within = window.within // _MICROSECOND
    start = new
    while start and entries[new][0] - entries[start - 1][0] <= within:
        start -= 1
    end, total, most, reached = start, 0, 0, slice(0, 0)
    for left in range(start, new + 1):
        while end < len(entries) and entries[end][0] - entries[left][0] <= within:
            total += entries[end][2]
            end += 1
        if total >= window.count:
            reached = slice(reached.start if reached.stop else left, end)
        most = max(most, total)
        total -= entries[left][2]
    return entries[reached], most


def _verdict(state: list[Entry], fired: Sequence[Entry], total: int, dropped: int) -> Verdict:
    if not fired:
        return Verdict(state, total=total, dropped=dropped)
    return Verdict(
        state=state,
        fired=True,
        ids=tuple(entry[1] for entry in fired),
        first_at=_EPOCH + timedelta(microseconds=fired[0][0]),
        severity=min(entry[3] for entry in fired),
        total=total,
        dropped=dropped,
    )
