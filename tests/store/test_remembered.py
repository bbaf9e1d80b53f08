"""What the transaction that writes has read, it knows; and what it or another writes, it sees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, event

from daemon.model import IncidentState
from daemon.store import incidents, signals, silences
from daemon.store.engine import Store
from daemon.store.incidents import Proof
from tests.store.conftest import START
from tests.store.test_signals import signal

MINUTE = timedelta(minutes=1)


@contextmanager
def told(connection: Connection) -> Iterator[list[str]]:
    """The statements of it."""
    found: list[str] = []

    def seen(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        found.append(statement)

    event.listen(connection.engine, "before_cursor_execute", seen)
    yield found
    event.remove(connection.engine, "before_cursor_execute", seen)


def add(connection: Connection, id: str = "a", key: str = "down") -> None:
    incidents.add(
        connection,
        {
            "id": id, "key": key, "rule": "down", "title": "it is down", "severity": 2, "state": "open", "episode": 1,
            "opened_at": START, "began_at": START, "last_signal_at": START, "class": "availability", "location": "",
            "team": "", "group": {}, "runbook": "", "origin": "sentry", "page": 1, "roles": [], "sources": ["eu"],
            "told_at": START, "quiet_seconds": 60, "held": None,
        },
    )  # fmt: skip


def test_an_incident_is_read_once_and_nothing_is_written_that_it_has(store: Store) -> None:
    with store.write() as connection:
        add(connection)
        assert incidents.standing(connection, "down") == incidents.get(connection, "a")
        with told(connection) as statements:
            found = incidents.standing(connection, "down")
            assert found == incidents.latest(connection, "down")
            assert found is not None
            assert MINUTE == incidents.kept(connection, found.id).quiet_for
            incidents.change(connection, "a", severity=2, sources=["eu"], state="open")
            assert incidents.standing(connection, "down") == found
        assert [] == statements


def test_what_is_changed_is_seen_changed_as_another_transaction_sees_it(store: Store) -> None:
    with store.write() as connection:
        add(connection)
        incidents.standing(connection, "down")
        incidents.change(connection, "a", severity=1, clear_at=START + MINUTE, roles=["page"], held={"by": "shadow"})
        seen = incidents.kept(connection, "a")
        assert (1, ["page"], {"by": "shadow"}) == (seen.incident.severity, list(seen.roles), seen.incident.held)
        incidents.change(connection, "a", clear_at=None)
        seen = incidents.kept(connection, "a")
    with store.read() as connection:
        assert seen == incidents.kept(connection, "a")


def test_one_that_ends_stands_no_longer(store: Store) -> None:
    """Nor does one of another key, once it has that key no more."""
    with store.write() as connection:
        assert incidents.standing(connection, "down") is None
        add(connection)
        assert incidents.standing(connection, "down") is not None
        incidents.change(connection, "a", state=IncidentState.ENDED.value, ended_at=START)
        assert incidents.standing(connection, "down") is None
        latest = incidents.latest(connection, "down")
        assert latest is not None
        assert IncidentState.ENDED is latest.state

        incidents.change(connection, "a", state=IncidentState.OPEN.value, ended_at=None)
        incidents.change(connection, "a", key="other")
        assert incidents.standing(connection, "down") is None
        assert incidents.standing(connection, "other") is not None


def test_the_next_transaction_reads_anew(store: Store) -> None:
    """One that only reads remembers nothing, and what was undone was never so."""
    with store.write() as connection:
        add(connection)
        incidents.kept(connection, "a")
        with connection.begin_nested() as save:
            incidents.change(connection, "a", severity=1)
            save.rollback()
        assert 2 == incidents.kept(connection, "a").incident.severity
    with store.read() as connection, told(connection) as statements:
        incidents.kept(connection, "a")
        incidents.kept(connection, "a")
        assert 2 == len(statements)
    try:
        with store.write() as connection:
            incidents.kept(connection, "a")
            incidents.change(connection, "a", severity=3)
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    with store.write() as connection:
        assert 2 == incidents.kept(connection, "a").incident.severity


def test_evidence_that_is_linked_is_known_by_episode_and_by_whether_it_has_fired(store: Store) -> None:
    with store.write() as connection:
        add(connection)
        rows = signals.keep(connection, [signal(id) for id in "abc"], START).values()
        first, second, weak = (Proof(row, "r", START, fired=n < 2) for n, row in enumerate(rows))
        incidents.link(connection, "a", {first: 1, weak: 1})
        assert [second] == incidents.unlinked(connection, "a", 1, [first, second, weak])
        assert [first, second, weak] == incidents.unlinked(connection, "a", 2, [first, second, weak])

        strong = replace(weak, fired=True)
        assert [strong] == incidents.unlinked(connection, "a", 1, [strong])
        incidents.unlink(connection, "a", [first.signal])
        assert [first] == incidents.unlinked(connection, "a", 1, [first])
    with store.write() as connection:
        assert [first, second] == incidents.unlinked(connection, "a", 1, [first, second, weak])


def test_a_silence_that_is_added_or_ended_is_seen_at_once(store: Store) -> None:
    with store.write() as connection:
        assert [] == silences.unfinished(connection, START)
        one = silences.add(connection, {}, "asha", "known", START, START + MINUTE, START)
        assert [one] == silences.unfinished(connection, START)
        assert [] == silences.unfinished(connection, START + MINUTE)
        silences.end(connection, one.id, "asha", START)
        assert [] == silences.unfinished(connection, START)
