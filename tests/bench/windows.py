"""P2: updates of windows a second, a tenth of them out of order, by the mover that the daemon runs, one call for each;
also where after each is asked how far the window has come, as the decision record does. In turn with a plain ring of
the last stamps, with the bare loop that finds each key's pane and calls what does nothing, and with ElastAlert's
classes. Beforehand all is played once with a restart in the middle, and what fires must be what a plain look at all
events of a group finds."""

from __future__ import annotations

import gc
import json
import math
import random
import tracemalloc
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from daemon.model import Json
from daemon.rules.model import Aggregate, Count, Distinct, Spike, Window
from daemon.rules.paths import parse_path
from daemon.rules.windows import Mover, Pane
from daemon.rules.windows.state import MICROSECOND, Verdict, instant
from tests.bench import foreign
from tests.bench.measure import in_turn, rate, ratio

SIZES = {1_000: 100_000, 100_000: 300_000, 1_000_000: 2_000_000}
"""Keys, and how many events are theirs."""
_WITHIN = timedelta(minutes=10)
_LATE = 60_000_000
_HEARD = 3
"""How often a key is heard of within a window, on average."""
_BATCH = 10_000
_SAMPLE = 20_000
_BEGAN = 1_767_225_600_000_000
_NUMBERED = "n"

KINDS: Mapping[str, Window] = {
    "count": Count(10, _WITHIN),
    "distinct": Distinct(parse_path(_NUMBERED), 8, _WITHIN),
    "sum": Aggregate("sum", parse_path(_NUMBERED), "gte", 150, _WITHIN),
    "spike": Spike(3, _WITHIN, 3 * _WITHIN, 8),
}

_EMPTY = Mover(KINDS["count"]).pane()

Fired = set[tuple[int, int]]
"""Key and instant at which it had enough."""


class Event(NamedTuple):
    key: int
    at: int
    value: Json


