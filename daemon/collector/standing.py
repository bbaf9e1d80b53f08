"""How things stand, by the store's rows: tickets, clocks, incidents, sources, the outbox.

What grows with history is read by an index of what is still open."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import product
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, literal, select, text

from daemon import catalogue
from daemon.catalogue import SEVERITIES, Figure, Key
from daemon.collector.known import Known
from daemon.model import FINISHED, GOALS, Fix, Goal, IncidentState, Rca, Severity, TicketState
from daemon.sla.policy import Policy
from daemon.store.incidents import not_in_shadow
from daemon.store.schema import clocks, deliveries, handovers, incidents, polls, tickets

Values: TypeAlias = dict[Key, float]
Figures: TypeAlias = Iterator[tuple[Figure, Values]]

TICKET_STATES = [state.value for state in TicketState if state not in (TicketState.CLOSED, TicketState.CANCELLED)]
INCIDENT_STATES = [state.value for state in IncidentState if state is not IncidentState.ENDED]
CLOCK_STATES = ("running", "off_hours", "paused", "breached")
UNDECIDED = "undecided"
DEFECT_KINDS = (*(fix.value for fix in Fix), UNDECIDED)
DEFECT_STATES = ("open", "past_eta")
RCA_STATES = ("requested", "overdue", "shared")
HANDOVER_FRESH = timedelta(days=1)

# In the words of the partial indexes: neither database sees by itself that one condition implies another.
_STANDING, _LIVE = text("tickets.state not in ('closed', 'cancelled')"), text("clocks.state in ('running', 'paused')")
_UNENDED = text("incidents.state <> 'ended'")
_ONE: ColumnElement[Any] = literal(1)


def of_tickets(connection: Connection, known: Known) -> Figures:
    by = (tickets.c.client, tickets.c.severity, tickets.c.state)
    query = select(
        *by, func.count(), func.min(tickets.c.opened_at), func.sum(case((tickets.c.assignee == "", 1), else_=0))
    )
    standing = _zeros(known.terms.policy.clients, SEVERITIES, TICKET_STATES)
    unassigned, oldest = _zeros(SEVERITIES), Values()
    for client, severity, state, many, since, nobodys in connection.execute(query.where(_STANDING).group_by(*by)):
        standing[client, str(severity), state] = many
        if state != TicketState.RESOLVED:
            unassigned[str(severity),] += nobodys
            key = (client, str(severity))
            oldest[key] = min(since.timestamp(), oldest.get(key, since.timestamp()))
    yield catalogue.TICKETS, standing
    yield catalogue.UNASSIGNED, unassigned
    yield catalogue.OLDEST, oldest


def of_clocks(connection: Connection, known: Known, now: datetime) -> Figures:
    by = (clocks.c.client, clocks.c.contract, clocks.c.goal, clocks.c.severity, clocks.c.state)
    kept = clocks.c.breached_at.is_(None)
    query = select(*by, func.count(), func.sum(case((kept, 0), else_=1)), func.min(case((kept, clocks.c.deadline))))
    standing, ahead, overdue = _zeros(known.terms.policy.clients, SEVERITIES, GOALS, CLOCK_STATES), Values(), 0
    for client, contract, goal, severity, state, many, missed, deadline in connection.execute(
        query.where(_LIVE).group_by(*by)
    ):
        key = (client, str(severity), goal)
        counts = state == "paused" or _counts(known.terms.policy, contract, goal, severity, now)
        _more(standing, (*key, state if counts else "off_hours"), many - missed)
        _more(standing, (*key, "breached"), missed)
        overdue += missed if goal == "rca" else 0
        if state == "running" and deadline is not None:
            ahead[key] = min(deadline.timestamp(), ahead.get(key, deadline.timestamp()))
    yield catalogue.CLOCKS, standing
    yield catalogue.NEXT_DEADLINE, ahead
    yield catalogue.RCAS, _rcas(connection, overdue)


def _counts(policy: Policy, contract: str, goal: Goal, severity: Severity, now: datetime) -> bool:
    """Whether that promise's calendar is open."""
    try:
        promise = policy.pinned(contract).goals[goal].get(severity)
    except LookupError:
        return True
    return promise is None or promise.calendar.is_open(now)


