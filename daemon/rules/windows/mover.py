"""The move that is by far the most frequent, made ready for a rule: a signal newer than all before it, by which its
window has not enough. Whatever else there is goes the way of `run`; both say the same."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from datetime import datetime

from daemon.rules.model import Aggregate, Count, Distinct, Ratio, Spike, Window
from daemon.rules.windows import run, silence, trailing
from daemon.rules.windows.state import LATENESS, Entry, State, Verdict, microseconds, place_of, stamp


class Mover:
    """Moves the windows of one rule, of whatever group. Holds no state; safe in several threads."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self._try: Callable[[State, Entry], Verdict | None] = lambda state, entry: None
        weighed = isinstance(window, Spike) and window.of != "signals"
        self._spike = window if isinstance(window, Spike) and not weighed else None
        if isinstance(window, Count | Distinct | Aggregate | Ratio | Spike) and not weighed:
            self._within = microseconds(window.within)
            self._kept = self._within + microseconds(LATENESS)
            self._cap = run.most_kept(window)
            self._needed = trailing.needed(window)
            self._try = self._queued
        if isinstance(window, Count | Distinct | Aggregate) and trailing.only_grows(window):
            self._comes_to = trailing.measure(window)
            self._enough = trailing.enough(window)
            self._weighs = isinstance(window, Count)
            self._try = self._grown

    def advance(self, state: State, entry: Entry) -> Verdict:
        """As `run.advance` does."""
        entries = state.entries
        if entries and entry.at <= entries[-1].at:
            return run.advance(self.window, state, entry)
        return self._try(state, entry) or run.advance(self.window, state, entry)

    def settle(self, state: State, watermark: datetime) -> Verdict:
        """As `run.settle` does."""
        return self._still(state, stamp(watermark) - 1) or run.settle(self.window, state, watermark)

    def _grown(self, state: State, entry: Entry) -> Verdict | None:
        """A kind that fires at once. No span but the one that ends with the entry has come nearer."""
        at = entry.at
        entries = (*state.entries, entry)
        if entries[0].at < at - self._kept:
            entries = entries[bisect_left(entries, (at - self._kept,)) :]
        begins = at - self._within
        total = (
            self._comes_to(entries if entries[0].at >= begins else entries[bisect_left(entries, (begins,)) :]) or 0.0
        )
        if self._enough(total) or len(entries) > self._cap or (self._weighs and entry.value <= 0):
            return None
        since = at if state.since is None or at < state.since else state.since
        added = State(entries, state.settled, since, state.memory)
        return Verdict(added, (), (), None, total if total > 0 else 0.0, self._needed)

    def _still(self, state: State, mark: int) -> Verdict | None:
        """A spike of signals whose floor is not reached up to `mark`."""
        entries, settled = state.entries, state.settled
        if self._spike is None or not entries or (settled is not None and mark <= settled):
            return None
        upto, few, newest = place_of(entries, mark + 1), max(0, self._spike.floor - 1), max(mark, entries[-1].at)
        first = 0 if settled is None else place_of(entries, settled + 1)
        full = any(entries[n].at - entries[n - few].at <= self._within for n in range(max(first, few), upto))
        if full or silence.pays(state, min(newest - self._kept, mark - self._within)) or len(entries) > self._cap:
            return None
        due = entries[upto].at if upto < len(entries) else None
        return Verdict(State(entries, mark, state.since, state.memory), due=due)

    def _queued(self, state: State, entry: Entry) -> Verdict | None:
        """A kind that waits for its sources."""
        at, entries, settled = entry.at, (*state.entries, entry), state.settled
        first = entries[0].at
        if settled is None:
            due, horizon = first, first - self._within
        else:
            due = first if first > settled else entries[bisect_left(entries, (settled + 1,))].at if at > settled else 0
            horizon = settled - self._within
        if not due or first < min(horizon, at - self._kept) or len(entries) > self._cap:
            return None
        since = at if state.since is None or at < state.since else state.since
        return Verdict(State(entries, settled, since, state.memory), (), (), due, 0, self._needed)
