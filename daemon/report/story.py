"""One ticket's part in a month: what was promised, kept and missed of it, and where it stood when the month ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from daemon.desk.life import after
from daemon.model import FINISHED, Clock, ClockState, Event, EventKind, Goal, Severity, Ticket, TicketState, Workaround
from daemon.report.span import Span
from daemon.sla import clocks as sla
from daemon.sla.policy import Policy
from daemon.store.reports import Concerned, Count

MOVED = (EventKind.OPENED, EventKind.RESOLVED, EventKind.CLOSED, EventKind.REOPENED, EventKind.CANCELLED)
"""What is counted of a ticket's life."""


@dataclass(frozen=True, slots=True)
class Excuse:
    reason: str
    approver: str


@dataclass(frozen=True, slots=True)
class Breach:
    """A promise that was missed within the month."""

    ticket: int
    client: str
    title: str
    goal: Goal
    cycle: int
    severity: Severity
    """The one at the breach."""
    due_at: datetime
    met_at: datetime | None
    """When it was done after all; None while it is still owed, or no longer."""
    late: timedelta
    """By the wall clock, up to now while it is still owed."""
    owed: bool
    stood: TicketState
    """The state that the ticket was in when it was due."""
    excuse: Excuse | None


@dataclass(frozen=True, slots=True)
class Due:
    """What an open ticket still owes."""

    goal: Goal
    deadline: datetime | None
    """None while the clock is paused."""
    missed: bool


@dataclass(frozen=True, slots=True)
class OpenAction:
    item: int
    ticket: int
    client: str
    text: str
    owner: str
    due: str
    """A date, 2026-12-31."""
    overdue: bool


@dataclass(frozen=True, slots=True)
class Story:
    ticket: Ticket
    """As it stood at the end of the month, or stands now while the month lasts."""
    class_: str
    location: str
    reported_at: datetime
    moved: Mapping[EventKind, int]
    """How often, within the month."""
    answered_at: datetime | None
    """The first response, whenever it came."""
    resolved_at: datetime | None
    """The last time, if it stood resolved."""
    answered_after: timedelta | None
    """By the wall clock, from the report; None if the first response was not within the month."""
    resolved_after: timedelta | None
    """As above, to the last time that it was resolved."""
    decided: Sequence[tuple[Goal, Severity]]
    """Within the month."""
    breaches: Sequence[Breach]
    due: Sequence[Due]
    """Empty unless it was open."""
    actions: Sequence[OpenAction]

    @property
    def is_open(self) -> bool:
        return self.ticket.state not in FINISHED

    @property
    def is_told(self) -> bool:
        """Whether the month has anything to say of it."""
        return self.is_open or bool(self.moved or self.decided or self.breaches or self.actions)


def story(policy: Policy, of: Concerned, span: Span, now: datetime) -> Story:
    log = [event for event in of.log if event.effective_at < span.end]
    until = min(span.end, now)
    ticket, reported_at = as_of(of.ticket, log), of.log[0].effective_at
    readings = clocks_at(policy, ticket, log, until)
    answered_at = next((one.stopped_at for one in readings if (one.goal, one.cycle) == ("response", 1)), None)
    resolved_at = ticket.resolved_at if ticket.state in (TicketState.RESOLVED, TicketState.CLOSED) else None
    moved = [event.kind for event in log if event.kind in MOVED and event.effective_at in span]
    told = ticket.state is not TicketState.CANCELLED
    return Story(
        ticket=ticket,
        class_=of.class_,
        location=of.location,
        reported_at=reported_at,
        moved={kind: moved.count(kind) for kind in MOVED if kind in moved},
        answered_at=answered_at,
        resolved_at=resolved_at,
        answered_after=answered_at - reported_at if told and answered_at and answered_at in span else None,
        resolved_after=resolved_at - reported_at if resolved_at and resolved_at in span else None,
        decided=[
            (goal, counted.decision.severity)
            for (goal, _), counted in sorted(of.counted.items())
            if counted.decision is not None and counted.decision.at in span
        ],
        breaches=_breaches(policy, of, span, now),
        due=_due(readings) if ticket.state not in FINISHED else (),
        actions=_actions(of, span, until),
    )


def as_of(ticket: Ticket, log: Sequence[Event]) -> Ticket:
    """The ticket as these events alone have it."""
    opening = log[0].body
    bare = replace(
        ticket, severity=int(opening["severity"]), state=TicketState.NEW, assignee="", team="", site="",
        workaround=Workaround.NONE, fix=None, informed=False, resolved_at=None, merged_into=None,
    )  # fmt: skip
    for event in log:
        bare = after(bare, event)
    return bare


def clocks_at(policy: Policy, ticket: Ticket, log: Sequence[Event], at: datetime) -> tuple[Clock, ...]:
    """Empty where the contract that it had is written down no more: that is allowed once a ticket is cancelled."""
    try:
        contract = policy.pinned(ticket.contract)
    except LookupError:
        return ()
    return sla.fold(contract, log, at)


def _breaches(policy: Policy, of: Concerned, span: Span, now: datetime) -> list[Breach]:
    missed = {
        key: counted for key, counted in of.counted.items() if counted.breach is not None and counted.breach.at in span
    }
    if not missed:
        return []
    readings = {(one.goal, one.cycle): one for one in clocks_at(policy, of.ticket, of.log, now)}
    excuses = _excuses(of.log)
    return [
        _breach(
            of, key, counted.breach, readings.get(key),
            excuses.get(key, Excuse("", "")) if counted.excused else None, now,
        )
        for key, counted in sorted(missed.items())
        if counted.breach is not None
    ]  # fmt: skip


def _breach(
    of: Concerned, key: tuple[Goal, int], missed: Count, clock: Clock | None, excuse: Excuse | None, now: datetime
) -> Breach:  # fmt: skip
    at = missed.at
    owed = clock is not None and clock.state in (ClockState.RUNNING, ClockState.PAUSED)
    met_at = clock.stopped_at if clock is not None else None
    before = [event for event in of.log if event.effective_at <= at]
    return Breach(
        of.ticket.id, of.ticket.client, of.ticket.title, *key, missed.severity, at, met_at,
        (met_at or (now if owed else at)) - at, owed, as_of(of.ticket, before or of.log[:1]).state, excuse,
    )  # fmt: skip


def _excuses(log: Sequence[Event]) -> Mapping[tuple[Goal, int], Excuse]:
    return {
        (event.body["goal"], event.body["cycle"]): Excuse(str(event.body["reason"]), str(event.body["approver"]))
        for event in log
        if event.kind is EventKind.EXCUSED
    }


def _due(readings: Sequence[Clock]) -> list[Due]:
    """The latest cycle of each goal that is promised and goes on."""
    latest = {one.goal: one for one in readings}
    return [
        Due(one.goal, one.deadline, one.breached_at is not None)
        for one in latest.values()
        if (one.state is ClockState.RUNNING and one.deadline is not None)
        or (one.state is ClockState.PAUSED and (one.target is not None or one.breached_at is not None))
    ]


def _actions(of: Concerned, span: Span, until: datetime) -> list[OpenAction]:
    planned = {
        event.body["item"]
        for event in of.log
        if event.kind is EventKind.ACTION and not event.body.get("done") and event.effective_at < span.end
    }
    return [
        OpenAction(
            one.id, of.ticket.id, of.ticket.client, one.text, one.owner, one.due,
            one.due < f"{until:%Y-%m-%d}",
        )
        for one in of.actions
        if one.id in planned and (one.done_at is None or one.done_at >= span.end)
    ]  # fmt: skip
