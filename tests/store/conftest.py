"""The same tests on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from daemon.clock import ToldClock
from daemon.store.engine import Store

START = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def clock() -> ToldClock:
    return ToldClock(START)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, clock: ToldClock) -> Iterator[Store]:
    if request.param == "sqlite":
        url = f"sqlite:///{request.getfixturevalue('tmp_path')}/heliograph.db"
    else:
        url = request.getfixturevalue("postgresql")
    made = Store(url, clock)
    made.migrate()
    yield made
    made.close()
