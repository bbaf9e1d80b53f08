"""What Sentry's search understands: the time that a request covers, and the terms of its query."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from lab.search import Term
from lab.server import Json, Refused, Request, Response

_STORED = timedelta(days=90)
_DURATION = re.compile(r"(\d+)([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SIGNS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}


def bad(detail: str) -> Refused:
    return Refused(Response(400, {"detail": detail}))


def window(request: Request, now: datetime) -> tuple[datetime, datetime]:
    """The time asked for; `statsPeriod` beats `start` and `end`, which come together."""
    period, start, end = (request.arg(name) for name in ("statsPeriod", "start", "end"))
    if period:
        return now - _duration(period), now
    if bool(start) != bool(end):
        raise bad("start and end are both required")
    if not start:
        return now - _STORED, now
    return _date(start), _date(end)


def _duration(text: str) -> timedelta:
    match = _DURATION.fullmatch(text)
    if not match:
        raise bad(f"Invalid duration: {text}")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def read(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _date(text: str) -> datetime:
    try:
        return read(text)
    except ValueError:
        raise bad(f"Invalid date: {text}. Expected +/-duration (e.g. +1h) or ISO 8601-like") from None


class Asked:
    """One term of a query, read in Sentry's sense."""

    def __init__(self, term: Term, now: datetime) -> None:
        self._term = term
        self._now = now

    def met_by(self, row: Json, tags: Mapping[str, str]) -> bool:
        term = self._term
        if not term.key:
            return term.within(row["title"], row["culprit"])
        if term.key in ("lastSeen", "firstSeen"):
            return self._dated(read(row[term.key])) != term.negated
        if term.key in ("times_seen", "timesSeen"):
            return _compares(int(row["count"]), term.values[0], _number) != term.negated
        if term.key in ("is", "status"):
            return term.meets(*_states(row))
        return term.meets(str({**tags, **row, **_aliases(row)}.get(term.key, "")))

    def _dated(self, actual: datetime) -> bool:
        asked = self._term.values[0]
        if asked[:1] in ("+", "-"):
            edge = self._now - _duration(asked[1:])
            return actual <= edge if asked[0] == "+" else actual >= edge
        return _compares(actual, asked, _date)


def _states(row: Json) -> tuple[str, ...]:
    archived = ("archived",) if row["status"] == "ignored" else ()
    return (row["status"], str(row["substatus"]), *archived)


def _aliases(row: Json) -> dict[str, Json]:
    """What search calls otherwise than the row does."""
    return {
        "issue": row["shortId"],
        "issue.id": row["id"],
        "issue.category": row["issueCategory"],
        "issue.type": row["issueType"],
        "issue.priority": row["priority"],
        "project": row["project"]["slug"],
    }


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise bad(f"Invalid number: {text}") from None


def _compares(actual: Any, asked: str, reads: Callable[[str], Any]) -> bool:
    for sign, holds in _SIGNS.items():
        if asked.startswith(sign):
            return bool(holds(actual, reads(asked.removeprefix(sign))))
    return bool(actual == reads(asked))
