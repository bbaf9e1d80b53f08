"""Whoever starts anew and whoever has migrated since the first day have the same tables."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, func, insert, inspect, select, text
from sqlalchemy.exc import IntegrityError

from daemon.store.engine import Store
from daemon.store.schema import metadata, writer


def definitions(connection: Connection) -> set[tuple[str, str]]:
    """Each index and how the database would make it, conditions included."""
    asked = {
        "sqlite": "select name, sql from sqlite_master where type = 'index' and sql is not null",
        "postgresql": "select indexname, indexdef from pg_indexes where schemaname = 'public'",
    }[connection.dialect.name]
    return {(name, sql) for name, sql in connection.execute(text(asked)) if not name.startswith("alembic")}


def checks(connection: Connection) -> set[tuple[str, str]]:
    inspector = inspect(connection)
    return {
        (table, str(check["sqltext"])) for table in metadata.tables for check in inspector.get_check_constraints(table)
    }


def numbered(connection: Connection) -> set[str]:
    """Tables that never give a row's number twice."""
    if connection.dialect.name == "sqlite":
        asked = "select name from sqlite_master where type = 'table' and sql like '%AUTOINCREMENT%'"
    else:
        asked = "select table_name from information_schema.columns where column_default like 'nextval(%'"
    return set(connection.execute(text(asked)).scalars())


def test_the_migrated_tables_are_the_declared_ones(store: Store) -> None:
    """A change of the schema without its migration is seen here."""
    with store.write() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})

        assert [] == compare_metadata(context, metadata)


def test_what_alembic_does_not_compare_is_the_same_too(store: Store) -> None:
    """Conditions of partial indexes, checks, and which tables number their rows."""
    with store.write() as connection:
        migrated = [seen(connection) for seen in (definitions, checks, numbered)]
        metadata.drop_all(connection)
        metadata.create_all(connection)
        declared = [seen(connection) for seen in (definitions, checks, numbered)]

    assert declared == migrated
    assert all(declared)


def test_one_open_incident_a_key_is_the_databases_own_promise(store: Store) -> None:
    """Whatever the code forgets: the partial index is there, and it is unique."""
    values = {column.name: 0 for column in metadata.tables["incidents"].columns if not column.nullable}
    values |= {"severity": 1, "episode": 1}
    texts = {"key": "k", "rule": "", "title": "", "class": "", "location": "", "team": "", "runbook": "", "origin": ""}
    at = datetime(2026, 3, 2, tzinfo=UTC)
    instants = {"opened_at": at, "began_at": at, "last_signal_at": at, "told_at": at}
    row = insert(metadata.tables["incidents"]).values(values | texts | instants | {"group": {}})
    with store.write() as connection:
        connection.execute(row.values(id="ended", state="ended"))
        connection.execute(row.values(id="open", state="open"))

    with pytest.raises(IntegrityError), store.write() as connection:
        connection.execute(row.values(id="second", state="cleared"))


def test_migrating_again_changes_nothing(store: Store) -> None:
    """Each start does it. There is one row to hold for whoever writes."""
    store.migrate()

    with store.read() as connection:
        assert 1 == connection.execute(select(func.count()).select_from(writer)).scalar_one()
