"""Datadog: monitors with the state of each group, events, logs, security signals. Docs: docs.datadoghq.com/api/latest.

A scan reads every page of each stream in turn. What is searched is a window, frozen for as long as the scan lasts. It
begins before the end of the last one by the look-back, for Datadog does not say how late its search shows something;
the store knows what it has by its id. A page that is refused or not whole is asked for again: the window waits.

The cursor: `end` of the last complete scan; `from`, `to`, `stream`, `page` of the running one; `known` of monitors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias, TypeGuard

from pydantic import Field

from daemon.contract import MISSHAPEN, Batch, Duration, Example, Settings, Source, Unreadable, WebAddress, unreadable
from daemon.errors import Permanent, Temporary
from daemon.model import Cursor, Json, Signal
from daemon.secret import Secret
from integrations import _datadog_monitors
from integrations._datadog import Api, Part, Whose, found, instant, written
from integrations._datadog_monitors import Monitors
from integrations._datadog_search import Events, Logs, Searched, SecuritySignals

RECOVERS = True
"""Its signals say when an object has recovered."""

Stream: TypeAlias = Literal["monitors", "events", "logs", "security_signals"]

_MONITORS_A_PAGE = 100
_MONITOR, _FOUND, _SEARCHED = {"id", "query", "overall_state"}, {"id", "query", "status"}, {"id", "type", "attributes"}
_EPOCH = datetime(1970, 1, 2, tzinfo=UTC)


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
        description="An application key, best of a service account; only the scopes of the streams that are read.",
        json_schema_extra={
            "get": "Datadog: Organization Settings, Application Keys (or Service Accounts)",
            "scopes": "monitors_read, events_read, logs_read_data, security_monitoring_signals_read",
        },
    )
    streams: tuple[Stream, ...] = Field(
        ("monitors", "events"), min_length=1, description="What is read. `logs` is best a source of its own: see below."
    )
    monitor_tags: tuple[str, ...] = Field((), description="Only monitors that have all of these tags; none: all.")
    query: str = Field("*", description="Which events are read, in Datadog's event search syntax.")
    log_query: str = Field(
        "status:(error OR critical OR alert OR emergency) OR heartbeat:*",
        description="Which logs are read, in Datadog's log search syntax.",
    )
    log_indexes: tuple[str, ...] = Field(("*",), min_length=1, description="In which indexes of logs; `*`: all.")
    security_query: str = Field("*", description="Which security signals are read, in Datadog's search syntax.")
    page_size: int = Field(
        1000, ge=1, le=1000, description="How many rows one search asks for; fewer if its answers pass 16 MB."
    )
    look_back: Duration = Field(
        timedelta(minutes=15), description="How much of the time already read is read again, for what shows late."
    )
    lateness: Duration = Field(
        timedelta(minutes=2), description="How late an event, log or security signal may show in Datadog's search."
    )
    deadline: float = Field(20.0, gt=0, description="Seconds that one request may take in all.")


_SEARCHES: Mapping[Stream, Callable[[SourceSettings], Searched]] = {
    "events": lambda settings: Events(settings.query),
    "logs": lambda settings: Logs(settings.log_query, settings.log_indexes),
    "security_signals": lambda settings: SecuritySignals(settings.security_query),
}
_READERS: Mapping[Stream, Searched] = {"events": Events(), "logs": Logs(), "security_signals": SecuritySignals()}
_SCOPE = {"monitors": _datadog_monitors.SCOPE, **{name: one.scope for name, one in _READERS.items()}}


@dataclass(slots=True)
class _Scan:
    """The cursor, read, and what the scan meets."""

    whose: Whose
    end: str
    start: datetime
    to: datetime
    stream: Stream | None
    """None once it is complete."""
    page: str
    monitors: Monitors
    signals: list[Signal] = field(default_factory=list)
    bad: list[Unreadable] = field(default_factory=list)

    def cursor(self) -> Json:
        known = self.monitors.known
        if self.stream is None:
            return {"end": written(self.to), "known": known}
        running = {"from": written(self.start), "to": written(self.to), "stream": self.stream, "page": self.page}
        return {"end": self.end, **running, "known": known}

    def take(self, rows: Iterable[Json]) -> None:
        for row in rows:
            try:
                self.signals.extend(self._read(row))
            except MISSHAPEN as error:
                self.bad.append(unreadable(error, row))
                if self.stream == "monitors":
                    self.monitors.spoilt()

    def _read(self, row: Json) -> Iterable[Signal]:
        if self.stream is None or self.stream == "monitors":
            return self.monitors.changes(row)
        return [_READERS[self.stream].signal(self.whose, row)]

    def turn(self, page: str | None, streams: tuple[Stream, ...]) -> None:
        """To the next page, else the next stream, else the scan is complete."""
        self.page = page or ""
        if page is not None or self.stream is None:
            return
        if self.stream == "monitors":
            self.signals.extend(self.monitors.miss())
        following = streams.index(self.stream) + 1
        self.stream = streams[following] if following < len(streams) else None


class Watch:
    """The streams of one organisation."""

    def __init__(self, name: str, settings: SourceSettings) -> None:
        host = settings.url or f"https://api.{settings.site}"
        self._settings = settings
        self._whose = Whose(name, _app(settings.site))
        self._api = Api(host, settings.api_key, settings.app_key, settings.deadline)
        self._searches = {stream: make(settings) for stream, make in _SEARCHES.items()}

    def probe(self) -> None:
        for stream in self._settings.streams:
            with self._hinting(stream):
                if stream == "monitors":
                    self._api.monitors(0, 1, ())
                else:
                    found(self._searches[stream].ask(self._api, Part(1)))

    def poll(self, since: Cursor | None, now: datetime) -> Batch:
        scan = self._scan(since or {}, now)
        try:
            rows, page = self._read(scan)
        except Permanent as error:
            if error.reason != "invalid" or not scan.page:
                raise
            rows, page = [], ""  # the page's token has expired: this stream starts anew
        scan.take(rows)
        scan.turn(page, self._settings.streams)
        return Batch(
            signals=tuple(sorted(scan.signals, key=lambda signal: (signal.at, signal.id))),
            next=scan.cursor(),
            more=scan.stream is not None,
            watermark=None if scan.stream else scan.to - self._settings.lateness,
            quarantined=tuple(scan.bad),
        )

    def _scan(self, cursor: Json, now: datetime) -> _Scan:
        """The running one goes on as it began; else a new one begins."""
        end, known = cursor.get("end", ""), cursor.get("known", {})
        start = (min(instant(end), now) if end else now) - self._settings.look_back
        to, stream, page = now, self._settings.streams[0], ""
        if cursor.get("stream") in self._settings.streams:
            start, to = instant(cursor["from"]), instant(cursor["to"])
            stream, page = cursor["stream"], cursor["page"]
        return _Scan(self._whose, end, start, to, stream, page, Monitors(self._whose, end, start, to, known))

    def _read(self, scan: _Scan) -> tuple[list[Json], str | None]:
        """A page's rows, and the token of the next page if there is one."""
        stream = scan.stream or "monitors"
        with self._hinting(stream):
            if stream != "monitors":
                part = Part(self._settings.page_size, scan.start, scan.to, scan.page)
                return found(self._searches[stream].ask(self._api, part))
            number = int(scan.page or 0)
            rows = self._api.monitors(number, _MONITORS_A_PAGE, self._settings.monitor_tags)
            return rows, str(number + 1) if len(rows) >= _MONITORS_A_PAGE else None

    @contextmanager
    def _hinting(self, stream: Stream) -> Iterator[None]:
        """Says which stream was refused, and what to do about it."""
        hints = {
            "auth": f". Both keys must be valid at {self._settings.site}, and the application key must have the scope"
            f" {_SCOPE[stream]}; see Datadog, Organization Settings, Application Keys",
            "rate_limited": ". Ask less often (`every`), for a shorter time again (`look_back`), or for less (the"
            " query); a stream that is a source of its own holds up no other",
        }
        try:
            yield
        except Permanent as error:
            raise Permanent(error.reason, f"{stream}: {error.message}{hints.get(error.reason, '')}") from None
        except Temporary as error:
            said = f"{stream}: {error.message}{hints.get(error.reason, '')}"
            raise Temporary(error.reason, said, error.after) from None


