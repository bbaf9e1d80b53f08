"""What is held is looked at again once something may let it go, and costs next to nothing until then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time

from sqlalchemy import Connection

from daemon.desk import silences
from daemon.desk.opening import Opening
from daemon.model import Json
from daemon.pipeline.hold import ByPolicy
from daemon.rules.engine import Engine
from daemon.rules.load import load_text
from daemon.rules.policy import Inhibition, Maintenance, RulePolicy, Selector
from tests.pipeline.doubles import HOUR, MINUTE, NOON, World, recovered, rule, signal
from tests.rules.names import NAMES

DOWN = Selector({"rule": ("down",)})
NOTHING = RulePolicy()
MIDDAY = Maintenance("midday", DOWN, days=frozenset(range(7)), opens=time(11), closes=time(14))


@dataclass
class Asked:
    """Says which openings were asked about."""

    policy: ByPolicy
    titles: list[str] = field(default_factory=list)

    def __call__(self, connection: Connection, opening: Opening, now: datetime) -> Mapping[str, Json] | None:
        self.titles.append(opening.title)
        return self.policy(connection, opening, now)

    def hangs_on(self, connection: Connection, now: datetime) -> object:
        return self.policy.hangs_on(connection, now)


@dataclass
class Turns:
    """One step that settles, as the daemon has it: it knows what it saw."""

    world: World
    policy: RulePolicy = NOTHING

    def __post_init__(self) -> None:
        self.hold = self.world.hold = Asked(ByPolicy(self.policy))
        self.step = self.world.clear()
        self.follow(Engine(self.world.rules))

    def follow(self, engine: Engine) -> None:
        self.step.engine = lambda: engine

    def look(self) -> list[str]:
        """What it asked about."""
        self.hold.titles.clear()
        self.world.run(self.step)
        return sorted(self.hold.titles)


def silence(world: World) -> int:
    with world.store.write() as connection:
        return silences.add(connection, DOWN.lines, "asha", "racks move", HOUR, world.clock.now()).id


def held(world: World) -> list[str]:
    return [each.title for each in world.incidents() if each.held]


def test_as_long_as_nothing_moves_it_is_looked_at_once(world: World) -> None:
    silence(world)
    turns = Turns(world)
    world.hear(signal("a"), signal("b", project="till"))

    assert ["shop is down", "till is down"] == turns.look()
    world.after(10 * MINUTE)
    assert [] == turns.look()
    assert ["shop is down", "till is down"] == held(world)


def test_what_is_heard_of_again_is_looked_at_alone(world: World) -> None:
    silence(world)
    turns = Turns(world)
    world.hear(signal("a"), signal("b", project="till"))
    turns.look()
    world.hear(signal("c", MINUTE, project="till"))

    assert ["till is down"] == turns.look()


def test_it_is_let_go_when_its_silence_ends(world: World) -> None:
    """By itself, at that instant."""
    silence(world)
    turns = Turns(world)
    world.hear(signal("a"))
    turns.look()

    world.until(NOON + HOUR - MINUTE)
    assert [] == turns.look()
    world.until(NOON + HOUR)
    assert (["shop is down"], []) == (turns.look(), held(world))


def test_it_is_let_go_when_a_person_ends_its_silence(world: World) -> None:
    id = silence(world)
    turns = Turns(world)
    world.hear(signal("a"))
    turns.look()
    with world.store.write() as connection:
        silences.expire(connection, id, "asha", world.clock.now())

    assert (["shop is down"], []) == (turns.look(), held(world))


def test_it_is_let_go_when_its_maintenance_ends(world: World) -> None:
    turns = Turns(world, RulePolicy(maintenance=(MIDDAY,)))
    world.hear(signal("a"))
    turns.look()

    world.until(NOON + 2 * HOUR - MINUTE)
    assert [] == turns.look()
    world.until(NOON + 2 * HOUR)
    assert (["shop is down"], []) == (turns.look(), held(world))


def test_it_is_let_go_when_what_inhibits_it_is_over(world: World) -> None:
    slow = "title: slow\nsource: sentry\nmatch: {level: error}\nseverity: 3\nclass: availability\n"
    world.rules = [rule("clear: recovery\n"), load_text("slow", slow, "rules/slow.yaml", NAMES)]
    inhibits = Inhibition("i", DOWN, Selector({"rule": ("slow",)}), ("class",))
    turns = Turns(world, RulePolicy(inhibitions=(inhibits,)))
    world.hear(signal("a"), signal("b", level="error"))
    turns.look()
    assert ([], 1) == (turns.look(), len(held(world)))

    world.hear(recovered("r", 5 * MINUTE))
    assert (1, []) == (len(turns.look()), held(world))


def test_other_rules_look_anew(world: World) -> None:
    """What they say of it may be another."""
    silence(world)
    turns = Turns(world)
    world.hear(signal("a"))
    turns.look()
    turns.follow(Engine(world.rules))

    assert ["shop is down"] == turns.look()


def test_other_policy_looks_anew(world: World) -> None:
    turns = Turns(world, RulePolicy(maintenance=(MIDDAY,)))
    world.hear(signal("a"))
    turns.look()
    turns.hold.policy = ByPolicy(RulePolicy())

    assert (["shop is down"], []) == (turns.look(), held(world))
