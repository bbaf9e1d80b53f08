"""Calendars against a walk over the minutes that knows nothing of their arithmetic."""

from __future__ import annotations

import importlib.resources
import zoneinfo
from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.sla import calendar as sla
from daemon.sla.calendar import Always, Calendar, HolidayScope, Union, Weekly, Window
from daemon.sla.duty import Duty, on_duty

MINUTE, DAY = 60, 86400
QUICK = settings(max_examples=100, deadline=None, derandomize=True, database=None)
ZONES = (
    "UTC", "America/New_York", "Europe/London", "Asia/Kolkata", "Australia/Lord_Howe", "America/Havana",
    "America/Santiago", "Africa/Cairo", "Pacific/Chatham", "Asia/Kathmandu", "America/Nuuk", "Asia/Beirut",
)  # fmt: skip
CHANGES = (
    date(2026, 3, 8),
    date(2026, 3, 28),
    date(2026, 10, 31),
    date(2026, 4, 4),
    date(2026, 9, 5),
    date(2026, 12, 31),
)
"""Days on which clocks change somewhere, and the end of a year."""


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def weekly(tz: str, hours: Window = (540, 1020), days: range = range(5), **more: object) -> Calendar:
    return Calendar("site", Weekly(sla.zone(tz), dict.fromkeys(days, (hours,)), **more))  # type: ignore[arg-type]


