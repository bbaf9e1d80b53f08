"""Datadog monitors, with the state of each group, and events, by Datadog's own client, whose answers we read ourselves:
the client takes a wrong type for no error. Docs: docs.datadoghq.com/api/latest.

A scan reads every page of each stream in turn. Monitors are states, so what is read is compared with what was known;
a group that broke and recovered since the last scan tells it by its time stamps. Events are a window, frozen for as
long as the scan lasts, which begins before the end of the last one by the look-back; the store knows them by their id.

The cursor: `end` of the last complete scan; `from`, `to`, `stream`, `page` of the running one; `known`: of each group
that is not OK, or was not a short while ago, [state, its time stamp, end of the scan that last met it].
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Literal, TypeAlias, TypeGuard, cast
from urllib.parse import quote

import requests
from pydantic import Field

from daemon import http
from daemon.contract import MISSHAPEN, Batch, Duration, Example, Settings, Source, Unreadable, WebAddress, unreadable
from daemon.errors import Permanent, Temporary
from daemon.model import Cursor, Json, Polarity, Signal
from daemon.secret import Secret, redact

RECOVERS = True
"""Its signals say when an object has recovered."""

Stream: TypeAlias = Literal["monitors", "events"]

_MONITORS_A_PAGE = 100
_EVENTS_A_PAGE = 500
_LARGEST = 2**53
_SCOPE: Mapping[str, str] = {"monitors": "monitors_read", "events": "events_read"}
_BROKEN = frozenset({"Alert", "Warn", "No Data"})
_BULKY = frozenset({"state", "options", "creator", "restricted_roles", "assets", "matching_downtimes"})
_MONITOR, _FOUND = {"id", "query", "overall_state"}, {"id", "query", "status"}
_EVENT = {"id", "type", "attributes"}
_EPOCH = datetime(1970, 1, 2, tzinfo=UTC)
_GONE = "Gone"
"""Our own word for a group or monitor that two scans in a row did not meet: deleted, or its host retired."""


EXAMPLE = Example(
    {"id": 12, "group": "host:web-1", "name": "Checkout fails", "status": "Alert"},
    ("status", "Alert"),
    "Warn",
    "name",
)


class SourceSettings(Settings):
    site: str = Field("datadoghq.com", pattern=r"^[\w.-]+$", description="Your Datadog site: `datadoghq.eu`.")
    url: WebAddress | None = Field(None, description="Another address than the site's API, for a proxy or a test.")
    api_key: Secret = Field(
        description="An API key of the organisation.",
        json_schema_extra={"get": "Datadog: Organization Settings, API Keys", "scopes": "none of its own"},
    )
    app_key: Secret = Field(
        description="An application key, best of a service account.",
        json_schema_extra={
            "get": "Datadog: Organization Settings, Application Keys (or Service Accounts)",
            "scopes": "monitors_read, events_read",
        },
    )
    streams: tuple[Stream, ...] = Field(("monitors", "events"), min_length=1, description="What is read.")
    monitor_tags: tuple[str, ...] = Field((), description="Only monitors that have all of these tags; none: all.")
    query: str = Field("*", description="Which events are read, in Datadog's event search syntax.")
    look_back: Duration = Field(
        timedelta(minutes=15), description="How much of the time already read is read again, for what shows late."
    )
    lateness: Duration = Field(timedelta(minutes=2), description="How late an event may show in Datadog's search.")
    deadline: float = Field(20.0, gt=0, description="Seconds that one request may take in all.")


@dataclass(slots=True)
class _Known:
    """What we last saw of a monitor's group."""

    state: str
    stamp: int
    met: str


