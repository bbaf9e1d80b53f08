"""Who is warned of what, and when: posts become people, hours are waited for, and a page that nobody takes goes on."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from daemon.desk import commands, triage
from daemon.desk.staff import Person, Site, Staff, Team
from daemon.marked_yaml import parse as parse_yaml
from daemon.sla.calendar import Calendar
from daemon.sla.policy import parse as parse_policy
from tests.pipeline.doubles import HOUR, MINUTE, NOON, SECOND, World, signal

POLICY = """
calendars:
  early: {tz: UTC, weekly: {mon-sun: ["06:00-13:00"]}}
  late: {tz: UTC, weekly: {mon-sun: ["13:00-21:00"]}}
contracts:
  gold:
    effective_from: 2026-01-01T00:00:00Z
    goals:
      response: {1: {target: 2h, calendar: 24x7}, 2: {target: 8h, calendar: 24x7}, 3: null, 4: null}
    escalation:
      default:
        - {unacknowledged: 10m, notify: [shift_lead], then: [page], only_severity: [1]}
        - {at: 25%, notify: [assignee], only_severity: [1]}
        - {at: 25%, notify: [support_manager, chain], in_hours: true, only_severity: [1]}
        - {before: 30m, notify: [chain], only_severity: [1]}
clients:
  acme: {contract: gold}
"""


@pytest.fixture(autouse=True)
def staffed(world: World) -> None:
    parts = parse_yaml(POLICY, "config.yaml")
    policy = parse_policy(parts["calendars"], parts["contracts"], parts["clients"])
    early, late = policy.calendars["early"], policy.calendars["late"]
    staff = Staff(
        people={
            "asha": person("asha", early), "lena": person("lena", late), "omar": person("omar"),
        },
        sites={"hyderabad": Site("hyderabad", early, "asha"), "london": Site("london", late, "lena")},
        teams={"devops": Team("devops", "omar")},
        chain={"support_manager": "lena", "head_of_cs": "omar"},
    )  # fmt: skip
    world.terms = replace(world.terms, policy=policy, staff=staff)
    world.hear(signal("a"))


def person(name: str, hours: Calendar | None = None) -> Person:
    return Person(name, f"{name}@example.com", hours=hours)


def warnings(world: World) -> list[tuple[str, list[str]]]:
    """The threshold, and whom it is told to, of each warning that is owed."""
    return [(body["threshold"], [one["name"] for one in body["to"]]) for body in bodies(world, "warning")]


def bodies(world: World, role: str) -> list[dict[str, Any]]:
    return [row["body"] for row in world.rows("deliveries") if row["role"] == role and "threshold" in row["body"]]


def look(world: World, at: datetime) -> None:
    world.until(at)
    world.run(world.clocks())


def test_a_page_that_nobody_takes_goes_to_the_next(world: World) -> None:
    """Ten minutes by the wall; the lead of the site that is open is told, and it pages again."""
    look(world, NOON + 10 * MINUTE - SECOND)
    assert [] == warnings(world)
    look(world, NOON + 10 * MINUTE)

    assert [("unacknowledged 10m", ["asha"])] == warnings(world)
    (page,) = bodies(world, "page")
    assert "nobody has acknowledged it" in page["title"]


def test_a_page_that_is_taken_goes_no_further(world: World) -> None:
    """Though taking it is no answer by this contract: the clock runs on, and warns of the answer."""
    look(world, NOON + 5 * MINUTE)
    with world.store.write() as connection:
        commands.page_acknowledged(world.desk(connection, "person:asha"), world.incident.id, "page")
    look(world, NOON + 29 * MINUTE)

    assert [] == warnings(world)
    assert "running" == world.clock_of("response")["state"]


def test_whoever_has_the_ticket_is_the_one_who_is_warned(world: World) -> None:
    """Before anybody has it, the lead of the shift is."""
    with world.store.write() as connection:
        commands.acknowledge(world.desk(connection), 1)
        triage.assign(world.desk(connection), 1, person="omar")
    look(world, NOON + 30 * MINUTE)

    assert "omar" == warnings(world)[0][1][0]


def test_a_word_that_need_not_wake_anybody_waits_for_their_hours(world: World) -> None:
    """At 12:30 Asha is at work, Omar always is, and Lena's hours begin at 13:00."""
    with world.store.write() as connection:
        commands.acknowledge(world.desk(connection), 1)
    look(world, NOON + 30 * MINUTE)

    assert [("25%", ["asha", "omar"]), ("25%", ["lena"])] == [
        (threshold, sorted(told)) for threshold, told in warnings(world)
    ]
    assert [NOON + 30 * MINUTE, NOON + HOUR] == [
        row["due_at"] for row in world.rows("deliveries") if row["role"] == "warning"
    ]


def test_what_waits_for_hours_holds_nothing_back_and_goes_when_they_begin(world: World) -> None:
    """A later warning to somebody else overtakes it."""
    taker = world.actions["warning"]
    with world.store.write() as connection:
        commands.acknowledge(world.desk(connection), 1)
    look(world, NOON + 30 * MINUTE)
    world.run(world.send("warning"))
    assert [["asha", "omar"]] == [sorted(names(one.body)) for one in taker.taken]
    world.until(NOON + HOUR)
    world.run(world.send("warning"))

    assert ["lena"] == names(taker.taken[-1].body)


def test_what_waited_is_not_told_once_it_is_moot(world: World) -> None:
    """The client was answered meanwhile."""
    taker = world.actions["warning"]
    with world.store.write() as connection:
        commands.acknowledge(world.desk(connection), 1)
    look(world, NOON + 30 * MINUTE)
    with world.store.write() as connection:
        commands.reply(world.desk(connection), 1, "We are on it.")
    world.until(NOON + HOUR)
    world.run(world.send("warning"))

    assert 1 == len(taker.taken)
    assert ["done", "cancelled"] == [row["state"] for row in world.rows("deliveries") if row["role"] == "warning"]


def test_the_whole_chain_of_command_is_told_by_the_site_that_is_open_then(world: World) -> None:
    """At 13:30 London has the queue; whoever holds two posts is told once."""
    with world.store.write() as connection:
        commands.acknowledge(world.desk(connection), 1)
    look(world, NOON + 30 * MINUTE)
    look(world, NOON + 90 * MINUTE)

    assert ("30m", ["lena", "omar"]) == warnings(world)[-1]


def test_where_nobody_holds_a_post_the_shift_lead_is_told() -> None:
    """A warning always has a reader, as long as there is anybody."""
    early = Calendar("early", _weekdays())
    staff = Staff({"asha": person("asha")}, {"hyderabad": Site("hyderabad", early, "asha")}, {}, {})
    assert ["asha"] == [one.name for one in staff.told(["team_lead"], NOON)]
    assert () == Staff().told(["assignee"], NOON)


def _weekdays() -> Any:
    calendars = parse_yaml(POLICY, "config.yaml")["calendars"]
    return parse_policy(calendars, None, None).calendars["early"].hours


def names(body: Any) -> list[str]:
    return [one["name"] for one in body["to"]]


def test_hours_are_found_from_the_calendar() -> None:
    early = parse_policy(parse_yaml(POLICY, "c.yaml")["calendars"], None, None).calendars["early"]
    asha = person("asha", early)
    midnight = datetime.combine(date(2026, 3, 2), datetime.min.time(), NOON.tzinfo)

    assert (False, midnight + timedelta(hours=6)) == (asha.is_at_work(midnight), asha.next_at_work(midnight))
    assert (True, None) == (person("omar").is_at_work(midnight), person("omar").next_at_work(midnight))
