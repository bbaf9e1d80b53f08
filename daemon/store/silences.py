"""What people hold back for a while, as rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, insert, select, update

from daemon.store.schema import silences


@dataclass(frozen=True, slots=True)
class Kept:
    """One silence."""

    id: int
    selector: Mapping[str, Sequence[str]]
    """Field of an incident → globs."""
    owner: str
    reason: str
    begins: datetime
    ends: datetime
    ended_by: str | None = None
    """Who ended it before its time."""


def add(
    connection: Connection,
    selector: Mapping[str, Sequence[str]],
    owner: str,
    reason: str,
    begins: datetime,
    ends: datetime,
    now: datetime,
) -> Kept:
    lines = {name: list(globs) for name, globs in selector.items()}
    values = {"selector": lines, "owner": owner, "reason": reason, "begins": begins, "ends": ends, "created_at": now}
    row = connection.execute(insert(silences).values(values).returning(silences)).one()
    return _kept(row)


def get(connection: Connection, id: int) -> Kept | None:
    row = connection.execute(select(silences).where(silences.c.id == id)).one_or_none()
    return None if row is None else _kept(row)


def unfinished(connection: Connection, at: datetime) -> list[Kept]:
    """Those that hold at that instant, or will; the first to end first."""
    asked = select(silences).where(silences.c.ends > at).order_by(silences.c.ends, silences.c.id)
    return [_kept(row) for row in connection.execute(asked)]


def end(connection: Connection, id: int, by: str, now: datetime) -> bool:
    """It holds nothing from now on. Whether it would have gone on."""
    ended = update(silences).where(silences.c.id == id, silences.c.ends > now)
    return connection.execute(ended.values(ends=now, ended_at=now, ended_by=by)).rowcount == 1


def _kept(row: Row[tuple[object, ...]]) -> Kept:
    return Kept(row.id, row.selector, row.owner, row.reason, row.begins, row.ends, row.ended_by)
