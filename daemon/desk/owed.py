"""What is owed to the outside for an incident or a ticket, in plain words that every action understands."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from daemon.desk.staff import Person
from daemon.desk.telling import tell
from daemon.desk.terms import Terms
from daemon.log import About
from daemon.model import Clock, Delivery, Incident, Json, Role, Threshold, Ticket
from daemon.store import deliveries, incidents, tickets
from daemon.store.deliveries import Owed

log = logging.getLogger("heliograph.desk")

PAGE: Role = "page"
DEFECT: Role = "defect"
WARNING: Role = "warning"
NOTICE: Role = "notice"
"""What nobody has to be woken for: a team is asked to help, a site hands over."""

_LATE = timedelta(minutes=1)
"""From here on a warning says that it is late: the daemon was down, or could not keep up."""


def page_key(incident: Incident) -> str:
    return f"hg:{incident.id}:{incident.page}"


def defect_key(incident: Incident) -> str:
    return f"hg-{incident.id}"


def warning_key(ticket: int, clock: Clock, threshold: Threshold) -> str:
    return f"w:{ticket}:{clock.goal}:{clock.cycle}:{threshold.arming}:{threshold.name}"


def key_of(role: Role, incident: Incident) -> str:
    """The key of an incident's delivery. It changes when something new is meant, and never for a retry."""
    return defect_key(incident) if role == DEFECT else page_key(incident)


def set_going(connection: Connection, terms: Terms, incident: Incident, own: tuple[Role, ...] | None,
              now: datetime) -> None:  # fmt: skip
    """Owes each role that this episode calls for and that it has not set going yet."""
    done = incidents.roles_set_going(connection, incident.id)
    wanted = terms.set_going(incident.severity, incident.class_, own)
    for role in wanted:
        if role not in done:
            body = describe(terms, incident) | _due(connection, role, incident)
            delivery = Delivery(role, "open", key_of(role, incident), 1, body)
            owe(connection, Owed(delivery, incident.id, incident.severity), now)
    incidents.change(connection, incident.id, roles=sorted(done.union(wanted)))


def owe(connection: Connection, one: Owed, now: datetime) -> None:
    owe_all(connection, [one], now)


def owe_all(connection: Connection, some: Sequence[Owed], now: datetime) -> None:
    """Puts them in the outbox: what is not there yet."""
    if deliveries.owe_all(connection, some, now) == len(some):
        for one in some:
            _tell(connection, "delivery owed", one.incident, one.delivery, one.ticket)


def _tell(connection: Connection, message: str, incident: str, delivery: Delivery, ticket: int | None = None) -> None:
    about = About(incident=incident, role=delivery.role, verb=delivery.verb, delivery=delivery.key)
    if ticket is not None:
        about["ticket"] = ticket
    tell(connection, log, logging.INFO, message, **about)


def _due(connection: Connection, role: Role, incident: Incident) -> dict[str, Any]:
    if role != DEFECT:
        return {}
    deadline = tickets.earliest_deadline(connection, incident.id, "resolution")
    return {"due": _text(deadline)} if deadline else {}


def close(connection: Connection, role: Role, incident: Incident, note: str, now: datetime) -> None:
    """Owes the outside the end of what was opened; takes an opening back that never left."""
    key = key_of(role, incident)
    if deliveries.cancel_unsent(connection, incident.id, role, key, now):
        _tell(connection, "delivery cancelled", incident.id, Delivery(role, "open", key, 1, {}))
        return
    if deliveries.was_owed(connection, role, key):
        body = {"title": incident.title, "severity": incident.severity, "incident": incident.id, "note": note}
        owe(connection, Owed(Delivery(role, "close", key, 1, body), incident.id, incident.severity), now)


