"""What a report on a span of time rests on: the tickets that it concerns, their logs, and what was counted of them.

A few statements, however many tickets there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Connection, Select, exists, or_, select

from daemon.model import FINISHED, Event, Goal, Severity, Ticket
from daemon.store import rows
from daemon.store.schema import action_items, decisions, events, incidents, tickets
from daemon.store.tickets import ActionItem

Cycle: TypeAlias = tuple[int, Goal, int]
"""Of a clock: ticket, goal, number."""


@dataclass(frozen=True, slots=True)
class Count:
    at: datetime
    severity: Severity


@dataclass(frozen=True, slots=True)
class Counted:
    """What the counters have of one cycle, less what was taken back."""

    decision: Count | None = None
    breach: Count | None = None
    excused: bool = False


@dataclass(frozen=True, slots=True)
class Concerned:
    """A ticket, and all that a report needs of it."""

    ticket: Ticket
    """As it stands now."""
    class_: str
    location: str
    log: Sequence[Event]
    counted: Mapping[tuple[Goal, int], Counted]
    """By goal and cycle."""
    actions: Sequence[ActionItem]


def concerned(connection: Connection, start: datetime, end: datetime, client: str | None = None) -> list[Concerned]:
    """The tickets that were reported before `end` and that were open, or of which something was told, decided or still
    to be done, from `start` on. Of every client where none is named."""
    which = _which(start, end, client)
    logs, counted, actions = _logs(connection, which), _counted(connection, which), _actions(connection, which)
    found = (
        select(tickets, incidents.c["class"], incidents.c.location)
        .join(incidents, incidents.c.id == tickets.c.incident)
        .where(tickets.c.id.in_(which))
        .order_by(tickets.c.id)
    )
    return [
        Concerned(
            rows.ticket(row), row._mapping["class"], row.location, logs[row.id], counted[row.id], actions[row.id]
        )
        for row in connection.execute(found)
    ]  # fmt: skip


def clients(connection: Connection) -> frozenset[str]:
    """Those that have a ticket: among them some that are in no policy any more."""
    return frozenset(connection.execute(select(tickets.c.client).distinct()).scalars())


def _which(start: datetime, end: datetime, client: str | None) -> Select[Any]:
    opened, later = events.alias(), events.alias()
    found = (
        select(tickets.c.id)
        .join(opened, (opened.c.ticket == tickets.c.id) & (opened.c.sequence == 1))
        .where(
            opened.c.effective_at < end,
            or_(
                tickets.c.state.not_in([state.value for state in FINISHED]),
                exists().where(later.c.ticket == tickets.c.id, later.c.effective_at >= start),
                exists().where(decisions.c.ticket == tickets.c.id, decisions.c.at >= start),
                exists().where(
                    action_items.c.ticket == tickets.c.id,
                    or_(action_items.c.done_at.is_(None), action_items.c.done_at >= start),
                ),
            ),
        )
    )
    return found if client is None else found.where(tickets.c.client == client)


def _logs(connection: Connection, which: Select[Any]) -> Mapping[int, list[Event]]:
    logs: defaultdict[int, list[Event]] = defaultdict(list)
    found = select(events).where(events.c.ticket.in_(which)).order_by(events.c.ticket, events.c.sequence)
    for row in connection.execute(found):
        logs[row.ticket].append(rows.event(row))
    return logs


def _counted(connection: Connection, which: Select[Any]) -> Mapping[int, dict[tuple[Goal, int], Counted]]:
    """What was taken back is taken back in the month in which it was counted, whenever that came out."""
    kinds: defaultdict[Cycle, dict[str, Count]] = defaultdict(dict)
    for row in connection.execute(
        select(decisions).where(decisions.c.ticket.in_(which)).order_by(decisions.c.sequence)
    ):
        kind, withdrawn, _ = row.kind.partition("_withdrawn")
        of = kinds[row.ticket, row.goal, row.cycle]
        if withdrawn:
            of.pop(kind, None)
        else:
            of[kind] = Count(row.at, row.severity)
    found: defaultdict[int, dict[tuple[Goal, int], Counted]] = defaultdict(dict)
    for (ticket, goal, cycle), of in kinds.items():
        found[ticket][goal, cycle] = Counted(of.get("decision"), of.get("breach"), "excused" in of)
    return found


def _actions(connection: Connection, which: Select[Any]) -> Mapping[int, list[ActionItem]]:
    found: defaultdict[int, list[ActionItem]] = defaultdict(list)
    for row in connection.execute(
        select(action_items).where(action_items.c.ticket.in_(which)).order_by(action_items.c.id)
    ):
        found[row.ticket].append(ActionItem(row.id, row.text, row.owner, row.due, row.done_at))
    return found
