"""Who has the queue, and which promises count while nobody has."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from daemon.marked_yaml import parse as parse_yaml
from daemon.sla.coverage import gaps, handovers, shifts, uncovered
from daemon.sla.policy import Policy, parse

WRITTEN = """
early: {tz: UTC, weekly: {mon-fri: ["00:00-12:00"]}}
late: {tz: UTC, weekly: {mon-fri: ["10:00-18:00"]}}
long: {tz: UTC, weekly: {mon-fri: ["00:00-20:00"]}}
"""
CONTRACTS = """
gold: {goals: {response: {1: {target: 1h, calendar: long}, 2: {target: 1h, calendar: late}, 3: null, 4: null}}}
"""
MONDAY, TUESDAY = datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC)


@pytest.fixture(scope="module")
def policy() -> Policy:
    return parse(parse_yaml(WRITTEN, "c"), parse_yaml(CONTRACTS, "c"), parse_yaml("a: {contract: gold}", "c"))


def test_the_site_that_opens_takes_over_and_a_gap_has_no_owner(policy: Policy) -> None:
    sites = {name: policy.calendars[name] for name in ("early", "late")}

    found = shifts(sites, MONDAY, TUESDAY)

    assert [("early", 0), ("late", 10), (None, 18)] == [(one.owner, one.start.hour) for one in found]
    assert [("early", "late")] == [(before.owner, after.owner) for before, after in handovers(found)]
    assert [found[2]] == gaps(found)


def test_a_site_that_is_still_open_has_the_queue_again(policy: Policy) -> None:
    """What opened last goes first; the one from before is still there."""
    sites = {name: policy.calendars[name] for name in ("long", "late")}

    found = shifts(sites, MONDAY, TUESDAY)

    assert [("long", 0), ("late", 10), ("long", 18), (None, 20)] == [(one.owner, one.start.hour) for one in found]


def test_a_promise_is_uncovered_for_the_time_that_it_counts_in_gaps(policy: Policy) -> None:
    """From 18 to 20 o'clock at severity 1; the hours of severity 2 are all covered."""
    sites = {name: policy.calendars[name] for name in ("early", "late")}
    promised = [one for one in policy.promised(MONDAY, TUESDAY) if one.name == "gold"]

    found = list(uncovered(promised, gaps(shifts(sites, MONDAY, TUESDAY))))

    assert [("response", 1, 7200)] == [(one.goal, one.severity, one.seconds) for one in found]


def test_stretches_are_cut_to_what_is_asked_and_never_touch(policy: Policy) -> None:
    """Also where a year ends: one that is open over midnight is one stretch."""
    first, last = datetime(2025, 12, 31, 23, tzinfo=UTC), datetime(2026, 1, 1, 1, tzinfo=UTC)
    whole = parse(parse_yaml('all: {tz: UTC, weekly: {mon-sun: ["00:00-24:00"]}}', "c"), None, None).calendars["all"]

    assert [(first, last)] == whole.stretches(first, last)
    assert [(first, last)] == policy.calendars["24x7"].stretches(first, last)
    assert [] == policy.calendars["24x7"].stretches(last, first)
    assert [(MONDAY.replace(hour=11), MONDAY.replace(hour=18))] == policy.calendars["late"].stretches(
        MONDAY.replace(hour=11), TUESDAY
    )
