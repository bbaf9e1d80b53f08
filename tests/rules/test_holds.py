"""What holds an opening: silences, windows over changes of the clock, inhibitions, and when that may change."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.rules.holds import Held, Silence, Standing, Subject, holding, maintenance_window, next_change
from daemon.rules.policy import Inhibition, Maintenance, RulePolicy, Selector
from daemon.sla.calendar import zone

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SHOP = Subject({"rule": "sentry/new", "location": "aws/1234/eu", "severity": "2", "class": "defect", "group.id": "7"})
NONE = RulePolicy()
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Havana",
         "Pacific/Apia", "Africa/Casablanca"]  # fmt: skip
INSTANTS = st.integers(1_100_000_000, 2_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
MINUTES = st.times().map(lambda at: at.replace(second=0, microsecond=0))
WINDOWS = st.builds(
    Maintenance,
    st.just("m"),
    st.just(Selector()),
    st.sampled_from(ZONES),
    st.frozensets(st.integers(0, 6), min_size=1),
    MINUTES,
    MINUTES,
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def silence(id: str = "1", hours: int = 1, **lines: str) -> Silence:
    selector = Selector({name: (glob,) for name, glob in lines.items()})
    return Silence(id, selector, "asha", "racks move", NOW, NOW + hours * HOUR)


def nightly(tz: str = "Europe/Berlin", opens: time = time(22), closes: time = time(2)) -> Maintenance:
    return Maintenance("nightly", Selector({"location": ("aws/1234*",)}), tz, frozenset(range(5)), opens, closes)


def inhibition(*equal: str, **lines: str) -> RulePolicy:
    source = Selector({name: (glob,) for name, glob in lines.items()})
    return RulePolicy(inhibitions=(Inhibition("deploys", source, Selector({"rule": ("sentry/*",)}), equal),))


def standing(incident: str = "k3x", **fields: str) -> Standing:
    return Standing(incident, Subject({"rule": "ecs/failed", "location": "aws/1234/eu", **fields}))


@pytest.mark.parametrize(
    ("lines", "meant"),
    [
        ({}, True),
        ({"rule": ("sentry/*",)}, True),
        ({"rule": ("sentry",)}, False),
        ({"rule": ("datadog/*", "sentry/ne?")}, True),
        ({"rule": ("Sentry/*",)}, False),
        ({"rule": ("sentry/*",), "severity": ("1",)}, False),
        ({"group.id": ("7",)}, True),
        ({"group.host": ("*",)}, False),
        ({"team": ("*",)}, False),
    ],
)
def test_a_selector_means_what_meets_every_line(lines: dict[str, tuple[str, ...]], meant: bool) -> None:
    """By any of its globs, whole and case and all; what is not there is not met."""
    assert meant is Selector(lines).means(SHOP.fields)


def test_a_silence_holds_from_its_beginning_up_to_its_end() -> None:
    """And says whose it is, until when, and why."""
    ours = [silence(rule="sentry/*")]
    held = Held("silence", "1", NOW + HOUR, "silenced by asha until 2026-11-24 13:00 UTC: racks move")

    assert held == holding(SHOP, NOW, NONE, ours, [])
    assert held == holding(SHOP, NOW + HOUR - timedelta.resolution, NONE, ours, [])
    assert None is holding(SHOP, NOW + HOUR, NONE, ours, [])
    assert None is holding(SHOP, NOW - timedelta.resolution, NONE, ours, [])
    assert None is holding(SHOP, NOW, NONE, [silence(rule="ecs/*")], [])


def test_of_several_silences_the_last_to_end_is_told() -> None:
    """Until then nothing opens."""
    held = holding(SHOP, NOW, NONE, [silence("a"), silence("b", hours=3), silence("c", hours=2)], [])

    assert held is not None
    assert ("b", NOW + 3 * HOUR) == (held.id, held.until)


def test_a_silence_comes_before_a_window_and_a_window_before_an_inhibition() -> None:
    """What a person said last is what people look for first."""
    policy = RulePolicy(
        maintenance=(nightly(opens=time(0), closes=time(0)),), inhibitions=inhibition(rule="ecs/*").inhibitions
    )
    found = [
        holding(SHOP, NOW, policy, [silence()], [standing()]),
        holding(SHOP, NOW, policy, [], [standing()]),
        holding(SHOP, NOW, inhibition(rule="ecs/*"), [], [standing()]),
    ]

    assert ["silence", "maintenance", "inhibition"] == [held.by for held in found if held is not None]


def test_a_window_that_recurs_belongs_to_the_day_on_which_it_opens() -> None:
    """Friday's lasts into Saturday; on Saturday none opens."""
    friday = (at("2026-11-27T22:00+01:00"), at("2026-11-28T02:00+01:00"))

    assert friday == maintenance_window(nightly(), at("2026-11-28T01:59+01:00"))
    assert None is maintenance_window(nightly(), at("2026-11-28T02:00+01:00"))
    assert None is maintenance_window(nightly(), at("2026-11-28T23:00+01:00"))
    assert friday == maintenance_window(replace(nightly(), last=date(2026, 11, 27)), at("2026-11-28T01:00+01:00"))
    assert None is maintenance_window(replace(nightly(), first=date(2026, 11, 28)), at("2026-11-28T01:00+01:00"))


