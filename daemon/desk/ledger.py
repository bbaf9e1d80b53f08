"""Writes a ticket's log, and keeps what follows from it: state, clocks, decisions, warnings."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection

from daemon.desk import counting, owed
from daemon.desk.life import after
from daemon.desk.terms import Terms
from daemon.model import Clock, Event, EventKind, Incident, Json, Threshold, Ticket
from daemon.sla import clocks as sla
from daemon.store import incidents, tickets
from daemon.store.tickets import Counted


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
    return settle(connection, terms, changed, now)


def settle(connection: Connection, terms: Terms, ticket: Ticket, now: datetime) -> Ticket:
    """Refolds the ticket's clocks and records what has come due, each once; and what was counted and is not so."""
    contract = terms.policy.pinned(ticket.contract)
    readings = sla.fold(contract, tickets.log(connection, ticket.id), now)
    tickets.save_clocks(connection, ticket.id, readings)
    for clock in readings:
        crossed = [one for one in _come_due(clock, now) if _is_new(connection, ticket, clock, one, now)]
        if crossed:
            owed.warn(connection, terms, _incident(connection, ticket), ticket, clock, crossed, now)
    return _count(connection, ticket, readings, now)


def _come_due(clock: Clock, now: datetime) -> list[Threshold]:
    """In the order of their instants, however late we look."""
    instants = [(one.at, one) for one in clock.thresholds if one.at is not None and one.at <= now]
    return [threshold for _, threshold in sorted(instants, key=lambda pair: pair[0])]


def _count(connection: Connection, ticket: Ticket, readings: Iterable[Clock], now: datetime) -> Ticket:
    """A cycle is decided once, and breached once. What a replay takes back is counted apart, and told on the log."""
    rows = tickets.counted(connection, ticket.id)
    entries = counting.entries(ticket, readings, rows)
    for entry in entries:
        tickets.count(connection, ticket.id, entry, now)
    for entry in entries:
        if counting.is_withdrawal(entry):
            ticket = _correct(connection, ticket, entry, now)
    return ticket


def _correct(connection: Connection, ticket: Ticket, entry: Counted, now: datetime) -> Ticket:
    body = {
        "goal": entry.goal, "cycle": entry.cycle, "kind": counting.what(entry), "was": entry.at.isoformat(),
    }  # fmt: skip
    event = Event(ticket.id, ticket.version + 1, EventKind.CORRECTED, now, now, "clock", body)
    if not tickets.append(connection, event):
        raise RuntimeError(f"ticket {ticket.id} changed under this transaction")
    corrected = after(ticket, event)
    tickets.save(connection, corrected)
    return corrected


def _is_new(connection: Connection, ticket: Ticket, clock: Clock, threshold: Threshold, now: datetime) -> bool:
    return tickets.warn(connection, ticket, clock, threshold.arming, threshold.name, threshold.at or now, now)


def _incident(connection: Connection, ticket: Ticket) -> Incident:
    incident = incidents.get(connection, ticket.incident)
    if incident is None:
        raise LookupError(f"ticket {ticket.id} belongs to incident {ticket.incident}, which is not there")
    return incident