@dataclass(slots=True)
class _Scan:
    """The cursor, read, and what the scan meets."""

    source: str
    app: str
    """Where Datadog's pages are."""
    end: str
    start: datetime
    to: datetime
    stream: str
    page: str
    known: dict[str, _Known]
    signals: list[Signal] = field(default_factory=list)
    bad: list[Unreadable] = field(default_factory=list)

    def cursor(self) -> Json:
        known = {key: [one.state, one.stamp, one.met] for key, one in self.known.items()}
        if not self.stream:
            return {"end": _written(self.to), "known": known}
        running = {"from": _written(self.start), "to": _written(self.to), "stream": self.stream, "page": self.page}
        return {"end": self.end, **running, "known": known}

    def take(self, rows: Iterable[Json]) -> None:
        read: Callable[[Json], Iterator[Signal]] = self._changes if self.stream == "monitors" else self._event
        for row in rows:
            try:
                self.signals.extend(read(row))
            except MISSHAPEN as error:
                self.bad.append(unreadable(error, row))
                for one in self.known.values():
                    one.met = _written(self.to)  # whichever it was, it is not gone

    def _event(self, row: Json) -> Iterator[Signal]:
        said = row["attributes"]
        own = dict(said.get("attributes") or {})
        if "monitor_id" in own and own["monitor_id"] is not None:
            own["monitor_id"] = _whole(own["monitor_id"])
        outer = {name: value for name, value in said.items() if name != "attributes"}
        yield Signal(
            source=self.source,
            type="datadog",
            kind="datadog.event",
            id=_named(row["id"]),
            at=_instant(said["timestamp"]),
            fields={**own, **outer},
            url=f"{self.app}/event/explorer?query={quote('@evt.id:' + row['id'])}",
        )

    def _changes(self, monitor: Json) -> Iterator[Signal]:
        """All of one monitor's, or none: a row that cannot be read leaves what is known as it was."""
        groups = (monitor.get("state") or {}).get("groups") or {"": {"status": monitor["overall_state"]}}
        read = [_Group(f"{_whole(monitor['id'])}/{name}", name, one) for name, one in groups.items()]
        changes = [(group, *change) for group in read for change in self._change(group)]
        for group in read:
            self._remember(group)
        return iter([self._monitor(monitor, group, state, at) for group, state, at in changes])

    def _change(self, group: _Group) -> Iterator[tuple[str, int | None]]:
        """(state, when) of what happened to a group since it was last met; a state it was met in is told once."""
        before = self.known.get(group.key)
        if group.state in _BROKEN:
            if before is None or before.state != group.state or group.again(before.stamp):
                yield group.state, group.stamp
        elif group.state == "OK":
            if before and before.state != "OK":
                yield "OK", group.stamp
            elif broke := group.broke_after(max(before.stamp if before else 0, int(self.start.timestamp()) - 1)):
                yield from (broke, ("OK", group.stamp))
        elif before and before.state != group.state:
            yield group.state, None

    def _monitor(self, monitor: Json, group: _Group, state: str, at: int | None) -> Signal:
        stamp = int(self.to.timestamp()) if at is None else at
        own = {name: value for name, value in monitor.items() if name not in _BULKY}
        return Signal(
            source=self.source,
            type="datadog",
            kind="datadog.monitor",
            id=f"{group.key}:{state}:{stamp}",
            at=datetime.fromtimestamp(stamp, UTC),
            fields={**own, **group.said, "group": group.name, "status": state},
            polarity=_polarity(state),
            url=f"{self.app}/monitors/{_whole(monitor['id'])}" + (f"?group={quote(group.name)}" if group.name else ""),
        )

    def _remember(self, group: _Group) -> None:
        before, stamp = self.known.get(group.key), group.stamp
        if before is None and group.state not in _BROKEN and (stamp or 0) < self.start.timestamp():
            return
        same = before is not None and before.state == group.state
        if before and same and not group.again(before.stamp):
            before.met = _written(self.to)
        else:
            self.known[group.key] = _Known(group.state, stamp or int(self.to.timestamp()), _written(self.to))

    def miss(self) -> None:
        """Forgets what is well; what two scans in a row did not meet is gone, which ends its trouble."""
        to, oldest = _written(self.to), self.start.timestamp()
        for key, one in list(self.known.items()):
            if one.state == "OK" and one.stamp < oldest:
                del self.known[key]
            elif one.met not in (to, self.end):
                del self.known[key]
                if one.state != "OK":
                    number, _, name = key.partition("/")
                    group = _Group(key, name, {"status": _GONE})
                    self.signals.append(self._monitor({"id": number}, group, _GONE, None))