def warnings_of(terms: Terms, incident: Incident, ticket: Ticket, clock: Clock, crossed: Sequence[Threshold],
                now: datetime) -> Iterator[Owed]:  # fmt: skip
    """What is owed to the people and roles of thresholds that were crossed.

    Several of one clock that are seen at once (nobody looked for a while) are told as one: the last of them.
    """
    last = crossed[-1]
    key = warning_key(ticket.id, clock, last)
    notify, in_hours, then = (_all(getattr(one, of) for one in crossed) for of in ("notify", "in_hours", "then"))
    at_once, later = _readers(terms, ticket, notify, in_hours, now)
    body = describe(terms, incident) | _warned(terms, ticket, clock, last, now) | {"notify": list(notify)}

    def owed(role: Role, key: str, body: dict[str, Any], not_before: datetime | None = None) -> Owed:
        return Owed(Delivery(role, "open", key, 1, body), incident.id, ticket.severity, ticket.id, not_before)

    told = body | {"to": addressed(at_once)}
    roles = ((WARNING,) if notify or at_once else ()) + then
    yield from (owed(role, key, told) for role in dict.fromkeys(roles) if role in terms.roles)
    for person in later if WARNING in terms.roles else ():
        alone = body | {"to": addressed([person]), "notify": [person.name], "waited_for_hours": True}
        yield owed(WARNING, f"{key}:{person.name}", alone, person.next_at_work(now))


def _readers(
    terms: Terms, ticket: Ticket, notify: Sequence[str], in_hours: Sequence[str], now: datetime
) -> tuple[list[Person], list[Person]]:
    """Who is told now, and who once their hours begin."""
    told = list(terms.staff.told(notify, now, ticket.assignee, ticket.team)) if notify else []
    others = terms.staff.told(in_hours, now, ticket.assignee, ticket.team) if in_hours else ()
    others = tuple(one for one in others if one not in told)
    return [*told, *(one for one in others if one.is_at_work(now))], [one for one in others if not one.is_at_work(now)]


def _all(parts: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for part in parts for name in part))


def _warned(terms: Terms, ticket: Ticket, clock: Clock, threshold: Threshold, now: datetime) -> dict[str, Any]:
    late = now - (threshold.at or now)
    return {
        "title": _warning_title(ticket, clock, threshold),
        "severity": ticket.severity,
        "ticket": ticket.id,
        "client": ticket.client,
        "goal": clock.goal,
        "cycle": clock.cycle,
        "threshold": threshold.name,
        "due": _text(clock.deadline),
        "late_seconds": int(late.total_seconds()) if late >= _LATE else 0,
        "url": f"{terms.portal}/tickets/{ticket.id}",
    }


def notice(connection: Connection, terms: Terms, incident: Incident, ticket: Ticket, key: str, title: str, text: str,
           told: Sequence[Person], now: datetime) -> None:  # fmt: skip
    """Owes people a word that can wait for them to look. Nothing, where no action `notice` is on."""
    if NOTICE not in terms.roles:
        return
    body = describe(terms, incident) | {
        "title": title,
        "summary": text,
        "ticket": ticket.id,
        "client": ticket.client,
        "to": addressed(told),
        "url": f"{terms.portal}/tickets/{ticket.id}",
    }
    owe(connection, Owed(Delivery(NOTICE, "open", key, 1, body), incident.id, ticket.severity, ticket.id), now)


def addressed(people: Iterable[Person]) -> list[dict[str, Json]]:
    """People, as a body names them: an action picks what it can reach them by."""
    return [{"name": one.name, "email": one.email, "pagerduty_user": one.pagerduty_user} for one in people]


def _warning_title(ticket: Ticket, clock: Clock, threshold: Threshold) -> str:
    due = _text(clock.deadline)
    whose = f"Ticket {ticket.id} ({ticket.client})"
    if threshold.name == "breach":
        return f"{whose}: {clock.goal} promised by {due} is missed: {ticket.title}"
    if threshold.name.startswith("unacknowledged"):
        return f"{whose}: nobody has acknowledged it, {clock.goal} is due {due}: {ticket.title}"
    return f"{whose}: {clock.goal} is due {due}: {ticket.title}"


def describe(terms: Terms, incident: Incident) -> dict[str, Any]:
    """The body that every opening carries (see `contract.Action`)."""
    return {
        "title": incident.title,
        "summary": incident.title,
        "severity": incident.severity,
        "class": incident.class_,
        "location": incident.location,
        "team": incident.team,
        "incident": incident.id,
        "runbook": incident.runbook,
        "source": incident.origin,
        "began_at": _text(incident.began_at),
        "opened_at": _text(incident.opened_at),
        "labels": sorted({"heliograph", f"sev{incident.severity}", incident.class_}),
        "details": dict(incident.group),
        "url": f"{terms.portal}/incidents/{incident.id}",
    }


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.strftime("%Y-%m-%dT%H:%M:%SZ")
