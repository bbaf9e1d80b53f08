"""Sequences: which steps have happened, in order or not, and which have not. An entry's value is its step's number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from daemon.rules.model import Sequence as Steps
from daemon.rules.windows.state import Entry, microseconds, place_of


def chains(window: Steps, entries: Sequence[Entry]) -> Iterator[tuple[int, int]]:
    """(start, end) of each time at which all steps that are not negated have happened: the end is the last one's, the
    start the latest at which they can have begun."""
    positive = [number for number, step in enumerate(window.steps) if not step.negated]
    within = microseconds(window.within)
    if window.strict and len(positive) < len(window.steps):
        yield from _from_each(window, positive, entries, within)
        return
    found = _ordered(positive, entries, strict=window.strict) if window.ordered else _unordered(positive, entries)
    for start, end in found:
        if end - start <= within:
            yield start, end


def _ordered(positive: Sequence[int], entries: Sequence[Entry], *, strict: bool) -> Iterator[tuple[int, int]]:
    """Steps at the same instant count as in order, unless it is strict."""
    begun: list[int | None] = [None] * len(positive)
    places = list(enumerate(positive))[:: -1 if strict else 1]
    for at, together in groupby(entries, key=lambda entry: entry.at):
        values = {entry.value for entry in together}
        for place, number in places:
            if number in values:
                begun[place] = at if place == 0 else begun[place - 1]
        last = begun[-1]
        if positive[-1] in values and last is not None:
            yield last, at


def _unordered(positive: Sequence[int], entries: Sequence[Entry]) -> Iterator[tuple[int, int]]:
    latest: dict[int, int] = {}
    for at, together in groupby(entries, key=lambda entry: entry.at):
        new = {entry.value for entry in together}
        latest |= dict.fromkeys(new, at)
        if new.intersection(positive) and all(number in latest for number in positive):
            yield min(latest[number] for number in positive), at


def _from_each(
    window: Steps, positive: Sequence[int], entries: Sequence[Entry], within: int
) -> Iterator[tuple[int, int]]:
    """From each instant of a step on, where all of them happen in time."""
    for start in sorted({entry.at for entry in entries if entry.value in positive}):
        following = entries[place_of(entries, start) : place_of(entries, start + within + 1)]
        end = _in_turn(positive, following) if window.ordered else _in_any_turn(positive, following)
        if end is not None:
            yield start, end


def _in_turn(positive: Sequence[int], entries: Iterable[Entry]) -> int | None:
    """When the last one happens, each after the one before."""
    place, before = 0, -1
    for entry in entries:
        if entry.value == positive[place] and entry.at > before:
            place, before = place + 1, entry.at
            if place == len(positive):
                return entry.at
    return None


def _in_any_turn(positive: Sequence[int], entries: Iterable[Entry]) -> int | None:
    missing = set(positive)
    for entry in entries:
        missing.discard(entry.value)
        if not missing:
            return entry.at
    return None


def decided_at(window: Steps, start: int, end: int) -> int:
    """From when on nothing can come that would forbid the chain."""
    trailing = window.steps[-1].negated or not window.ordered or window.strict
    return start + microseconds(window.within) if trailing else end


def forbidden(window: Steps, entries: Sequence[Entry], start: int, end: int) -> bool:
    """Whether a negated step happened where it must not."""
    for number, step in enumerate(window.steps):
        if step.negated:
            first, last = _barred(window, entries, number, start, end)
            if any(entry.value == number and first <= entry.at <= last for entry in entries):
                return True
    return False


def _barred(window: Steps, entries: Sequence[Entry], number: int, start: int, end: int) -> tuple[int, int]:
    """Where the negated step `number` must not happen."""
    within = microseconds(window.within)
    if window.strict:
        return start, start + within
    return _gap(window, entries, number, start, end, within) if window.ordered else (end - within, start + within)


def _gap(window: Steps, entries: Sequence[Entry], number: int, start: int, end: int, within: int) -> tuple[int, int]:
    """After the steps before it, before the steps after it."""
    before = [n for n, step in enumerate(window.steps[:number]) if not step.negated]
    after = any(not step.negated for step in window.steps[number:])
    if not before:
        return end - within, start - 1
    reached = [entry.at for entry in entries if entry.value == before[-1] and start <= entry.at <= end]
    return (max(reached, default=start) + 1, end - 1) if after else (end + 1, start + within)
