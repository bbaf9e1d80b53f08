"""A resolved ticket waits for its client's word, and after some days somebody is asked to fetch it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from daemon.desk import commands
from daemon.desk.staff import Person, Staff
from daemon.pipeline.remind import Remind
from tests.pipeline.doubles import World, kinds, signal

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def resolved(world: World) -> None:
    """By Asha, who has it."""
    staff = Staff({"asha": Person("asha", "asha@example.com")})
    world.terms = replace(world.terms, staff=staff, roles=world.terms.roles | {"notice"})
    world.hear(signal("a"))
    with world.store.write() as connection:
        commands.acknowledge(world.desk(connection), 1)
        commands.resolve(world.desk(connection), 1, "It is back.")


def remind(world: World) -> list[str]:
    """The titles of what is owed by then."""
    world.run(Remind(world.store, lambda: world.terms))
    return [row["body"]["title"] for row in world.rows("deliveries") if row["role"] == "notice"]


def test_whoever_has_it_is_asked_once(world: World) -> None:
    """After three days, as the contract has it by default; the ticket stays as it is."""
    world.after(3 * DAY - timedelta(seconds=1))
    assert [] == remind(world)
    world.after(timedelta(seconds=1))
    assert ["Ticket 1 (acme) waits for its client's validation: shop is down"] == remind(world)
    world.after(30 * DAY)
    assert 1 == len(remind(world))

    assert ("resolved", "reminded") == (world.ticket.state, kinds(world.log())[-1])
    (notice,) = [row["body"] for row in world.rows("deliveries") if row["role"] == "notice"]
    assert ["asha"] == [one["name"] for one in notice["to"]]


def test_what_is_closed_or_open_again_is_not_asked_for(world: World) -> None:
    with world.store.write() as connection:
        commands.reopen(world.desk(connection), 1, "It is not.")
    world.after(4 * DAY)
    assert [] == remind(world)
    with world.store.write() as connection:
        commands.resolve(world.desk(connection), 1, "Now it is.")
        commands.close(world.desk(connection), 1)
    world.after(4 * DAY)
    assert [] == remind(world)


def test_resolved_again_it_is_asked_for_again(world: World) -> None:
    world.after(3 * DAY)
    remind(world)
    with world.store.write() as connection:
        commands.reopen(world.desk(connection), 1, "It is not.")
        commands.resolve(world.desk(connection), 1, "Now it is.")
    world.after(3 * DAY)

    assert 2 == len(remind(world))
