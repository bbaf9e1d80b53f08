"""The figures that the store gives Prometheus, on both databases, from rows as the desk and the pipeline write them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Connection, text

from daemon.clock import ToldClock
from daemon.collector import Collector
from daemon.model import Clock, ClockState, Delivery, Event, EventKind, Goal, Ticket
from daemon.store import deliveries, incidents, polls, tickets
from daemon.store.engine import Store
from daemon.store.tickets import Counted, Warned

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

Samples = dict[str, dict[tuple[str, ...], float]]


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    url = (
        f"sqlite:///{request.getfixturevalue('tmp_path')}/heliograph.db"
        if request.param == "sqlite"
        else request.getfixturevalue("postgresql")
    )
    made = Store(url, ToldClock(NOON))
    made.migrate()
    yield made
    made.close()


def scraped(store: Store, clients: tuple[str, ...] = ("acme",)) -> Samples:
    """Sample name without the prefix → label values in the order of their names → value, zeros left out."""
    registry = CollectorRegistry()
    registry.register(Collector(store, ToldClock(NOON), lambda: clients, lambda: ("shop",), lambda: ("page",)))
    found: Samples = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            key = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name.removeprefix("heliograph_"), {})[key] = sample.value
    return found


def nonzero(samples: dict[tuple[str, ...], float]) -> dict[tuple[str, ...], float]:
    return {key: value for key, value in samples.items() if value}


def incident(connection: Connection, id: str, **values: Any) -> None:
    row = {
        "id": id, "key": id, "rule": "sentry/error", "title": "broken", "severity": 2, "state": "open", "episode": 1,
        "opened_at": NOON, "began_at": NOON, "last_signal_at": NOON, "class": "availability", "location": "",
        "team": "", "group": {}, "runbook": "", "origin": "sentry", "page": 1, "roles": [], "sources": [],
    }  # fmt: skip
    incidents.add(connection, row | values)


def ticket(connection: Connection, of: str = "i1", client: str = "acme", **values: Any) -> Ticket:
    row = {
        "incident": of, "client": client, "episode": 1, "severity": 2, "state": "new", "title": "broken",
        "origin": "sentry", "contract": "gold@2026", "opened_at": NOON,
    }  # fmt: skip
    number = tickets.add(connection, **(row | values))
    made = tickets.get(connection, number or 0)
    assert made is not None
    return made


def log(connection: Connection, number: int, *lines: tuple[EventKind, int, dict[str, Any]]) -> None:
    """(kind, minutes after noon, body) of each line."""
    for sequence, (kind, minutes, body) in enumerate(lines, 1):
        at = NOON + minutes * MINUTE
        tickets.append(connection, Event(number, sequence, kind, at, at, "person:asha", body))


def clock(number: int, goal: Goal = "response", state: ClockState = ClockState.RUNNING, **values: Any) -> Clock:
    start: dict[str, Any] = {
        "cycle": 1,
        "severity": 2,
        "started_at": NOON,
        "target": 900,
        "consumed": 0,
        "deadline": NOON + 15 * MINUTE,
    }
    return Clock(ticket=number, goal=goal, state=state, **(start | values))


def test_everything_known_stands_at_zero(store: Store) -> None:
    """An empty store shows each client, severity and goal, so that the first breach is a step from 0."""
    seen = scraped(store)

    assert {("acme", goal, str(sev)): 0.0 for goal in ("response", "resolution") for sev in (1, 2, 3, 4)} == seen[
        "sla_breaches_total"
    ]
    assert 20 == len(seen["tickets"])
    assert ({("shop",): 0.0}, {("page",): 0.0}) == (
        seen["source_last_success_timestamp_seconds"],
        seen["outbox_messages"],
    )
    assert {(): 1.0} == seen["ticket_collect_success"]


def test_tickets_by_state_and_age(store: Store) -> None:
    """Closed ones are no more, and a resolved one has no age."""
    with store.write() as connection:
        for number, state in enumerate(("new", "in_progress", "resolved", "closed")):
            incident(connection, f"i{number}")
            ticket(connection, f"i{number}", state=state, opened_at=NOON + (2 - number) * MINUTE)
    seen = scraped(store)

    assert {("acme", "2", state): 1.0 for state in ("new", "in_progress", "resolved")} == nonzero(seen["tickets"])
    assert {("acme", "2"): (NOON + MINUTE).timestamp()} == seen["ticket_oldest_opened_timestamp_seconds"]


def test_no_counter_falls_when_a_ticket_changes(store: Store) -> None:
    """What was opened as severity 3 stays counted there after a raise; what follows counts where it happened."""
    with store.write() as connection:
        incident(connection, "i1")
        number = ticket(connection, severity=1, state="closed").id
        log(
            connection, number, (EventKind.OPENED, 0, {"severity": 3, "title": 'a "quoted" ü'}),
            (EventKind.SEVERITY, 5, {"to": 2, "reason": "worse"}), (EventKind.RESOLVED, 10, {"text": "done"}),
            (EventKind.REOPENED, 20, {}), (EventKind.SEVERITY, 25, {"to": 1, "reason": "worst"}),
            (EventKind.RESOLVED, 30, {"text": "done"}), (EventKind.CLOSED, 40, {}),
        )  # fmt: skip
    seen = scraped(store)

    assert {("acme", "sentry", "3"): 1.0} == seen["tickets_opened_total"]
    assert {("acme", "2"): 1.0} == nonzero(seen["tickets_reopened_total"])
    assert {("acme", "1"): 1.0} == nonzero(seen["tickets_closed_total"])
    assert {("acme", "3", "2"): 1.0, ("acme", "2", "1"): 1.0} == seen["severity_changes_total"]
    assert {("sentry", "2"): 1.0, ("sentry", "1"): 1.0} == seen["ticket_resolution_seconds_count"]
    assert {("sentry", "2"): 600.0, ("sentry", "1"): 1800.0} == seen["ticket_resolution_seconds_sum"]


def test_clocks_and_the_next_deadline(store: Store) -> None:
    """A missed promise is breached whatever its clock does, and the next deadline is one that can still be kept."""
    with store.write() as connection:
        for name in ("i1", "i2", "i3"):
            incident(connection, name)
        first, second, third = (ticket(connection, name).id for name in ("i1", "i2", "i3"))
        late = NOON - MINUTE
        tickets.save_clocks(connection, {first: [clock(first, deadline=late, breached_at=late)]})
        tickets.save_clocks(connection, {second: [clock(second), clock(second, "resolution", ClockState.PAUSED)]})
        stopped = clock(third, state=ClockState.STOPPED, stopped_at=NOON + timedelta(seconds=90), deadline=NOON)
        tickets.save_clocks(connection, {third: [stopped]})
    seen = scraped(store)

    assert {
        ("acme", "response", "2", "breached"): 1.0,
        ("acme", "response", "2", "running"): 1.0,
        ("acme", "resolution", "2", "paused"): 1.0,
    } == nonzero(seen["sla_clocks"])
    assert {("acme", "response", "2"): (NOON + 15 * MINUTE).timestamp()} == seen["sla_next_deadline_timestamp_seconds"]
    buckets = {key[0]: n for key, n in seen["ticket_response_seconds_bucket"].items() if key[1:] == ("sentry", "2")}
    assert (0.0, 1.0, 1.0) == (buckets["60.0"], buckets["120.0"], buckets["+Inf"])
    assert {("sentry", "2"): 90.0} == seen["ticket_response_seconds_sum"]


def test_decisions_breaches_and_what_was_taken_back(store: Store) -> None:
    """Each in a counter of its own."""
    with store.write() as connection:
        incident(connection, "i1")
        of = ticket(connection)
        for sequence, kind in enumerate(("decision", "breach", "breach_withdrawn"), 1):
            told = clock(of.id)
            row = Counted(told.goal, told.cycle, kind, sequence, of.client, told.severity, NOON)
            tickets.count(connection, {of.id: [row]}, NOON)
        crossed = Warned(of.id, "response", 1, 1, "50%", of.client, 2, NOON)
        tickets.warn(connection, [crossed], NOON + timedelta(seconds=3))
    seen = scraped(store)

    goal = ("acme", "response", "2")
    assert {goal: 1.0} == nonzero(seen["sla_decisions_total"]) == nonzero(seen["sla_breaches_total"])
    assert {("acme", "response", "breach", "2"): 1.0} == seen["sla_corrections_total"]
    assert {(*goal, "50%"): 1.0} == seen["sla_warnings_total"]
    lag = seen["sla_timer_lag_seconds_bucket"]
    assert (0.0, 1.0, 3.0) == (lag[("2.0",)], lag[("5.0",)], seen["sla_timer_lag_seconds_sum"][()])


def test_incidents_by_state_and_how_often_they_opened(store: Store) -> None:
    """Ended ones are no more, but each of their episodes was one."""
    with store.write() as connection:
        incident(connection, "i1", state="cleared", episode=3)
        incident(connection, "i2", state="ended")
        incident(connection, "i3", severity=1, origin="datadog")
    seen = scraped(store)

    assert {("2", "cleared"): 1.0, ("1", "open"): 1.0} == nonzero(seen["incidents"])
    assert {("sentry",): 4.0, ("datadog",): 1.0} == seen["incident_episodes_total"]


def test_how_sources_fare(store: Store) -> None:
    """The last success and how far it has read; one that was removed from the configuration is not stale."""
    with store.write() as connection:
        for name in ("shop", "removed"):
            polls.declare(connection, name, NOON)
            polls.claim(connection, name, "me", NOON, MINUTE)
            polls.advance(connection, name, {}, NOON - MINUTE, NOON, NOON)
    seen = scraped(store)

    assert {("shop",): NOON.timestamp()} == seen["source_last_success_timestamp_seconds"]
    assert {("shop",): (NOON - MINUTE).timestamp()} == seen["source_watermark_timestamp_seconds"]


def test_what_waits_in_the_outbox(store: Store) -> None:
    """How much, since when, and what was given up; a removed role's deliveries still count."""
    with store.write() as connection:
        incident(connection, "i1")
        for number, role in enumerate(("page", "page", "defect")):
            deliveries.owe(connection, Delivery(role, "open", f"k{number}", 1, {}), "i1", 2, NOON + number * MINUTE)
        claimed = deliveries.claim(connection, "page", "me", NOON, MINUTE)
        assert claimed is not None
        deliveries.finish(connection, claimed, "me", "dead", NOON, reason="auth")
    seen = scraped(store)

    assert {("page",): 1.0, ("defect",): 1.0} == seen["outbox_messages"]
    assert {("page",): (NOON + MINUTE).timestamp(), ("defect",): (NOON + 2 * MINUTE).timestamp()} == seen[
        "outbox_oldest_timestamp_seconds"
    ]
    assert {("page",): 1.0} == seen["outbox_given_up_total"]


def test_a_database_that_cannot_be_read_is_told(store: Store) -> None:
    """The scrape answers all the same, so that the daemon's other figures are seen."""
    with store.write() as connection:
        connection.execute(text("drop table warnings"))
    seen = scraped(store)

    assert {(): 0.0} == seen["ticket_collect_success"]
    assert {"ticket_collect_duration_seconds", "ticket_collect_success"} == set(seen)
