"""How tickets hang together: linked, merged."""

from __future__ import annotations

from typing import Literal, TypeAlias

from daemon.desk import opening
from daemon.desk.desk import Desk, Refused
from daemon.model import EventKind, Ticket, TicketState
from daemon.store import tickets

Relation: TypeAlias = Literal["relates", "duplicate_of", "follows"]

_BACK = {"relates": "relates", "duplicate_of": "duplicated_by", "follows": "followed_by"}


def link(desk: Desk, number: int, other: int, how: Relation = "relates") -> Ticket:
    """Each names the other. Of two clients', each client sees its own alone."""
    if number == other:
        raise Refused(f"ticket {number} is itself")
    one, far = desk.ticket(number), desk.ticket(other)
    if not tickets.link(desk.connection, number, other, how):
        return one
    tickets.link(desk.connection, other, number, _BACK[how])
    desk.record(far, EventKind.LINKED, {"ticket": number, "as": _BACK[how]}, f"link-{number}")
    return desk.record(one, EventKind.LINKED, {"ticket": other, "as": how}, f"link-{other}")


def merge(desk: Desk, number: int, into: int) -> Ticket:
    """Two tickets about one thing: this one is cancelled, and points to the one that goes on."""
    merged, survivor = desk.ticket(number), desk.ticket(into)
    if desk.is_done(merged):
        return merged
    desk.unfinished(number)
    if merged.client != survivor.client:
        raise Refused(
            f"ticket {number} is of {merged.client} and ticket {into} of {survivor.client}: link them, for neither "
            "client may see the other's"
        )
    if survivor.state is TicketState.CANCELLED:
        raise Refused(f"ticket {into} is cancelled: merge into one that goes on")
    linked = link(desk, number, into, "duplicate_of")
    cancelled = desk.record(linked, EventKind.CANCELLED, {"reason": "duplicate", "into": into})
    opening.end_if_finished(desk.connection, desk.incident(merged.incident), desk.now)
    return cancelled
