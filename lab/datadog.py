"""Datadog simulated: monitors with the states of their groups, events, logs, security signals, the check of an API key.

As the vendor's: a monitor's groups are told only if `group_states` asks for them; a group's times are epoch seconds, an
event's are milliseconds; a monitor's transition is an event too; the page after the last row is `{"data": []}` without
`meta`; an error is `{"errors": [...]}`; every answer carries the rate limit's headers, the reset in seconds from now.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from lab.datadog_events import Ask, Event, search, shown
from lab.datadog_logs import SEVERITIES, log_of, shown_log, shown_signal, signal_of
from lab.datadog_monitors import (
    STATES,
    counted,
    found,
    found_group,
    group_tags,
    meets,
    moved,
    new,
    state_of,
    with_groups,
)
from lab.search import terms
from lab.server import Json, Now, Refused, Request, Response, Table, route
from lab.source import SHOWN_ON_PAGE, Limit, Source, Versions, whole

_EVENT_STATUS = {"Alert": "error", "Warn": "warning", "No Data": "warning", "OK": "success"}
_TRANSITION = {"Alert": "Triggered", "Warn": "Warn", "No Data": "No Data", "OK": "Recovered"}
_PERIOD = timedelta(seconds=10)
_LOGS = "/api/v2/logs/events/search"


class Datadog(Source):
    """`delay`: how long until the API shows an event or a group's state."""

    name = "datadog"

    def __init__(self, now: Now, delay: timedelta = timedelta(seconds=3)) -> None:
        super().__init__(now, delay)
        self.api_key: str | None = None
        """The one that is valid; None: any."""
        self.app_key: str | None = None
        """As `api_key`."""
        self.scopes = {"monitors_read", "events_read", "logs_read_data", "security_monitoring_signals_read"}
        self.limit = Limit(300, _PERIOD)
        self.log_limit = Limit(300, timedelta(hours=1))
        self.transition_events = True
        """Whether a monitor's change of state is an event too, as it is at the vendor's."""
        self._monitors: dict[int, Versions[Json | None]] = {}
        self._events: list[Event] = []
        self._logs: list[Event] = []
        self._signals: dict[str, Event] = {}

    def monitor(
        self,
        id: int,
        name: str = "",
        group: str = "*",
        state: str = "Alert",
        at: datetime | None = None,
        late: timedelta | None = None,
        **fields: Json,
    ) -> None:
        """A group's state; told again without a change, it is a notification again. The first makes the monitor.

        `fields` go over those of the monitor, by the vendor's names: `tags`, `type`, `query`, `message`, `priority`.
        """
        if state not in STATES:
            raise ValueError(f"unknown state '{state}'; one of {', '.join(STATES)}")
        with self.lock:
            at = at or self.now()
            versions = self._monitors.setdefault(id, Versions())
            before = versions.newest or new(id, name or f"Monitor {id}", at)
            after = moved({**before, **fields}, group, state, at)
            versions.add(after, self._send(f"{id}:{group}", at, late))
            if self.transition_events and state_of(before, group) != state:
                self._transition(after, group, state, at, late)

    def recover(self, id: int, group: str = "*", at: datetime | None = None, late: timedelta | None = None) -> None:
        """Raises ValueError if there is no such monitor."""
        with self.lock:
            self._known(id)
            self.monitor(id, group=group, state="OK", at=at, late=late)

    def delete(self, id: int, at: datetime | None = None, late: timedelta | None = None) -> None:
        with self.lock:
            self._known(id)
            self._monitors[id].add(None, self._send(f"{id}:deleted", at or self.now(), late))

    def event(
        self,
        title: str,
        text: str = "",
        tags: Iterable[str] = (),
        id: str | None = None,
        at: datetime | None = None,
        late: timedelta | None = None,
        **fields: Json,
    ) -> str:
        """An event; the answer is its id. `fields` go over the inner attributes: `status`, `service`, `hostname`…"""
        with self.lock:
            at = at or self.now()
            key = id or _key("event", len(self._events))
            self._events.append(Event(key, at, title, text, tuple(tags), self._send(key, at, late), fields))
            return key

    def log(
        self,
        message: str,
        tags: Iterable[str] = (),
        id: str | None = None,
        at: datetime | None = None,
        late: timedelta | None = None,
        index: str = "main",
        **fields: Json,
    ) -> str:
        """A log; the answer is its id. `fields`: `status`, `service` and `host`, and the log's own attributes."""
        with self.lock:
            at = at or self.now()
            key = id or _key("log", len(self._logs))
            self._logs.append(log_of(key, at, message, tags, self._send(key, at, late), {"index": index, **fields}))
            return key

    def security_signal(
        self,
        rule: str,
        severity: str = "high",
        tags: Iterable[str] = (),
        id: str | None = None,
        at: datetime | None = None,
        late: timedelta | None = None,
        **fields: Json,
    ) -> str:
        """What a detection rule found; the answer is its id. Told again by its id, it has another severity from now on.

        `fields` go over its attributes: `usr`, `network`, `workflow`…
        """
        if severity not in SEVERITIES:
            raise ValueError(f"unknown severity '{severity}'; one of {', '.join(SEVERITIES)}")
        with self.lock:
            before = self._signals.get(id or "")
            at = at or (before.at if before else self.now())
            key = id or _key("signal", len(self._signals))
            self._signals[key] = signal_of(key, at, rule, severity, tags, self._send(key, at, late), fields)
            return key

    def _known(self, id: int) -> Json:
        row = self._monitors[id].newest if id in self._monitors else None
        if row is None:
            raise ValueError(f"Datadog has no monitor {id}")
        return row

    def _transition(self, row: Json, group: str, state: str, at: datetime, late: timedelta | None) -> None:
        where = "" if group == "*" else f" on {{{group}}}"
        self.event(
            f"[{_TRANSITION.get(state, state)}{where}] {row['name']}",
            row["message"],
            [*row["tags"], *group_tags(group), "source:alert"],
            at=at,
            late=late,
            status=_EVENT_STATUS.get(state, "info"),
            source_type_name="alert",
            monitor_id=row["id"],
            monitor_groups=group_tags(group),
            monitor={
                "id": row["id"],
                "name": row["name"],
                "type": row["type"],
                "query": row["query"],
                "tags": row["tags"],
            },
        )

    def handle(self, request: Request) -> Response:
        with self.lock:
            remaining = self._limit(request.path).remaining(_endpoint(request.path), self.now())
            return super().handle(request).with_headers(self._rate(request.path, max(remaining - 1, 0)))

    def _limit(self, path: str) -> Limit:
        return self.log_limit if path == _LOGS else self.limit

    def guard(self, request: Request) -> Response | None:
        if not _valid(self.api_key, request.headers.get("dd-api-key")):
            return self.failure(401 if request.path.startswith("/api/v2/") else 403)
        if request.path != "/api/v1/validate" and not _valid(self.app_key, request.headers.get("dd-application-key")):
            return self.failure(403)
        if self._limit(request.path).take(_endpoint(request.path), self.now()):
            return None
        return Response(429, self.failure(429).body, self._rate(request.path, 0))

    def failure(self, status: int) -> Response:
        texts = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 429: "Too many requests"}
        remaining = 0 if status == 429 else self.limit.count
        return Response(status, {"errors": [texts.get(status, "Internal Server Error")]}, self._rate("", remaining))

    def _rate(self, path: str, remaining: int) -> dict[str, str]:
        limit = self._limit(path)
        left = limit.resets_at(self.now()) - self.now()
        return {
            "X-RateLimit-Limit": str(limit.count),
            "X-RateLimit-Period": f"{limit.period.total_seconds():.0f}",
            "X-RateLimit-Remaining": str(remaining),
            "X-RateLimit-Reset": f"{-(-left // timedelta(seconds=1))}",
            "X-RateLimit-Name": _endpoint(path).removeprefix("/api/").strip("/").replace("/", "_") or "unknown",
        }

    @route("GET", "/api/v1/validate")
    def validate(self, _: Request) -> Response:
        return Response(200, {"valid": True})

    @route("GET", "/api/v1/monitor")
    def list_monitors(self, request: Request) -> Response:
        self._allow("monitors_read")
        rows = [row for row in self._seen() if _listed(row, request)]
        size = _number(request, "page_size", 100, 1, 1000)
        if "id_offset" in request.query:
            after = _number(request, "id_offset", 0, 0)
            rows = [row for row in rows if row["id"] > after][:size]
        elif "page" in request.query:
            page = _number(request, "page", 0, 0)
            rows = rows[page * size : (page + 1) * size]
        return Response(200, [with_groups(row, request.arg("group_states")) for row in rows])

    @route("GET", r"/api/v1/monitor/(?P<id>\d+)")
    def one_monitor(self, request: Request, id: str) -> Response:
        self._allow("monitors_read")
        row = next((row for row in self._seen() if row["id"] == int(id)), None)
        if row is None:
            return Response(404, {"errors": ["Monitor not found"]})
        return Response(200, with_groups(row, request.arg("group_states")))

    @route("GET", "/api/v1/monitor/search")
    def search_monitors(self, request: Request) -> Response:
        self._allow("monitors_read")
        asked = list(terms(request.arg("query")))
        rows = [found(row) for row in self._seen()]
        return _answer(request, "monitors", [row for row in rows if meets(row, asked)])

    @route("GET", "/api/v1/monitor/groups/search")
    def search_groups(self, request: Request) -> Response:
        self._allow("monitors_read")
        asked = list(terms(request.arg("query")))
        rows = [found_group(row, group) for row in self._seen() for group in row["state"]["groups"].values()]
        return _answer(request, "groups", [row for row in rows if meets(row, asked)])

    @route("GET", "/api/v2/events")
    def list_events(self, request: Request) -> Response:
        texts = {
            "query": request.arg("filter[query]"),
            "start": request.arg("filter[from]"),
            "end": request.arg("filter[to]"),
            "sort": request.arg("sort"),
            "limit": request.arg("page[limit]"),
            "cursor": request.arg("page[cursor]"),
        }
        return self._search(request, texts)

    @route("POST", "/api/v2/events/search")
    def search_events(self, request: Request) -> Response:
        return self._search(request, _texts(request))

    @route("POST", _LOGS)
    def search_logs(self, request: Request) -> Response:
        self._allow("logs_read_data")
        indexes = (request.json() or {}).get("filter", {}).get("indexes") or ["*"]
        logs = [one for one in self._logs if "*" in indexes or one.fields["index"] in indexes]
        return self._page(request, logs, _texts(request), shown_log)

    @route("POST", "/api/v2/security_monitoring/signals/search")
    def search_signals(self, request: Request) -> Response:
        """Its answers say nothing of how complete they are."""
        self._allow("security_monitoring_signals_read")
        answer = self._page(request, list(self._signals.values()), _texts(request), shown_signal)
        said: Json = answer.body
        meta = {"meta": {"page": said["meta"]["page"]}} if "meta" in said else {}
        return Response(200, {**said, **meta})

    def _search(self, request: Request, texts: Mapping[str, Json]) -> Response:
        self._allow("events_read")
        return self._page(request, self._events, texts, shown)

    def _page(
        self, request: Request, rows: list[Event], texts: Mapping[str, Json], show: Callable[[Event], Json]
    ) -> Response:
        ask = Ask(**{name: str(value) for name, value in texts.items() if value not in (None, "")})
        page, cursor = search(rows, ask, self.now())
        if not cursor:
            return Response(200, {"data": []})
        meta = {"elapsed": 1, "page": {"after": cursor}, "request_id": cursor[:16], "status": "done"}
        path = request.path.removesuffix("/search")
        following = f"http://{request.headers.get('host', 'localhost')}{path}?page[cursor]={cursor}"
        return Response(200, {"data": [show(one) for one in page], "links": {"next": following}, "meta": meta})

    def _allow(self, scope: str) -> None:
        if scope not in self.scopes:
            raise Refused(Response(403, {"errors": ["Forbidden", "Failed permission authorization checks"]}))

    def _seen(self) -> list[Json]:
        rows = (self._monitors[key].seen(self.now()) for key in sorted(self._monitors))
        return [row for row in rows if row]

    def states(self) -> list[Table]:
        rows = [row for versions in self._monitors.values() if (row := versions.newest)]
        groups = [
            (row["id"], row["name"], one["name"], one["status"])
            for row in rows
            for one in row["state"]["groups"].values()
        ]
        events = _last(self._events)
        return [
            Table("Monitors", ("id", "name", "group", "state"), groups),
            Table("Events, newest first", ("at", "title", "tags"), events),
            Table("Logs, newest first", ("at", "message", "tags"), _last(self._logs)),
            Table("Security signals, newest first", ("at", "title", "tags"), _last(list(self._signals.values()))),
        ]


