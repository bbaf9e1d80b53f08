"""ECS and Fargate. `via: sqs`: tasks, services and deployments, as EventBridge puts their events into a queue of SQS;
`via: poll`: stopped tasks and deployments, asked for. Docs: docs.aws.amazon.com/AmazonECS/latest/developerguide.

A message leaves the queue only when what it said is safe: the cursor, which is stored in the transaction that stores
the signals, holds the receipts, and the poll after that deletes them. What a crash leaves undeleted shows again, with
the ids that it had. EventBridge delivers at least once and in any order; a task's event is named by the task's version.

ECS shows a stopped task for an hour, no longer: `via: poll` asked less often loses some.

The cursor. Of a queue: `held`, the receipts. By asking: `end` of the last complete scan; `to`, `what`, `cluster` and
`token` of the running one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from daemon.contract import MISSHAPEN, Batch, Duration, Example, Source, Unreadable, WebAddress, unreadable
from daemon.errors import Permanent, Temporary
from daemon.model import Cursor, Json, Polarity, Signal
from daemon.secret import Secret
from integrations import _aws
from integrations._aws import read, written

RECOVERS = True
"""Its signals say when a service has recovered."""

_QUEUE_NEEDS = "sqs:GetQueueAttributes, sqs:ReceiveMessage, sqs:DeleteMessage"
_POLL_NEEDS = "ecs:ListTasks, ecs:DescribeTasks, ecs:ListServices, ecs:DescribeServices"
_KINDS = {
    "ECS Task State Change": "aws.ecs.task",
    "ECS Service Action": "aws.ecs.service",
    "ECS Deployment State Change": "aws.ecs.deployment",
}
_TASK, _SERVICE, _DEPLOYMENT = _KINDS
_ENVELOPE = ("detail-type", "account", "region", "resources")
_RECOVERED = {"SERVICE_STEADY_STATE", "SERVICE_DEPLOYMENT_COMPLETED"}
_BROKEN = {"WARN", "ERROR"}
_RECEIVES_A_POLL = 5
_MESSAGES = 10
_WAIT = 1
"""Seconds: only a receive that waits asks all of the queue's servers, so that an empty answer means an empty queue."""
_HIDDEN = timedelta(minutes=2)
"""How long a message is hidden once it was received: longer than from one poll to the next, which deletes it."""
_LOST = 2
"""How often a message may be hidden by an answer that never came, and no watermark passes it yet."""
_SHOWN = timedelta(hours=1)
"""How long ECS shows a stopped task. What is older was told, be it shown for longer, as deployments are."""


@dataclass(frozen=True, slots=True)
class _Listing:
    """What is listed, and then described, a page at a time."""

    operation: str
    arns: str
    described: str
    most: int
    only: Mapping[str, str] = field(default_factory=dict)


_LISTINGS = {
    "tasks": _Listing("list_tasks", "taskArns", "describe_tasks", 100, {"desiredStatus": "STOPPED"}),
    "services": _Listing("list_services", "serviceArns", "describe_services", 10),
}


EXAMPLE = Example(
    {"group": "service:shop", "lastStatus": "STOPPED", "stopCode": "EssentialContainerExited"},
    ("stopCode", "EssentialContainerExited"),
    "UserInitiated",
    "group",
)


class SourceSettings(_aws.Account):
    via: Literal["sqs", "poll"] = Field(
        "sqs", description="How events are read: `sqs` out of a queue, `poll` asks for stopped tasks and deployments."
    )
    region: str = Field("us-east-1", description="Where the queue or the clusters are.")
    queue_url: WebAddress | None = Field(
        None, description="With `sqs`: the queue that a rule of EventBridge puts the events into; for this alone."
    )
    clusters: tuple[str, ...] = Field(("default",), min_length=1, description="With `poll`: names or ARNs of clusters.")
    access_key_id: Secret | None = _aws.access_key(f"{_QUEUE_NEEDS}, {_POLL_NEEDS}")
    secret_access_key: Secret | None = _aws.secret_key(f"{_QUEUE_NEEDS}, {_POLL_NEEDS}")
    lateness: Duration = Field(timedelta(minutes=1), description="How late an event may show.")

    @model_validator(mode="after")
    def _has_its_queue(self) -> Self:
        if self.via == "sqs" and self.queue_url is None:
            raise ValueError("'via: sqs' needs 'queue_url': the queue that a rule of EventBridge puts the events into")
        return self


