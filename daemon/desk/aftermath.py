"""What comes after the fix: the report on the root cause, lessons, action items; and breaches that are excused."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from daemon.desk import counting, tallying
from daemon.desk.desk import Desk, Refused, said
from daemon.desk.intake import known
from daemon.model import EventKind, Goal, Rca, Ticket, TicketState
from daemon.store import tallies, tickets


def request_rca(desk: Desk, number: int, text: str = "") -> Ticket:
    """The client asks for a report on the root cause. Where that is promised, its clock starts."""
    ticket = _promised(desk, number)
    if ticket.rca is Rca.REQUESTED and not desk.is_done(ticket):
        raise Refused(f"the report on ticket {number} is requested already")
    return desk.record(ticket, EventKind.RCA, _told({"to": Rca.REQUESTED.value}, text))


def share_rca(desk: Desk, number: int, text: str = "", url: str = "") -> Ticket:
    """The report went to the client."""
    body = {"to": Rca.SHARED.value} | ({"url": url} if url else {})
    return desk.record(_promised(desk, number), EventKind.RCA, _told(body, text))


def learn(desk: Desk, number: int, text: str) -> Ticket:
    """A lesson, for the report and for those who come after."""
    return desk.record(_promised(desk, number), EventKind.LESSON, {"text": said(text, "say what was learnt")})


def plan_action(desk: Desk, number: int, text: str, owner: str, due: date) -> Ticket:
    """Somebody does something by a date, so that it does not happen again."""
    ticket = _promised(desk, number)
    if desk.is_done(ticket):
        return ticket
    said(text, "say what is to be done")
    if desk.terms.staff.people:
        known(owner, desk.terms.staff.people, "person")
    item = tickets.add_action(desk.connection, number, text, said(owner, "say who does it"), due.isoformat())
    body = {"item": item, "text": text, "owner": owner, "due": due.isoformat()}
    return desk.record(ticket, EventKind.ACTION, body)


def finish_action(desk: Desk, number: int, item: int) -> Ticket:
    ticket = desk.ticket(number)
    if desk.is_done(ticket):
        return ticket
    if not tickets.end_action(desk.connection, number, item, desk.happened_at):
        raise Refused(f"ticket {number} has no action item {item} that is not done")
    return desk.record(ticket, EventKind.ACTION, {"item": item, "done": True})


def excuse(desk: Desk, number: int, goal: Goal, cycle: int, reason: str, approver: str) -> Ticket:
    """Takes a breach out of the client's report. It stays a breach, and is counted apart as one that was excused."""
    ticket = desk.ticket(number)
    if desk.is_done(ticket):
        return ticket
    said(reason, "say why: whoever audits the report will ask")
    if desk.terms.staff.people:
        known(approver, desk.terms.staff.people, "person")
    rows = [row for row in tickets.counted(desk.connection, number) if (row.goal, row.cycle) == (goal, cycle)]
    breach = counting.standing(rows, counting.BREACH)
    if breach is None:
        raise Refused(f"ticket {number} has no breach of {goal}, cycle {cycle}")
    if any(row.kind == counting.EXCUSED for row in rows):
        raise Refused(f"the breach of {goal}, cycle {cycle}, of ticket {number} is excused already")
    excused = replace(breach, kind=counting.EXCUSED, sequence=len(rows) + 1)
    tickets.count(desk.connection, {number: [excused]}, desk.now)
    tallies.add(desk.connection, tallying.of_counts(ticket, [excused], ()), desk.now)
    body = {"goal": goal, "cycle": cycle, "reason": reason, "approver": said(approver, "say who approved it")}
    return desk.record(ticket, EventKind.EXCUSED, body)


def _promised(desk: Desk, number: int) -> Ticket:
    ticket = desk.ticket(number)
    if ticket.state is TicketState.CANCELLED:
        raise Refused(f"ticket {number} is cancelled")
    return ticket


def _told(body: dict[str, str], text: str) -> dict[str, str]:
    return body | {"text": text} if text.strip() else body
