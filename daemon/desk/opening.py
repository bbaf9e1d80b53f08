"""How incidents open, join, reopen, clear and end (the life that `model.md` of the design calls episodes).

(nothing) → open → cleared → ended        open, cleared: a new signal joins or begins the next episode
              └──────────────↗            ended: within `reopen_within` the next episode, later a new incident
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from daemon.desk import ledger, owed, tallying
from daemon.desk.episodes import Episode
from daemon.desk.telling import Lasted, tell
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
from daemon.store import episodes, incidents, tallies, tickets
from daemon.store.episodes import Kept
from daemon.store.incidents import Proof
from daemon.trace import Ids

log = logging.getLogger("heliograph.desk")

_ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_ID_LENGTH = 10

NOBODY = "nobody"
"""Who acts when nobody does: recovery and the clock."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The signal by which a rule had enough, for the log and for traces."""

    source: str
    signal: str
    brought_by: Ids | None = None
    """The poll, or the push."""


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
    proofs: tuple[Proof, ...] = ()
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
    held: Mapping[str, Json] | None = None
    """Why nothing of it may be set going now."""
    heard: Heard | None = None


def set_going(connection: Connection, terms: Terms, incident: Incident, opening: Opening, now: datetime) -> None:
    """Tickets, pages, defects; nothing while it is held."""
    if incident.held is None:
        _tickets(connection, terms, incident, opening, now)
        owed.set_going(connection, terms, incident, opening.then, now)


def release(connection: Connection, terms: Terms, incident: Incident, opening: Opening, now: datetime) -> None:
    """What held it is gone, and it is open still: from now on it is an incident like any other."""
    incidents.change(connection, incident.id, held=None)
    tell(connection, log, logging.INFO, "incident released", incident=incident.id, episode=incident.episode)
    set_going(connection, terms, replace(incident, held=None), opening, now)


def open_first(connection: Connection, terms: Terms, opening: Opening, first_at: datetime, now: datetime) -> Incident:
    """A new incident, whose first evidence is of `first_at`."""
    id = "".join(terms.random.choice(_ID_ALPHABET) for _ in range(_ID_LENGTH))
    incident = Incident(
        id=id, key=opening.key, rule=opening.rule, title=opening.title, severity=opening.severity,
        state=IncidentState.OPEN, episode=1, opened_at=now, began_at=opening.began_at, last_signal_at=opening.at,
        class_=opening.class_, location=opening.location, team=opening.team, group=opening.group or {},
        runbook=opening.runbook, origin=opening.origin, page=1, held=opening.held,
    )  # fmt: skip
    incidents.add(
        connection,
        {
            "id": id, "key": opening.key, "rule": opening.rule, "title": opening.title, "severity": opening.severity,
            "state": incident.state.value, "episode": 1, "opened_at": now, "began_at": opening.began_at,
            "last_signal_at": opening.at, "class": opening.class_, "location": opening.location,
            "team": opening.team, "group": dict(incident.group), "runbook": opening.runbook,
            "origin": opening.origin, "page": 1, "roles": [], "sources": sorted(opening.sources),
            "told_at": opening.at, "quiet_seconds": seconds(opening.quiet_for),
            "held": opening.held and dict(opening.held),
        },
    )  # fmt: skip
    episodes.add(connection, id, [Kept(1, first_at)])
    tallies.add(connection, tallying.of_opening(incident, now), now)
    _tell_opened(connection, "incident opened", incident, opening, first_at, now)
    return incident


def _tell_opened(
    connection: Connection, message: str, incident: Incident, opening: Opening, since: datetime, now: datetime
) -> None:
    """With a match only where a signal opened it: no silence, no person, and not the daemon about itself."""
    heard = opening.heard or Heard("", "")
    spans = [Lasted("incident", min(since, opening.began_at), now, root=True)]
    spans += [Lasted("match", opening.at, now, link=heard.brought_by)] if opening.heard else []
    tell(
        connection, log, logging.INFO, message + (", and held" if incident.held else ""), *spans,
        incident=incident.id, episode=incident.episode, severity=incident.severity, rule=opening.rule,
        source=heard.source, signal=heard.signal, why=str((incident.held or {}).get("by", "")),
    )  # fmt: skip


def join(connection: Connection, incident: Incident, opening: Opening) -> Incident:
    joined = replace(
        incident,
        severity=min(incident.severity, opening.severity),
        began_at=min(incident.began_at, opening.began_at),
        last_signal_at=max(incident.last_signal_at, opening.at),
    )
    incidents.change(
        connection, incident.id, severity=joined.severity, began_at=joined.began_at,
        sources=sorted(incidents.sources_of(connection, incident.id).union(opening.sources)),
    )  # fmt: skip
    if joined.severity < incident.severity:
        tell(
            connection, log, logging.INFO, "incident raised", incident=incident.id, episode=incident.episode,
            severity=joined.severity, rule=opening.rule,
        )  # fmt: skip
    return joined


