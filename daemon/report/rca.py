"""What the store knows of a ticket for the report on its root cause. People write the rest."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from daemon.model import BUILT_IN_CLIENTS, Clock, Event, EventKind, Incident, Ticket
from daemon.report.story import clocks_at
from daemon.report.words import Line, in_order, line
from daemon.sla import clocks as sla
from daemon.sla.cycle import Cycle
from daemon.sla.policy import Policy
from daemon.store import evidence, incidents, reports, tickets
from daemon.store.evidence import Seen, Sent, Warned
from daemon.store.tickets import ActionItem

_AMONG_OURSELVES = frozenset({EventKind.ASSIGNED, EventKind.LOOPED_IN, EventKind.EXCUSED})
"""Events that a client is not told of."""
_REASONS = frozenset({EventKind.STATE, EventKind.DEPLOYED, EventKind.ACKNOWLEDGED, EventKind.CANCELLED})
"""Events whose text is a word among ourselves."""
_LONGEST = 400


@dataclass(frozen=True, slots=True)
class Reading:
    """A clock's cycle, and when it ran."""

    clock: Clock
    cycle: Cycle
    excused: bool


@dataclass(frozen=True, slots=True)
class Rca:
    ticket: Ticket
    incident: Incident
    made_at: datetime
    timezone: str
    internal: bool
    """With what we said among ourselves: not for the client."""
    reported_at: datetime
    log: Sequence[Event]
    lines: Sequence[Line]
    seen: Sequence[Seen]
    readings: Sequence[Reading]
    actions: Sequence[ActionItem]
    hide: Callable[[str], str]
    """Takes the names of other clients out of what somebody else wrote."""

    @property
    def answered_at(self) -> datetime | None:
        found = (one.clock for one in self.readings if (one.clock.goal, one.clock.cycle) == ("response", 1))
        return next((clock.stopped_at for clock in found), None)

    @property
    def first_signal_at(self) -> datetime | None:
        return min((one.first_at for one in self.seen), default=None)


def gather(connection: Connection, policy: Policy, number: int, now: datetime, *, internal: bool) -> Rca | None:
    """None if there is no such ticket."""
    ticket = tickets.get(connection, number)
    incident = None if ticket is None else incidents.get(connection, ticket.incident)
    if ticket is None or incident is None:
        return None
    log = tickets.log(connection, number)
    seen = evidence.seen(connection, number)
    since = min([log[0].effective_at, log[0].recorded_at, *(one.first_at for one in seen)])
    shown = log if internal else [event for event in log if _is_for(connection, ticket, event)]
    told = [_line(event, internal=internal) for event in shown]
    told += [one for each in seen for one in _signals(each)]
    told += [_page(one) for one in evidence.pages(connection, incident.id, number, since)]
    told += [_warning(one) for one in evidence.warned(connection, number)]
    others = {*policy.clients, *reports.clients(connection)} - {ticket.client, *BUILT_IN_CLIENTS}
    client = policy.clients.get(ticket.client)
    return Rca(
        ticket, incident, now, "UTC" if client is None else client.timezone, internal, log[0].effective_at, log,
        in_order(told), seen, _readings(policy, ticket, log, now), tickets.actions_of(connection, number),
        _plainly if internal else _hiding(others),
    )  # fmt: skip


def _is_for(connection: Connection, ticket: Ticket, event: Event) -> bool:
    """Whether the ticket's client may read of it."""
    if event.kind is EventKind.MESSAGE:
        return bool(event.body.get("public"))
    if event.kind is EventKind.LINKED:
        other = tickets.get(connection, int(event.body["ticket"]))
        return other is not None and other.client == ticket.client
    return event.kind not in _AMONG_OURSELVES


def _line(event: Event, *, internal: bool) -> Line:
    told = line(event)
    text = "" if event.kind in _REASONS and not internal else told.text
    short = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return Line(told.at, told.actor, told.title, short, told.tone, told.note)


def _signals(one: Seen) -> list[Line]:
    what = "that it had recovered" if one.recovered else "that something was wrong"
    if one.count == 1:
        return [Line(one.first_at, one.source, f"said {what}", f"Rule {one.rule}, 1 signal.")]
    lasted = f"Rule {one.rule}, {one.count} signals in all."
    return [
        Line(one.first_at, one.source, f"said {what}, for the first time", lasted),
        Line(one.last_at, one.source, f"said {what}, for the last time"),
    ]


def _page(one: Sent) -> Line:
    what = {"open": "paged", "update": "brought the page up to date", "close": "ended the page"}[one.verb]
    if one.state == "done" and one.finished_at is not None:
        tries = f"After {one.attempts} attempts." if one.attempts > 1 else ""
        return Line(one.finished_at, "Heliograph", what, tries)
    why = {"dead": "It could not be sent.", "cancelled": "It was overtaken."}.get(one.state, "It is not sent yet.")
    return Line(one.finished_at or one.owed_at, "Heliograph", f"was to have {what}", why)


def _warning(one: Warned) -> Line:
    missed = one.threshold == "breach"
    return Line(one.at, "Heliograph", f"saw the {one.goal} missed" if missed else f"warned of the {one.goal}",
                "" if missed else f"At {one.threshold}.")  # fmt: skip


def _readings(policy: Policy, ticket: Ticket, log: Sequence[Event], now: datetime) -> list[Reading]:
    clocks = clocks_at(policy, ticket, log, now)
    if not clocks:
        return []
    excused = {(e.body["goal"], e.body["cycle"]) for e in log if e.kind is EventKind.EXCUSED}
    cycles = sla.cycles(policy.pinned(ticket.contract), log, now)
    return [
        Reading(clock, cycle, (clock.goal, clock.cycle) in excused)
        for clock, cycle in zip(clocks, cycles, strict=True)
        if clock.deadline is not None or clock.decided_at is not None or clock.breached_at is not None or clock.target
    ]


def _hiding(others: Iterable[str]) -> Callable[[str], str]:
    names = sorted(others, key=len, reverse=True)
    if not names:
        return _plainly
    found = re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, names))})(?![^\W_])", re.IGNORECASE)
    return lambda text: found.sub("[another client]", text)


def _plainly(text: str) -> str:
    return text