class Queue:
    """Events of EventBridge out of a queue of SQS."""

    def __init__(self, name: str, settings: SourceSettings) -> None:
        self._name = name
        self._settings = settings
        self._aws = _aws.Service("sqs", settings, _QUEUE_NEEDS)

    def probe(self) -> None:
        """What receives would hide messages, so it asks for something else of the queue."""
        self._call("get_queue_attributes", {"AttributeNames": ["QueueArn"]}, "Attributes")

    def poll(self, since: Cursor | None, now: datetime) -> Batch:
        self._delete((since or {}).get("held", []))
        messages: list[Json] = []
        received: list[Json] = []
        for turn in range(_RECEIVES_A_POLL):
            try:
                received = self._receive()
            except Temporary:
                if turn == 0:
                    raise
                break  # what was received stands; the next poll meets the failure if it lasts
            messages += received
            if not received:
                break
        read = [one for message in messages for one in _signals(self._name, message)]
        signals = {one.id: one for one in read if isinstance(one, Signal)}
        return Batch(
            signals=tuple(sorted(signals.values(), key=lambda signal: (signal.at, signal.id))),
            next={"held": [message["ReceiptHandle"] for message in messages if "ReceiptHandle" in message]},
            more=bool(received),
            watermark=None if received else now - self._settings.lateness - _LOST * _HIDDEN,
            quarantined=tuple(one for one in read if not isinstance(one, Signal)),
        )

    def _receive(self) -> list[Json]:
        hidden = int(_HIDDEN.total_seconds())
        asked = {"MaxNumberOfMessages": _MESSAGES, "WaitTimeSeconds": _WAIT, "VisibilityTimeout": hidden}
        return list(self._call("receive_message", asked).get("Messages", []))

    def _delete(self, receipts: list[str]) -> None:
        """What AWS does not delete, for its receipt is too old or of another queue, it delivers again."""
        for start in range(0, len(receipts), _MESSAGES):
            entries = [
                {"Id": str(place), "ReceiptHandle": receipt}
                for place, receipt in enumerate(receipts[start : start + _MESSAGES])
            ]
            try:
                self._call("delete_message_batch", {"Entries": entries})
            except Permanent as error:
                if error.reason != "invalid":
                    raise

    def _call(self, operation: str, arguments: Mapping[str, Any], *answers: str) -> dict[str, Any]:
        where = {"QueueUrl": self._settings.queue_url}
        return self._aws.call(self._settings.region, operation, where | dict(arguments), *answers)


@dataclass(slots=True)
class _Scan:
    """The cursor, read."""

    end: datetime
    to: datetime
    what: str
    cluster: str
    token: str | None

    def cursor(self) -> Json:
        running = {"to": written(self.to), "what": self.what, "cluster": self.cluster, "token": self.token}
        return {"end": written(self.end), **running} if self.cluster else {"end": written(self.to)}


class Asked:
    """The tasks that stopped, and what became of deployments: a page of a cluster at a poll."""

    def __init__(self, name: str, settings: SourceSettings) -> None:
        self._name = name
        self._settings = settings
        self._aws = _aws.Service("ecs", settings, _POLL_NEEDS)

    def probe(self) -> None:
        for cluster in self._settings.clusters:
            for listing in _LISTINGS.values():
                self._call(listing.operation, {"cluster": cluster, **listing.only, "maxResults": 1}, listing.arns)

    def poll(self, since: Cursor | None, now: datetime) -> Batch:
        scan = self._scan(since or {}, now)
        rows = self._page(scan)
        told = _tasks if scan.what == "tasks" else _deployments
        found = list(told(self._name, rows))
        self._turn(scan)
        signals = [one for one in found if isinstance(one, Signal) and one.at >= scan.end - _SHOWN]
        return Batch(
            signals=tuple(sorted(signals, key=lambda signal: (signal.at, signal.id))),
            next=scan.cursor(),
            more=bool(scan.cluster),
            watermark=None if scan.cluster else scan.to - self._settings.lateness,
            quarantined=tuple(one for one in found if not isinstance(one, Signal)),
        )

    def _scan(self, cursor: Json, now: datetime) -> _Scan:
        end = min(read(cursor["end"]), now) if "end" in cursor else now
        if cursor.get("cluster") in self._settings.clusters:
            return _Scan(end, min(read(cursor["to"]), now), cursor["what"], cursor["cluster"], cursor["token"])
        return _Scan(end, now, next(iter(_LISTINGS)), self._settings.clusters[0], None)

    def _turn(self, scan: _Scan) -> None:
        """To the next page, else to what is next in the cluster, else to the next one; after the last it has none."""
        if scan.token is None:
            places = [(cluster, what) for cluster in dict.fromkeys(self._settings.clusters) for what in _LISTINGS]
            following = places[places.index((scan.cluster, scan.what)) + 1 :]
            scan.cluster, scan.what = following[0] if following else ("", "")

    def _page(self, scan: _Scan) -> list[Json]:
        """What is described of a page; moves `scan` on."""
        listing = _LISTINGS[scan.what]
        asked = {"cluster": scan.cluster, **listing.only, "maxResults": listing.most}
        try:
            page = asked | ({"nextToken": scan.token} if scan.token else {})
            listed = self._call(listing.operation, page, listing.arns)
        except Permanent as error:
            if error.reason != "invalid" or scan.token is None:
                raise
            listed = self._call(listing.operation, asked, listing.arns)  # the token has expired: this starts anew
        arns = listed[listing.arns]
        described = {scan.what: []} if not arns else self._describe(listing, scan, arns)
        scan.token = listed.get("nextToken")
        return list(described[scan.what])

    def _describe(self, listing: _Listing, scan: _Scan, arns: list[str]) -> dict[str, Any]:
        return self._call(listing.described, {"cluster": scan.cluster, scan.what: arns}, scan.what)

    def _call(self, operation: str, arguments: Mapping[str, Any], *answers: str) -> dict[str, Any]:
        return self._aws.call(self._settings.region, operation, arguments, *answers)


