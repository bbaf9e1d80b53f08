"""One person at the desk: who does something, within one transaction, and since when it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from daemon.desk import ledger
from daemon.desk.life import MOVES
from daemon.desk.terms import Terms
from daemon.model import FINISHED, EventKind, Incident, Json, Ticket
from daemon.store import incidents, tickets


class Refused(Exception):
    """The command makes no sense as things stand; the message says why, for a person."""


@dataclass(frozen=True, slots=True)
class Desk:
    connection: Connection
    terms: Terms
    actor: str
    """`person:asha`, `client:acme`, `pagerduty:PXASHA1`."""
    now: datetime
    at: datetime | None = None
    """When it happened, where that is before it is written down."""
    request: str | None = None
    """Idempotency key: what was done under the same one is not done again."""

    @property
    def happened_at(self) -> datetime:
        return self.now if self.at is None else self.at

    def ticket(self, number: int) -> Ticket:
        found = tickets.get(self.connection, number)
        if found is None:
            raise Refused(f"there is no ticket {number}")
        return found

    def unfinished(self, number: int) -> Ticket:
        ticket = self.ticket(number)
        if ticket.state in FINISHED and not self.is_done(ticket):
            raise Refused(f"ticket {number} is {ticket.state} already")
        return ticket

    def incident(self, id: str) -> Incident:
        found = incidents.get(self.connection, id)
        if found is None:
            raise Refused(f"there is no incident {id}")
        return found

    def is_done(self, ticket: Ticket) -> bool:
        """Whether this very request was carried out on the ticket before."""
        return self.request is not None and tickets.has_event(self.connection, ticket.id, self.request)

    def record(self, ticket: Ticket, kind: EventKind, body: Mapping[str, Json] | None = None, part: str = "") -> Ticket:
        """Writes it down. A request that writes several events names each but the first by a `part` of its own.

        Raises Refused if it is told to have happened when it cannot have.
        """
        self._check_time(ticket, kind)
        source_id = self.request and (f"{self.request}/{part}" if part else self.request)
        return ledger.record(
            self.connection, self.terms, ticket, kind, self.now, actor=self.actor, effective_at=self.happened_at,
            body=dict(body or {}), source_id=source_id,
        )  # fmt: skip

    def _check_time(self, ticket: Ticket, kind: EventKind) -> None:
        if self.at is None:
            return
        if self.at > self.now:
            raise Refused(f"{_told(self.at)} is in the future: now it is {_told(self.now)}")
        if self.at < ticket.opened_at:
            raise Refused(f"{_told(self.at)} is before ticket {ticket.id} was opened, at {_told(ticket.opened_at)}")
        moved = tickets.last_of(self.connection, ticket.id, MOVES) if kind in MOVES else None
        if moved is not None and self.at < moved:
            raise Refused(f"ticket {ticket.id} changed its state at {_told(moved)}, after {_told(self.at)}")


def _told(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def message(text: str, *, public: bool, by: str = "rep") -> dict[str, Json]:
    """The body of what a person writes. Raises Refused if it is empty."""
    return {"text": said(text, "say something: the message is empty"), "public": public, "human": True, "by": by}


def said(text: str, otherwise: str) -> str:
    if not text.strip():
        raise Refused(otherwise)
    return text
