"""Windows, rules over rules and episodes through the store: the same whatever the order, and after a crash."""

from __future__ import annotations

import random
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from daemon.desk import silences as desk
from daemon.model import Signal
from daemon.pipeline.hold import ByPolicy
from daemon.pipeline.settle import Settle
from daemon.report.reasons import OUTCOMES, reason
from daemon.rules.explain import explained
from daemon.rules.load import load_text
from daemon.rules.model import Clear, Rule
from daemon.rules.policy import Inhibition, Problem, RulePolicy, Selector
from daemon.rules.resolve import resolve
from daemon.store import windows
from tests.pipeline.doubles import HOUR, MINUTE, NOON, SECOND, Holding, World, recovered, rule, signal, world_at
from tests.rules.names import NAMES


def rules(**texts: str) -> list[Rule]:
    """Rules by id, which may name one another."""
    read = {id: load_text(id, text, f"{id}.yaml", NAMES) for id, text in texts.items()}
    found, wrong = resolve(read, {})
    assert [] == wrong
    return found


BASE = "source: sentry\nseverity: 1\nclass: availability\ngroup_by: [project]\n"
SILENT = BASE + "silent: true\ntitle: '{project}'\n"


def told(world: World) -> list[tuple[str, int, list[tuple[int, str]]]]:
    """Each incident: its key, its episodes, and which signals are evidence of which of them."""
    ids = {row["row"]: row["id"] for row in world.rows("signals")}
    proofs = [(row["incident"], row["episode"], ids[row["signal"]]) for row in world.rows("evidence")]
    return sorted(
        (row["key"], row["episode"], sorted((number, signal) for id, number, signal in proofs if id == row["id"]))
        for row in world.rows("incidents")
    )


def test_a_silence_is_told_once_its_source_is_read_past_it(world: World) -> None:
    """And not while the source fails: a blind poller is no silence."""
    world.rules = rules(heart=BASE + "title: '{project} is silent'\nmatch: {level: fatal}\nwindow: {absent: 10m}\n")
    world.hear(signal("a"), watermark=NOON)
    world.after(20 * MINUTE)
    world.settle()
    assert [] == world.incidents()

    world.hear(watermark=NOON + 11 * MINUTE)
    world.settle()
    assert ("shop is silent", NOON + 10 * MINUTE) == (world.incident.title, world.incident.began_at)

    world.hear(signal("b", 15 * MINUTE), watermark=NOON + 16 * MINUTE)
    world.settle()
    assert "open" != world.incidents()[0].state


def test_a_rule_over_others_opens_when_they_fire_in_order(world: World) -> None:
    """Though they themselves open nothing."""
    world.rules = rules(
        fail=SILENT + "match: {level: error}\nwindow: {count: 2, within: 5m}\n",
        win=SILENT + "match: {level: fatal}\n",
        both="title: '{project} fell'\nseverity: 1\nclass: availability\ngroup_by: [project]\n"
        "window: {sequence: [fail, win], within: 15m}\n",
    )
    world.hear(signal("w0"), signal("f1", MINUTE, level="error"), signal("w1", 2 * MINUTE))
    assert [] == world.incidents()

    world.hear(signal("f2", 3 * MINUTE, level="error"), signal("w2", 4 * MINUTE))
    assert ("both", "shop fell") == (world.incident.rule, world.incident.title)
    assert [("both", 1, [(1, "f2"), (1, "w0"), (1, "w1"), (1, "w2")])] == [
        (key.split()[0], n, proof) for key, n, proof in told(world)
    ]


@pytest.mark.parametrize("clear", ["{quiet_for: 10m}", "{quiet_for: 3m}", "never"])
@pytest.mark.parametrize("window", ["", "window: {count: 2, within: 5m}\n"])
def test_the_order_of_arrival_changes_no_episode(tmp_path: Path, clear: str, window: str) -> None:
    """Twelve orders of fifteen troubles, each up to ten minutes late."""
    chance = random.Random(f"{clear}{window}")
    for turn in range(12):
        seconds = chance.sample(range(3600), 15)
        happened = [signal(f"s{n}", second * SECOND) for n, second in enumerate(seconds)]
        outcomes = []
        for lateness in (0, 10):
            folder = tmp_path / f"{turn}-{lateness}"
            folder.mkdir()
            with contextmanager(world_at)(folder) as world:
                world.rules = [rule(f"clear: {clear}\nreopen_within: 30d\n{window}")]
                _arrive(world, happened, lateness, chance)
                outcomes.append(told(world))

        assert outcomes[0] == outcomes[1]


def _arrive(world: World, happened: list[Signal], lateness: int, chance: random.Random) -> None:
    """Each is heard when it arrives, and the source is read as far as it can be."""
    late = {each.id: timedelta(minutes=chance.randint(0, lateness)) for each in happened}
    waiting = sorted(happened, key=lambda each: (each.at + late[each.id], each.at, each.id))
    while waiting:
        each, *waiting = waiting
        world.until(each.at + late[each.id])
        mark: datetime = min([one.at for one in waiting], default=each.at) - timedelta(seconds=1)
        world.hear(each, watermark=mark)
        world.settle()
    world.until(NOON + timedelta(hours=3))
    world.hear(watermark=NOON + timedelta(hours=3))
    world.settle()


