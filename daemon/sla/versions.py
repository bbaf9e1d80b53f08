"""Hours that change: one week until an instant, another from then on. What has passed stays as it was counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from daemon.model import Json
from daemon.sla.calendar import Always, Hours, Interval, Site, Union, Weekly, Window, instant, seconds, zone

_AROUND = timedelta(days=3)
"""A window may open a local date before the UTC date on which it counts, and last two."""
_FIRST, _LAST = -(1 << 62), 1 << 62


@dataclass(frozen=True, slots=True)
class Versions:
    """A calendar's versions: each is in force until the next one begins."""

    first: Hours
    """From ever."""
    later: tuple[tuple[int, Hours], ...]
    """Each with the second since 1970 from which it is in force, in that order."""

    def intervals(self, first: date, last: date) -> Iterable[Interval]:
        for hours, low, high in self._terms():
            begins = first if low == _FIRST else max(first, instant(low).date() - _AROUND)
            ends = last if high == _LAST else min(last, instant(high).date() + _AROUND)
            if begins <= ends:
                yield from _cut(hours.intervals(begins, ends), low, high)

    def opened_on(self, day: date) -> list[Interval]:
        """What opens on that date by each version's own wall, as far as it is in force then."""
        return [
            one
            for hours, low, high in self._terms()
            if hours.site is not None
            for one in _cut(hours.site.opened_on(day), low, high)
        ]

    def zone_at(self, at: int) -> ZoneInfo:
        in_force = [hours.site for hours, low, _ in self._terms() if low <= at and hours.site is not None]
        return in_force[-1].zone_at(at)

    @property
    def site(self) -> Site | None:
        return self if all(hours.site is not None for hours, _, _ in self._terms()) else None

    def content(self) -> Json:
        later = [{"from": instant(since).isoformat(), **hours.content()} for since, hours in self.later]
        return {"versions": [self.first.content(), *later]}

    def _terms(self) -> Iterator[tuple[Hours, int, int]]:
        """Each version with the seconds between which it is in force."""
        starts = [(_FIRST, self.first), *self.later]
        ends = [*(since for since, _ in self.later), _LAST]
        for (low, hours), high in zip(starts, ends, strict=True):
            yield hours, low, high


def _cut(intervals: Iterable[Interval], low: int, high: int) -> Iterator[Interval]:
    for a, b in intervals:
        if max(a, low) < min(b, high):
            yield max(a, low), min(b, high)


def one_after_another(first: Hours, later: Iterable[tuple[datetime, Hours]]) -> Hours:
    """`first`, and then each of `later` from its instant on."""
    changes = tuple((seconds(since), hours) for since, hours in later)
    return Versions(first, changes) if changes else first


def from_content(content: Mapping[str, Json]) -> Hours:
    """The hours whose `content()` it is."""
    if "versions" in content:
        first, *later = content["versions"]
        return one_after_another(
            from_content(first), ((datetime.fromisoformat(one["from"]), from_content(one)) for one in later)
        )
    if "union" in content:
        return Union(tuple(from_content(member) for member in content["union"]))
    if "always" in content:
        return Always()
    return Weekly(
        zone(content["tz"]),
        {int(day): _windows(windows) for day, windows in content["weekly"].items()},
        frozenset(map(date.fromisoformat, content["holidays"])),
        content["holiday_scope"],
        {date.fromisoformat(day): _windows(windows) for day, windows in content["overrides"].items()},
    )


def _windows(written: Iterable[Iterable[int]]) -> tuple[Window, ...]:
    return tuple((opens, closes) for opens, closes in written)
