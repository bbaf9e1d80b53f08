"""How incidents open, join, reopen, clear and end (the life that `model.md` of the design calls episodes).

(nothing) → open → cleared → ended        open, cleared: a new signal joins or begins the next episode
              └──────────────↗            ended: within `reopen_within` the next episode, later a new incident
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from daemon.desk import ledger, owed
from daemon.desk.terms import Terms
from daemon.model import (
    INTERNAL,
    UNASSIGNED,
    EventKind,
    Incident,
    IncidentState,
    Json,
    Role,
    Severity,
    Ticket,
    TicketState,
)
from daemon.store import incidents, tickets

_ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_ID_LENGTH = 10

NOBODY = "nobody"
"""Who acts when nobody does: recovery and the clock."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a rule (or the daemon about itself) says is wrong, once its evidence is enough."""

    key: str
    rule: str
    title: str
    severity: Severity
    at: datetime
    """Event time of the newest evidence."""
    began_at: datetime
    signals: tuple[int, ...]
    """Rows of the evidence."""
    sources: tuple[str, ...] = ()
    """Configured names whose watermarks must pass before it clears by quiet."""
    clients: tuple[str, ...] = (INTERNAL,)
    class_: str = "availability"
    location: str = ""
    team: str = ""
    group: Mapping[str, Json] | None = None
    runbook: str = ""
    origin: str = "manual"
    then: tuple[Role, ...] | None = None
    quiet_for: timedelta | None = None
    reopen_within: timedelta = timedelta(hours=1)


def open_or_join(connection: Connection, terms: Terms, opening: Opening, now: datetime) -> Incident:
    """The incident that these signals are evidence of, opened, joined or reopened."""
    standing = incidents.standing(connection, opening.key) or _reopenable(connection, opening)
    if standing is None:
        incident = _new(connection, terms, opening, now)
    elif standing.state is IncidentState.OPEN:
        incident = _join(connection, standing, opening)
    elif _is_old_news(connection, standing, opening):
        incidents.link(connection, standing.id, opening.signals, standing.episode, opening.rule)
        return standing
    else:
        incident = _next_episode(connection, standing, opening, now)
    incidents.link(connection, incident.id, opening.signals, incident.episode, opening.rule)
    _tickets(connection, terms, incident, opening, now)
    owed.set_going(connection, terms, incident, opening.then, now)
    return incident


def _reopenable(connection: Connection, opening: Opening) -> Incident | None:
    ended = incidents.latest_ended(connection, opening.key)
    if ended is None or ended.ended_at is None:
        return None
    return ended if opening.at <= ended.ended_at + opening.reopen_within else None


def _is_old_news(connection: Connection, incident: Incident, opening: Opening) -> bool:
    over_at = incidents.over_at(connection, incident.id)
    return over_at is not None and opening.at <= over_at


def _new(connection: Connection, terms: Terms, opening: Opening, now: datetime) -> Incident:
    id = "".join(terms.random.choice(_ID_ALPHABET) for _ in range(_ID_LENGTH))
    incident = Incident(
        id=id, key=opening.key, rule=opening.rule, title=opening.title, severity=opening.severity,
        state=IncidentState.OPEN, episode=1, opened_at=now, began_at=opening.began_at, last_signal_at=opening.at,
        class_=opening.class_, location=opening.location, team=opening.team, group=opening.group or {},
        runbook=opening.runbook, origin=opening.origin, page=1,
    )  # fmt: skip
    incidents.add(
        connection,
        {
            "id": id, "key": opening.key, "rule": opening.rule, "title": opening.title, "severity": opening.severity,
            "state": incident.state.value, "episode": 1, "opened_at": now, "began_at": opening.began_at,
            "last_signal_at": opening.at, "class": opening.class_, "location": opening.location,
            "team": opening.team, "group": dict(incident.group), "runbook": opening.runbook,
            "origin": opening.origin, "page": 1, "roles": [], "sources": sorted(opening.sources),
            "quiet_seconds": _seconds(opening.quiet_for), "clear_at": _clear_at(opening.at, opening.quiet_for),
        },
    )  # fmt: skip
    return incident


def _join(connection: Connection, incident: Incident, opening: Opening) -> Incident:
    joined = replace(
        incident,
        severity=min(incident.severity, opening.severity),
        began_at=min(incident.began_at, opening.began_at),
        last_signal_at=max(incident.last_signal_at, opening.at),
    )
    incidents.change(
        connection, incident.id, severity=joined.severity, began_at=joined.began_at,
        last_signal_at=joined.last_signal_at, clear_at=_clear_at(joined.last_signal_at, opening.quiet_for),
        sources=sorted(incidents.sources_of(connection, incident.id).union(opening.sources)),
    )  # fmt: skip
    return joined


def _next_episode(connection: Connection, incident: Incident, opening: Opening, now: datetime) -> Incident:
    """The same trouble is back: it is told anew, under a new key."""
    again = replace(
        incident, state=IncidentState.OPEN, episode=incident.episode + 1, severity=opening.severity, opened_at=now,
        began_at=opening.began_at, last_signal_at=opening.at, page=incident.page + 1, title=opening.title,
        cleared_at=None, ended_at=None,
    )  # fmt: skip
    done = incidents.roles_set_going(connection, incident.id) & {owed.DEFECT}
    incidents.change(
        connection, incident.id, state=again.state.value, episode=again.episode, severity=again.severity,
        opened_at=now, began_at=again.began_at, last_signal_at=again.last_signal_at, page=again.page,
        title=again.title, cleared_at=None, ended_at=None, over_at=None, roles=sorted(done),
        clear_at=_clear_at(opening.at, opening.quiet_for),
    )  # fmt: skip
    return again


