"""What people hold back for a while, as rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from daemon.store.columns import Instant
from daemon.store.engine import remembered
from daemon.store.schema import silences

_UNFINISHED = (
    select(silences).where(silences.c.ends > bindparam("at", type_=Instant)).order_by(silences.c.ends, silences.c.id)
)


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


@dataclass(slots=True)
class _Unfinished:
    """As the transaction that writes has read them: those that were so `at` that time, or will be."""

    at: datetime | None = None
    some: list[Kept] = field(default_factory=list)


def add(
    connection: Connection,
    selector: Mapping[str, Sequence[str]],
    owner: str,
    reason: str,
    begins: datetime,
    ends: datetime,
    now: datetime,
) -> Kept:
    remembered(connection, _Unfinished).at = None
    lines = {name: list(globs) for name, globs in selector.items()}
    values = {"selector": lines, "owner": owner, "reason": reason, "begins": begins, "ends": ends, "created_at": now}
    row = connection.execute(insert(silences).values(values).returning(silences)).one()
    return _kept(row)


def get(connection: Connection, id: int) -> Kept | None:
    row = connection.execute(select(silences).where(silences.c.id == id)).one_or_none()
    return None if row is None else _kept(row)


def unfinished(connection: Connection, at: datetime) -> list[Kept]:
    """Those that hold at that instant, or will; the first to end first."""
    read = remembered(connection, _Unfinished)
    if read.at is None or at < read.at:
        read.at, read.some = at, [_kept(row) for row in connection.execute(_UNFINISHED, {"at": at})]
    return [one for one in read.some if one.ends > at]


def end(connection: Connection, id: int, by: str, now: datetime) -> bool:
    """It holds nothing from now on. Whether it would have gone on."""
    remembered(connection, _Unfinished).at = None
    ended = update(silences).where(silences.c.id == id, silences.c.ends > now)
    return connection.execute(ended.values(ends=now, ended_at=now, ended_by=by)).rowcount == 1


def _kept(row: Row[tuple[object, ...]]) -> Kept:
    return Kept(row.id, row.selector, row.owner, row.reason, row.begins, row.ends, row.ended_by)
