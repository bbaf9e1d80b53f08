"""Silences: what people hold back for a while."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, Text

revision = "0003"
down_revision = "0002"

Instant = BigInteger  # whole microseconds since 1970, UTC
Row = BigInteger().with_variant(Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "silences",
        Column("id", Row, primary_key=True, autoincrement=True),
        Column("selector", Text, nullable=False),
        Column("owner", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("begins", Instant, nullable=False),
        Column("ends", Instant, nullable=False),
        Column("created_at", Instant, nullable=False),
        Column("ended_at", Instant),
        Column("ended_by", Text),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_silences_ends", "silences", ["ends"])
