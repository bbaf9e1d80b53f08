"""What people, and what comes back from outside, do to tickets and incidents. Whoever changes one goes through here.

Each command is one transaction's work: the caller opens it, so that a fact and its effect commit together.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from daemon.desk import ledger, opening
from daemon.desk.terms import Terms
from daemon.model import FINISHED, EventKind, Incident, IncidentState, Json, Ticket, TicketState
from daemon.store import incidents, tickets


class Refused(Exception):
    """The command makes no sense as things stand; the message says why, for a person."""


def acknowledge(connection: Connection, terms: Terms, number: int, actor: str, now: datetime) -> Ticket:
    """A person takes the ticket: it is in progress. Whether that answers the client is the contract's to say."""
    ticket = _unfinished(connection, number)
    return ledger.record(connection, terms, ticket, EventKind.ACKNOWLEDGED, now, actor=actor, body={"via": "desk"})


def reply(
    connection: Connection, terms: Terms, number: int, actor: str, text: str, now: datetime, *, public: bool = True
) -> Ticket:
    """A message to the client, or with `public=False` a note among ourselves."""
    ticket = _ticket(connection, number)
    if ticket.state is TicketState.CANCELLED:
        raise Refused(f"ticket {number} is cancelled")
    return ledger.record(
        connection, terms, ticket, EventKind.MESSAGE, now, actor=actor, body=_message(text, public=public)
    )


def resolve(connection: Connection, terms: Terms, number: int, actor: str, text: str, now: datetime) -> Ticket:
    """Delivered and told to the client, which `text` does."""
    ticket = _unfinished(connection, number)
    resolved = ledger.record(
        connection, terms, ticket, EventKind.RESOLVED, now, actor=actor, body=_message(text, public=True)
    )
    opening.end_if_finished(connection, _incident(connection, ticket.incident), now)
    return resolved


def close(connection: Connection, terms: Terms, number: int, actor: str, now: datetime) -> Ticket:
    """The client has validated."""
    ticket = _ticket(connection, number)
    if ticket.state is not TicketState.RESOLVED:
        raise Refused(f"ticket {number} is {ticket.state}; only a resolved one can be closed")
    return ledger.record(connection, terms, ticket, EventKind.CLOSED, now, actor=actor)


def reply_to_all(connection: Connection, terms: Terms, id: str, actor: str, text: str, now: datetime) -> list[Ticket]:
    """A message on every unfinished ticket of the incident."""
    owed = tickets.open_of_incident(connection, _incident(connection, id).id)
    return [reply(connection, terms, ticket.id, actor, text, now) for ticket in owed]


def resolve_all(connection: Connection, terms: Terms, id: str, actor: str, text: str, now: datetime) -> list[Ticket]:
    """Resolves every unfinished ticket of the incident, which ends it."""
    owed = tickets.open_of_incident(connection, _incident(connection, id).id)
    return [resolve(connection, terms, ticket.id, actor, text, now) for ticket in owed]


def page_acknowledged(
    connection: Connection, terms: Terms, id: str, actor: str, at: datetime, source_id: str, via: str, now: datetime
) -> None:
    """Somebody took the page. A resolve of the page by hand counts as this too, and resolves no ticket."""
    for ticket in tickets.open_of_incident(connection, id):
        ledger.record(
            connection, terms, ticket, EventKind.ACKNOWLEDGED, now, actor=actor,
            effective_at=min(max(at, ticket.opened_at), now), source_id=source_id, body={"via": via},
        )  # fmt: skip


def note(
    connection: Connection, terms: Terms, id: str, actor: str, text: str, at: datetime, source_id: str, now: datetime
) -> None:
    """What somebody wrote on the page or the defect, kept on each ticket among ourselves."""
    for ticket in tickets.of_incident(connection, id):
        ledger.record(
            connection, terms, ticket, EventKind.MESSAGE, now, actor=actor,
            effective_at=min(max(at, ticket.opened_at), now), source_id=source_id,
            body={"text": text, "public": False, "human": True, "by": "rep"},
        )  # fmt: skip


def defect_filed(connection: Connection, terms: Terms, id: str, defect: dict[str, Json], now: datetime) -> None:
    """The defect has a key: every ticket of the incident names it."""
    for ticket in tickets.of_incident(connection, id):
        ledger.record(
            connection, terms, ticket, EventKind.DEFECT, now, actor=opening.NOBODY, body=defect,
            source_id=f"defect-{defect['key']}",
        )  # fmt: skip


def _message(text: str, *, public: bool) -> dict[str, Json]:
    if not text.strip():
        raise Refused("say something: the message is empty")
    return {"text": text, "public": public, "human": True, "by": "rep"}


def _ticket(connection: Connection, number: int) -> Ticket:
    ticket = tickets.get(connection, number)
    if ticket is None:
        raise Refused(f"there is no ticket {number}")
    return ticket


def _unfinished(connection: Connection, number: int) -> Ticket:
    ticket = _ticket(connection, number)
    if ticket.state in FINISHED:
        raise Refused(f"ticket {number} is {ticket.state} already")
    return ticket


def _incident(connection: Connection, id: str) -> Incident:
    incident = incidents.get(connection, id)
    if incident is None:
        raise Refused(f"there is no incident {id}")
    return incident


def is_open(connection: Connection, id: str) -> bool:
    """Whether the trouble of incident `id` goes on."""
    incident = incidents.get(connection, id)
    return incident is not None and incident.state is IncidentState.OPEN
