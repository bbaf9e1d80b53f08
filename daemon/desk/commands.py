"""What people, and what comes back from outside, do to a ticket. Whoever changes one goes through the desk.

Each command is one transaction's work: the caller opens it, so that a fact and its effect commit together. All raise
Refused where they make no sense as things stand.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from daemon.desk import opening, tallying
from daemon.desk.desk import Desk, Refused, message, said
from daemon.desk.intake import follow_up, take_up_again
from daemon.desk.life import no_quick_fix, no_release
from daemon.model import EventKind, Fix, Json, Ticket, TicketState
from daemon.store import incidents, tallies, tickets

Awaited: TypeAlias = Literal["information", "acceptance", "slot"]
"""What a client is asked for: to tell us something, to accept a work-around, to give us the time for a fix."""
Withdrawal: TypeAlias = Literal["duplicate", "false_alarm", "withdrawn"]


def acknowledge(desk: Desk, number: int) -> Ticket:
    """A person takes the ticket: it is in progress. Whether that answers the client is the contract's to say."""
    return _take(desk, desk.unfinished(number), "desk")


def reply(desk: Desk, number: int, text: str, *, public: bool = True) -> Ticket:
    """A message to the client, or with `public=False` a note among ourselves."""
    ticket = desk.ticket(number)
    if ticket.state is TicketState.CANCELLED:
        raise Refused(f"ticket {number} is cancelled")
    return desk.record(ticket, EventKind.MESSAGE, message(text, public=public))


def hear(desk: Desk, number: int, text: str) -> Ticket:
    """The client writes. Where we waited for that, the work goes on."""
    ticket = desk.ticket(number)
    if ticket.state is TicketState.CANCELLED:
        raise Refused(f"ticket {number} is cancelled")
    heard = desk.record(ticket, EventKind.MESSAGE, message(text, public=True, by="client"))
    if heard.state is not TicketState.AWAITING_CLIENT:
        return heard
    return desk.record(heard, EventKind.STATE, {"to": TicketState.IN_PROGRESS.value}, "resumed")


def wait(desk: Desk, number: int, awaited: Awaited, text: str) -> Ticket:
    """Asks the client for something, which `text` does. Where the promise allows it, the clock waits too."""
    asked = desk.record(desk.unfinished(number), EventKind.MESSAGE, message(text, public=True))
    body = {"to": TicketState.AWAITING_CLIENT.value, "what": awaited}
    return desk.record(asked, EventKind.STATE, body, "waits")


def resume(desk: Desk, number: int, text: str = "") -> Ticket:
    """The work goes on: the client has answered, or it no longer waits for a fix."""
    ticket = desk.unfinished(number)
    if ticket.state not in (TicketState.AWAITING_CLIENT, TicketState.AWAITING_FIX) and not desk.is_done(ticket):
        raise Refused(f"ticket {number} is {ticket.state}: it waits for nothing")
    return desk.record(ticket, EventKind.STATE, _because({"to": TicketState.IN_PROGRESS.value}, text))


def await_fix(desk: Desk, number: int, fix: Fix, release: str = "", text: str = "") -> Ticket:
    """The code must change: by a quick fix, or with the next minor release."""
    ticket = desk.unfinished(number)
    gate = no_quick_fix if fix is Fix.QUICK else no_release
    if not desk.is_done(ticket) and (why := gate(ticket.severity, ticket.workaround)) is not None:
        raise Refused(f"ticket {number}: {why}")
    body = {"to": TicketState.AWAITING_FIX.value, "kind": fix.value} | ({"release": release} if release else {})
    return desk.record(ticket, EventKind.STATE, _because(body, text))


def inform(desk: Desk, number: int, text: str) -> Ticket:
    """Tells the client that the quick fix comes, which `text` does."""
    ticket = desk.unfinished(number)
    if ticket.state is not TicketState.AWAITING_FIX and not desk.is_done(ticket):
        raise Refused(f"ticket {number} is {ticket.state}: it awaits no fix")
    told = desk.record(ticket, EventKind.MESSAGE, message(text, public=True))
    return desk.record(told, EventKind.INFORMED, part="informed")


def deploy(desk: Desk, number: int, release: str = "", text: str = "") -> Ticket:
    """The fix is installed. A quick one not before each client that the incident hits was told of it."""
    ticket = desk.unfinished(number)
    if desk.is_done(ticket):
        return ticket
    if ticket.state is not TicketState.AWAITING_FIX:
        raise Refused(f"ticket {number} is {ticket.state}: it awaits no fix")
    untold = [str(one.id) for one in tickets.open_of_incident(desk.connection, ticket.incident) if not one.informed]
    if ticket.fix is Fix.QUICK and untold:
        raise Refused(f"tell every client first that the fix comes: those of ticket {', '.join(untold)} do not know")
    return desk.record(ticket, EventKind.DEPLOYED, _because({"release": release} if release else {}, text))


