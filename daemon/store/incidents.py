"""Incidents and the evidence that they rest on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, delete, func, insert, select, update

from daemon.model import SHADOW_KEY, Incident, IncidentState, Severity
from daemon.store import rows
from daemon.store.engine import insert_new
from daemon.store.schema import evidence, incidents, tickets

_NEXT_CLEAR = select(func.min(incidents.c.clear_at)).where(incidents.c.state == IncidentState.OPEN.value)
_LATEST = (
    select(incidents)
    .where(incidents.c.key == bindparam("asked"))
    .order_by(incidents.c.state == IncidentState.ENDED.value, incidents.c.ended_at.desc())
    .limit(1)
)
_STANDING = select(incidents).where(
    incidents.c.key == bindparam("asked"), incidents.c.state != IncidentState.ENDED.value
)
_ROW_OF = select(incidents).where(incidents.c.id == bindparam("asked"))


def not_in_shadow() -> ColumnElement[bool]:
    return ~incidents.c.key.startswith(SHADOW_KEY)


def add(connection: Connection, values: Mapping[str, Any]) -> None:
    connection.execute(insert(incidents).values(**values))


def change(connection: Connection, id: str, **values: Any) -> None:
    connection.execute(update(incidents).where(incidents.c.id == id).values(**values))


def get(connection: Connection, id: str) -> Incident | None:
    row = connection.execute(select(incidents).where(incidents.c.id == id)).one_or_none()
    return None if row is None else rows.incident(row)


def standing(connection: Connection, key: str) -> Incident | None:
    """The one incident of `key` that has not ended."""
    row = connection.execute(_STANDING, {"asked": key}).one_or_none()
    return None if row is None else rows.incident(row)


def latest(connection: Connection, key: str) -> Incident | None:
    """The one of `key` that has not ended, else the one that ended last."""
    row = connection.execute(_LATEST, {"asked": key}).one_or_none()
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


@dataclass(frozen=True, slots=True)
class Proof:
    """One signal as evidence."""

    signal: int
    """Its row."""
    rule: str
    at: datetime
    severity: Severity = 4
    fired: bool = True
    """It may open an episode; else it only prolongs one."""
    recovered: bool = False


def link(connection: Connection, incident: str, episode: int, proofs: Sequence[Proof]) -> None:
    """Makes the signals evidence of the incident; one that is already stays, and may now have fired."""
    for fired, replace in ((True, ("fired",)), (False, ())):
        rows_ = [_row_of(incident, episode, each) for each in proofs if each.fired is fired]
        if rows_:
            connection.execute(insert_new(connection, evidence, replace=replace), rows_)


def _row_of(incident: str, episode: int, proof: Proof) -> dict[str, Any]:
    """Field by field: a window that goes on firing links all that it rests on, again and again."""
    return {
        "incident": incident, "episode": episode, "signal": proof.signal, "rule": proof.rule, "at": proof.at,
        "severity": proof.severity, "fired": proof.fired, "recovered": proof.recovered,
    }  # fmt: skip


def proofs(connection: Connection, incident: str, episode: int) -> list[Proof]:
    """The evidence of one episode, in event time; what says that it recovered comes last of an instant."""
    order = (evidence.c.at, evidence.c.recovered, evidence.c.signal)
    rows = connection.execute(
        select(evidence).where(evidence.c.incident == incident, evidence.c.episode == episode).order_by(*order)
    )
    return [Proof(row.signal, row.rule, row.at, row.severity, row.fired, row.recovered) for row in rows]


def unlink(connection: Connection, incident: str, signals: Sequence[int]) -> None:
    """Takes evidence back, to be told again."""
    for start in range(0, len(signals), 400):
        these = evidence.c.signal.in_(signals[start : start + 400])
        connection.execute(delete(evidence).where(evidence.c.incident == incident, these))


def quiet_for(connection: Connection, id: str) -> timedelta | None:
    seconds = row_of(connection, id).quiet_seconds
    return None if seconds is None else timedelta(seconds=seconds)


def row_of(connection: Connection, id: str) -> Row[Any]:
    """What the store alone knows of an incident: `clear_at`, `quiet_seconds`, `before_at`, `over_at`."""
    return connection.execute(_ROW_OF, {"asked": id}).one()


def held(connection: Connection) -> list[Incident]:
    """Open incidents of which nothing is set going, but those of rules in shadow."""
    rows_ = connection.execute(
        select(incidents).where(incidents.c.state == IncidentState.OPEN.value, incidents.c.held.is_not(None))
    )
    return [found for row in rows_ if (found := rows.incident(row)).held and found.held.get("by") != "shadow"]


def all_open(connection: Connection) -> list[Incident]:
    """Those that are open and not held."""
    rows_ = connection.execute(
        select(incidents).where(incidents.c.state == IncidentState.OPEN.value, incidents.c.held.is_(None))
    )
    return [rows.incident(row) for row in rows_]


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


def next_clear(connection: Connection) -> datetime | None:
    """When, in event time, the first open incident will have been quiet for long enough."""
    at: datetime | None = connection.execute(_NEXT_CLEAR).scalar_one()
    return at


def all_finished(connection: Connection, id: str) -> bool:
    """Whether nothing is owed any more: every ticket is resolved, closed or cancelled."""
    owed = select(tickets.c.id).where(
        tickets.c.incident == id, tickets.c.state.not_in(("resolved", "closed", "cancelled"))
    )
    return connection.execute(owed.limit(1)).first() is None


def recent(connection: Connection, limit: int = 200, *, shadow: bool = False) -> list[Incident]:
    """Those that have not ended first, newest first; with `shadow` those that rules in shadow would have opened."""
    ended = incidents.c.state == IncidentState.ENDED.value
    which = incidents.c.key.startswith(SHADOW_KEY) if shadow else not_in_shadow()
    found = connection.execute(
        select(incidents).where(which).order_by(ended, incidents.c.opened_at.desc()).limit(limit)
    )
    return [rows.incident(row) for row in found]
