"""Counters and histograms as running sums; of clocks and tickets, what a scrape groups them by."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, TypeAlias

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, Text, UniqueConstraint, text

revision = "0007"
down_revision = "0006"

Instant = BigInteger  # whole microseconds since 1970, UTC
Row = BigInteger().with_variant(Integer, "sqlite")
Moved: TypeAlias = tuple[str, tuple[str, ...], str, int]

_MICRO = 1_000_000
_BUCKETS: dict[str, tuple[float, ...]] = {
    "sla_consumed_ratio": (0.1, 0.25, 0.5, 0.75, 0.9, 1, 1.25, 1.5, 2, 5),
    "ticket_response_seconds": (60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400),
    "ticket_resolution_seconds": (900, 1800, 3600, 7200, 14400, 28800, 43200, 86400, 172800, 432000, 604800, 1209600,
                                  3628800),
    "sla_timer_lag_seconds": (0.1, 0.5, 1, 2, 5, 15, 60, 300),
}  # fmt: skip
_COUNTED = {"decision": "sla_decisions", "breach": "sla_breaches", "excused": "sla_excused_breaches"}
_LIVE = text("state in ('running', 'paused')")
_STANDING = text("state not in ('closed', 'cancelled')")


def upgrade() -> None:
    op.create_table(
        "tallies",
        Column("row", Row, primary_key=True, autoincrement=True),
        Column("figure", Text, nullable=False),
        Column("labels", Text, nullable=False),
        Column("part", Text, nullable=False),
        Column("value", BigInteger, nullable=False),
        Column("ticket", BigInteger),
        Column("seen", BigInteger),
        Column("at", Instant, nullable=False),
        UniqueConstraint("figure", "labels", "part", name="uq_tallies_figure_labels_part"),
        sqlite_autoincrement=True,
    )
    for name in ("client", "contract"):
        op.add_column("clocks", Column(name, Text, nullable=False, server_default=text("''")))
        op.execute(
            f"update clocks set {name} = (select tickets.{name} from tickets where tickets.id = clocks.ticket)"  # noqa: S608
        )
    op.create_index(
        "ix_clocks_live", "clocks", ["client", "contract", "goal", "severity", "state", "breached_at", "deadline"],
        sqlite_where=_LIVE, postgresql_where=_LIVE,
    )  # fmt: skip
    op.add_column("tickets", Column("defect", Text))
    op.execute("update tickets set defect = '' where exists (select 1 from events where events.ticket = tickets.id"
               " and events.kind = 'defect')")  # fmt: skip
    op.create_index(
        "ix_tickets_standing", "tickets", ["client", "severity", "state", "assignee", "opened_at"],
        sqlite_where=_STANDING, postgresql_where=_STANDING,
    )  # fmt: skip
    unended = text("state <> 'ended'")
    op.create_index(
        "ix_incidents_standing", "incidents", ["severity", "state", "key"],
        sqlite_where=unended, postgresql_where=unended,
    )  # fmt: skip
    for name in ("defect", "rca"):
        where = text("defect is not null") if name == "defect" else text("rca <> 'none'")
        op.create_index(f"ix_tickets_{name}", "tickets", [name], sqlite_where=where, postgresql_where=where)
    _stops()
    _tally()


def _stops() -> None:
    """Of each cycle that has stopped, that it did."""
    op.execute(
        "insert into decisions (ticket, goal, cycle, sequence, kind, client, severity, at, recorded_at)"
        " select clocks.ticket, clocks.goal, clocks.cycle, 1 + (select coalesce(max(sequence), 0) from decisions"
        " where decisions.ticket = clocks.ticket and decisions.goal = clocks.goal"
        " and decisions.cycle = clocks.cycle), 'stop', clocks.client, clocks.severity, clocks.stopped_at,"
        " clocks.stopped_at from clocks where clocks.stopped_at is not null"
    )


def _tally() -> None:
    """What has been counted so far."""
    sums: Counter[tuple[str, str, str]] = Counter()
    for figure, labels, part, value in (*_of_logs(), *_of_clocks(), *_of_incidents(), *_of_deliveries()):
        sums[figure, json.dumps(labels, ensure_ascii=False), part] += value
    add = text("insert into tallies (figure, labels, part, value, at) values (:figure, :labels, :part, :value, 0)")
    for (figure, of, part), value in sums.items():
        op.get_bind().execute(add, {"figure": figure, "labels": of, "part": part, "value": value})


def _seen(figure: str, labels: tuple[str, ...], seen: float) -> Iterator[Moved]:
    bound = next((str(float(one)) for one in _BUCKETS[figure] if seen <= one), "+Inf")
    yield figure, labels, bound, 1
    yield figure, labels, "sum", round(seen * _MICRO)


def _rows(query: str) -> Iterator[Any]:
    yield from op.get_bind().execute(text(query))


def _of_logs() -> Iterator[Moved]:
    severity: dict[int, str] = {}
    query = (
        "select tickets.id, tickets.client, tickets.origin, tickets.opened_at, incidents.rule, events.kind,"
        " events.body, events.effective_at from events join tickets on tickets.id = events.ticket"
        " join incidents on incidents.id = tickets.incident order by events.ticket,"
        " events.sequence"
    )
    for row in _rows(query):
        now = severity.get(row.id, "")
        if row.kind == "opened":
            severity[row.id] = str(json.loads(row.body)["severity"])
            yield "tickets_opened", (row.client, severity[row.id], row.origin), "", 1
            if row.rule:
                yield "rule_tickets", (row.rule,), "", 1
        elif row.kind in ("closed", "reopened"):
            yield f"tickets_{row.kind}", (row.client, now), "", 1
        elif row.kind == "severity":
            severity[row.id] = str(json.loads(row.body)["to"])
            yield "severity_changes", (row.client, now, severity[row.id]), "", 1
        elif row.kind == "resolved":
            took = max(0, row.effective_at - row.opened_at) / _MICRO
            yield from _seen("ticket_resolution_seconds", (now, row.origin), took)


def _of_clocks() -> Iterator[Moved]:
    for row in _rows("select kind, client, severity, goal, count(*) as n from decisions group by 1, 2, 3, 4"):
        labels = (row.client, str(row.severity), row.goal)
        kind, withdrawn, _ = row.kind.partition("_withdrawn")
        if withdrawn:
            yield "sla_corrections", (*labels, kind), "", row.n
        elif kind in _COUNTED:
            yield _COUNTED[kind], labels, "", row.n
    for row in _rows("select * from warnings"):
        yield "sla_warnings", (row.client, str(row.severity), row.goal, row.threshold), "", 1
        yield from _seen("sla_timer_lag_seconds", (), max(0, row.recorded_at - row.due_at) / _MICRO)
    stopped = (
        "select clocks.*, tickets.origin, tickets.opened_at from clocks join tickets on tickets.id = clocks.ticket"
        " where clocks.stopped_at is not null"
    )
    for row in _rows(stopped):
        if row.target:
            yield from _seen("sla_consumed_ratio", (row.client, str(row.severity), row.goal), row.consumed / row.target)
        if (row.goal, row.cycle) == ("response", 1):
            took = max(0, row.stopped_at - row.opened_at) / _MICRO
            yield from _seen("ticket_response_seconds", (str(row.severity), row.origin), took)


def _of_incidents() -> Iterator[Moved]:
    for row in _rows("select rule, origin, episode from incidents where key not like 'shadow:%'"):
        yield "incident_episodes", (row.origin,), "", row.episode
        if row.rule:
            yield "rule_incidents", (row.rule,), "", row.episode


def _of_deliveries() -> Iterator[Moved]:
    for row in _rows("select role, count(*) as n from deliveries where state = 'dead' group by role"):
        yield "outbox_given_up", (row.role,), "", row.n
