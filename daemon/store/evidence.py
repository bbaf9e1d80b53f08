"""What a ticket's episodes rest on, summed; and what was sent because of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, exists, func, or_, select

from daemon.store.schema import deliveries, evidence, signals, tickets, warnings


@dataclass(frozen=True, slots=True)
class Seen:
    """Signals of one source that one rule wanted."""

    source: str
    rule: str
    recovered: bool
    count: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Sent:
    verb: str
    state: str
    attempts: int
    owed_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Warned:
    goal: str
    cycle: int
    threshold: str
    at: datetime


def seen(connection: Connection, ticket: int) -> Sequence[Seen]:
    """The evidence of the ticket's episodes, the earliest first: from the one that opened it up to the client's next
    ticket."""
    first, last, later = func.min(evidence.c.at), func.max(evidence.c.at), tickets.alias()
    next_ticket = exists().where(
        later.c.incident == tickets.c.incident, later.c.client == tickets.c.client,
        later.c.episode > tickets.c.episode, later.c.episode <= evidence.c.episode,
    )  # fmt: skip
    found = (
        select(
            signals.c.source, evidence.c.rule, evidence.c.recovered, func.count().label("many"),
            first.label("first_at"), last.label("last_at"),
        )
        .join(evidence, evidence.c.signal == signals.c.row)
        .join(tickets, (tickets.c.incident == evidence.c.incident) & (tickets.c.episode <= evidence.c.episode))
        .where(tickets.c.id == ticket, ~next_ticket)
        .group_by(signals.c.source, evidence.c.rule, evidence.c.recovered)
        .order_by(first, signals.c.source)
    )  # fmt: skip
    return [
        Seen(row.source, row.rule, bool(row.recovered), row.many, row.first_at, row.last_at)
        for row in connection.execute(found)
    ]


def pages(connection: Connection, incident: str, ticket: int, since: datetime) -> Sequence[Sent]:
    """Of the incident itself, and of this ticket's warnings; none of another ticket's."""
    found = (
        select(deliveries)
        .where(
            deliveries.c.incident == incident, deliveries.c.role == "page", deliveries.c.created_at >= since,
            or_(deliveries.c.ticket.is_(None), deliveries.c.ticket == ticket),
        )
        .order_by(deliveries.c.id)
    )  # fmt: skip
    return [
        Sent(row.verb, row.state, row.attempts, row.created_at, row.finished_at) for row in connection.execute(found)
    ]


def warned(connection: Connection, ticket: int) -> Sequence[Warned]:
    found = select(warnings).where(warnings.c.ticket == ticket).order_by(warnings.c.due_at)
    return [Warned(row.goal, row.cycle, row.threshold, row.due_at) for row in connection.execute(found)]