@pytest.mark.parametrize(
    ("tz", "opens", "closes", "begin", "end"),
    [
        # the clock goes forward from 2:00 to 3:00 on 2026-03-29 in Berlin, and back from 3:00 to 2:00 on 2026-10-25
        ("Europe/Berlin", time(22), time(6), "2026-03-28T22:00+01:00", "2026-03-29T06:00+02:00"),
        ("Europe/Berlin", time(22), time(2, 30), "2026-03-28T22:00+01:00", "2026-03-29T03:00+02:00"),
        ("Europe/Berlin", time(22), time(6), "2026-10-24T22:00+02:00", "2026-10-25T06:00+01:00"),
        ("Europe/Berlin", time(22), time(2, 30), "2026-10-24T22:00+02:00", "2026-10-25T02:30+01:00"),
        # Samoa left out 2011-12-30
        ("Pacific/Apia", time(22), time(6), "2011-12-29T22:00-10:00", "2011-12-31T00:00+14:00"),
    ],
)
def test_a_window_keeps_the_time_on_the_wall(tz: str, opens: time, closes: time, begin: str, end: str) -> None:
    """Over every change of the clock: shown twice closes it the last time, never shown at the gap's end."""
    window = Maintenance("m", Selector(), tz, frozenset(range(7)), opens, closes)

    assert (at(begin), at(end)) == maintenance_window(window, at(begin))
    assert (at(begin), at(end)) == maintenance_window(window, at(end) - timedelta.resolution)
    assert None is maintenance_window(window, at(end))


def test_a_window_that_opens_once_is_told_with_its_reason() -> None:
    """From its beginning, up to its end."""
    once = Maintenance("move", Selector(), begins=NOW, ends=NOW + HOUR, reason="Racks.")
    policy = RulePolicy(maintenance=(once,))

    assert Held("maintenance", "move", NOW + HOUR, "maintenance move until 2026-11-24 13:00 UTC: Racks.") == holding(
        SHOP, NOW, policy, [], []
    )
    assert None is holding(SHOP, NOW + HOUR, policy, [], [])


def test_an_inhibition_holds_while_the_other_is_open_at_the_same_place() -> None:
    """Until when hangs on that incident."""
    policy = inhibition("location", rule="ecs/*")
    held = Held("inhibition", "deploys", None, "inhibited by deploys while incident k3x is open")

    assert held == holding(SHOP, NOW, policy, [], [standing()])
    assert None is holding(SHOP, NOW, policy, [], [])
    assert None is holding(SHOP, NOW, policy, [], [standing(location="aws/1234/us")])
    assert None is holding(SHOP, NOW, policy, [], [standing(rule="cloudtrail/root")])
    assert None is holding(Subject({"rule": "datadog/x", "location": "aws/1234/eu"}), NOW, policy, [], [standing()])