class Watch:
    """`datadog.monitor`: one signal for each change of a group's state. `datadog.event`: events, without polarity."""

    def __init__(self, name: str, settings: SourceSettings) -> None:
        self._name = name
        self._settings = settings
        self._session = http.session(settings.deadline, max_bytes=16_000_000)

    def probe(self) -> None:
        for stream in self._settings.streams:
            with self._hinting(stream):
                if stream == "monitors":
                    self._monitors(0, size=1)
                else:
                    self._events("now-1m", "now", "", size=1)

    def poll(self, since: Cursor | None, now: datetime) -> Batch:
        scan = self._scan(since or {}, now)
        try:
            rows, page = self._read(scan)
        except Permanent as error:
            if error.reason != "invalid" or not scan.page:
                raise
            rows, page = [], ""  # the page's token has expired: this stream starts anew
        scan.take(rows)
        self._turn(scan, page)
        return Batch(
            signals=tuple(sorted(scan.signals, key=lambda signal: (signal.at, signal.id))),
            next=scan.cursor(),
            more=bool(scan.stream),
            watermark=None if scan.stream else scan.to - self._settings.lateness,
            quarantined=tuple(scan.bad),
        )

    def _scan(self, cursor: Json, now: datetime) -> _Scan:
        known = {key: _Known(*values) for key, values in cursor.get("known", {}).items()}
        app, end = _app(self._settings.site), cursor.get("end", "")
        if cursor.get("stream") in self._settings.streams:
            start, to = _instant(cursor["from"]), _instant(cursor["to"])
            return _Scan(self._name, app, end, start, to, cursor["stream"], cursor["page"], known)
        start = (min(_instant(end), now) if end else now) - self._settings.look_back
        return _Scan(self._name, app, end, start, now, self._settings.streams[0], "", known)

    def _turn(self, scan: _Scan, page: str | None) -> None:
        """To the next page, else the next stream, else the scan is complete and its `stream` empty."""
        scan.page = page or ""
        if page is not None:
            return
        if scan.stream == "monitors":
            scan.miss()
        following = self._settings.streams.index(scan.stream) + 1
        scan.stream = self._settings.streams[following] if following < len(self._settings.streams) else ""

    def _read(self, scan: _Scan) -> tuple[list[Json], str | None]:
        """A page's rows, and the token of the next page if there is one."""
        with self._hinting(scan.stream):
            if scan.stream == "events":
                return self._events(_millis(scan.start), _millis(scan.to), scan.page, _EVENTS_A_PAGE)
            number = int(scan.page or 0)
            rows = self._monitors(number, _MONITORS_A_PAGE)
            return rows, str(number + 1) if len(rows) >= _MONITORS_A_PAGE else None

    @contextmanager
    def _hinting(self, stream: str) -> Iterator[None]:
        """Says what to do about a refusal."""
        hint = (
            f". Both keys must be valid at {self._settings.site}, and the application key must have the scope"
            f" {_SCOPE[stream]}; see Datadog, Organization Settings, Application Keys"
        )
        try:
            yield
        except Permanent as error:
            said = f"{stream}: {error.message}" + (hint if error.reason == "auth" else "")
            raise Permanent(error.reason, said) from None

    def _monitors(self, number: int, size: int) -> list[Json]:
        from datadog_api_client.v1.api.monitors_api import MonitorsApi

        tags = {"monitor_tags": ",".join(self._settings.monitor_tags)} if self._settings.monitor_tags else {}
        api: Any = cast(Any, MonitorsApi)(self._client)
        rows = http.json_of(api.list_monitors(group_states="all", page=number, page_size=size, **tags))
        if not isinstance(rows, list):
            raise Temporary("bad_answer", "Datadog's answer is not a list of monitors")
        return rows

    def _events(self, start: str, to: str, token: str, size: int) -> tuple[list[Json], str | None]:
        from datadog_api_client.v2.api.events_api import EventsApi
        from datadog_api_client.v2.model.events_list_request import EventsListRequest
        from datadog_api_client.v2.model.events_query_filter import EventsQueryFilter
        from datadog_api_client.v2.model.events_request_page import EventsRequestPage
        from datadog_api_client.v2.model.events_sort import EventsSort

        body = EventsListRequest(
            filter=EventsQueryFilter(query=self._settings.query, _from=start, to=to),
            page=EventsRequestPage(limit=size, **({"cursor": token} if token else {})),
            sort=EventsSort.TIMESTAMP_ASCENDING,
        )
        api: Any = cast(Any, EventsApi)(self._client)
        answer = http.json_of(api.search_events(body=body))
        rows = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(rows, list):
            raise Temporary("bad_answer", "Datadog's answer has no list of events")
        return rows, _after(answer.get("meta")) if rows else None

    @cached_property
    def _client(self) -> Any:
        """Datadog's client; it makes the requests, our session sends them, once each and under a total deadline."""
        from datadog_api_client import ApiClient, Configuration

        keys = {"apiKeyAuth": self._settings.api_key.reveal(), "appKeyAuth": self._settings.app_key.reveal()}
        host = self._settings.url or f"https://api.{self._settings.site}"
        configuration: Any = cast(Any, Configuration)(host=host, api_key=keys, enable_retry=False)
        configuration.preload_content = False
        client = ApiClient(configuration)
        client.close()
        client.rest_client = _Sender(self._session)
        return client


