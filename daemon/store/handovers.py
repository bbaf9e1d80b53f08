"""Who had the queue and who took it over, with what stood open then; and who is on call, as the pager last said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from daemon.model import Json, Shift
from daemon.store.schema import handovers, on_call


@dataclass(frozen=True, slots=True)
class Handover:
    id: int
    from_site: str
    """Empty for the first: nobody had it before."""
    to_site: str
    at: datetime
    """When the site that takes over opened."""
    tickets: Sequence[Mapping[str, Json]]
    """Unfinished ones, the first to fall due first: ticket, client, severity, state, title, assignee, goal, due."""
    note: str
    noted_by: str
    acknowledged_by: str
    acknowledged_at: datetime | None


def add(connection: Connection, from_site: str, to_site: str, at: datetime, listed: Sequence[Json]) -> Handover:
    values = {"from_site": from_site, "to_site": to_site, "at": at, "tickets": list(listed)}
    return _handover(connection.execute(insert(handovers).values(values).returning(handovers)).one())


def latest(connection: Connection) -> Handover | None:
    row = connection.execute(select(handovers).order_by(handovers.c.id.desc()).limit(1)).one_or_none()
    return None if row is None else _handover(row)


def get(connection: Connection, id: int) -> Handover | None:
    row = connection.execute(select(handovers).where(handovers.c.id == id)).one_or_none()
    return None if row is None else _handover(row)


def recent(connection: Connection, limit: int = 30) -> list[Handover]:
    """Newest first."""
    found = connection.execute(select(handovers).order_by(handovers.c.id.desc()).limit(limit))
    return [_handover(row) for row in found]


def change(connection: Connection, id: int, **values: Any) -> None:
    connection.execute(update(handovers).where(handovers.c.id == id).values(**values))


def _handover(row: Row[Any]) -> Handover:
    return Handover(
        row.id, row.from_site, row.to_site, row.at, row.tickets, row.note, row.noted_by, row.acknowledged_by,
        row.acknowledged_at,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rota:
    """Who is on call, by one action."""

    role: str
    shifts: tuple[Shift, ...]
    seen_at: datetime
    """When the pager said so: what it said last stands while it cannot be asked."""


def keep_rota(connection: Connection, role: str, shifts: Iterable[Shift], now: datetime) -> None:
    said = [
        {
            "person": one.person, "user": one.user, "policy": one.policy, "level": one.level,
            "until": one.until and one.until.isoformat(),
        }
        for one in shifts
    ]  # fmt: skip
    connection.execute(delete(on_call).where(on_call.c.role == role))
    connection.execute(insert(on_call).values(role=role, shifts=said, seen_at=now))


def rotas(connection: Connection) -> list[Rota]:
    return [
        Rota(row.role, tuple(_shift(one) for one in row.shifts), row.seen_at)
        for row in connection.execute(select(on_call).order_by(on_call.c.role))
    ]


def _shift(said: Mapping[str, Any]) -> Shift:
    until = said["until"] and datetime.fromisoformat(said["until"])
    return Shift(said["person"], said["user"], said["policy"], said["level"], until)
