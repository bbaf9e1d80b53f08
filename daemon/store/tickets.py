"""Tickets, their append-only logs, and the cache of their clocks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from daemon.model import FINISHED, Clock, ClockState, Event, EventKind, Goal, Severity, Ticket, TicketState
from daemon.store import rows
from daemon.store.engine import insert_new, remembered
from daemon.store.schema import action_items, clocks, decisions, events, links, tickets, warnings

_GET = select(tickets).where(tickets.c.id == bindparam("asked"))
_CHANGE = update(tickets).where(tickets.c.id == bindparam("asked"))
_OF_INCIDENT = select(tickets).where(tickets.c.incident == bindparam("asked")).order_by(tickets.c.id)
_LOG = select(events).where(events.c.ticket == bindparam("asked")).order_by(events.c.sequence)
_EVENT = select(events.c.sequence).where(
    events.c.ticket == bindparam("asked"), events.c.source_id == bindparam("of_source")
)
_CLOCKS = select(clocks).where(clocks.c.ticket == bindparam("asked")).order_by(clocks.c.goal, clocks.c.cycle)
_LOGS = (
    select(events)
    .where(events.c.ticket.in_(bindparam("asked", expanding=True)))
    .order_by(events.c.ticket, events.c.sequence)
)
_FORGET_CLOCKS = delete(clocks).where(clocks.c.ticket.in_(bindparam("asked", expanding=True)))
_NEW_CLOCKS = insert(clocks)
_COUNT = insert(decisions)
_WARNED = select(*warnings.primary_key).where(warnings.c.ticket.in_(bindparam("asked", expanding=True)))
_WARN = insert(warnings)
_OF_A_CLOCK = tuple(column.name for column in clocks.c if column.name not in ("client", "contract"))
_OVERDUE = (
    select(clocks.c.ticket)
    .where(clocks.c.next_at <= bindparam("now"))
    .order_by(clocks.c.next_at)
    .limit(bindparam("most"))
)
"""By the index, clock by clock: grouped by ticket, all that is due would be read for each batch."""
_COUNTED = (
    select(decisions)
    .where(decisions.c.ticket.in_(bindparam("asked", expanding=True)))
    .order_by(decisions.c.ticket, decisions.c.goal, decisions.c.cycle, decisions.c.sequence)
)


@dataclass(frozen=True, slots=True)
class ActionItem:
    id: int
    text: str
    owner: str
    due: str
    """A date, 2026-12-31."""
    done_at: datetime | None


class _OfIncidents(dict[str, list[Ticket]]):
    """By incident, as the transaction that writes has read them."""


def add(connection: Connection, **values: Any) -> int | None:
    """The new ticket's number, or None if this client has one for this episode."""
    remembered(connection, _OfIncidents).clear()
    new = insert_new(connection, tickets, returning=("id",))
    return connection.execute(new, {"version": 0, "severity_by_person": False, **values}).scalar_one_or_none()


def get(connection: Connection, id: int) -> Ticket | None:
    row = connection.execute(_GET, {"asked": id}).one_or_none()
    return None if row is None else rows.ticket(row)


def change(connection: Connection, id: int, **values: Any) -> None:
    remembered(connection, _OfIncidents).clear()
    connection.execute(_CHANGE, {"asked": id, **values})


_CACHED = ("severity", "state", "version", "assignee", "team", "site", "reporter", "workaround", "fix", "informed",
           "rca", "resolved_at", "merged_into", "defect")  # fmt: skip


def save(connection: Connection, ticket: Ticket) -> None:
    """What its log has made of it."""
    change(connection, ticket.id, **{name: getattr(ticket, name) for name in _CACHED})


def severity_set_by_person(connection: Connection, id: int) -> bool:
    return bool(connection.execute(select(tickets.c.severity_by_person).where(tickets.c.id == id)).scalar_one())


def of_incident(connection: Connection, incident: str) -> list[Ticket]:
    read = remembered(connection, _OfIncidents)
    if incident not in read:
        read[incident] = [rows.ticket(row) for row in connection.execute(_OF_INCIDENT, {"asked": incident})]
    return list(read[incident])


def is_of_episode(connection: Connection, incident: str, client: str, episode: int) -> bool:
    """Whether this client has a ticket for this very episode."""
    these = (tickets.c.incident == incident, tickets.c.client == client, tickets.c.episode == episode)
    return connection.execute(select(tickets.c.id).where(*these)).first() is not None


def open_of_incident(connection: Connection, incident: str) -> list[Ticket]:
    return [ticket for ticket in of_incident(connection, incident) if ticket.state not in FINISHED]


def recent(connection: Connection, limit: int = 200, **asked: object) -> list[Ticket]:
    """Unfinished ones first, newest first; only those whose columns are as `asked`."""
    finished = tickets.c.state.in_([state.value for state in FINISHED])
    these = [tickets.c[name] == value for name, value in asked.items()]
    found = connection.execute(select(tickets).where(*these).order_by(finished, tickets.c.id.desc()).limit(limit))
    return [rows.ticket(row) for row in found]


