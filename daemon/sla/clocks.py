"""The clocks of a ticket: a pure fold over its log, after which the answer to "met?" and "due when?" is arithmetic.

    response    from the opening; stopped by a person's first public word (or a counted acknowledgement)
    resolution  from the opening; paused while waiting for the client; stopped, provisionally, by resolving
    update      from the first response; each public word of ours begins the next cycle
    rca         from the request for a report on the root cause until it is shared, whatever the ticket's state

Events count in the order of their instants. At one instant: what stops, what pauses, the severity, what resumes; after
that the clock is left as the last of them by sequence has it. An event that is recorded late is folded in where it
belongs, so the same log gives the same clocks in whatever order it came.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from itertools import groupby

from daemon.model import GOALS, Clock, ClockState, Event, EventKind, Goal, Rca, Severity, Threshold, TicketState
from daemon.sla.calendar import instant, seconds
from daemon.sla.cycle import Cycle
from daemon.sla.promise import Alarm, Contract

HOTLINE = "hotline"


class _Effect(IntEnum):
    """What an event does to clocks. The order is the one that counts at one instant."""

    ANSWERED = 1
    """A person's public word."""
    TAKEN = 2
    """Somebody acknowledged, and that counts as a response."""
    FINISHED = 3
    CANCELLED = 4
    WAITING = 5
    SEVERITY = 6
    RESUMED = 7
    BOARDED = 8
    """The fix waits for the next minor release."""
    REOPENED = 9
    REPORT_ASKED = 10
    REPORT_SHARED = 11
    SEEN = 12
    """Somebody acknowledged, and that does not count as a response."""


_MOVES = frozenset({_Effect.FINISHED, _Effect.CANCELLED, _Effect.WAITING, _Effect.RESUMED, _Effect.BOARDED,
                    _Effect.REOPENED})  # fmt: skip
"""Effects that leave the clock in a state."""

_KINDS = {
    EventKind.RESOLVED: _Effect.FINISHED,
    EventKind.CLOSED: _Effect.FINISHED,
    EventKind.CANCELLED: _Effect.CANCELLED,
    EventKind.REOPENED: _Effect.REOPENED,
    EventKind.SEVERITY: _Effect.SEVERITY,
}
_STATES = {
    TicketState.AWAITING_CLIENT: _Effect.WAITING,
    TicketState.RESOLVED: _Effect.FINISHED,
    TicketState.CLOSED: _Effect.FINISHED,
    TicketState.CANCELLED: _Effect.CANCELLED,
}


def fold(contract: Contract, events: Sequence[Event], now: datetime) -> tuple[Clock, ...]:
    """The clocks at `now`, by goal and cycle. `contract` is the version that the ticket has pinned."""
    at = seconds(now)
    return tuple(_clock(events[0].ticket, cycle, at) for cycle in cycles(contract, events, now))


def cycles(contract: Contract, events: Iterable[Event], now: datetime) -> list[Cycle]:
    """The same, as the fold has them: with what a report asks beyond the clock. What is after `now` is left out."""
    log = [event for event in events if event.effective_at <= now]
    opening = next((event for event in log if event.kind is EventKind.OPENED), None)
    if opening is None:
        return []
    kept = [_Kept(contract, goal) for goal in GOALS if goal in contract.goals]
    for one in kept:
        one.open(seconds(min(opening.effective_at, opening.recorded_at)), int(opening.body["severity"]))
    acknowledgement_counts = contract.acknowledgement_counts or opening.body.get("origin") == HOTLINE
    for at, effects in _by_instant(log, opening, acknowledgement_counts=acknowledgement_counts):
        for effect, event in effects:
            for one in kept:
                one.apply(effect, event, at)
    found = [cycle for one in kept for cycle in one.cycles]
    for cycle in found:
        cycle.catch_up(seconds(now))
    return found


def _by_instant(
    log: Iterable[Event], opening: Event, *, acknowledgement_counts: bool
) -> Iterable[tuple[int, list[tuple[_Effect, Event]]]]:
    told = [
        (max(event.effective_at, opening.effective_at), effect, event.sequence, event)
        for event in log
        for effect in _effects(event, acknowledgement_counts=acknowledgement_counts)
    ]
    told.sort(key=lambda one: one[:3])
    for at, group in groupby(told, key=lambda one: one[0]):
        here = list(group)
        moves = [one for one in here if one[1] in _MOVES]
        last = max(moves, key=lambda one: one[2], default=None)
        again = [last] if last is not None and last is not moves[-1] else []
        yield seconds(at), [(effect, event) for _, effect, _, event in (*here, *again)]


def _effects(event: Event, *, acknowledgement_counts: bool) -> list[_Effect]:
    if event.kind is EventKind.MESSAGE:
        body = event.body
        return [_Effect.ANSWERED] if body.get("public") and body.get("human") and body.get("by") == "rep" else []
    if event.kind is EventKind.ACKNOWLEDGED:
        return [_Effect.TAKEN if acknowledgement_counts else _Effect.SEEN]
    if event.kind is EventKind.STATE:
        to = TicketState(event.body["to"])
        if to is TicketState.AWAITING_FIX and event.body.get("kind") == "minor_release":
            return [_Effect.BOARDED]
        return [_STATES.get(to, _Effect.RESUMED)]
    if event.kind is EventKind.RCA:
        return [_Effect.REPORT_SHARED if event.body["to"] == Rca.SHARED else _Effect.REPORT_ASKED]
    return [_KINDS[event.kind]] if event.kind in _KINDS else []


