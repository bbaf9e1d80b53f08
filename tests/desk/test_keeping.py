"""What was promised is kept: contracts as they were written then, calendars as they were open then."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from daemon.desk import commands, keeping
from daemon.errors import ConfigError
from daemon.marked_yaml import parse as parse_yaml
from daemon.pipeline.refold import Refold
from daemon.sla.policy import Policy
from daemon.sla.policy import parse as parse_policy
from daemon.store import policies
from daemon.store.policies import Kept
from daemon.worker import Idle
from tests.pipeline.doubles import HOUR, MINUTE, NOON, World, signal

HOURS = '{tz: UTC, weekly: {mon-sun: ["00:00-14:00"]}}'
LONGER = '{tz: UTC, weekly: {mon-sun: ["00:00-20:00"]}}'
SHORTER = '{tz: UTC, weekly: {mon-sun: ["00:00-12:30"]}}'


def policy(hours: str = HOURS, target: str = "3h", name: str = "gold") -> Policy:
    rows = f"{{1: {{target: {target}, calendar: desk}}, 2: null, 3: null, 4: null}}"
    text = (
        f"calendars: {{desk: {hours}}}\n"
        f"contracts: {{{name}: {{goals: {{response: {rows}}}}}}}\n"
        f"clients: {{acme: {{contract: {name}}}}}\n"
    )
    parts = parse_yaml(text, "config.yaml")
    return parse_policy(parts["calendars"], parts["contracts"], parts["clients"])


def take(world: World, written: Policy) -> None:
    """As a start or a reload does."""
    with world.store.write() as connection:
        world.terms = replace(world.terms, policy=keeping.take(connection, written, world.clock.now()))


def refold(world: World) -> None:
    world.run(Refold(world.store, lambda: world.terms))


def due(world: World, number: int = 1) -> datetime:
    found = world.clock_of("response", number)["deadline"]
    assert isinstance(found, datetime)
    return found


@pytest.fixture(autouse=True)
def ticket(world: World) -> None:
    """Opened at noon, two open hours before closing: due in the second hour of tomorrow."""
    take(world, policy())
    world.hear(signal("a"))
    assert NOON + 13 * HOUR == due(world)


def test_a_ticket_keeps_the_text_that_it_was_opened_with(world: World) -> None:
    """Rewritten in place, a version is another one for those that are opened later."""
    take(world, policy(target="1h"))
    world.hear(signal("b", project="till"))
    world.after(MINUTE)
    with world.store.write() as connection:
        for number in (1, 2):
            commands.reply(world.desk(connection), number, "note", public=False)

    assert ["gold@first", "gold@first~2"] == [each.contract for each in world.tickets()]
    assert [NOON + 13 * HOUR, world.tickets()[1].opened_at + HOUR] == [due(world, 1), due(world, 2)]


def test_what_is_written_back_is_what_it_was(world: World) -> None:
    """The same text has the same name, and no third one is kept."""
    take(world, policy(target="1h"))
    take(world, policy())
    world.hear(signal("b", project="till"))

    assert ["gold@first", "gold@first"] == [each.contract for each in world.tickets()]
    assert [1, 2] == [row["number"] for row in world.rows("policies") if row["what"] == "contract"]


def test_a_contract_that_is_gone_is_kept_with_its_calendar(world: World) -> None:
    """Nobody has to keep it written."""
    parts = parse_yaml("clients: {}", "config.yaml")
    take(world, parse_policy(None, None, parts["clients"]))

    assert [] == world.terms.policy.missing(["gold@first"])
    assert 3 * 3600 == world.terms.policy.pinned("gold@first").goals["response"][1].target  # type: ignore[union-attr]


def test_open_clocks_follow_changed_hours_from_then_on(world: World) -> None:
    """What was open until then stays counted; the deadline is that of the new hours, without an event."""
    world.until(NOON + HOUR)
    take(world, policy(LONGER))
    refold(world)

    assert NOON + 3 * HOUR == due(world)
    assert [] == world.rows("refolds")


def test_a_breach_is_not_undone_by_a_calendar(world: World) -> None:
    """Nor does what is closed change: hours that would never have been open are taken from now on only."""
    world.until(NOON + 13 * HOUR + MINUTE)
    world.run(world.clocks())
    take(world, policy(SHORTER))
    refold(world)

    assert NOON + 13 * HOUR == world.clock_of("response")["breached_at"]
    assert ["decision", "breach"] == [row["kind"] for row in world.counted()]


def test_a_change_that_is_told_before_it_comes_counts_from_its_instant(world: World) -> None:
    """Half an hour later the desk is open until the evening."""
    later = f"[{SHORTER}, {{effective_from: 2026-03-02T13:30:00Z, {LONGER[1:]}]"
    take(world, policy(later))
    refold(world)

    assert NOON + 4 * HOUR == due(world)


def test_nothing_is_counted_anew_where_nothing_changed(world: World) -> None:
    """A start with the same calendars asks for nothing."""
    take(world, policy())

    assert [] == world.rows("refolds")


def test_another_release_of_the_zones_has_open_clocks_counted_anew(world: World) -> None:
    """In batches, each its own transaction; a crash between two goes on where it was."""
    world.hear(signal("b", project="till"))
    with world.store.write() as connection:
        policies.keep(connection, [Kept("tzdata", "tzdata", 2, "1999a", "", NOON)])
    take(world, policy())
    step = Refold(world.store, lambda: world.terms, at_once=1)
    step.step(world.clock.now())

    assert [("tzdata tzdata", 1, 1)] == [(row["why"], row["after"], row["done"]) for row in world.rows("refolds")]
    world.run(step)
    assert [] == world.rows("refolds")
    assert isinstance(step.step(world.clock.now()), Idle)


def test_a_read_only_look_goes_by_the_same_versions(world: World) -> None:
    """It keeps nothing."""
    take(world, policy(target="1h"))
    with world.store.read() as connection:
        seen = keeping.as_kept(connection, policy(target="2h"), world.clock.now())

    assert "gold@first~3" == seen.contract_for("acme", NOON).version
    assert 3 * 3600 == seen.pinned("gold@first").goals["response"][1].target  # type: ignore[union-attr]
    assert 2 == len([row for row in world.rows("policies") if row["what"] == "contract"])


@pytest.mark.parametrize(
    ("versions", "told"),
    [
        (f"[{HOURS}, {LONGER}]", "each version after the first needs 'effective_from'"),
        ("[]", "has no version"),
        (
            f"[{{effective_from: 2026-03-02T00:00:00Z, {HOURS[1:]}, {{effective_from: 2026-03-01T00:00Z, {HOURS[1:]}]",
            "its versions are not in order",
        ),
        ("[{union: [24x7]}]", "a version cannot be a union"),
    ],
)
def test_versions_that_cannot_be_told_apart_are_refused(versions: str, told: str) -> None:
    """In words, with the place."""
    with pytest.raises(ConfigError, match=told):
        policy(versions)
