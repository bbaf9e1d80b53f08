"""Signals that were wanted, and the records that could not be read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, exists, select

from daemon.model import Signal
from daemon.store import rows
from daemon.store.engine import insert_new
from daemon.store.schema import evidence, facts, judgements, quarantine, signals, windows

_ASKED = signals.c.row.in_(bindparam("asked", expanding=True))
_BY_ROW = select(signals).where(_ASKED)
_INSTANTS = select(signals.c.row, signals.c.at).where(_ASKED)


def keep(connection: Connection, kept: Sequence[Signal], now: datetime) -> dict[tuple[str, str], int]:
    """The row of each that is new, by its source and id."""
    if not kept:
        return {}
    new = insert_new(connection, signals, returning=("source", "id", "row"))
    found = connection.execute(new, [_values(signal, now) for signal in kept])
    return {(row.source, row.id): row.row for row in found}


def keep_many(connection: Connection, kept: Sequence[Signal], now: datetime) -> int:
    """How many were new. All at once, for signals on which nothing rests: nobody asks for the rows' numbers."""
    if not kept:
        return 0
    return connection.execute(insert_new(connection, signals), [_values(signal, now) for signal in kept]).rowcount


def _values(signal: Signal, now: datetime) -> dict[str, Any]:
    return {
        "source": signal.source, "id": signal.id, "type": signal.type, "kind": signal.kind, "at": signal.at,
        "polarity": signal.polarity.value, "fields": signal.fields, "count": signal.count,
        "count_delta": signal.count_delta, "began_at": signal.began_at, "url": signal.url, "recorded_at": now,
    }  # fmt: skip


def quarantine_record(connection: Connection, source: str, reason: str, record: str, now: datetime) -> bool:
    """Puts a record that could not be read aside, once. False if it was there already."""
    done = connection.execute(
        insert_new(connection, quarantine).values(source=source, reason=reason, record=record, recorded_at=now)
    )
    return done.rowcount == 1


def by_row(connection: Connection, wanted: Iterable[int]) -> dict[int, Signal]:
    """Kept signals by their rows' numbers."""
    found = connection.execute(_BY_ROW, {"asked": list(wanted)})
    return {row.row: rows.signal(row) for row in found}


def instants(connection: Connection, wanted: Sequence[int]) -> dict[int, datetime]:
    """When kept signals happened, by their rows' numbers."""
    found: dict[int, datetime] = {}
    for start in range(0, len(wanted), 500):
        rows_ = connection.execute(_INSTANTS, {"asked": wanted[start : start + 500]})
        found |= {row.row: row.at for row in rows_}
    return found


def trim(connection: Connection, before: datetime) -> int:
    """Forgets signals recorded before `before` that are no evidence, and windows and facts as old. How many went."""
    unneeded = ~exists().where(evidence.c.signal == signals.c.row)
    gone = connection.execute(delete(signals).where(signals.c.recorded_at < before, unneeded)).rowcount
    gone += connection.execute(delete(windows).where(windows.c.newest_at < before)).rowcount
    unneeded = judgements.c.incident.is_(None)
    gone += connection.execute(delete(judgements).where(judgements.c.recorded_at < before, unneeded)).rowcount
    gone += connection.execute(delete(quarantine).where(quarantine.c.recorded_at < before)).rowcount
    gone += connection.execute(delete(facts).where(facts.c.recorded_at < before)).rowcount
    return gone


def fact_is_new(connection: Connection, feed: str, id: str, now: datetime) -> bool:
    """Marks a fact as applied; False if it was before."""
    return connection.execute(insert_new(connection, facts).values(feed=feed, id=id, recorded_at=now)).rowcount == 1
