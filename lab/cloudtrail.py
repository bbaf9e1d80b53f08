"""AWS CloudTrail simulated: LookupEvents of the JSON 1.1 protocol.

As the vendor's: one region at a time (the one that the request is signed for), management events only, newest first,
at most 50 a page; both ends of the time asked for belong to it; `CloudTrailEvent` is JSON in a text; `NextToken` holds
only for the parameters that it was given for; events show late, in any order, and sometimes twice.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import NAMESPACE_URL, uuid5

from lab.aws import Aws, asked, refused
from lab.server import Json, Now, Request, Response, Table, route
from lab.source import SHOWN_ON_PAGE, Limit

TARGET = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents"
_PAGE = 50
STORED = timedelta(days=90)
"""How far back LookupEvents sees."""
_ONE_SECOND = timedelta(seconds=1)
_BOUND = ("StartTime", "EndTime", "LookupAttributes", "EventCategory")
_MANAGEMENT = "Management"
_DEFAULTS: Mapping[str, Json] = {
    "eventVersion": "1.11",
    "eventSource": "ec2.amazonaws.com",
    "eventName": "DescribeInstances",
    "awsRegion": "us-east-1",
    "sourceIPAddress": "203.0.113.7",
    "userAgent": "aws-cli/2",
    "requestParameters": None,
    "responseElements": None,
    "readOnly": False,
    "eventType": "AwsApiCall",
    "managementEvent": True,
    "recipientAccountId": "111122223333",
    "eventCategory": _MANAGEMENT,
}


@dataclass(frozen=True, slots=True)
class _Row:
    at: datetime
    id: str
    copy: int
    region: str
    record: Json
    visible_at: datetime

    @property
    def place(self) -> tuple[float, str, int]:
        return self.at.timestamp(), self.id, self.copy


class CloudTrail(Aws):
    """`delay`: how long until LookupEvents shows an event; at the vendor's it is minutes."""

    name = "cloudtrail"
    needs = "cloudtrail:LookupEvents"

    def __init__(self, now: Now, delay: timedelta = timedelta(seconds=20)) -> None:
        super().__init__(now, delay)
        self.throttled = False
        """Whether more than two requests a second for a region are refused."""
        self.limit = Limit(2, _ONE_SECOND)
        self._rows: list[_Row] = []
        self._generation = 0

    def event(
        self,
        record: Mapping[str, Json],
        at: datetime | None = None,
        late: timedelta | None = None,
        duplicate: bool = False,
        region: str | None = None,
    ) -> str:
        """An event; what `record` leaves out of the usual fields is filled in. The answer is its eventID.

        `at` goes over the record's eventTime, which is otherwise now. `duplicate`: it shows a second time, as late
        again. `region`: where it is looked up, if that is not the record's awsRegion.
        """
        with self.lock:
            number = f"heliograph-lab:{len(self._rows)}"
            stamp = {"eventID": str(uuid5(NAMESPACE_URL, number)), "eventTime": _written(self.now())}
            whole = {**_DEFAULTS, "requestID": str(uuid5(NAMESPACE_URL, f"{number}:r")), **stamp, **record}
            return self.put(whole | ({"eventTime": _written(at)} if at else {}), late, duplicate, region)

    def put(
        self,
        record: Mapping[str, Json],
        late: timedelta | None = None,
        duplicate: bool = False,
        region: str | None = None,
    ) -> str:
        """A whole record as it is. Raises KeyError, TypeError or ValueError if it has no eventID or no eventTime."""
        key, at, home = record["eventID"], read(record["eventTime"]), region or record["awsRegion"]
        if not isinstance(key, str) or not isinstance(home, str):
            raise TypeError("eventID and awsRegion must be texts")
        with self.lock:
            visible_at = self._send(key, at, late)
            self._rows.append(_Row(at, key, 0, home, record, visible_at))
            if duplicate:
                again = visible_at + (visible_at - at)
                self._hide(again)
                self._rows.append(_Row(at, key, 1, home, record, again))
        return key

    def expire_tokens(self) -> None:
        """No NextToken given so far is valid any more."""
        with self.lock:
            self._generation += 1

    def guard(self, request: Request) -> Response | None:
        refusal = super().guard(request)
        if refusal is None and self.throttled and not self.limit.take(self.region(request), self.now()):
            return self.refusal(429)
        return refusal

    @route("POST", "/")
    def lookup(self, request: Request) -> Response:
        if request.headers.get("x-amz-target") != TARGET:
            return self.refusal(404)
        ask = asked(request)
        rows = self._found(ask, self.region(request))
        size = _size(ask)
        if token := ask.get("NextToken"):
            last = self._last(token, ask)
            rows = [row for row in rows if row.place < last]
        answer: Json = {"Events": [_shown(row) for row in rows[:size]]}
        if len(rows) > size:
            answer["NextToken"] = self._token(rows[size - 1], ask)
        return Response(200, answer)

    def _found(self, ask: Json, region: str) -> list[_Row]:
        """Newest first."""
        now, category = self.now(), _category(ask)
        start, end = _time(ask, "StartTime", now - STORED), _time(ask, "EndTime", now)
        if start > end:
            raise refused("InvalidTimeRangeException", "The start time must not be later than the end time.")
        wanted = _attribute(ask)
        rows = [
            row
            for row in self._rows
            if row.visible_at <= now
            and row.region == region
            and max(start, now - STORED) <= row.at <= end
            and row.record.get("eventCategory", _MANAGEMENT) == category
            and (category != _MANAGEMENT or row.record.get("managementEvent", True))
            and (wanted is None or wanted[1] in _searched(row, wanted[0]))
        ]
        return sorted(rows, key=lambda row: row.place, reverse=True)

    def _token(self, row: _Row, ask: Json) -> str:
        content = {"for": _digest(ask), "last": row.place, "generation": self._generation}
        return base64.b64encode(json.dumps(content).encode()).decode()

    def _last(self, token: str, ask: Json) -> tuple[float, str, int]:
        """Where the page before ended."""
        try:
            content = json.loads(base64.b64decode(token, validate=True))
            at, key, copy = content["last"]
        except (ValueError, KeyError, TypeError):
            raise refused("InvalidNextTokenException", "The token is not valid.") from None
        if content["for"] != _digest(ask) or content["generation"] != self._generation:
            raise refused("InvalidNextTokenException", "The token is not valid for these parameters, or has expired.")
        return at, key, copy

    def states(self) -> list[Table]:
        rows = [
            (
                _written(row.at),
                row.region,
                row.record.get("eventSource"),
                row.record.get("eventName"),
                _user(row.record),
            )
            for row in self._rows[-SHOWN_ON_PAGE:]
        ]
        return [Table("Events, newest first", ("at", "region", "source", "name", "user"), rows[::-1])]


