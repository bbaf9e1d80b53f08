"""Kinds that look at how much is heard: too much against the time before, too little, nothing at all."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from daemon.rules.model import Absent, Drop, Spike
from daemon.rules.windows.state import Entry, Firing, State, Verdict, firing, instant, microseconds, place_of
from daemon.rules.windows.trailing import weight

_FOLDED = 4
"""For so many buckets, one entry more may wait to be folded into them."""

_TICKS = 4
"""How often within its `within` a drop is looked for."""


def settle(window: Absent | Drop, state: State, mark: int) -> Verdict:
    return _absent(window, state, mark) if isinstance(window, Absent) else _dropped(window, state, mark)


def due(window: Absent | Drop, state: State) -> int | None:
    if isinstance(window, Absent):
        heard = state.entries[0].at if state.entries else None
        return heard if "down" in state.memory else _last(state, window)
    if not state.entries and not state.memory.get("buckets"):
        return None
    start = state.settled if state.settled is not None else state.entries[0].at
    return _tick(window, start)


def _last(state: State, window: Absent) -> int | None:
    """When the earliest silence that is not told yet would be long enough."""
    times = _times(state)
    length = microseconds(window.length)
    for at, after in zip(times, [*times[1:], None], strict=True):
        if (after is None or after - at > length) and (state.settled is None or at + length > state.settled):
            return at + length
    return None


def _times(state: State) -> list[int]:
    last = state.memory.get("last")
    return [*([] if last is None else [last]), *(entry.at for entry in state.entries)]


def telling(window: Absent, state: State, heard: Collection[int]) -> set[int]:
    """Of the instants at which a group is heard, those that can change what its window says, whatever is heard beside
    them: what stands on both sides of any other is at most `length` apart without it. Of those that come too late,
    which change nothing, the newest, so that it goes on record."""
    known, length, before = set(_times(state)), microseconds(window.length), None
    late = {at for at in heard if state.settled is not None and at <= state.settled}
    found = {max(late)} if late else set()
    times = sorted(known.union(heard).difference(late - known))
    for at, after in zip(times, [*times[1:], None], strict=True):
        if at in known or before is None or after is None or after - before > length:
            before = at
            if at not in known:
                found.add(at)
    return found


def _absent(window: Absent, state: State, mark: int) -> Verdict:
    """`memory`: `last`, when it was last heard of up to what is settled; `down`, since when its silence has fired."""
    length, times, memory = microseconds(window.length), _times(state), dict(state.memory)
    firings, recovered = [], []
    ids = {entry.at: entry.id for entry in state.entries}
    for at, after in zip(times, [*times[1:], None], strict=True):
        by = None if after is None else ids.get(after)
        told = "down" in memory or (state.settled is not None and at + length <= state.settled)
        if (after is None or after - at > length) and at + length <= mark and not told:
            firings.append(firing((), at + length, 0, ((at + length, None),)))
            memory["down"] = at + length
        if after is not None and memory.get("down", after) < after <= mark:
            recovered.append((instant(after), by))
            del memory["down"]
    known = [at for at in times if at <= mark]
    memory |= {"last": max(known)} if known else {}
    waiting = tuple(entry for entry in state.entries if entry.at > mark)
    return Verdict(state._replace(entries=waiting, settled=mark, memory=memory), tuple(firings), tuple(recovered))


def spikes(window: Spike, state: State, span: Sequence[Entry], at: int) -> tuple[bool, float]:
    """Whether this span is one, and how much it holds."""
    amount = weight(span)
    if amount < window.floor:
        return False, amount
    average = _average(window, state, at)
    return average is not None and amount >= window.factor * average, amount


def _dropped(window: Drop, state: State, mark: int) -> Verdict:
    """`memory`: `down`, since when it has fired."""
    memory = dict(state.memory)
    firings: list[Firing] = []
    recovered = []
    for at in _ticks(window, state, mark):
        span = state.between(at - microseconds(window.within) + 1, at)
        average, amount = _average(window, state, at), weight(span)
        low = average is not None and average >= window.floor and amount <= window.factor * average
        if low:
            firings.append(firing(span, at, amount, () if "down" in memory else ((at, None),)))
            memory.setdefault("down", at)
        elif average is not None and amount > window.factor * average and memory.pop("down", None) is not None:
            recovered.append((instant(at), None))
    return Verdict(state._replace(settled=mark, memory=memory), tuple(firings), tuple(recovered))


def _ticks(window: Drop, state: State, mark: int) -> Iterator[int]:
    """The instants to look at: none past the time at which the baseline has run empty."""
    newest = max([entry.at for entry in state.entries] + [_ends(window, n) for n in _buckets(state)], default=None)
    if newest is None:
        return
    start = state.settled if state.settled is not None else state.entries[0].at
    last = min(mark, newest + microseconds(window.within + window.baseline))
    at = _tick(window, start)
    while at <= last:
        yield at
        at = _tick(window, at)


def _tick(window: Drop, after: int) -> int:
    every = max(1, microseconds(window.within) // _TICKS)
    return (after // every + 1) * every


def _average(window: Spike | Drop, state: State, at: int) -> float | None:
    """What `within` held on average in the baseline that ends where the span begins, over as much of it as the group
    has been known; None while that is less than one `within`. Counted by buckets of `within` at its far end."""
    within, baseline = microseconds(window.within), microseconds(window.baseline)
    end = at - within
    known = min(baseline, end - (state.since if state.since is not None else end))
    if known < within:
        return None
    oldest = (end - baseline) // within
    count: float = sum(entry.value for entry in state.entries if entry.at <= end and entry.at // within > oldest)
    count += sum(amount for bucket, amount in _buckets(state).items() if bucket > oldest)
    return count * within / known


def pays(state: State, before: int) -> bool:
    """Whether there is enough to fold for what it costs, which is all buckets anew."""
    return worth(place_of(state.entries, before), state)


def worth(old: int, state: State) -> bool:
    """Whether so many entries are."""
    return old > 0 and old * _FOLDED >= len(state.memory.get("buckets", ()))


def folded(window: Spike | Drop, state: State, before: int) -> State:
    """The same with what happened before `before` as amounts by bucket, and without those past the baseline."""
    old = [entry for entry in state.entries if entry.at < before]
    within = microseconds(window.within)
    oldest = (before - microseconds(window.within + window.baseline)) // within - 1
    buckets = {bucket: amount for bucket, amount in _buckets(state).items() if bucket >= oldest}
    for entry in old:
        buckets[entry.at // within] = buckets.get(entry.at // within, 0) + entry.value
    if buckets == _buckets(state):
        return state
    return state._replace(memory={**state.memory, "buckets": {str(key): amount for key, amount in buckets.items()}})


def _buckets(state: State) -> dict[int, int]:
    return {int(key): amount for key, amount in state.memory.get("buckets", {}).items()}


def _ends(window: Drop, bucket: int) -> int:
    return (bucket + 1) * microseconds(window.within)
