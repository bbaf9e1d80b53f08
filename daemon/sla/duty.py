"""Who owns the queue: work follows the sun, and a site takes over when it opens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from daemon.sla.calendar import Calendar


@dataclass(frozen=True, slots=True)
class Duty:
    owner: str | None
    """The open site that opened last; None in a gap."""
    next_owner: str | None
    """The next site to open, and when; None where every site is always open."""
    next_at: datetime | None


def on_duty(sites: Mapping[str, Calendar], at: datetime) -> Duty:
    """Of sites that open at one instant, the first by name."""
    never = at.replace(year=1)
    opened = {name: calendar.last_opening(at) or never for name, calendar in sites.items() if calendar.is_open(at)}
    coming = {name: opening for name, calendar in sites.items() if (opening := calendar.next_opening(at)) is not None}
    owner = max(sorted(opened), key=lambda name: opened[name], default=None)
    following = min(sorted(coming), key=lambda name: coming[name], default=None)
    return Duty(owner, following, coming[following] if following else None)
