"""A month's figures, each equal to a sum that is made another way."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from daemon.clock import ToldClock
from daemon.desk import aftermath, commands
from daemon.model import EventKind
from daemon.report import month, rca
from daemon.report.month import Report, Share, Summary
from daemon.report.span import Month
from daemon.store.engine import Store
from tests.pipeline.doubles import NOON, World, world_at
from tests.report.conftest import Office, busy, zoned

MARCH, APRIL = Month(2026, 3), Month(2026, 4)
SPANS = {
    ("acme", MARCH): ("2026-03-01T05:00", "2026-04-01T04:00"),  # New York puts its clocks forward on the 8th
    ("acme", APRIL): ("2026-04-01T04:00", "2026-05-01T04:00"),
    ("globex", MARCH): ("2026-02-28T18:30", "2026-03-31T18:30"),
    ("globex", APRIL): ("2026-03-31T18:30", "2026-04-30T18:30"),
    ("unassigned", MARCH): ("2026-03-01T00:00", "2026-04-01T00:00"),
    ("unassigned", APRIL): ("2026-04-01T00:00", "2026-05-01T00:00"),
}
EACH = pytest.mark.parametrize(("client", "of"), SPANS, ids=str)
STANDS = """
    and d.client = :client and d.at >= :start and d.at < :end and not exists (
        select 1 from decisions w where w.ticket = d.ticket and w.goal = d.goal and w.cycle = d.cycle
        and w.kind = d.kind || '_withdrawn')
"""
EXCUSED = """exists (select 1 from decisions x where x.ticket = d.ticket and x.goal = d.goal and x.cycle = d.cycle
    and x.kind = 'excused')"""
TICKETS = """
    with t as (
        select tickets.*, e.effective_at as reported_at,
            (select f.kind from events f where f.ticket = tickets.id and f.effective_at < :end
             and f.kind in ('opened', 'resolved', 'closed', 'cancelled', 'reopened')
             order by f.sequence desc limit 1) as last,
            (select max(f.effective_at) from events f where f.ticket = tickets.id and f.kind = 'resolved'
             and f.effective_at < :end) as resolved,
            (select min(f.effective_at) from events f where f.ticket = tickets.id and f.effective_at < :end
             and (f.kind in ('resolved', 'closed') or f.kind = 'message' and json_extract(f.body, '$.public')
                  and json_extract(f.body, '$.human') and json_extract(f.body, '$.by') = 'rep')) as answered
        from tickets join events e on e.ticket = tickets.id and e.sequence = 1
        where tickets.client = :client and e.effective_at < :end)
"""


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Seven weeks at the desk, some of whose counts were taken back later."""
    path: Path = tmp_path_factory.mktemp("year")
    for world in world_at(path):
        zoned(world)
        busy(Office(world), random.Random(7), 49)
        with world.store.write() as connection:
            for kind, part in (("decision", 11), ("breach", 5)):
                connection.execute(
                    text(
                        "insert into decisions select ticket, goal, cycle, sequence + 100, kind || '_withdrawn',"
                        " client, severity, at + 86400000000, recorded_at from decisions"
                        f" where kind = '{kind}' and ticket % {part} = 0"
                    )
                )
        yield world


def report(world: World, client: str | None, of: Month) -> Report:
    with world.store.read() as connection:
        return month.make(connection, world.terms.policy, of, client, world.clock.now())


def micros(iso: str) -> int:
    return (datetime.fromisoformat(iso).replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
        microseconds=1
    )


def asked(world: World, client: str, of: Month, sql: str) -> list[Any]:
    """What SQL says, which knows nothing of the report."""
    start, end = SPANS[client, of]
    with world.store.read() as connection:
        found = connection.execute(text(sql), {"client": client, "start": micros(start), "end": micros(end)})
        return [tuple(row) for row in found]


def summary(world: World, client: str, of: Month) -> Summary:
    return report(world, client, of).summary


def seconds(length: timedelta | None) -> float:
    assert length is not None
    return length.total_seconds()


@EACH
def test_hundreds_of_tickets_are_summed(year: World, client: str, of: Month) -> None:
    """Else what follows would hold of nothing."""
    told = summary(year, client, of)

    assert len(told.stories) > 50
    assert told.all.breaches > 5
    assert len(told.open) > 5


@EACH
def test_decisions_breaches_and_excuses_are_those_of_the_store(year: World, client: str, of: Month) -> None:
    """By goal and severity, less what was taken back."""
    counted = {
        name: {
            (goal, severity): many
            for goal, severity, many in asked(
                year, client, of,
                f"select goal, severity, count(*) from decisions d where kind = '{kind}' {more} {STANDS} group by 1, 2",
            )
        }
        for name, kind, more in (
            ("decisions", "decision", ""),
            ("breaches", "breach", f"and not {EXCUSED}"),
            ("excused", "breach", f"and {EXCUSED}"),
        )
    }  # fmt: skip
    keys = {key for one in counted.values() for key in one}
    expected = {key: Share(*(counted[name].get(key, 0) for name in counted)) for key in keys}

    assert expected == summary(year, client, of).shares


