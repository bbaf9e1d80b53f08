"""AWS CloudTrail management events by LookupEvents, which sees one account and one region at a time, newest first.

Events show late and out of order (measured: up to ten minutes), so each scan reads the whole look-back again; the
store knows an event by its id. A page's token is bound to its window, so the window is frozen for as long as the scan
of a region lasts. AWS allows two requests a second for each account and region.

The cursor: `round`, the end of the scan that is being made, and for each region its last complete `end` and, while it
is read, `from` and `token`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import Field

from daemon import http
from daemon.contract import MISSHAPEN, Batch, Duration, Example, Source, Unreadable, unreadable
from daemon.errors import Permanent, Temporary
from daemon.model import Cursor, Json, Signal
from daemon.secret import Secret
from integrations import _aws
from integrations._aws import read, written

_PAGE = 50
_PAGES_A_POLL = 2
_NEEDS = "cloudtrail:LookupEvents"
_BY_EVENTBRIDGE = " via CloudTrail"
_LOOKED_AT = 10
"""Entries of a recording by which it is known for CloudTrail's: one of them may be spoilt."""
_RECORD = frozenset({"eventID", "eventTime"})
"""What every record has."""


EXAMPLE = Example(
    {"eventSource": "iam.amazonaws.com", "eventName": "CreateAccessKey", "sourceIPAddress": "203.0.113.9"},
    ("eventName", "CreateAccessKey"),
    "ListAccessKeys",
    "sourceIPAddress",
)


class SourceSettings(_aws.Account):
    via: Literal["lookup"] = Field("lookup", description="How events are read: `lookup` asks LookupEvents.")
    regions: tuple[str, ...] = Field(
        ("us-east-1",), min_length=1, description="Regions to read. Global services (IAM, STS) are in us-east-1."
    )
    access_key_id: Secret | None = _aws.access_key(_NEEDS)
    secret_access_key: Secret | None = _aws.secret_key(_NEEDS)
    look_back: Duration = Field(
        timedelta(minutes=60), description="How much of the time already read is read again, for what shows late."
    )
    lateness: Duration = Field(timedelta(minutes=15), description="How late an event may show in LookupEvents.")


class Lookup:
    """LookupEvents of some regions of one account, as `aws.cloudtrail`, without polarity."""

    def __init__(self, name: str, settings: SourceSettings) -> None:
        self._name = name
        self._settings = settings
        self._aws = _aws.Service("cloudtrail", settings, _NEEDS)

    def probe(self) -> None:
        for region in self._settings.regions:
            self._look(region, {"MaxResults": 1})

    def poll(self, since: Cursor | None, now: datetime) -> Batch:
        end, regions = self._round(since, now)
        region = next(one for one in self._settings.regions if regions[one].get("end", "") < end)
        signals: dict[str, Signal] = {}
        bad: list[Unreadable] = []
        for page in range(_PAGES_A_POLL):
            try:
                events = self._page(region, regions[region], end)
            except Temporary:
                if page == 0:
                    raise
                break  # what was read stands; the next poll meets the failure if it lasts
            self._take(events, region, signals, bad)
            if regions[region].get("end") == end:
                break
        more = any(one.get("end", "") < end for one in regions.values())
        return Batch(
            signals=tuple(sorted(signals.values(), key=lambda signal: (signal.at, signal.id))),
            next={"round": end, "regions": regions},
            more=more,
            watermark=None if more else read(end) - self._settings.lateness,
            quarantined=tuple(bad),
        )

    def _round(self, since: Cursor | None, now: datetime) -> tuple[str, dict[str, dict[str, str]]]:
        """The end of the scan that is being made, and where each region stands; a new scan if the last is complete."""
        cursor: dict[str, Any] = since or {}
        stands = cursor.get("regions", {})
        regions = {region: dict(stands.get(region, {})) for region in self._settings.regions}
        end = cursor.get("round", "")
        if any(one.get("end", "") < end for one in regions.values()):
            return end, regions
        for one in regions.values():
            one["end"] = min(one.get("end", written(now)), written(now - timedelta(microseconds=1)))
        return written(now), regions

    def _page(self, region: str, stand: dict[str, str], end: str) -> list[Json]:
        """One page; moves `stand` on."""
        last = read(stand["end"]) if "end" in stand else read(end)
        stand.setdefault("from", written(last - self._settings.look_back))
        window = {"StartTime": read(stand["from"]), "EndTime": read(end), "MaxResults": _PAGE}
        try:
            answer = self._look(region, window | ({"NextToken": stand["token"]} if "token" in stand else {}))
        except Permanent as error:
            if error.reason != "bad_page":
                raise
            answer = self._look(region, window)  # the token has expired: the scan of this region starts anew
        stand.pop("token", None)
        if token := answer.get("NextToken"):
            stand["token"] = token
        else:
            del stand["from"]
            stand["end"] = end
        return list(answer["Events"])

    def _take(self, events: list[Json], region: str, signals: dict[str, Signal], bad: list[Unreadable]) -> None:
        for event in events:
            try:
                signal = _signal(self._name, http.parse(event["CloudTrailEvent"]), region)
            except MISSHAPEN as error:
                bad.append(unreadable(error, event))
            else:
                signals[signal.id] = signal

    def _look(self, region: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return self._aws.call(region, "lookup_events", arguments, "Events")


def _signal(source: str, record: Json, region: str) -> Signal:
    key = record["eventID"]
    if not isinstance(key, str) or not key:
        raise ValueError("the eventID is no text")
    return Signal(
        source=source,
        type="cloudtrail",
        kind="aws.cloudtrail",
        id=key,
        at=read(record["eventTime"]),
        fields=record,
        url=f"https://{region}.console.aws.amazon.com/cloudtrailv2/home?region={region}#/events/{key}",
    )


def recorded(name: str, document: Json) -> Iterable[Signal | Unreadable] | None:
    """Of a trail's file, an answer of LookupEvents, an event of EventBridge (by SQS and SNS as well), a record, or a
    list of any of these."""
    if isinstance(document, dict) and document.keys() >= _RECORD:
        return _signals(name, [document])
    listed = document.get("Records", document.get("Events")) if isinstance(document, dict) else None
    entries = listed if isinstance(listed, list) else list(_aws.unwrapped(document))
    known = entries == listed == [] or any(map(_is_ours, entries[:_LOOKED_AT]))
    return _signals(name, entries) if known else None


def _is_ours(entry: Json) -> bool:
    if not isinstance(entry, dict):
        return False
    ours = entry.keys() >= _RECORD or "CloudTrailEvent" in entry
    return ours or str(entry.get("detail-type")).endswith(_BY_EVENTBRIDGE)


def _signals(name: str, entries: Iterable[Json]) -> Iterator[Signal | Unreadable]:
    for entry in entries:
        try:
            record = entry if "eventID" in entry else _unpacked(entry)
            signal = _signal(name, record, record.get("awsRegion", "us-east-1"))
        except MISSHAPEN as error:
            yield unreadable(error, entry)
        else:
            yield signal


def _unpacked(entry: Json) -> Json:
    """The record in a row of LookupEvents or in an event of EventBridge."""
    return http.parse(entry["CloudTrailEvent"]) if "CloudTrailEvent" in entry else entry["detail"]


def source(name: str, settings: SourceSettings) -> Source:
    return Lookup(name, settings)
