"""Writes a ticket's log, and keeps what follows from it: state, clocks, decisions, warnings."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from daemon.desk import owed
from daemon.desk.terms import Terms
from daemon.model import Clock, Event, EventKind, Incident, Json, Threshold, Ticket, TicketState
from daemon.sla import clocks as sla
from daemon.store import incidents, tickets

_STATE_AFTER = {
    EventKind.OPENED: TicketState.NEW,
    EventKind.RESOLVED: TicketState.RESOLVED,
    EventKind.REOPENED: TicketState.IN_PROGRESS,
    EventKind.CLOSED: TicketState.CLOSED,
    EventKind.CANCELLED: TicketState.CANCELLED,
}


def record(
    connection: Connection,
    terms: Terms,
    ticket: Ticket,
    kind: EventKind,
    now: datetime,
    *,
    actor: str,
    effective_at: datetime | None = None,
    body: dict[str, Json] | None = None,
    source_id: str | None = None,
) -> Ticket:
    """Appends one event and brings state and clocks up to it. One whose `source_id` is there changes nothing."""
    if source_id is not None and tickets.has_event(connection, ticket.id, source_id):
        return ticket
    event = Event(ticket.id, ticket.version + 1, kind, effective_at or now, now, actor, body or {}, source_id)
    if not tickets.append(connection, event):
        raise RuntimeError(f"ticket {ticket.id} changed under this transaction")
    after = replace(
        ticket, version=event.sequence, state=_state_after(ticket, event), severity=_severity_after(ticket, event)
    )
    tickets.change(connection, ticket.id, version=after.version, state=after.state.value, severity=after.severity)
    settle(connection, terms, after, now)
    return after


def _state_after(ticket: Ticket, event: Event) -> TicketState:
    if event.kind is EventKind.STATE:
        return TicketState(event.body["to"])
    answered = event.kind is EventKind.ACKNOWLEDGED or (event.kind is EventKind.MESSAGE and is_answer(event.body))
    if answered and ticket.state is TicketState.NEW:
        return TicketState.IN_PROGRESS
    return _STATE_AFTER.get(event.kind, ticket.state)


def _severity_after(ticket: Ticket, event: Event) -> int:
    return int(event.body["to"]) if event.kind is EventKind.SEVERITY else ticket.severity


def is_answer(body: object) -> bool:
    """Whether a message is a person's public word to the client."""
    return isinstance(body, dict) and bool(body.get("public")) and bool(body.get("human")) and body.get("by") == "rep"


def settle(connection: Connection, terms: Terms, ticket: Ticket, now: datetime) -> int:
    """Refolds the ticket's clocks and records what has come due, each once. How many warnings were new."""
    contract = terms.policy.pinned(ticket.contract)
    readings = sla.fold(contract, tickets.log(connection, ticket.id), now)
    tickets.save_clocks(connection, ticket.id, readings)
    new = 0
    for clock in readings:
        _count(connection, ticket, clock, now)
        for threshold in _come_due(clock, now):
            new += _warn(connection, terms, ticket, clock, threshold, now)
    return new


def _come_due(clock: Clock, now: datetime) -> list[Threshold]:
    """In the order of their instants, however late we look."""
    instants = [(one.at, one) for one in clock.thresholds if one.at is not None and one.at <= now]
    return [threshold for _, threshold in sorted(instants, key=lambda pair: pair[0])]


def _count(connection: Connection, ticket: Ticket, clock: Clock, now: datetime) -> None:
    if clock.decided_at is not None:
        tickets.decide(connection, ticket, clock, "decision", clock.decided_at, now)
    if clock.breached_at is not None:
        tickets.decide(connection, ticket, clock, "breach", clock.breached_at, now)


def _warn(
    connection: Connection, terms: Terms, ticket: Ticket, clock: Clock, threshold: Threshold, now: datetime
) -> bool:
    at = threshold.at or now
    if not tickets.warn(connection, ticket, clock, threshold.arming, threshold.name, at, now):
        return False
    owed.warn(connection, terms, _incident(connection, ticket), ticket, clock, threshold, now)
    return True


def _incident(connection: Connection, ticket: Ticket) -> Incident:
    incident = incidents.get(connection, ticket.incident)
    if incident is None:
        raise LookupError(f"ticket {ticket.id} belongs to incident {ticket.incident}, which is not there")
    return incident
