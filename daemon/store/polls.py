"""Sources and feeds: who polls next, from where, and how they fare."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, or_, select, update

from daemon.model import Cursor
from daemon.store.engine import insert_new
from daemon.store.schema import polls

_WATERMARKS = select(polls.c.name, polls.c.watermark, polls.c.failing_since)


@dataclass(frozen=True, slots=True)
class Poll:
    """A claimed turn: nobody else polls `name` until the lease ends."""

    name: str
    cursor: Cursor
    failures: int
    as_of: datetime
    """Up to when is read: now. For as long as nothing was ever read it is when that was first tried, so that what
    happens while a new source fails from the start is not passed over."""


def declare(connection: Connection, name: str, now: datetime) -> None:
    """Makes the row of a source that the database has not seen yet."""
    connection.execute(insert_new(connection, polls).values(name=name, due_at=now))


def due_at(connection: Connection, name: str) -> datetime | None:
    """When `name` may next be claimed: when due, or when the lease of whoever holds it ends."""
    row = connection.execute(select(polls.c.due_at, polls.c.lease_until).where(polls.c.name == name)).one_or_none()
    return None if row is None else max(row.due_at, row.lease_until or row.due_at)


def claim(connection: Connection, name: str, holder: str, now: datetime, lease: timedelta) -> Poll | None:
    """Takes the turn if it is due and free. Compare-and-set: of two callers one gets it."""
    taken = connection.execute(
        update(polls)
        .where(polls.c.name == name, polls.c.due_at <= now)
        .where(or_(polls.c.lease_until.is_(None), polls.c.lease_until <= now))
        .values(holder=holder, lease_until=now + lease)
        .returning(polls.c.cursor, polls.c.failures, polls.c.failing_since, polls.c.due_at)
    ).one_or_none()
    if taken is None:
        return None
    first_tried = min(taken.failing_since or taken.due_at, now)
    return Poll(name, taken.cursor, taken.failures, first_tried if taken.cursor is None else now)


def holds(connection: Connection, name: str, holder: str, now: datetime) -> bool:
    """Whether `holder` still has the lease: checked in the transaction that records."""
    row = connection.execute(select(polls.c.holder, polls.c.lease_until).where(polls.c.name == name)).one()
    return row.holder == holder and row.lease_until is not None and row.lease_until > now


def advance(
    connection: Connection,
    name: str,
    cursor: Cursor,
    watermark: datetime | None,
    now: datetime,
    due: datetime,
) -> None:
    """Records a poll that succeeded, and gives the turn back. A watermark never falls, and never passes now."""
    values: dict[str, object] = {
        "cursor": cursor, "due_at": due, "holder": None, "lease_until": None, "succeeded_at": now,
        "failing_since": None, "reason": None, "failures": 0,
    }  # fmt: skip
    connection.execute(update(polls).where(polls.c.name == name).values(values))
    if watermark is not None:
        mark = min(watermark, now)
        connection.execute(
            update(polls)
            .where(polls.c.name == name, or_(polls.c.watermark.is_(None), polls.c.watermark < mark))
            .values(watermark=mark)
        )


def count(connection: Connection, name: str, signals: int, unwanted: int) -> None:
    """Adds to what the source has brought: signals that were new and wanted, and those that no rule wants."""
    connection.execute(
        update(polls)
        .where(polls.c.name == name)
        .values(signals=polls.c.signals + signals, unwanted=polls.c.unwanted + unwanted)
    )


def fail(connection: Connection, name: str, reason: str, now: datetime, due: datetime) -> None:
    """Records a poll that failed. The cursor stays."""
    row = connection.execute(select(polls).where(polls.c.name == name)).one()
    since = row.failing_since or (min(row.due_at, now) if row.cursor is None else now)
    connection.execute(
        update(polls)
        .where(polls.c.name == name)
        .values(
            due_at=due,
            holder=None,
            lease_until=None,
            reason=reason,
            failures=polls.c.failures + 1,
            failing_since=since,
        )
    )


def failing_since(connection: Connection, name: str) -> datetime | None:
    since: datetime | None = connection.execute(
        select(polls.c.failing_since).where(polls.c.name == name)
    ).scalar_one_or_none()
    return since


def watermarks(connection: Connection) -> dict[str, datetime | None]:
    """How far each source has been read; None while it never completed a scan or is failing."""
    rows = connection.execute(_WATERMARKS)
    return {row.name: None if row.failing_since else row.watermark for row in rows}


def release(connection: Connection) -> None:
    """Gives every turn back: for when whoever held one is known to be gone."""
    connection.execute(update(polls).values(holder=None, lease_until=None))
