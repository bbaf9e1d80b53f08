"""Who has the queue over a span of time, and which promises count while nobody has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from daemon.model import Goal, Severity
from daemon.sla.calendar import Calendar
from daemon.sla.duty import on_duty
from daemon.sla.promise import Contract


@dataclass(frozen=True, slots=True)
class Shift:
    """One owner from `start` until before `end`."""

    owner: str | None
    """None in a gap."""
    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Uncovered:
    """A promise whose clock counts while nobody is on duty."""

    contract: Contract
    goal: Goal
    severity: Severity
    calendar: Calendar
    seconds: int
    """How many of them, over all gaps."""


def shifts(sites: Mapping[str, Calendar], start: datetime, end: datetime) -> list[Shift]:
    """All of [start, end), in order; each shift has another owner than the one before."""
    edges = {start, end}
    for calendar in sites.values():
        edges |= {edge for stretch in calendar.stretches(start, end) for edge in stretch}
    found: list[Shift] = []
    for begins, ends in pairwise(sorted(edges)):
        owner = on_duty(sites, begins).owner
        goes_on = bool(found) and found[-1].owner == owner
        found.append(Shift(owner, found.pop().start if goes_on else begins, ends))
    return found


def gaps(of: Iterable[Shift]) -> list[Shift]:
    return [shift for shift in of if shift.owner is None]


def handovers(of: Sequence[Shift]) -> list[tuple[Shift, Shift]]:
    """Where one site takes over from another: the shift before, and the shift after."""
    return [(one, other) for one, other in pairwise(of) if one.owner is not None and other.owner is not None]


def uncovered(contracts: Iterable[Contract], nobody: Sequence[Shift]) -> Iterator[Uncovered]:
    for contract in contracts:
        for goal, rows in contract.goals.items():
            for severity, promise in rows.items():
                counted = 0
                if promise is not None:
                    counted = sum(promise.calendar.open_time(gap.start, gap.end) for gap in nobody)
                if promise is not None and counted:
                    yield Uncovered(contract, goal, severity, promise.calendar, counted)