@EACH
def test_events_are_counted_in_their_month(year: World, client: str, of: Month) -> None:
    found = dict(
        asked(
            year, client, of,
            "select e.kind, count(*) from events e join tickets t on t.id = e.ticket where t.client = :client"
            " and e.effective_at >= :start and e.effective_at < :end"
            " and e.kind in ('opened', 'resolved', 'closed', 'reopened', 'cancelled') group by 1",
        )
    )  # fmt: skip

    assert found == {kind.value: many for kind, many in summary(year, client, of).moved.items() if many}


@EACH
@pytest.mark.parametrize(("name", "until", "where"), [
    ("answered", "answered", "last <> 'cancelled'"), ("resolved", "resolved", "last in ('resolved', 'closed')"),
])  # fmt: skip
def test_times_are_those_of_the_events(year: World, client: str, of: Month, name: str, until: str, where: str) -> None:
    """From the report to the first response, and to the last time that it was resolved."""
    sql = f"{TICKETS} select {until} - reported_at from t where {where} and {until} >= :start order by 1"
    found = [many / 1e6 for (many,) in asked(year, client, of, sql)]
    told = getattr(summary(year, client, of), name)

    assert len(found) == told.count > 5
    assert sum(found) / len(found) == pytest.approx(seconds(told.mean), abs=1)
    assert (found[(len(found) - 1) // 2] + found[len(found) // 2]) / 2 == pytest.approx(seconds(told.median), abs=1)
    p90 = seconds(told.p90) + 1
    assert sum(one <= p90 for one in found) >= 0.9 * len(found) > sum(one < p90 - 2 for one in found)


@EACH
def test_what_is_open_at_the_end_is_open_by_the_log(year: World, client: str, of: Month) -> None:
    found = asked(year, client, of, f"{TICKETS} select id from t where last in ('opened', 'reopened') order by 1")

    assert [number for (number,) in found] == [one.ticket.id for one in summary(year, client, of).open]


def test_an_open_ticket_is_due_as_its_clocks_say(year: World) -> None:
    """As of now, while the month lasts."""
    with year.store.read() as connection:
        found = {
            (row.ticket, row.goal): row.deadline
            for row in connection.execute(
                text(
                    "select c.ticket, c.goal, c.deadline from clocks c join tickets t on t.id = c.ticket"
                    " where t.client = 'acme' and c.state = 'running' and c.deadline is not null"
                )
            )
        }
    told = {
        (one.ticket.id, due.goal): micros(f"{due.deadline:%Y-%m-%dT%H:%M:%S}")
        for one in summary(year, "acme", APRIL).open
        for due in one.due
        if due.deadline is not None
    }

    assert found == told


@EACH
@pytest.mark.parametrize("column", ["class", "location"])
def test_what_was_opened_is_counted_by_class_and_place(year: World, client: str, of: Month, column: str) -> None:
    sql = (
        f'{TICKETS} select i."{column}", count(*) from t join incidents i on i.id = t.incident'
        " where reported_at >= :start group by 1"
    )
    told = summary(year, client, of)

    assert dict(asked(year, client, of, sql)) == (told.classes if column == "class" else told.locations)


@EACH
def test_action_items_are_open_that_were_planned_and_not_done(year: World, client: str, of: Month) -> None:
    sql = """
        select distinct a.id from action_items a join tickets t on t.id = a.ticket
        join events e on e.ticket = a.ticket and e.kind = 'action' and json_extract(e.body, '$.item') = a.id
        where t.client = :client and e.effective_at < :end and json_extract(e.body, '$.done') is null
        and (a.done_at is null or a.done_at >= :end) order by 1
    """

    assert [number for (number,) in asked(year, client, of, sql)] == sorted(
        one.item for one in summary(year, client, of).actions
    )


@pytest.mark.parametrize("of", [MARCH, APRIL], ids=str)
def test_all_is_the_sum_of_each(year: World, of: Month) -> None:
    """Each by its own clock: the edges of their months differ."""
    told = report(year, None, of)
    each = [summary(year, client, of) for client in ("acme", "globex", "unassigned")]

    assert each == list(told.clients)
    for key in told.summary.shares:
        one = [share for summed in each if (share := summed.shares.get(key))]
        assert month.total(one) == told.summary.shares[key]
    assert sum(len(one.breaches) for one in each) == len(told.summary.breaches)
    assert {kind: sum(one.moved[kind] for one in each) for kind in told.summary.moved} == told.summary.moved


# by hand


def test_a_month_begins_at_the_clients_own_midnight(office: Office) -> None:
    """At 18:30 UTC in Kolkata, while it is still March in New York."""
    office.world.until(datetime(2026, 3, 31, 19, tzinfo=UTC))
    office.open("globex")
    office.open("acme")

    opened = {
        (client, of): summary(office.world, client, of).moved[EventKind.OPENED]
        for client in ("acme", "globex")
        for of in (MARCH, APRIL)
    }
    assert {("acme", MARCH): 1, ("acme", APRIL): 0, ("globex", MARCH): 0, ("globex", APRIL): 1} == opened


def test_a_breach_says_how_late_it_was_and_where_it_stood(office: Office) -> None:
    """Due at one, answered at two; the other one is owed still."""
    office.open()
    office.world.after(timedelta(hours=2))
    office.do(commands.reply, 1, "We are on it.")
    office.world.after(timedelta(hours=12))
    office.tick()

    told = summary(office.world, "acme", MARCH).breaches
    assert [
        ("resolution", timedelta(hours=2), True, "in_progress"),
        ("response", timedelta(hours=1), False, "new"),
        ("update", timedelta(hours=4), True, "in_progress"),
    ] == sorted((one.goal, one.late, one.owed, one.stood) for one in told)
    assert ["update", "resolution", "response"] == [one.goal for one in told]


def test_an_excuse_takes_a_breach_out_and_shows_it_apart(office: Office) -> None:
    office.open()
    office.world.after(timedelta(hours=2))
    office.tick()
    missed = summary(office.world, "acme", MARCH).of_goal("response")
    office.do(aftermath.excuse, 1, "response", 1, "Their firewall.", "lena")
    told = summary(office.world, "acme", MARCH)

    assert (0.0, 1.0) == (missed.kept, told.of_goal("response").kept)
    assert 0.0 == told.of_goal("response").kept_without_excuses
    assert [("Their firewall.", "lena")] == [
        (one.excuse.reason, one.excuse.approver) for one in told.breaches if one.excuse
    ]


def test_what_was_opened_again_after_the_month_was_resolved_in_it(office: Office) -> None:
    """A report made later says what was so at the end of its month."""
    office.open()
    office.do(commands.resolve, 1, "Repaired.")
    office.world.until(datetime(2026, 4, 2, tzinfo=UTC))
    office.do(commands.reopen, 1, "They are empty again.", at=office.world.clock.now())

    assert (1, 0) == (
        summary(office.world, "acme", MARCH).resolved.count,
        len(summary(office.world, "acme", MARCH).open),
    )
    assert (0, 1) == (
        summary(office.world, "acme", APRIL).resolved.count,
        len(summary(office.world, "acme", APRIL).open),
    )


def test_nothing_decided_is_no_share(office: Office) -> None:
    """Neither all nor nothing."""
    told = report(office.world, "acme", MARCH)

    assert None is told.summary.all.kept
    assert told.summary.is_empty
    assert not told.is_over
    assert NOON == told.made_at


def test_an_instant_belongs_to_the_month_that_it_begins(office: Office) -> None:
    """Midnight is the first of April's, and no longer March's."""
    midnight = datetime(2026, 4, 1, 4, tzinfo=UTC)
    office.world.until(midnight - timedelta(hours=1))
    office.open(severity=2)
    office.world.until(midnight)
    office.open()
    office.world.after(timedelta(seconds=1))
    office.tick()

    told = {of: summary(office.world, "acme", of) for of in (MARCH, APRIL)}
    assert {MARCH: (1, 0), APRIL: (1, 1)} == {
        of: (one.moved[EventKind.OPENED], one.of_goal("response").breaches) for of, one in told.items()
    }


def test_an_action_item_that_was_done_later_was_open(office: Office) -> None:
    """At the end of March, not of April."""
    office.open()
    office.do(aftermath.plan_action, 1, "Alert on empty carts", "asha", date(2026, 3, 20))
    office.world.until(datetime(2026, 4, 10, tzinfo=UTC))
    office.do(aftermath.finish_action, 1, 1)

    assert [True] == [one.overdue for one in summary(office.world, "acme", MARCH).actions]
    assert [] == summary(office.world, "acme", APRIL).actions


def test_a_promise_is_missed_on_a_ticket_that_is_long_closed(office: Office) -> None:
    """The report on the root cause was due in April; nothing else happened to the ticket then."""
    office.open(severity=1)
    office.do(commands.resolve, 1, "Repaired.")
    office.do(commands.close, 1)
    office.world.until(datetime(2026, 3, 31, tzinfo=UTC))
    office.do(aftermath.request_rca, 1)
    office.world.until(datetime(2026, 4, 20, tzinfo=UTC))
    office.tick()

    assert [("rca", 1)] == [(one.goal, one.ticket) for one in summary(office.world, "acme", APRIL).breaches]


def test_postgresql_gives_the_same_figures(postgresql: str) -> None:
    """And the same root cause."""
    world = World(Store(postgresql, clock := ToldClock(NOON)), clock)
    world.store.migrate()
    zoned(world)
    office = Office(world)
    office.open()
    office.world.after(timedelta(hours=2))
    office.do(commands.resolve, 1, "Repaired.")
    office.do(aftermath.excuse, 1, "response", 1, "Their firewall.", "lena")
    told = summary(world, "acme", MARCH)
    with world.store.read() as connection:
        found = rca.gather(connection, world.terms.policy, 1, clock.now(), internal=False)
    world.store.close()

    assert Share(1, 0, 1) == told.of_goal("response")
    assert timedelta(hours=2) == told.resolved.median
    assert found is not None
    assert "resolved it" in [line.title for line in found.lines]