def shows(record: Mapping[str, Json]) -> bool:
    """Whether LookupEvents would ever show it: data and network events it does not."""
    return record.get("eventCategory", _MANAGEMENT) == _MANAGEMENT and bool(record.get("managementEvent", True))


def read(text: str) -> datetime:
    """Raises TypeError or ValueError."""
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _written(instant: datetime) -> str:
    """As records have it: whole seconds."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _size(ask: Json) -> int:
    size = ask.get("MaxResults", _PAGE)
    if not isinstance(size, int) or not 1 <= size <= _PAGE:
        raise refused("InvalidMaxResultsException", "MaxResults must be from 1 to 50.")
    return size


def _time(ask: Json, name: str, default: datetime) -> datetime:
    seconds = ask.get(name)
    if seconds is None:
        return default
    try:
        return datetime.fromtimestamp(float(seconds), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise refused("InvalidTimeRangeException", f"{name} is not a time.") from None


def _category(ask: Json) -> str:
    category = ask.get("EventCategory")
    if category not in (None, "insight"):
        raise refused("InvalidEventCategoryException", "The only category is insight.")
    return "Insight" if category else _MANAGEMENT


def _attribute(ask: Json) -> tuple[str, str] | None:
    attributes = ask.get("LookupAttributes") or []
    if not attributes:
        return None
    if len(attributes) > 1 or attributes[0].get("AttributeKey") not in _ATTRIBUTES:
        raise refused("InvalidLookupAttributesException", "At most one attribute, by a key that exists.")
    return attributes[0]["AttributeKey"], attributes[0].get("AttributeValue", "")


_ATTRIBUTES = {
    "EventId",
    "EventName",
    "EventSource",
    "ReadOnly",
    "Username",
    "AccessKeyId",
    "ResourceType",
    "ResourceName",
}


def _searched(row: _Row, key: str) -> list[str]:
    """The values of an event that an attribute is compared with."""
    shown = _shown(row)
    if key in ("ResourceType", "ResourceName"):
        return [one[key] for one in shown["Resources"]]
    return [shown[key]] if key in shown else []


def _shown(row: _Row) -> Json:
    record = row.record
    optional = {
        "EventName": record.get("eventName"),
        "EventSource": record.get("eventSource"),
        "Username": _user(record),
        "AccessKeyId": _identity(record).get("accessKeyId"),
    }
    given = {name: str(value) for name, value in optional.items() if value is not None}
    if "readOnly" in record:
        given["ReadOnly"] = str(record["readOnly"]).lower()
    listed = record.get("resources")
    named = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return {
        "EventId": row.id,
        "EventTime": row.at.timestamp(),
        "Resources": [{"ResourceType": one.get("type", ""), "ResourceName": one.get("ARN", "")} for one in named],
        **given,
        "CloudTrailEvent": json.dumps(record),
    }


def _identity(record: Mapping[str, Json]) -> Json:
    """Recorded files hold records whose identity is null, or odd."""
    identity = record.get("userIdentity")
    return identity if isinstance(identity, dict) else {}


def _user(record: Mapping[str, Json]) -> Json:
    """The user's name, or a role's session; none for a service."""
    identity = _identity(record)
    if identity.get("type") == "Root":
        return "root"
    if identity.get("type") == "AssumedRole":
        return str(identity.get("principalId", "")).rpartition(":")[2] or None
    return identity.get("userName")


def _digest(ask: Json) -> str:
    """Of the parameters that a token is bound to."""
    bound = {name: ask.get(name) for name in _BOUND}
    return sha256(json.dumps(bound, sort_keys=True).encode()).hexdigest()[:16]
