"""ECS and Fargate. `via: sqs`: tasks, services and deployments, as EventBridge puts their events into a queue of SQS;
`via: poll`: the tasks that stopped, asked for. Docs: docs.aws.amazon.com/AmazonECS/latest/developerguide, events.

A message leaves the queue only when what it said is safe: the cursor, which is stored in the transaction that stores
the signals, holds the receipts, and the poll after that deletes them. What a crash leaves undeleted shows again, with
the ids that it had. EventBridge delivers at least once and in any order; a task's event is named by the task's version.

ECS shows a stopped task for an hour, no longer: `via: poll` asked less often loses some.

The cursor. Of a queue: `held`, the receipts. Of a poll: while it is read, `to`, `cluster` and `token`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from daemon.contract import MISSHAPEN, Batch, Duration, Source, Unreadable, WebAddress, unreadable
from daemon.errors import Permanent, Temporary
from daemon.model import Cursor, Json, Polarity, Signal
from daemon.secret import Secret
from integrations import _aws
from integrations._aws import read, written

RECOVERS = True
"""Its signals say when a service has recovered."""

_QUEUE_NEEDS = "sqs:GetQueueAttributes, sqs:ReceiveMessage, sqs:DeleteMessage"
_POLL_NEEDS = "ecs:ListTasks, ecs:DescribeTasks"
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
_TASKS = 100


class SourceSettings(_aws.Account):
    via: Literal["sqs", "poll"] = Field(
        "sqs", description="How events are read: `sqs` out of a queue, `poll` asks for stopped tasks alone."
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
            next={"held": [message["ReceiptHandle"] for message in messages]},
            more=bool(received),
            watermark=None if received else now - self._settings.lateness - _LOST * _HIDDEN,
            quarantined=tuple(one for one in read if not isinstance(one, Signal)),
        )

    def _receive(self) -> list[Json]:
        hidden = int(_HIDDEN.total_seconds())
        asked = {"MaxNumberOfMessages": _MESSAGES, "WaitTimeSeconds": _WAIT, "VisibilityTimeout": hidden}
        return list(self._call("receive_message", asked).get("Messages", []))

    def _delete(self, receipts: list[str]) -> None:
        """What AWS does not delete, for its receipt is too old, it delivers again."""
        for start in range(0, len(receipts), _MESSAGES):
            entries = [
                {"Id": str(place), "ReceiptHandle": receipt}
                for place, receipt in enumerate(receipts[start : start + _MESSAGES])
            ]
            self._call("delete_message_batch", {"Entries": entries})

    def _call(self, operation: str, arguments: Mapping[str, Any], *answers: str) -> dict[str, Any]:
        where = {"QueueUrl": self._settings.queue_url}
        return self._aws.call(self._settings.region, operation, where | dict(arguments), *answers)


class Stopped:
    """The tasks of some clusters that stopped within the hour, a page of a cluster at a poll."""

    def __init__(self, name: str, settings: SourceSettings) -> None:
        self._name = name
        self._settings = settings
        self._aws = _aws.Service("ecs", settings, _POLL_NEEDS)

    def probe(self) -> None:
        for cluster in self._settings.clusters:
            self._call("list_tasks", {"cluster": cluster, "desiredStatus": "STOPPED", "maxResults": 1}, "taskArns")

    def poll(self, since: Cursor | None, now: datetime) -> Batch:
        clusters, cursor = self._settings.clusters, since or {}
        running = cursor.get("cluster") in clusters
        to = min(read(cursor["to"]), now) if running else now
        cluster = cursor["cluster"] if running else clusters[0]
        tasks, token = self._page(cluster, cursor.get("token") if running else None)
        if token is None:
            cluster = next(iter(clusters[clusters.index(cluster) + 1 :]), "")
        found = list(_tasks(self._name, tasks))
        signals = [one for one in found if isinstance(one, Signal)]
        return Batch(
            signals=tuple(sorted(signals, key=lambda signal: (signal.at, signal.id))),
            next={"to": written(to), "cluster": cluster, "token": token} if cluster else {},
            more=bool(cluster),
            watermark=None if cluster else to - self._settings.lateness,
            quarantined=tuple(one for one in found if not isinstance(one, Signal)),
        )

    def _page(self, cluster: str, token: str | None) -> tuple[list[Json], str | None]:
        """Tasks, and the token of the next page if there is one."""
        asked = {"cluster": cluster, "desiredStatus": "STOPPED", "maxResults": _TASKS}
        try:
            listed = self._call("list_tasks", asked | ({"nextToken": token} if token else {}), "taskArns")
        except Permanent as error:
            if error.reason != "invalid" or token is None:
                raise
            listed = self._call("list_tasks", asked, "taskArns")  # the token has expired: the cluster starts anew
        if not listed["taskArns"]:
            return [], listed.get("nextToken")
        asked = {"cluster": cluster, "tasks": listed["taskArns"]}
        return self._call("describe_tasks", asked, "tasks")["tasks"], listed.get("nextToken")

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
    """Of an answer of DescribeTasks: as the event that EventBridge has of a task that has stopped."""
    for task in tasks:
        try:
            if task["lastStatus"] == "STOPPED":
                yield _signal(name, _event(_plain(task)))
        except MISSHAPEN as error:
            yield unreadable(error, task)


def _event(task: Json) -> Json:
    _, _, _, region, account, _ = task["taskArn"].split(":", 5)
    envelope = {"detail-type": _TASK, "account": account, "region": region, "resources": [task["taskArn"]]}
    return {**envelope, "time": task["stoppedAt"], "detail": task}


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
    return Queue(name, settings) if settings.via == "sqs" else Stopped(name, settings)


def recorded(name: str, document: Json) -> Iterable[Signal | Unreadable] | None:
    """Of an event of EventBridge, a list of them, messages of SQS and SNS with them, or what `aws ecs describe-tasks`
    prints."""
    tasks: Json = document.get("tasks") if isinstance(document, dict) else None
    if isinstance(tasks, list) and any(isinstance(task, dict) and "taskArn" in task for task in tasks[:10]):
        return _tasks(name, tasks)
    events = list(_aws.unwrapped(document))
    if not any(isinstance(event, dict) and event.get("source") == "aws.ecs" for event in events[:10]):
        return None
    return _signals(name, events)
