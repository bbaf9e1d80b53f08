"""Windows of every kind, evidence that knows its own time, incidents that are held, and why each rule did what."""

from __future__ import annotations

import json
from typing import Any

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Integer, Text, text

revision = "0002"
down_revision = "0001"

Instant = BigInteger  # whole microseconds since 1970, UTC
Document = Text  # JSON
Row = BigInteger().with_variant(Integer, "sqlite")


def upgrade() -> None:
    op.add_column("incidents", Column("held", Document))
    op.add_column("incidents", Column("before_at", Instant))
    _evidence()
    _windows()
    _judgements()


def _evidence() -> None:
    op.add_column("evidence", Column("at", Instant, nullable=False, server_default="0"))
    op.add_column("evidence", Column("fired", Boolean, nullable=False, server_default=text("true")))
    op.add_column("evidence", Column("severity", Integer, nullable=False, server_default="4"))
    op.execute("update evidence set at = (select signals.at from signals where signals.row = evidence.signal)")
    op.create_index("ix_evidence_incident_episode_at", "evidence", ["incident", "episode", "at"])


def _windows() -> None:
    op.add_column("windows", Column("group", Document))
    op.add_column("windows", Column("due_at", Instant))
    op.create_index("ix_windows_due_at", "windows", ["due_at"], **_where("due_at is not null"))
    connection = op.get_bind()
    for rule, key, state in connection.execute(text("select rule, key, state from windows")).all():
        values = {"rule": rule, "key": key, "state": _counted(state)}
        connection.execute(text("update windows set state = :state where rule = :rule and key = :key"), values)


def _counted(state: str) -> str:
    """What a count of signals was, as windows of all kinds are written since."""
    entries = [[at, int(id), severity, weight] for at, id, weight, severity in json.loads(state)]
    counted: list[Any] = [entries, None, entries[0][0] if entries else None, {}]
    return json.dumps({"of": "Count", "state": counted}, separators=(",", ":"))


def _judgements() -> None:
    op.create_table(
        "judgements",
        Column("row", Row, primary_key=True, autoincrement=True),
        Column("signal", BigInteger),
        Column("rule", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("outcome", Text, nullable=False),
        Column("incident", Text),
        Column("detail", Document, nullable=False),
        Column("recorded_at", Instant, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_judgements_key", "judgements", ["key"])
    op.create_index("ix_judgements_recorded_at", "judgements", ["recorded_at"])


def _where(condition: str) -> dict[str, Any]:
    """Makes an index partial on either database."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}
