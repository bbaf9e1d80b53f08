"""The first tables, as they were: what later versions change is in later migrations."""

from __future__ import annotations

from typing import Any

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    Text,
    UniqueConstraint,
    column,
    table,
    text,
)

revision = "0001"
down_revision = None

Instant = BigInteger  # whole microseconds since 1970, UTC
Document = Text  # JSON
Row = BigInteger().with_variant(Integer, "sqlite")


def upgrade() -> None:
    _read()
    _incidents()
    _tickets()
    _outside()
    op.bulk_insert(table("writer", column("only"), column("generation")), [{"only": 1, "generation": 1}])


def _where(condition: str) -> dict[str, Any]:
    """Makes an index partial on either database."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


def _read() -> None:
    op.create_table(
        "writer",
        Column("only", Integer, primary_key=True),
        Column("generation", Integer, nullable=False),
    )
    op.create_table(
        "polls",
        Column("name", Text, primary_key=True),
        Column("cursor", Document),
        Column("watermark", Instant),
        Column("due_at", Instant, nullable=False),
        Column("holder", Text),
        Column("lease_until", Instant),
        Column("succeeded_at", Instant),
        Column("failing_since", Instant),
        Column("reason", Text),
        Column("failures", Integer, nullable=False, server_default="0"),
        Column("signals", BigInteger, nullable=False, server_default="0"),
        Column("unwanted", BigInteger, nullable=False, server_default="0"),
    )
    op.create_table(
        "signals",
        Column("row", Row, primary_key=True, autoincrement=True),
        Column("source", Text, nullable=False),
        Column("id", Text, nullable=False),
        Column("type", Text, nullable=False),
        Column("kind", Text, nullable=False),
        Column("at", Instant, nullable=False),
        Column("polarity", Text, nullable=False),
        Column("fields", Document, nullable=False),
        Column("count", BigInteger),
        Column("count_delta", BigInteger, nullable=False),
        Column("began_at", Instant),
        Column("url", Text),
        Column("recorded_at", Instant, nullable=False),
        UniqueConstraint("source", "id", name="uq_signals_source_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_signals_recorded_at", "signals", ["recorded_at"])
    op.create_table(
        "quarantine",
        Column("row", Row, primary_key=True, autoincrement=True),
        Column("source", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("record", Text, nullable=False),
        Column("recorded_at", Instant, nullable=False),
        UniqueConstraint("source", "record", name="uq_quarantine_source_record"),
    )
    op.create_table(
        "windows",
        Column("rule", Text, primary_key=True),
        Column("key", Text, primary_key=True),
        Column("state", Document, nullable=False),
        Column("newest_at", Instant, nullable=False),
    )
    op.create_index("ix_windows_newest_at", "windows", ["newest_at"])


def _incidents() -> None:
    op.create_table(
        "incidents",
        Column("id", Text, primary_key=True),
        Column("key", Text, nullable=False),
        Column("rule", Text, nullable=False),
        Column("title", Text, nullable=False),
        Column("severity", Integer, nullable=False),
        Column("state", Text, nullable=False),
        Column("episode", Integer, nullable=False),
        Column("opened_at", Instant, nullable=False),
        Column("began_at", Instant, nullable=False),
        Column("last_signal_at", Instant, nullable=False),
        Column("class", Text, nullable=False),
        Column("location", Text, nullable=False),
        Column("team", Text, nullable=False),
        Column("group", Document, nullable=False),
        Column("runbook", Text, nullable=False),
        Column("origin", Text, nullable=False),
        Column("cleared_at", Instant),
        Column("ended_at", Instant),
        Column("over_at", Instant),
        Column("page", Integer, nullable=False),
        Column("roles", Document, nullable=False),
        Column("quiet_seconds", Integer),
        Column("clear_at", Instant),
        Column("sources", Document, nullable=False),
        CheckConstraint("severity between 1 and 4"),
    )
    op.create_index("ix_incidents_clear_at", "incidents", ["clear_at"], **_where("state = 'open'"))
    op.create_index("ix_incidents_key_ended_at", "incidents", ["key", "ended_at"])
    op.create_index("uq_incidents_open_key", "incidents", ["key"], unique=True, **_where("state <> 'ended'"))
    op.create_table(
        "evidence",
        Column("incident", Text, ForeignKey("incidents.id"), primary_key=True),
        Column("signal", BigInteger, ForeignKey("signals.row"), primary_key=True),
        Column("episode", Integer, nullable=False),
        Column("rule", Text, nullable=False),
        Column("recovered", Boolean, nullable=False),
    )
    op.create_index("ix_evidence_signal", "evidence", ["signal"])


def _tickets() -> None:
    op.create_table(
        "tickets",
        Column("id", Row, primary_key=True, autoincrement=True),
        Column("incident", Text, ForeignKey("incidents.id"), nullable=False),
        Column("client", Text, nullable=False),
        Column("episode", Integer, nullable=False),
        Column("severity", Integer, nullable=False),
        Column("severity_by_person", Boolean, nullable=False),
        Column("state", Text, nullable=False),
        Column("title", Text, nullable=False),
        Column("origin", Text, nullable=False),
        Column("contract", Text, nullable=False),
        Column("opened_at", Instant, nullable=False),
        Column("version", Integer, nullable=False),
        UniqueConstraint("incident", "client", "episode", name="uq_tickets_incident_client_episode"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_tickets_state_client", "tickets", ["state", "client"])
    op.create_table(
        "events",
        Column("ticket", BigInteger, ForeignKey("tickets.id"), primary_key=True),
        Column("sequence", Integer, primary_key=True),
        Column("kind", Text, nullable=False),
        Column("effective_at", Instant, nullable=False),
        Column("recorded_at", Instant, nullable=False),
        Column("actor", Text, nullable=False),
        Column("body", Document, nullable=False),
        Column("source_id", Text),
        UniqueConstraint("ticket", "source_id", name="uq_events_ticket_source_id"),
    )
    op.create_table(
        "clocks",
        Column("ticket", BigInteger, ForeignKey("tickets.id"), primary_key=True),
        Column("goal", Text, primary_key=True),
        Column("cycle", Integer, primary_key=True),
        Column("severity", Integer, nullable=False),
        Column("state", Text, nullable=False),
        Column("started_at", Instant, nullable=False),
        Column("target", BigInteger),
        Column("consumed", BigInteger, nullable=False),
        Column("deadline", Instant),
        Column("stopped_at", Instant),
        Column("breached_at", Instant),
        Column("decided_at", Instant),
        Column("next_at", Instant),
    )
    op.create_index("ix_clocks_next_at", "clocks", ["next_at"])
    op.create_index("ix_clocks_state_deadline", "clocks", ["state", "deadline"])
    op.create_table(
        "decisions",
        Column("ticket", BigInteger, ForeignKey("tickets.id"), primary_key=True),
        Column("goal", Text, primary_key=True),
        Column("cycle", Integer, primary_key=True),
        Column("kind", Text, primary_key=True),
        Column("client", Text, nullable=False),
        Column("severity", Integer, nullable=False),
        Column("at", Instant, nullable=False),
        Column("recorded_at", Instant, nullable=False),
    )
    op.create_table(
        "warnings",
        Column("ticket", BigInteger, ForeignKey("tickets.id"), primary_key=True),
        Column("goal", Text, primary_key=True),
        Column("cycle", Integer, primary_key=True),
        Column("arming", Integer, primary_key=True),
        Column("threshold", Text, primary_key=True),
        Column("client", Text, nullable=False),
        Column("severity", Integer, nullable=False),
        Column("due_at", Instant, nullable=False),
        Column("recorded_at", Instant, nullable=False),
    )


def _outside() -> None:
    op.create_table(
        "deliveries",
        Column("id", Row, primary_key=True, autoincrement=True),
        Column("role", Text, nullable=False),
        Column("verb", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("sequence", Integer, nullable=False),
        Column("incident", Text, ForeignKey("incidents.id"), nullable=False),
        Column("ticket", BigInteger, ForeignKey("tickets.id")),
        Column("severity", Integer, nullable=False),
        Column("body", Document, nullable=False),
        Column("state", Text, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("due_at", Instant, nullable=False),
        Column("started_at", Instant),
        Column("doubtful", Boolean, nullable=False),
        Column("holder", Text),
        Column("lease_until", Instant),
        Column("receipt", Document),
        Column("reason", Text),
        Column("created_at", Instant, nullable=False),
        Column("finished_at", Instant),
        UniqueConstraint("role", "key", "verb", "sequence", name="uq_deliveries_role_key_verb_sequence"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_deliveries_incident_role", "deliveries", ["incident", "role"])
    op.create_index(
        "ix_deliveries_waiting", "deliveries", ["role", "due_at"], **_where("state in ('pending', 'sending')")
    )
    op.create_table(
        "facts",
        Column("feed", Text, primary_key=True),
        Column("id", Text, primary_key=True),
        Column("recorded_at", Instant, nullable=False),
    )
