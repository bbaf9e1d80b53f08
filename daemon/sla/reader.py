"""Reads what an operator wrote about promises: every mistake is gathered with its place, and reading goes on."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from daemon.errors import Problem
from daemon.marked_yaml import Mark, MarkedList, MarkedMap
from daemon.sla.calendar import Window, instant, wall_instant, zone

T = TypeVar("T")

_LENGTH = re.compile(r"([0-9]{1,6})([smh])")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_WINDOW = re.compile(r"([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})")
_TIME = re.compile(r"([0-9]{2}):([0-9]{2})")
_MIDNIGHT = 24 * 60


class Wrong(Exception):
    """One value cannot be used; the reader knows where it stands."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


class Reader:
    """One reading, and what was wrong in it."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def report(self, mark: Mark, message: str, hint: str = "") -> None:
        self.problems.append(mark.problem(message, hint))

    def attempt(self, parse: Callable[[Any], T], value: Any, mark: Mark) -> T | None:
        """The parsed value; None, and a problem, if it cannot be used."""
        try:
            return parse(value)
        except Wrong as wrong:
            self.report(mark, wrong.message, wrong.hint)
            return None

    def get(self, table: MarkedMap, key: str, parse: Callable[[Any], T], default: T) -> T:
        """What stands under `key`; `default` if nothing does, or if it cannot be used."""
        if key not in table:
            return default
        found = self.attempt(parse, table[key], table.value_mark(key))
        return default if found is None else found

    def need(self, table: MarkedMap, key: str, parse: Callable[[Any], T], what: str) -> T | None:
        if key not in table:
            self.report(table.mark, f"{what} needs '{key}'.")
            return None
        return self.attempt(parse, table[key], table.value_mark(key))

    def table(self, value: Any, mark: Mark, what: str, known: Iterable[Any]) -> MarkedMap | None:
        """The map, once each of its keys that is not known has been reported."""
        words = list(known)
        table = self.map(value, mark, what)
        for key in table or ():
            if key not in words and table is not None:
                hint = nearest(key, words) or f"The keys are {', '.join(map(str, words))}."
                self.report(table.key_mark(key), f"{what} has no key '{key}'.", hint)
        return table

    def map(self, value: Any, mark: Mark, what: str) -> MarkedMap | None:
        if isinstance(value, MarkedMap):
            return value
        self.report(mark, f"{what} is a map of keys, not {named(value)}.")
        return None

    def each(self, value: Any, mark: Mark, what: str, parse: Callable[[Any], T]) -> list[T]:
        """The items of a list that can be used."""
        if not isinstance(value, MarkedList):
            self.report(mark, f"{what} is a list, not {named(value)}.")
            return []
        items = (self.attempt(parse, item, value.item_mark(i)) for i, item in enumerate(value))
        return [item for item in items if item is not None]

    def entries(self, table: MarkedMap | None, key: str, what: str, parse: Callable[[Any], T]) -> list[T]:
        """The usable items of the list under `key`; none if nothing stands there."""
        if table is None or key not in table:
            return []
        return self.each(table[key], table.value_mark(key), what, parse)


def nearest(word: object, known: Iterable[Any]) -> str:
    """`Did you mean 'gold'?`, or nothing if no known word is near."""
    close = difflib.get_close_matches(str(word), sorted(map(str, known)), n=1, cutoff=0.6)
    return f"Did you mean '{close[0]}'?" if close else ""


def named(value: Any) -> str:
    """A value as an operator would call it."""
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return "a map" if isinstance(value, dict) else "a list"
    return f"'{str(value).lower() if isinstance(value, bool) else value}'"


def text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise Wrong(f"{named(value)} is not a text.")
    return str(value)


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Wrong(f"{named(value)} is neither true nor false.")
    return value


def whole(low: int, high: int) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise Wrong(f"{named(value)} is not a whole number from {low} to {high}.")
        return value

    return parse


def choice(*words: str) -> Callable[[Any], Any]:
    return one_of({word: word for word in words}, "choice")


def one_of(known: Mapping[str, T], what: str) -> Callable[[Any], T]:
    """What the name stands for."""

    def parse(value: Any) -> T:
        if not isinstance(value, str) or value not in known:
            hint = nearest(value, known) or f"There is {', '.join(sorted(known))}."
            raise Wrong(f"{named(value)} is no {what} here.", hint)
        return known[value]

    return parse


def length(value: Any) -> int:
    """Seconds of SLA time. A day is no length: calendars disagree on how long it is."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]+d", value):
        raise Wrong(f"'{value}': a promise has no days.", "Write hours (40h), or business_days: 5.")
    match = _LENGTH.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise Wrong(f"{named(value)} is not a length of time.", "Write 30s, 15m or 4h.")
    if not int(match[1]):
        raise Wrong(f"'{value}' leaves no time at all.", "Write null where nothing is promised.")
    return int(match[1]) * _SECONDS[match[2]]


def zone_name(value: Any) -> str:
    try:
        return zone(str(value)).key
    except ValueError:
        hint = "Take an IANA name, such as Europe/London, Asia/Kolkata or UTC."
        raise Wrong(f"{named(value)} is not a time zone.", hint) from None


def calendar_date(value: Any) -> date:
    try:
        return date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise Wrong(f"{named(value)} is not a date.", "Write it as 2026-12-25.") from None


def moment(value: Any) -> datetime:
    try:
        at = datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise Wrong(f"{named(value)} is not an instant.", "Write it as 2026-07-01T00:00:00Z.") from None
    if at.tzinfo is None:
        raise Wrong(f"{named(value)} does not say in which time zone.", "Write it as 2026-07-01T00:00:00Z.")
    return at.astimezone(UTC)


def moment_in(tz: ZoneInfo) -> Callable[[Any], datetime]:
    """An instant; one without an offset is what the wall shows in `tz`: where it does so twice, the first of the two,
    where never, the end of the gap."""

    def parse(value: Any) -> datetime:
        try:
            at = datetime.fromisoformat(value if isinstance(value, str) and "T" in value else "")
        except ValueError:
            hint = "Write it as 2026-12-24T16:30, with Z or an offset if it is not local."
            raise Wrong(f"{named(value)} is not an instant.", hint) from None
        if at.tzinfo is not None:
            return at.astimezone(UTC)
        shown = wall_instant(at.date(), at.hour * 60 + at.minute, tz)
        return instant(shown + at.second)

    return parse


def wall_time(value: Any) -> int:
    """Minutes after midnight of a time before the day's end."""
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[1]) > 23 or int(match[2]) > 59:
        raise Wrong(f"{named(value)} is not a time of day.", "Write it as 16:00.")
    return int(match[1]) * 60 + int(match[2])


def window(value: Any) -> Window:
    """Opening hours. A close that is not after the open is on the next date."""
    match = _WINDOW.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise Wrong(f"{named(value)} is not a window of time.", "Write it as 09:00-17:00.")
    if int(match[1]) > 23 or int(match[3]) > 24 or max(int(match[2]), int(match[4])) > 59:
        raise Wrong(f"'{value}' holds a time that no clock shows.", "Times go from 00:00 to 24:00.")
    opens, closes = (int(match[i]) * 60 + int(match[i + 1]) for i in (1, 3))
    if closes > _MIDNIGHT:
        raise Wrong(f"'{value}' holds a time that no clock shows.", "Times go from 00:00 to 24:00.")
    if opens == closes:
        raise Wrong(f"'{value}' opens and closes at once.", "For the whole day write 00:00-24:00.")
    return opens, closes if closes > opens else closes + _MIDNIGHT
