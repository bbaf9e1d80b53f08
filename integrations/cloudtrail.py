"""AWS CloudTrail management events by LookupEvents, which sees one account and one region at a time, newest first.

Events show late and out of order (measured: up to ten minutes), so each scan reads the whole look-back again; the
store knows an event by its id. A page's token is bound to its window, so the window is frozen for as long as the scan
of a region lasts. AWS allows two requests a second for each account and region.

The cursor: `round`, the end of the scan that is being made, and for each region its last complete `end` and, while it
is read, `from` and `token`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, cast

import requests
from pydantic import Field

from daemon import http
from daemon.contract import Batch, Duration, Settings, Source, WebAddress
from daemon.errors import Failure, Permanent, Temporary
from daemon.model import Cursor, Json, Signal
from daemon.secret import Secret, redact

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest, AWSResponse
    from botocore.client import BaseClient
    from botocore.exceptions import ClientError

_PAGE = 50
_PAGES_A_POLL = 2
_THROTTLED = frozenset({"Throttling", "ThrottlingException", "ThrottledException", "RequestLimitExceeded"})
_AUTH = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_HINT = (
    ". The identity must be valid and allowed cloudtrail:LookupEvents; give it an IAM policy with that action on"
    " resource *, and its keys by `access_key_id` and `secret_access_key` or by AWS's own chain (role, profile)"
)


class SourceSettings(Settings):
    via: Literal["lookup"] = Field("lookup", description="How events are read: `lookup` asks LookupEvents.")
    regions: tuple[str, ...] = Field(
        ("us-east-1",), min_length=1, description="Regions to read. Global services (IAM, STS) are in us-east-1."
    )
    endpoint_url: WebAddress | None = Field(None, description="Another address than AWS's, for a proxy or a test.")
    access_key_id: Secret | None = Field(
        None,
        description="With `secret_access_key`; none: AWS's own chain (environment, profile, role).",
        json_schema_extra={"get": "AWS: IAM, Users, Security credentials", "scopes": "cloudtrail:LookupEvents"},
    )
    secret_access_key: Secret | None = Field(
        None,
        description="Of `access_key_id`.",
        json_schema_extra={"get": "shown once, when the access key is made", "scopes": "cloudtrail:LookupEvents"},
    )
    profile: str | None = Field(None, description="A profile of AWS's own configuration, for instance one of a role.")
    look_back: Duration = Field(
        timedelta(minutes=60), description="How much of the time already read is read again, for what shows late."
    )
    lateness: Duration = Field(timedelta(minutes=15), description="How late an event may show in LookupEvents.")
    deadline: float = Field(20.0, gt=0, description="Seconds that one request may take in all.")


class Lookup:
    """LookupEvents of some regions of one account, as `aws.cloudtrail`, without polarity."""

    def __init__(self, name: str, settings: SourceSettings) -> None:
        self._name = name
        self._settings = settings
        self._session = http.session(settings.deadline)
        self._client = lru_cache(None)(self._make)

    def probe(self) -> None:
        for region in self._settings.regions:
            self._call(region, {"MaxResults": 1})

    def poll(self, since: Cursor | None, now: datetime) -> Batch:
        end, regions = self._round(since, now)
        region = next(one for one in self._settings.regions if regions[one].get("end", "") < end)
        signals: dict[str, Signal] = {}
        bad: list[tuple[str, str]] = []
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
            watermark=None if more else _read(end) - self._settings.lateness,
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
            one["end"] = min(one.get("end", _written(now)), _written(now - timedelta(microseconds=1)))
        return _written(now), regions

    def _page(self, region: str, stand: dict[str, str], end: str) -> list[Json]:
        """One page; moves `stand` on."""
        last = _read(stand["end"]) if "end" in stand else _read(end)
        stand.setdefault("from", _written(last - self._settings.look_back))
        window = {"StartTime": _read(stand["from"]), "EndTime": _read(end), "MaxResults": _PAGE}
        try:
            answer = self._call(region, window | ({"NextToken": stand["token"]} if "token" in stand else {}))
        except _TokenExpired:
            stand.pop("token", None)
            answer = self._call(region, window)
        stand.pop("token", None)
        if token := answer.get("NextToken"):
            stand["token"] = token
        else:
            del stand["from"]
            stand["end"] = end
        return list(answer["Events"])

    def _take(self, events: list[Json], region: str, signals: dict[str, Signal], bad: list[tuple[str, str]]) -> None:
        for event in events:
            try:
                signal = self._signal(event, region)
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
                raw = json.dumps(event, default=str)[:4_000]
                bad.append((f"{type(error).__name__}: {error}", redact(raw)))
            else:
                signals[signal.id] = signal

    def _signal(self, event: Json, region: str) -> Signal:
        record = http.parse(event["CloudTrailEvent"])
        key = record["eventID"]
        if not isinstance(key, str) or not key:
            raise ValueError("the eventID is no text")
        return Signal(
            source=self._name,
            type="cloudtrail",
            kind="aws.cloudtrail",
            id=key,
            at=_read(record["eventTime"]),
            fields=record,
            url=f"https://{region}.console.aws.amazon.com/cloudtrailv2/home?region={region}#/events/{key}",
        )

    def _call(self, region: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            NoCredentialsError,
            PartialCredentialsError,
            ProfileNotFound,
        )

        try:
            client: Any = self._client(region)
            answer: dict[str, Any] = client.lookup_events(**arguments)
        except ClientError as error:
            raise _failure(error, region) from None
        except (NoCredentialsError, PartialCredentialsError, ProfileNotFound) as error:
            raise Permanent("auth", f"{redact(str(error))}{_HINT}") from None
        except BotoCoreError as error:
            raise Temporary("bad_answer", f"{region}: {type(error).__name__}") from None
        if not isinstance(answer.get("Events"), list):
            raise Temporary("bad_answer", f"{region}: LookupEvents answered without Events")
        return answer

    def _make(self, region: str) -> BaseClient:
        """A client that signs and parses, and whose requests go through our own session with its total deadline."""
        import boto3
        from botocore.config import Config

        key, secret = self._settings.access_key_id, self._settings.secret_access_key
        client: BaseClient = boto3.session.Session(profile_name=self._settings.profile).client(
            "cloudtrail",
            region_name=region,
            endpoint_url=self._settings.endpoint_url,
            aws_access_key_id=key.reveal() if key else None,
            aws_secret_access_key=secret.reveal() if secret else None,
            config=Config(
                retries={"mode": "standard", "total_max_attempts": 1},
                connect_timeout=self._settings.deadline,
                read_timeout=self._settings.deadline,
            ),
        )
        client.meta.events.register("before-send.cloudtrail", cast(Any, self._send))
        return client

    def _send(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        from botocore.awsrequest import AWSResponse

        headers = {name: _text(value) for name, value in request.headers.items()}
        try:
            response = self._session.request(request.method, request.url, data=cast(Any, request.body), headers=headers)
        except requests.RequestException as error:
            raise http.translate(error, sent=False) from None
        if response.status_code >= 500 or response.status_code == 429 or "json" not in _kind(response):
            http.raise_for_status(response.status_code, response.headers, response.text, sent=False)
        http.json_of(response)  # botocore takes a body that is not JSON for an empty answer
        return AWSResponse(
            request.url, response.status_code, cast(Any, response.headers), cast(Any, _Body(response.content))
        )


class _TokenExpired(Temporary):
    """The page's token is not valid any more: the scan of this region starts anew."""


class _Body:
    """A body already read, in the shape that botocore reads."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> list[bytes]:
        return [self._content]


def _failure(error: ClientError, region: str) -> Failure:
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    message = redact(f"{region}: {code}: {error.response.get('Error', {}).get('Message', '')}"[:300])
    if code in _THROTTLED or status == 429:
        return Temporary("rate_limited", message, timedelta(seconds=1))
    if code in ("InvalidNextTokenException", "InvalidNextToken"):
        return _TokenExpired("bad_page", message)
    if code in _AUTH or status in (401, 403):
        return Permanent("auth", f"{message}{_HINT}")
    if status >= 500:
        return Temporary("server_error", message)
    if status in (408, 409, 425):
        return Temporary("conflict" if status == 409 else "timeout", message)
    return Permanent("not_found" if status == 404 else "invalid", message)


def _kind(response: requests.Response) -> str:
    return response.headers.get("content-type", "")


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _read(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)


def _written(instant: datetime) -> str:
    """Always with microseconds, so that texts compare as instants do."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def source(name: str, settings: SourceSettings) -> Source:
    return Lookup(name, settings)