def bench(
    sizes: Mapping[int, int], rounds: int, told: Callable[[], None], folder: Path | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """A name and its rates in updates a second; `folder` is where the rival's package is installed."""
    for keys, events in sizes.items():
        for kind, window in KINDS.items():
            yield f"windows, {kind}, {keys} keys", _one(kind, window, stream(keys, events, kind), rounds, told, folder)


def stream(keys: int, events: int, kind: str, seed: int = 1) -> list[Event]:
    """As they arrive: a tenth up to a minute late."""
    chance = random.Random(seed)
    step = _WITHIN // MICROSECOND / (keys * _HEARD)
    return [
        Event(
            chance.randrange(keys),
            _BEGAN + int(n * step) - (chance.randrange(_LATE) if chance.random() < 0.1 else 0),
            chance.randrange(30) if kind in ("distinct", "sum") else 1,
        )
        for n in range(events)
    ]


def _one(
    kind: str, window: Window, events: Sequence[Event], rounds: int, told: Callable[[], None], folder: Path | None
) -> dict[str, Any]:
    fired, documents = restarted(window, events)
    if fired != (expected := plain(window, events)):
        raise ValueError(f"{kind}: not what a plain look finds: {sorted(fired ^ expected)[:5]}")
    runs: dict[str, Callable[[], float]] = {
        "ours": lambda: rate(lambda: play(Mover(window), events, {}), len(events)),
        "recorded": lambda: rate(lambda: play(_Recorded(window), events, {}), len(events)),
    }
    if kind == "count":
        runs["ring"] = lambda: rate(lambda: _ringed(events), len(events))
        runs["bare loop"] = lambda: rate(lambda: play(_Idle(window), events, {}), len(events))
    if folder and kind != "sum":
        runs["ElastAlert"] = foreign.elastalert(folder, kind, events)
    gc.collect()
    gc.freeze()  # what the bench itself holds is not gone through again and again
    found = in_turn(runs, rounds, told)
    gc.unfreeze()
    report: dict[str, Any] = {"rates": found, "fired": len(fired), "bytes a key": _bytes(window, documents)}
    return report | {f"ours / {other}": ratio(found, "ours", other) for other in runs if other != "ours"}


class _Recorded(Mover):
    """Says each time how far the window has come."""

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        move, quiet = self.move, self.quiet
        self.move = lambda pane, at, number, severity, value: move(pane, at, number, severity, value) or quiet(pane, at)


class _Idle(Mover):
    """Does nothing."""

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self.move = lambda pane, at, number, severity, value: None

    def pane(self, document: Json = None) -> Pane:
        return _EMPTY


def restarted(window: Window, events: Sequence[Event]) -> tuple[Fired, list[str]]:
    """What fires if every state is written out half-way and read back; and all as they are stored at last."""
    mover, panes = Mover(window), dict[int, Pane]()
    fired = play(mover, events[: len(events) // 2], panes)
    for key, document in enumerate(_written(mover, panes)):
        panes[key] = mover.pane(json.loads(document))
    fired |= play(mover, events[len(events) // 2 :], panes, ends=True)
    return fired, _written(mover, panes)


def _written(mover: Mover, panes: dict[int, Pane]) -> list[str]:
    """Keys that were not heard of are the empty state."""
    none = mover.pane()
    every = (mover.document(panes.get(key, none)) for key in range(max(panes) + 1))
    return [json.dumps(document, separators=(",", ":")) for document in every]


def play(mover: Mover, events: Sequence[Event], panes: dict[int, Pane], *, ends: bool = False) -> Fired:
    """Batch by batch, as a source is read: up to a minute before its newest event all is known."""
    fired, waiting, waits, move = Fired(), dict[int, int](), mover.waits, mover.move
    for start in range(0, len(events), _BATCH):
        for number, (key, at, value) in enumerate(events[start : start + _BATCH], start):
            pane = panes.get(key)
            if pane is None:
                pane = panes[key] = mover.pane()
            verdict = move(pane, at, number, 3, value)
            if verdict is not None:
                _note(fired, key, verdict)
            if waits and at < waiting.get(key, at + 1):
                waiting[key] = at
        if waits:
            newest = max(event.at for event in events[start : start + _BATCH])
            _settle(mover, panes, waiting, newest - _LATE, fired)
    if ends and waits:
        waiting |= dict.fromkeys(panes, 0)
        _settle(mover, panes, waiting, events[-1].at + _LATE, fired)
    return fired


def _settle(mover: Mover, panes: dict[int, Pane], waiting: dict[int, int], mark: int, fired: Fired) -> None:
    """What is still waiting is due later."""
    for key in [key for key, due in waiting.items() if due < mark]:
        verdict = mover.settle(panes[key], mark)
        if verdict is not None:
            _note(fired, key, verdict)
        due = mover.due(panes[key])
        if due is None:
            del waiting[key]
        else:
            waiting[key] = due


def _note(fired: Fired, key: int, verdict: Verdict) -> None:
    for each in verdict.firings:
        fired |= {(key, (at - instant(0)) // MICROSECOND) for at, _ in each.completed}


def plain(window: Window, events: Sequence[Event]) -> Fired:
    """All of a group's events at once, in the order in which they happened."""
    groups: dict[int, list[Event]] = {}
    for event in sorted(events, key=lambda event: event.at):
        groups.setdefault(event.key, []).append(event)
    return {(key, at) for key, group in groups.items() for at in _instants(window, group)}


def _instants(window: Window, group: Sequence[Event]) -> Iterator[int]:
    for place, event in enumerate(group):
        last = place + 1 == len(group) or group[place + 1].at > event.at
        if last and _holds(window, group[: place + 1]):
            yield event.at


def _holds(window: Window, group: Sequence[Event]) -> bool:
    """Whether the span that ends with the last of these has enough."""
    within, end = _WITHIN // MICROSECOND, group[-1].at
    span = [event for event in group if event.at >= end - within]
    match window:
        case Count(count=count):
            return len(span) >= count
        case Distinct(count=count):
            return len({event.value for event in span}) >= count
        case Aggregate(bound=bound):
            return math.fsum(event.value for event in span) >= bound
        case Spike():
            known = min(window.baseline // MICROSECOND, end - within - group[0].at)
            oldest = (end - within - window.baseline // MICROSECOND) // within
            before = sum(1 for event in group if event.at <= end - within and event.at // within > oldest)
            return known >= within and len(span) >= max(window.floor, window.factor * before * within / known)
        case _:
            raise TypeError(f"no plain look at a {type(window).__name__}")


def _ringed(events: Sequence[Event]) -> int:
    """As one would write it by hand: late events are taken as if they were in order."""
    rings: dict[int, deque[int]] = {}
    fired, within, count = 0, _WITHIN // MICROSECOND, 10
    for key, at, _ in events:
        ring = rings.get(key)
        if ring is None:
            ring = rings[key] = deque(maxlen=count)
        ring.append(at)
        fired += len(ring) == count and at - ring[0] <= within
    return fired


def _bytes(window: Window, documents: Sequence[str]) -> dict[str, float]:
    """Of a key: as it is stored, and in memory while a batch moves it."""
    some = documents[:_SAMPLE]
    tracemalloc.start()
    mover = Mover(window)
    kept = [mover.pane(json.loads(document)) for document in some]
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {
        "stored": sum(map(len, documents)) / len(documents),
        "memory": taken / len(kept),
        "entries": sum(len(pane) // 2 for pane in kept) / len(kept),
    }
