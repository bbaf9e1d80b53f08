"""When a promise's clock counts: a calendar is a set of half-open UTC intervals, found from local wall time.

Everything inside is whole seconds since 1970 (`seconds` of an instant drops its fraction); the methods that people and
other rooms call take and give aware datetimes. Intervals are compiled a UTC year at a time, when a year is first asked
for, with prefix sums: counting and adding are then a bisection each.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import zoneinfo
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from itertools import accumulate
from typing import Literal, Protocol, TypeAlias
from zoneinfo import ZoneInfo

from daemon.model import Json

Interval: TypeAlias = tuple[int, int]
Window: TypeAlias = tuple[int, int]
"""Minutes after local midnight: open, close. A close past 1440 is on the next date."""
HolidayScope: TypeAlias = Literal["date", "opening_day"]

_FARTHEST_YEAR = 9990
_DAY = timedelta(days=1)


def seconds(instant: datetime) -> int:
    """Whole seconds since 1970: clocks know nothing finer."""
    return int(instant.timestamp() // 1)


def instant(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Every zone of the pinned database that has a place or rules of its own.

    `EST`, `GB` and the like are abbreviations kept for old programs: they are left out, `UTC` stays.
    """
    listed = importlib.resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
    return frozenset(name for name in listed if "/" in name or name == "UTC")


@cache
def zone(name: str) -> ZoneInfo:
    """The zone as the pinned `tzdata` package has it, whatever the system's own database says.

    The two disagree: about America/Vancouver from November 2026, for one.
    """
    if name not in zone_names():
        raise ValueError(f"'{name}' is not an IANA time zone, such as Europe/London or UTC")
    resource = importlib.resources.files("tzdata").joinpath("zoneinfo", *name.split("/"))
    with resource.open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def use_pinned_tzdata() -> None:
    """Make the whole process, libraries too, take zones from the pinned `tzdata` package instead of the system's."""
    zoneinfo.reset_tzpath(to=[])
    ZoneInfo.clear_cache()


@lru_cache(maxsize=1)
def tzdata_version() -> str:
    """IANA's name of the pinned release, such as `2026f`: the second line of the package's own file."""
    head = importlib.resources.files("tzdata").joinpath("zoneinfo", "tzdata.zi").read_text(encoding="utf-8")
    return head.split("\n", 1)[0].removeprefix("# version").strip()


def wall_instant(day: date, minute: int, tz: ZoneInfo, *, last: bool = False) -> int:
    """The instant at which the clock on the wall shows `minute` after midnight of `day`.

    Shown twice (clocks went back): the first, or the last. Never shown (clocks went forward, or the date was left
    out): the first instant after the gap.
    """
    wall = datetime.combine(day, time()) + timedelta(minutes=minute)
    early = int(wall.replace(tzinfo=tz, fold=0).timestamp())
    late = int(wall.replace(tzinfo=tz, fold=1).timestamp())
    if early <= late:
        return late if last else early
    return _end_of_gap(late, early, wall, tz)


def _end_of_gap(low: int, high: int, wall: datetime, tz: ZoneInfo) -> int:
    """The first instant in (low, high] at which the wall shows `wall` or later."""
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, tz).replace(tzinfo=None) >= wall:
            high = middle
        else:
            low = middle
    return high


class Site(Protocol):
    """Hours of one place: a date of its own wall has a business day or not."""

    def opened_on(self, day: date) -> list[Interval]:
        """What opens on one local date, its tail after midnight included."""
        ...

    def zone_at(self, at: int) -> ZoneInfo: ...


class Hours(Protocol):
    """What a calendar is made from."""

    @property
    def site(self) -> Site | None:
        """The one place behind it; None for a union, and for what is always open."""
        ...

    def intervals(self, first: date, last: date) -> Iterable[Interval]:
        """All that opens on the local dates `first` to `last`, in any order, perhaps overlapping."""
        ...

    def content(self) -> Json:
        """All that decides when it is open, as JSON, for the hash."""
        ...


@dataclass(frozen=True, slots=True)
class Always:
    @property
    def site(self) -> None:
        return None

    def intervals(self, first: date, last: date) -> Iterable[Interval]:
        yield wall_instant(first, 0, zone("UTC")), wall_instant(last + _DAY, 0, zone("UTC"))

    def content(self) -> Json:
        return {"always": True}


