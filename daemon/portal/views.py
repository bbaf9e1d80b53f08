"""What the pages show, read in one look at the store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, func, or_, select

from daemon.model import FINISHED, ClockState, Incident, IncidentState, Ticket
from daemon.report.reasons import reason
from daemon.report.words import Bar, Line, bar, in_order, line
from daemon.sla.clocks import fold
from daemon.sla.policy import Policy
from daemon.store import incidents, rows, silences, tickets, windows
from daemon.store.schema import deliveries, events, evidence, polls, signals, warnings

LONGEST_LIST = 200
MOST_EVIDENCE = 50
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class TicketRow:
    ticket: Ticket
    finished: bool
    bars: tuple[Bar, ...]
    """The latest cycle of each goal."""

    @property
    def due(self) -> datetime:
        """The earliest that is still owed."""
        owed = [one.deadline for one in self.bars if one.deadline and one.state in ("running", "missed")]
        return _NEVER if self.finished else min(owed, default=_NEVER)


@dataclass(frozen=True, slots=True)
class Overview:
    """The figures above the lists."""

    open_tickets: int
    missed: int
    """Clocks of open tickets that ran past their deadline."""
    next_due: datetime | None
    open_incidents: int
    waiting: int
    """Deliveries in the outbox."""
    dead: int
    """Deliveries that were given up."""
    sources: Sequence[Row[Any]]


def front(connection: Connection, policy: Policy, names: Iterable[str], now: datetime) -> dict[str, Any]:
    found = ticket_rows(connection, policy, tickets.recent(connection, LONGEST_LIST), now)
    found.sort(key=lambda row: (row.finished, row.due, -row.ticket.id))
    owed = [row for row in found if not row.finished]
    ahead = [one.deadline for row in owed for one in row.bars if one.state == "running" and one.deadline]
    states = {
        row.state: row.many
        for row in connection.execute(
            select(deliveries.c.state, func.count().label("many")).group_by(deliveries.c.state)
        )
    }
    overview = Overview(
        open_tickets=len(owed),
        missed=sum(one.state == "missed" for row in owed for one in row.bars),
        next_due=min(ahead, default=None),
        open_incidents=sum(one.state is IncidentState.OPEN for one in incidents.recent(connection, LONGEST_LIST)),
        waiting=states.get("pending", 0) + states.get("sending", 0),
        dead=states.get("dead", 0),
        sources=_sources(connection, names),
    )
    return {"rows": found, "overview": overview}


def _sources(connection: Connection, names: Iterable[str]) -> Sequence[Row[Any]]:
    known = or_(polls.c.name.in_(list(names)), polls.c.name.like("feed:%"))
    return connection.execute(select(polls).where(known).order_by(polls.c.name)).all()


def ticket_rows(connection: Connection, policy: Policy, found: Sequence[Ticket], now: datetime) -> list[TicketRow]:
    """With clocks as they stand at `now`, which the store knows only up to the ticket's last event."""
    logs = defaultdict(list)
    query = select(events).where(events.c.ticket.in_([one.id for one in found])).order_by(events.c.sequence)
    for row in connection.execute(query):
        logs[row.ticket].append(rows.event(row))
    made = []
    for ticket in found:
        latest = {clock.goal: clock for clock in fold(policy.pinned(ticket.contract), logs[ticket.id], now)}
        shown = [clock for clock in latest.values() if clock.state is not ClockState.CANCELLED or clock.breached_at]
        made.append(TicketRow(ticket, ticket.state in FINISHED, tuple(bar(clock, now) for clock in shown)))
    return made


def ticket(connection: Connection, policy: Policy, number: int, now: datetime) -> dict[str, Any] | None:
    """Everything about one ticket; None if there is none."""
    found = tickets.get(connection, number)
    if found is None:
        return None
    log = tickets.log(connection, number)
    readings = fold(policy.pinned(found.contract), log, now)
    return {
        "ticket": found,
        "finished": found.state in FINISHED,
        "incident": incidents.get(connection, found.incident),
        "bars": [bar(clock, now) for clock in readings],
        "lines": in_order([*map(line, log), *_warnings(connection, number)]),
        "deliveries": _deliveries(connection, found.incident, number),
    }


def _warnings(connection: Connection, number: int) -> list[Line]:
    found = connection.execute(select(warnings).where(warnings.c.ticket == number))
    return [_warning(row.goal, row.threshold, row.due_at) for row in found]


def _warning(goal: str, threshold: str, at: datetime) -> Line:
    if threshold == "breach":
        return Line(at, "Heliograph", f"saw the {goal} missed", tone="late")
    return Line(at, "Heliograph", f"warned of the {goal}, at {threshold}", tone="near")


def incident_list(connection: Connection, now: datetime) -> dict[str, Any]:
    found: list[Incident] = incidents.recent(connection, LONGEST_LIST)
    query = (
        select(evidence.c.incident, func.count().label("many"))
        .where(evidence.c.incident.in_([one.id for one in found]))
        .group_by(evidence.c.incident)
    )
    count = {row.incident: row.many for row in connection.execute(query)}
    return {"incidents": found, "evidence": count, "silences": silences.unfinished(connection, now)}


def incident(connection: Connection, policy: Policy, id: str, now: datetime) -> dict[str, Any] | None:
    """Everything about one incident; None if there is none."""
    found = incidents.get(connection, id)
    if found is None:
        return None
    rests_on = evidence.c.incident == id
    shown = (
        select(signals, evidence.c.episode, evidence.c.recovered, evidence.c.rule)
        .join(evidence, evidence.c.signal == signals.c.row)
        .where(rests_on)
        .order_by(signals.c.at.desc(), signals.c.row.desc())
        .limit(MOST_EVIDENCE)
    )
    return {
        "incident": found,
        "rows": ticket_rows(connection, policy, tickets.of_incident(connection, id), now),
        "signals": connection.execute(shown).all(),
        "signal_count": connection.execute(select(func.count()).select_from(evidence).where(rests_on)).scalar_one(),
        "deliveries": _deliveries(connection, id),
        "judged": _judged(connection, found),
    }


def _judged(connection: Connection, incident: Incident) -> list[dict[str, Any]]:
    """What rules said of its key, the newest first."""
    found = reversed(windows.judged(connection, incident.key, MOST_EVIDENCE))
    return [{"at": one.recorded_at, "rule": one.rule, "why": reason(one)} for one in found]


def _deliveries(connection: Connection, incident: str, ticket: int | None = None) -> Sequence[Row[Any]]:
    """Of the incident, newest first; for a ticket without what was owed for its siblings."""
    query = select(deliveries).where(deliveries.c.incident == incident).order_by(deliveries.c.id.desc())
    if ticket is not None:
        query = query.where(or_(deliveries.c.ticket.is_(None), deliveries.c.ticket == ticket))
    return connection.execute(query.limit(LONGEST_LIST)).all()