def to_remind(connection: Connection, now: datetime, limit: int = 100) -> list[Ticket]:
    """Resolved ones that nobody has validated for so long that somebody is asked to."""
    due = (tickets.c.remind_at <= now, tickets.c.state == TicketState.RESOLVED.value)
    found = select(tickets).where(*due).order_by(tickets.c.remind_at).limit(limit)
    return [rows.ticket(row) for row in connection.execute(found)]


def unfinished(connection: Connection, limit: int) -> list[Ticket]:
    """The worst first, and of one severity the oldest."""
    owed = tickets.c.state.not_in([state.value for state in FINISHED])
    found = select(tickets).where(owed).order_by(tickets.c.severity, tickets.c.id).limit(limit)
    return [rows.ticket(row) for row in connection.execute(found)]


def next_deadlines(connection: Connection, numbers: Sequence[int]) -> dict[int, tuple[Goal, datetime]]:
    """Of each ticket, the goal that is due first and when; missed ones among them, for they are owed still."""
    live = (clocks.c.state == ClockState.RUNNING.value, clocks.c.deadline.is_not(None))
    found = select(clocks.c.ticket, clocks.c.goal, clocks.c.deadline).where(clocks.c.ticket.in_(numbers), *live)
    latest_first = connection.execute(found.order_by(clocks.c.deadline.desc()))
    return {row.ticket: (row.goal, row.deadline) for row in latest_first}


def append(connection: Connection, event: Event) -> bool:
    """Adds a line to the log. False if one with the same `source_id` is there."""
    new = {
        "ticket": event.ticket, "sequence": event.sequence, "kind": event.kind.value,
        "effective_at": event.effective_at, "recorded_at": event.recorded_at, "actor": event.actor,
        "body": dict(event.body), "source_id": event.source_id,
    }  # fmt: skip
    return connection.execute(insert_new(connection, events), new).rowcount == 1


def has_event(connection: Connection, ticket: int, source_id: str) -> bool:
    return connection.execute(_EVENT, {"asked": ticket, "of_source": source_id}).first() is not None


def last_of(connection: Connection, ticket: int, kinds: Iterable[EventKind]) -> datetime | None:
    """When the last event of these kinds happened."""
    found = select(func.max(events.c.effective_at)).where(events.c.ticket == ticket, events.c.kind.in_(list(kinds)))
    latest: datetime | None = connection.execute(found).scalar_one()
    return latest


def of_request(connection: Connection, request: str) -> Ticket | None:
    """The one that was opened under this idempotency key."""
    row = connection.execute(select(tickets).where(tickets.c.request == request)).one_or_none()
    return None if row is None else rows.ticket(row)


def link(connection: Connection, ticket: int, other: int, how: str) -> bool:
    """False if the two are linked so already."""
    added = insert_new(connection, links).values({"ticket": ticket, "other": other, "as": how})
    return connection.execute(added).rowcount == 1


def log(connection: Connection, ticket: int) -> list[Event]:
    found = connection.execute(_LOG, {"asked": ticket})
    return [rows.event(row) for row in found]


def logs(connection: Connection, numbers: Sequence[int]) -> dict[int, list[Event]]:
    """Those of several tickets, in one statement."""
    found: dict[int, list[Event]] = {number: [] for number in numbers}
    for row in connection.execute(_LOGS, {"asked": numbers}):
        found[row.ticket].append(rows.event(row))
    return found


def save_clocks(connection: Connection, some: Iterable[Ticket], readings: Mapping[int, Iterable[Clock]]) -> None:
    """All of each ticket's."""
    connection.execute(_FORGET_CLOCKS, {"asked": list(readings)})
    values = [
        {name: getattr(clock, name) for name in _OF_A_CLOCK} | {"client": one.client, "contract": one.contract}
        for one in some
        for clock in readings[one.id]
    ]
    if values:
        connection.execute(_NEW_CLOCKS, values)


def clocks_of(connection: Connection, ticket: int) -> list[Clock]:
    found = connection.execute(_CLOCKS, {"asked": ticket})
    return [rows.clock(row) for row in found]


def is_live(connection: Connection, ticket: int, goal: Goal) -> bool:
    """Whether a clock of this goal runs or waits."""
    live = clocks.c.state.in_((ClockState.RUNNING.value, ClockState.PAUSED.value))
    found = select(clocks.c.cycle).where(clocks.c.ticket == ticket, clocks.c.goal == goal, live)
    return connection.execute(found).first() is not None


