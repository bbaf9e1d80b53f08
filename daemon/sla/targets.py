"""Promises that are an instant and not a length: the n-th business day, and the next release."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from daemon.sla.calendar import Calendar, instant, wall_instant

By: TypeAlias = Literal["close", "same_time"] | int
"""Close of that day, the wall time of the start, or minutes after midnight."""

_DAY = timedelta(days=1)
_FARTHEST = 3660
"""Days to look for a business day in: no calendar is closed for ten years."""


@dataclass(frozen=True, slots=True)
class BusinessDays:
    """The n-th date on which the site opens, after the date of the first open instant."""

    days: int
    by: By

    def due(self, calendar: Calendar, start: int) -> int:
        """The instant; never before `start`. The calendar is one site's."""
        site = calendar.site
        if site is None:
            raise ValueError(f"calendar {calendar.name} is not one site's: it has no business days")
        tz = site.zone_at(start)
        first = calendar.opening_after(instant(start)).astimezone(tz)
        day = first.date()
        for _ in range(self.days):
            day = _next_open_date(calendar, day)
        if self.by == "close":
            return max(start, max(b for _, b in site.opened_on(day)) if site.opened_on(day) else start)
        minute = first.hour * 60 + first.minute if self.by == "same_time" else self.by
        return max(start, wall_instant(day, minute, tz))


def _next_open_date(calendar: Calendar, day: date) -> date:
    assert calendar.site is not None
    for offset in range(1, _FARTHEST):
        if calendar.site.opened_on(day + offset * _DAY):
            return day + offset * _DAY
    raise OverflowError(f"calendar {calendar.name} does not open within ten years of {day}")


@dataclass(frozen=True, slots=True)
class ReleaseTrain:
    """Releases leave every so many weeks at the same wall time; what is confirmed by the freeze is on board."""

    anchor: datetime
    """Local wall time of one release, without a zone."""
    tz: ZoneInfo
    every_weeks: int
    freeze_days_before: int

    def after(self, confirmed: int) -> int:
        """The first release whose freeze is not before `confirmed`."""
        return self.boarding(confirmed)[0]

    def boarding(self, confirmed: int) -> tuple[int, int]:
        """When that release leaves, and its freeze."""
        period = timedelta(weeks=self.every_weeks)
        local = instant(confirmed).astimezone(self.tz).replace(tzinfo=None)
        number = (local + timedelta(days=self.freeze_days_before) - self.anchor) // period - 1
        while self._leaves(number, freeze=True) < confirmed:
            number += 1
        return self._leaves(number), self._leaves(number, freeze=True)

    def _leaves(self, number: int, *, freeze: bool = False) -> int:
        days = number * self.every_weeks * 7 - (self.freeze_days_before if freeze else 0)
        return wall_instant(self.anchor.date() + timedelta(days=days), self._minute, self.tz)

    @property
    def _minute(self) -> int:
        return self.anchor.hour * 60 + self.anchor.minute
