"""What windows remember of each group, and why each rule did what it did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, insert, select, tuple_

from daemon.model import Json
from daemon.store.columns import Instant
from daemon.store.engine import insert_new
from daemon.store.schema import judgements, signals, windows

_MOST_AT_ONCE = 400
_OF_KEYS = select(windows).where(tuple_(windows.c.rule, windows.c.key).in_(bindparam("keys", expanding=True)))
_DUE = select(windows).where(windows.c.due_at <= bindparam("mark", type_=Instant)).order_by(windows.c.due_at)
_NEW_JUDGEMENT = insert(judgements)
_FIRST_OPENED = select(func.min(judgements.c.recorded_at)).where(
    judgements.c.incident == bindparam("asked"), judgements.c.outcome.in_(("opened", "held", "shadow"))
)


@dataclass(frozen=True, slots=True)
class Kept:
    """One rule's window of one group."""

    rule: str
    key: str
    state: Json
    newest_at: datetime
    group: Mapping[str, Json]
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one rule did with one signal (or with a silence: `signal` is None), and why."""

    signal: int | None
    rule: str
    key: str
    outcome: str
    incident: str | None
    detail: Mapping[str, Json]
    recorded_at: datetime


def get(connection: Connection, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Kept]:
    """By rule and key; those never heard of are left out."""
    found: dict[tuple[str, str], Kept] = {}
    for start in range(0, len(keys), _MOST_AT_ONCE):
        for row in connection.execute(_OF_KEYS, {"keys": keys[start : start + _MOST_AT_ONCE]}):
            found[row.rule, row.key] = Kept(**row._mapping)
    return found


def due(connection: Connection, watermark: datetime) -> list[Kept]:
    """Those that have something to say once all of their sources are read up to `watermark`."""
    return [Kept(**row._mapping) for row in connection.execute(_DUE, {"mark": watermark})]


def put(connection: Connection, kept: Iterable[Kept]) -> None:
    """Writes each as it now is."""
    rows = [
        {
            "rule": each.rule, "key": each.key, "state": each.state, "newest_at": each.newest_at,
            "group": dict(each.group), "due_at": each.due_at,
        }
        for each in kept
    ]  # fmt: skip
    if rows:
        new = insert_new(connection, windows, replace=("state", "newest_at", "group", "due_at"))
        connection.execute(new, rows)


def forget(connection: Connection, rule: str, key: str) -> None:
    connection.execute(delete(windows).where(windows.c.rule == rule, windows.c.key == key))


def judge(connection: Connection, judged: Iterable[Judgement]) -> None:
    rows = [
        {
            "signal": each.signal, "rule": each.rule, "key": each.key, "outcome": each.outcome,
            "incident": each.incident, "detail": dict(each.detail), "recorded_at": each.recorded_at,
        }
        for each in judged
    ]  # fmt: skip
    if rows:
        connection.execute(_NEW_JUDGEMENT, rows)


def judged(connection: Connection, key: str, limit: int = 500) -> list[Judgement]:
    """What was decided of an incident's key, in the order in which it was. If there is more, the newest; what is about
    an incident goes before what is about none, which of a rule that waits for silence is every heartbeat."""
    some = judgements.c.incident.is_not(None)
    found = _judged(connection, key, some, limit)
    found += _judged(connection, key, ~some, limit - len(found))
    return [Judgement(**each) for _, each in sorted(found, key=lambda each: each[0])]


def _judged(
    connection: Connection, key: str, which: ColumnElement[bool], limit: int
) -> list[tuple[int, dict[str, Any]]]:
    newest = select(judgements).where(judgements.c.key == key, which).order_by(judgements.c.row.desc()).limit(limit)
    found = [dict(row._mapping) for row in connection.execute(newest)]
    return [(each.pop("row"), each) for each in found]


def opened_at(connection: Connection, incident: str, otherwise: datetime) -> datetime:
    """When an incident opened for the first time: that of its first episode."""
    at: datetime | None = connection.execute(_FIRST_OPENED, {"asked": incident}).scalar_one()
    return at or otherwise


def signal_ids(connection: Connection, wanted: Sequence[int]) -> dict[int, tuple[str, str]]:
    """Source and id of kept signals, by their rows' numbers."""
    found: dict[int, tuple[str, str]] = {}
    for start in range(0, len(wanted), _MOST_AT_ONCE):
        these = signals.c.row.in_(wanted[start : start + _MOST_AT_ONCE])
        rows = connection.execute(select(signals.c.row, signals.c.source, signals.c.id).where(these))
        found |= {row.row: (row.source, row.id) for row in rows}
    return found
