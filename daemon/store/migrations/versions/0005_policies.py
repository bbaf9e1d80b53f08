"""Versions of contracts and calendars are kept; open clocks are worked out anew when one changes."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, Text

revision = "0005"
down_revision = "0004"

Instant = BigInteger  # whole microseconds since 1970, UTC


def upgrade() -> None:
    op.create_table(
        "policies",
        Column("what", Text, primary_key=True),
        Column("name", Text, primary_key=True),
        Column("number", Integer, primary_key=True),
        Column("hash", Text, nullable=False),
        Column("content", Text, nullable=False),
        Column("since", Instant, nullable=False),
    )
    op.create_table(
        "refolds",
        Column("only", Integer, primary_key=True),
        Column("why", Text, nullable=False),
        Column("after", BigInteger, nullable=False),
        Column("done", Integer, nullable=False),
    )