@dataclass
class Walk:
    """The minutes of some days in a row, each open or not by what the wall shows."""

    site: Weekly
    first: date
    days: int
    start: int = field(init=False)
    is_open: list[bool] = field(init=False)

    def __post_init__(self) -> None:
        midnight = datetime.combine(self.first, datetime.min.time(), UTC)
        self.start = int(midnight.timestamp())
        around = range(self.start - 2 * DAY, self.start + (self.days + 2) * DAY, MINUTE)
        walls = [datetime.fromtimestamp(one, self.site.tz).replace(tzinfo=None) for one in around]
        reached = list(accumulate(walls, max))
        last = {wall: index for index, wall in enumerate(walls)}
        opened = [False] * len(walls)
        for offset in range(-2, self.days + 1):
            day = self.first + timedelta(days=offset)
            for window in self.windows(day):
                a, b = (datetime.combine(day, datetime.min.time()) + timedelta(minutes=minute) for minute in window)
                closes = last[b] if b in last else bisect_left(reached, b)
                for index in range(bisect_left(reached, a), closes):
                    opened[index] |= day in self.site.overrides or not self.is_off(walls[index].date())
        self.is_open = opened[2 * DAY // MINUTE : -2 * DAY // MINUTE]

    def windows(self, day: date) -> tuple[Window, ...]:
        if day in self.site.overrides:
            return self.site.overrides[day]
        if day in self.site.holidays and self.site.holiday_scope == "opening_day":
            return ()
        return self.site.weekly.get(day.weekday(), ())

    def is_off(self, day: date) -> bool:
        return self.site.holiday_scope == "date" and day in self.site.holidays

    def count(self, a: int, b: int) -> int:
        minutes = range((a - self.start) // MINUTE, (b - 1 - self.start) // MINUTE + 1)
        begins = {minute: self.start + minute * MINUTE for minute in minutes if self.is_open[minute]}
        return sum(min(b, begin + MINUTE) - max(a, begin) for begin in begins.values())

    def reach(self, a: int, length: int) -> int | None:
        """Second by second within the minute in which it is used up."""
        if length == 0:
            return a
        for minute in range((a - self.start) // MINUTE, len(self.is_open)):
            begin = max(a, self.start + minute * MINUTE)
            lasts = self.start + (minute + 1) * MINUTE - begin if self.is_open[minute] else 0
            if lasts >= length:
                return begin + length
            length -= lasts
        return None


windows = st.tuples(st.integers(0, 95), st.integers(1, 95)).map(lambda w: (w[0] * 15, (w[0] + w[1]) * 15))
hours = st.lists(windows, max_size=2).map(tuple)


@st.composite
def sites(draw: st.DrawFn) -> Walk:
    first = draw(st.sampled_from(CHANGES)) - timedelta(days=draw(st.integers(0, 2)))
    near = st.integers(-1, 4).map(lambda days: first + timedelta(days=days))
    scopes: tuple[HolidayScope, ...] = ("date", "opening_day")
    site = Weekly(
        sla.zone(draw(st.sampled_from(ZONES))),
        draw(st.dictionaries(st.integers(0, 6), hours, min_size=3)),
        frozenset(draw(st.sets(near, max_size=2))),
        draw(st.sampled_from(scopes)),
        draw(st.dictionaries(near, hours, max_size=1)),
    )
    return Walk(site, first, 5)


seconds = st.integers(0, 5 * DAY)


@QUICK
@given(sites(), seconds, seconds)
def test_open_time_is_that_of_a_walk(walk: Walk, a: int, b: int) -> None:
    """Counting by bisection gives the seconds that a walk over the wall's minutes gives."""
    a, b = sorted((a, b))
    calendar = Calendar("site", walk.site)

    assert walk.count(walk.start + a, walk.start + b) == calendar.count(walk.start + a, walk.start + b)


@QUICK
@given(sites(), seconds, st.integers(0, 3 * DAY))
def test_adding_is_that_of_a_walk(walk: Walk, a: int, length: int) -> None:
    """The deadline is the first instant by which a walk has met so many open seconds."""
    found = walk.reach(walk.start + a, length)

    assert found is None or found == Calendar("site", walk.site).reach(walk.start + a, length)


@QUICK
@given(sites(), sites(), seconds, seconds)
def test_a_union_is_open_when_one_of_its_sites_is(one: Walk, other: Walk, a: int, b: int) -> None:
    """What two sites both cover counts once."""
    other = Walk(other.site, one.first, one.days)
    both = Walk(one.site, one.first, one.days)
    both.is_open = [x or y for x, y in zip(one.is_open, other.is_open, strict=True)]
    a, b = (both.start + x for x in sorted((a, b)))

    assert both.count(a, b) == Calendar("both", Union((one.site, other.site))).count(a, b)


@QUICK
@given(sites(), seconds, st.integers(1, 9 * DAY), st.integers(1, 9 * DAY))
def test_adding_twice_is_adding_the_sum(walk: Walk, a: int, first: int, second: int) -> None:
    """A pause that lasts no time changes nothing, wherever it falls."""
    calendar = Calendar("site", Union((walk.site, Weekly(sla.zone("UTC"), {0: ((0, 600),)}))))
    start = walk.start + a

    assert calendar.reach(start, first + second) == calendar.reach(calendar.reach(start, first), second)
    assert first == calendar.count(start, calendar.reach(start, first))


def test_the_days_of_every_zone_leave_no_gap() -> None:
    """Whatever a zone does to its clocks: full days, one after the other, cover the year."""
    files = importlib.resources.files("tzdata").joinpath("zoneinfo")
    distinct = {files.joinpath(*name.split("/")).read_bytes(): name for name in sorted(sla.zone_names())}
    start = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    full = {name: Weekly(sla.zone(name), dict.fromkeys(range(7), ((0, 1440),))) for name in distinct.values()}

    assert {} == {
        name: seconds
        for name, hours in full.items()
        if (seconds := Calendar(name, hours).count(start, start + 365 * DAY)) != 365 * DAY
    }


def test_hours_begin_with_the_opening_and_end_before_the_closing() -> None:
    """At 09:00:00 it is open, at 17:00:00 it is not."""
    calendar = weekly("Europe/London")

    assert calendar.is_open(at("2026-01-05T09:00:00Z"))
    assert not calendar.is_open(at("2026-01-05T17:00:00Z"))
    assert at("2026-01-05T17:00:00Z") == calendar.add(at("2026-01-05T09:00:00Z"), 8 * 3600)


def test_openings_are_found_on_both_sides() -> None:
    """When it opened for this stretch, and when it opens next; around the clock there are neither."""
    calendar, always = weekly("Europe/London"), Calendar("24x7", Always())
    monday = at("2026-01-05T12:00:00Z")

    assert at("2026-01-05T09:00:00Z") == calendar.last_opening(monday)
    assert at("2026-01-06T09:00:00Z") == calendar.next_opening(monday)
    assert calendar.last_opening(at("2026-01-05T18:00:00Z")) is None
    assert (None, None) == (always.last_opening(monday), always.next_opening(monday))


def test_a_stretch_over_the_new_year_is_one() -> None:
    """Years are compiled apart and counted together."""
    calendar = weekly("UTC", (0, 1440), range(7))

    assert calendar.next_opening(at("2026-12-31T23:00:00Z")) is None
    assert 2 * 3600 == calendar.open_time(at("2026-12-31T23:00:00Z"), at("2027-01-01T01:00:00Z"))


def test_zones_are_those_of_the_pinned_database() -> None:
    """Whatever the machine knows: British Columbia stays on one offset from November 2026."""
    assert sla.tzdata_version() >= "2026"
    assert at("2026-11-10T16:00:00Z") == sla.instant(
        sla.wall_instant(date(2026, 11, 10), 540, sla.zone("America/Vancouver"))
    )
    for name in ("EST", "+05:30", "Europe/Atlantis"):
        with pytest.raises(ValueError, match="is not an IANA time zone"):
            sla.zone(name)


def test_the_whole_process_takes_the_pinned_zones() -> None:
    """Libraries that ask for a zone themselves get the same one."""
    before = zoneinfo.TZPATH
    try:
        sla.use_pinned_tzdata()

        there = datetime(2026, 11, 10, 9, tzinfo=zoneinfo.ZoneInfo("America/Vancouver"))
        assert at("2026-11-10T16:00:00Z") == there
    finally:
        zoneinfo.reset_tzpath(to=before)
        zoneinfo.ZoneInfo.clear_cache()


def test_calendars_that_open_alike_have_one_hash() -> None:
    """The content names a version of a calendar, its name does not."""
    one, other = weekly("Europe/London"), weekly("Europe/London")
    other.name = "other"

    assert one.hash == other.hash
    assert one.hash != weekly("Europe/London", holidays=frozenset({date(2026, 12, 25)})).hash
    assert Calendar("u", Union((one.hours,))).hash != one.hash


def test_the_site_that_opened_last_owns_the_queue() -> None:
    """Hand over at opening; with nobody open there is no owner, and the next to open is known."""
    sites = {"london": weekly("Europe/London"), "hyderabad": weekly("Asia/Kolkata")}

    assert Duty("hyderabad", "london", at("2026-01-05T09:00:00Z")) == on_duty(sites, at("2026-01-05T08:00:00Z"))
    assert Duty("london", "hyderabad", at("2026-01-06T03:30:00Z")) == on_duty(sites, at("2026-01-05T10:00:00Z"))
    assert Duty(None, "hyderabad", at("2026-01-05T03:30:00Z")) == on_duty(sites, at("2026-01-04T10:00:00Z"))
    assert Duty("all", None, None) == on_duty({"all": Calendar("24x7", Always())}, at("2026-01-04T10:00:00Z"))
