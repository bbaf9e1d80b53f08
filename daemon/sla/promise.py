"""What a contract promises, as values. `policy.py` reads them, `clocks.py` runs by them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from daemon.model import Goal, Role, Severity
from daemon.sla.calendar import Calendar
from daemon.sla.targets import BusinessDays, ReleaseTrain

Lowering: TypeAlias = Literal["carry", "restart", "proportional", "retroactive"]
Raising: TypeAlias = Literal["restart_capped", "carry"]

BREACH = "breach"


@dataclass(frozen=True, slots=True)
class Promise:
    """One goal at one severity."""

    calendar: Calendar
    target: int | BusinessDays
    """SLA seconds, or a business day."""
    pausable: bool = True
    """Whether waiting for the client stops the count."""
    train: ReleaseTrain | None = None
    """Takes the target's place while a fix waits for the next minor release."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """A warning: at a part of the target, at a length before it, when nobody has taken the page for so long, or (none
    of these) when the promise is missed."""

    name: str
    percent: int | None = None
    before: int | None = None
    unacknowledged: int | None = None
    """Seconds from the start of the response clock, whatever its calendar; only while nobody has acknowledged."""
    notify: tuple[str, ...] = ()
    in_hours: tuple[str, ...] = ()
    """Who is told once their own hours have begun."""
    then: tuple[Role, ...] = ()

    def needs(self, total: int) -> int:
        """Seconds of `total` that must be used up for it."""
        if self.percent is not None:
            return -(-total * self.percent // 100)
        return max(0, total - (self.before or 0))


@dataclass(frozen=True, slots=True)
class Contract:
    """One version of a contract. A ticket keeps the one in force when it was reported."""

    name: str
    version: str
    """`gold@2026-07-01T00:00:00Z`; `gold@first` where the operator gave no instant. What was rewritten in place while
    it was in force adds the number of its text: `gold@first~2`."""
    since: datetime | None
    """In force from here on; None is from ever."""
    goals: Mapping[Goal, Mapping[Severity, Promise | None]]
    """A goal that is absent is not promised at any severity."""
    alarms: Mapping[tuple[Goal, Severity], tuple[Alarm, ...]] = field(default_factory=dict)
    on_lower: Lowering = "carry"
    on_raise: Raising = "restart_capped"
    reopen_response: Literal["new_cycle", "ignore"] = "new_cycle"
    reopen_resolution: Literal["resume", "restart"] = "resume"
    reopen_within: timedelta = timedelta(days=14)
    start: Literal["recorded", "began"] = "recorded"
    on_recovery: Literal["resolve", "keep"] = "keep"
    remind_after: timedelta = timedelta(days=3)
    """How long after it was resolved somebody is asked to have the client validate it; no time is never."""
    acknowledgement_counts: bool = False
    """Whether taking the page is a first response."""
    text: str = ""
    """All that it was read from, calendars left out, as YAML; nothing for one that is built in."""

    @property
    def hash(self) -> str:
        """Of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Client:
    """Someone to whom promises were made."""

    name: str
    contract: str
    timezone: str = "UTC"
    support_emails: tuple[str, ...] = ()
    hotline_numbers: tuple[str, ...] = ()
