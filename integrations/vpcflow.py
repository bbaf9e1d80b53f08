"""VPC Flow Logs out of CloudWatch Logs, by FilterLogEvents. Docs: docs.aws.amazon.com/vpc/latest/userguide.

A row tells of up to ten minutes and shows some minutes after they ended, while CloudWatch stamps it with their start.
So a scan's window begins before the end of the last scan by the look-back, and of what is in it a row is new if it was
taken in since the last scan began, less a margin; the store knows a row by its event id. The window is frozen for as
long as the scan lasts: a page's token is bound to it. Pages may be empty and yet not the last.

The cursor: `end` of the last complete scan; `from`, `to`, `token` of the running one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import chain, count
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import AfterValidator, Field

from daemon.contract import MISSHAPEN, Batch, Duration, Example, Source, Unreadable, unreadable
from daemon.errors import Permanent, Temporary
from daemon.model import Cursor, Json, Signal
from daemon.secret import Secret
from integrations import _aws
from integrations._aws import read, written

_NEEDS = "logs:FilterLogEvents"
_PAGES_A_POLL = 5
_ROWS_A_PAGE = 10_000
_SETTLES = timedelta(minutes=5)
"""How long after CloudWatch took a row in until FilterLogEvents surely finds it, clocks that differ among it."""
_LARGEST = 2**53
_DEFAULT = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)
_NUMBERS = frozenset(
    {
        *("version", "srcport", "dstport", "protocol", "packets", "bytes", "start", "end", "tcp-flags", "traffic-path"),
        *("packets-lost-no-route", "packets-lost-blackhole", "packets-lost-mtu-exceeded", "packets-lost-ttl-expired"),
    }
)
_COLUMN = re.compile(r"[a-z][a-z0-9-]*")
_ABSENT = "-"
_NAMED = 2
"""Columns of the default format that tell a file's first line from prose."""


def columns(text: str) -> tuple[str, ...]:
    """The columns of a LogFormat, `${version} ${account-id} …`, or of a file's first line. Raises ValueError."""
    names = tuple(re.sub(r"\$\{([^{}\s]+)\}", r"\1", text).split())
    if odd := [name for name in names if not _COLUMN.fullmatch(name)]:
        raise ValueError(f"'{odd[0]}' is no column of a flow log, such as {_DEFAULT.partition(' action')[0]}")
    if doubled := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"names the column '{doubled[0]}' twice")
    if not names:
        raise ValueError("names no column")
    return names


def _format(text: str) -> str:
    columns(text)
    return text


EXAMPLE = Example(
    {"srcaddr": "203.0.113.9", "dstaddr": "10.0.0.5", "dstport": 22, "action": "REJECT", "bytes": 4000},
    ("action", "REJECT"),
    "ACCEPT",
    "srcaddr",
)


class SourceSettings(_aws.Account):
    via: Literal["logs"] = Field("logs", description="How rows are read: `logs` asks CloudWatch Logs.")
    region: str = Field("us-east-1", description="Where the log group is.")
    log_group: str = Field(min_length=1, description="The log group that the flow log writes to, by name or by ARN.")
    format: Annotated[str, AfterValidator(_format)] = Field(
        _DEFAULT, description="The flow log's LogFormat, as DescribeFlowLogs shows it; none: AWS's default, version 2."
    )
    filter: str = Field("", description="Which rows are read, in CloudWatch's filter pattern syntax: `REJECT`.")
    access_key_id: Secret | None = _aws.access_key(_NEEDS)
    secret_access_key: Secret | None = _aws.secret_key(_NEEDS)
    look_back: Duration = Field(
        timedelta(minutes=30), description="How much of the time already read is read again, for what shows late."
    )
    lateness: Duration = Field(timedelta(minutes=15), description="How long after its end a row may show.")


@dataclass(slots=True)
class _Scan:
    """The cursor, read."""

    start: datetime
    to: datetime
    token: str | None
    taken: datetime | None
    """What was taken in before this was met by the scan before; None: there was none."""

    def cursor(self) -> Json:
        since = {"end": written(self.taken + _SETTLES)} if self.taken else {}
        return {**since, "from": written(self.start), "to": written(self.to), "token": self.token}

    def window(self) -> dict[str, Any]:
        return {"startTime": _millis(self.start), "endTime": _millis(self.to) + 1, "limit": _ROWS_A_PAGE}