def _seconds(length: timedelta | None) -> int | None:
    return None if length is None else int(length.total_seconds())


def _clear_at(at: datetime, quiet_for: timedelta | None) -> datetime | None:
    return None if quiet_for is None else at + quiet_for


def _tickets(connection: Connection, terms: Terms, incident: Incident, opening: Opening, now: datetime) -> None:
    """A ticket for each client hit: opened, reopened with the next episode, or raised with its incident."""
    if not terms.opens_tickets(incident.severity, opening.then):
        return
    latest: dict[str, Ticket] = {ticket.client: ticket for ticket in tickets.of_incident(connection, incident.id)}
    for client in _promised(terms, opening.clients):
        ticket = latest.pop(client, None)
        if ticket is None or ticket.state in (TicketState.CLOSED, TicketState.CANCELLED):
            open_ticket(connection, terms, incident, client, f"rule:{opening.rule}", now)
        else:
            _bring_up(connection, terms, incident, ticket, opening.rule, now)
    for ticket in latest.values():
        _raise(connection, terms, incident, ticket, opening.rule, now)


def _promised(terms: Terms, clients: tuple[str, ...]) -> tuple[str, ...]:
    """Clients that we know; a stranger's ticket is `unassigned`, to be mapped by a person."""
    known = terms.policy.clients
    return tuple(dict.fromkeys(client if client in known else UNASSIGNED for client in clients))


def _bring_up(connection: Connection, terms: Terms, incident: Incident, ticket: Ticket, rule: str,
              now: datetime) -> None:  # fmt: skip
    if ticket.state is TicketState.RESOLVED:
        ticket = ledger.record(
            connection, terms, ticket, EventKind.REOPENED, now, actor=f"rule:{rule}",
            body={"reason": "it happened again", "episode": incident.episode},
        )  # fmt: skip
    _raise(connection, terms, incident, ticket, rule, now)


def _raise(connection: Connection, terms: Terms, incident: Incident, ticket: Ticket, rule: str,
           now: datetime) -> None:  # fmt: skip
    """A worse severity follows to tickets whose severity no person has set; to the others it is an internal note."""
    if incident.severity >= ticket.severity or ticket.state in (TicketState.CLOSED, TicketState.CANCELLED):
        return
    reason = f"the incident is now severity {incident.severity}"
    note = f"severity-{incident.episode}-{incident.severity}"
    if tickets.severity_set_by_person(connection, ticket.id):
        ledger.record(
            connection, terms, ticket, EventKind.MESSAGE, now, actor=f"rule:{rule}", source_id=note,
            body={"text": reason, "public": False, "human": False, "by": "rep"},
        )  # fmt: skip
    else:
        ledger.record(
            connection, terms, ticket, EventKind.SEVERITY, now, actor=f"rule:{rule}", source_id=note,
            body={"to": incident.severity, "reason": reason},
        )  # fmt: skip


def open_ticket(
    connection: Connection, terms: Terms, incident: Incident, client: str, actor: str, now: datetime
) -> Ticket:
    """Opens this client's ticket; its clocks run by the contract that is in force now."""
    contract = terms.policy.contract_for(client, now)
    values = {
        "incident": incident.id, "client": client, "episode": incident.episode, "severity": incident.severity,
        "state": TicketState.NEW.value, "title": incident.title, "origin": incident.origin,
        "contract": contract.version, "opened_at": now,
    }  # fmt: skip
    number = tickets.add(connection, **values)
    ticket = None if number is None else tickets.get(connection, number)
    if ticket is None:
        raise RuntimeError(f"incident {incident.id} has a ticket of {client} for this episode already")
    start = incident.began_at if contract.start == "began" else now
    return ledger.record(
        connection, terms, ticket, EventKind.OPENED, now, actor=actor, effective_at=min(start, now),
        body={"severity": ticket.severity, "title": ticket.title, "origin": ticket.origin},
    )  # fmt: skip


def clear(connection: Connection, terms: Terms, incident: Incident, over_at: datetime, why: str, now: datetime) -> None:
    """The trouble is gone at `over_at` (event time). The page is resolved; no clock stops unless a contract says so."""
    incidents.change(
        connection, incident.id, state=IncidentState.CLEARED.value, cleared_at=now, over_at=over_at, clear_at=None
    )
    owed.close(connection, owed.PAGE, incident, why, now)
    for ticket in tickets.open_of_incident(connection, incident.id):
        recovered = ledger.record(
            connection, terms, ticket, EventKind.RECOVERED, now, actor=NOBODY, effective_at=now,
            body={"why": why, "episode": incident.episode}, source_id=f"recovered-{incident.episode}",
        )  # fmt: skip
        if terms.policy.pinned(ticket.contract).on_recovery == "resolve" and _untouched(connection, ticket):
            ledger.record(connection, terms, recovered, EventKind.RESOLVED, now, actor=NOBODY, body={"text": why})
    end_if_finished(connection, incident, now)


def _untouched(connection: Connection, ticket: Ticket) -> bool:
    """Whether no person has done anything to it."""
    log = tickets.log(connection, ticket.id)
    return all(event.actor == NOBODY or event.actor.startswith("rule:") for event in log)


def end_if_finished(connection: Connection, incident: Incident, now: datetime) -> None:
    """When its last ticket is resolved or cancelled, the incident ends and its page is resolved."""
    if not incidents.all_finished(connection, incident.id):
        return
    over_at = incidents.over_at(connection, incident.id) or now
    incidents.change(
        connection, incident.id, state=IncidentState.ENDED.value, ended_at=now, over_at=over_at, clear_at=None
    )
    owed.close(connection, owed.PAGE, incident, "every ticket is resolved", now)