def resolve(desk: Desk, number: int, text: str) -> Ticket:
    """Delivered and told to the client, which `text` does."""
    resolved = desk.record(desk.unfinished(number), EventKind.RESOLVED, message(text, public=True))
    after = desk.terms.policy.pinned(resolved.contract).remind_after
    remind_at = desk.happened_at + after if after else None
    tickets.change(desk.connection, number, remind_at=remind_at)
    _end_incident(desk, resolved)
    return resolved


def close(desk: Desk, number: int, text: str = "") -> Ticket:
    """The client has validated."""
    ticket = desk.ticket(number)
    if ticket.state is not TicketState.RESOLVED and not desk.is_done(ticket):
        raise Refused(f"ticket {number} is {ticket.state}; only a resolved one can be closed")
    return desk.record(ticket, EventKind.CLOSED, _because({}, text))


def reopen(desk: Desk, number: int, reason: str) -> Ticket:
    """The client rejects what was delivered. Past the days that the contract gives, it is a new ticket that follows."""
    ticket = desk.ticket(number)
    said(reason, "say why it is opened again")
    if desk.is_done(ticket):
        return ticket
    if ticket.state not in (TicketState.RESOLVED, TicketState.CLOSED):
        raise Refused(f"ticket {number} is {ticket.state}; only a resolved or closed one can be opened again")
    within = desk.terms.policy.pinned(ticket.contract).reopen_within
    if ticket.resolved_at is not None and desk.happened_at > ticket.resolved_at + within:
        return follow_up(desk, ticket, reason)
    again = desk.record(ticket, EventKind.REOPENED, {"reason": reason})
    take_up_again(desk, desk.incident(ticket.incident))
    return again


def cancel(desk: Desk, number: int, reason: Withdrawal, text: str = "") -> Ticket:
    """Nothing is owed any more."""
    before = desk.unfinished(number)
    cancelled = desk.record(before, EventKind.CANCELLED, _because({"reason": reason}, text))
    if reason == "false_alarm" and cancelled.version != before.version:
        told = tallying.of_false_alarm(desk.incident(before.incident), number)
        tallies.add(desk.connection, told, desk.now)
    _end_incident(desk, cancelled)
    return cancelled


def page_acknowledged(desk: Desk, id: str, via: str) -> None:
    """Somebody took the page. A resolve of the page by hand counts as this too, and resolves no ticket."""
    for ticket in tickets.open_of_incident(desk.connection, id):
        _take(_at_its_time(desk, ticket), ticket, via)


def _take(desk: Desk, ticket: Ticket, via: str) -> Ticket:
    """Whoever takes it has it, if nobody has it yet and it is one of `people`: warnings go there from then on."""
    taken = desk.record(ticket, EventKind.ACKNOWLEDGED, {"via": via})
    kind, _, name = desk.actor.partition(":")
    if kind == "person" and name in desk.terms.staff.people and not taken.assignee:
        return desk.record(taken, EventKind.ASSIGNED, {"assignee": name}, "taken")
    return taken


def note(desk: Desk, id: str, text: str) -> None:
    """What somebody wrote on the page or the defect, kept on each ticket among ourselves."""
    body: dict[str, Json] = {"text": text, "public": False, "human": True, "by": "rep"}
    for ticket in tickets.of_incident(desk.connection, id):
        _at_its_time(desk, ticket).record(ticket, EventKind.MESSAGE, body)


def defect_filed(desk: Desk, id: str, defect: dict[str, Json]) -> None:
    """The defect has a key: every ticket of the incident names it."""
    for ticket in tickets.of_incident(desk.connection, id):
        desk.record(ticket, EventKind.DEFECT, defect)


def _at_its_time(desk: Desk, ticket: Ticket) -> Desk:
    """A vendor's clock is not ours: what it tells is never before the ticket, and never after now."""
    at = min(max(desk.happened_at, ticket.opened_at), desk.now)
    return Desk(desk.connection, desk.terms, desk.actor, desk.now, at, desk.request)


def _because(body: dict[str, Json], text: str) -> dict[str, Json]:
    return body | {"text": text} if text.strip() else body


def _end_incident(desk: Desk, ticket: Ticket) -> None:
    opening.end_if_finished(desk.connection, desk.incident(ticket.incident), desk.now)


def is_open(desk: Desk, id: str) -> bool:
    """Whether the trouble of incident `id` goes on."""
    incident = incidents.get(desk.connection, id)
    return incident is not None and incident.state == "open"