class _Group:
    """The state of one of a monitor's groups, as Datadog says it. A monitor without groups has one without a name."""

    def __init__(self, key: str, name: str, said: Mapping[str, Json]) -> None:
        self.key = key
        self.name = name
        self.said = {
            field: _whole(value) if field.endswith("_ts") and value else value
            for field, value in said.items()
            if field != "name"
        }
        self.state: str = _named(self.said["status"])
        self.resolved: int = self.said.get("last_resolved_ts") or 0
        self.triggered: int = self.said.get("last_triggered_ts") or 0
        self.no_data: int = self.said.get("last_nodata_ts") or 0

    @property
    def stamp(self) -> int | None:
        """When its state became what it is; None where Datadog does not say."""
        stamps = {"OK": self.resolved, "No Data": self.no_data or self.triggered}
        return stamps.get(self.state, self.triggered) or None

    def again(self, stamp: int) -> bool:
        """Whether it broke anew since `stamp`, in the same state. A time without data moves on by itself."""
        moved = self.stamp is not None and self.stamp > stamp
        return moved and (self.state != "No Data" or stamp < self.resolved)

    def broke_after(self, stamp: int) -> tuple[str, int] | None:
        """The trouble, now over, that began after `stamp`. Whether it was no more than a warning is not said."""
        broke = max(self.triggered, self.no_data)
        if not stamp < broke <= self.resolved:
            return None
        return "No Data" if broke == self.no_data else "Alert", broke


class _Sender:
    """Sends what Datadog's client made, in place of its own sender, which keeps no total deadline."""

    def __init__(self, session: requests.Session) -> None:
        self._session = session

    def request(
        self,
        method: str,
        url: str,
        query_params: Any = None,
        headers: Any = None,
        body: Any = None,
        post_params: Any = None,
        preload_content: bool = False,
        request_timeout: Any = None,
    ) -> requests.Response:
        try:
            response = self._session.request(method, url, params=query_params, headers=headers, json=body)
        except requests.RequestException as error:
            raise http.translate(error, sent=False) from None
        http.raise_for_status(response.status_code, response.headers, response.text, sent=False)
        return response


