"""A month as a client has it: from midnight to midnight by the client's own clock."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from daemon.sla.calendar import zone

_MONTH = re.compile(r"(\d{4})-(\d{2})")


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` up to but not including `end`, in UTC."""

    start: datetime
    end: datetime
    timezone: str

    def __contains__(self, at: datetime | None) -> bool:
        return at is not None and self.start <= at < self.end


@dataclass(frozen=True, slots=True, order=True)
class Month:
    year: int
    month: int

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"

    @property
    def title(self) -> str:
        return f"{datetime(self.year, self.month, 1, tzinfo=UTC):%B %Y}"

    @property
    def following(self) -> Month:
        return Month(self.year + 1, 1) if self.month == 12 else Month(self.year, self.month + 1)

    def span(self, timezone: str) -> Span:
        return Span(self._begin(timezone), self.following._begin(timezone), timezone)

    def _begin(self, timezone: str) -> datetime:
        return datetime(self.year, self.month, 1, tzinfo=zone(timezone)).astimezone(UTC)


def read_month(text: str) -> Month:
    """`2026-11`. Raises ValueError, saying what is wrong."""
    found = _MONTH.fullmatch(text.strip())
    if found is None or not 1 <= int(found[2]) <= 12 or not 1970 <= int(found[1]) <= 9998:
        raise ValueError(f"'{text}' is no month: write it as 2026-11")
    return Month(int(found[1]), int(found[2]))
