"""A story: what happens at the vendors and what people do, over time, and what must have come of it.

```yaml
title: An evening on call
lasts: 100s
acts:
  - at: 2s
    sentry.issue: {id: "4101", title: "MemoryError: out of memory", level: fatal}
  - at: 30s                                  # or as soon after as there is such a page
    pagerduty.acknowledge: {page: "Checkout fails*", user: asha}
  - {at: 35s, jira.fault: {endpoint: POST .*/issue, kind: lost, times: 1}}
expect:
  - {pages: {title: "Checkout fails*", acknowledged_by: asha}, times: 1, within: 60s}
```
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path

import yaml

from lab.server import Json

OUTCOMES = ("signals", "incidents", "tickets", "deliveries", "pages", "defects", "warnings", "breaches", "posts")
"""What can be expected: the lists of a report."""

_TIMES = ("opened_at", "created_at", "recorded_at", "due_at", "at")
"""Where the things of a report say when they came to be."""

_PARTS = frozenset({"title", "lasts", "acts", "expect"})
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LENGTH = re.compile(r"(\d+)([smhd])")


class StoryError(ValueError):
    """A story that cannot be played; the message says which act, and why."""


@dataclass(frozen=True, slots=True)
class Act:
    at: timedelta
    """After the story's beginning."""
    who: str
    does: str
    arguments: Mapping[str, Json]
    number: int

    def __str__(self) -> str:
        return f"act {self.number} ({self.who}.{self.does})"


@dataclass(frozen=True, slots=True)
class Expectation:
    """That so many of `outcome` are like `like`."""

    outcome: str
    like: Mapping[str, Json]
    """Fields, and what each must be; a text may be a pattern with `*`."""
    times: int | None
    """None: at least one."""
    within: timedelta | None

    def unmet(self, report: Mapping[str, Json], began_at: datetime) -> str:
        """What is wrong, in words; empty if nothing is."""
        found = [one for one in report.get(self.outcome, ()) if self._meets(one, began_at)]
        if len(found) == self.times or (self.times is None and found):
            return ""
        wanted = "at least one" if self.times is None else str(self.times)
        soon = f" within {self.within.total_seconds():g} s" if self.within else ""
        like = ", ".join(f"{name}: {value}" for name, value in self.like.items())
        return f"{wanted} of {self.outcome} with {{{like}}}{soon}, there were {len(found)}"

    def _meets(self, one: Mapping[str, Json], began_at: datetime) -> bool:
        if self.within is not None and not _came_by(one, began_at + self.within):
            return False
        return all(_is_like(one.get(name), value) for name, value in self.like.items())


@dataclass(frozen=True, slots=True)
class Story:
    title: str
    lasts: timedelta
    acts: Sequence[Act]
    expected: Sequence[Expectation]


def read(path: Path) -> Story:
    """Raises StoryError."""
    try:
        whole = yaml.safe_load(path.read_text())
        if not isinstance(whole, dict) or set(whole) - _PARTS:
            raise ValueError(f"a story has {', '.join(sorted(_PARTS))}, and nothing else")
        acts = [_act(number, entry) for number, entry in enumerate(whole.get("acts") or (), 1)]
        expected = [_expectation(number, entry) for number, entry in enumerate(whole.get("expect") or (), 1)]
        return Story(str(whole.get("title", path.stem)), length(whole["lasts"]), acts, expected)
    except KeyError as error:
        raise StoryError(f"'{error.args[0]}' is missing") from None
    except (OSError, TypeError, ValueError, yaml.YAMLError) as error:
        raise StoryError(str(error)) from None


def length(text: Json) -> timedelta:
    """`90s`, `5m`, `2h`, `1d`. Raises ValueError."""
    found = _LENGTH.fullmatch(str(text))
    if found is None:
        raise ValueError(f"'{text}' is no length of time: 90s, 5m, 2h, 1d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _act(number: int, entry: Json) -> Act:
    names = [name for name in entry if name != "at"] if isinstance(entry, dict) else []
    who, dot, does = str(names[0]).partition(".") if len(names) == 1 else ("", "", "")
    if not dot or "at" not in entry:
        raise ValueError(f"act {number} is not like 'at: 2s' and 'sentry.issue: {{…}}'")
    return Act(length(entry["at"]), who, does, entry[names[0]] or {}, number)


def _expectation(number: int, entry: Json) -> Expectation:
    names = [name for name in entry if name not in ("times", "within")] if isinstance(entry, dict) else []
    if len(names) != 1 or names[0] not in OUTCOMES or not isinstance(entry[names[0]], dict):
        raise ValueError(f"expectation {number} is not of one of {', '.join(OUTCOMES)}: {{field: value, …}}")
    within, times = entry.get("within"), entry.get("times")
    if times is not None and not isinstance(times, int):
        raise ValueError(f"expectation {number}: '{times}' is no number of times")
    return Expectation(names[0], entry[names[0]], times, None if within is None else length(within))


def _came_by(one: Mapping[str, Json], instant: datetime) -> bool:
    told = next((one[name] for name in _TIMES if one.get(name)), None)
    return told is not None and datetime.fromisoformat(told) <= instant


def _is_like(value: Json, wanted: Json) -> bool:
    if isinstance(wanted, str) and value is not None:
        return fnmatchcase(str(value), wanted)
    return bool(value == wanted)