def test_a_recovery_that_overtook_its_trouble_ends_it(world: World) -> None:
    """They happened the other way round."""
    world.rules = [rule("clear: recovery\n")]
    world.hear(recovered("r", 5 * MINUTE))
    world.hear(signal("a"))

    assert NOON + 5 * MINUTE == world.rows("incidents")[0]["over_at"]


def test_a_recovery_between_two_troubles_parts_them_though_it_comes_last(world: World) -> None:
    """The second is an episode of its own, and is paged anew."""
    world.rules = [rule("clear: recovery\n")]
    world.hear(signal("a"), signal("b", 10 * MINUTE))
    assert 1 == world.incident.episode

    world.hear(recovered("r", 5 * MINUTE))
    assert [(2, [(1, "a"), (1, "r"), (2, "b")])] == [(number, proofs) for _, number, proofs in told(world)]
    assert ("open", 2) == (world.incident.state, world.incident.page)


def test_each_word_of_a_rule_is_recorded(world: World) -> None:
    """Too few, then enough, then one more."""
    world.rules = [rule("window: {count: 2, within: 5m}\n")]
    world.hear(signal("a"), signal("b", MINUTE), signal("c", 2 * MINUTE))

    assert [("below", {"count": 1, "of": 2}), ("opened", {"count": 2}), ("joined", {"count": 3})] == [
        (row["outcome"], {name: row["detail"][name] for name in ("count", "of") if name in row["detail"]})
        for row in world.rows("judgements")
    ]


def test_what_is_held_opens_no_ticket_until_it_is_let_go(world: World) -> None:
    """Then it does, if the trouble is there still."""
    holding = [True]
    world.hold = Holding(lambda _: {"by": "silence", "id": "s1", "why": "deploy"} if holding else None)
    world.hear(signal("a"))
    world.settle()
    assert ([], []) == (world.rows("tickets"), world.rows("deliveries"))
    assert ["held"] == [row["outcome"] for row in world.rows("judgements")]

    holding.clear()
    world.settle()
    assert (1, 1) == (len(world.rows("tickets")), len(world.rows("deliveries")))
    assert None is world.incident.held


def test_windows_survive_a_crash_exactly(tmp_path: Path) -> None:
    """Another process goes on where the first was killed: what was committed is all that there is."""
    counted = [rule("window: {count: 3, within: 5m}\n")]
    killed = next(world_at(tmp_path))
    killed.rules = counted
    killed.hear(signal("a"), signal("b", MINUTE))

    with contextmanager(world_at)(tmp_path) as world:
        world.rules, world.source.asked = counted, []
        world.until(killed.clock.now() + MINUTE)
        world.hear(signal("b", MINUTE), signal("c", 2 * MINUTE))

        assert [(1, [(1, "a"), (1, "b"), (1, "c")])] == [(number, proofs) for _, number, proofs in told(world)]


def test_a_silence_holds_an_opening_and_not_its_end(world: World) -> None:
    """It is let go when the silence ends, though nothing new was heard."""
    world.hold = ByPolicy(RulePolicy())
    with world.store.write() as connection:
        desk.add(connection, {"rule": ["down"]}, "asha", "the racks move", timedelta(hours=1), world.clock.now())
    world.hear(signal("a"))
    world.settle()
    assert (("silence", 0), []) == (((world.incident.held or {})["by"], len(world.rows("tickets"))), world.deliveries())

    world.after(timedelta(hours=1))
    world.settle()
    assert (1, [("open", "hg:<id>:1", "pending")]) == (len(world.rows("tickets")), world.deliveries())


def test_while_one_is_open_another_of_its_place_is_held(world: World) -> None:
    """And one elsewhere is not; once the first is over, the second is let go."""
    at = "location: '{project}'\n"
    world.rules = [
        load_text("cause", BASE + at + "title: cause\nmatch: {level: fatal}\nclear: recovery\n", "a", NAMES),
        load_text("effect", BASE + at + "title: effect\nmatch: {level: error}\nclear: never\n", "b", NAMES),
    ]
    inhibits = Inhibition("i", Selector({"rule": ("cause",)}), Selector({"rule": ("effect",)}))
    world.hold = ByPolicy(RulePolicy(inhibitions=(inhibits,)))
    world.hear(signal("a"), signal("b", MINUTE, level="error"), signal("c", MINUTE, level="error", project="till"))
    world.settle()
    assert [("cause", None), ("effect", "inhibition"), ("effect", None)] == [
        (each.rule, each.held and each.held["by"]) for each in world.incidents()
    ]

    world.hear(recovered("r", 5 * MINUTE))
    world.settle()
    assert [None] * 3 == [each.held for each in world.incidents()]
    assert 3 == len(world.rows("tickets"))


