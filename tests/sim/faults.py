"""What goes wrong, by one seeded generator: refusals, lost answers, crashes, and others at work amid a call.

Each seed switches on a random share of each kind of fault, so that rare ones are not drowned by common ones.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TypeVar

from sqlalchemy import Connection

from daemon.clock import ToldClock
from daemon.errors import Ambiguous, Temporary
from daemon.store.engine import Store

T = TypeVar("T")

_RATES = (0.0, 0.05, 0.2)
_CRASH_RATES = (0.0, 0.01, 0.03)
_LONGEST_CALL = 20
"""Seconds; less than the total deadline of a call, which a test of its own holds."""


class Crash(BaseException):
    """The process dies here: nothing that it holds in memory lives on. No `except Exception` may stop it."""


class Faults:
    """Chance, and what it has in store while `on`."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.on = True
        self.refused = self.chance.choice(_RATES)
        self.lost = self.chance.choice(_RATES)
        self.limited = self.chance.choice(_RATES)
        self.crash = self.chance.choice(_CRASH_RATES)
        self.slow = self.chance.choice(_RATES)
        self.meanwhile = self.chance.choice(_RATES)

    def happens(self, rate: float) -> bool:
        return self.on and self.chance.random() < rate

    def may_crash(self, where: str) -> None:
        if self.happens(self.crash):
            raise Crash(where)

    def answer(self, effect: Callable[[], T], *, writes: bool) -> T:
        """A vendor's answer to one request: perhaps it is not taken, perhaps the answer to it is lost."""
        if self.happens(self.refused):
            raise Temporary("unreachable")
        if self.happens(self.limited):
            raise Temporary("rate_limited", after=timedelta(seconds=self.chance.randint(1, 90)))
        if not self.happens(self.lost):
            return effect()
        if not writes:
            raise Temporary("timeout")
        if self.chance.random() < 0.5:
            effect()
        raise Ambiguous("answer lost")


class CrashingStore(Store):
    """A store whose process may die just before and just after each commit. It knows whether a transaction is open."""

    def __init__(self, url: str, clock: ToldClock, faults: Faults) -> None:
        super().__init__(url, clock)
        self._faults = faults
        self.open_transactions = 0

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        self.open_transactions += 1
        try:
            with super().write() as connection:
                yield connection
                self._faults.may_crash("before commit")
        finally:
            self.open_transactions -= 1
        self._faults.may_crash("after commit")
