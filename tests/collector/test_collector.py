"""How things stand, as a scrape shows it, on both databases, from rows as the desk and the pipeline write them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from sqlalchemy import Connection, text

from daemon.catalogue import FIGURES, PROCESS
from daemon.collector import Known
from daemon.desk import aftermath, commands, triage
from daemon.desk.staff import Site, Staff
from daemon.marked_yaml import parse as parse_yaml
from daemon.model import Clock, ClockState, Delivery, Goal, Ticket
from daemon.sla.policy import parse as parse_policy
from daemon.store import deliveries, handovers, incidents, polls, tickets
from daemon.store.engine import Store
from tests.collector.scrape import nonzero, registry_of, scraped
from tests.pipeline.doubles import HOUR, MINUTE, NOON, terms
from tests.report.conftest import Office

NIGHT = """
calendars: {night: {tz: UTC, weekly: {mon-sun: ["20:00-24:00"]}}, day: {tz: UTC, weekly: {mon-sun: ["08:00-18:00"]}}}
release_train: {anchor: 2026-01-12T09:00, tz: UTC, every_weeks: 6, freeze_days_before: 7}
contracts:
  owls:
    goals:
      response: {1: {target: 15m, calendar: night}, 2: {target: 1h, calendar: 24x7}, 3: null, 4: null}
      resolution:
        1: {target: 4h, calendar: 24x7}
        2: {target: 12h, calendar: 24x7, code_fix: release_train}
        3: null
        4: null
