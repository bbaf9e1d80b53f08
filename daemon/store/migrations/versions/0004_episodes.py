"""A row for each episode, so that what is heard late divides them as if it had been heard in order."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Integer, Text, text

revision = "0004"
down_revision = "0003"

Instant = BigInteger  # whole microseconds since 1970, UTC


def upgrade() -> None:
    op.create_table(
        "episodes",
        Column("incident", Text, ForeignKey("incidents.id"), primary_key=True),
        Column("episode", Integer, primary_key=True),
        Column("began_at", Instant, nullable=False),
        Column("over_at", Instant),
        Column("said_at", Instant),
        Column("over_by_word", Boolean, nullable=False),
    )
    _earlier()
    _latest()
    op.add_column("incidents", Column("told_at", Instant, nullable=False, server_default="0"))
    op.execute("update incidents set told_at = last_signal_at")
    op.drop_column("incidents", "before_at")
    op.drop_index("ix_incidents_clear_at", table_name="incidents")
    due = text("clear_at is not null")
    op.create_index("ix_incidents_clear_at", "incidents", ["clear_at"], sqlite_where=due, postgresql_where=due)


def _earlier() -> None:
    """As their evidence tells. Their ends stay as they were."""
    op.execute(
        "insert into episodes (incident, episode, began_at, over_at, said_at, over_by_word) "
        "select evidence.incident, evidence.episode, min(evidence.at), max(evidence.at), null, true "
        "from evidence join incidents on incidents.id = evidence.incident "
        "where evidence.episode < incidents.episode group by evidence.incident, evidence.episode"
    )


def _latest() -> None:
    op.execute(
        "insert into episodes (incident, episode, began_at, over_at, said_at, over_by_word) select id, episode, "
        "coalesce((select min(at) from evidence where incident = id and evidence.episode = incidents.episode), "
        "began_at), "
        "case when state <> 'open' then coalesce(over_at, ended_at, cleared_at, last_signal_at) end, "
        "case when not exists (select 1 from evidence where incident = id and evidence.episode = incidents.episode "
        "and fired) then began_at end, state <> 'open' from incidents"
    )
