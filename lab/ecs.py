"""ECS simulated, with the queue of SQS that EventBridge puts its events into: ListTasks, DescribeTasks, ListServices,
DescribeServices, ReceiveMessage, DeleteMessageBatch, GetQueueAttributes.

As the vendor's: a message that was received is hidden for the time asked for, and shows again unless it is deleted by
its latest receipt; messages come in no order, and sometimes twice; a stopped task is shown for an hour.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_URL, uuid5

from lab.aws import Aws, asked, refused
from lab.server import Json, Now, Request, Response, route
from lab.source import iso

_TASKS = "AmazonEC2ContainerServiceV20141113."
_QUEUE = "AmazonSQS."
_SHOWN = timedelta(hours=1)
_MOST_MESSAGES = 10
_PAGE = 100
_RECEIPT = re.compile(r"\d+/\d+")
_ARN = "arn:aws:ecs:us-east-1:111122223333"
CLUSTER, SERVICE = f"{_ARN}:cluster/shop", f"{_ARN}:service/shop/web"


@dataclass(slots=True)
class _Message:
    number: int
    body: str
    visible_at: datetime
    receives: int = 0

    @property
    def receipt(self) -> str:
        return f"{self.number}/{self.receives}"


class Ecs(Aws):
    name = "ecs"
    needs = "sqs:ReceiveMessage, ecs:ListTasks"

    def __init__(self, now: Now, delay: timedelta = timedelta(seconds=5)) -> None:
        super().__init__(now, delay)
        self.cluster = "shop"
        self.queue = "events"
        self.messages: list[_Message] = []
        self._tasks: list[tuple[datetime, Json]] = []
        self._deployments: list[Json] = []
        self._events = self._put = 0

    def stopped(self, late: timedelta | None = None, twice: bool = False, **detail: Json) -> str:
        """A task stops now; the answer is its ARN and version."""
        with self.lock:
            arn, at = f"{_ARN}:task/shop/{len(self._tasks):032x}", _in_milliseconds(self.now())
            said = {"stopCode": "EssentialContainerExited", "stoppedReason": "Essential container in task exited"}
            states = {"lastStatus": "STOPPED", "desiredStatus": "STOPPED", "stoppedAt": at}
            containers = [{"name": "web", "lastStatus": "STOPPED", "exitCode": 137}]
            task = {"taskArn": arn, "clusterArn": CLUSTER, "version": 5, "group": "service:web"}
            task |= {**states, **said, "containers": containers, **detail}
            key = f"{arn}:{task['version']}"
            self._tasks.append((self._send(key, self.now(), late), task))
            self.event("ECS Task State Change", task, arn, late, twice)
            return key

    def event(
        self,
        told: str,
        detail: Mapping[str, Json],
        resource: str = SERVICE,
        late: timedelta | None = None,
        twice: bool = False,
    ) -> str:
        """An event of EventBridge is put into the queue; the answer is its id."""
        with self.lock:
            self._events += 1
            key = str(uuid5(NAMESPACE_URL, f"heliograph-lab:ecs:{self._events}"))
            where = {"account": "111122223333", "region": "us-east-1", "resources": [resource]}
            what = {"version": "0", "id": key, "detail-type": told, "source": "aws.ecs"}
            body = {**what, **where, "time": iso(self.now()), "detail": detail}
            self.put(json.dumps(body), late)
            if twice:
                self.put(json.dumps(body), late)
            return key

    def deployed(self, state: str, at: datetime | None = None, reason: str = "") -> str:
        """What became of the one service's newest deployment, for DescribeServices; the answer is its id."""
        with self.lock:
            key = f"ecs-svc/{len(self._deployments):019d}"
            stamps = {"updatedAt": (at or self.now()).timestamp(), "createdAt": self.now().timestamp()}
            said = {"id": key, "status": "PRIMARY", "rolloutState": state, "rolloutStateReason": reason}
            self._deployments.append({**said, **stamps})
            return key

    def put(self, body: str, late: timedelta | None = None) -> None:
        """A message, whatever it says."""
        with self.lock:
            visible_at = self.now() + (self.delay if late is None else late)
            self._hide(visible_at)
            self._put += 1
            self.messages.append(_Message(self._put, body, visible_at))

    @route("POST", "/")
    def call(self, request: Request) -> Response:
        target, ask = request.headers.get("x-amz-target", ""), asked(request)
        if target.startswith(_QUEUE) and not str(ask.get("QueueUrl")).endswith(f"/{self.queue}"):
            raise refused("com.amazonaws.sqs#QueueDoesNotExist", "The specified queue does not exist.")
        if target.startswith(_TASKS) and ask.get("cluster") != self.cluster:
            raise refused("ClusterNotFoundException", "Cluster not found.")
        calls = {
            f"{_QUEUE}ReceiveMessage": self._receive,
            f"{_QUEUE}DeleteMessageBatch": self._delete,
            f"{_QUEUE}GetQueueAttributes": self._attributes,
            f"{_TASKS}ListTasks": self._list,
            f"{_TASKS}DescribeTasks": self._describe,
            f"{_TASKS}ListServices": lambda _: {"serviceArns": [SERVICE]},
            f"{_TASKS}DescribeServices": self._services,
        }
        return Response(200, calls[target](ask)) if target in calls else self.refusal(404)

    def _receive(self, ask: Json) -> Json:
        now = self.now()
        found = [one for one in self.messages if one.visible_at <= now][::-1][: ask.get("MaxNumberOfMessages", 1)]
        for message in found:
            message.receives += 1
            message.visible_at = now + timedelta(seconds=ask["VisibilityTimeout"])
        rows = [{"MessageId": str(one.number), "ReceiptHandle": one.receipt, "Body": one.body} for one in found]
        return {"Messages": rows} if rows else {}

    def _delete(self, ask: Json) -> Json:
        entries = ask["Entries"]
        if not 1 <= len(entries) <= _MOST_MESSAGES:
            raise refused("com.amazonaws.sqs#TooManyEntriesInBatchRequest", "From 1 to 10 entries.")
        if not all(_RECEIPT.fullmatch(entry["ReceiptHandle"]) for entry in entries):
            raise refused("com.amazonaws.sqs#ReceiptHandleIsInvalid", "The receipt is of another queue.")
        known = {message.receipt for message in self.messages}
        gone = {entry["ReceiptHandle"] for entry in entries} & known
        self.messages = [message for message in self.messages if message.receipt not in gone]
        stale = {"SenderFault": True, "Code": "ReceiptHandleIsInvalid"}
        return {
            "Successful": [{"Id": entry["Id"]} for entry in entries if entry["ReceiptHandle"] in gone],
            "Failed": [{"Id": entry["Id"], **stale} for entry in entries if entry["ReceiptHandle"] not in gone],
        }

    def _attributes(self, ask: Json) -> Json:
        return {"Attributes": {"QueueArn": f"arn:aws:sqs:us-east-1:111122223333:{self.queue}"}}

    def _list(self, ask: Json) -> Json:
        start = int(ask.get("nextToken") or 0)
        tasks = [task["taskArn"] for task in self._shown()]
        end = start + min(ask.get("maxResults", _PAGE), _PAGE)
        return {"taskArns": tasks[start:end], **({"nextToken": str(end)} if len(tasks) > end else {})}

    def _describe(self, ask: Json) -> Json:
        known = {task["taskArn"]: task for task in self._shown()}
        tasks = [known[arn] for arn in ask["tasks"] if arn in known]
        return {"tasks": [_as_described(task) for task in tasks], "failures": []}

    def _services(self, ask: Json) -> Json:
        service = {"serviceArn": SERVICE, "clusterArn": CLUSTER, "deployments": self._deployments}
        return {"services": [service] if SERVICE in ask["services"] else [], "failures": []}

    def _shown(self) -> list[Json]:
        """In the order in which they came, so that a page's number stays what it was."""
        now = self.now()
        return [task for visible_at, task in self._tasks if visible_at <= now < visible_at + _SHOWN]


def _in_milliseconds(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _as_described(task: Json) -> Json:
    """DescribeTasks has instants as numbers."""
    return {**task, "stoppedAt": datetime.fromisoformat(task["stoppedAt"]).timestamp()}
