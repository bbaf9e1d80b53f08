"""How incidents open, join, reopen, clear and end (the life that `model.md` of the design calls episodes).

(nothing) → open → cleared → ended        open, cleared: a new signal joins or begins the next episode
              └──────────────↗            ended: within `reopen_within` the next episode, later a new incident
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

from sqlalchemy import Connection, Row

from daemon.desk import ledger, owed
from daemon.desk.episodes import clears_at, end
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
from daemon.store.incidents import Proof

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


Outcome: TypeAlias = Literal["opened", "reopened", "joined", "old"]
Retell: TypeAlias = Callable[[Incident, Proof], Opening]
"""Says again what a signal that is evidence means: for an episode that turns out to be one of its own."""


def open_or_join(connection: Connection, terms: Terms, opening: Opening, now: datetime) -> tuple[Incident, Outcome]:
    """The incident that these signals are evidence of, opened, joined or reopened."""
    standing = incidents.standing(connection, opening.key) or _reopenable(connection, opening)
    outcome: Outcome = "joined"
    if standing is None:
        incident, outcome = begin(connection, terms, opening, now), "opened"
    elif _is_old_news(connection, standing, opening):
        _link(connection, standing, opening.proofs)
        return standing, "old"
    elif standing.state is IncidentState.OPEN:
        incident = _join(connection, standing, opening)
    else:
        incident, outcome = _next_episode(connection, standing, opening, now), "reopened"
    _link(connection, incident, opening.proofs)
    _keep_time(connection, incident, opening)
    _set_going(connection, terms, incident, opening, now)
    return incident, outcome


def prolong(connection: Connection, incident: Incident, proof: Proof, quiet_for: timedelta | None) -> bool:
    """One more signal of what is open already, or was when it happened: evidence, and no more. Whether it is."""
    row = incidents.row_of(connection, incident.id)
    if row.before_at is not None and proof.at <= row.before_at:
        incidents.link(connection, incident.id, incident.episode - 1, (proof,))
        return True
    if proof.at < row.began_at or (row.over_at is not None and proof.at > row.over_at):
        return False
    incidents.link(connection, incident.id, incident.episode, (proof,))
    if row.over_at is None:
        incidents.change(connection, incident.id, last_signal_at=max(row.last_signal_at, proof.at))
        _move_clear(connection, incident, row, proof.at, quiet_for)
    return True


def _set_going(connection: Connection, terms: Terms, incident: Incident, opening: Opening, now: datetime) -> None:
    """Tickets, pages, defects; nothing while it is held."""
    if incident.held is None:
        _tickets(connection, terms, incident, opening, now)
        owed.set_going(connection, terms, incident, opening.then, now)


def release(connection: Connection, terms: Terms, incident: Incident, opening: Opening, now: datetime) -> None:
    """What held it is gone, and it is open still: from now on it is an incident like any other."""
    incidents.change(connection, incident.id, held=None)
    _set_going(connection, terms, replace(incident, held=None), opening, now)


def _link(connection: Connection, incident: Incident, proofs: Sequence[Proof]) -> None:
    """Evidence of the time before this episode is that of the one before."""
    before_at = incidents.row_of(connection, incident.id).before_at
    earlier = [proof for proof in proofs if before_at is not None and proof.at <= before_at]
    incidents.link(connection, incident.id, incident.episode - 1, earlier)
    incidents.link(connection, incident.id, incident.episode, [proof for proof in proofs if proof not in earlier])


def _keep_time(connection: Connection, incident: Incident, opening: Opening) -> None:
    """When it will have been quiet for long enough, as far as is known."""
    row = incidents.row_of(connection, incident.id)
    _move_clear(connection, incident, row, opening.at, opening.quiet_for)


def _move_clear(
    connection: Connection, incident: Incident, row: Row[Any], at: datetime, quiet_for: timedelta | None
) -> None:
    """In order it moves on with each signal. What comes after a gap, or late, has the whole episode looked at."""
    in_order = row.clear_at is not None and row.last_signal_at <= row.clear_at and incident.last_signal_at <= at
    if quiet_for is None:
        clear_at = None
    elif row.clear_at is None or (in_order and at <= row.clear_at):
        clear_at = max(at, row.last_signal_at) + quiet_for
    else:
        clear_at = clears_at(incidents.proofs(connection, incident.id, incident.episode), quiet_for)
    incidents.change(connection, incident.id, clear_at=clear_at, quiet_seconds=_seconds(quiet_for))


def _reopenable(connection: Connection, opening: Opening) -> Incident | None:
    ended = incidents.latest_ended(connection, opening.key)
    if ended is None:
        return None
    over_at = incidents.over_at(connection, ended.id) or ended.ended_at
    return ended if over_at is not None and opening.at <= over_at + opening.reopen_within else None


def _is_old_news(connection: Connection, incident: Incident, opening: Opening) -> bool:
    row = incidents.row_of(connection, incident.id)
    over_at = row.over_at if incident.state is not IncidentState.OPEN else row.before_at
    return over_at is not None and opening.at <= over_at


def begin(connection: Connection, terms: Terms, opening: Opening, now: datetime) -> Incident:
    """A new incident, without any of what it sets going."""
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
            "quiet_seconds": _seconds(opening.quiet_for), "held": opening.held and dict(opening.held),
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
        last_signal_at=joined.last_signal_at,
        sources=sorted(incidents.sources_of(connection, incident.id).union(opening.sources)),
    )  # fmt: skip
    return replace(joined, last_signal_at=incident.last_signal_at)


def _next_episode(connection: Connection, incident: Incident, opening: Opening, now: datetime) -> Incident:
    """The same trouble is back: it is told anew, under a new key."""
    again = replace(
        incident, state=IncidentState.OPEN, episode=incident.episode + 1, severity=opening.severity, opened_at=now,
        began_at=opening.began_at, last_signal_at=opening.at, page=incident.page + 1, title=opening.title,
        cleared_at=None, ended_at=None, held=opening.held,
    )  # fmt: skip
    done = incidents.roles_set_going(connection, incident.id) & {owed.DEFECT}
    incidents.change(
        connection, incident.id, state=again.state.value, episode=again.episode, severity=again.severity,
        opened_at=now, began_at=again.began_at, last_signal_at=again.last_signal_at, page=again.page,
        title=again.title, cleared_at=None, ended_at=None, over_at=None, roles=sorted(done), clear_at=None,
        before_at=incidents.over_at(connection, incident.id), held=opening.held and dict(opening.held),
    )  # fmt: skip
    return again


def divide(
    connection: Connection, terms: Terms, incident: Incident, read_to: datetime | None, retell: Retell, now: datetime
) -> bool:
    """Ends the episode where its evidence says that it was over, and tells again what came after: it may be the next
    one. Whether it ended."""
    quiet_for = incidents.quiet_for(connection, incident.id)
    found = end(incidents.proofs(connection, incident.id, incident.episode), quiet_for, read_to)
    if found is None:
        return False
    incidents.unlink(connection, incident.id, [proof.signal for proof in found.after])
    why = "a signal says that it recovered" if found.recovered else "no signal any more"
    if incident.state is IncidentState.OPEN:
        clear(connection, terms, incident, found.at, why, now)
    else:
        incidents.change(connection, incident.id, over_at=found.at)
    for proof in found.after:
        _tell_again(connection, terms, incident, proof, retell, now)
    return True


def _tell_again(
    connection: Connection, terms: Terms, incident: Incident, proof: Proof, retell: Retell, now: datetime
) -> None:
    if proof.recovered:
        over(connection, terms, incident.key, proof, None, retell, now)
    elif proof.fired:
        open_or_join(connection, terms, retell(incident, proof), now)
    elif (standing := incidents.standing(connection, incident.key)) is not None:
        prolong(connection, standing, proof, incidents.quiet_for(connection, incident.id))


def over(
    connection: Connection, terms: Terms, key: str, proof: Proof, read_to: datetime | None, retell: Retell,
    now: datetime,
) -> Incident | None:  # fmt: skip
    """A signal says that the trouble of `key` is gone. None if none of it was there to be ended."""
    standing = incidents.latest(connection, key)
    if standing is None or proof.at < standing.began_at:
        return None
    over_at = incidents.over_at(connection, standing.id)
    if standing.state is not IncidentState.OPEN and (over_at is None or proof.at >= over_at):
        return None
    if proof.signal:
        _link(connection, standing, (proof,))
        divide(connection, terms, standing, read_to, retell, now)
    elif standing.state is IncidentState.OPEN:  # it is what is heard in all that ends it, and no one signal
        clear(connection, terms, standing, proof.at, "it is heard again", now)
    return standing


def _seconds(length: timedelta | None) -> int | None:
    return None if length is None else int(length.total_seconds())


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
    start = reported_at or (incident.began_at if contract.start == "began" else now)
    return ledger.record(
        connection, terms, ticket, EventKind.OPENED, now, actor=actor, effective_at=min(start, now),
        body={
            "severity": ticket.severity, "title": ticket.title, "origin": ticket.origin, "team": incident.team,
            **(body or {}),
        },
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
