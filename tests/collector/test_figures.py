"""Counters as they are met: what the desk does over some weeks, scrape by scrape, against SQL over the rows."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from daemon.clock import ToldClock
from daemon.collector import Known
from daemon.desk import commands
from daemon.pipeline.trim import Trim
from daemon.rules.load import load_text
from daemon.store.engine import Store
from tests.collector.scrape import Samples, nonzero, scraped
from tests.pipeline.doubles import MINUTE, NOON, World, signal
from tests.report.conftest import Office, busy, zoned
from tests.rules.names import NAMES

DAYS = 8
COUNTING = ("_total", "_bucket", "_count")
ASKED = {
    "sla_decisions_total": "select client, goal, severity, count(*) from decisions where kind = 'decision'",
    "sla_breaches_total": "select client, goal, severity, count(*) from decisions where kind = 'breach'",
    "sla_excused_breaches_total": "select client, goal, severity, count(*) from decisions where kind = 'excused'",
    "sla_consumed_ratio_count": "select client, goal, severity, count(*) from decisions where kind = 'stop'"
    " and exists (select 1 from clocks where clocks.ticket = decisions.ticket and clocks.goal = decisions.goal"
    " and clocks.cycle = decisions.cycle and clocks.target > 0)",
    "sla_warnings_total": "select client, goal, severity, threshold, count(*) from warnings",
    "tickets_closed_total": "select client, -1, count(*) from events join tickets on tickets.id = ticket"
    " where kind = 'closed'",
    "tickets_reopened_total": "select client, -1, count(*) from events join tickets on tickets.id = ticket"
    " where kind = 'reopened'",
    "tickets_opened_total": "select client, origin, -1, count(*) from tickets",
    "ticket_resolution_seconds_count": "select origin, -1, count(*) from events join tickets on tickets.id = ticket"
    " where kind = 'resolved'",
}
"""Figure → its rows in SQL, by its labels in the order of their names; -1 where a row does not keep the severity."""


def known(world: World) -> Known:
    return Known(world.terms, {"sentry": "sentry"}, ("page",), ("down",))


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, list[Samples]]]:
    """Some days of work by chance, and a scrape after each."""
    clock = ToldClock(NOON)
    store = Store(f"sqlite:///{tmp_path_factory.mktemp('weeks')}/heliograph.db", clock)
    store.migrate()
    world = World(store, clock)
    zoned(world)
    scrapes, chance = [scraped(store, known(world))], random.Random(7)
    for _ in range(DAYS):
        busy(Office(world), chance, 1)
        scrapes.append(scraped(store, known(world)))
    told_late(Office(world))
    scrapes.append(scraped(store, known(world)))
    yield world, scrapes
    store.close()


def told_late(office: Office) -> None:
    """A promise seems missed until it is written down that it was kept."""
    at = office.world.clock.now()
    ticket = office.open("acme", 1)
    office.world.after(20 * MINUTE)
    office.tick()
    office.do(commands.reply, ticket.id, "We are on it.", at=at + 5 * MINUTE)


def by_sql(world: World, query: str) -> Counter[tuple[str, ...]]:
    with world.store.read() as connection:
        columns = query.removeprefix("select ").partition(", count(*)")[0]
        grouped = ", ".join(column for column in columns.split(", ") if column != "-1")
        rows = connection.execute(text(f"{query} group by {grouped}"))
        return Counter({tuple(map(str, key)): int(many) for *key, many in rows})


def without_severity(samples: dict[tuple[str, ...], float], query: str) -> Counter[tuple[str, ...]]:
    """Label values in the order of their names end with `sev`, or have it before `threshold`."""
    found: Counter[tuple[str, ...]] = Counter()
    for key, value in samples.items():
        found[(*key[:-1], "-1") if "-1" in query else key] += int(value)
    return +found


def test_something_of_everything_was_counted(weeks: tuple[World, list[Samples]]) -> None:
    """Else what follows proves nothing."""
    _, scrapes = weeks

    counted = {"sla_corrections_total", "severity_changes_total", "escalations_total", "rule_tickets_total", *ASKED}
    empty = {name for name in counted if not nonzero(scrapes[-1][name])}
    assert {"rule_tickets_total"} == empty  # nothing but people in these days


def test_no_counter_falls(weeks: tuple[World, list[Samples]]) -> None:
    """Not by reopening, not by what is told late, not by an excuse; nor does a series go away."""
    _, scrapes = weeks
    counters = [name for name in scrapes[0] if name.endswith(COUNTING)]

    assert 15 < len(counters)
    for before, after in itertools.pairwise(scrapes):
        for name in counters:
            fell = {key: value for key, value in before[name].items() if after[name].get(key, -1) < value}
            assert {} == fell, name


@pytest.mark.parametrize("figure", sorted(ASKED))
def test_a_figure_is_the_sum_of_its_rows(weeks: tuple[World, list[Samples]], figure: str) -> None:
    """As SQL has it."""
    world, scrapes = weeks
    query = ASKED[figure]

    assert by_sql(world, query) == without_severity(scrapes[-1][figure], query)


def test_what_was_kept_is_in_the_bucket_up_to_one(weeks: tuple[World, list[Samples]]) -> None:
    """A clock that stopped in time used no more than it had; one that had missed its deadline used more, unless its
    severity was lowered since."""
    world, scrapes = weeks
    stopped = scrapes[-1]["sla_consumed_ratio_bucket"]
    within = sum(value for key, value in stopped.items() if key[2] == "1.0")
    rows = [(row["ticket"], row["goal"], row["cycle"], row["kind"], row["at"]) for row in world.rows("decisions")]
    missed_at = {row[:3]: row[4] for row in rows if row[3] == "breach"}
    promised = {(row["ticket"], row["goal"], row["cycle"]) for row in world.rows("clocks") if row["target"]}
    stopped_at = {row[:3]: row[4] for row in rows if row[3] == "stop" and row[:3] in promised}
    kept = [cycle for cycle, at in stopped_at.items() if missed_at.get(cycle, at) >= at]

    assert 0 < within < len(stopped_at)
    lowered = sum(value for key, value in scrapes[-1]["severity_changes_total"].items() if key[1] < key[2])
    assert len(kept) <= within <= len(kept) + lowered


def test_a_replica_and_a_restart_agree(weeks: tuple[World, list[Samples]]) -> None:
    """Another process on the same database shows the same, whatever it did not see happen."""
    world, _ = weeks
    other = Store(str(world.store.url), world.clock)
    mine, its = (scraped(store, known(world)) for store in (world.store, other))
    other.close()

    for samples in (mine, its):
        del samples["ticket_collect_duration_seconds"]
    assert mine == its


def test_trimming_takes_nothing_from_a_counter(weeks: tuple[World, list[Samples]]) -> None:
    """Signals and judgements go; what was counted of them stays."""
    world, _ = weeks
    before = scraped(world.store, known(world))
    Trim(world.store).step(world.clock.now() + timedelta(days=3650))
    after = scraped(world.store, known(world))

    for samples in (before, after):
        del samples["ticket_collect_duration_seconds"]
    assert before == after


def test_what_a_rule_brings_is_counted_by_rule(office: Office) -> None:
    """Incidents, tickets, and the false alarms among them; on both databases."""
    world = office.world
    world.hear(signal("a"))
    office.do(commands.cancel, 1, "false_alarm", request="r1")
    office.do(commands.cancel, 1, "false_alarm", request="r1")  # the same request once more
    seen = scraped(world.store, known(world))

    for name in ("rule_incidents_total", "rule_tickets_total", "rule_false_alarms_total"):
        assert {("down",): 1.0} == seen[name]
    assert {("sentry",): 1.0} == nonzero(seen["incident_episodes_total"])
    assert {("sentry",): 1.0} == nonzero(seen["incident_detection_seconds_count"])


def test_rules_of_one_problem_share_a_count(office: Office) -> None:
    """Tickets and false alarms are those of the rule that opened the incident, whichever rule hit the client: or the
    part that is false could be more than all."""
    world, names = office.world, replace(NAMES, problems=frozenset({"slow"}))
    head = "source: sentry\ntitle: '{project} is slow'\nproblem: slow\ngroup_by: [project]\nseverity: 2\n"
    world.rules = [
        load_text("first", head + "match: {level: fatal}\nclients: [acme]\n", "rules/first.yaml", names),
        load_text("second", head + "match: {level: error}\nclients: [globex]\n", "rules/second.yaml", names),
    ]
    world.hear(signal("a"), signal("b", level="error"))
    for number in (1, 2):
        office.do(commands.cancel, number, "false_alarm")
    seen = scraped(world.store, Known(world.terms, {"sentry": "sentry"}, (), ("first", "second")))

    assert {("first",): 2.0, ("second",): 0.0} == seen["rule_tickets_total"] == seen["rule_false_alarms_total"]
    assert {("first",): 1.0, ("second",): 0.0} == seen["rule_incidents_total"]


def test_a_response_that_takes_three_minutes_is_in_its_buckets(office: Office) -> None:
    """From the report to the first public word; the promise, of fifteen minutes, is used up by a fifth."""
    world = office.world
    office.open("acme", 1)
    world.after(3 * MINUTE)
    office.do(commands.reply, 1, "We are on it.")
    seen = scraped(world.store, known(world))

    took = seen["ticket_response_seconds_bucket"]
    assert (0.0, 1.0) == (took["120.0", "manual", "1"], took["300.0", "manual", "1"])
    assert {("manual", "1"): 180.0} == nonzero(seen["ticket_response_seconds_sum"])
    used = seen["sla_consumed_ratio_bucket"]
    assert (0.0, 1.0) == (used["acme", "response", "0.1", "1"], used["acme", "response", "0.25", "1"])