def _app(site: str) -> str:
    return f"https://{'app.' if site.count('.') == 1 else ''}{site}"


def _after(meta: Json) -> str | None:
    """The token of the next page of events. An answer that says that it is not whole is a failure."""
    meta = meta if isinstance(meta, dict) else {}
    if meta.get("status", "done") != "done" or meta.get("warnings"):
        detail = f"status {meta.get('status')}, warnings {meta.get('warnings')}"
        raise Temporary("incomplete", redact(f"Datadog's answer is not whole: {detail}"[:300]))
    after = (meta.get("page") or {}).get("after")
    return str(after) if after else None


def _polarity(state: str) -> Polarity:
    if state in _BROKEN:
        return Polarity.BROKEN
    return Polarity.RECOVERED if state in ("OK", _GONE) else Polarity.NONE


def _named(value: Json) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{str(value)[:80]!r} is no name")
    return value


def _whole(value: Json) -> int:
    number = int(value)
    if not 0 <= number < _LARGEST:
        raise ValueError(f"{str(value)[:80]} is out of range")
    return number


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)


def _written(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _millis(instant: datetime) -> str:
    return str(int(instant.timestamp() * 1000))


def source(name: str, settings: SourceSettings) -> Source:
    return Watch(name, settings)


def recorded(name: str, document: Json) -> Iterable[Signal | Unreadable] | None:
    """Of a monitor, a list of them, or an answer of the search of monitors or events. Monitors are read as if the last
    change in them had just been seen."""
    stream, rows = _rows(document)
    if not stream:
        return None
    moments = list(_moments(rows))
    if stream == "monitors" and not moments:
        return [unreadable(ValueError("no monitor beside it says when it changed"), row) for row in rows]
    defaults, read_at = SourceSettings.model_fields, max(moments, default=_EPOCH)
    start = read_at - defaults["look_back"].default
    scan = _Scan(name, _app(defaults["site"].default), "", start, read_at, stream, "", {})
    scan.take(rows)
    return [*scan.signals, *scan.bad]


def _rows(document: Json) -> tuple[Stream | None, list[Json]]:
    """What a recording holds; no stream if it is not of Datadog."""
    answer = document if isinstance(document, dict) else {}
    events: Json = answer.get("data")
    found: Json = answer.get("monitors")
    if _are(_EVENT, events) and any(isinstance(row, dict) and row.get("type") == "event" for row in events):
        return "events", events
    if _are(_FOUND, found):
        return "monitors", [_as_listed(row) for row in found]
    monitors = document if isinstance(document, list) else [document]
    return ("monitors", monitors) if _are(_MONITOR, monitors) else (None, [])


def _are(names: set[str], rows: Json) -> TypeGuard[list[Json]]:
    """By the first rows: one of them may be spoilt."""
    return isinstance(rows, list) and any(isinstance(row, dict) and names <= row.keys() for row in rows[:10])


def _as_listed(row: Json) -> Json:
    """A monitor as the search shows it, in the shape that the list of monitors has."""
    if not isinstance(row, dict) or "status" not in row:
        return row
    said = {"status": row["status"], "last_triggered_ts": row.get("last_triggered_ts")}
    return {**row, "overall_state": row["status"], "state": {"groups": {"": said}}}


def _moments(monitors: Iterable[Json]) -> Iterator[datetime]:
    """Every instant that these monitors tell of a change."""
    for monitor in monitors:
        with suppress(*MISSHAPEN):
            yield _instant(monitor.get("overall_state_modified") or monitor["modified"])
        with suppress(*MISSHAPEN):
            for group in monitor["state"]["groups"].values():
                stamps = [value for name, value in group.items() if name.endswith("_ts") and value]
                yield from (datetime.fromtimestamp(_whole(stamp), UTC) for stamp in stamps)
