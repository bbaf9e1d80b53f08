"""A database of the version before tallies is counted up once, to what would have been tallied as it happened."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, text

from daemon.clock import ToldClock
from daemon.store.engine import Store
from tests.pipeline.doubles import NOON, World, signal
from tests.report.conftest import Office, busy, zoned

EXACT = (
    "tickets_opened", "tickets_closed", "tickets_reopened", "severity_changes", "sla_decisions", "sla_breaches",
    "sla_corrections", "sla_excused_breaches", "sla_warnings", "sla_timer_lag_seconds", "ticket_resolution_seconds",
    "ticket_response_seconds", "rule_tickets", "rule_incidents", "incident_episodes",
)  # fmt: skip
"""The others rest on what was not kept: posts that were told, false alarms, how much a clock had used when it first
stopped, when an incident's earlier episodes were seen."""


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    clock = ToldClock(NOON)
    path = f"sqlite:///{request.getfixturevalue('tmp_path')}/heliograph.db"
    store = Store(path if request.param == "sqlite" else request.getfixturevalue("postgresql"), clock)
    store.migrate()
    world = World(store, clock)
    zoned(world)
    world.hear(signal("a"))
    busy(Office(world), random.Random(3), 2)
    yield world
    store.close()


def tallied(connection: Connection) -> dict[tuple[str, str, str], int]:
    found = connection.execute(text("select figure, labels, part, value from tallies"))
    return {(figure, labels, part): value for figure, labels, part, value in found}


def undo(connection: Connection) -> None:
    """The tables as the migration finds them."""
    for statement in (
        "drop table tallies", "delete from decisions where kind = 'stop'", "drop index ix_clocks_live",
        "drop index ix_tickets_standing",
        "drop index ix_incidents_standing", "drop index ix_tickets_defect", "drop index ix_tickets_rca",
        "alter table clocks drop column client", "alter table clocks drop column contract",
        "alter table tickets drop column defect", "update alembic_version set version_num = '0006'",
    ):  # fmt: skip
        connection.execute(text(statement))


def test_what_had_happened_is_tallied(world: World) -> None:
    """Each figure that the rows still tell is what it was; and a clock's row has its client again."""
    with world.store.write() as connection:
        as_it_happened = tallied(connection)
        stops = connection.execute(text("select count(*) from decisions where kind = 'stop'")).scalar_one()
        undo(connection)
    world.store.migrate()
    with world.store.write() as connection:
        found = tallied(connection)
        stopped = connection.execute(text("select count(*) from decisions where kind = 'stop'")).scalar_one()
        clients = set(connection.execute(text("select distinct client from clocks")).scalars())

    expected, actual = ({key: n for key, n in each.items() if key[0] in EXACT} for each in (as_it_happened, found))
    assert expected == actual
    assert {"acme", "globex"} <= clients
    assert 0 < stopped <= stops  # one that was opened again has stopped no more
    assert "sla_consumed_ratio" in {figure for figure, *_ in found}
