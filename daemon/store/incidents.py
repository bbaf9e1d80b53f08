"""Incidents and the evidence that they rest on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from daemon.model import Incident, IncidentState
from daemon.store import rows
from daemon.store.engine import insert_new
from daemon.store.schema import evidence, incidents, tickets


def add(connection: Connection, values: Mapping[str, Any]) -> None:
    connection.execute(insert(incidents).values(**values))


def change(connection: Connection, id: str, **values: Any) -> None:
    connection.execute(update(incidents).where(incidents.c.id == id).values(**values))


def get(connection: Connection, id: str) -> Incident | None:
    row = connection.execute(select(incidents).where(incidents.c.id == id)).one_or_none()
    return None if row is None else rows.incident(row)


def standing(connection: Connection, key: str) -> Incident | None:
    """The one incident of `key` that has not ended."""
    row = connection.execute(
        select(incidents).where(incidents.c.key == key, incidents.c.state != IncidentState.ENDED.value)
    ).one_or_none()
    return None if row is None else rows.incident(row)


def latest_ended(connection: Connection, key: str) -> Incident | None:
    row = connection.execute(
        select(incidents)
        .where(incidents.c.key == key, incidents.c.state == IncidentState.ENDED.value)
        .order_by(incidents.c.ended_at.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else rows.incident(row)


def over_at(connection: Connection, id: str) -> datetime | None:
    """When its latest episode was over, in event time; None while it is open."""
    instant: datetime | None = connection.execute(select(incidents.c.over_at).where(incidents.c.id == id)).scalar_one()
    return instant


def roles_set_going(connection: Connection, id: str) -> frozenset[str]:
    """What this episode has set going already."""
    return frozenset(connection.execute(select(incidents.c.roles).where(incidents.c.id == id)).scalar_one())


def sources_of(connection: Connection, id: str) -> frozenset[str]:
    return frozenset(connection.execute(select(incidents.c.sources).where(incidents.c.id == id)).scalar_one())


def link(
    connection: Connection, incident: str, signals: Iterable[int], episode: int, rule: str, recovered: bool = False
) -> None:
    """Makes the signals evidence of the incident; one that is already stays as it was."""
    for row in signals:
        connection.execute(
            insert_new(connection, evidence).values(
                incident=incident, signal=row, episode=episode, rule=rule, recovered=recovered
            )
        )


def has_evidence(connection: Connection, rule: str, signal: int) -> bool:
    """Whether some incident of `rule` rests on this signal."""
    found = select(evidence.c.incident).where(evidence.c.signal == signal, evidence.c.rule == rule).limit(1)
    return connection.execute(found).first() is not None


def quiet(connection: Connection, watermarks: Mapping[str, datetime | None]) -> list[tuple[Incident, datetime]]:
    """Open incidents whose quiet time has passed in event time on every source that they watch, and when it did.

    A source whose watermark is unknown (never scanned, or failing) holds them.
    """
    marks = [mark for mark in watermarks.values() if mark is not None]
    if not marks:
        return []
    found = connection.execute(
        select(incidents)
        .where(incidents.c.state == IncidentState.OPEN.value, incidents.c.clear_at <= max(marks))
        .order_by(incidents.c.clear_at, incidents.c.id)
    )
    return [
        (rows.incident(row), row.clear_at)
        for row in found
        if all((mark := watermarks.get(name)) is not None and mark >= row.clear_at for name in row.sources)
    ]


def all_finished(connection: Connection, id: str) -> bool:
    """Whether nothing is owed any more: every ticket is resolved, closed or cancelled."""
    owed = select(tickets.c.id).where(
        tickets.c.incident == id, tickets.c.state.not_in(("resolved", "closed", "cancelled"))
    )
    return connection.execute(owed.limit(1)).first() is None


def recent(connection: Connection, limit: int = 200) -> list[Incident]:
    """Those that have not ended first, newest first."""
    ended = incidents.c.state == IncidentState.ENDED.value
    found = connection.execute(select(incidents).order_by(ended, incidents.c.opened_at.desc()).limit(limit))
    return [rows.incident(row) for row in found]
