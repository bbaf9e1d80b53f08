"""Opens the database and hands out transactions.

SQLite: every write and every checkpoint goes through one connection, since libraries before 3.51.3 can corrupt a WAL
database that two connections write at once; `synchronous=FULL`, since less loses acknowledged commits in a power cut.
PostgreSQL: the same, by holding the one row of `writer`. So on both, transactions that write follow one another.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import IO, Any, TypeVar

from sqlalchemy import Connection, Engine, Insert, Table, create_engine, event, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import NullPool, StaticPool

from daemon.clock import Clock
from daemon.errors import ConfigError, Problem
from daemon.store.schema import writer

_THEN = "once committed"
_REMEMBERED = "remembered"

T = TypeVar("T")


class Store:
    """Transactions on one database. `now` is the database's clock on PostgreSQL, the injected one on SQLite."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.url = make_url(url)
        self._clock = clock
        self._one_writer = threading.RLock()
        self._lock_file: IO[str] | None = None
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self._writing, self._reading = self._sqlite_engines() if self.sqlite else self._postgresql_engines()
        self.offset = timedelta(0)
        """Added to PostgreSQL's clock; tests tell time with it."""

    @property
    def path(self) -> Path | None:
        """The file, on SQLite."""
        return Path(self.url.database) if self.sqlite and self.url.database else None

    def now(self) -> datetime:
        if self.sqlite:
            return self._clock.now()
        with self._reading.connect() as connection:
            instant: datetime = connection.execute(text("select clock_timestamp()")).scalar_one()
        return instant.astimezone(UTC) + self.offset

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that may write: all of it commits, durably, or none of it."""
        then: list[Callable[[], None]] = []
        with self._one_writer if self.sqlite else contextlib.nullcontext(), self._writing.begin() as connection:
            if not self.sqlite:
                connection.execute(select(writer.c.only).with_for_update())
            info = connection.info
            info[_THEN], info[_REMEMBERED] = then, {}
            try:
                yield connection
            finally:
                del info[_REMEMBERED]  # whoever has the connection next may find things otherwise
        for call in then:
            call()

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent look. It cannot write."""
        with self._reading.begin() as connection:
            yield connection

    def migrate(self) -> None:
        """Brings the tables to this version's shape."""
        from daemon.store.migrations import upgrade

        with self._one_writer, self._writing.begin() as connection:
            upgrade(connection)

    def hold(self) -> None:
        """Takes the file for this process; on PostgreSQL, where replicas share, does nothing.

        Raises ConfigError if another daemon has it.
        """
        if self.path is None or self._lock_file is not None:
            return
        lock = self.path.with_name(self.path.name + "-lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise ConfigError(
                [Problem(str(self.path), 0, "another heliograph is using this database.", "Stop it first.")]
            ) from None
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock_file = lock

    def close(self) -> None:
        self._reading.dispose()
        self._writing.dispose()
        if self._lock_file is not None:
            self._lock_file.close()
            self._lock_file = None

    def _sqlite_engines(self) -> tuple[Engine, Engine]:
        path = Path(self.url.database or "")
        if not path.parent.is_dir():
            raise ConfigError([Problem(str(path), 0, f"the folder '{path.parent}' does not exist.", "Make it first.")])
        previous = os.umask(0o077)
        try:
            path.touch()
        finally:
            os.umask(previous)
        writing = create_engine(self.url, poolclass=StaticPool, connect_args={"check_same_thread": False})
        event.listen(writing, "connect", _prepare_sqlite)
        event.listen(writing, "begin", _begin_immediate)
        event.listen(writing, "rollback_savepoint", _forget)
        reading = create_engine(
            URL.create("sqlite", database=f"file:{path.absolute()}", query={"mode": "ro", "uri": "true"}),
            poolclass=NullPool,
            connect_args={"check_same_thread": False},
        )
        event.listen(reading, "connect", _leave_transactions_to_us)
        event.listen(reading, "begin", _begin)
        return writing, reading

    def _postgresql_engines(self) -> tuple[Engine, Engine]:
        writing = create_engine(self.url, pool_pre_ping=True, pool_size=8, max_overflow=8)
        event.listen(writing, "rollback_savepoint", _forget)
        reading = writing.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        return writing, reading


def once_committed(connection: Connection, call: Callable[[], None]) -> None:
    """Calls it after the transaction has committed, in the order in which it was asked; never if it is undone."""
    connection.info[_THEN].append(call)


def remembered(connection: Connection, kind: type[T]) -> T:
    """What the transaction has read so far and keeps, a `kind()` of its own: transactions that write follow one
    another, so what was read stands until it writes itself. One that only reads keeps nothing."""
    kept: dict[type[T], T] = connection.info.get(_REMEMBERED, {})
    return kept[kind] if kind in kept else kept.setdefault(kind, kind())


def insert_new(
    connection: Connection, table: Table, replace: tuple[str, ...] = (), returning: tuple[str, ...] = ()
) -> Insert:
    """An INSERT that leaves alone a row whose key is taken, or writes the columns of `replace` in it; `rowcount` tells
    whether it was new. The columns of `returning` are of the new rows alone."""
    return _insert_new(connection.dialect.name, table, replace, returning)


@cache
def _insert_new(dialect: str, table: Table, replace: tuple[str, ...], returning: tuple[str, ...]) -> Insert:
    """Made once: building a statement costs more than running it."""
    new = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
    if replace:
        taken = {name: new.excluded[name] for name in replace}
        return new.on_conflict_do_update(index_elements=list(table.primary_key), set_=taken).inline()
    new = new.on_conflict_do_nothing()
    if returning:
        return new.returning(*(table.c[name] for name in returning))
    return new.inline().execution_options(preserve_rowcount=True)


def _forget(connection: Connection, name: str, context: object) -> None:
    connection.info.get(_REMEMBERED, {}).clear()  # some of it may be undone


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")  # else each statement would look at a database of its own time


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _leave_transactions_to_us(connection: Any, record: object) -> None:
    connection.isolation_level = None  # else the driver begins transactions of its own, and late


def _prepare_sqlite(connection: Any, record: object) -> None:
    _leave_transactions_to_us(connection, record)
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    level = cursor.execute("PRAGMA synchronous").fetchone()[0]
    if level != 2:
        raise RuntimeError(f"SQLite would not take synchronous=FULL (it says {level}): commits could be lost")
    cursor.close()
