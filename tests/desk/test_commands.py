"""The desk: what people do to tickets and incidents, what follows at once, and what is refused in words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from daemon.desk import broadcast, commands
from daemon.desk.desk import Desk, Refused
from daemon.model import Ticket
from daemon.store import tickets as store
from tests.pipeline.doubles import HOUR, MINUTE, NOON, World, kinds, recovered, rule, signal

ASHA = "person:asha"


@pytest.fixture(autouse=True)
def tickets(world: World) -> None:
    """Ticket 1 is acme's, whose contract wants an answer in words; 2 is globex's, where an acknowledgement is one."""
    world.rules = [rule("clear: {recovery: true}\n", clients="[acme, globex]")]
    world.hear(signal("a"))


def acknowledge(world: World, number: int = 1) -> Ticket:
    with world.store.write() as connection:
        return commands.acknowledge(world.desk(connection), number)


def reply(world: World, number: int = 1, text: str = "We are on it.", *, public: bool = True) -> Ticket:
    with world.store.write() as connection:
        return commands.reply(world.desk(connection), number, text, public=public)


def resolve(world: World, number: int = 1, text: str = "It is back.") -> Ticket:
    with world.store.write() as connection:
        return commands.resolve(world.desk(connection), number, text)


def close(world: World, number: int = 1) -> Ticket:
    with world.store.write() as connection:
        return commands.close(world.desk(connection), number)


def stands(world: World, goal: str, number: int = 1) -> tuple[str, object]:
    clock = world.clock_of(goal, number)
    return clock["state"], clock["stopped_at"]


# acknowledge


def test_who_acknowledges_takes_the_ticket(world: World) -> None:
    """It is in progress, and the log says by whom."""
    assert "in_progress" == acknowledge(world).state
    assert [("opened", "rule:down"), ("acknowledged", ASHA)] == [(each.kind, each.actor) for each in world.log()]


def test_an_acknowledgement_answers_only_by_contract(world: World) -> None:
    """Acme wants words; globex is content."""
    world.after(5 * MINUTE)
    acknowledge(world, 1)
    acknowledge(world, 2)

    assert ("running", None) == stands(world, "response", 1)
    assert ("stopped", NOON + 5 * MINUTE) == stands(world, "response", 2)
    assert [(2, "response", "decision")] == [(row["ticket"], row["goal"], row["kind"]) for row in world.counted()]


def test_what_is_acknowledged_again_stays_as_it_is(world: World) -> None:
    """A second pair of hands is written down."""
    acknowledge(world, 2)
    world.after(MINUTE)

    assert "in_progress" == acknowledge(world, 2).state
    assert ("stopped", NOON) == stands(world, "response", 2)


# reply


def test_a_public_reply_is_the_first_response(world: World) -> None:
    """The response clock stops, resolution runs on; only the first one counts."""
    world.after(5 * MINUTE)
    assert "in_progress" == reply(world).state
    world.after(5 * MINUTE)
    reply(world, text="Still at it.")

    assert ("stopped", NOON + 5 * MINUTE) == stands(world, "response")
    assert ("running", None) == stands(world, "resolution")
    assert ["opened", "message", "message"] == kinds(world.log())
    assert [1, 2, 3] == [each.sequence for each in world.log()]


def test_a_note_answers_nobody(world: World) -> None:
    """It is among ourselves."""
    assert "new" == reply(world, text="Looks like the disk.", public=False).state
    assert ("running", None) == stands(world, "response")
    assert False is world.log()[-1].body["public"]


def test_a_late_reply_is_a_breach_and_stops_the_clock(world: World) -> None:
    """The deadline is an instant; what was missed stays missed."""
    world.after(15 * MINUTE + timedelta(seconds=1))
    reply(world)

    assert NOON + 15 * MINUTE == world.clock_of("response")["breached_at"]
    assert ["decision", "breach"] == [row["kind"] for row in world.counted() if row["ticket"] == 1]


def test_a_reply_on_what_is_resolved_opens_nothing(world: World) -> None:
    """A thank-you is answered, and the ticket stays resolved."""
    resolve(world)

    assert "resolved" == reply(world, text="Glad to hear it.").state
    assert "stopped" == world.clock_of("resolution")["state"]


def test_the_same_acknowledgement_is_written_once(world: World) -> None:
    """By its own id, whichever way it came."""
    for _ in range(2):
        with world.store.write() as connection:
            desk = Desk(connection, world.terms, "pagerduty:PXASHA1", NOON, NOON, "f1")
            commands.page_acknowledged(desk, world.incident.id, "page")

    assert ["opened", "acknowledged"] == kinds(world.log())


def test_a_reply_to_all_is_on_each_ticket(world: World) -> None:
    """Each with its own clock; a finished one is let be."""
    resolve(world, 2)
    with world.store.write() as connection:
        told = broadcast.reply_to_all(world.desk(connection), world.incident.id, "We see it.")

    assert [1] == [ticket.id for ticket in told]
    assert ("stopped", NOON) == stands(world, "response", 1)
    assert ["opened", "resolved"] == kinds(world.log(2))


# resolve and close


def test_what_is_resolved_stops_every_clock(world: World) -> None:
    """The word to the client that goes with it is an answer, if none came before."""
    world.after(5 * MINUTE)

    assert "resolved" == resolve(world).state
    assert [("stopped", NOON + 5 * MINUTE)] * 2 == [stands(world, "response"), stands(world, "resolution")]
    assert "It is back." == world.log()[-1].body["text"]


def test_the_last_ticket_resolved_ends_the_incident_and_resolves_the_page(world: World) -> None:
    """Not before; once."""
    world.run(world.send())
    resolve(world, 1)
    assert ("open", 1) == (world.incident.state, len(world.deliveries()))
    world.after(MINUTE)
    resolve(world, 2)

    assert ("ended", NOON + MINUTE) == (world.incident.state, world.incident.ended_at)
    assert [("open", "hg:<id>:1", "done"), ("close", "hg:<id>:1", "pending")] == world.deliveries()


def test_a_page_that_never_left_is_taken_back(world: World) -> None:
    """Nobody is woken for what is resolved."""
    resolve(world, 1)
    resolve(world, 2)

    assert [("open", "hg:<id>:1", "cancelled")] == world.deliveries()


def test_resolving_all_ends_the_incident(world: World) -> None:
    """Each ticket with its own event."""
    with world.store.write() as connection:
        done = broadcast.resolve_all(world.desk(connection), world.incident.id, "It is back.")

    assert (["resolved", "resolved"], "ended") == ([ticket.state for ticket in done], world.incident.state)


def test_the_client_closes_what_is_resolved(world: World) -> None:
    """Validated: nothing is owed any more."""
    resolve(world)

    assert "closed" == close(world).state
    assert ["opened", "resolved", "closed"] == kinds(world.log())


# reopening


def test_what_breaks_again_reopens_the_ticket(world: World) -> None:
    """The time that it lay resolved is free: the promise goes on with what was left of it."""
    world.after(HOUR)
    resolve(world, 1)
    resolve(world, 2)
    world.after(HOUR / 2)
    world.hear(signal("b", 90 * MINUTE))
    reopened_at = world.incident.opened_at

    assert ("open", 2) == (world.incident.state, world.incident.episode)
    assert ["in_progress", "in_progress"] == [ticket.state for ticket in world.tickets()]
    assert ["opened", "resolved", "reopened"] == kinds(world.log())
    resolution = world.clock_of("resolution")
    assert ("running", 1, reopened_at + 3 * HOUR) == (resolution["state"], resolution["cycle"], resolution["deadline"])


def test_a_closed_ticket_stays_closed(world: World) -> None:
    """The client gets a new one for the next episode."""
    for number in (1, 2):
        resolve(world, number)
        close(world, number)
    world.after(MINUTE)
    world.hear(signal("b", MINUTE + MINUTE))

    assert [("closed", "acme"), ("closed", "globex"), ("new", "acme"), ("new", "globex")] == [
        (ticket.state, ticket.client) for ticket in world.tickets()
    ]


def test_what_breaks_much_later_is_a_new_incident(world: World) -> None:
    """With a ticket and a promise of its own."""
    resolve(world, 1)
    resolve(world, 2)
    world.after(3 * HOUR)
    world.hear(signal("b", 3 * HOUR))

    assert [("ended", 1), ("open", 1)] == [(each.state, each.episode) for each in world.incidents()]
    assert 4 == len(world.tickets())


# recovery


def test_a_recovery_resolves_nothing_that_a_client_is_owed(world: World) -> None:
    """Each ticket says that it recovered, and its clocks run."""
    world.hear(recovered("b", MINUTE))

    assert ["new", "new"] == [ticket.state for ticket in world.tickets()]
    assert [["opened", "recovered"]] * 2 == [kinds(world.log(number)) for number in (1, 2)]


def test_our_own_ticket_resolves_itself_if_nobody_touched_it(world: World) -> None:
    """Whoever has begun something finishes it."""
    world.rules = [rule("clear: {recovery: true}\n", clients="none")]
    world.hear(signal("c", MINUTE, project="till"), signal("d", MINUTE, project="docs"))
    ours = {ticket.title: ticket.id for ticket in world.tickets()}
    acknowledge(world, ours["docs is down"])
    for project in ("till", "docs"):
        world.hear(recovered(f"{project}-back", 5 * MINUTE, project=project))
    states = {ticket.title: ticket.state for ticket in world.tickets()}

    assert ("resolved", "in_progress") == (states["till is down"], states["docs is down"])


# refusals


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (lambda world: acknowledge(world, 99), "there is no ticket 99"),
        (lambda world: reply(world, 99), "there is no ticket 99"),
        (lambda world: close(world, 1), "ticket 1 is new; only a resolved one can be closed"),
        (lambda world: resolve(world, 3), "there is no ticket 3"),
        (lambda world: resolve(world, 1, " \n"), "say something: the message is empty"),
        (lambda world: reply(world, 1, ""), "say something: the message is empty"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(world: World, command: Callable[[World], Ticket], said: str) -> None:
    """And leaves everything as it was."""
    before = [world.rows(table) for table in ("tickets", "events", "clocks", "deliveries")]
    with pytest.raises(Refused) as refused:
        command(world)

    assert said == str(refused.value)
    assert before == [world.rows(table) for table in ("tickets", "events", "clocks", "deliveries")]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (acknowledge, "ticket 1 is resolved already"),
        (resolve, "ticket 1 is resolved already"),
    ],
)
def test_what_is_finished_is_not_finished_again(world: World, command: Callable[[World], Ticket], said: str) -> None:
    """Two people who resolve at once resolve it once."""
    resolve(world)
    with pytest.raises(Refused) as refused:
        command(world)

    assert said == str(refused.value)
    assert ["opened", "resolved"] == kinds(world.log())


def test_nothing_is_said_on_a_cancelled_ticket(world: World) -> None:
    """It was merged or a false alarm: whoever reads it reads another."""
    with world.store.write() as connection:
        store.change(connection, 1, state="cancelled")
    with pytest.raises(Refused, match="ticket 1 is cancelled"):
        reply(world)

    assert ["opened"] == kinds(world.log())


def test_an_unknown_incident_is_refused(world: World) -> None:
    """By its name."""
    with world.store.write() as connection, pytest.raises(Refused, match="there is no incident nowhere"):
        broadcast.resolve_all(world.desk(connection), "nowhere", "x")