def _rcas(connection: Connection, overdue: int) -> Values:
    query = select(tickets.c.rca, func.count()).where(text("tickets.rca <> 'none'")).group_by(tickets.c.rca)
    states: dict[str, int] = {row[0]: row[1] for row in connection.execute(query)}
    requested = states.get(Rca.REQUESTED.value, 0) - overdue
    figures = (requested, overdue, states.get(Rca.SHARED.value, 0))
    return {(state,): float(many) for state, many in zip(RCA_STATES, figures, strict=True)}


def of_defects(connection: Connection) -> Figures:
    """Past their ETA are those whose resolution is overdue."""
    resolution = and_(clocks.c.ticket == tickets.c.id, clocks.c.goal == "resolution", clocks.c.breached_at.is_not(None))
    late = select(_ONE).where(resolution).correlate(tickets).exists()
    owed = tickets.c.state.not_in([state.value for state in FINISHED])
    rows = select(tickets.c.severity, tickets.c.fix, case((late, "past_eta"), else_="open").label("state"))
    these = rows.where(text("tickets.defect is not null"), owed).subquery()
    found = _zeros(SEVERITIES, DEFECT_KINDS, DEFECT_STATES)
    query: Select[Any] = select(*these.c, func.count()).group_by(*these.c)
    for severity, fix, state, many in connection.execute(query):
        found[str(severity), fix or UNDECIDED, state] = many
    yield catalogue.DEFECTS, found


def of_incidents(connection: Connection) -> Figures:
    by = (incidents.c.severity, incidents.c.state)
    standing = _values(connection, by, _UNENDED, not_in_shadow())
    yield catalogue.INCIDENTS, _zeros(SEVERITIES, INCIDENT_STATES) | standing


def of_sources(connection: Connection, names: Iterable[str]) -> Figures:
    """Only what is configured: a source that was removed is not stale."""
    by, known = (polls.c.name,), polls.c.name.in_(names)
    succeeded = _values(connection, by, known, of=polls.c.succeeded_at, total=func.max)
    yield catalogue.LAST_SUCCESS, _zeros(names) | succeeded
    yield catalogue.WATERMARK, _values(connection, by, known, of=polls.c.watermark, total=func.max)


def of_outbox(connection: Connection, roles: Iterable[str], now: datetime) -> Figures:
    """What waits for its reader's hours is owed, and does not grow old meanwhile."""
    by, waiting = (deliveries.c.role,), text("deliveries.state in ('pending', 'sending')")
    yield catalogue.OUTBOX, _zeros(roles) | _values(connection, by, waiting)
    since = func.coalesce(deliveries.c.not_before, deliveries.c.created_at)
    oldest = _values(connection, by, waiting, since <= now, of=since, total=func.min)
    yield catalogue.OUTBOX_OLDEST, oldest


def of_handovers(connection: Connection, now: datetime) -> Figures:
    open_ = and_(handovers.c.acknowledged_at.is_(None), handovers.c.at > now - HANDOVER_FRESH)
    many = connection.execute(select(func.count()).select_from(handovers).where(open_)).scalar_one()
    yield catalogue.HANDOVERS, {(): float(many)}


def _values(
    connection: Connection,
    by: Sequence[ColumnElement[Any]],
    *where: Any,
    of: ColumnElement[Any] = _ONE,
    total: Callable[[Any], Any] = func.count,
) -> Values:
    """The `total` of each group, or the number of rows; an instant as seconds since 1970."""
    found = connection.execute(select(*by, total(of)).where(*where).group_by(*by))
    return {tuple(map(str, key)): _number(value) for *key, value in found if value is not None}


def _number(value: Any) -> float:
    return value.timestamp() if isinstance(value, datetime) else float(value)


def _more(values: Values, key: Key, by: float) -> None:
    values[key] = values.get(key, 0.0) + by


def _zeros(*labels: Iterable[str]) -> Values:
    return dict.fromkeys(product(*labels), 0.0)
