"""Runs steps: in threads for the daemon, one after another under a told clock.

A step is anything with a name and `step(now) -> Worked | Idle`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias, TypeVar

from daemon.clock import Clock
from daemon.errors import Ambiguous

log = logging.getLogger("heliograph.worker")

LONGEST_NAP = timedelta(seconds=5)
"""How long a thread sleeps before it looks again, whatever it was told: clocks step, and other workers work."""

STUCK_AT_MOST = 3
"""Calls abandoned past their deadline before the process gives itself up to its supervisor."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Worked:
    """Something was done; there may be more."""


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing to do before `until`; None: until something else happens."""

    until: datetime | None = None


Outcome: TypeAlias = Worked | Idle
WORKED = Worked()


class Step(Protocol):
    @property
    def name(self) -> str: ...

    def step(self, now: datetime) -> Outcome: ...


class Outside(Protocol):
    """How a step calls the outside."""

    def __call__(self, call: Callable[[], T], deadline: timedelta) -> T:
        """The call's result or its exception; `Ambiguous("timeout")` if it does not end by the deadline."""
        ...


def directly(call: Callable[[], T], deadline: timedelta) -> T:
    """An `Outside` that trusts the call to end: for told time, where nothing waits."""
    return call()


class Bounded:
    """An `Outside` whose calls end: one that hangs is abandoned in its thread, counted, and told of.

    After `STUCK_AT_MOST` the process must be restarted: `stuck` is set, and the daemon exits for its supervisor.
    """

    def __init__(self) -> None:
        self.abandoned = 0
        self.stuck = threading.Event()

    def __call__(self, call: Callable[[], T], deadline: timedelta) -> T:
        future: Future[T] = Future()
        threading.Thread(target=_fulfil, args=(future, call), name="outside", daemon=True).start()
        try:
            return future.result(deadline.total_seconds())
        except FutureTimeout:
            if future.done():
                raise  # the call's own TimeoutError
            self.abandoned += 1
            if self.abandoned >= STUCK_AT_MOST:
                self.stuck.set()
            raise Ambiguous("timeout", f"no answer within {deadline.total_seconds():.0f} s") from None


def _fulfil(future: Future[T], call: Callable[[], T]) -> None:
    try:
        future.set_result(call())
    except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that waits
        future.set_exception(error)


class Crew:
    """A thread for each step, until told to stop. A step that raises is told of, and tried again after a while."""

    def __init__(self, steps: Sequence[Step], clock: Clock, now: Callable[[], datetime]) -> None:
        self._steps = steps
        self._clock = clock
        self._now = now
        self._stopping = False
        self._news = threading.Condition()
        self._wakings = 0
        self._threads: list[threading.Thread] = []
        self.progress: dict[str, float] = {}
        """Step → monotonic seconds at which it last returned, with or without work."""

    @property
    def started(self) -> bool:
        return bool(self._threads)

    def start(self) -> None:
        for step in self._steps:
            self.progress[step.name] = self._clock.monotonic()
            thread = threading.Thread(target=self._run, args=(step,), name=step.name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self, grace: timedelta) -> bool:
        """Stops claiming, lets what is under way finish. Whether all of it did within `grace`."""
        self._stopping = True
        self.wake()
        ends = self._clock.monotonic() + grace.total_seconds()
        for thread in self._threads:
            thread.join(max(0.0, ends - self._clock.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def wake(self) -> None:
        """Something was recorded: whoever idles looks again at once."""
        with self._news:
            self._wakings += 1
            self._news.notify_all()

    def stalled(self, after: timedelta) -> list[str]:
        """Steps that have not returned for `after`."""
        limit = self._clock.monotonic() - after.total_seconds()
        return sorted(name for name, at in self.progress.items() if at < limit)

    def _run(self, step: Step) -> None:
        while not self._stopping:
            heard = self._wakings
            nap = self._once(step)
            self.progress[step.name] = self._clock.monotonic()
            if nap > timedelta(0):
                self._idle(nap, heard)
            else:
                self.wake()

    def _idle(self, nap: timedelta, heard: int) -> None:
        """Until the nap is over, or there are news that came after `heard`."""
        with self._news:
            self._news.wait_for(lambda: self._stopping or self._wakings > heard, nap.total_seconds())

    def _once(self, step: Step) -> timedelta:
        try:
            outcome = step.step(self._now())
        except Exception:  # the one broad except of the daemon: a step's bug must not end the others
            log.exception("step %s failed", step.name)
            return LONGEST_NAP
        return _nap(outcome, self._now())


def _nap(outcome: Outcome, now: datetime) -> timedelta:
    if isinstance(outcome, Worked):
        return timedelta(0)
    wait = LONGEST_NAP if outcome.until is None else outcome.until - now
    return min(max(wait, timedelta(milliseconds=50)), LONGEST_NAP)


def until_idle(steps: Sequence[Step], now: Callable[[], datetime], at_most: int = 100_000) -> datetime | None:
    """Runs all steps until none has anything to do; the earliest instant at which one will.

    Raises RuntimeError after `at_most` steps that worked: they keep one another busy.
    """
    worked = 0
    while True:
        outcomes = [step.step(now()) for step in steps]
        busy = sum(isinstance(outcome, Worked) for outcome in outcomes)
        if not busy:
            waits = [outcome.until for outcome in outcomes if isinstance(outcome, Idle)]
            return min((until for until in waits if until is not None), default=None)
        worked += busy
        if worked > at_most:
            raise RuntimeError("the steps do not come to rest")