def _valid(right: str | None, given: str | None) -> bool:
    return bool(given) and right in (None, given)


def _endpoint(path: str) -> str:
    return re.sub(r"/\d+", "/id", path)


def _number(request: Request, name: str, default: int, low: int, high: int = 2**63) -> int:
    try:
        return whole(request.arg(name) or str(default), low, high)
    except ValueError:
        raise Refused(Response(400, {"errors": [f"The value provided for parameter '{name}' is invalid"]})) from None


def _listed(row: Json, request: Request) -> bool:
    wanted = {tag.strip() for tag in request.arg("monitor_tags").split(",")} - {""}
    scopes = {tag.strip() for tag in request.arg("tags").split(",")} - {""}
    scoped = all(any(scope in group_tags(name) for name in row["state"]["groups"]) for scope in scopes)
    return request.arg("name").lower() in row["name"].lower() and wanted <= set(row["tags"]) and scoped


def _answer(request: Request, name: str, rows: list[Json]) -> Response:
    """A page of a search, with its counts."""
    page, size = _number(request, "page", 0, 0), _number(request, "per_page", 30, 1, 1000)
    field, _, way = request.arg("sort").partition(",")
    if field:
        rows = sorted(rows, key=lambda row: str(row.get(field, "")), reverse=way == "desc")
    part = rows[page * size : (page + 1) * size]
    counts = {facet: counted(row[facet] for row in rows) for facet in ("status", "type")}
    metadata = {
        "page": page,
        "page_count": -(-len(rows) // size),
        "per_page": size,
        "total_count": len(rows),
    }
    tags = counted(tag for row in rows for tag in row["tags"])
    return Response(200, {name: part, "counts": {**counts, "tag": tags, "muted": []}, "metadata": metadata})


def _texts(request: Request) -> dict[str, Json]:
    """What a search asks for, from its body. Raises Refused."""
    body = request.json() or {}
    if not isinstance(body, dict):
        raise Refused(Response(400, {"errors": ["Bad Request"]}))
    filters, page = body.get("filter") or {}, body.get("page") or {}
    return {
        "query": filters.get("query"),
        "start": filters.get("from"),
        "end": filters.get("to"),
        "sort": body.get("sort"),
        "limit": page.get("limit"),
        "cursor": page.get("cursor"),
    }


def _key(what: str, before: int) -> str:
    return base64.urlsafe_b64encode(f"lab-{what}-{before + 1:08d}".encode()).decode()


def _last(rows: list[Event]) -> list[tuple[str, str, str]]:
    shown_rows = [(f"{one.at:%H:%M:%S}", one.title or one.text, " ".join(one.tags)) for one in rows[-SHOWN_ON_PAGE:]]
    return shown_rows[::-1]