def _signals(name: str, document: Json) -> Iterator[Signal | Unreadable]:
    for event in _aws.unwrapped(document):
        try:
            signal = _signal(name, event)
        except MISSHAPEN as error:
            yield unreadable(error, event)
        else:
            yield signal


def _signal(source: str, event: Json) -> Signal:
    """Of an event of EventBridge."""
    told, detail = event["detail-type"], event["detail"]
    if told not in _KINDS:
        raise ValueError(f"'{told}' is no event that is read; narrow the rule of EventBridge")
    outer = {name: event[name] for name in _ENVELOPE if name in event}
    if told != _TASK:
        outer["serviceArn"] = event["resources"][0]
    return Signal(
        source=source,
        type="ecs",
        kind=_KINDS[told],
        id=f"{_text(detail['taskArn'])}:{detail['version']:d}" if told == _TASK else _text(event["id"]),
        at=read(detail.get("stoppedAt") or event["time"]),
        fields={**outer, **detail},
        polarity=Polarity.NONE if told == _TASK else _polarity(detail),
        url=_link(event["region"], detail["taskArn"] if told == _TASK else outer["serviceArn"]),
    )


def _polarity(detail: Json) -> Polarity:
    """What ECS itself says of a service or a deployment."""
    if detail["eventName"] in _RECOVERED:
        return Polarity.RECOVERED
    return Polarity.BROKEN if detail["eventType"] in _BROKEN else Polarity.NONE


def _link(region: str, arn: str) -> str:
    """Of `arn:aws:ecs:<region>:<account>:task/<cluster>/<id>`, or `…:service/<cluster>/<name>`."""
    what, *names = arn.rpartition(":")[2].split("/")
    page = f"https://{region}.console.aws.amazon.com/ecs/v2/clusters"
    return f"{page}/{names[0]}/{what}s/{names[1]}" if len(names) > 1 else page


def _tasks(name: str, tasks: Iterable[Json]) -> Iterator[Signal | Unreadable]:
    """Of an answer of DescribeTasks: as the events that EventBridge has of tasks that have stopped."""
    for task in tasks:
        try:
            if task["lastStatus"] == "STOPPED":
                yield _signal(name, _event(_TASK, task["taskArn"], task["stoppedAt"], task))
        except MISSHAPEN as error:
            yield unreadable(error, task)


def _deployments(name: str, services: Iterable[Json]) -> Iterator[Signal | Unreadable]:
    """Of an answer of DescribeServices: as the events that EventBridge has of deployments."""
    for service in services:
        try:
            changes = [_rollout(service, one) for one in service["deployments"] if "rolloutState" in one]
            yield from [_signal(name, event) for event in changes]
        except MISSHAPEN as error:
            yield unreadable(error, service)


def _rollout(service: Json, deployment: Json) -> Json:
    state, at = deployment["rolloutState"], deployment["updatedAt"]
    detail = {
        "eventType": "ERROR" if state == "FAILED" else "INFO",
        "eventName": f"SERVICE_DEPLOYMENT_{state}",
        "clusterArn": service["clusterArn"],
        "deploymentId": _text(deployment["id"]),
        "updatedAt": at,
        "reason": deployment.get("rolloutStateReason", ""),
    }
    return {**_event(_DEPLOYMENT, service["serviceArn"], at, detail), "id": f"{deployment['id']}:{state}"}


def _event(told: str, arn: str, at: Json, detail: Json) -> Json:
    """As EventBridge would have it."""
    _, _, _, region, account, _ = arn.split(":", 5)
    envelope = {"detail-type": told, "account": account, "region": region, "resources": [arn]}
    return {**envelope, "time": _plain(at, "At"), "detail": _plain(detail)}


def _plain(value: Json, name: str = "") -> Json:
    """With instants as EventBridge has them, where boto3 has a datetime, and the protocol a number."""
    if isinstance(value, dict):
        return {name: _plain(one, name) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if name.endswith("At") and isinstance(value, int | float):
        value = datetime.fromtimestamp(value, UTC)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value


def _text(value: Json) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{str(value)[:80]!r} is no name")
    return value


def source(name: str, settings: SourceSettings) -> Source:
    return Queue(name, settings) if settings.via == "sqs" else Asked(name, settings)


def recorded(name: str, document: Json) -> Iterable[Signal | Unreadable] | None:
    """Of an event of EventBridge, a list of them, messages of SQS and SNS with them, or what DescribeTasks and
    DescribeServices answer."""
    for what, named, told in (("tasks", "taskArn", _tasks), ("services", "serviceArn", _deployments)):
        rows: Json = document.get(what) if isinstance(document, dict) else None
        if isinstance(rows, list) and any(isinstance(row, dict) and named in row for row in rows[:10]):
            return told(name, rows)
    events = list(_aws.unwrapped(document))
    if not any(isinstance(event, dict) and event.get("source") == "aws.ecs" for event in events[:10]):
        return None
    return _signals(name, events)
