"""A world on each database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from daemon.clock import ToldClock
from daemon.store.engine import Store
from tests.pipeline.doubles import NOON, World
from tests.report.conftest import Office, zoned


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{request.getfixturevalue('tmp_path')}/heliograph.db"
    return str(request.getfixturevalue("postgresql"))


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """At noon. PostgreSQL's own clock is told so once, and goes on by itself."""
    made = Store(url, ToldClock(NOON))
    made.migrate()
    made.offset = timedelta(0) if made.sqlite else NOON - made.now()
    yield made
    made.close()


@pytest.fixture
def world(store: Store) -> World:
    clock = store._clock
    assert isinstance(clock, ToldClock)
    return World(store, clock)


@pytest.fixture
def office(world: World) -> Office:
    zoned(world)
    return Office(world)