@dataclass(slots=True)
class _Kept:
    """One goal of a ticket, with its cycles so far."""

    contract: Contract
    goal: Goal
    severity: Severity = 4
    """The ticket's: a stopped cycle keeps its own."""
    waiting: bool = False
    finished: bool = False
    cycles: list[Cycle] = field(default_factory=list)

    def open(self, at: int, severity: Severity) -> None:
        self.severity = severity
        if self.goal in ("response", "resolution"):
            self._begin(at)

    def apply(self, effect: _Effect, event: Event, at: int) -> None:
        if self.goal == "rca":
            self._on_report(effect, event, at)
        elif effect in (_Effect.REPORT_ASKED, _Effect.REPORT_SHARED):
            return
        elif effect is _Effect.SEEN:
            self._seen(at)
        elif effect is _Effect.SEVERITY:
            self._change(int(event.body["to"]), at)
        elif effect in (_Effect.ANSWERED, _Effect.TAKEN):
            self._answered(at, taken=effect is _Effect.TAKEN)
        elif effect is _Effect.REOPENED:
            self._reopen(at)
        else:
            self._move(effect, at)

    def _on_report(self, effect: _Effect, event: Event, at: int) -> None:
        if effect is _Effect.SEVERITY:
            self._change(int(event.body["to"]), at)
        elif effect is _Effect.REPORT_ASKED and self._live is None:
            self._begin(at)
        elif self._live is not None and effect is _Effect.REPORT_SHARED:
            self._live.stop(at)
        elif self._live is not None and effect is _Effect.CANCELLED:
            self._live.cancel(at)

    @property
    def _live(self) -> Cycle | None:
        return self.cycles[-1] if self.cycles and self.cycles[-1].live else None

    def _begin(self, at: int) -> None:
        number = len(self.cycles) + 1
        self.cycles.append(Cycle(self.contract, self.goal, number, self.severity, at, self.waiting))

    def _change(self, severity: Severity, at: int) -> None:
        self.severity = severity
        if self._live is not None:
            self._live.change(severity, at)

    def _answered(self, at: int, *, taken: bool) -> None:
        if self.goal == "response" and self._live is not None:
            self._live.stop(at)
        elif self.goal == "update" and not self.finished and not (taken and self._live):
            if self._live is not None:
                self._live.stop(at)
            self._begin(at)

    def _seen(self, at: int) -> None:
        if self.goal == "response" and self._live is not None:
            self._live.acknowledge(at)

    def _move(self, effect: _Effect, at: int) -> None:
        self.waiting = effect is _Effect.WAITING
        if effect in (_Effect.FINISHED, _Effect.CANCELLED):
            self.finished = True
        for cycle in self.cycles[-1:]:
            _move(cycle, effect, at)

    def _reopen(self, at: int) -> None:
        if not self.finished or (self.cycles and self.cycles[-1].cancelled):
            return
        self.waiting = self.finished = False
        if self.goal == "resolution" and self.contract.reopen_resolution == "resume" and self.cycles:
            self.cycles[-1].reopen(at, self.severity)
        elif self.goal == "resolution" or (self.goal == "response") == (self.contract.reopen_response == "new_cycle"):
            self._begin(at)


def _move(cycle: Cycle, effect: _Effect, at: int) -> None:
    if effect is _Effect.FINISHED:
        cycle.stop(at)
    elif effect is _Effect.CANCELLED:
        cycle.cancel(at)
    elif effect is _Effect.WAITING:
        cycle.leave_train(at)
        cycle.pause(at)
    elif cycle.goal == "update":
        cycle.refresh(at)
    else:
        cycle.resume(at)
        cycle.board(at) if effect is _Effect.BOARDED else cycle.leave_train(at)


def _clock(ticket: int, cycle: Cycle, now: int) -> Clock:
    waiting = [_threshold(alarm, cycle) for alarm in cycle.waits_for()]
    due = cycle.deadline()
    overdue = None if due is None or cycle.breached is not None else instant(due + 1)
    return Clock(
        ticket=ticket,
        goal=cycle.goal,
        cycle=cycle.number,
        severity=cycle.decided_severity or cycle.severity,
        state=_state(cycle),
        started_at=instant(cycle.started),
        target=cycle.target,
        consumed=cycle.used(now),
        deadline=_instant(due if cycle.since is not None else cycle.last_due if not cycle.live else None),
        stopped_at=_instant(cycle.stopped),
        breached_at=_instant(cycle.breached),
        decided_at=_instant(cycle.decided),
        thresholds=(*_sounded(cycle), *waiting),
        next_at=min((at for at in (overdue, *(one.at for one in waiting)) if at is not None), default=None),
    )


def _sounded(cycle: Cycle) -> Iterable[Threshold]:
    for one in cycle.sounded:
        yield _told(one.alarm, one.arming, instant(one.at))


def _threshold(alarm: Alarm, cycle: Cycle) -> Threshold:
    return _told(alarm, cycle.arming(alarm), _instant(cycle.due_at(alarm)))


def _told(alarm: Alarm, arming: int, at: datetime | None) -> Threshold:
    return Threshold(alarm.name, arming, at, alarm.notify, alarm.then, alarm.in_hours)


def _state(cycle: Cycle) -> ClockState:
    if cycle.cancelled:
        return ClockState.CANCELLED
    if cycle.stopped is not None:
        return ClockState.STOPPED
    return ClockState.PAUSED if cycle.since is None else ClockState.RUNNING


def _instant(at: int | None) -> datetime | None:
    return None if at is None else instant(at)
