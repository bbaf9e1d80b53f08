"""Datadog simulated: monitors with the states of their groups, events, and the check of an API key.

As the vendor's: a monitor's groups are told only if `group_states` asks for them; a group's times are epoch seconds, an
event's are milliseconds; a monitor's transition is an event too; the page after the last row is `{"data": []}` without
`meta`; an error is `{"errors": [...]}`; every answer carries the rate limit's headers, the reset in seconds from now.
"""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from lab.datadog_events import Ask, Event, search, shown
from lab.search import Term, terms
from lab.server import Json, Now, Refused, Request, Response, Table, route
from lab.source import SHOWN_ON_PAGE, Limit, Source, Versions, iso, whole

STATES = ("Alert", "Warn", "No Data", "Unknown", "Skipped", "Ignored", "OK")
"""Worst first: a monitor's overall state is the worst of its groups'."""
_STAMPS = {
    "Alert": "last_triggered_ts",
    "Warn": "last_triggered_ts",
    "No Data": "last_nodata_ts",
    "OK": "last_resolved_ts",
}
_EVENT_STATUS = {"Alert": "error", "Warn": "warning", "No Data": "warning", "OK": "success"}
_TRANSITION = {"Alert": "Triggered", "Warn": "Warn", "No Data": "No Data", "OK": "Recovered"}
_PERIOD = timedelta(seconds=10)


