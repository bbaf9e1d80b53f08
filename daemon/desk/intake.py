"""Tickets that a person opens: by telephone, by mail, on the pages or on the command line. Each makes its incident."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from daemon.desk import opening, owed
from daemon.desk.desk import Desk, Refused, said
from daemon.desk.opening import Opening
from daemon.desk.relations import link
from daemon.model import UNASSIGNED, Incident, IncidentState, Severity, Ticket
from daemon.rules.model import Names
from daemon.store import incidents, tickets

PERSONS_KEY = "ticket:"
"""Begins the key of an incident that a person's ticket made."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a person reports."""

    client: str
    severity: Severity
    title: str
    text: str = ""
    reporter: str = ""
    """Who asks, by name or address; the actor of the desk is who writes it down."""
    origin: str = "manual"
    """`portal`, `email`, `hotline`, `manual`."""
    class_: str = "availability"
    location: str = ""
    team: str = ""


def open_ticket(desk: Desk, report: Report) -> Ticket:
    """Its clocks run from when it was reported, by the contract that was in force then. Raises Refused."""
    if desk.request is not None and (known := tickets.of_request(desk.connection, desk.request)) is not None:
        return known
    _check(desk, report)
    at = desk.happened_at
    told = Opening(
        key=f"{PERSONS_KEY}{desk.request or desk.now.isoformat()}", rule="", title=report.title.strip(),
        severity=report.severity, at=at, began_at=at, clients=(report.client,), class_=report.class_,
        location=report.location, team=report.team, origin=report.origin,
    )  # fmt: skip
    incident = opening.open_first(desk.connection, desk.terms, told, at, desk.now)
    body = {"text": report.text, "reporter": report.reporter}
    ticket = opening.open_ticket(
        desk.connection, desk.terms, incident, report.client, desk.actor, desk.now, reported_at=at,
        body={name: text for name, text in body.items() if text}, request=desk.request,
    )  # fmt: skip
    incidents.change(desk.connection, incident.id, key=f"{PERSONS_KEY}{ticket.id}")
    owed.set_going(desk.connection, desk.terms, incident, None, desk.now)
    return ticket


def follow_up(desk: Desk, before: Ticket, text: str) -> Ticket:
    """A new ticket that goes on where an old one, closed too long ago to be opened again, ended."""
    incident = desk.incident(before.incident)
    report = Report(
        before.client, before.severity, before.title, text, before.reporter, before.origin, incident.class_,
        incident.location, incident.team,
    )  # fmt: skip
    ticket = open_ticket(desk, report)
    link(desk, ticket.id, before.id, "follows")
    return desk.ticket(ticket.id)


def take_up_again(desk: Desk, incident: Incident) -> None:
    """A ticket of it is opened again: an incident that had ended is owed for once more, and pages anew."""
    if incident.state is not IncidentState.ENDED or incidents.standing(desk.connection, incident.key) is not None:
        return
    done = incidents.roles_set_going(desk.connection, incident.id)
    state = IncidentState.OPEN if is_persons(incident) else IncidentState.CLEARED
    incidents.change(
        desk.connection, incident.id, state=state.value, ended_at=None, page=incident.page + 1,
        roles=sorted(done & {owed.DEFECT}),
    )  # fmt: skip
    again = desk.incident(incident.id)
    owed.set_going(desk.connection, desk.terms, again, tuple(sorted(done)), desk.now)


def is_persons(incident: Incident) -> bool:
    return incident.key.startswith(PERSONS_KEY)


def _check(desk: Desk, report: Report) -> None:
    said(report.title, "say what is wrong: the title is empty")
    if report.severity not in desk.terms.severities:
        raise Refused(f"'{report.severity}' is no severity: they are 1, 2, 3 and 4")
    known(report.client, desk.terms.policy.clients, "client")
    known(report.class_, {*Names().classes, *desk.terms.classes}, "class")
    if report.team:
        known(report.team, desk.terms.staff.teams, "team")
    if desk.at is not None and desk.at > desk.now:
        raise Refused("it cannot have been reported in the future")


def known(name: str, names: Iterable[str], what: str) -> str:
    """`name`, which is one of `names`. Raises Refused, with the nearest."""
    among = sorted(names)
    if name in among:
        return name
    near = difflib.get_close_matches(name, among, 1)
    hint = f"did you mean '{near[0]}'?" if near else f"there {'is' if among else 'is none'} {', '.join(among[:12])}"
    if what == "client" and not near:
        hint += f"; '{UNASSIGNED}' is for those that are not known yet"
    raise Refused(f"there is no {what} '{name}': {hint.strip()}")
