"""PagerDuty, simulated: Events v2 in, incidents and their log out, and the people who are paged.

As the vendor does: events are taken in asynchronously (202 before REST shows anything), a trigger joins the open
incident of its key and opens a new one after a resolve, and what speaks of no open incident is dropped with a 202.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar

from lab.server import Json, Now, Refused, Request, Response, Table, Vendor, route

VISIBLE_AFTER = timedelta(seconds=5)
EVENTS_A_MINUTE = 120
REQUESTS_A_MINUTE = 960
LARGEST_EVENT = 512 * 1024
LONGEST_SUMMARY = 1024
LONGEST_KEY = 255
DEEPEST_PAGE = 10_000
DEFAULT_WINDOW = timedelta(days=30)
SEVERITIES = ("critical", "error", "warning", "info")
_ACTIONS = ("trigger", "acknowledge", "resolve")
_SITE = "https://lab.pagerduty.example"
_SERVICE = {"id": "PLAB001", "type": "service_reference", "summary": "Heliograph"}


@dataclass(slots=True)
class Entry:
    """One line of an incident's log."""

    id: str
    kind: str
    at: datetime
    agent: Mapping[str, str]
    channel: Mapping[str, str]


@dataclass(slots=True)
class Page:
    """An incident as PagerDuty has it: one page to the people on call."""

    id: str
    number: int
    routing_key: str
    dedup_key: str
    title: str
    severity: str
    opened_at: datetime
    details: Mapping[str, Json]
    links: list[Json]
    triggers: int = 1
    """Events that joined it, the first one too."""
    status: str = "triggered"
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    notes: list[str] = field(default_factory=list)
    log: list[Entry] = field(default_factory=list)

    @property
    def open(self) -> bool:
        return self.status != "resolved"

    def status_at(self, instant: datetime) -> str:
        """What its log up to `instant` makes of it."""
        words = {"acknowledge": "acknowledged", "resolve": "resolved"}
        told = [words[entry.kind] for entry in self.log if entry.kind in words and entry.at <= instant]
        return told[-1] if told else "triggered"

    def as_json(self) -> dict[str, Json]:
        """For a report."""
        return {
            "id": self.id,
            "dedup_key": self.dedup_key,
            "title": self.title,
            "severity": self.severity,
            "status": self.status,
            "triggers": self.triggers,
            "opened_at": _text(self.opened_at),
            "acknowledged_at": _text(self.acknowledged_at),
            "acknowledged_by": self.acknowledged_by,
            "resolved_at": _text(self.resolved_at),
            "resolved_by": self.resolved_by,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class Shift:
    """Somebody is on call."""

    user: str
    policy: str
    level: int = 1
    until: datetime | None = None
    schedule: str = "primary"

    def as_json(self) -> dict[str, Json]:
        reference = {"id": self.policy, "type": "escalation_policy_reference", "summary": self.policy}
        return {
            "user": _person(self.user), "escalation_policy": reference, "escalation_level": self.level,
            "schedule": {"id": "PSCHED1", "type": "schedule_reference", "summary": self.schedule},
            "start": None if self.until is None else _text(self.until - timedelta(hours=8)), "end": _text(self.until),
        }  # fmt: skip


class PagerDuty(Vendor):
    """Takes any routing key of 32 characters and any REST token that is not in `revoked`."""

    name: ClassVar[str] = "PagerDuty"

    def __init__(self, now: Now) -> None:
        super().__init__(now)
        self.pages: list[Page] = []
        self.revoked: set[str] = set()
        self.visible_after = VISIBLE_AFTER
        self.shifts: list[Shift] = []
        """Who is on call, and for what."""
        self.drops = False
        """An outage of the kind that answers 202 and pages nobody."""
        self._entries = 0
        self._used: Counter[tuple[str, datetime]] = Counter()

    # people

    def acknowledge(self, dedup_key: str, user: str) -> None:
        with self.lock:
            self._acknowledge(self.page_of(dedup_key), _person(user), {"type": "website"})

    def resolve(self, dedup_key: str, user: str) -> None:
        with self.lock:
            self._resolve(self.page_of(dedup_key), _person(user), {"type": "website"})

    def annotate(self, dedup_key: str, user: str, text: str) -> None:
        """A person's note."""
        with self.lock:
            page = self.page_of(dedup_key)
            page.notes.append(text)
            self._log(page, "annotate", _person(user), {"type": "note", "summary": text})

    def page_of(self, dedup_key: str) -> Page:
        """The newest of that key. Raises LookupError if nobody was ever paged with it."""
        with self.lock:
            page = next((page for page in reversed(self.pages) if page.dedup_key == dedup_key), None)
        if page is None:
            raise LookupError(f"no page has the key {dedup_key}")
        return page

    def _acknowledge(self, page: Page, agent: Mapping[str, str], channel: Mapping[str, str]) -> None:
        if page.status == "triggered":
            page.status = "acknowledged"
            page.acknowledged_at, page.acknowledged_by = self.now(), agent["summary"]
            self._log(page, "acknowledge", agent, channel)

    def _resolve(self, page: Page, agent: Mapping[str, str], channel: Mapping[str, str]) -> None:
        if page.open:
            page.status = "resolved"
            page.resolved_at, page.resolved_by = self.now(), agent["summary"]
            self._log(page, "resolve", agent, channel)

    def _log(self, page: Page, kind: str, agent: Mapping[str, str], channel: Mapping[str, str]) -> None:
        self._entries += 1
        page.log.append(Entry(f"R{self._entries:06}", kind, self.now(), agent, channel))

    # events in

    @route("POST", "/v2/enqueue")
    def enqueue(self, request: Request) -> Response:
        if len(request.body) > LARGEST_EVENT:
            return Response(413, {"status": "Request Entity Too Large", "message": "Event is over 512 KB"})
        event = request.json()
        if wrong := self._wrong_with(event):
            return Response(400, {"status": "invalid event", "message": "Event object is invalid", "errors": wrong})
        if self._over(event["routing_key"], EVENTS_A_MINUTE):
            return Response(429, {"status": "throttle exceeded", "message": "Requests arrive too quickly"})
        key = event.get("dedup_key") or f"lab-{len(self.pages) + 1}"
        if not self.drops:
            self._take(event, key)
        return Response(202, {"status": "success", "message": "Event processed", "dedup_key": key})

    def _wrong_with(self, event: Json) -> list[str]:
        if not isinstance(event, dict):
            return ["event is not an object"]
        checks = {
            "'routing_key' is missing or invalid": self._is_routing_key(event.get("routing_key")),
            "'event_action' must be one of trigger, acknowledge, resolve": event.get("event_action") in _ACTIONS,
            "'dedup_key' is missing or too long": _is_dedup_key(event),
        }
        wrong = [message for message, holds in checks.items() if not holds]
        return wrong + (_wrong_with_payload(event.get("payload")) if event.get("event_action") == "trigger" else [])

    def _is_routing_key(self, key: Json) -> bool:
        return isinstance(key, str) and len(key) == 32 and key not in self.revoked

    def _over(self, who: str, limit: int) -> bool:
        window = (who, self.now().replace(second=0, microsecond=0))
        self._used[window] += 1
        return self._used[window] > limit

    def _take(self, event: Mapping[str, Json], key: str) -> None:
        routing = event["routing_key"]
        same = (page for page in self.pages if (page.routing_key, page.dedup_key) == (routing, key) and page.open)
        page = next(same, None)
        if event["event_action"] == "trigger":
            self._trigger(page, event, key)
        elif page is not None:
            change = self._acknowledge if event["event_action"] == "acknowledge" else self._resolve
            change(page, _SERVICE, {"type": "api"})

    def _trigger(self, page: Page | None, event: Mapping[str, Json], key: str) -> None:
        if page is not None:
            page.triggers += 1
            return
        number, payload = len(self.pages) + 1, event["payload"]
        page = Page(
            id=f"Q{number:06}",
            number=number,
            routing_key=event["routing_key"],
            dedup_key=key,
            title=payload["summary"],
            severity=payload["severity"],
            opened_at=self.now(),
            details=payload.get("custom_details") or {},
            links=event.get("links") or [],
        )
        self.pages.append(page)
        self._log(page, "trigger", _SERVICE, {"type": "api"})
        self._log(page, "notify", _SERVICE, {"type": "auto"})

    # REST out

    def guard(self, request: Request) -> Response | None:
        if request.path == "/v2/enqueue":
            return None
        scheme, _, token = request.headers.get("authorization", "").partition("token=")
        if scheme.strip() != "Token" or not token or token in self.revoked:
            return self.failure(401)
        return self.failure(429) if self._over(token, REQUESTS_A_MINUTE) else None

    def failure(self, status: int) -> Response:
        codes = {400: 2001, 401: 2006, 403: 2010, 404: 2100, 429: 2020}
        error = {"message": f"Error {status}", "code": codes.get(status, 2000), "errors": []}
        return Response(status, {"error": error}, {"ratelimit-reset": "30"} if status == 429 else {})

    @route("GET", "/abilities")
    def abilities(self, request: Request) -> Response:
        return Response(200, {"abilities": ["teams", "urgencies"]})

    @route("GET", "/incidents")
    def incidents(self, request: Request) -> Response:
        start, end = self._window(request)
        found = [
            self._incident(page)
            for page in reversed(self._seen())
            if start <= page.opened_at <= end and request.arg("incident_key", page.dedup_key) == page.dedup_key
        ]
        statuses = request.query.get("statuses[]")
        found = [one for one in found if statuses is None or one["status"] in statuses]
        if request.arg("sort_by", "created_at:desc") == "created_at:asc":
            found.reverse()
        return self._sheet(request, "incidents", found)

    @route("GET", "/incidents/(?P<id>[^/]+)")
    def incident(self, request: Request, id: str) -> Response:
        return Response(200, {"incident": self._incident(self._page(id))})

    @route("GET", "/incidents/(?P<id>[^/]+)/log_entries")
    def incident_log(self, request: Request, id: str) -> Response:
        return self._sheet(request, "log_entries", self._entries_of([self._page(id)], request))

    @route("GET", "/log_entries")
    def log_entries(self, request: Request) -> Response:
        return self._sheet(request, "log_entries", self._entries_of(self._seen(), request))

    @route("GET", "/oncalls")
    def oncalls(self, request: Request) -> Response:
        asked = request.query.get("escalation_policy_ids[]")
        known = [shift for shift in self.shifts if asked is None or shift.policy in asked]
        return self._sheet(request, "oncalls", [shift.as_json() for shift in known])

    def _page(self, id: str) -> Page:
        page = next((page for page in self._seen() if page.id == id), None)
        if page is None:
            raise Refused(self.failure(404))
        return page

    def _seen(self) -> list[Page]:
        """What REST shows already."""
        return [page for page in self.pages if page.opened_at + self.visible_after <= self.now()]

    def _window(self, request: Request) -> tuple[datetime, datetime]:
        now = self.now()
        if request.arg("date_range") == "all":
            return datetime.min.replace(tzinfo=now.tzinfo), now
        since, until = request.arg("since"), request.arg("until")
        end = _instant(until) if until else now
        return (_instant(since) if since else end - DEFAULT_WINDOW), end

    def _entries_of(self, pages: list[Page], request: Request) -> list[Json]:
        """Newest first, and none that is too fresh to be seen."""
        start, end = self._window(request)
        end = min(end, self.now() - self.visible_after)
        whole = "incidents" in request.query.get("include[]", [])
        found = [(entry, page) for page in pages for entry in page.log if start <= entry.at <= end]
        found.sort(key=lambda pair: (pair[0].at, pair[0].id), reverse=True)
        return [self._entry(entry, page, whole) for entry, page in found]

    def _sheet(self, request: Request, name: str, records: list[Json]) -> Response:
        offset, limit = _number(request, "offset", 0), min(_number(request, "limit", 25), 100)
        if offset + limit > DEEPEST_PAGE:
            return self.failure(400)
        paging = {"offset": offset, "limit": limit, "total": None, "more": offset + limit < len(records)}
        return Response(200, {name: records[offset : offset + limit], **paging})

    def _incident(self, page: Page) -> dict[str, Json]:
        status = page.status_at(self.now() - self.visible_after)
        return {
            **_reference(page),
            "type": "incident",
            "incident_number": page.number,
            "incident_key": page.dedup_key,
            "title": page.title,
            "status": status,
            "urgency": "high",
            "created_at": _text(page.opened_at),
            "resolved_at": _text(page.resolved_at) if status == "resolved" else None,
            "service": _SERVICE,
        }

    def _entry(self, entry: Entry, page: Page, whole: bool) -> dict[str, Json]:
        return {
            "id": entry.id,
            "type": f"{entry.kind}_log_entry",
            "summary": f"{entry.kind} by {entry.agent['summary']}",
            "created_at": _text(entry.at),
            "agent": dict(entry.agent),
            "channel": dict(entry.channel),
            "service": _SERVICE,
            "incident": self._incident(page) if whole else _reference(page),
        }

    # the page for people

    def tables(self) -> list[Table]:
        pages = [
            (page.id, page.dedup_key, page.severity, page.title, page.status, f"{page.opened_at:%H:%M:%S}",
             page.acknowledged_by or "", page.resolved_by or "", page.triggers)
            for page in reversed(self.pages)
        ]  # fmt: skip
        columns = ("id", "key", "severity", "title", "status", "at", "acknowledged by", "resolved by", "events")
        return [Table("Pages, newest first", columns, pages)]


def _is_dedup_key(event: Mapping[str, Json]) -> bool:
    key = event.get("dedup_key")
    if key is None:
        return event.get("event_action") == "trigger"
    return isinstance(key, str) and 0 < len(key) <= LONGEST_KEY


def _wrong_with_payload(payload: Json) -> list[str]:
    if not isinstance(payload, dict):
        return ["'payload' is missing or blank"]
    summary, when = payload.get("summary"), payload.get("timestamp")
    checks = {
        "'payload.summary' is missing or too long": isinstance(summary, str) and 0 < len(summary) <= LONGEST_SUMMARY,
        "'payload.source' is missing or blank": bool(payload.get("source")),
        f"'payload.severity' must be one of {', '.join(SEVERITIES)}": payload.get("severity") in SEVERITIES,
        "'payload.timestamp' is not ISO 8601": when is None or bool(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d", str(when))),
    }
    return [message for message, holds in checks.items() if not holds]


def _person(user: str) -> dict[str, str]:
    return {"id": f"P{user.upper()}", "type": "user_reference", "summary": user}


def _reference(page: Page) -> dict[str, Json]:
    url = f"{_SITE}/incidents/{page.id}"
    return {"id": page.id, "type": "incident_reference", "summary": f"[#{page.number}] {page.title}", "html_url": url}


def _number(request: Request, name: str, default: int) -> int:
    number = int(request.arg(name, str(default)))
    if number < 0:
        raise ValueError(f"{name} is negative")
    return number


def _instant(text: str) -> datetime:
    """Raises ValueError, also for an instant without a zone."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text} has no zone")
    return instant


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.strftime("%Y-%m-%dT%H:%M:%SZ")
