"""Sending: what is owed arrives once, whatever became of the answer."""

from __future__ import annotations

from datetime import datetime

import pytest

from daemon.contract import Action
from daemon.desk import commands
from daemon.errors import Ambiguous, Permanent, Temporary
from daemon.pipeline.send import Send
from daemon.pipeline.turn import LEASE
from daemon.worker import WORKED, Idle
from tests.pipeline.doubles import MINUTE, NOON, SECOND, Taker, World, recovered, rule, signal


@pytest.fixture(autouse=True)
def page_owed(world: World) -> None:
    world.rules = [rule("clear: {recovery: true}\n")]
    world.hear(signal("a"))


def page(world: World) -> Taker:
    return world.actions["page"]


def sent(world: World, role: str = "page") -> list[tuple[str, str]]:
    return [(each.verb, each.key.replace(world.incidents()[0].id, "<id>")) for each in world.actions[role].taken]


def until(send: Send, world: World) -> datetime:
    outcome = send.step(world.clock.now())
    assert isinstance(outcome, Idle)
    assert outcome.until is not None
    return outcome.until


def test_a_page_goes_out_and_its_receipt_is_kept(world: World) -> None:
    """In plain words, with where to look."""
    world.run(world.send())

    assert [("open", "hg:<id>:1")] == sent(world)
    assert {"title": "shop is down", "severity": 1, "incident": world.incident.id}.items() <= page(world).taken[
        0
    ].body.items()
    (row,) = world.rows("deliveries")
    assert ("done", 1, "ENG-1") == (row["state"], row["attempts"], row["receipt"]["id"])
    assert Idle(None) == world.send().step(world.clock.now())


def test_two_senders_never_send_the_same(world: World) -> None:
    """While one is at it, the other finds nothing until the lease ends."""
    seen: list[object] = []
    page(world).meanwhile = lambda: seen.append(world.send(holder="two").step(world.clock.now()))

    assert WORKED == world.send(holder="one").step(world.clock.now())
    assert [Idle(NOON + LEASE)] == seen
    assert 1 == len(page(world).taken)


def test_certainly_not_done_is_tried_again(world: World) -> None:
    """After a wait that grows, with jitter; nothing is looked up."""
    page(world).failures = [Temporary("server_error")] * 2
    send, waits = world.send(), []
    for _ in range(2):
        assert WORKED == send.step(world.clock.now())
        due = until(send, world)
        waits.append(due - world.clock.now())
        world.clock.tell(due)
    world.run(send)

    assert 2.5 * SECOND <= waits[0] <= 5 * SECOND <= waits[1] <= 10 * SECOND
    assert (1, 0) == (len(page(world).taken), page(world).looked_up)
    assert [("open", "hg:<id>:1", "done")] == world.deliveries()


def test_the_vendors_own_wait_is_kept(world: World) -> None:
    """However long it is."""
    page(world).failures = [Temporary("rate_limited", after=7 * MINUTE)]
    send = world.send()
    send.step(world.clock.now())

    assert NOON + 7 * MINUTE == until(send, world)
    world.clock.tell(NOON + 7 * MINUTE)
    assert WORKED == send.step(world.clock.now())
    assert 1 == len(page(world).taken)


def test_a_lost_answer_is_looked_up_before_a_second_try(world: World) -> None:
    """It had been done: it is not done again."""
    page(world).failures = [Ambiguous("answer lost")]
    send = world.send()
    send.step(world.clock.now())
    world.clock.tell(until(send, world))
    world.run(send)

    assert (1, 1) == (len(page(world).taken), page(world).looked_up)
    assert [("open", "hg:<id>:1", "done")] == world.deliveries()


def test_a_request_that_never_arrived_is_made_again(world: World) -> None:
    """Once the look-up has said so."""
    page(world).failures = [Ambiguous("timeout")]
    send = world.send()
    send.step(world.clock.now())
    world.clock.tell(until(send, world))
    world.run(send)

    assert (1, 1) == (len(page(world).taken), page(world).looked_up)


def test_nobody_is_asked_before_the_vendor_can_know(world: World) -> None:
    """A search that lags behind would say no, and a second would be filed."""
    page(world).settle = 5 * MINUTE
    page(world).failures = [Ambiguous("answer lost")]
    send = world.send()
    send.step(world.clock.now())
    world.clock.tell(until(send, world))
    send.step(world.clock.now())

    assert 0 == page(world).looked_up
    assert NOON + 5 * MINUTE == until(send, world)
    world.clock.tell(NOON + 5 * MINUTE)
    world.run(send)
    assert (1, 1) == (len(page(world).taken), page(world).looked_up)


def test_an_action_that_cannot_be_asked_is_told_again(world: World) -> None:
    """Its own key makes twice the same as once."""

    class Mute:
        def __init__(self, taker: Taker) -> None:
            self.probe, self.deliver = taker.probe, taker.deliver

    mute: Action = Mute(page(world))
    page(world).failures = [Ambiguous("answer lost")]
    send = world.send()
    send.action = mute
    send.step(world.clock.now())
    world.clock.tell(until(send, world))
    world.run(send)

    assert [("open", "hg:<id>:1")] * 2 == sent(world)


