"""Work follows the sun: when another site takes over the queue, it is handed what stands open."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from daemon.desk import owed
from daemon.desk.desk import Desk, Refused, said
from daemon.desk.staff import Person
from daemon.desk.terms import Terms
from daemon.model import Json, Ticket
from daemon.store import handovers, incidents, tickets
from daemon.store.handovers import Handover

_LISTED = 200


def hand_over(connection: Connection, terms: Terms, now: datetime) -> Handover | None:
    """Lists what stands open if another site owns the queue than did; None if none does."""
    owner = terms.staff.duty(now).owner
    before = handovers.latest(connection)
    if owner is None or (before is not None and before.to_site == owner):
        return None
    at = terms.staff.sites[owner].calendar.last_opening(now) or now
    open_now = tickets.unfinished(connection, _LISTED)
    due = tickets.next_deadlines(connection, [ticket.id for ticket in open_now])
    open_now.sort(key=lambda ticket: (due[ticket.id][1] if ticket.id in due else now.replace(year=9999), ticket.id))
    listed = [_line(ticket, due.get(ticket.id)) for ticket in open_now]
    handed = handovers.add(connection, before.to_site if before else "", owner, at, listed)
    if open_now:
        _tell(connection, terms, handed, open_now[0], now)
    return handed


def _line(ticket: Ticket, due: tuple[str, datetime] | None) -> dict[str, Json]:
    return {
        "ticket": ticket.id, "client": ticket.client, "severity": ticket.severity, "state": ticket.state.value,
        "title": ticket.title, "assignee": ticket.assignee, "goal": due and due[0], "due": due and due[1].isoformat(),
    }  # fmt: skip


def _tell(connection: Connection, terms: Terms, handed: Handover, first: Ticket, now: datetime) -> None:
    """Both leads hear of it, where an action `notice` is on."""
    incident = incidents.get(connection, first.incident)
    assert incident is not None
    count = len(handed.tickets)
    title = f"{handed.from_site or 'Nobody'} hands over to {handed.to_site}: {count} ticket{'s' * (count != 1)} open"
    lines = (f"{one['ticket']} severity {one['severity']}, {one['goal']} due {one['due']}: {one['title']}"
             for one in handed.tickets[:20])  # fmt: skip
    owed.notice(
        connection, terms, incident, first, f"handover:{handed.id}", title, "\n".join(lines), _leads(terms, handed), now
    )


def _leads(terms: Terms, handed: Handover) -> list[Person]:
    sites = [terms.staff.sites[name] for name in (handed.to_site, handed.from_site) if name in terms.staff.sites]
    names = dict.fromkeys(site.shift_lead for site in sites)
    return [terms.staff.people[name] for name in names if name in terms.staff.people]


def note(desk: Desk, id: int, text: str) -> Handover:
    """What the site that goes home wants the next one to know. Said again, it is added."""
    handed = _handover(desk, id)
    told = said(text, "say what the next site should know")
    whole = f"{handed.note}\n{told}" if handed.note else told
    handovers.change(desk.connection, id, note=whole, noted_by=desk.actor)
    return replace(handed, note=whole, noted_by=desk.actor)


def acknowledge(desk: Desk, id: int) -> Handover:
    """The site that took over has read it."""
    handed = _handover(desk, id)
    if handed.acknowledged_at is not None:
        raise Refused(f"handover {id} was acknowledged by {handed.acknowledged_by.partition(':')[2]} already")
    handovers.change(desk.connection, id, acknowledged_by=desk.actor, acknowledged_at=desk.now)
    return replace(handed, acknowledged_by=desk.actor, acknowledged_at=desk.now)


def _handover(desk: Desk, id: int) -> Handover:
    handed = handovers.get(desk.connection, id)
    if handed is None:
        raise Refused(f"there is no handover {id}")
    return handed
