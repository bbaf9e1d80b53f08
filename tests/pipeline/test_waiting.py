"""Which windows have something to say, and when."""

from __future__ import annotations

import random
from datetime import timedelta

from daemon.pipeline.waiting import Waiting
from daemon.rules.windows.state import stamp
from daemon.store.windows import Kept
from tests.pipeline.doubles import MINUTE, NOON


def kept(key: str, after: timedelta) -> Kept:
    return Kept("rule", key, None, NOON, {}, NOON + after)


def due(waiting: Waiting, after: timedelta) -> list[str]:
    return [each.key for each in waiting.due(stamp(NOON + after))]


def test_those_of_one_instant_come_in_the_order_in_which_they_were_heard_of() -> None:
    waiting = Waiting([kept("b", MINUTE), kept("a", MINUTE)])
    waiting.move(("rule", "late"), {}, stamp(NOON + 2 * MINUTE))
    waiting.move(("rule", "never"), {}, None)

    assert stamp(NOON + MINUTE) == waiting.next_due()
    assert ["b", "a"] == due(waiting, MINUTE)
    assert ["b", "a", "late"] == due(waiting, 2 * MINUTE)


def test_they_wait_until_they_are_moved() -> None:
    waiting = Waiting([kept("a", MINUTE)])
    assert ["a"] == due(waiting, MINUTE) == due(waiting, MINUTE)

    waiting.move(("rule", "a"), {}, stamp(NOON + 3 * MINUTE))
    assert [] == due(waiting, 2 * MINUTE)
    assert stamp(NOON + 3 * MINUTE) == waiting.next_due()

    waiting.move(("rule", "a"), {}, None)
    assert waiting.next_due() is None


def test_each_is_told_once_however_often_it_moved() -> None:
    """As a plain look at all of them tells it."""
    chance = random.Random(1)
    waiting, plain = Waiting([]), dict[str, int | None]()
    for _ in range(2_000):
        key, at = chance.choice("abcdefgh"), chance.choice([None, *range(1, 9)])
        waiting.move(("rule", key), {}, at)
        plain[key] = at
        mark = chance.randrange(9)
        first = list(plain)

        assert min((each for each in plain.values() if each), default=None) == waiting.next_due()
        assert sorted(
            (key for key, at in plain.items() if at and at <= mark), key=lambda key: (plain[key], first.index(key))
        ) == [each.key for each in waiting.due(mark)]
