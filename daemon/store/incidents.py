"""Incidents and the evidence that they rest on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, delete, func, insert, select, update

from daemon.model import SHADOW_KEY, Incident, IncidentState, Severity
from daemon.store import rows
from daemon.store.columns import Instant
from daemon.store.engine import insert_new
from daemon.store.schema import evidence, incidents, tickets

_MOST_AT_ONCE = 400
_NEXT_CLEAR = select(func.min(incidents.c.clear_at))
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
_LATEST_ENDED = (
    select(incidents)
    .where(incidents.c.key == bindparam("asked"), incidents.c.state == IncidentState.ENDED.value)
    .order_by(incidents.c.ended_at.desc())
    .limit(1)
)
_ADD = insert(incidents).inline()
_CHANGE = update(incidents).where(incidents.c.id == bindparam("asked"))
_HELD = select(incidents).where(incidents.c.state == IncidentState.OPEN.value, incidents.c.held.is_not(None))
_QUIET = (
    select(incidents)
    .where(incidents.c.clear_at <= bindparam("mark", type_=Instant))
    .order_by(incidents.c.clear_at, incidents.c.id)
)
_OWED = (
    select(tickets.c.id)
    .where(tickets.c.incident == bindparam("asked"), tickets.c.state.not_in(("resolved", "closed", "cancelled")))
    .limit(1)
)


def not_in_shadow() -> ColumnElement[bool]:
    return ~incidents.c.key.startswith(SHADOW_KEY)


def add(connection: Connection, values: Mapping[str, Any]) -> None:
    connection.execute(_ADD, dict(values))


def change(connection: Connection, id: str, **values: Any) -> None:
    connection.execute(_CHANGE, {"asked": id, **values})


def get(connection: Connection, id: str) -> Incident | None:
    row = connection.execute(_ROW_OF, {"asked": id}).one_or_none()
    return None if row is None else rows.incident(row)


def by_id(connection: Connection, ids: Collection[str]) -> dict[str, Incident]:
    found = connection.execute(select(incidents).where(incidents.c.id.in_(ids)))
    return {row.id: rows.incident(row) for row in found}


def standing(connection: Connection, key: str) -> Incident | None:
    """The one incident of `key` that has not ended."""
    row = connection.execute(_STANDING, {"asked": key}).one_or_none()
    return None if row is None else rows.incident(row)


def latest(connection: Connection, key: str) -> Incident | None:
    """The one of `key` that has not ended, else the one that ended last."""
    row = connection.execute(_LATEST, {"asked": key}).one_or_none()
    return None if row is None else rows.incident(row)


def latest_ended(connection: Connection, key: str) -> Incident | None:
    row = connection.execute(_LATEST_ENDED, {"asked": key}).one_or_none()
    return None if row is None else rows.incident(row)


def over_at(connection: Connection, id: str) -> datetime | None:
    """When its latest episode was over, in event time; None while it is open."""
    instant: datetime | None = row_of(connection, id).over_at
    return instant


def roles_set_going(connection: Connection, id: str) -> frozenset[str]:
    """What this episode has set going already."""
    return frozenset(row_of(connection, id).roles)


def sources_of(connection: Connection, id: str) -> frozenset[str]:
    return frozenset(row_of(connection, id).sources)


@dataclass(frozen=True, slots=True)
class Proof:
    """One signal as evidence."""

    signal: int
    """Its row; 0 where it is no signal that says so."""
    rule: str
    at: datetime
    severity: Severity = 4
    fired: bool = True
    """It may open an episode; else it only prolongs one."""
    recovered: bool = False


def link(connection: Connection, incident: str, proofs: Mapping[Proof, int]) -> None:
    """Makes signals evidence of an episode: of this one now, if they were of another. What has fired stays so."""
    for fired, replace in ((True, ("episode", "fired")), (False, ("episode",))):
        rows_ = [_evidence(incident, episode, proof) for proof, episode in proofs.items() if proof.fired is fired]
        if rows_:
            connection.execute(insert_new(connection, evidence, replace=replace), rows_)


def _evidence(incident: str, episode: int, proof: Proof) -> dict[str, Any]:
    return {
        "incident": incident, "episode": episode, "signal": proof.signal, "rule": proof.rule, "at": proof.at,
        "severity": proof.severity, "fired": proof.fired, "recovered": proof.recovered,
    }  # fmt: skip


def proofs(connection: Connection, incident: str, first: int) -> dict[Proof, int]:
    """The evidence of the episode `first` and of all after it: which is of which, in event time."""
    rows = connection.execute(
        select(evidence)
        .where(evidence.c.incident == incident, evidence.c.episode >= first)
        .order_by(evidence.c.at, evidence.c.recovered, evidence.c.signal)
    )
    return {_proof(row): row.episode for row in rows}


def known(connection: Connection, incident: str, signals: Sequence[int]) -> set[Proof]:
    """Those of the signals that are evidence already."""
    found: set[Proof] = set()
    for start in range(0, len(signals), _MOST_AT_ONCE):
        these = evidence.c.signal.in_(signals[start : start + _MOST_AT_ONCE])
        rows = connection.execute(select(evidence).where(evidence.c.incident == incident, these))
        found.update(map(_proof, rows))
    return found


def _proof(row: Row[Any]) -> Proof:
    return Proof(row.signal, row.rule, row.at, row.severity, row.fired, row.recovered)


def unlink(connection: Connection, incident: str, signals: Sequence[int]) -> None:
    """Takes evidence back."""
    for start in range(0, len(signals), _MOST_AT_ONCE):
        these = evidence.c.signal.in_(signals[start : start + _MOST_AT_ONCE])
        connection.execute(delete(evidence).where(evidence.c.incident == incident, these))


def quiet_for(connection: Connection, id: str) -> timedelta | None:
    return quiet_of(row_of(connection, id))


def quiet_of(row: Row[Any]) -> timedelta | None:
    return None if row.quiet_seconds is None else timedelta(seconds=row.quiet_seconds)


def row_of(connection: Connection, id: str) -> Row[Any]:
    """What the store alone knows of an incident: `clear_at`, `quiet_seconds`, `told_at`, `over_at`."""
    return connection.execute(_ROW_OF, {"asked": id}).one()


def held(connection: Connection) -> list[Incident]:
    """Open incidents of which nothing is set going, but those of rules in shadow."""
    found = [rows.incident(row) for row in connection.execute(_HELD)]
    return [incident for incident in found if incident.held and incident.held.get("by") != "shadow"]


def all_open(connection: Connection) -> list[Incident]:
    """Those that are open and not held."""
    rows_ = connection.execute(
        select(incidents).where(incidents.c.state == IncidentState.OPEN.value, incidents.c.held.is_(None))
    )
    return [rows.incident(row) for row in rows_]


def quiet(connection: Connection, watermarks: Mapping[str, datetime | None]) -> list[tuple[Incident, datetime]]:
    """Incidents of which a quiet time has passed in event time on every source that they watch, and when it did.

    A source whose watermark is unknown (never scanned, or failing) holds them.
    """
    marks = [mark for mark in watermarks.values() if mark is not None]
    if not marks:
        return []
    found = connection.execute(_QUIET, {"mark": max(marks)})
    return [
        (rows.incident(row), row.clear_at)
        for row in found
        if all((mark := watermarks.get(name)) is not None and mark >= row.clear_at for name in row.sources)
    ]


def next_clear(connection: Connection) -> datetime | None:
    """When, in event time, the first incident will have been quiet for long enough."""
    at: datetime | None = connection.execute(_NEXT_CLEAR).scalar_one()
    return at


def all_finished(connection: Connection, id: str) -> bool:
    """Whether nothing is owed any more: every ticket is resolved, closed or cancelled."""
    return connection.execute(_OWED, {"asked": id}).first() is None


def recent(connection: Connection, limit: int = 200, *, shadow: bool = False) -> list[Incident]:
    """Those that have not ended first, newest first; with `shadow` those that rules in shadow would have opened."""
    ended = incidents.c.state == IncidentState.ENDED.value
    which = incidents.c.key.startswith(SHADOW_KEY) if shadow else not_in_shadow()
    found = connection.execute(
        select(incidents).where(which).order_by(ended, incidents.c.opened_at.desc()).limit(limit)
    )
    return [rows.incident(row) for row in found]
