"""Turns, cursors, watermarks, health."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from daemon.store import polls
from daemon.store.engine import Store

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
LEASE = timedelta(seconds=60)


@pytest.fixture(autouse=True)
def declared(store: Store) -> None:
    with store.write() as connection:
        polls.declare(connection, "sentry", START)
        polls.declare(connection, "sentry", START)


def test_of_two_who_want_the_turn_one_gets_it(store: Store) -> None:
    """And the other when it is due again."""
    with store.write() as connection:
        first = polls.claim(connection, "sentry", "a", START, LEASE)
        second = polls.claim(connection, "sentry", "b", START, LEASE)
        due_at = polls.due_at(connection, "sentry")
        later = polls.claim(connection, "sentry", "b", START + LEASE, LEASE)

    assert first is not None
    assert second is None
    assert START + LEASE == due_at
    assert later is not None


def test_the_cursor_comes_back_as_it_was_given(store: Store) -> None:
    """Whatever JSON the integration made of it."""
    cursor = {"from": "2026-03-02", "seen": ["ä", 1.5, None, {"deep": True}]}
    with store.write() as connection:
        polls.claim(connection, "sentry", "a", START, LEASE)
        polls.advance(connection, "sentry", cursor, None, START, START)
        again = polls.claim(connection, "sentry", "a", START, LEASE)

    assert again is not None
    assert cursor == again.cursor


@pytest.mark.parametrize(("said", "kept"), [(-5, 0), (5, 5), (60, 10), (None, 0)])
def test_a_watermark_neither_falls_nor_passes_now(store: Store, said: int | None, kept: int) -> None:
    """A vendor's clock that is ahead, or a scan that began earlier, moves nothing."""
    minute = timedelta(minutes=1)
    with store.write() as connection:
        polls.advance(connection, "sentry", None, START, START, START)
        mark = None if said is None else START + said * minute
        polls.advance(connection, "sentry", None, mark, START + 10 * minute, START)

        assert {"sentry": START + kept * minute} == polls.watermarks(connection)


def test_a_failing_source_has_no_watermark(store: Store) -> None:
    """Nothing is quiet while nobody looks; when it answers again, it has one again."""
    with store.write() as connection:
        polls.advance(connection, "sentry", {"page": 1}, START, START, START)
        polls.fail(connection, "sentry", "timeout", START + LEASE, START)
        polls.fail(connection, "sentry", "timeout", START + 2 * LEASE, START)
        failing, since = polls.watermarks(connection), polls.failing_since(connection, "sentry")
        polls.advance(connection, "sentry", {"page": 1}, None, START, START)
        after = polls.watermarks(connection)

    assert ({"sentry": None}, START + LEASE, {"sentry": START}) == (failing, since, after)


def test_a_lease_that_ended_is_not_held(store: Store) -> None:
    """Checked in the transaction that records, so that nobody records for another."""
    with store.write() as connection:
        polls.claim(connection, "sentry", "a", START, LEASE)
        asked = (("a", LEASE / 2), ("b", LEASE / 2), ("a", LEASE))
        held = [polls.holds(connection, "sentry", who, START + after) for who, after in asked]

    assert [True, False, False] == held


def test_while_nothing_was_ever_read_it_is_read_from_the_first_try(store: Store) -> None:
    """What happens while a new source fails from the start is not passed over."""
    with store.write() as connection:
        polls.declare(connection, "new", START)
        first = polls.claim(connection, "new", "a", START, LEASE)
        polls.fail(connection, "new", "auth", START, START + LEASE)
        later = polls.claim(connection, "new", "a", START + LEASE, LEASE)
        polls.advance(connection, "new", {"at": 1}, None, START + LEASE, START + LEASE)
        known = polls.claim(connection, "new", "a", START + 2 * LEASE, LEASE)

    assert [START, START, START + 2 * LEASE] == [one.as_of for one in (first, later, known) if one]
