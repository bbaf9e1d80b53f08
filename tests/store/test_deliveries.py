"""The outbox: one holder at a time, in order for each incident, and never sure of what may have left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from daemon.model import Delivery, Receipt
from daemon.store import deliveries
from daemon.store.deliveries import Claimed
from daemon.store.engine import Store
from daemon.store.schema import incidents

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
LEASE = timedelta(seconds=60)
PAGE = Delivery("page", "open", "hg:one:1", 1, {"title": "Checkout is down"})


@pytest.fixture(autouse=True)
def incident(store: Store) -> None:
    with store.write() as connection:
        for id in ("one", "two"):
            connection.execute(
                insert(incidents).values(
                    id=id, key=id, rule="", title="", severity=1, state="open", episode=1, opened_at=START,
                    began_at=START, last_signal_at=START, location="", team="", group={}, runbook="",
                    origin="manual", page=1, roles=[], sources=[], **{"class": "availability"},
                )
            )  # fmt: skip


def owe(store: Store, delivery: Delivery = PAGE, incident: str = "one", severity: int = 1) -> bool:
    with store.write() as connection:
        return deliveries.owe(connection, delivery, incident, severity, START)


def claim(store: Store, holder: str = "a", after: timedelta = timedelta(0)) -> Claimed | None:
    with store.write() as connection:
        return deliveries.claim(connection, "page", holder, START + after, LEASE)


def finish(store: Store, claimed: Claimed, holder: str = "a") -> bool:
    with store.write() as connection:
        return deliveries.finish(connection, claimed, holder, "done", START, Receipt("id"))


def test_the_same_is_owed_once(store: Store) -> None:
    """Whoever finds the same trouble again adds nothing to the outbox."""
    assert (True, False) == (owe(store), owe(store))


def test_one_holder_has_it(store: Store) -> None:
    """Until the lease ends nobody else may send."""
    owe(store)

    assert claim(store, "a") is not None
    assert claim(store, "b", LEASE - timedelta(seconds=1)) is None


def test_what_a_holder_let_lapse_is_doubtful(store: Store) -> None:
    """It may have been sent before its process died."""
    owe(store)
    first, second = claim(store, "a"), claim(store, "b", LEASE)

    assert first is not None
    assert second is not None
    assert (False, True) == (first.doubtful, second.doubtful)
    assert START == second.attempted_at


def test_a_lost_lease_records_nothing(store: Store) -> None:
    """A holder that wakes after its lease does not overwrite what the next one does."""
    owe(store)
    first, second = claim(store, "a"), claim(store, "b", LEASE)

    assert first is not None
    assert second is not None
    assert (False, True) == (finish(store, first, "a"), finish(store, second, "b"))


def test_an_incidents_deliveries_go_in_order(store: Store) -> None:
    """Its close does not overtake its opening; another incident's is not held up."""
    owe(store)
    owe(store, Delivery("page", "close", "hg:one:1", 1, {}))
    owe(store, Delivery("page", "open", "hg:two:1", 1, {}), "two", severity=3)
    first, other, none = claim(store), claim(store), claim(store)

    assert first is not None
    assert other is not None
    assert ("open", "hg:one:1", "hg:two:1") == (first.delivery.verb, first.delivery.key, other.delivery.key)
    assert none is None
    finish(store, first)
    then = claim(store)
    assert then is not None
    assert "close" == then.delivery.verb


def test_the_worst_goes_first(store: Store) -> None:
    """After an outage, whoever waits for an urgent page is not behind the rest."""
    owe(store, PAGE, severity=3)
    owe(store, Delivery("page", "open", "hg:two:1", 1, {}), "two", severity=1)
    first = claim(store)

    assert first is not None
    assert "hg:two:1" == first.delivery.key


def test_what_was_postponed_waits(store: Store) -> None:
    """And is known to be due then."""
    owe(store)
    claimed = claim(store)
    assert claimed is not None
    until = START + timedelta(seconds=30)
    with store.write() as connection:
        assert deliveries.postpone(connection, claimed, "a", until, "rate_limited", False, None)
        assert until == deliveries.next_due(connection, "page")

    assert claim(store, after=timedelta(seconds=29)) is None
    again = claim(store, after=timedelta(seconds=30))
    assert again is not None
    assert (2, False) == (again.attempts, again.doubtful)


def test_only_what_never_left_can_be_taken_back(store: Store) -> None:
    """An opening that may have left needs a close instead."""
    owe(store)
    owe(store, Delivery("page", "open", "hg:two:1", 1, {}), "two")
    claim(store)
    with store.write() as connection:
        taken = [deliveries.cancel_unsent(connection, id, "page", f"hg:{id}:1", START) for id in ("one", "two")]

    assert [False, True] == taken


def test_the_claims_of_the_dead_are_given_back(store: Store) -> None:
    """A daemon that starts again on its own file does not wait for the leases of the one before."""
    owe(store)
    claim(store, "dead")
    with store.write() as connection:
        deliveries.release(connection, START)
    again = claim(store, "b")

    assert again is not None
    assert again.doubtful
