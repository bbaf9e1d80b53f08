"""Signals that were wanted, the windows that they moved, and the records that could not be read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, exists, select, update

from daemon.model import Json, Signal
from daemon.store.engine import insert_new
from daemon.store.schema import evidence, facts, quarantine, signals, windows


def keep(connection: Connection, signal: Signal, now: datetime) -> int | None:
    """The new row's number, or None if this signal was kept before."""
    new = insert_new(connection, signals).values(_values(signal, now)).returning(signals.c.row)
    return connection.execute(new).scalar_one_or_none()


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


def window(connection: Connection, rule: str, key: str) -> Json:
    """The state of one rule's window for one group, or None."""
    return connection.execute(
        select(windows.c.state).where(windows.c.rule == rule, windows.c.key == key)
    ).scalar_one_or_none()


def save_window(connection: Connection, rule: str, key: str, state: Json, at: datetime) -> None:
    new = connection.execute(
        insert_new(connection, windows).values(rule=rule, key=key, state=state, newest_at=at)
    ).rowcount
    if not new:
        connection.execute(
            update(windows).where(windows.c.rule == rule, windows.c.key == key).values(state=state, newest_at=at)
        )


def trim(connection: Connection, before: datetime) -> int:
    """Forgets signals recorded before `before` that are no evidence, and windows and facts as old. How many went."""
    unneeded = ~exists().where(evidence.c.signal == signals.c.row)
    gone = connection.execute(delete(signals).where(signals.c.recorded_at < before, unneeded)).rowcount
    gone += connection.execute(delete(windows).where(windows.c.newest_at < before)).rowcount
    gone += connection.execute(delete(quarantine).where(quarantine.c.recorded_at < before)).rowcount
    gone += connection.execute(delete(facts).where(facts.c.recorded_at < before)).rowcount
    return gone


def fact_is_new(connection: Connection, feed: str, id: str, now: datetime) -> bool:
    """Marks a fact as applied; False if it was before."""
    return connection.execute(insert_new(connection, facts).values(feed=feed, id=id, recorded_at=now)).rowcount == 1
