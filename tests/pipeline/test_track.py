"""Tracking: what comes back from outside changes our tickets through the desk, each fact once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from daemon.desk.staff import Person, Staff
from daemon.errors import Temporary
from daemon.model import Fact, FactKind
from tests.pipeline.doubles import MINUTE, NOON, SECOND, World, kinds, recovered, rule, signal


@pytest.fixture(autouse=True)
def paged(world: World) -> None:
    """Of acme, whose contract wants an answer, and globex, whose counts an acknowledgement as one."""
    world.rules = [rule("clear: {recovery: true}\n", clients="[acme, globex]")]
    world.hear(signal("a"))
    world.run(world.send())
    world.after(5 * MINUTE)


def key(world: World) -> str:
    return f"hg:{world.incident.id}:1"


def test_an_acknowledged_page_answers_where_the_contract_says_so(world: World) -> None:
    """At the time of the fact; the work is begun for both."""
    world.heard.say(FactKind.ACKNOWLEDGED, "f1", key(world), NOON + 2 * MINUTE)
    world.run(world.track())

    assert ["in_progress", "in_progress"] == [ticket.state for ticket in world.tickets()]
    assert ("running", None) == (world.clock_of("response", 1)["state"], world.clock_of("response", 1)["stopped_at"])
    answered = world.clock_of("response", 2)
    assert ("stopped", NOON + 2 * MINUTE, None) == (answered["state"], answered["stopped_at"], answered["breached_at"])
    assert ("person:asha", "acknowledged") == (world.log(2)[-1].actor, world.log(2)[-1].body["via"])


def test_a_fact_told_again_changes_nothing(world: World) -> None:
    """Feeds look back over what they saw."""
    for _ in range(2):
        world.heard.say(FactKind.ACKNOWLEDGED, "f1", key(world), NOON + 2 * MINUTE)
        world.run(world.track())
        world.after(10 * SECOND)

    assert ["opened", "acknowledged"] == kinds(world.log())
    assert 1 == len(world.rows("facts"))


def test_a_page_resolved_by_hand_while_it_is_broken_is_an_acknowledgement(world: World) -> None:
    """It resolves no ticket: what is owed to a client is not paid by a click."""
    world.heard.say(FactKind.RESOLVED, "f1", key(world), NOON + 2 * MINUTE)
    world.run(world.track())

    assert ("open", "in_progress") == (world.incident.state, world.tickets()[0].state)
    assert "resolved" == world.log()[-1].body["via"]


def test_a_page_resolved_after_it_cleared_says_nothing(world: World) -> None:
    """It is our own resolve that comes back."""
    world.hear(recovered("b", 3 * MINUTE))
    world.heard.say(FactKind.RESOLVED, "f1", key(world), NOON + 4 * MINUTE)
    world.run(world.track())

    assert ["opened", "recovered"] == kinds(world.log())


def test_a_note_on_the_page_is_kept_among_ourselves(world: World) -> None:
    """It is no answer to the client."""
    world.heard.say(FactKind.NOTED, "f1", key(world), NOON + 2 * MINUTE, "the disk is full")
    world.run(world.track())
    noted = world.log()[-1]

    assert ("message", "the disk is full", False) == (noted.kind, noted.body["text"], noted.body["public"])
    assert ("new", "running") == (world.tickets()[0].state, world.clock_of("response", 2)["state"])


def test_a_fact_from_before_our_opening_counts_from_the_opening(world: World) -> None:
    """Their clock is not ours: no answer is older than its ticket, and none is in the future."""
    world.heard.say(FactKind.ACKNOWLEDGED, "f1", key(world), NOON - MINUTE)
    world.heard.say(FactKind.NOTED, "f2", key(world), NOON + 60 * MINUTE, "x")
    world.run(world.track())

    assert [NOON, NOON, NOON + 5 * MINUTE] == [event.effective_at for event in world.log()]


def test_what_speaks_of_nothing_of_ours_is_let_be(world: World) -> None:
    """A vendor's account has pages of others too."""
    world.heard.say(FactKind.ACKNOWLEDGED, "f1", "hg:somebody-else:1", NOON)
    world.run(world.track())

    assert ["opened"] == kinds(world.log())


def test_a_feed_that_fails_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cursor stays."""

    def fail(*_: object) -> None:
        raise Temporary("timeout")

    world.run(world.track())
    world.after(10 * SECOND)
    with monkeypatch.context() as patch:
        patch.setattr(world.heard, "poll", fail)
        world.track().step(world.clock.now())
    (row,) = [row for row in world.rows("polls") if row["name"] == "feed:page"]

    assert ({"n": 0}, "timeout", 1) == (row["cursor"], row["reason"], row["failures"])


def test_who_takes_the_page_has_the_ticket(world: World) -> None:
    """A colleague is known by their id in PagerDuty, whatever their name is there; a stranger takes it and no more."""
    asha = Person("asha", "asha@example.com", "PASHA")
    world.terms = replace(world.terms, staff=Staff({"asha": asha}))
    for number, user in enumerate(("PNOBODY", "PASHA")):
        fact = Fact(FactKind.ACKNOWLEDGED, f"f{number}", key(world), NOON + MINUTE, "A. Rao", fields={"user": user})
        world.heard.facts.append(fact)
        world.run(world.track())
        world.after(10 * SECOND)
        assert ["", "asha"][number] == world.tickets()[0].assignee

    assert ["person:A. Rao", "person:asha", "person:asha"] == [each.actor for each in world.log()[1:]]