def test_the_step_that_settles_idles_when_nothing_is_due(world: World) -> None:
    """It asks the database and no more."""
    world.rules = [rule("clear: {quiet_for: 10m}\n")]
    world.hear(signal("a"), watermark=NOON)

    assert isinstance(world.clear(), Settle)
    assert "Idle" == type(world.clear().step(world.clock.now())).__name__


def test_rules_of_one_problem_share_its_incident(world: World) -> None:
    """It opens with the first, has the worst severity of both, and is told apart by the problem's key."""
    slow = Problem("slow", ("service",), "performance", Clear(quiet_for=timedelta(minutes=30)), timedelta(hours=1))
    head = "source: sentry\ntitle: '{service} is slow'\nproblem: slow\n"
    names = replace(NAMES, problems=frozenset({"slow"}))
    texts = {
        "errors": head + "severity: 3\nmatch: {level: error}\ngroup_by: {service: project, issue: title}\n",
        "crashes": head + "severity: 2\nmatch: {level: fatal}\ngroup_by: {service: project}\n",
    }
    read = {id: load_text(id, text, f"{id}.yaml", names) for id, text in texts.items()}
    world.rules, wrong = resolve(read, {"slow": slow})
    assert [] == wrong
    world.hear(signal("a", level="error"), signal("b", MINUTE), signal("c", MINUTE, project="till"))

    assert [('problem:slow {"service":"shop"}', 2), ('problem:slow {"service":"till"}', 2)] == sorted(
        (each.key, each.severity) for each in world.incidents()
    )
    assert {"errors", "crashes"} == {row["rule"] for row in world.rows("evidence")}
    assert {"performance"} == {each.class_ for each in world.incidents()}


def test_windows_may_be_kept_by_more_than_incidents_are_told_apart_by(world: World) -> None:
    """Each level counts for itself, and both are one project's trouble."""
    text = BASE.replace("[project]", "[project, level]") + "title: x\nmatch: {project: shop}\nkey: [project]\n"
    world.rules = [load_text("x", text + "window: {count: 2, within: 5m}\n", "x.yaml", NAMES)]
    world.hear(signal("a"), signal("b", MINUTE, level="error"))
    assert [] == world.incidents()

    world.hear(signal("c", 2 * MINUTE), signal("d", 2 * MINUTE, level="error"))
    assert 'x {"project":"shop"}' == world.incident.key


def test_every_outcome_has_its_words(world: World) -> None:
    """And what opened an incident says of each condition what it saw."""
    shade = BASE + "title: x\nmatch: {level: fatal}\nstage: shadow\n"
    world.rules = [rule("window: {count: 2, within: 5m}\nclear: recovery\n"), load_text("shade", shade, "s", NAMES)]
    world.hear(signal("a"), signal("b", MINUTE), recovered("r", 2 * MINUTE))

    with world.store.read() as connection:
        keys = sorted({row["key"] for row in world.rows("judgements")})
        judged = [one for key in keys for one in windows.judged(connection, key)]
    assert {"below", "opened", "recovered", "shadow"} <= {one.outcome for one in judged} <= OUTCOMES
    assert "not enough, with 1 where 2 are needed" in [reason(one) for one in judged]
    (opened,) = [one for one in judged if one.outcome == "opened"]
    assert explained(opened.detail["explained"]).holds


def test_an_incident_whose_rule_is_gone_lives_on(world: World) -> None:
    """It keeps its key, is cleared by quiet, and what came after the quiet is its next episode."""
    world.rules = [rule("clear: {quiet_for: 10m}\nreopen_within: 30d\n")]
    world.hear(signal("a"), signal("b", 30 * MINUTE), watermark=NOON)
    world.until(NOON + 2 * HOUR)
    world.rules = [rule("stage: shadow\n")]
    world.rules = [replace(world.rules[0], id="other")]
    world.hear(watermark=NOON + 2 * HOUR)
    world.settle()

    assert [(2, [(1, "a"), (2, "b")])] == [(number, proofs) for _, number, proofs in told(world)]
    assert "open" != world.incidents()[0].state


@pytest.mark.parametrize("apart", [(0, 30, 60), (60, 0, 30), (30, 60, 0)])
def test_a_window_longer_than_the_quiet_is_one_trouble(world: World, apart: tuple[int, ...]) -> None:
    """The gaps between the signals that it takes to fire are no quiet: there was no incident yet."""
    world.rules = [rule("window: {count: 3, within: 2h}\nclear: {quiet_for: 10m}\n")]
    world.hear(*(signal(f"s{minute}", minute * MINUTE) for minute in apart), watermark=NOON)
    world.until(NOON + 3 * HOUR)
    world.hear(watermark=NOON + 3 * HOUR)
    world.settle()

    assert [(1, [(1, "s0"), (1, "s30"), (1, "s60")])] == [(number, proofs) for _, number, proofs in told(world)]
    assert NOON + 70 * MINUTE == world.rows("incidents")[0]["over_at"]
