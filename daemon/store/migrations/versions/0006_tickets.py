"""Tickets that a person opens, takes, links and merges; action items; sites that hand over, and who is on call."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Integer, Text, text

revision = "0006"
down_revision = "0005"

Instant = BigInteger  # whole microseconds since 1970, UTC
Row = BigInteger().with_variant(Integer, "sqlite")


def upgrade() -> None:
    for name in ("assignee", "team", "site", "reporter"):
        op.add_column("tickets", Column(name, Text, nullable=False, server_default=text("''")))
    op.add_column("tickets", Column("workaround", Text, nullable=False, server_default="none"))
    op.add_column("tickets", Column("fix", Text))
    op.add_column("tickets", Column("informed", Boolean, nullable=False, server_default=text("false")))
    op.add_column("tickets", Column("rca", Text, nullable=False, server_default="none"))
    op.add_column("tickets", Column("resolved_at", Instant))
    op.add_column("tickets", Column("merged_into", BigInteger))
    op.add_column("tickets", Column("remind_at", Instant))
    op.create_index("ix_tickets_remind_at", "tickets", ["remind_at"])
    op.add_column("tickets", Column("request", Text))
    op.create_index("uq_tickets_request", "tickets", ["request"], unique=True)
    op.add_column("deliveries", Column("not_before", Instant))
    _resolved()
    _links()
    _action_items()
    _duty()
    _decisions()


def _resolved() -> None:
    op.execute(
        "update tickets set resolved_at = (select max(events.effective_at) from events"
        " where events.ticket = tickets.id and events.kind = 'resolved')"
    )


def _links() -> None:
    op.create_table(
        "links",
        Column("ticket", BigInteger, ForeignKey("tickets.id"), primary_key=True),
        Column("other", BigInteger, ForeignKey("tickets.id"), primary_key=True),
        Column("as", Text, nullable=False),
    )
    op.create_index("ix_links_other", "links", ["other"])


def _action_items() -> None:
    op.create_table(
        "action_items",
        Column("id", Row, primary_key=True, autoincrement=True),
        Column("ticket", BigInteger, ForeignKey("tickets.id"), nullable=False),
        Column("text", Text, nullable=False),
        Column("owner", Text, nullable=False),
        Column("due", Text, nullable=False),
        Column("done_at", Instant),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_action_items_ticket", "action_items", ["ticket"])


def _duty() -> None:
    op.create_table(
        "handovers",
        Column("id", Row, primary_key=True, autoincrement=True),
        Column("from_site", Text, nullable=False),
        Column("to_site", Text, nullable=False),
        Column("at", Instant, nullable=False),
        Column("tickets", Text, nullable=False),
        Column("note", Text, nullable=False, server_default=text("''")),
        Column("noted_by", Text, nullable=False, server_default=text("''")),
        Column("acknowledged_by", Text, nullable=False, server_default=text("''")),
        Column("acknowledged_at", Instant),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "on_call",
        Column("role", Text, primary_key=True),
        Column("shifts", Text, nullable=False),
        Column("seen_at", Instant, nullable=False),
    )


def _decisions() -> None:
    """What was counted may be taken back and counted again: each by a sequence of its own."""
    op.create_table(
        "decisions_next",
        Column("ticket", BigInteger, ForeignKey("tickets.id"), primary_key=True),
        Column("goal", Text, primary_key=True),
        Column("cycle", Integer, primary_key=True),
        Column("sequence", Integer, primary_key=True),
        Column("kind", Text, nullable=False),
        Column("client", Text, nullable=False),
        Column("severity", Integer, nullable=False),
        Column("at", Instant, nullable=False),
        Column("recorded_at", Instant, nullable=False),
    )
    op.execute(
        "insert into decisions_next select ticket, goal, cycle,"
        " row_number() over (partition by ticket, goal, cycle order by recorded_at, kind desc),"
        " kind, client, severity, at, recorded_at from decisions"
    )
    op.drop_table("decisions")
    op.rename_table("decisions_next", "decisions")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("alter index decisions_next_pkey rename to decisions_pkey")
