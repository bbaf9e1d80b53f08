"""Writes a ticket's log, and keeps what follows from it: state, clocks, decisions, warnings."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import TypeAlias

from sqlalchemy import Connection

from daemon.desk import counting, owed, tallying
from daemon.desk.life import after
from daemon.desk.telling import Lasted, tell
from daemon.desk.terms import Terms
from daemon.model import Clock, Event, EventKind, Goal, Json, Threshold, Ticket
from daemon.sla import clocks as sla
from daemon.store import incidents, tallies, tickets
from daemon.store.deliveries import Owed
from daemon.store.tickets import Counted, Warned

log = logging.getLogger("heliograph.desk")

_SPANS = {EventKind.OPENED: "ticket", EventKind.ACKNOWLEDGED: "acknowledge", EventKind.RESOLVED: "resolve"}


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
    tallies.add(connection, tallying.of_event(ticket, event), now)
    _tell(connection, changed, event)
    return settle_all(connection, terms, [changed], now, takes_back=event.effective_at < now)[0]


def _tell(connection: Connection, ticket: Ticket, event: Event) -> None:
    name = _SPANS.get(event.kind)
    mark = f"{event.ticket}:{event.sequence}"
    spans = (Lasted(name, event.effective_at, event.recorded_at, mark),) if name else ()
    tell(
        connection, log, logging.INFO, f"ticket {event.kind.value}", *spans, incident=ticket.incident, ticket=ticket.id,
        client=ticket.client, severity=ticket.severity, state=ticket.state.value, actor=event.actor,
    )  # fmt: skip


def settle_all(
    connection: Connection, terms: Terms, some: Sequence[Ticket], now: datetime, *, takes_back: bool = False
) -> list[Ticket]:
    """Refolds the tickets' clocks and records what has come due, each once, in as many statements as for one.

    Only what is told late `takes_back` what was counted and is not so: no change of hours or zones undoes a breach.
    """
    numbers = [ticket.id for ticket in some]
    logs = tickets.logs(connection, numbers)
    readings = {ticket.id: sla.fold(terms.policy.pinned(ticket.contract), logs[ticket.id], now) for ticket in some}
    tickets.save_clocks(connection, some, readings)
    _warn(connection, terms, some, readings, now)
    return _count(connection, some, readings, now, takes_back=takes_back)


Readings: TypeAlias = Mapping[int, Sequence[Clock]]
"""By ticket."""


def _warn(connection: Connection, terms: Terms, some: Sequence[Ticket], readings: Readings, now: datetime) -> None:
    due = {
        (ticket.id, clock.goal, clock.cycle): (ticket, clock, _come_due(clock, now))
        for ticket in some
        for clock in readings[ticket.id]
    }
    rows = [
        tickets.Warned(ticket.id, clock.goal, clock.cycle, one.arming, one.name, ticket.client, clock.severity,
                       one.at or now)
        for ticket, clock, thresholds in due.values()
        for one in thresholds
    ]  # fmt: skip
    if not rows:
        return
    new: dict[tuple[int, Goal, int], dict[Warned, Threshold]] = {}
    for row in tickets.warn(connection, rows, now):
        key = (row.ticket, row.goal, row.cycle)
        armed = {(one.arming, one.name): one for one in due[key][2]}
        new.setdefault(key, {})[row] = armed[row.arming, row.threshold]
    told = {row: (*one.notify, *one.in_hours) for each in new.values() for row, one in each.items()}
    tallies.add(connection, tallying.of_warnings(terms, told, now), now)
    of = incidents.by_id(connection, {due[key][0].incident for key in new})
    owed_now: list[Owed] = []
    for key, each in new.items():
        ticket, clock, _ = due[key]
        crossed = list(each.values())
        for one in crossed:
            _tell_clock(connection, ticket, "threshold crossed", clock.goal, clock.cycle, one.name)
        owed_now += owed.warnings_of(terms, of[ticket.incident], ticket, clock, crossed, now)
    owed.owe_all(connection, owed_now, now)


def _tell_clock(
    connection: Connection, ticket: Ticket, message: str, goal: Goal, cycle: int, threshold: str = ""
) -> None:
    tell(
        connection, log, logging.INFO, message, incident=ticket.incident, ticket=ticket.id, client=ticket.client,
        severity=ticket.severity, goal=goal, cycle=cycle, threshold=threshold,
    )  # fmt: skip


def _come_due(clock: Clock, now: datetime) -> list[Threshold]:
    """In the order of their instants, however late we look."""
    instants = [(one.at, one) for one in clock.thresholds if one.at is not None and one.at <= now]
    return [threshold for _, threshold in sorted(instants, key=lambda pair: pair[0])]


def _count(
    connection: Connection, some: Sequence[Ticket], readings: Readings, now: datetime, *, takes_back: bool
) -> list[Ticket]:
    """A cycle is decided once, and breached once. What a replay takes back is counted apart, and told on the log."""
    rows = tickets.counted_of(connection, [ticket.id for ticket in some])
    entries = {
        ticket.id: counting.entries(ticket, readings[ticket.id], rows[ticket.id], takes_back=takes_back)
        for ticket in some
    }
    tickets.count(connection, entries, now)
    moved = (tallying.of_counts(one, entries[one.id], readings[one.id]) for one in some)
    tallies.add(connection, chain.from_iterable(moved), now)
    return [_corrected(connection, ticket, entries[ticket.id], now) for ticket in some]


def _corrected(connection: Connection, ticket: Ticket, entries: Iterable[Counted], now: datetime) -> Ticket:
    for entry in entries:
        if counting.is_withdrawal(entry):
            ticket = _correct(connection, ticket, entry, now)
            _tell_clock(connection, ticket, f"{counting.what(entry)} withdrawn", entry.goal, entry.cycle)
        elif entry.kind == counting.BREACH:
            _tell_clock(connection, ticket, "promise missed", entry.goal, entry.cycle)
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
