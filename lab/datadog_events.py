"""Datadog's events: the shape of one, and the search among them, with its times, terms and pages."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from lab.search import Term, alternatives
from lab.server import Json, Refused, Response
from lab.source import iso, milliseconds, whole

_MATH = re.compile(r"now(?:-(\d+)([smhdw]))?")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_BODY = {"message", "text"}


@dataclass(frozen=True, slots=True)
class Event:
    id: str
    at: datetime
    title: str
    text: str
    tags: Sequence[str]
    visible_at: datetime
    fields: Mapping[str, Json] = field(default_factory=dict)
    """More of the inner attributes, by the vendor's names."""

    @property
    def place(self) -> tuple[int, str]:
        """Where it stands in the order of time."""
        return milliseconds(self.at), self.id


@dataclass(frozen=True, slots=True)
class Ask:
    """A search, whether it came as a query string or as a body; all texts, as the vendor takes them."""

    query: str = "*"
    start: str = "now-15m"
    end: str = "now"
    sort: str = "timestamp"
    limit: str = "10"
    cursor: str = ""


def shown(event: Event) -> Json:
    """As the API gives it: attributes inside attributes, the inner time in milliseconds."""
    inner = {
        "evt": {"id": str(milliseconds(event.at)), "name": event.title},
        "title": event.title,
        "timestamp": milliseconds(event.at),
        "tags": list(event.tags),
        "status": "info",
        "priority": "normal",
        **event.fields,
    }
    outer = {"attributes": inner, "message": event.text, "tags": list(event.tags), "timestamp": iso(event.at)}
    return {"id": event.id, "type": "event", "attributes": outer}


def search(events: Sequence[Event], ask: Ask, now: datetime) -> tuple[list[Event], str]:
    """A page, and the cursor of the page after it: none only after a page without rows. Raises Refused."""
    if ask.sort not in ("timestamp", "-timestamp"):
        raise invalid("sort", "must be timestamp or -timestamp")
    start, end, limit = _time("from", ask.start, now), _time("to", ask.end, now), _limit(ask.limit)
    asked = list(alternatives(ask.query))
    rows = [one for one in events if one.visible_at <= now and start <= one.at <= end and _meets(one, asked)]
    down = ask.sort == "-timestamp"
    rows.sort(key=lambda one: one.place, reverse=down)
    if ask.cursor:
        last = _place(ask.cursor)
        rows = [one for one in rows if (one.place < last if down else one.place > last)]
    page = rows[:limit]
    return page, _cursor(page[-1]) if page else ""


def invalid(name: str, why: str) -> Refused:
    """An error as the vendor really gives it: a list in a text in a list."""
    inner = f"input_validation_error(Field '{name}' is invalid: {why})"
    return Refused(Response(400, {"errors": ["{'errors': [u\"" + inner + '"]}']}))


def _limit(text: str) -> int:
    try:
        return whole(text, 1, 1000)
    except ValueError:
        raise invalid("page[limit]", "must be between 1 and 1000") from None


def _time(name: str, text: str, now: datetime) -> datetime:
    """Milliseconds, a date, or `now` less a duration."""
    if math := _MATH.fullmatch(text):
        return now - timedelta(**{_UNITS[math[2]]: int(math[1])}) if math[1] else now
    try:
        if text.isdigit():
            return datetime.fromtimestamp(int(text) / 1000, UTC)
        instant = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise invalid(name, "invalid date") from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _cursor(event: Event) -> str:
    return base64.urlsafe_b64encode(json.dumps({"startAt": event.place}).encode()).decode()


def _place(cursor: str) -> tuple[int, str]:
    try:
        at, key = json.loads(base64.urlsafe_b64decode(cursor))["startAt"]
    except (ValueError, KeyError, TypeError):
        raise invalid("page", "invalid cursor") from None
    return int(at), str(key)


def _meets(event: Event, asked: Sequence[Sequence[Term]]) -> bool:
    return any(all(_meets_one(event, term) for term in each) for each in asked)


def _meets_one(event: Event, term: Term) -> bool:
    if not term.key:
        return term.within(event.title, event.text)
    if term.key in _BODY:
        return term.within(event.text)
    if term.key == "title":
        return term.within(event.title)
    key = term.key.removeprefix("@")
    tagged = [tag.partition(":")[2] for tag in event.tags if tag.partition(":")[0] == key]
    whole_tags = list(event.tags) if key == "tags" else []
    own = [str(event.fields[key])] if key in event.fields else []
    source = [str(event.fields.get("source_type_name", ""))] if key in ("source", "sources") else []
    status = ["info"] if key == "status" and not own else []
    return term.meets(*tagged, *whole_tags, *own, *source, *status)
