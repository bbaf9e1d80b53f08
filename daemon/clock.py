"""The only file that reads the time."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The wall clock, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never step back; for deadlines of calls, never for what is recorded."""
        ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class ToldClock:
    """A clock that stands still until it is told. Never goes back."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._start = start
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return (self._now - self._start).total_seconds()

    def tell(self, instant: datetime) -> None:
        with self._lock:
            self._now = max(self._now, instant)

    def advance(self, by: timedelta) -> None:
        self.tell(self._now + by)
