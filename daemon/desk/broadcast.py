"""What is said of an incident is said on each of its tickets: each has its own event, and its own clocks."""

from __future__ import annotations

from dataclasses import replace

from daemon.desk import commands, owed, triage
from daemon.desk.desk import Desk, Refused, said
from daemon.desk.intake import known
from daemon.model import Severity, Ticket
from daemon.rules.model import Names
from daemon.store import incidents, tickets


def reply_to_all(desk: Desk, id: str, text: str, *, public: bool = True) -> list[Ticket]:
    """A message on every unfinished ticket of the incident."""
    return [commands.reply(desk, ticket.id, text, public=public) for ticket in _unfinished(desk, id)]


def resolve_all(desk: Desk, id: str, text: str) -> list[Ticket]:
    """Resolves every unfinished ticket of the incident, which ends it."""
    return [commands.resolve(desk, ticket.id, text) for ticket in _unfinished(desk, id)]


def update_all(
    desk: Desk, id: str, reason: str, *, severity: Severity | None = None, team: str | None = None,
    class_: str | None = None, location: str | None = None,
) -> list[Ticket]:  # fmt: skip
    """Corrects what is known of the incident, on it and on every unfinished ticket; each keeps the reason."""
    said(reason, "say why")
    incident = desk.incident(id)
    if (severity, team, class_, location) == (None, None, None, None):
        raise Refused("say what changes: severity, team, class or location")
    if class_ is not None:
        known(class_, {*Names().classes, *desk.terms.classes}, "class")
    if team:
        known(team, desk.terms.staff.teams, "team")
    said_of_it = {"class": class_, "location": location, "team": team}
    values = {name: value for name, value in said_of_it.items() if value is not None}
    if values:
        incidents.change(desk.connection, id, **values)
    changed = [_update(desk, ticket, reason, severity, team) for ticket in _unfinished(desk, id)]
    if severity is not None and severity < incident.severity:
        incidents.change(desk.connection, id, severity=severity)
        owed.set_going(desk.connection, desk.terms, replace(incident, severity=severity), None, desk.now)
    return changed


def _update(desk: Desk, ticket: Ticket, reason: str, severity: Severity | None, team: str | None) -> Ticket:
    noted = commands.reply(desk, ticket.id, reason, public=False)
    after = replace(desk, request=desk.request and f"{desk.request}/update")
    if team is not None and team != ticket.team:
        noted = triage.assign(after, ticket.id, team=team)
    if severity is not None and severity != ticket.severity:
        noted = triage.change_severity(after, ticket.id, severity, reason)
    return noted


def _unfinished(desk: Desk, id: str) -> list[Ticket]:
    return tickets.open_of_incident(desk.connection, desk.incident(id).id)
