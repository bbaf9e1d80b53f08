"""A storm of signals on one key: what a further one costs does not grow with it. Counted in statements and rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event

from daemon.model import Signal
from daemon.pipeline import detect
from daemon.pipeline.sift import sift
from daemon.rules.engine import Engine
from daemon.rules.model import Rule
from tests.pipeline.doubles import SECOND, World, rule, signal

COUNT = "window: {count: 5, within: 5m}\n"
STORMS = {"no window": ("",), "count": (COUNT,), "shared": ("", COUNT)}
AT_ONCE = 50


@contextmanager
def counted(world: World) -> Iterator[dict[str, int]]:
    """Statements, the values that were bound in them, and the rows that they wrote to `evidence`."""
    found = {"statements": 0, "bound": 0, "evidence": 0}

    def seen(connection: Any, cursor: Any, statement: str, parameters: Any, *more: Any) -> None:
        found["statements"] += 1
        rows = parameters if isinstance(parameters, list) else [parameters]
        found["bound"] += sum(map(len, rows))
        if statement.startswith("INSERT INTO evidence"):
            found["evidence"] += len(rows)

    with world.store.write() as connection:
        engine = connection.engine
    event.listen(engine, "before_cursor_execute", seen)
    yield found
    event.remove(engine, "before_cursor_execute", seen)


def brought(world: World, rules: list[Rule], signals: list[Signal]) -> dict[str, int]:
    engine = Engine(rules)
    wanted, _ = sift(engine, signals)
    with counted(world) as found, world.store.write() as connection:
        detect.detect(connection, world.detection, engine, wanted, signals[-1].at)
    return found


@pytest.mark.parametrize("hit", STORMS)
def test_a_further_signal_of_a_storm_costs_what_those_before_it_did(world: World, hit: str) -> None:
    """Each is linked once: what its window rests on is evidence already."""
    rules = [replace(rule(more, id=f"r{n}"), problem="storm") for n, more in enumerate(STORMS[hit])]
    storm = [signal(f"s{n}", n * SECOND) for n in range(10 * AT_ONCE)]
    costs = [brought(world, rules, storm[start : start + AT_ONCE]) for start in range(0, len(storm), AT_ONCE)]

    assert len(storm) == len(world.rows("evidence"))
    assert costs[2]["statements"] >= costs[-1]["statements"]
    assert costs[2]["bound"] * 1.5 > costs[-1]["bound"]
    assert costs[-1]["statements"] <= 3 * AT_ONCE * len(rules) + 20
    assert AT_ONCE * len(rules) >= costs[-1]["evidence"]
