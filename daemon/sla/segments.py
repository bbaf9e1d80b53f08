"""How a clock's time went: when it ran, when its calendar was closed, when it was held. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from daemon.model import Severity
from daemon.sla.calendar import instant, seconds
from daemon.sla.cycle import Cycle, Ran


class Kind(StrEnum):
    RUNNING = "running"
    OFF_HOURS = "off hours"
    PAUSED = "paused"
    ON_TRAIN = "waiting for the release"


@dataclass(frozen=True, slots=True)
class Segment:
    """From `start` until before `end` it was so."""

    kind: Kind
    start: datetime
    end: datetime
    counted: int
    """SLA seconds used in it."""
    calendar: str = ""
    severity: Severity | None = None


def segments(cycle: Cycle, now: datetime) -> list[Segment]:
    """All of the cycle's time up to its stop, or `now`, in order and without a hole. Those of no time are left out."""
    end = _end(cycle, seconds(now))
    at, found = cycle.started, list[Segment]()
    for ran in _ran(cycle, end):
        if at < ran.start:
            found.append(Segment(Kind.PAUSED, instant(at), instant(ran.start), 0))
        found += _parts(ran)
        at = ran.end
    if at < end:
        found.append(Segment(Kind.PAUSED, instant(at), instant(end), 0))
    return found


def _end(cycle: Cycle, now: int) -> int:
    if cycle.stopped is not None:
        return cycle.stopped
    if cycle.cancelled:
        return max((ran.end for ran in cycle.ran), default=cycle.started)
    return max(now, cycle.started)


def _ran(cycle: Cycle, end: int) -> Iterator[Ran]:
    yield from cycle.ran
    if cycle.since is not None and cycle.since < end and cycle.promise is not None:
        yield Ran(cycle.since, end, cycle.promise.calendar, cycle.severity, cycle.on_train)


def _parts(ran: Ran) -> Iterator[Segment]:
    if ran.on_train:
        yield Segment(Kind.ON_TRAIN, instant(ran.start), instant(ran.end), 0, ran.calendar.name, ran.severity)
        return
    at = instant(ran.start)
    for opens, closes in ran.calendar.stretches(instant(ran.start), instant(ran.end)):
        if at < opens:
            yield Segment(Kind.OFF_HOURS, at, opens, 0, ran.calendar.name, ran.severity)
        counted = int((closes - opens).total_seconds())
        yield Segment(Kind.RUNNING, opens, closes, counted, ran.calendar.name, ran.severity)
        at = closes
    if at < instant(ran.end):
        yield Segment(Kind.OFF_HOURS, at, instant(ran.end), 0, ran.calendar.name, ran.severity)
