"""Signals that are kept, one by one and many at once."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import func, select

from daemon.model import Polarity, Signal
from daemon.store import signals
from daemon.store.engine import Store
from daemon.store.schema import signals as table

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)


def signal(id: str) -> Signal:
    return Signal("sentry", "sentry", "sentry.issue", id, NOW, {"title": "KeyError"}, Polarity.BROKEN)


def test_many_are_kept_at_once_and_each_is_counted_once(store: Store) -> None:
    with store.write() as connection:
        assert [("sentry", "b")] == list(signals.keep(connection, [signal("b")], NOW))
        assert 2 == signals.keep_many(connection, [signal("a"), signal("b"), signal("c")], NOW)
        assert 0 == signals.keep_many(connection, [signal("a"), signal("c")], NOW)
        assert 0 == signals.keep_many(connection, [], NOW)
        assert {} == signals.keep(connection, [signal("a")], NOW)
        assert {} == signals.keep(connection, [], NOW)
        assert 3 == connection.execute(select(func.count()).select_from(table)).scalar_one()