class Datadog(Source):
    """`delay`: how long until the API shows an event or a group's state."""

    name = "datadog"

    def __init__(self, now: Now, delay: timedelta = timedelta(seconds=3)) -> None:
        super().__init__(now, delay)
        self.api_key: str | None = None
        """The one that is valid; None: any."""
        self.app_key: str | None = None
        """As `api_key`."""
        self.scopes = {"monitors_read", "events_read"}
        self.limit = Limit(300, _PERIOD)
        self.transition_events = True
        """Whether a monitor's change of state is an event too, as it is at the vendor's."""
        self._monitors: dict[int, Versions[Json | None]] = {}
        self._events: list[Event] = []

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
            before = versions.newest or _new(id, name or f"Monitor {id}", at)
            after = _moved({**before, **fields}, group, state, at)
            versions.add(after, self._send(f"{id}:{group}", at, late))
            if self.transition_events and _state(before, group) != state:
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
            key = id or base64.urlsafe_b64encode(f"lab-event-{len(self._events) + 1:08d}".encode()).decode()
            self._events.append(Event(key, at, title, text, tuple(tags), self._send(key, at, late), fields))
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
            [*row["tags"], *_group_tags(group), "source:alert"],
            at=at,
            late=late,
            status=_EVENT_STATUS.get(state, "info"),
            source_type_name="alert",
            monitor_id=row["id"],
            monitor_groups=_group_tags(group),
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
            remaining = self.limit.remaining(_endpoint(request.path), self.now())
            return super().handle(request).with_headers(self._rate(request.path, max(remaining - 1, 0)))

    def guard(self, request: Request) -> Response | None:
        if not _valid(self.api_key, request.headers.get("dd-api-key")):
            return self.failure(401 if request.path.startswith("/api/v2/") else 403)
        if request.path != "/api/v1/validate" and not _valid(self.app_key, request.headers.get("dd-application-key")):
            return self.failure(403)
        return None if self.limit.take(_endpoint(request.path), self.now()) else self.failure(429)

    def failure(self, status: int) -> Response:
        texts = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 429: "Too many requests"}
        remaining = 0 if status == 429 else self.limit.count
        return Response(status, {"errors": [texts.get(status, "Internal Server Error")]}, self._rate("", remaining))

    def _rate(self, path: str, remaining: int) -> dict[str, str]:
        left = self.limit.resets_at(self.now()) - self.now()
        return {
            "X-RateLimit-Limit": str(self.limit.count),
            "X-RateLimit-Period": f"{self.limit.period.total_seconds():.0f}",
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
        return Response(200, [_with_groups(row, request.arg("group_states")) for row in rows])

    @route("GET", r"/api/v1/monitor/(?P<id>\d+)")
    def one_monitor(self, request: Request, id: str) -> Response:
        self._allow("monitors_read")
        row = next((row for row in self._seen() if row["id"] == int(id)), None)
        if row is None:
            return Response(404, {"errors": ["Monitor not found"]})
        return Response(200, _with_groups(row, request.arg("group_states")))

    @route("GET", "/api/v1/monitor/search")
    def search_monitors(self, request: Request) -> Response:
        self._allow("monitors_read")
        asked = list(terms(request.arg("query")))
        rows = [_found(row) for row in self._seen()]
        return _answer(request, "monitors", [row for row in rows if _meets(row, asked)])

    @route("GET", "/api/v1/monitor/groups/search")
    def search_groups(self, request: Request) -> Response:
        self._allow("monitors_read")
        asked = list(terms(request.arg("query")))
        rows = [_found_group(row, group) for row in self._seen() for group in row["state"]["groups"].values()]
        return _answer(request, "groups", [row for row in rows if _meets(row, asked)])

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
        body = request.json() or {}
        if not isinstance(body, dict):
            return self.failure(400)
        filters, page = body.get("filter") or {}, body.get("page") or {}
        texts = {
            "query": filters.get("query"),
            "start": filters.get("from"),
            "end": filters.get("to"),
            "sort": body.get("sort"),
            "limit": page.get("limit"),
            "cursor": page.get("cursor"),
        }
        return self._search(request, texts)

    def _search(self, request: Request, texts: Mapping[str, Json]) -> Response:
        self._allow("events_read")
        ask = Ask(**{name: str(value) for name, value in texts.items() if value not in (None, "")})
        page, cursor = search(self._events, ask, self.now())
        if not cursor:
            return Response(200, {"data": []})
        meta = {"elapsed": 1, "page": {"after": cursor}, "request_id": cursor[:16], "status": "done"}
        following = f"http://{request.headers.get('host', 'localhost')}/api/v2/events?page[cursor]={cursor}"
        return Response(200, {"data": [shown(one) for one in page], "links": {"next": following}, "meta": meta})

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
        events = [(f"{one.at:%H:%M:%S}", one.title, " ".join(one.tags)) for one in self._events[-SHOWN_ON_PAGE:]]
        return [
            Table("Monitors", ("id", "name", "group", "state"), groups),
            Table("Events, newest first", ("at", "title", "tags"), events[::-1]),
        ]


def _new(id: int, name: str, at: datetime) -> Json:
    return {
        "id": id,
        "org_id": 1,
        "name": name,
        "type": "query alert",
        "query": "avg(last_5m):avg:lab.load{*} by {host} > 1",
        "message": f"{name}: look at it",
        "tags": [],
        "priority": None,
        "multi": False,
        "options": {"notify_no_data": False, "include_tags": True},
        "creator": {"email": "ann@example.com", "handle": "ann@example.com", "id": 1, "name": "Ann"},
        "created": iso(at),
        "modified": iso(at),
        "deleted": None,
        "overall_state": "OK",
        "overall_state_modified": iso(at),
        "state": {"groups": {}},
    }


def _moved(row: Json, group: str, state: str, at: datetime) -> Json:
    """The monitor after a group's state was told."""
    second, before = int(at.timestamp()), row["state"]["groups"].get(group)
    one = {**(before or {"name": group}), "status": state, "last_notified_ts": second}
    if stamp := _STAMPS.get(state):
        again = before is not None and before["status"] == state
        one[stamp] = before.get(stamp, second) if again and before else second
    groups = {**row["state"]["groups"], group: one}
    worst = min((each["status"] for each in groups.values()), key=STATES.index)
    modified = row["overall_state_modified"] if worst == row["overall_state"] else iso(at)
    changed = {"overall_state": worst, "overall_state_modified": modified, "multi": set(groups) != {"*"}}
    return {**row, **changed, "state": {"groups": groups}}


def _state(row: Json, group: str) -> str:
    """A group that was never told of was fine."""
    status: str = row["state"]["groups"].get(group, {}).get("status", "OK")
    return status


def _group_tags(group: str) -> list[str]:
    return [] if group == "*" else group.split(",")


def _valid(right: str | None, given: str | None) -> bool:
    return bool(given) and right in (None, given)


def _endpoint(path: str) -> str:
    return re.sub(r"/\d+", "/id", path)


def _number(request: Request, name: str, default: int, low: int, high: int = 2**63) -> int:
    try:
        return whole(request.arg(name) or str(default), low, high)
    except ValueError:
        raise Refused(Response(400, {"errors": [f"The value provided for parameter '{name}' is invalid"]})) from None


def _with_groups(row: Json, asked: str) -> Json:
    """`asked`: `all`, or some of alert, warn, no data; nothing: no group is told."""
    states = {state.strip() for state in asked.lower().split(",")} - {""}
    groups = {
        name: one for name, one in row["state"]["groups"].items() if "all" in states or one["status"].lower() in states
    }
    return {**row, "state": {"groups": groups} if states else {}}


def _listed(row: Json, request: Request) -> bool:
    wanted = {tag.strip() for tag in request.arg("monitor_tags").split(",")} - {""}
    scopes = {tag.strip() for tag in request.arg("tags").split(",")} - {""}
    scoped = all(any(scope in _group_tags(name) for name in row["state"]["groups"]) for scope in scopes)
    return request.arg("name").lower() in row["name"].lower() and wanted <= set(row["tags"]) and scoped


def _found(row: Json) -> Json:
    """A monitor as its search shows it."""
    stamps = [one["last_triggered_ts"] for one in row["state"]["groups"].values() if "last_triggered_ts" in one]
    return {
        "id": row["id"],
        "org_id": row["org_id"],
        "name": row["name"],
        "status": row["overall_state"],
        "type": row["type"],
        "query": row["query"],
        "tags": row["tags"],
        "classification": "metric",
        "creator": {"handle": row["creator"]["handle"], "name": row["creator"]["name"]},
        "last_triggered_ts": max(stamps, default=None),
        "metrics": ["lab.load"],
        "notifications": [],
        "scopes": ["*"],
    }


def _found_group(row: Json, group: Json) -> Json:
    """A group as its search shows it."""
    return {
        "monitor_id": row["id"],
        "monitor_name": row["name"],
        "group": group["name"],
        "group_tags": _group_tags(group["name"]) or ["*"],
        "status": group["status"],
        "last_triggered_ts": group.get("last_triggered_ts"),
        "last_nodata_ts": group.get("last_nodata_ts", 0),
        "tags": row["tags"],
        "type": row["type"],
    }


def _meets(row: Json, asked: Sequence[Term]) -> bool:
    return all(_meets_one(row, term) for term in asked)


def _meets_one(row: Json, term: Term) -> bool:
    if not term.key:
        return term.within(row.get("name") or row["monitor_name"])
    if term.key in ("tag", "monitor_tag"):
        return term.meets(*row["tags"])
    if term.key in ("group", "id", "status", "type", "name", "monitor_id"):
        names = {"id": row.get("id", row.get("monitor_id")), "name": row.get("name", row.get("monitor_name"))}
        return term.meets(str({**row, **names}.get(term.key, "")))
    return term.meets(*(tag.partition(":")[2] for tag in row["tags"] if tag.partition(":")[0] == term.key))


def _answer(request: Request, name: str, rows: list[Json]) -> Response:
    """A page of a search, with its counts."""
    page, size = _number(request, "page", 0, 0), _number(request, "per_page", 30, 1, 1000)
    field, _, way = request.arg("sort").partition(",")
    if field:
        rows = sorted(rows, key=lambda row: str(row.get(field, "")), reverse=way == "desc")
    part = rows[page * size : (page + 1) * size]
    counts = {facet: _counted(row[facet] for row in rows) for facet in ("status", "type")}
    metadata = {
        "page": page,
        "page_count": -(-len(rows) // size),
        "per_page": size,
        "total_count": len(rows),
    }
    tags = _counted(tag for row in rows for tag in row["tags"])
    return Response(200, {name: part, "counts": {**counts, "tag": tags, "muted": []}, "metadata": metadata})


def _counted(values: Iterable[str]) -> list[Json]:
    return [{"name": name, "count": count} for name, count in Counter(values).most_common()]
