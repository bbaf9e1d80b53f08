"""The tables."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from daemon.store.columns import Document, Instant, RowNumber

metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s"}
)

writer = Table(
    "writer",
    metadata,
    Column("only", Integer, primary_key=True),
    Column("generation", Integer, nullable=False),
)
"""One row. Who writes holds it, so that transactions which open incidents and move clocks follow one another."""

polls = Table(
    "polls",
    metadata,
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
"""Where each source and feed stands: cursor, lease, health. A feed's name is `feed:<role>`."""

signals = Table(
    "signals",
    metadata,
    Column("row", RowNumber, primary_key=True, autoincrement=True),
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
    UniqueConstraint("source", "id"),
    Index(None, "recorded_at"),
    sqlite_autoincrement=True,
)
"""Only what a rule wanted (or all, with `keep: all`)."""

quarantine = Table(
    "quarantine",
    metadata,
    Column("row", RowNumber, primary_key=True, autoincrement=True),
    Column("source", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("record", Text, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    UniqueConstraint("source", "record"),
)

windows = Table(
    "windows",
    metadata,
    Column("rule", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("state", Document, nullable=False),
    Column("newest_at", Instant, nullable=False),
    Column("group", Document),
    Column("due_at", Instant),
    Index(None, "newest_at"),
    Index(
        "ix_windows_due_at",
        "due_at",
        sqlite_where=text("due_at is not null"),
        postgresql_where=text("due_at is not null"),
    ),
)
"""`due_at` is the instant of event time from which on, once the sources are read so far, there is something to say."""

judgements = Table(
    "judgements",
    metadata,
    Column("row", RowNumber, primary_key=True, autoincrement=True),
    Column("signal", BigInteger),
    Column("rule", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("incident", Text),
    Column("detail", Document, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Index(None, "key"),
    Index(None, "recorded_at"),
    sqlite_autoincrement=True,
)
"""What each rule that matched did, and why."""

incidents = Table(
    "incidents",
    metadata,
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
    Column("held", Document),
    Column("told_at", Instant, nullable=False, server_default="0"),
    CheckConstraint("severity between 1 and 4"),
    Index(
        "uq_incidents_open_key",
        "key",
        unique=True,
        sqlite_where=text("state <> 'ended'"),
        postgresql_where=text("state <> 'ended'"),
    ),
    Index(None, "key", "ended_at"),
    Index(
        "ix_incidents_standing",
        "severity",
        "state",
        "key",
        sqlite_where=text("state <> 'ended'"),
        postgresql_where=text("state <> 'ended'"),
    ),
    Index(
        "ix_incidents_clear_at",
        "clear_at",
        sqlite_where=text("clear_at is not null"),
        postgresql_where=text("clear_at is not null"),
    ),
)
"""`over_at` is when the latest episode was over in event time. `clear_at` is the instant of event time at which it, or
a part of it, will have been quiet for long enough. `told_at` is when that happened of which people were last told: the
latest page is for the episode which that is in. `held` says why nothing of it is set going."""

episodes = Table(
    "episodes",
    metadata,
    Column("incident", Text, ForeignKey("incidents.id"), primary_key=True),
    Column("episode", Integer, primary_key=True),
    Column("began_at", Instant, nullable=False),
    Column("over_at", Instant),
    Column("said_at", Instant),
    Column("over_by_word", Boolean, nullable=False),
)
"""`said_at` is when one began of whose beginning no signal is evidence; `over_by_word`: none is of its end."""

evidence = Table(
    "evidence",
    metadata,
    Column("incident", Text, ForeignKey("incidents.id"), primary_key=True),
    Column("signal", BigInteger, ForeignKey("signals.row"), primary_key=True),
    Column("episode", Integer, nullable=False),
    Column("rule", Text, nullable=False),
    Column("recovered", Boolean, nullable=False),
    Column("at", Instant, nullable=False, server_default="0"),
    Column("fired", Boolean, nullable=False, server_default=text("true")),
    Column("severity", Integer, nullable=False, server_default="4"),
    Index(None, "signal"),
    Index(None, "incident", "episode", "at"),
)
"""`fired`: it may open an episode; else it only prolongs one."""

tickets = Table(
    "tickets",
    metadata,
    Column("id", RowNumber, primary_key=True, autoincrement=True),
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
    Column("assignee", Text, nullable=False, server_default=text("''")),
    Column("team", Text, nullable=False, server_default=text("''")),
    Column("site", Text, nullable=False, server_default=text("''")),
    Column("reporter", Text, nullable=False, server_default=text("''")),
    Column("workaround", Text, nullable=False, server_default="none"),
    Column("fix", Text),
    Column("informed", Boolean, nullable=False, server_default=text("false")),
    Column("rca", Text, nullable=False, server_default="none"),
    Column("resolved_at", Instant),
    Column("merged_into", BigInteger),
    Column("remind_at", Instant),
    Column("request", Text),
    Column("defect", Text),
    UniqueConstraint("incident", "client", "episode"),
    Index(None, "state", "client"),
    Index("uq_tickets_request", "request", unique=True),
    Index("ix_tickets_remind_at", "remind_at"),
    Index(
        "ix_tickets_standing", "client", "severity", "state", "assignee", "opened_at",
        sqlite_where=text("state not in ('closed', 'cancelled')"),
        postgresql_where=text("state not in ('closed', 'cancelled')"),
    ),
    Index(
        "ix_tickets_defect", "defect",
        sqlite_where=text("defect is not null"), postgresql_where=text("defect is not null"),
    ),
    Index("ix_tickets_rca", "rca", sqlite_where=text("rca <> 'none'"), postgresql_where=text("rca <> 'none'")),
    sqlite_autoincrement=True,
)  # fmt: skip
"""All but its incident, client, contract and opening is a cache of its log. `request` is the idempotency key of a
person's opening it; `remind_at` when somebody is asked to have it validated."""

events = Table(
    "events",
    metadata,
    Column("ticket", BigInteger, ForeignKey("tickets.id"), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("effective_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("actor", Text, nullable=False),
    Column("body", Document, nullable=False),
    Column("source_id", Text),
    UniqueConstraint("ticket", "source_id"),
)
"""The ticket's log: append-only, never trimmed; the clocks are a fold over it."""

clocks = Table(
    "clocks",
    metadata,
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
    Column("client", Text, nullable=False, server_default=text("''")),
    Column("contract", Text, nullable=False, server_default=text("''")),
    Index(None, "next_at"),
    Index(None, "state", "deadline"),
    Index(
        "ix_clocks_live", "client", "contract", "goal", "severity", "state", "breached_at", "deadline",
        sqlite_where=text("state in ('running', 'paused')"),
        postgresql_where=text("state in ('running', 'paused')"),
    ),
)  # fmt: skip
"""A cache of the fold, with the next instant at which it must be looked at, and its ticket's client and contract."""

decisions = Table(
    "decisions",
    metadata,
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
"""What was counted (`decision`, `breach`), what was taken back (`decision_withdrawn`, `breach_withdrawn`), which
breaches are excused (`excused`), and that the clock stopped (`stop`), by sequence within a cycle. What is taken back
has the labels of what was counted. Never trimmed, so no counter falls."""

tallies = Table(
    "tallies",
    metadata,
    Column("row", RowNumber, primary_key=True, autoincrement=True),
    Column("figure", Text, nullable=False),
    Column("labels", Text, nullable=False),
    Column("part", Text, nullable=False),
    Column("value", BigInteger, nullable=False),
    Column("ticket", BigInteger),
    Column("seen", BigInteger),
    Column("at", Instant, nullable=False),
    UniqueConstraint("figure", "labels", "part"),
    sqlite_autoincrement=True,
)
"""What counters and histograms have reached; nothing is ever taken from one. `labels` is their values as a JSON list;
`part` is nothing, or a histogram's bound or `sum`; `ticket` the latest that moved it, and `seen` by how much."""

links = Table(
    "links",
    metadata,
    Column("ticket", BigInteger, ForeignKey("tickets.id"), primary_key=True),
    Column("other", BigInteger, ForeignKey("tickets.id"), primary_key=True),
    Column("as", Text, nullable=False),
    Index(None, "other"),
)
"""Each link stands twice, once from either end."""

action_items = Table(
    "action_items",
    metadata,
    Column("id", RowNumber, primary_key=True, autoincrement=True),
    Column("ticket", BigInteger, ForeignKey("tickets.id"), nullable=False),
    Column("text", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("due", Text, nullable=False),
    Column("done_at", Instant),
    Index(None, "ticket"),
    sqlite_autoincrement=True,
)
"""What is to be done so that it does not happen again. `due` is a date, 2026-12-31."""

warnings = Table(
    "warnings",
    metadata,
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

policies = Table(
    "policies",
    metadata,
    Column("what", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("hash", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("since", Instant, nullable=False),
)
"""Every text that a contract had, every state of a calendar, every release of the zones, since each was first seen."""

refolds = Table(
    "refolds",
    metadata,
    Column("only", Integer, primary_key=True),
    Column("why", Text, nullable=False),
    Column("after", BigInteger, nullable=False),
    Column("done", Integer, nullable=False),
)
"""At most one row: open clocks are being looked at anew, and up to which ticket that is done."""

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", RowNumber, primary_key=True, autoincrement=True),
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
    Column("not_before", Instant),
    UniqueConstraint("role", "key", "verb", "sequence"),
    Index(
        "ix_deliveries_waiting",
        "role",
        "due_at",
        sqlite_where=text("state in ('pending', 'sending')"),
        postgresql_where=text("state in ('pending', 'sending')"),
    ),
    Index(None, "incident", "role"),
    sqlite_autoincrement=True,
)
"""The outbox. `started_at` is the durable "about to send"; `doubtful` says that an attempt may have had its effect;
`not_before` that it waits for its reader's hours, and holds nothing else back."""

facts = Table(
    "facts",
    metadata,
    Column("feed", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("recorded_at", Instant, nullable=False),
)

handovers = Table(
    "handovers",
    metadata,
    Column("id", RowNumber, primary_key=True, autoincrement=True),
    Column("from_site", Text, nullable=False),
    Column("to_site", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("tickets", Document, nullable=False),
    Column("note", Text, nullable=False, server_default=text("''")),
    Column("noted_by", Text, nullable=False, server_default=text("''")),
    Column("acknowledged_by", Text, nullable=False, server_default=text("''")),
    Column("acknowledged_at", Instant),
    sqlite_autoincrement=True,
)
"""Each time that another site took over the queue, with what stood open."""

on_call = Table(
    "on_call",
    metadata,
    Column("role", Text, primary_key=True),
    Column("shifts", Document, nullable=False),
    Column("seen_at", Instant, nullable=False),
)
"""Who is on call, as each pager said when it last could be asked."""

silences = Table(
    "silences",
    metadata,
    Column("id", RowNumber, primary_key=True, autoincrement=True),
    Column("selector", Document, nullable=False),
    Column("owner", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("begins", Instant, nullable=False),
    Column("ends", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("ended_by", Text),
    Index(None, "ends"),
    sqlite_autoincrement=True,
)
"""What people hold back for a while. `ends` is when it stops holding: put forward when somebody ends it early, which
`ended_at` and `ended_by` tell."""
