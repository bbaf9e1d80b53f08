"""Asks for the client's validation of what was delivered. A ticket is closed by its client, and never by the time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from daemon.desk import ledger, owed
from daemon.desk.staff import ASSIGNEE
from daemon.desk.terms import Terms
from daemon.model import EventKind, Ticket
from daemon.store import incidents, tickets
from daemon.store.engine import Store
from daemon.worker import WORKED, Idle, Outcome

EVERY = timedelta(minutes=10)


@dataclass
class Remind:
    """Once for each time that a ticket is resolved."""

    store: Store
    terms: Callable[[], Terms]
    name: str = "remind"

    def step(self, now: datetime) -> Outcome:
        with self.store.read() as connection:
            if not tickets.to_remind(connection, now, 1):
                return Idle(now + EVERY)
        with self.store.write() as connection:
            for ticket in tickets.to_remind(connection, now):
                _remind(connection, self.terms(), ticket, now)
        return WORKED


def _remind(connection: Connection, terms: Terms, ticket: Ticket, now: datetime) -> None:
    tickets.change(connection, ticket.id, remind_at=None)
    reminded = ledger.record(connection, terms, ticket, EventKind.REMINDED, now, actor="clock")
    incident = incidents.get(connection, ticket.incident)
    assert incident is not None
    told = terms.staff.told([ASSIGNEE], now, ticket.assignee, ticket.team)
    title = f"Ticket {ticket.id} ({ticket.client}) waits for its client's validation: {ticket.title}"
    text = f"It was resolved at {ticket.resolved_at:%Y-%m-%d %H:%M} UTC, and nobody has closed it."
    key = f"remind:{ticket.id}:{reminded.version}"
    owed.notice(connection, terms, incident, ticket, key, title, text, told, now)