@dataclass(frozen=True, slots=True)
class Weekly:
    """A site's week. Explicit hours win: what an override opens, no holiday closes, and no weekly window adds to."""

    tz: ZoneInfo
    weekly: Mapping[int, tuple[Window, ...]]
    """By weekday, 0 is Monday."""
    holidays: frozenset[date] = frozenset()
    holiday_scope: HolidayScope = "date"
    """`date`: nothing of that local date is open, tails of the evening before included. `opening_day`: what would
    have opened on that date does not."""
    overrides: Mapping[date, tuple[Window, ...]] = field(default_factory=dict)

    @property
    def site(self) -> Site:
        return self

    def zone_at(self, at: int) -> ZoneInfo:
        return self.tz

    @property
    def listed_until(self) -> date | None:
        """The end of the last year of which holidays are written down; None where there are none at all."""
        return date(max(self.holidays).year, 12, 31) if self.holidays else None

    def intervals(self, first: date, last: date) -> Iterable[Interval]:
        for offset in range((last - first).days + 1):
            yield from self.opened_on(first + offset * _DAY)

    def opened_on(self, day: date) -> list[Interval]:
        if day in self.overrides:
            return self._place(day, self.overrides[day])
        if day in self.holidays and self.holiday_scope == "opening_day":
            return []
        placed = self._place(day, self.weekly.get(day.weekday(), ()))
        if self.holiday_scope == "date":
            for off in (day, day + _DAY):
                if off in self.holidays:
                    placed = _without(placed, self.date_span(off))
        return placed

    def date_span(self, day: date) -> Interval:
        return wall_instant(day, 0, self.tz), wall_instant(day + _DAY, 0, self.tz)

    def _place(self, day: date, windows: Iterable[Window]) -> list[Interval]:
        placed = ((wall_instant(day, a, self.tz), wall_instant(day, b, self.tz, last=True)) for a, b in windows)
        return [(a, b) for a, b in placed if a < b]

    def content(self) -> Json:
        return {
            "tz": self.tz.key,
            "weekly": {str(day): [list(w) for w in windows] for day, windows in sorted(self.weekly.items())},
            "holidays": sorted(map(str, self.holidays)),
            "holiday_scope": self.holiday_scope,
            "overrides": {str(day): [list(w) for w in windows] for day, windows in sorted(self.overrides.items())},
        }


@dataclass(frozen=True, slots=True)
class Union:
    """Open when any member is; where they overlap counts once."""

    members: tuple[Hours, ...]

    @property
    def site(self) -> None:
        return None

    def intervals(self, first: date, last: date) -> Iterable[Interval]:
        for member in self.members:
            yield from member.intervals(first, last)

    def content(self) -> Json:
        return {"union": [member.content() for member in self.members]}


def _without(intervals: list[Interval], hole: Interval) -> list[Interval]:
    pieces = ((a, min(b, hole[0])) for a, b in intervals), ((max(a, hole[1]), b) for a, b in intervals)
    return [(a, b) for part in pieces for a, b in part if a < b]


def _merge(intervals: Iterable[Interval]) -> list[Interval]:
    merged: list[Interval] = []
    for a, b in sorted(intervals):
        if merged and a <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(b, merged[-1][1])
        else:
            merged.append((a, b))
    return merged


class _Year:
    """One UTC year's intervals, cut to the year, with prefix sums."""

    __slots__ = ("ends", "starts", "sums")

    def __init__(self, year: int, hours: Hours) -> None:
        low, high = (seconds(datetime(y, 1, 1, tzinfo=UTC)) for y in (year, year + 1))
        merged = _merge(hours.intervals(date(year - 1, 12, 29), date(year + 1, 1, 3)))
        cut = [(max(a, low), min(b, high)) for a, b in merged if a < high and b > low]
        self.starts = [a for a, _ in cut]
        self.ends = [b for _, b in cut]
        self.sums = [0, *accumulate(b - a for a, b in cut)]

    def upto(self, at: int) -> int:
        """Open seconds of this year before `at`."""
        i = bisect_right(self.starts, at) - 1
        return 0 if i < 0 else self.sums[i] + min(at, self.ends[i]) - self.starts[i]

    def reach(self, open_seconds: int) -> int:
        """The first instant before which that many of this year's seconds (at least 1) were open."""
        i = bisect_left(self.sums, open_seconds) - 1
        return self.starts[i] + open_seconds - self.sums[i]


