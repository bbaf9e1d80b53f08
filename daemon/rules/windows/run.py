"""Moves a window: by a signal, and by the news of how far its sources have been read."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import zip_longest

from daemon.rules.model import Absent, Aggregate, Change, Count, Distinct, Drop, FirstSeen, Ratio, Spike, Window
from daemon.rules.model import Sequence as Steps
from daemon.rules.windows import sequence, silence, trailing, values
from daemon.rules.windows.state import (
    LATENESS,
    Entry,
    Firing,
    State,
    Verdict,
    firing,
    microseconds,
    place_of,
    stamp,
    without,
)

MOST_KEPT = 2_000
"""Signals that a window keeps of one group. Of a count, which needs no more to fire, fewer."""

_LEAST_COUNTED = 500


def joins(window: Window | None) -> bool:
    """Whether, while its incident is open, every further match is evidence, and not only what fires again."""
    return isinstance(window, Count | Distinct)


def most_kept(window: Window) -> int:
    """Signals of one group beyond which the oldest are forgotten."""
    return max(_LEAST_COUNTED, 2 * window.count) if isinstance(window, Count | Distinct) else MOST_KEPT


def advance(window: Window, state: State, entry: Entry, lateness: timedelta = LATENESS) -> Verdict:
    """Adds one signal. A second one of the same id, one that weighs nothing, and one too late change nothing."""
    newest = state.entries[-1].at if state.entries else entry.at
    follows = entry.at > newest or not state.entries
    if (not follows and _is_known(state, entry)) or _is_void(window, state, entry, newest, lateness):
        return Verdict(state, due=due(window, state), counted=False, needed=trailing.needed(window))
    added = _with(window, state, entry, follows=follows)
    if waits(window):
        return _trimmed(window, Verdict(added, needed=trailing.needed(window)), max(newest, entry.at), lateness)
    return _trimmed(window, _grown(window, added, entry), max(newest, entry.at), lateness)


def settle(window: Window, state: State, watermark: datetime, lateness: timedelta = LATENESS) -> Verdict:
    """Says what has become certain now that all that happened before `watermark` has been seen."""
    mark = stamp(watermark) - 1
    if not waits(window) or (state.settled is not None and mark <= state.settled):
        return Verdict(state, due=due(window, state), counted=False)
    match window:
        case Absent() | Drop():
            verdict = silence.settle(window, state, mark)
        case FirstSeen() | Change():
            verdict = values.settle(window, state, mark)
        case _:
            firings = tuple(_between(window, state, mark))
            verdict = Verdict(state._replace(settled=mark), firings)
    newest = max(mark, verdict.state.entries[-1].at if verdict.state.entries else mark)
    return _trimmed(window, verdict, newest, lateness)


def begin(window: Absent, at: datetime) -> State:
    """A group that is expected and was never heard of: its silence counts from `at`."""
    return State(settled=stamp(at), since=stamp(at), memory={"last": stamp(at)})


def _is_known(state: State, entry: Entry) -> bool:
    return any(seen.id == entry.id and seen.value == entry.value for seen in state.between(entry.at, entry.at))


def _is_void(window: Window, state: State, entry: Entry, newest: int, lateness: timedelta) -> bool:
    """Whether it is too late, or weighs nothing."""
    if isinstance(window, Count | Spike | Drop) and entry.value <= 0:
        return True
    if waits(window):
        return state.settled is not None and entry.at <= state.settled
    return entry.at < newest - microseconds(_span(window)) - microseconds(lateness)


def _with(window: Window, state: State, entry: Entry, *, follows: bool) -> State:
    since = state.since
    if isinstance(window, Spike | Drop | FirstSeen):  # no other asks how long its group has been known
        since = entry.at if since is None else min(since, entry.at)
    if follows:
        return State((*state.entries, entry), state.settled, since, state.memory)
    entries = list(state.entries)
    insort(entries, entry)
    return State(tuple(entries), state.settled, since, state.memory)


def waits(window: Window) -> bool:
    """Whether it says nothing before its sources are read."""
    return not trailing.only_grows(window)


def _span(window: Window) -> timedelta:
    """How far back from a signal entries of their own are needed."""
    match window:
        case Absent():
            return timedelta(0)
        case FirstSeen() | Change():
            return timedelta(0)
        case _:
            return window.within


def _grown(window: Window, state: State, entry: Entry) -> Verdict:
    """Of all spans with the new entry in them, those that hold enough."""
    if isinstance(window, Steps):
        return _chained(window, state, entry)
    assert isinstance(window, Count | Distinct | Aggregate)
    within, comes_to, enough = microseconds(window.within), trailing.measure(window), trailing.enough(window)
    left = right = entry.at
    most, found = 0.0, False
    completed: list[tuple[int, int | None]] = []
    for at, last in _instants(state.between(entry.at, entry.at + within)):
        span = state.between(at - within, at)
        total = comes_to(span) or 0.0
        most = max(most, total)
        if enough(total):
            found, left, right = True, min(left, span[0].at), at
            others = [each for each in span if each is not entry]
            was_there = bool(others) and others[-1].at == at
            if not (was_there and enough(comes_to(others) or 0.0)):
                completed.append((at, last.id))
    fired = (firing(state.between(left, right), entry.at, most, completed),) if found else ()
    return Verdict(state, fired, total=most, needed=trailing.needed(window))


def _chained(window: Steps, state: State, entry: Entry) -> Verdict:
    """Chains with the new entry in their time; those that were not there without it are complete only now."""
    before = {end for _, end in sequence.chains(window, [each for each in state.entries if each is not entry])}
    fired = tuple(
        _chain(window, state, end, end, complete=end not in before)
        for _, end in sequence.chains(window, state.entries)
        if entry.at <= end <= entry.at + microseconds(window.within)
    )
    reached = len({each.value for each in state.between(entry.at - microseconds(window.within), entry.at)})
    return Verdict(state, fired, total=reached, needed=len(window.steps))


def _chain(window: Steps, state: State, end: int, at: int, *, complete: bool = True) -> Firing:
    """It rests on every step within its time, so that no later one can be found to do better."""
    within = state.between(end - microseconds(window.within), end)
    span = [entry for entry in within if not window.steps[entry.value].negated]
    return firing(span, at, len(span), ((at, span[-1].id),) if complete else ())


def _between(window: Window, state: State, mark: int) -> Iterator[Firing]:
    """What fires after what was settled before, up to `mark`."""
    done = state.settled
    if isinstance(window, Steps):
        for start, end in sequence.chains(window, state.entries):
            at = sequence.decided_at(window, start, end)
            if (done is None or at > done) and at <= mark and not sequence.forbidden(window, state.entries, start, end):
                yield _chain(window, state, end, at)
        return
    assert isinstance(window, Aggregate | Ratio | Spike)
    judge = partial(silence.spikes, window, state) if isinstance(window, Spike) else trailing.judge(window)
    for at, last in _instants(state.entries[_waiting_from(state) : place_of(state.entries, mark + 1)]):
        span = state.between(at - microseconds(window.within), at)
        holds, total = judge(span, at)
        if holds:
            yield firing(span, at, total, ((at, last.id),))


def _instants(entries: Sequence[Entry]) -> Iterator[tuple[int, Entry]]:
    """Each instant with its last entry."""
    for entry, after in zip_longest(entries, entries[1:]):
        if after is None or after.at != entry.at:
            yield entry.at, entry


def _waiting_from(state: State) -> int:
    """The place of the first entry that is not settled yet."""
    return 0 if state.settled is None else place_of(state.entries, state.settled + 1)


def _first(state: State) -> int:
    return state.entries[0].at if state.entries else 0


def due(window: Window, state: State) -> int | None:
    """When `settle` may next have something to say."""
    if not waits(window):
        return None
    if isinstance(window, Absent | Drop):
        return silence.due(window, state)
    if isinstance(window, Steps):
        decided = (sequence.decided_at(window, *chain) for chain in sequence.chains(window, state.entries))
        return min((at for at in decided if state.settled is None or at > state.settled), default=None)
    waiting = _waiting_from(state)
    return state.entries[waiting].at if waiting < len(state.entries) else None


def _trimmed(window: Window, verdict: Verdict, newest: int, lateness: timedelta) -> Verdict:
    """Forgets what no span can need any more, and what is beyond the cap."""
    state = trimmed(window, verdict.state, newest, lateness)
    dropped = max(0, len(state.entries) - most_kept(window))
    state = state._replace(entries=state.entries[dropped:]) if dropped else state
    return verdict._replace(state=state, due=due(window, state), dropped=verdict.dropped + dropped)


def trimmed(window: Window, state: State, newest: int, lateness: timedelta = LATENESS) -> State:
    """Without what no span can need any more, all up to `newest` having been heard."""
    span = microseconds(_span(window))
    horizon = newest - span - microseconds(lateness)
    if waits(window):  # what is not settled yet is still needed, and the span before it
        settled = state.settled if state.settled is not None else _first(state)
        horizon = min(horizon, settled - span)
    if isinstance(window, Spike) and not silence.pays(state, horizon) and len(state.entries) <= MOST_KEPT:
        return state
    return without(silence.folded(window, state, horizon) if isinstance(window, Spike | Drop) else state, horizon)


def reached(window: Window, state: State, at: int) -> float:
    """Of a kind that fires at once: the most that a span comes to which ends within `within` after `at`."""
    within, comes_to = microseconds(_span(window)), trailing.measure(window)
    ends = [end for end, _ in _instants(state.between(at, at + within))]
    return max(0.0, *(comes_to(state.between(end - within, end)) or 0.0 for end in ends))
