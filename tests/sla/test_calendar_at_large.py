"""A hundred thousand questions to calendars, and every zone over two years, against the minutes of the wall."""

from __future__ import annotations

import importlib.resources
import random
from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate

from daemon.sla import calendar as sla
from daemon.sla.calendar import Calendar, Weekly, Window
from tests.sla.test_calendar import CHANGES, DAY, MINUTE, ZONES, Walk

CALENDARS, QUESTIONS = 250, 200
"""Of each kind: 250 × 200 × 2 = 100,000."""
DAYS = 9
SECOND_YEAR = date(2028, 1, 1)


class Minutes:
    """A walk whose open minutes are summed up once, so that many can ask."""

    def __init__(self, walk: Walk) -> None:
        self.start = walk.start
        self.is_open = walk.is_open
        self.upto = [0, *accumulate(MINUTE * one for one in walk.is_open)]

    def until(self, at: int) -> int:
        minute, second = divmod(at - self.start, MINUTE)
        return self.upto[minute] + (second if second and self.is_open[minute] else 0)

    def count(self, a: int, b: int) -> int:
        return self.until(b) - self.until(a)

    def reach(self, a: int, length: int) -> int | None:
        wanted = self.until(a) + length
        minute = bisect_left(self.upto, wanted)
        if length == 0 or minute == len(self.upto):
            return a if length == 0 else None
        return self.start + minute * MINUTE - (self.upto[minute] - wanted)


def some_hours(chance: random.Random) -> tuple[Window, ...]:
    """Up to three windows of a day, overnight ones among them, to the minute."""
    starts = (chance.randrange(0, 1440) for _ in range(chance.randrange(0, 4)))
    return tuple((start, start + chance.randrange(1, 1440)) for start in starts)


def some_walk(chance: random.Random) -> Walk:
    first = chance.choice(CHANGES) - timedelta(days=chance.randrange(0, DAYS))
    near = [first + timedelta(days=offset) for offset in range(-1, DAYS)]
    site = Weekly(
        sla.zone(chance.choice(ZONES)),
        {day: some_hours(chance) for day in range(7)},
        frozenset(chance.sample(near, chance.randrange(0, 3))),
        chance.choice(("date", "opening_day")),
        {day: some_hours(chance) for day in chance.sample(near, chance.randrange(0, 2))},
    )
    return Walk(site, first, DAYS)


def test_a_hundred_thousand_random_questions() -> None:
    """How much is open between two instants, and when so much will have been: to the second."""
    chance = random.Random(20261125)
    asked, differ = 0, []
    for _ in range(CALENDARS):
        walk = some_walk(chance)
        minutes, calendar = Minutes(walk), Calendar("site", walk.site)
        for _ in range(QUESTIONS):
            a, b = sorted(walk.start + chance.randrange(0, DAYS * DAY) for _ in range(2))
            length = chance.choice((0, 1, MINUTE, chance.randrange(0, 4 * DAY)))
            due = minutes.reach(a, length)
            asked += 2
            if minutes.count(a, b) != calendar.count(a, b):
                differ.append((walk.site, "count", a, b))
            if due is not None and due != calendar.reach(a, length):
                differ.append((walk.site, "reach", a, length))

    assert (100_000, []) == (asked, differ)


def test_the_sums_of_a_walk_are_those_of_its_steps() -> None:
    """The reference above against the one that goes second by second."""
    chance = random.Random(7)
    for _ in range(5):
        walk = some_walk(chance)
        minutes = Minutes(walk)
        for _ in range(20):
            a, b = sorted(walk.start + chance.randrange(0, DAYS * DAY) for _ in range(2))
            length = chance.randrange(0, 2 * DAY)
            assert walk.count(a, b) == minutes.count(a, b)
            assert walk.reach(a, length) == minutes.reach(a, length)


OFFICE, NIGHT = (9 * 60, 17 * 60), (22 * 60, 30 * 60)


def distinct_zones() -> list[str]:
    """One name of each zone of the pinned database that has hours of its own."""
    files = importlib.resources.files("tzdata").joinpath("zoneinfo")
    return sorted({files.joinpath(*name.split("/")).read_bytes(): name for name in sorted(sla.zone_names())}.values())


def changes(name: str) -> Iterator[date]:
    """Dates of 2026 and 2027 on which the zone's offset changes."""
    tz, day = sla.zone(name), date(2026, 1, 1)
    while day < SECOND_YEAR:
        noons = (datetime.combine(day + timedelta(days=n), datetime.min.time(), UTC) for n in (0, 1))
        if len({noon.astimezone(tz).utcoffset() for noon in noons}) == 2:
            yield day
        day += timedelta(days=1)


def test_every_zone_over_two_years() -> None:
    """Where no clock changes, a day has eight office hours and eight of the night; where one does, the walk says."""
    start = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    wrong = []
    for name in distinct_zones():
        site = Weekly(sla.zone(name), dict.fromkeys(range(7), (OFFICE, NIGHT)))
        calendar, near = Calendar(name, site), set[int]()
        for day in changes(name):
            walk = Walk(site, day - timedelta(days=1), 4)
            minutes = Minutes(walk)
            near |= {walk.start + offset * DAY for offset in range(4)}
            edges = range(walk.start, walk.start + 4 * DAY, 3600)
            wrong += [(name, a) for a in edges if minutes.count(a, a + 3600) != calendar.count(a, a + 3600)]
        quiet = (at for at in range(start, start + 730 * DAY, DAY) if at not in near)
        wrong += [(name, at) for at in quiet if calendar.count(at, at + DAY) != 16 * 3600]

    assert [] == wrong
