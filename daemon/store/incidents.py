"""Incidents and the evidence that they rest on."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, delete, func, insert, select, update

from daemon.model import SHADOW_KEY, Incident, IncidentState, Role, Severity
from daemon.store import rows
from daemon.store.columns import Document, Instant
from daemon.store.engine import insert_new, remembered
from daemon.store.schema import evidence, incidents, tickets

_MOST_AT_ONCE = 400
_NEXT_CLEAR = select(func.min(incidents.c.clear_at))
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
_DOCUMENTS = frozenset(column.name for column in incidents.c if isinstance(column.type, Document))
_MOVES = frozenset({"state", "key"})
"""What decides which incident of a key is the one that has not ended."""
_ADD = insert(incidents).inline()
_CHANGE = update(incidents).where(incidents.c.id == bindparam("asked"))
_HELD = select(incidents).where(incidents.c.state == IncidentState.OPEN.value, incidents.c.held.is_not(None))
_QUIET = (
    select(incidents)
    .where(incidents.c.clear_at <= bindparam("mark", type_=Instant))
    .order_by(incidents.c.clear_at, incidents.c.id)
)
_PROOFS = (
    select(evidence)
    .where(evidence.c.incident == bindparam("asked"), evidence.c.episode >= bindparam("first"))
    .order_by(evidence.c.at, evidence.c.recovered, evidence.c.signal)
)
_OF_SIGNALS = (evidence.c.incident == bindparam("asked"), evidence.c.signal.in_(bindparam("signals", expanding=True)))
_AMONG = select(evidence).where(*_OF_SIGNALS)
_UNLINK = delete(evidence).where(*_OF_SIGNALS)
_OWED = (
    select(tickets.c.id)
    .where(tickets.c.incident == bindparam("asked"), tickets.c.state.not_in(("resolved", "closed", "cancelled")))
    .limit(1)
)


def not_in_shadow() -> ColumnElement[bool]:
    return ~incidents.c.key.startswith(SHADOW_KEY)


@dataclass(frozen=True, slots=True)
class Kept:
    """An incident, and what the store alone knows of it."""

    incident: Incident
    roles: frozenset[Role]
    """What this episode has set going already."""
    sources: frozenset[str]
    quiet_for: timedelta | None
    clear_at: datetime | None
    told_at: datetime
    over_at: datetime | None
    """When its latest episode was over, in event time; None while it is open."""


@dataclass(slots=True)
class _Known:
    """Of incidents and evidence, by the transaction that writes."""

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    standing: dict[str, str | None] = field(default_factory=dict)
    """By key, the one that has not ended."""
    evidence: dict[str, dict[int, tuple[int, bool]]] = field(default_factory=dict)
    """By incident, signals that are: of which episode, and whether they have fired."""

    def learn(self, row: Row[Any] | None, key: str | None = None) -> dict[str, Any] | None:
        """`key`: of which it is the one that has not ended, if there is one."""
        if key is not None:
            self.standing[key] = None if row is None else row.id
        return None if row is None else self.rows.setdefault(row.id, dict(row._mapping))

    def change(self, id: str, values: Mapping[str, Any]) -> None:
        if not _MOVES.isdisjoint(values):
            self.standing.clear()
        if not _DOCUMENTS.isdisjoint(values):  # the database may have them back in another shape
            self.rows.pop(id, None)
        elif id in self.rows:
            self.rows[id] |= values


def _row(connection: Connection, id: str) -> dict[str, Any] | None:
    mine = remembered(connection, _Known)
    return mine.rows.get(id) or mine.learn(connection.execute(_ROW_OF, {"asked": id}).one_or_none())


def _recent(which: ColumnElement[bool]) -> Select[Any]:
    ended = incidents.c.state == IncidentState.ENDED.value
    return select(incidents).where(which).order_by(ended, incidents.c.opened_at.desc()).limit(bindparam("most"))


_RECENT = {False: _recent(not_in_shadow()), True: _recent(~not_in_shadow())}


def add(connection: Connection, values: Mapping[str, Any]) -> None:
    connection.execute(_ADD, dict(values))
    remembered(connection, _Known).standing.pop(values["key"], None)


def change(connection: Connection, id: str, **values: Any) -> None:
    mine = remembered(connection, _Known)
    row = mine.rows.get(id)
    if row is not None:
        values = {name: value for name, value in values.items() if row[name] != value}
    if values:
        connection.execute(_CHANGE, {"asked": id, **values})
        mine.change(id, values)


def get(connection: Connection, id: str) -> Incident | None:
    row = _row(connection, id)
    return None if row is None else rows.incident_of(row)


def kept(connection: Connection, id: str) -> Kept:
    """Of an incident that there is."""
    row = _row(connection, id)
    assert row is not None
    return Kept(
        incident=rows.incident_of(row), roles=frozenset(row["roles"]), sources=frozenset(row["sources"]),
        quiet_for=None if row["quiet_seconds"] is None else timedelta(seconds=row["quiet_seconds"]),
        clear_at=row["clear_at"], told_at=row["told_at"], over_at=row["over_at"],
    )  # fmt: skip


def by_id(connection: Connection, ids: Collection[str]) -> dict[str, Incident]:
    found = connection.execute(select(incidents).where(incidents.c.id.in_(ids)))
    return {row.id: rows.incident(row) for row in found}


def standing(connection: Connection, key: str) -> Incident | None:
    """The one incident of `key` that has not ended."""
    mine = remembered(connection, _Known)
    if mine.standing.get(key) is not None:
        return get(connection, str(mine.standing[key]))
    if key in mine.standing:
        return None
    row = mine.learn(connection.execute(_STANDING, {"asked": key}).one_or_none(), key)
    return None if row is None else rows.incident_of(row)


def latest(connection: Connection, key: str) -> Incident | None:
    """The one of `key` that has not ended, else the one that ended last."""
    return standing(connection, key) or latest_ended(connection, key)


def latest_ended(connection: Connection, key: str) -> Incident | None:
    row = connection.execute(_LATEST_ENDED, {"asked": key}).one_or_none()
    return None if row is None else rows.incident(row)


def over_at(connection: Connection, id: str) -> datetime | None:
    """When its latest episode was over, in event time; None while it is open."""
    return kept(connection, id).over_at


def roles_set_going(connection: Connection, id: str) -> frozenset[Role]:
    """What this episode has set going already."""
    return kept(connection, id).roles


def sources_of(connection: Connection, id: str) -> frozenset[str]:
    return kept(connection, id).sources


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
    mine = remembered(connection, _Known).evidence.setdefault(incident, {})
    for fired, replace in ((True, ("episode", "fired")), (False, ("episode",))):
        rows_ = [_evidence(incident, episode, proof) for proof, episode in proofs.items() if proof.fired is fired]
        if rows_:
            connection.execute(insert_new(connection, evidence, replace=replace), rows_)
    for proof, episode in proofs.items():
        mine[proof.signal] = (episode, proof.fired or mine.get(proof.signal, (0, False))[1])


def unlinked(connection: Connection, incident: str, episode: int, proofs: Collection[Proof]) -> list[Proof]:
    """Those that are no evidence of the episode yet, or have not fired in it. Of a single one that is not asked: to
    link it once more costs no more."""
    mine = remembered(connection, _Known).evidence.setdefault(incident, {})
    asked = [proof.signal for proof in proofs if proof.signal not in mine]
    if len(asked) > 1:
        mine.update((row.signal, (row.episode, row.fired)) for row in _among(connection, incident, asked))
    return [
        proof
        for proof in proofs
        if (known := mine.get(proof.signal)) is None or known[0] != episode or (proof.fired and not known[1])
    ]


def _evidence(incident: str, episode: int, proof: Proof) -> dict[str, Any]:
    return {
        "incident": incident, "episode": episode, "signal": proof.signal, "rule": proof.rule, "at": proof.at,
        "severity": proof.severity, "fired": proof.fired, "recovered": proof.recovered,
    }  # fmt: skip


def proofs(connection: Connection, incident: str, first: int) -> dict[Proof, int]:
    """The evidence of the episode `first` and of all after it: which is of which, in event time."""
    rows = connection.execute(_PROOFS, {"asked": incident, "first": first})
    return {_proof(row): row.episode for row in rows}


def known(connection: Connection, incident: str, signals: Sequence[int]) -> dict[int, Proof]:
    """Those of the signals that are evidence already."""
    return {row.signal: _proof(row) for row in _among(connection, incident, signals)}


def _among(connection: Connection, incident: str, signals: Sequence[int]) -> Iterator[Row[Any]]:
    for start in range(0, len(signals), _MOST_AT_ONCE):
        yield from connection.execute(_AMONG, {"asked": incident, "signals": signals[start : start + _MOST_AT_ONCE]})


def _proof(row: Row[Any]) -> Proof:
    return Proof(row.signal, row.rule, row.at, row.severity, row.fired, row.recovered)


def unlink(connection: Connection, incident: str, signals: Sequence[int]) -> None:
    """Takes evidence back."""
    mine = remembered(connection, _Known).evidence.get(incident, {})
    for signal in signals:
        mine.pop(signal, None)
    for start in range(0, len(signals), _MOST_AT_ONCE):
        connection.execute(_UNLINK, {"asked": incident, "signals": signals[start : start + _MOST_AT_ONCE]})


def held(connection: Connection) -> list[Incident]:
    """Open incidents of which nothing is set going, but those of rules in shadow."""
    found = [rows.incident(row) for row in connection.execute(_HELD)]
    return [incident for incident in found if incident.held and incident.held.get("by") != "shadow"]


def all_open(connection: Connection) -> list[Incident]:
    """Those that are open and not held, the longest open first."""
    live = select(incidents).where(incidents.c.state == IncidentState.OPEN.value, incidents.c.held.is_(None))
    found = connection.execute(live.order_by(incidents.c.opened_at, incidents.c.id))
    return [rows.incident(row) for row in found]


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
    found = connection.execute(_RECENT[shadow], {"most": limit})
    return [rows.incident(row) for row in found]