def next_episode(
    connection: Connection, incident: Incident, opening: Opening, number: int, last: Episode, now: datetime
) -> Incident:
    """The same trouble is back: it is told anew, under a new key."""
    again = replace(
        incident, state=IncidentState.OPEN, episode=number, opened_at=now, title=opening.title,
        severity=min([opening.severity, *(proof.severity for proof in last.fired if proof.signal)]),
        began_at=min(opening.began_at, last.began_at), last_signal_at=max(opening.at, last.fired[-1].at),
        page=incident.page + 1, cleared_at=None, ended_at=None, held=opening.held,
    )  # fmt: skip
    done = incidents.roles_set_going(connection, incident.id) & {owed.DEFECT}
    incidents.change(
        connection, incident.id, state=again.state.value, episode=number, severity=again.severity, opened_at=now,
        began_at=again.began_at, last_signal_at=again.last_signal_at, page=again.page, title=again.title,
        cleared_at=None, ended_at=None, over_at=None, roles=sorted(done), told_at=last.fired[-1].at,
        held=opening.held and dict(opening.held),
    )  # fmt: skip
    tallies.add(connection, tallying.of_opening(again, now), now)
    _tell_opened(connection, "incident reopened", again, opening, last.began_at, now)
    return again


def seconds(length: timedelta | None) -> int | None:
    return None if length is None else int(length.total_seconds())


def _tickets(connection: Connection, terms: Terms, incident: Incident, opening: Opening, now: datetime) -> None:
    """A ticket for each client hit: opened, reopened with the next episode, or raised with its incident."""
    if not terms.opens_tickets(incident.severity, opening.then):
        return
    latest: dict[str, Ticket] = {ticket.client: ticket for ticket in tickets.of_incident(connection, incident.id)}
    for client in _promised(terms, opening.clients):
        ticket = latest.pop(client, None)
        over = ticket is not None and ticket.state in (TicketState.CLOSED, TicketState.CANCELLED)
        if over and tickets.is_of_episode(connection, incident.id, client, incident.episode):
            continue  # a person ended it, and this is the trouble that they ended it for
        if ticket is None or over:
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
    connection: Connection, terms: Terms, incident: Incident, client: str, actor: str, now: datetime, *,
    reported_at: datetime | None = None, body: Mapping[str, Json] | None = None, request: str | None = None,
) -> Ticket:  # fmt: skip
    """Opens this client's ticket. Its clocks run by the contract that was in force when it was reported; what a rule
    saw is reported now."""
    contract = terms.policy.contract_for(client, reported_at or now)
    values = {
        "incident": incident.id, "client": client, "episode": incident.episode, "severity": incident.severity,
        "state": TicketState.NEW.value, "title": incident.title, "origin": incident.origin,
        "contract": contract.version, "opened_at": reported_at or now, "request": request,
    }  # fmt: skip
    number = tickets.add(connection, **values)
    ticket = None if number is None else tickets.get(connection, number)
    if ticket is None:
        raise RuntimeError(f"incident {incident.id} has a ticket of {client} for this episode already")
    tallies.add(connection, tallying.of_ticket(incident, ticket.id), now)
    start = reported_at or (incident.began_at if contract.start == "began" else now)
    return ledger.record(
        connection, terms, ticket, EventKind.OPENED, now, actor=actor, effective_at=min(start, now),
        body={
            "severity": ticket.severity, "title": ticket.title, "origin": ticket.origin, "team": incident.team,
            **(body or {}),
        },
    )  # fmt: skip


def clear(connection: Connection, terms: Terms, incident: Incident, ended: Episode, why: str, now: datetime) -> None:
    """The trouble is gone. The page is resolved; no clock stops unless a contract says so."""
    why = why if ended.recovered else "no signal any more"
    incidents.change(connection, incident.id, state=IncidentState.CLEARED.value, cleared_at=now, over_at=ended.over_at)
    tell(
        connection, log, logging.INFO, "incident cleared", Lasted("clear", ended.over_at or now, now),
        incident=incident.id, episode=incident.episode, rule=incident.rule, why=why,
    )  # fmt: skip
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
    values: dict[str, Any] = {"state": IncidentState.ENDED.value, "ended_at": now}
    if incidents.over_at(connection, incident.id) is None:
        values |= {"over_at": now, "clear_at": None}
        episodes.end(connection, incident.id, now)
    incidents.change(connection, incident.id, **values)
    tell(connection, log, logging.INFO, "incident ended", incident=incident.id, episode=incident.episode)
    owed.close(connection, owed.PAGE, incident, "every ticket is resolved", now)
