"""Steps in threads and under told time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from daemon.clock import SystemClock, ToldClock
from daemon.errors import Ambiguous
from daemon.worker import STUCK_AT_MOST, WORKED, Bounded, Crew, Idle, Outcome, directly, until_idle

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
PATIENCE = 20.0
"""Seconds that a thread has to do what it does at once."""


@dataclass
class Told:
    """A step that does as it is told, one outcome after another, and then idles for long."""

    name: str = "told"
    outcomes: list[Outcome | Exception] = field(default_factory=list)
    looked: Callable[[int], None] = lambda times: None
    times: int = 0

    def step(self, now: datetime) -> Outcome:
        self.times += 1
        self.looked(self.times)
        outcome = self.outcomes.pop(0) if self.outcomes else Idle(now + timedelta(hours=1))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@dataclass
class Counted:
    """Sets `event` when a step was looked at `times` times."""

    times: int
    event: threading.Event = field(default_factory=threading.Event)

    def __call__(self, times: int) -> None:
        if times >= self.times:
            self.event.set()


def crew(*steps: Told) -> Crew:
    return Crew(steps, SystemClock(), lambda: NOW)


def test_an_idle_step_looks_again_as_soon_as_another_one_worked() -> None:
    idle_twice = Counted(2)
    idle, first_look = Told("idle", looked=idle_twice), Counted(1)
    busy = Told("busy", [Idle(), WORKED], looked=first_look)
    both = crew(idle, busy)

    both.start()
    both.wake()
    assert idle_twice.event.wait(PATIENCE)
    assert both.stop(timedelta(seconds=PATIENCE))


def test_a_step_that_raises_is_told_of_and_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    looked = Counted(3)
    other = Told("other", [WORKED, WORKED], looked=looked)
    both = crew(Told("broken", [ValueError("a bug")]), other)

    both.start()
    assert looked.event.wait(PATIENCE)
    assert both.stop(timedelta(seconds=PATIENCE))
    assert "step broken failed" in caplog.text


def test_a_step_that_does_not_return_is_stalled() -> None:
    clock, release, entered = ToldClock(NOW), threading.Event(), threading.Event()

    def hang(times: int) -> None:
        entered.set()
        release.wait(PATIENCE)

    held = Crew([Told("held", looked=hang)], clock, clock.now)
    held.start()
    assert entered.wait(PATIENCE)
    clock.advance(timedelta(minutes=3))

    assert ["held"] == held.stalled(timedelta(minutes=2))
    assert not held.stop(timedelta(0))
    release.set()
    assert held.stop(timedelta(seconds=PATIENCE))


def test_until_idle_runs_all_and_says_when_the_next_is_due() -> None:
    soon, late = Told("soon", [WORKED, WORKED, Idle(NOW + timedelta(minutes=1))]), Told("late")

    assert NOW + timedelta(minutes=1) == until_idle([soon, late], lambda: NOW)
    assert 3 == soon.times


def test_steps_that_keep_each_other_busy_are_found_out() -> None:
    with pytest.raises(RuntimeError, match="come to rest"):
        until_idle([Told("busy", [WORKED] * 50)], lambda: NOW, at_most=10)


def test_a_call_outside_gives_its_result_or_its_error() -> None:
    bounded = Bounded()

    assert 7 == bounded(lambda: 7, timedelta(seconds=PATIENCE))
    with pytest.raises(ZeroDivisionError):
        bounded(lambda: 1 // 0, timedelta(seconds=PATIENCE))
    assert 7 == directly(lambda: 7, timedelta(0))


def test_calls_that_hang_are_given_up_and_after_three_so_is_the_process() -> None:
    bounded, release = Bounded(), threading.Event()
    try:
        for abandoned in range(1, STUCK_AT_MOST + 1):
            assert not bounded.stuck.is_set()
            with pytest.raises(Ambiguous, match="timeout"):
                bounded(release.wait, timedelta(milliseconds=1))
            assert abandoned == bounded.abandoned
        assert bounded.stuck.is_set()
    finally:
        release.set()