def _app(site: str) -> str:
    return f"https://{'app.' if site.count('.') == 1 else ''}{site}"


def source(name: str, settings: SourceSettings) -> Source:
    return Watch(name, settings)


def recorded(name: str, document: Json) -> Iterable[Signal | Unreadable] | None:
    """Of a monitor, a list of them, or an answer of the search of any stream. Monitors are read as if the last
    change in them had just been seen."""
    stream, rows = _rows(document)
    if stream is None:
        return None
    moments = list(_datadog_monitors.moments(rows)) if stream == "monitors" else []
    if stream == "monitors" and not moments:
        return [unreadable(ValueError("no monitor beside it says when it changed"), row) for row in rows]
    defaults, read_at = SourceSettings.model_fields, max(moments, default=_EPOCH)
    whose, start = Whose(name, _app(defaults["site"].default)), read_at - defaults["look_back"].default
    scan = _Scan(whose, "", start, read_at, stream, "", Monitors(whose, "", start, read_at, {}))
    scan.take(rows)
    return [*scan.signals, *scan.bad]


def _rows(document: Json) -> tuple[Stream | None, list[Json]]:
    """What a recording holds; no stream if it is not of Datadog."""
    answer = document if isinstance(document, dict) else {}
    searched: Json = answer.get("data")
    listed: Json = answer.get("monitors")
    if _are(_SEARCHED, searched):
        types = {row.get("type") for row in searched if isinstance(row, dict)}
        return next(((stream, searched) for stream, one in _READERS.items() if one.row in types), (None, []))
    if _are(_FOUND, listed):
        return "monitors", [_datadog_monitors.as_listed(row) for row in listed]
    monitors = document if isinstance(document, list) else [document]
    return ("monitors", monitors) if _are(_MONITOR, monitors) else (None, [])


def _are(names: set[str], rows: Json) -> TypeGuard[list[Json]]:
    """By the first rows: one of them may be spoilt."""
    return isinstance(rows, list) and any(isinstance(row, dict) and names <= row.keys() for row in rows[:10])
