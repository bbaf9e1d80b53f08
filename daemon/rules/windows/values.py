"""Kinds that compare a value with those before it: seen for the first time, changed. Taken in order, once settled."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from daemon.model import Json
from daemon.rules.model import Change, FirstSeen
from daemon.rules.windows.state import Entry, Firing, State, Verdict, firing, microseconds

MOST_VALUES = 1_000
"""Different values that are remembered of one group; then the longest unseen is forgotten."""


def settle(window: FirstSeen | Change, state: State, mark: int) -> Verdict:
    memory = dict(state.memory)
    ready = [entry for entry in state.entries if entry.at <= mark]
    waiting = tuple(entry for entry in state.entries if entry.at > mark)
    take = _first_seen if isinstance(window, FirstSeen) else _changed
    firings = tuple(take(window, memory, ready, state))  # type: ignore[arg-type]  # each takes its own kind
    dropped = _forget(window, memory, mark) if isinstance(window, FirstSeen) else 0
    return Verdict(state._replace(entries=waiting, settled=mark, memory=memory), firings, dropped=dropped)


def _first_seen(window: FirstSeen, memory: dict[str, Any], entries: list[Entry], state: State) -> Iterator[Firing]:
    """`memory`: value → when it was last seen."""
    within, learn = microseconds(window.within), microseconds(window.learn)
    for entry in entries:
        seen = memory.get(_text(entry.value))
        memory[_text(entry.value)] = entry.at
        known_for = entry.at - (state.since if state.since is not None else entry.at)
        if (seen is None or entry.at - seen > within) and known_for >= learn:
            yield firing([entry], entry.at, 1, ((entry.at, entry.id),))


def _changed(window: Change, memory: dict[str, Any], entries: list[Entry], state: State) -> Iterator[Firing]:
    """`memory`: the entry before."""
    within = microseconds(window.within)
    for entry in entries:
        before = Entry(*memory["before"]) if "before" in memory else None
        memory["before"] = list(entry)
        if before and entry.at - before.at <= within and _text(before.value) != _text(entry.value):
            yield firing([before, entry], entry.at, 1, ((entry.at, entry.id),))


def _forget(window: FirstSeen, memory: dict[str, Any], mark: int) -> int:
    oldest = mark - microseconds(window.within)
    for value in [value for value, at in memory.items() if at < oldest]:
        del memory[value]
    excess = max(0, len(memory) - MOST_VALUES)
    for value in sorted(memory, key=lambda value: (memory[value], value))[:excess]:
        del memory[value]
    return excess


def _text(value: Json) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
