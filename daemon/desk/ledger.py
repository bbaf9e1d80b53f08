"""Writes a ticket's log, and keeps what follows from it: state, clocks, decisions, warnings."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from daemon.desk import owed
from daemon.desk.life import after
from daemon.desk.terms import Terms
from daemon.model import Clock, Event, EventKind, Incident, Json, Threshold, Ticket
from daemon.sla import clocks as sla
from daemon.store import incidents, tickets


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
    changed = after(ticket, event)
    tickets.save(connection, changed)
    settle(connection, terms, changed, now)
    return changed


def settle(connection: Connection, terms: Terms, ticket: Ticket, now: datetime) -> int:
    """Refolds the ticket's clocks and records what has come due, each once. How many warnings were new."""
    contract = terms.policy.pinned(ticket.contract)
    readings = sla.fold(contract, tickets.log(connection, ticket.id), now)
    tickets.save_clocks(connection, ticket.id, readings)
    new = 0
    for clock in readings:
        _count(connection, ticket, clock, now)
        crossed = [one for one in _come_due(clock, now) if _is_new(connection, ticket, clock, one, now)]
        if crossed:
            owed.warn(connection, terms, _incident(connection, ticket), ticket, clock, crossed, now)
        new += len(crossed)
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


def _is_new(connection: Connection, ticket: Ticket, clock: Clock, threshold: Threshold, now: datetime) -> bool:
    return tickets.warn(connection, ticket, clock, threshold.arming, threshold.name, threshold.at or now, now)


def _incident(connection: Connection, ticket: Ticket) -> Incident:
    incident = incidents.get(connection, ticket.incident)
    if incident is None:
        raise LookupError(f"ticket {ticket.id} belongs to incident {ticket.incident}, which is not there")
    return incident