def test_whoever_died_while_sending_leaves_a_doubt(world: World) -> None:
    """The next one takes over when the lease ends, and asks first."""

    def die() -> None:
        raise KeyboardInterrupt

    page(world).meanwhile = die
    with pytest.raises(KeyboardInterrupt):
        world.send(holder="one").step(world.clock.now())
    page(world).meanwhile = lambda: None
    world.run(world.send(holder="two"))
    assert (0, 0) == (len(page(world).taken), page(world).looked_up)
    world.clock.tell(NOON + LEASE)
    world.run(world.send(holder="two"))

    assert (1, 1) == (len(page(world).taken), page(world).looked_up)


def test_whoever_wakes_after_its_lease_records_nothing(world: World) -> None:
    """The one that took over has the say; the page went out once."""
    page(world).failures = [Ambiguous("answer lost")]

    def sleep_on() -> None:
        page(world).meanwhile = lambda: None
        world.after(LEASE)
        world.run(world.send(holder="two"))

    page(world).meanwhile = sleep_on
    world.send(holder="one").step(world.clock.now())
    (row,) = world.rows("deliveries")

    assert 2 == row["attempts"]
    assert 1 == page(world).looked_up


def test_what_is_refused_for_good_is_an_incident_of_ours(world: World) -> None:
    """It is not tried again, and somebody learns of it; the pages after it still go out."""
    page(world).failures = [Permanent("invalid", "the routing key is unknown")]
    world.run(world.send())

    assert "dead" == world.deliveries()[0][2]
    ours = next(each for each in world.incidents() if each.origin == "daemon")
    assert ("daemon/undeliverable", "open") == (ours.rule, ours.state)
    assert ours.title.endswith("was refused: invalid: the routing key is unknown")
    assert ["acme", "internal"] == [ticket.client for ticket in world.tickets()]
    world.hear(signal("b", project="till"))
    world.run(world.send())
    assert 1 == len(page(world).taken)


def test_a_page_for_what_is_over_is_not_sent(world: World) -> None:
    """It certainly never left: nobody is woken, and nothing is there to resolve."""
    world.hear(recovered("b", MINUTE))
    world.run(world.send())

    assert ([], [("open", "hg:<id>:1", "cancelled")]) == (sent(world), world.deliveries())


def test_a_page_that_waits_for_another_try_is_not_sent_either(world: World) -> None:
    """It was tried and certainly not done, and meanwhile the trouble went away."""
    page(world).failures = [Temporary("server_error")]
    world.send().step(world.clock.now())
    world.hear(recovered("b", MINUTE))
    world.after(10 * MINUTE)
    world.run(world.send())

    assert [] == sent(world)
    assert [("open", "hg:<id>:1", "cancelled")] == world.deliveries()


def test_a_page_that_was_under_way_when_it_ended_is_not_tried_again(world: World) -> None:
    """It could not be taken back then, and turned out not to have left."""

    def clear_meanwhile() -> None:
        page(world).meanwhile = lambda: None
        world.hear(recovered("b", MINUTE))

    world.after(MINUTE)
    page(world).meanwhile = clear_meanwhile
    page(world).failures = [Temporary("server_error")]
    world.send().step(world.clock.now())
    world.after(10 * MINUTE)
    world.run(world.send())

    assert ("open", "hg:<id>:1", "cancelled") == world.deliveries()[0]
    assert "open" not in [verb for verb, _ in sent(world)]


def test_a_page_that_may_have_left_is_resolved(world: World) -> None:
    """In order: its doubt is settled first, then its end is sent."""
    page(world).settle = 5 * MINUTE
    page(world).failures = [Ambiguous("answer lost")]
    world.send().step(world.clock.now())
    world.hear(recovered("b", MINUTE))
    world.run(world.send())
    assert [("open", "hg:<id>:1")] == sent(world)
    world.after(10 * MINUTE)
    world.run(world.send())

    assert [("open", "hg:<id>:1"), ("close", "hg:<id>:1")] == sent(world)
    assert ["done", "done"] == [state for _, _, state in world.deliveries()]


def test_each_role_has_senders_of_its_own(world: World) -> None:
    """A vendor that is down holds back nothing but its own."""
    world.rules = [rule("class: defect\n")]
    world.hear(signal("b", project="till"))
    page(world).failures = [Temporary("timeout")] * 9
    for role in ("page", "defect"):
        world.send(role).step(world.clock.now())

    assert (0, 1) == (len(page(world).taken), len(world.actions["defect"].taken))


def test_a_failure_is_counted_by_its_reason(world: World) -> None:
    """Waiting for a vendor's search is no failure."""
    page(world).settle = 5 * MINUTE
    page(world).failures = [Ambiguous("timeout")]
    send = world.send()
    send.step(world.clock.now())
    world.clock.tell(until(send, world))
    send.step(world.clock.now())

    def failures(reason: str) -> float | None:
        labels = {"target": "page", "operation": "open", "reason": reason}
        return world.registry.get_sample_value("heliograph_outbound_request_failures_total", labels)

    assert (1, None) == (failures("timeout"), failures("settling"))


def test_a_resolved_incident_resolves_its_page_once(world: World) -> None:
    """Resolving it by hand after it cleared owes nothing new."""
    world.run(world.send())
    world.hear(recovered("b", MINUTE))
    with world.store.write() as connection:
        commands.resolve(world.desk(connection), 1, "It is back.")
    world.run(world.send())

    assert [("open", "hg:<id>:1"), ("close", "hg:<id>:1")] == sent(world)
    assert "ended" == world.incident.state
