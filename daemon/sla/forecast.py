"""When a ticket would be due if it were reported at an instant, and nothing more happened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from daemon.model import GOALS, Event, EventKind, Goal, Severity, Threshold, TicketState
from daemon.sla.clocks import fold
from daemon.sla.promise import Contract, Promise

NOBODY = "nobody"
OUR_WORD = {"public": True, "human": True, "by": "rep"}
"""The body of a message that answers the client."""


@dataclass(frozen=True, slots=True)
class Forecast:
    goal: Goal
    promise: Promise | None
    """None where nothing is promised at this severity."""
    due: datetime | None = None
    counted: int = 0
    """Seconds that its calendar is open from the opening until then."""
    on_train: bool = False
    """The next minor release has taken the target's place."""
    warnings: tuple[Threshold, ...] = ()
    """By instant; that of the breach comes in the second after the deadline."""


def forecast(contract: Contract, severity: Severity, at: datetime, *, code_fix: bool = False) -> list[Forecast]:
    """A forecast for each goal of the contract. With `code_fix` the fix waits for a release from `at` on; an update
    is due after a public word at `at`."""
    return [_forecast(contract, goal, severity, at, code_fix) for goal in GOALS if goal in contract.goals]


def _forecast(contract: Contract, goal: Goal, severity: Severity, at: datetime, code_fix: bool) -> Forecast:
    promise = contract.goals[goal].get(severity)
    if promise is None:
        return Forecast(goal, None)
    log = list(_log(goal, severity, at, code_fix and goal == "resolution"))
    clock = next(clock for clock in fold(contract, log, at) if clock.goal == goal)
    told = sorted((one for one in clock.thresholds if one.at is not None), key=lambda one: one.at or at)
    counted = promise.calendar.open_time(at, clock.deadline) if clock.deadline else 0
    on_train = goal == "resolution" and code_fix and promise.train is not None
    return Forecast(goal, promise, clock.deadline, counted, on_train, tuple(told))


def _log(goal: Goal, severity: Severity, at: datetime, boards: bool) -> Iterator[Event]:
    yield Event(0, 1, EventKind.OPENED, at, at, NOBODY, {"severity": severity})
    if goal == "update":
        yield Event(0, 2, EventKind.MESSAGE, at, at, NOBODY, OUR_WORD)
    if boards:
        to = {"to": TicketState.AWAITING_FIX.value, "kind": "minor_release"}
        yield Event(0, 2, EventKind.STATE, at, at, NOBODY, to)
