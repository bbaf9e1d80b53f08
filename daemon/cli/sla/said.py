"""How instants and lengths of time are said, and what the words of a command are taken for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from daemon.errors import ConfigError, Problem
from daemon.marked_yaml import nearest, one_of
from daemon.sla.promise import Promise
from daemon.sla.reader import Wrong
from daemon.sla.targets import BusinessDays

T = TypeVar("T")

_HOUR, _MINUTE = 3600, 60


def utc(at: datetime | None) -> str:
    """`Thu 2026-12-24 21:30`, with seconds where there are any; nothing for None."""
    return "" if at is None else _wall(at.astimezone(UTC))


def local(at: datetime | None, tz: ZoneInfo) -> str:
    """The same by the wall of a place, and which of its times it is: `Thu 2026-12-24 16:30 EST`."""
    return "" if at is None else f"{_wall(at.astimezone(tz))} {at.astimezone(tz):%Z}"


def iso(at: datetime | None) -> str | None:
    return None if at is None else f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def iso_local(at: datetime | None, tz: ZoneInfo) -> str | None:
    return None if at is None else at.astimezone(tz).replace(microsecond=0).isoformat()


def _wall(at: datetime) -> str:
    return f"{at:%a %Y-%m-%d %H:%M:%S}" if at.second else f"{at:%a %Y-%m-%d %H:%M}"


def length(seconds: int) -> str:
    """`1h 30m`. Hours are not made into days: calendars disagree on how long one is."""
    parts = (seconds // _HOUR, "h"), (seconds % _HOUR // _MINUTE, "m"), (seconds % _MINUTE, "s")
    return " ".join(f"{count}{unit}" for count, unit in parts if count) or "0s"


def target(promise: Promise, *, on_train: bool = False) -> str:
    """What is promised, as a contract writes it."""
    if on_train:
        return "the next minor release"
    if isinstance(promise.target, BusinessDays):
        by = promise.target.by
        when = f"{by // 60:02}:{by % 60:02}" if isinstance(by, int) else by.replace("_", " ")
        return f"{promise.target.days} business day{'s' * (promise.target.days != 1)}, by {when}"
    return length(promise.target)


def option(name: str, parse: Callable[[Any], T], text: str) -> T:
    """What stands behind an option. Raises ConfigError where it cannot be used."""
    try:
        return parse(text)
    except Wrong as wrong:
        raise ConfigError([Problem(name, 0, wrong.message, wrong.hint)]) from None


def chosen(name: str, text: str, known: Mapping[str, T], what: str) -> T:
    """The one of that name. Raises ConfigError, with the nearest name, if there is none."""
    if text in known:
        return known[text]
    hint = nearest(text, known) or (one_of("There is", sorted(known)) if known else f"There is no {what} at all.")
    raise ConfigError([Problem(name, 0, f"there is no {what} '{text}'.", hint)])