def test_what_neither_has_is_not_the_same() -> None:
    """Two incidents of nowhere are not at one place."""
    nowhere = Subject({"rule": "sentry/new", "location": ""})

    assert None is holding(nowhere, NOW, inhibition("location", rule="ecs/*"), [], [standing(location="")])


def test_an_incident_never_holds_itself() -> None:
    """Though it was worse before, so that it alone stands on the side that holds."""
    policy = inhibition("location", severity="1")
    mine = standing("mine", rule="sentry/new", severity="1")

    assert None is holding(SHOP, NOW, policy, [], [mine], incident="mine")
    assert None is not holding(SHOP, NOW, policy, [], [standing(severity="1")], incident="mine")


def test_two_that_both_sides_mean_do_not_hold_each_other() -> None:
    """Or which of them were seen would hang on which came first."""
    policy = inhibition("location", rule="sentry/*")

    assert None is holding(SHOP, NOW, policy, [], [standing(rule="sentry/old")])


def test_the_next_change_is_the_nearest_edge() -> None:
    """Of a silence or a window; None when nothing will change by itself."""
    policy = RulePolicy(maintenance=(nightly("UTC"),))

    assert NOW + HOUR == next_change(NOW, policy, [silence(), silence(hours=20)])
    assert NOW.replace(hour=22) == next_change(NOW + HOUR, policy, [silence()])
    assert at("2026-11-25T02:00Z") == next_change(NOW.replace(hour=22), policy, [])
    assert at("2026-11-30T22:00Z") == next_change(at("2026-11-28T02:00Z"), policy, [])
    assert at("2030-01-01T22:00Z") == next_change(
        NOW, RulePolicy(maintenance=(replace(nightly("UTC"), first=date(2030, 1, 1)),)), []
    )
    assert None is next_change(
        NOW, RulePolicy(maintenance=(replace(nightly(), last=date(2026, 1, 1)),)), [silence(hours=0)]
    )


@given(WINDOWS, INSTANTS)
def test_a_window_that_is_open_opened_by_the_wall(window: Maintenance, now: datetime) -> None:
    """It holds the instant, began on one of its days when its clock showed the time or had leapt it, and is no longer
    than a day with an hour more."""
    opening = next_change(now, RulePolicy(maintenance=(window,)), [])
    moment = now if maintenance_window(window, now) else opening or now
    span = maintenance_window(window, moment)
    assert span is not None
    tz = zone(window.tz)
    begin, just_before = span[0].astimezone(tz), (span[0] - timedelta(seconds=1)).astimezone(tz)

    assert span[0] <= moment < span[1]
    assert begin.weekday() in window.days
    assert begin.time() == window.opens or begin.utcoffset() != just_before.utcoffset()
    assert span[1] - span[0] <= timedelta(hours=25)


@given(WINDOWS, INSTANTS, st.floats(0, 1))
def test_between_two_changes_nothing_changes(window: Maintenance, now: datetime, share: float) -> None:
    """Whoever looks again at each change misses nothing."""
    policy = RulePolicy(maintenance=(window,))
    change = next_change(now, policy, [])

    assert change is not None
    assert now < change <= now + timedelta(days=16)
    between = min(now + (change - now) * share, change - timedelta.resolution)
    assert (maintenance_window(window, now) is None) is (maintenance_window(window, between) is None)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=6), st.integers(-5, 60))
def test_a_silence_holds_exactly_within_its_time(spans: list[tuple[int, int]], hour: int) -> None:
    """And where one holds, what is told ends no sooner than any other that holds."""
    ours = [
        Silence(str(n), Selector(), "asha", "why", NOW + a * HOUR, NOW + b * HOUR) for n, (a, b) in enumerate(spans)
    ]
    now = NOW + hour * HOUR
    held = holding(SHOP, now, NONE, ours, [])
    ends = [NOW + b * HOUR for a, b in spans if a <= hour < b]

    assert max(ends, default=None) == (held.until if held else None)
    assert min((NOW + h * HOUR for span in spans for h in span if h > hour), default=None) == next_change(
        now, NONE, ours
    )
