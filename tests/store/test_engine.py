"""Transactions: durable, one writer at a time, and a look that cannot write."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, inspect, select
from sqlalchemy.exc import DBAPIError

from daemon.clock import ToldClock
from daemon.errors import ConfigError
from daemon.store import polls
from daemon.store.engine import Store, once_committed
from daemon.store.schema import facts, metadata

START = datetime(2026, 3, 2, 9, tzinfo=UTC)


def test_a_failing_transaction_leaves_nothing(store: Store) -> None:
    """All of it, or none."""

    def fail() -> None:
        with store.write() as connection:
            polls.declare(connection, "sentry", START)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    with store.read() as connection:
        assert {} == polls.watermarks(connection)


def test_what_waits_for_the_commit_is_done_in_order_once_others_can_see_it(store: Store) -> None:
    """And never again with the next transaction."""
    seen: list[tuple[str, int]] = []

    def look(what: str) -> None:
        with store.read() as connection:
            seen.append((what, len(connection.execute(select(facts.c.id)).all())))

    with store.write() as connection:
        once_committed(connection, lambda: look("first"))
        connection.execute(insert(facts).values(feed="page", id="x", recorded_at=START))
        once_committed(connection, lambda: look("second"))
    with store.write():
        pass

    assert [("first", 1), ("second", 1)] == seen


def test_what_waits_for_a_commit_that_never_comes_is_not_done(store: Store) -> None:
    """Neither at the end of that transaction nor of a later one."""
    done: list[str] = []

    def fail() -> None:
        with store.write() as connection:
            once_committed(connection, lambda: done.append("told"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with store.write() as connection:
        once_committed(connection, lambda: done.append("later"))

    assert ["later"] == done


def test_a_look_cannot_write(store: Store) -> None:
    """Whoever reads, a scrape or a page, can harm nothing."""
    with store.read() as connection, pytest.raises(DBAPIError):
        connection.execute(insert(facts).values(feed="page", id="x", recorded_at=START))


def test_a_look_sees_one_instant(store: Store) -> None:
    """What commits between two statements of one look is not half seen."""
    with store.read() as look:
        before = look.execute(select(facts.c.id)).all()
        with store.write() as connection:
            connection.execute(insert(facts).values(feed="page", id="x", recorded_at=START))
        after = look.execute(select(facts.c.id)).all()

    assert ([], []) == (before, after)


def test_those_who_write_follow_one_another(store: Store) -> None:
    """Two threads that read, then write what follows from it, lose no update."""

    def count_up() -> None:
        for _ in range(20):
            with store.write() as connection:
                polls.count(connection, "sentry", 1, 0)

    with store.write() as connection:
        polls.declare(connection, "sentry", START)
    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with store.read() as connection:
        assert 80 == connection.execute(select(metadata.tables["polls"].c.signals)).scalar_one()


def test_instants_come_back_to_the_microsecond(store: Store) -> None:
    """And in UTC, on both databases."""
    instant = START + timedelta(microseconds=123457)
    with store.write() as connection:
        connection.execute(insert(facts).values(feed="page", id="x", recorded_at=instant))

    with store.read() as connection:
        assert instant == connection.execute(select(facts.c.recorded_at)).scalar_one()


def test_migrations_make_what_the_code_expects(store: Store) -> None:
    """All migrations, one after another, give the tables of `schema.py`, to the index."""
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    with store.write() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)

    assert [] == differences


def test_migrating_again_changes_nothing(store: Store) -> None:
    """A restart of the same version."""
    store.migrate()

    with store.read() as connection:
        assert set(metadata.tables) | {"alembic_version"} == set(inspect(connection).get_table_names())


def test_sqlite_takes_no_second_daemon(tmp_path: Path) -> None:
    """Two processes on one file would page twice."""
    url = f"sqlite:///{tmp_path}/one.db"
    first, second = Store(url, ToldClock(START)), Store(url, ToldClock(START))
    first.hold()

    with pytest.raises(ConfigError, match="another heliograph is using this database"):
        second.hold()
    first.close()
    second.hold()
    second.close()


def test_sqlite_says_that_the_folder_is_missing(tmp_path: Path) -> None:
    """Instead of an error of the driver's."""
    with pytest.raises(ConfigError, match="does not exist"):
        Store(f"sqlite:///{tmp_path}/absent/one.db", ToldClock(START))


def test_sqlite_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Tickets hold what clients say."""
    store = Store(f"sqlite:///{tmp_path}/one.db", ToldClock(START))
    store.close()

    assert 0o600 == (tmp_path / "one.db").stat().st_mode & 0o777
