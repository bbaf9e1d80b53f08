"""What `policy/` says beside the rules, as frozen values: problems, lists, maintenance windows, inhibitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from daemon.model import Json
from daemon.rules.model import Clear
from daemon.rules.regex import from_glob, searcher

FIELDS = ("rule", "problem", "source", "class", "team", "location", "severity")
GROUP = "group."
"""Before the name of a group's part, among the fields that a selector can name."""

ALL_DAYS = frozenset(range(7))


def matches(glob: str, value: str) -> bool:
    """Whether the glob is the whole of the value, case and all; never so for an empty value."""
    return bool(value) and searcher(from_glob(glob))(value)


@dataclass(frozen=True, slots=True)
class Problem:
    """What several rules are signs of. It owns what their shared incident must have one of."""

    name: str
    key: tuple[str, ...]
    """Names of group parts that tell its incidents apart: each of its rules groups by these."""
    class_: str
    clear: Clear
    reopen_within: timedelta
    team: str = ""


@dataclass(frozen=True, slots=True)
class Selector:
    """Which incidents are meant: every line must hold, by any of its globs. Nothing said: every incident."""

    lines: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """`rule`, `problem`, `source`, `class`, `team`, `location`, `severity`, or `group.<part>` → globs."""

    def means(self, fields: Mapping[str, str]) -> bool:
        """Whether an incident with these fields is meant. What it does not have, or has empty, no glob matches."""
        return all(any(matches(glob, fields.get(name, "")) for glob in globs) for name, globs in self.lines.items())


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Openings that the selector means are held while a window is open. Either recurring or once."""

    name: str
    hold: Selector
    tz: str = "UTC"
    """An IANA zone: wall times are kept over its clock changes."""
    days: frozenset[int] = frozenset()
    """Weekdays on which it opens, 0 is Monday; empty for one that opens once."""
    opens: time | None = None
    closes: time | None = None
    """At or before `opens`: on the next day."""
    first: date | None = None
    last: date | None = None
    """The first and last local dates on which a recurring one opens."""
    begins: datetime | None = None
    ends: datetime | None = None
    """Of one that opens once."""
    reason: str = ""
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Inhibition:
    """While an incident that `source` means is open, openings that `hold` means are held where `equal` is the same."""

    name: str
    source: Selector
    hold: Selector
    equal: tuple[str, ...] = ("location",)
    """Fields of an incident, as selectors name them."""
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class RulePolicy:
    """The whole of `policy/`."""

    lists: Mapping[str, tuple[Json, ...]] = field(default_factory=dict)
    problems: Mapping[str, Problem] = field(default_factory=dict)
    maintenance: tuple[Maintenance, ...] = ()
    inhibitions: tuple[Inhibition, ...] = ()
    hash: str = ""
    """Of every file's name and bytes."""
