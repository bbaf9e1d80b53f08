"""Signals that no rule wants: counted once each, however often overlapping polls bring them, and then left alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from daemon.model import Signal
from daemon.pipeline import alarm
from daemon.pipeline.collect import Collect, SiftedOut
from daemon.rules.engine import Engine, Match
from tests.pipeline.doubles import MINUTE, World, rule, signal


class Counting(Engine):
    """An engine that says which signals it was asked about."""

    def __init__(self, world: World) -> None:
        super().__init__(world.rules)
        self.asked: list[str] = []

    def match(self, signal: Signal) -> tuple[Match, ...]:
        self.asked.append(signal.id)
        return super().match(signal)


@dataclass
class Overlap:
    """One collector, whose polls bring what they are told, over and over."""

    world: World
    collect: Collect

    def poll(self, *signals: Signal) -> None:
        self.world.source.say(*signals)
        self.collect.step(self.world.clock.now())
        self.world.after(MINUTE)

    def follow(self, engine: Engine) -> None:
        self.collect.engine = lambda: engine

    @property
    def unwanted(self) -> int:
        (row,) = self.world.rows("polls")
        return int(row["unwanted"])


@pytest.fixture
def engine(world: World) -> Counting:
    return Counting(world)


@pytest.fixture
def overlap(world: World, engine: Counting) -> Overlap:
    return Overlap(world, replace(world.collect(), engine=lambda: engine))


def harmless(id: str) -> Signal:
    return signal(id, level="info")


def test_what_overlapping_polls_bring_again_is_counted_once(overlap: Overlap) -> None:
    overlap.poll(harmless("a"), harmless("b"))
    overlap.poll(harmless("b"), harmless("c"))

    assert 3 == overlap.unwanted


def test_and_is_not_matched_again(overlap: Overlap, engine: Counting) -> None:
    overlap.poll(harmless("a"), signal("broken"))
    overlap.poll(harmless("a"), signal("broken"))

    assert ["a", "broken", "broken"] == engine.asked


def test_one_poll_may_bring_the_same_twice(overlap: Overlap) -> None:
    overlap.poll(harmless("a"), harmless("a"))

    assert 1 == overlap.unwanted


def test_what_was_not_committed_was_not_counted(overlap: Overlap, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(alarm, "source_answers", _die)
        with pytest.raises(KeyboardInterrupt):
            overlap.poll(harmless("a"))
    overlap.world.after(MINUTE)
    overlap.poll(harmless("a"))

    assert 1 == overlap.unwanted


def _die(*_: object) -> None:
    raise KeyboardInterrupt


def test_other_rules_judge_anew(overlap: Overlap) -> None:
    """What the old rules did not want, the new ones may."""
    overlap.poll(signal("a"))
    overlap.follow(Engine([]))
    overlap.poll(signal("b"))
    overlap.follow(Engine([rule()]))
    overlap.poll(signal("b"))

    assert ["a", "b"] == [row["id"] for row in overlap.world.rows("signals")]


def test_only_the_newest_are_remembered(overlap: Overlap) -> None:
    overlap.collect.sifted_out = SiftedOut(most=2)
    overlap.poll(harmless("a"), harmless("b"), harmless("c"))
    overlap.poll(harmless("b"), harmless("c"))
    assert 3 == overlap.unwanted

    overlap.poll(harmless("a"))
    assert 4 == overlap.unwanted