def _year_of(at: int) -> int:
    return instant(at).year


class Calendar:
    """Open and closed time. Immutable but for the years that it has compiled."""

    def __init__(self, name: str, hours: Hours) -> None:
        self.name = name
        self.hours = hours
        self._years: dict[int, _Year] = {}
        self._always = isinstance(hours, Always)

    def __repr__(self) -> str:
        return f"Calendar({self.name!r})"

    @property
    def hash(self) -> str:
        """Of the content, not of the name: two calendars that open alike, written alike, have the same."""
        return hashlib.sha256(json.dumps(self.hours.content(), sort_keys=True).encode()).hexdigest()

    @property
    def site(self) -> Site | None:
        """The one place behind it; None for a union, and for one that is always open."""
        return self.hours.site

    def open_time(self, a: datetime, b: datetime) -> int:
        """Open seconds of [a, b); 0 if b is not after a."""
        return self.count(seconds(a), seconds(b))

    def add(self, at: datetime, length: int) -> datetime:
        """The earliest instant not before `at` by which `length` seconds have been open.

        Used up exactly at closing, it is that closing; a length of 0 is `at` itself, open or not.
        """
        return instant(self.reach(seconds(at), length))

    def is_open(self, at: datetime) -> bool:
        """Open at its opening, closed at its closing."""
        return self.count(seconds(at), seconds(at) + 1) == 1

    def opening_after(self, at: datetime) -> datetime:
        """The first open instant at or after `at`: `at` itself if that is open."""
        return instant(self.reach(seconds(at), 1) - 1)

    def next_opening(self, at: datetime) -> datetime | None:
        """When it next goes from closed to open, after `at`; None if it never closes."""
        closing = self._closed_after(seconds(at))
        return None if closing is None else self.opening_after(instant(closing))

    def last_opening(self, at: datetime) -> datetime | None:
        """When it opened for the stretch that holds `at`; None if it is closed then, or has been open for years."""
        if not self.is_open(at):
            return None
        for year in range(_year_of(seconds(at)), _year_of(seconds(at)) - 3, -1):
            starts = self._year(year).starts
            for i in range(bisect_right(starts, seconds(at)) - 1, -1, -1):
                if not self.count(starts[i] - 1, starts[i]):
                    return instant(starts[i])
        return None

    def stretches(self, a: datetime, b: datetime) -> list[tuple[datetime, datetime]]:
        """The open parts of [a, b), in order, none touching the next."""
        low, high = seconds(a), seconds(b)
        if self._always:
            return [(instant(low), instant(high))] if low < high else []
        years = (self._year(year) for year in range(_year_of(low), _year_of(high) + 1))
        merged = _merge(pair for year in years for pair in zip(year.starts, year.ends, strict=True))
        cut = [(max(low, start), min(high, end)) for start, end in merged]
        return [(instant(start), instant(end)) for start, end in cut if start < end]

    def count(self, a: int, b: int) -> int:
        """`open_time` of whole seconds since 1970."""
        if self._always or b <= a:
            return max(0, b - a)
        first, last = _year_of(a), _year_of(b)
        between = sum(self._year(year).sums[-1] for year in range(first, last))
        return between + self._year(last).upto(b) - self._year(first).upto(a)

    def reach(self, at: int, length: int) -> int:
        """`add` of whole seconds since 1970."""
        if length <= 0:
            return at
        if self._always:
            return at + length
        year = _year_of(at)
        wanted = length + self._year(year).upto(at)
        while wanted > (total := self._year(year).sums[-1]):
            wanted -= total
            year += 1
            if year > _FARTHEST_YEAR:
                raise OverflowError(f"calendar {self.name}: {length} s are never used up")
        return self._year(year).reach(wanted)

    def _closed_after(self, at: int) -> int | None:
        """The first closed instant at or after `at`, looking three years ahead."""
        if self._always or not self.count(at, at + 1):
            return None if self._always else at
        for year in range(_year_of(at), _year_of(at) + 3):
            for end in self._year(year).ends:
                if end > at and not self.count(end, end + 1):
                    return end
        return None

    def _year(self, year: int) -> _Year:
        found = self._years.get(year)
        if found is None:
            found = self._years[year] = _Year(year, self.hours)
        return found
