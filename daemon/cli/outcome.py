"""What came of it all, as the store has it: for reports that a machine reads."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, select

from daemon.store import schema

_COLUMNS: dict[str, tuple[Table, tuple[str, ...]]] = {
    "signals": (schema.signals, ("source", "type", "kind", "id", "at", "polarity", "recorded_at")),
    "incidents": (
        schema.incidents,
        (
            "id", "key", "rule", "title", "severity", "state", "episode", "origin", "location", "opened_at",
            "began_at", "last_signal_at", "cleared_at", "ended_at",
        ),
    ),
    "tickets": (
        schema.tickets, ("id", "incident", "client", "severity", "state", "title", "origin", "contract", "opened_at")
    ),
    "deliveries": (
        schema.deliveries,
        ("role", "verb", "key", "sequence", "incident", "ticket", "state", "attempts", "receipt", "created_at",
         "finished_at"),
    ),
}  # fmt: skip

_WARNING = ("ticket", "goal", "cycle", "arming", "threshold")
_BREACH = ("ticket", "goal", "cycle")


def outcome(connection: Connection) -> dict[str, Any]:
    """Lists of plain objects with ids and times: signals, incidents, tickets, deliveries, warnings, breaches; and how
    many signals no rule wanted."""
    found: dict[str, Any] = {
        name: [_plain(row._mapping) for row in connection.execute(select(*(table.c[column] for column in columns)))]
        for name, (table, columns) in _COLUMNS.items()
    }
    found["warnings"] = [_named(row._mapping, _WARNING) for row in connection.execute(select(schema.warnings))]
    breach = select(schema.decisions).where(schema.decisions.c.kind == "breach")
    found["breaches"] = [_named(row._mapping, _BREACH) for row in connection.execute(breach)]
    found["unwanted"] = sum(connection.execute(select(schema.polls.c.unwanted)).scalars())
    return found


def _named(row: Any, key: tuple[str, ...]) -> dict[str, Any]:
    """With an id made of its key: `7/response/1/75%`."""
    return {"id": "/".join(str(row[column]) for column in key), **_plain(row)}


def _plain(row: Any) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
