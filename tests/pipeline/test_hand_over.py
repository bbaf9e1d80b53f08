"""Work follows the sun: the next site is handed what stands open, once; who is on call is kept as it was last said."""

from __future__ import annotations

import logging
import random
from dataclasses import replace
from datetime import timedelta

import pytest

from daemon.desk import commands, handover
from daemon.desk.desk import Refused
from daemon.desk.staff import Person, Site, Staff
from daemon.errors import Failure, Temporary
from daemon.log import Once
from daemon.marked_yaml import parse as parse_yaml
from daemon.model import Shift
from daemon.pipeline.hand_over import HandOver, ReadRota
from daemon.pipeline.turn import Turn
from daemon.sla.policy import parse as parse_policy
from daemon.store import handovers
from daemon.store.handovers import Handover
from daemon.worker import directly
from tests.pipeline.doubles import HOUR, MINUTE, NOON, World, signal

CALENDARS = """
early: {tz: UTC, weekly: {mon-fri: ["06:00-14:00"]}}
late: {tz: UTC, weekly: {mon-fri: ["13:00-21:00"]}}
"""


@pytest.fixture(autouse=True)
def staffed(world: World) -> None:
    calendars = parse_policy(parse_yaml(CALENDARS, "c.yaml"), None, None).calendars
    people = {name: Person(name, f"{name}@example.com") for name in ("asha", "lena")}
    sites = {
        "hyderabad": Site("hyderabad", calendars["early"], "asha"), "london": Site("london", calendars["late"], "lena"),
    }  # fmt: skip
    world.terms = replace(world.terms, staff=Staff(people, sites), roles=world.terms.roles | {"notice"})


def step(world: World) -> HandOver:
    return HandOver(world.store, lambda: world.terms)


def handed(world: World) -> list[Handover]:
    with world.store.read() as connection:
        return list(reversed(handovers.recent(connection)))


def test_the_site_that_opens_is_handed_what_stands_open(world: World) -> None:
    """At 13:00 London opens; Hyderabad is still there for an hour and has no longer the queue."""
    world.run(step(world))
    world.hear(signal("a"))
    world.until(NOON + HOUR + MINUTE)
    world.run(step(world), step(world))
    first, second = handed(world)

    assert ("", "hyderabad", 0) == (first.from_site, first.to_site, len(first.tickets))
    assert ("hyderabad", "london", NOON + HOUR) == (second.from_site, second.to_site, second.at)
    assert [(1, "acme", "response", "2026-03-02T12:15:00+00:00")] == [
        (one["ticket"], one["client"], one["goal"], one["due"]) for one in second.tickets
    ]


def test_both_leads_hear_of_it_once(world: World) -> None:
    world.run(step(world))
    world.hear(signal("a"))
    world.until(NOON + HOUR)
    for _ in range(3):
        world.run(step(world))

    (notice,) = [row["body"] for row in world.rows("deliveries") if row["role"] == "notice"]
    assert "hyderabad hands over to london: 1 ticket open" == notice["title"]
    assert ["lena", "asha"] == [one["name"] for one in notice["to"]]


def test_in_a_gap_nobody_is_handed_anything(world: World) -> None:
    """From 21:00 to 06:00 nobody is open; the next handover is to whoever opens."""
    world.run(step(world))
    world.until(NOON + 10 * HOUR)
    world.run(step(world))
    assert ["hyderabad"] == [one.to_site for one in handed(world)]
    duty = world.terms.staff.duty(world.clock.now())
    assert (None, "hyderabad", "asha") == (
        duty.owner, duty.next_owner, world.terms.staff.shift_lead(world.clock.now()),
    )  # fmt: skip


def test_notes_add_up_and_it_is_taken_once(world: World) -> None:
    world.run(step(world))
    with world.store.write() as connection:
        handover.note(world.desk(connection), 1, "Globex calls back.")
        handover.note(world.desk(connection), 1, "At ten.")
        taken = handover.acknowledge(world.desk(connection, "person:lena"), 1)
        with pytest.raises(Refused, match="acknowledged by lena already"):
            handover.acknowledge(world.desk(connection), 1)
        with pytest.raises(Refused, match="there is no handover 9"):
            handover.note(world.desk(connection), 9, "x")

    assert ("Globex calls back.\nAt ten.", "person:lena") == (taken.note, taken.acknowledged_by)


def test_what_is_finished_is_not_handed_over(world: World) -> None:
    world.run(step(world))
    world.hear(signal("a"))
    with world.store.write() as connection:
        commands.resolve(world.desk(connection), 1, "It is back.")
    world.until(NOON + HOUR)
    world.run(step(world))

    assert [] == list(handed(world)[-1].tickets)
    assert [] == [row for row in world.rows("deliveries") if row["role"] == "notice"]


class Pager:
    """Says who is on call, or fails, as it is told."""

    def __init__(self) -> None:
        self.says: tuple[Shift, ...] | Failure = ()

    def on_call(self, now: object) -> tuple[Shift, ...]:
        if isinstance(self.says, Failure):
            raise self.says
        return self.says


def test_what_the_pager_said_last_stands_while_it_cannot_be_asked(world: World) -> None:
    """With its age, so that nobody takes it for news."""

    pager, every = Pager(), timedelta(minutes=5)
    turn = Turn("rota:page", every, "one", world.store, random.Random(1), Once(), logging.getLogger("heliograph.test"))
    read = ReadRota(turn, "page", pager, directly, world.metrics)
    asha = Shift("Asha Rao", "PASHA", "devops", 1, NOON + HOUR)
    pager.says = (asha,)
    world.run(read)
    pager.says = Temporary("unreachable", "no answer")
    world.after(every)
    world.run(read)
    with world.store.read() as connection:
        (rota,) = handovers.rotas(connection)

    assert ((asha,), NOON) == (rota.shifts, rota.seen_at)