class Group:
    """The rows of one log group, as `aws.vpcflow`, without polarity."""

    def __init__(self, name: str, settings: SourceSettings) -> None:
        self._settings = settings
        self._aws = _aws.Service("logs", settings, _NEEDS)
        self._layout = _Layout(name, columns(settings.format))
        self._where = _Where(settings.region, settings.log_group)

    def probe(self) -> None:
        self._look({"limit": 1})

    def poll(self, since: Cursor | None, now: datetime) -> Batch:
        scan = self._scan(since or {}, now)
        signals: dict[str, Signal] = {}
        bad: list[Unreadable] = []
        for page in range(_PAGES_A_POLL):
            try:
                rows = self._page(scan)
            except Temporary:
                if page == 0:
                    raise
                break  # what was read stands; the next poll meets the failure if it lasts
            self._take(rows, scan.taken, signals, bad)
            if scan.token is None:
                break
        more = scan.token is not None
        return Batch(
            signals=tuple(sorted(signals.values(), key=lambda signal: (signal.at, signal.id))),
            next=scan.cursor() if more else {"end": written(scan.to)},
            more=more,
            watermark=None if more else scan.to - self._settings.lateness,
            quarantined=tuple(bad),
        )

    def _scan(self, cursor: Json, now: datetime) -> _Scan:
        end = min(read(cursor["end"]), now) if "end" in cursor else None
        taken = end - _SETTLES if end else None
        if "to" in cursor:
            return _Scan(read(cursor["from"]), read(cursor["to"]), cursor["token"], taken)
        return _Scan((end or now) - self._settings.look_back, now, None, taken)

    def _page(self, scan: _Scan) -> list[Json]:
        """One page; moves `scan` on."""
        window = scan.window()
        try:
            answer = self._look(window | ({"nextToken": scan.token} if scan.token else {}))
        except Permanent as error:
            if error.reason != "invalid" or not scan.token:
                raise
            answer = self._look(window)  # the token has expired: the scan starts anew
        scan.token = answer.get("nextToken")
        return list(answer["events"])

    def _look(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        group = self._settings.log_group
        where = {"logGroupIdentifier" if group.startswith("arn:") else "logGroupName": group}
        pattern = {"filterPattern": self._settings.filter} if self._settings.filter else {}
        return self._aws.call(self._settings.region, "filter_log_events", {**where, **pattern, **arguments}, "events")

    def _take(
        self, events: list[Json], taken: datetime | None, signals: dict[str, Signal], bad: list[Unreadable]
    ) -> None:
        before = _millis(taken) if taken else 0
        for event in events:
            try:
                if event["ingestionTime"] >= before:
                    signal = self._layout.event(event, self._where)
                    signals[signal.id] = signal
            except MISSHAPEN as error:
                bad.append(unreadable(error, event))


@dataclass(frozen=True, slots=True)
class _Where:
    region: str
    group: str

    def link(self, event: Json) -> str:
        """Where a person can look at it; CloudWatch's pages escape names twice, with $ for %."""
        group, stream = (
            quote(quote(name, safe=""), safe="").replace("%", "$") for name in (self.group, event["logStreamName"])
        )
        page = f"https://{self.region}.console.aws.amazon.com/cloudwatch/home?region={self.region}"
        return f"{page}#logsV2:log-groups/log-group/{group}/log-events/{stream}$3Fstart$3D{event['timestamp']}"


class _Layout:
    """What the columns of a row mean."""

    def __init__(self, source: str, names: tuple[str, ...]) -> None:
        self._source = source
        self._names = names
        self._numbers = tuple(_NUMBERS.intersection(names))

    def event(self, event: Json, where: _Where | None = None) -> Signal:
        """Of a row in CloudWatch Logs."""
        fields = self.fields(event["message"])
        return self._signal(event["eventId"], fields, event["timestamp"] / 1000, where.link(event) if where else None)

    def line(self, number: int, text: str) -> Signal:
        """Of a row in a file. No row says its own id: its place tells it from others that are alike."""
        return self._signal(sha256(f"{number} {text}".encode()).hexdigest(), self.fields(text), None, None)

    def fields(self, text: str) -> dict[str, Json]:
        values = text.split()
        if len(values) != len(self._names):
            raise ValueError(f"{len(values)} columns, where the format has {len(self._names)}")
        fields: dict[str, Json] = {
            name: value for name, value in zip(self._names, values, strict=True) if value != _ABSENT
        }
        for name in self._numbers:
            if name in fields:
                fields[name] = _whole(fields[name])
        return fields

    def _signal(self, id: Json, fields: dict[str, Json], stamped: float | None, url: str | None) -> Signal:
        if not isinstance(id, str) or not id:
            raise ValueError("the eventId is no text")
        seconds = fields.get("end", fields.get("start", stamped))
        if seconds is None:
            raise ValueError("it does not say when")
        at = datetime.fromtimestamp(seconds, UTC)
        return Signal(source=self._source, type="vpcflow", kind="aws.vpcflow", id=id, at=at, fields=fields, url=url)


def _whole(text: str) -> int:
    number = int(text)
    if not 0 <= number < _LARGEST:
        raise ValueError(f"{text[:80]} is out of range")
    return number


def _millis(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)


def source(name: str, settings: SourceSettings) -> Source:
    return Group(name, settings)


def recorded(name: str, document: Json) -> Iterable[Signal | Unreadable] | None:
    """Of an answer of FilterLogEvents with rows of the default format."""
    events: Json = document.get("events") if isinstance(document, dict) else None
    layout = _Layout(name, columns(_DEFAULT))
    if not isinstance(events, list) or not any(_is_row(layout, event) for event in events[:10]):
        return None
    return _read(layout.event, events)


def _is_row(layout: _Layout, event: Json) -> bool:
    try:
        return bool(layout.fields(event["message"])) and "eventId" in event
    except MISSHAPEN:
        return False


def recorded_lines(name: str, lines: Iterable[str]) -> Iterable[Signal | Unreadable] | None:
    """Of a file's rows: the first line names the columns, or is a row of the default format already."""
    rest = iter(lines)
    first = next(rest, "").strip()
    try:
        layout = _Layout(name, columns(first))
    except ValueError:
        layout = None
    if layout is None or len(set(first.split()) & set(_DEFAULT.split())) < _NAMED:
        layout, rest = _Layout(name, columns(_DEFAULT)), chain([first], rest)
        if not _is_row(layout, {"message": first, "eventId": ""}):
            return None
    return _read(_Numbered(layout), filter(None, map(str.strip, rest)))


class _Numbered:
    """Rows of one file, one after the other."""

    def __init__(self, layout: _Layout) -> None:
        self._layout = layout
        self._numbers = count()

    def __call__(self, row: str) -> Signal:
        return self._layout.line(next(self._numbers), row)


def _read(translate: Callable[[Json], Signal], rows: Iterable[Json]) -> Iterator[Signal | Unreadable]:
    for row in rows:
        try:
            yield translate(row)
        except MISSHAPEN as error:
            yield unreadable(error, row)
