"""What simulated sources share: signals that show late, changes that show late, and limits in fixed windows."""

from __future__ import annotations

import heapq
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from lab.server import Now, Sent, Table, Vendor

Value = TypeVar("Value")
SHOWN_ON_PAGE = 50


class Source(Vendor):
    """A vendor whose API shows what happened only `delay` later."""

    def __init__(self, now: Now, delay: timedelta) -> None:
        super().__init__(now)
        self.delay = delay
        self._hidden: list[datetime] = []

    def next_at(self) -> datetime | None:
        """When something that was sent, and is not shown yet, will be."""
        with self.lock:
            while self._hidden and self._hidden[0] <= self.now():
                heapq.heappop(self._hidden)
            return self._hidden[0] if self._hidden else None

    def _send(self, id: str, at: datetime, late: timedelta | None) -> datetime:
        """Writes down that a signal was put in; the answer is when it shows."""
        visible_at = at + (self.delay if late is None else late)
        self.sent.append(Sent(id, at, self.name, visible_at))
        self._hide(visible_at)
        return visible_at

    def _hide(self, until: datetime) -> None:
        """`next_at` will tell of `until`."""
        if until > self.now():
            heapq.heappush(self._hidden, until)

    def tables(self) -> list[Table]:
        now = self.now()
        rows = [(f"{one.at:%H:%M:%S}", one.id, _shown(one, now)) for one in self.sent[-SHOWN_ON_PAGE:]]
        return [*self.states(), Table(f"Put in: {len(self.sent)}, newest first", ("at", "id", "shown"), rows[::-1])]

    def states(self) -> list[Table]:
        """What the page shows of the vendor's own things."""
        return []


def _shown(sent: Sent, now: datetime) -> str:
    return "yes" if sent.visible_at is None or sent.visible_at <= now else f"from {sent.visible_at:%H:%M:%S}"


class Versions(Generic[Value]):
    """A thing whose readers see each change some time after it was made."""

    def __init__(self) -> None:
        self._all: list[tuple[datetime, Value]] = []

    def add(self, value: Value, visible_at: datetime) -> None:
        self._all.append((visible_at, value))

    @property
    def newest(self) -> Value | None:
        return self._all[-1][1] if self._all else None

    def seen(self, now: datetime) -> Value | None:
        """The last version that shows by `now`; time must not run backwards."""
        shown = [place for place, (visible_at, _) in enumerate(self._all) if visible_at <= now]
        if not shown:
            return None
        del self._all[: shown[-1]]
        return self._all[0][1]


class Limit:
    """At most `count` requests in each window of `period`; windows are aligned to the calendar."""

    def __init__(self, count: int, period: timedelta) -> None:
        self.count = count
        self.period = period
        self._window = 0
        self._taken: Counter[str] = Counter()

    def take(self, key: str, now: datetime) -> bool:
        """Whether one more request to `key` is allowed."""
        self._turn(now)
        self._taken[key] += 1
        return self._taken[key] <= self.count

    def remaining(self, key: str, now: datetime) -> int:
        self._turn(now)
        return max(self.count - self._taken[key], 0)

    def resets_at(self, now: datetime) -> datetime:
        return datetime.fromtimestamp((self._number(now) + 1) * self.period.total_seconds(), UTC)

    def _turn(self, now: datetime) -> None:
        if self._number(now) != self._window:
            self._window = self._number(now)
            self._taken.clear()

    def _number(self, now: datetime) -> int:
        return int(now.timestamp() // self.period.total_seconds())


def iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def milliseconds(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)


def whole(text: str, low: int, high: int) -> int:
    """`text` as a number from `low` to `high`. Raises ValueError."""
    number = int(text)
    if not low <= number <= high:
        raise ValueError(f"{number} is not from {low} to {high}")
    return number