clients: {strix: {contract: owls, timezone: Europe/Berlin}}
"""


def incident(connection: Connection, id: str, **values: Any) -> None:
    row = {
        "id": id, "key": id, "rule": "sentry/error", "title": "broken", "severity": 2, "state": "open", "episode": 1,
        "opened_at": NOON, "began_at": NOON, "last_signal_at": NOON, "class": "availability", "location": "",
        "team": "", "group": {}, "runbook": "", "origin": "sentry", "page": 1, "roles": [], "sources": [],
    }  # fmt: skip
    incidents.add(connection, row | values)


def ticket(connection: Connection, of: str, **values: Any) -> Ticket:
    row = {
        "incident": of, "client": "acme", "episode": 1, "severity": 2, "state": "new", "title": "broken",
        "origin": "sentry", "contract": "gold@2026-01-01T00:00:00Z", "opened_at": NOON,
    }  # fmt: skip
    incident(connection, of)
    made = tickets.get(connection, tickets.add(connection, **(row | values)) or 0)
    assert made is not None
    return made


def clock(of: Ticket, goal: Goal = "response", state: ClockState = ClockState.RUNNING, **values: Any) -> Clock:
    start: dict[str, Any] = {
        "cycle": 1, "severity": of.severity, "started_at": NOON, "target": 900, "consumed": 0,
        "deadline": NOON + 15 * MINUTE,
    }  # fmt: skip
    return Clock(ticket=of.id, goal=goal, state=state, **(start | values))


def clocks(connection: Connection, of: Ticket, *its: Clock) -> None:
    tickets.save_clocks(connection, [of], {of.id: its})


def owls() -> Known:
    """A contract that counts at night, and a site for the day."""
    parts = parse_yaml(NIGHT, "config.yaml")
    policy = parse_policy(parts["calendars"], parts["contracts"], parts["clients"], parts["release_train"])
    sites = {name: Site(name, policy.calendars[name]) for name in ("day", "night")}
    return Known(replace(terms(), policy=policy, staff=Staff(sites=sites)))


def test_everything_known_stands_at_zero(store: Store) -> None:
    """An empty store shows each client, severity and goal, so that the first breach is a step from 0."""
    seen = scraped(store)

    promised = {("acme", goal, sev): 0.0 for goal in ("response", "resolution") for sev in "12"}
    assert promised == {key: value for key, value in seen["sla_breaches_total"].items() if key[0] == "acme"}
    assert {"50%", "breach"} == {key[3] for key in seen["sla_warnings_total"] if key[0] == "acme"}
    assert {("shop",): 0.0} == seen["source_last_success_timestamp_seconds"]
    assert {("page",): 0.0} == seen["outbox_messages"] == seen["outbox_given_up_total"]
    assert {("down",): 0.0} == seen["rule_false_alarms_total"]
    assert {(): 1.0} == seen["ticket_collect_success"]
    shown = {name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") for name in seen}
    named = {figure.exposed.removeprefix("heliograph_") for figure in FIGURES if figure not in PROCESS}
    assert named - shown == {
        "sla_next_deadline_timestamp_seconds", "ticket_oldest_opened_timestamp_seconds",
        "outbox_oldest_timestamp_seconds", "release_next_timestamp_seconds", "release_freeze_timestamp_seconds",
        "source_watermark_timestamp_seconds", "site_on_duty",
    }  # fmt: skip
    """Those have no value while there is nothing to speak of."""


def test_tickets_by_state_and_age(store: Store) -> None:
    """Closed ones are no more, and a resolved one has no age and needs nobody."""
    with store.write() as connection:
        for number, state in enumerate(("new", "in_progress", "resolved", "closed")):
            opened = NOON + (2 - number) * MINUTE
            ticket(connection, f"i{number}", state=state, opened_at=opened, assignee="asha" if number == 1 else "")
    seen = scraped(store)

    assert {("acme", "2", state): 1.0 for state in ("new", "in_progress", "resolved")} == nonzero(seen["tickets"])
    assert {("acme", "2"): (NOON + MINUTE).timestamp()} == seen["ticket_oldest_opened_timestamp_seconds"]
    assert {("2",): 1.0} == nonzero(seen["tickets_unassigned"])


def test_clocks_and_the_next_deadline(store: Store) -> None:
    """A missed promise is breached whatever its clock does, and the next deadline is one that can still be kept."""
    with store.write() as connection:
        first, second, third = (ticket(connection, name) for name in ("i1", "i2", "i3"))
        late = NOON - MINUTE
        clocks(connection, first, clock(first, deadline=late, breached_at=late))
        clocks(connection, second, clock(second), clock(second, "resolution", ClockState.PAUSED, deadline=None))
        clocks(connection, third, clock(third, state=ClockState.STOPPED, stopped_at=NOON, deadline=NOON))
    seen = scraped(store)

    assert {
        ("acme", "response", "2", "breached"): 1.0,
        ("acme", "response", "2", "running"): 1.0,
        ("acme", "resolution", "2", "paused"): 1.0,
    } == nonzero(seen["sla_clocks"])
    assert {("acme", "response", "2"): (NOON + 15 * MINUTE).timestamp()} == seen["sla_next_deadline_timestamp_seconds"]


def test_a_clock_outside_its_hours_is_told_apart(store: Store) -> None:
    """It runs, and no second of it counts; its deadline is known all the same."""
    with store.write() as connection:
        of = ticket(connection, "i1", client="strix", contract="owls@first", severity=1)
        clocks(connection, of, clock(of, deadline=NOON + 9 * HOUR), clock(of, "resolution"))
        gone = ticket(connection, "i2", client="strix", contract="gone@first", severity=1)
        clocks(connection, gone, clock(gone, "update"))
    seen = scraped(store, owls())

    assert {
        ("strix", "response", "1", "off_hours"): 1.0,
        ("strix", "resolution", "1", "running"): 1.0,
        ("strix", "update", "1", "running"): 1.0,
    } == nonzero(seen["sla_clocks"])
    assert ("strix", "response", "1") in seen["sla_next_deadline_timestamp_seconds"]


def test_what_the_policy_says_now(store: Store) -> None:
    """Targets, the contract in force, the train, and which site has the queue."""
    seen = scraped(store, owls())

    targets = {key[1:]: value for key, value in seen["sla_target_seconds"].items() if key[0] == "strix"}
    assert {("response", "1"): 900.0, ("response", "2"): 3600.0, ("resolution", "1"): 14400.0,
            ("resolution", "2"): 43200.0} == targets  # fmt: skip
    assert {("strix", "owls@first", "owls", "Europe/Berlin"): 1.0}.items() <= seen["client_info"].items()
    leaves = seen["release_next_timestamp_seconds"][()]
    assert (leaves > NOON.timestamp(), leaves % 86400) == (True, 9 * 3600)
    assert seen["release_freeze_timestamp_seconds"][()] == leaves - 7 * 86400
    assert {("day",): 1.0, ("night",): 0.0} == seen["site_on_duty"]


def test_a_defect_is_past_its_eta_once_the_resolution_is_overdue(office: Office) -> None:
    """By how its fix comes; a resolved ticket's is no more."""
    for severity in (1, 1, 2):
        office.open("acme", severity)
    for number in (1, 2, 3):
        office.do(triage.name_defect, number, f"OPS-{number}")
    office.do(commands.reply, 3, "The next release has it.")
    office.do(commands.resolve, 3, "Repaired.")
    office.world.after(2 * HOUR)
    office.tick()
    seen = scraped(office.world.store, Known(office.world.terms))
    assert {("undecided", "1", "open"): 2.0} == nonzero(seen["defects"])

    office.world.after(3 * HOUR)
    office.tick()
    seen = scraped(office.world.store, Known(office.world.terms))
    assert {("undecided", "1", "past_eta"): 2.0} == nonzero(seen["defects"])


