"""Windows that wait for their sources, in memory: for whoever moves all of them in one transaction, again and again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heappop, heappush
from itertools import count

from daemon.model import Json
from daemon.rules.windows.state import instant, stamp
from daemon.store.windows import Kept

Key = tuple[str, str]
"""Rule and group."""


class Waiting:
    """Which of them has something to say, and when. The first to be due comes first, and of those that are due at the
    same time the first that was heard of: as the store has them."""

    def __init__(self, kept: Iterable[Kept]) -> None:
        self._heap: list[tuple[int, int, Key]] = []
        """What is out of date among these is thrown away when its turn comes."""
        self._numbers: dict[Key, int] = {}
        self._next = count()
        self._due: dict[Key, int | None] = {}
        self._groups: dict[Key, Mapping[str, Json]] = {}
        for each in kept:
            self.move((each.rule, each.key), each.group, None if each.due_at is None else stamp(each.due_at))

    def move(self, key: Key, group: Mapping[str, Json], due: int | None) -> None:
        """`due` in microseconds since 1970; None: it waits for nothing."""
        if key not in self._numbers:
            self._numbers[key], self._groups[key] = next(self._next), group
        if due != self._due.get(key):
            self._due[key] = due
            if due is not None:
                heappush(self._heap, (due, self._numbers[key], key))

    def next_due(self) -> int | None:
        """When the first of them is due."""
        while self._heap and not self._stands(self._heap[0]):
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, mark: int) -> list[Kept]:
        """Those that are, once their sources are read up to `mark`, without their states."""
        found: dict[tuple[int, int, Key], None] = {}
        while self._heap and self._heap[0][0] <= mark:
            first = heappop(self._heap)
            if self._stands(first):
                found[first] = None
        for each in found:  # they wait until they are moved
            heappush(self._heap, each)
        return [Kept(*key, None, instant(at), self._groups[key], instant(at)) for at, _, key in found]

    def _stands(self, waiting: tuple[int, int, Key]) -> bool:
        at, _, key = waiting
        return self._due[key] == at