def earliest_deadline(connection: Connection, incident: str, goal: Goal) -> datetime | None:
    """Among the incident's open tickets: what a defect is due by."""
    unfinished = tickets.c.state.not_in([state.value for state in FINISHED])
    found = (
        select(func.min(clocks.c.deadline))
        .join(tickets, tickets.c.id == clocks.c.ticket)
        .where(tickets.c.incident == incident, unfinished, clocks.c.goal == goal)
    )
    earliest: datetime | None = connection.execute(found).scalar_one()
    return earliest


def contracts_kept(connection: Connection) -> list[str]:
    """Contract versions that tickets which may still change run by: all but the cancelled ones."""
    found = select(tickets.c.contract).where(tickets.c.state != TicketState.CANCELLED.value).distinct()
    return list(connection.execute(found).scalars())


def due(connection: Connection, now: datetime, limit: int = 200) -> list[Ticket]:
    """Those some clock of which must be looked at: the longest overdue of all, so many clocks."""
    numbers = list(dict.fromkeys(connection.execute(_OVERDUE, {"now": now, "most": limit}).scalars()))
    found = select(tickets).where(tickets.c.id.in_(numbers)).order_by(tickets.c.id)
    return [rows.ticket(row) for row in connection.execute(found)]


def running(connection: Connection, after: int, limit: int) -> list[Ticket]:
    """Those past number `after` with a clock that runs or is paused, by number."""
    live = select(clocks.c.ticket).where(clocks.c.state.in_((ClockState.RUNNING.value, ClockState.PAUSED.value)))
    found = select(tickets).where(tickets.c.id > after, tickets.c.id.in_(live)).order_by(tickets.c.id).limit(limit)
    return [rows.ticket(row) for row in connection.execute(found)]


def next_due(connection: Connection) -> datetime | None:
    earliest: datetime | None = connection.execute(select(func.min(clocks.c.next_at))).scalar_one()
    return earliest


@dataclass(frozen=True, slots=True)
class Counted:
    """What the figures hold of one cycle."""

    goal: Goal
    cycle: int
    kind: str
    """`decision`, `breach`, `excused`, `stop`; with `_withdrawn`, that it was taken back."""
    sequence: int
    client: str
    severity: Severity
    at: datetime


def counted(connection: Connection, ticket: int) -> list[Counted]:
    """In the order in which it was counted."""
    return counted_of(connection, [ticket])[ticket]


def counted_of(connection: Connection, numbers: Sequence[int]) -> dict[int, list[Counted]]:
    found: dict[int, list[Counted]] = {number: [] for number in numbers}
    for row in connection.execute(_COUNTED, {"asked": numbers}):
        one = Counted(row.goal, row.cycle, row.kind, row.sequence, row.client, row.severity, row.at)
        found[row.ticket].append(one)
    return found


def count(connection: Connection, entries: Mapping[int, Iterable[Counted]], now: datetime) -> None:
    """By ticket."""
    values = [{"ticket": ticket, "recorded_at": now, **asdict(one)} for ticket, each in entries.items() for one in each]
    if values:
        connection.execute(_COUNT, values)


def add_action(connection: Connection, ticket: int, text: str, owner: str, due: str) -> int:
    """An action item; its number."""
    values = insert(action_items).values(ticket=ticket, text=text, owner=owner, due=due).returning(action_items.c.id)
    number: int = connection.execute(values).scalar_one()
    return number


def end_action(connection: Connection, ticket: int, item: int, now: datetime) -> bool:
    """False if the ticket has no such item, or it is done."""
    this = (action_items.c.id == item, action_items.c.ticket == ticket, action_items.c.done_at.is_(None))
    return connection.execute(update(action_items).where(*this).values(done_at=now)).rowcount == 1


def actions_of(connection: Connection, ticket: int) -> list[ActionItem]:
    found = select(action_items).where(action_items.c.ticket == ticket).order_by(action_items.c.id)
    return [ActionItem(row.id, row.text, row.owner, row.due, row.done_at) for row in connection.execute(found)]


def links_of(connection: Connection, ticket: int) -> list[tuple[int, str]]:
    """The other ticket of each link, and as what."""
    found = select(links.c.other, links.c["as"]).where(links.c.ticket == ticket).order_by(links.c.other)
    return [(row.other, row[1]) for row in connection.execute(found)]


@dataclass(frozen=True, slots=True)
class Warned:
    """A threshold that was crossed."""

    ticket: int
    goal: Goal
    cycle: int
    arming: int
    threshold: str
    client: str
    severity: Severity
    due_at: datetime


def warn(connection: Connection, crossed: Sequence[Warned], now: datetime) -> list[Warned]:
    """Records warnings; those that had not been given before."""
    numbers = sorted({one.ticket for one in crossed})
    known = {tuple(row) for row in connection.execute(_WARNED, {"asked": numbers})}
    new = [one for one in crossed if (one.ticket, one.goal, one.cycle, one.arming, one.threshold) not in known]
    if new:
        connection.execute(_WARN, [asdict(one) | {"recorded_at": now} for one in new])
    return new