def test_reports_on_root_causes(office: Office) -> None:
    """Requested, overdue, shared: each in one of them."""
    for _ in range(3):
        office.open("acme", 1)
    for number in (1, 2):
        office.do(aftermath.request_rca, number)
    office.do(aftermath.share_rca, 1)
    seen = scraped(office.world.store, Known(office.world.terms))
    assert {("requested",): 1.0, ("overdue",): 0.0, ("shared",): 1.0} == seen["rcas"]

    office.world.after(timedelta(days=11))
    office.tick()
    seen = scraped(office.world.store, Known(office.world.terms))
    assert {("requested",): 0.0, ("overdue",): 1.0, ("shared",): 1.0} == seen["rcas"]


def test_handovers_that_nobody_has_acknowledged(store: Store) -> None:
    """Of the last day."""
    with store.write() as connection:
        for hours in (30, 2, 1):
            handovers.add(connection, "london", "hyderabad", store.now() - hours * HOUR, [])
        handovers.change(connection, 3, acknowledged_by="asha", acknowledged_at=store.now())

    assert {(): 1.0} == scraped(store)["handovers_unacknowledged"]


def test_incidents_by_state(store: Store) -> None:
    """Ended ones are no more, nor what a rule in shadow would have opened."""
    with store.write() as connection:
        incident(connection, "i1", state="cleared")
        incident(connection, "i2", state="ended")
        incident(connection, "i3", severity=1)
        incident(connection, "i4", key="shadow:down|shop")

    assert {("2", "cleared"): 1.0, ("1", "open"): 1.0} == nonzero(scraped(store)["incidents"])


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
    """How much, and since when; what waits for its reader's hours does not grow old."""
    with store.write() as connection:
        incident(connection, "i1")
        owed = [("page", NOON - MINUTE, None), ("page", NOON - 2 * MINUTE, None), ("notice", NOON - HOUR, NOON + HOUR)]
        for number, (role, at, not_before) in enumerate(owed):
            delivery = Delivery(role, "open", f"k{number}", 1, {})
            deliveries.owe_all(connection, [deliveries.Owed(delivery, "i1", 2, None, not_before)], at)
    seen = scraped(store)

    assert {("page",): 2.0, ("notice",): 1.0} == seen["outbox_messages"]
    assert {("page",): (NOON - 2 * MINUTE).timestamp()} == seen["outbox_oldest_timestamp_seconds"]


def test_a_ticket_is_the_example_of_what_it_moved(office: Office) -> None:
    """In OpenMetrics, on counters and on the bucket that it is in."""
    office.open("acme", 1)
    office.open("acme", 1)
    office.world.after(HOUR)
    office.tick()
    registry = registry_of(office.world.store, Known(office.world.terms))
    written = generate_latest(registry).decode()  # type: ignore[no-untyped-call]
    samples = [
        sample
        for family in text_string_to_metric_families(written)  # type: ignore[no-untyped-call]
        for sample in family.samples
        if sample.exemplar is not None
    ]

    breaches = [one for one in samples if one.name == "heliograph_sla_breaches_total"]
    assert [({"ticket": "2"}, 2.0)] == [(one.exemplar and one.exemplar.labels, one.value) for one in breaches]
    named = {one.name.removeprefix("heliograph_") for one in samples}
    assert {"tickets_opened_total", "sla_timer_lag_seconds_bucket"} <= named


def test_labels_past_the_cap_stand_together(office: Office) -> None:
    """Those of whom something was counted first keep their own; no sum changes, and it is told how many have none."""
    for client in ("globex", "acme", "globex", "unassigned"):
        office.open(client, 1)
    full, capped = (
        scraped(office.world.store, Known(office.world.terms, clients_at_most=most, rules_at_most=0)) for most in (9, 2)
    )

    assert {"globex", "acme", "other"} == {key[0] for key in capped["tickets_opened_total"]}
    assert {("globex", "manual", "1"): 2.0, ("acme", "manual", "1"): 1.0, ("other", "manual", "1"): 1.0} == nonzero(
        capped["tickets_opened_total"]
    )
    for name in ("tickets", "sla_clocks", "tickets_opened_total", "sla_consumed_ratio_count"):
        assert sum(full[name].values()) == sum(capped[name].values())
    assert {("client",): 2.0, ("rule",): 0.0} == capped["label_values_capped"]
    assert {"globex", "acme"} == {key[0] for key in capped["sla_target_seconds"]}
    assert ("other", "resolution", "1") in capped["sla_next_deadline_timestamp_seconds"]
    assert {("client",): 0.0, ("rule",): 0.0} == full["label_values_capped"]


def test_a_database_that_cannot_be_read_is_told(store: Store) -> None:
    """The scrape answers all the same, so that the daemon's other figures are seen."""
    with store.write() as connection:
        connection.execute(text("drop table tallies"))
    seen = scraped(store)

    assert {(): 0.0} == seen["ticket_collect_success"]
    assert {"ticket_collect_duration_seconds", "ticket_collect_success"} == set(seen)
