"""Who does it, how bad it is, and how it is worked around."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, TypeAlias

from daemon.desk import owed
from daemon.desk.desk import Desk, Refused, message, said
from daemon.desk.intake import is_persons, known
from daemon.model import EventKind, Json, Severity, Ticket, Workaround
from daemon.store import incidents, tickets

Lasting: TypeAlias = Literal["interim", "permanent"]


def assign(
    desk: Desk, number: int, person: str | None = None, team: str | None = None, site: str | None = None
) -> Ticket:
    """To a person, a team, a site, or several of them. An empty name takes it from whoever had it."""
    ticket, staff = desk.unfinished(number), desk.terms.staff
    body: dict[str, Json] = {}
    given = (("assignee", person, staff.people), ("team", team, staff.teams), ("site", site, staff.sites))
    for key, name, names in given:
        if name is not None:
            body[key] = known(name, names, "person" if key == "assignee" else key) if name else ""
    if not body:
        raise Refused("say to whom: a person, a team or a site")
    return desk.record(ticket, EventKind.ASSIGNED, body)


def loop_in(desk: Desk, number: int, team: str, text: str) -> Ticket:
    """Asks another team to help, and tells its lead."""
    ticket = desk.unfinished(number)
    known(team, desk.terms.staff.teams, "team")
    said(text, "say what the team is asked for")
    looped = desk.record(ticket, EventKind.LOOPED_IN, {"team": team, "text": text})
    told = desk.terms.staff.told(["team_lead"], desk.now, team=team)
    title = f"Ticket {number} ({ticket.client}) needs {team}: {ticket.title}"
    key = f"looped:{number}:{looped.version}"
    owed.notice(desk.connection, desk.terms, desk.incident(ticket.incident), ticket, key, title, text, told, desk.now)
    return looped


def change_severity(desk: Desk, number: int, to: Severity, reason: str) -> Ticket:
    """A person's word on how bad it is; from then on no rule changes it. Raises Refused without a reason."""
    ticket = desk.unfinished(number)
    if desk.is_done(ticket):
        return ticket
    said(reason, "say why: the client will ask")
    if to not in desk.terms.severities:
        raise Refused(f"'{to}' is no severity: they are 1, 2, 3 and 4")
    if to == ticket.severity:
        raise Refused(f"ticket {number} has severity {to} already")
    changed = desk.record(ticket, EventKind.SEVERITY, {"to": to, "reason": reason})
    tickets.change(desk.connection, number, severity_by_person=True)
    _follow(desk, changed)
    return changed


def _follow(desk: Desk, ticket: Ticket) -> None:
    """What a person's ticket says is what its incident is. An incident's severity is never lowered."""
    incident = desk.incident(ticket.incident)
    if is_persons(incident) and ticket.severity < incident.severity:
        incidents.change(desk.connection, incident.id, severity=ticket.severity)
        raised = replace(incident, severity=ticket.severity)
        owed.set_going(desk.connection, desk.terms, raised, None, desk.now)


def propose_workaround(desk: Desk, number: int, text: str, lasting: Lasting = "interim") -> Ticket:
    """A way around it, told to the client by `text`."""
    ticket = desk.unfinished(number)
    told = desk.record(ticket, EventKind.MESSAGE, message(text, public=True))
    body = {"to": Workaround.PROPOSED.value, "kind": lasting, "text": text}
    return desk.record(told, EventKind.WORKAROUND, body, "workaround")


def accept_workaround(desk: Desk, number: int, text: str = "", lower_to: Severity | None = None) -> Ticket:
    """The client can work with it. That allows a lower severity, and forces none."""
    accepted = _answer(desk, number, Workaround.ACCEPTED, text)
    if lower_to is None:
        return accepted
    if lower_to <= accepted.severity and not desk.is_done(accepted):
        raise Refused(f"ticket {number} has severity {accepted.severity}: {lower_to} is not lower")
    later = replace(desk, request=desk.request and f"{desk.request}/lower")
    return change_severity(later, number, lower_to, text or "the work-around removes the impact")


def reject_workaround(desk: Desk, number: int, reason: str) -> Ticket:
    return _answer(desk, number, Workaround.REJECTED, said(reason, "say why the client cannot work with it"))


def _answer(desk: Desk, number: int, to: Workaround, text: str) -> Ticket:
    ticket = desk.unfinished(number)
    if ticket.workaround is not Workaround.PROPOSED and not desk.is_done(ticket):
        raise Refused(f"ticket {number} has no work-around that waits for an answer: propose one first")
    body = {"to": to.value} | ({"text": text} if text.strip() else {})
    return desk.record(ticket, EventKind.WORKAROUND, body)


def name_defect(desk: Desk, number: int, key: str, url: str = "", due: str = "") -> Ticket:
    """The defect is one that is filed already, by hand or for another incident."""
    said(key, "say which defect")
    body = {"key": key} | {name: value for name, value in (("url", url), ("due", due)) if value}
    return desk.record(desk.unfinished(number), EventKind.DEFECT, body)
