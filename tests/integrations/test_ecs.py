"""ECS: events out of a queue, which leave it once they are safe; stopped tasks, asked for; both as moto has them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from pydantic import ValidationError

from daemon.clock import SystemClock, ToldClock
from daemon.contract import Batch, Source
from daemon.errors import Permanent, Temporary
from daemon.model import Cursor, Polarity, Signal
from daemon.secret import Secret
from integrations.ecs import SourceSettings, recorded, source
from lab.ecs import CLUSTER, SERVICE, Ecs
from lab.server import Faults, Server

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
KEYS = {"access_key_id": Secret("AKIAOFNOBODY12345678"), "secret_access_key": Secret("a-secret-key-of-aws")}
QUEUE = "https://sqs.us-east-1.amazonaws.com/111122223333/events"


@dataclass
class Watch:
    """A queue that is watched; its messages show at once."""

    clock: ToldClock
    ecs: Ecs
    url: str
    settings: dict[str, Any] = field(default_factory=lambda: {"queue_url": QUEUE})
    cursor: Cursor | None = None
    seen: list[str] = field(default_factory=list)

    def source(self, **settings: Any) -> Source:
        given = {"endpoint_url": self.url, **KEYS, **self.settings, **settings}
        return source("shop", SourceSettings(**given))

    def poll(self) -> Batch:
        """And the cursor is stored."""
        batch = self.source().poll(self.cursor, self.clock.now())
        self.cursor = json.loads(json.dumps(batch.next))
        self.seen += [signal.id for signal in batch.signals]
        return batch

    def one(self) -> Signal:
        (signal,) = self.poll().signals
        return signal


class AllButTheFirst(Faults):
    """The second request fails, and all after it."""

    asked = 0

    def take(self, request: str) -> str | None:
        self.asked += 1
        return "500" if self.asked > 1 else None


@pytest.fixture
def watch() -> Iterator[Watch]:
    clock = ToldClock(NOON)
    ecs = Ecs(clock.now, delay=timedelta(0))
    with Server(ecs) as server:
        yield Watch(clock, ecs, server.url)


def test_a_task_that_stopped_has_the_names_of_aws(watch: Watch) -> None:
    """Named by its version, and neither broken nor recovered: it never comes back."""
    key = watch.ecs.stopped()

    signal = watch.one()

    assert (key, "aws.ecs.task", NOON, Polarity.NONE) == (signal.id, signal.kind, signal.at, signal.polarity)
    names = ("lastStatus", "stopCode", "clusterArn", "detail-type", "account", "region")
    assert [
        *("STOPPED", "EssentialContainerExited", CLUSTER, "ECS Task State Change", "111122223333", "us-east-1")
    ] == [signal.fields[name] for name in names]
    assert 137 == signal.fields["containers"][0]["exitCode"]
    assert signal.url == f"https://us-east-1.console.aws.amazon.com/ecs/v2/clusters/shop/tasks/{0:032x}"


@pytest.mark.parametrize(
    ("told", "kind", "detail", "polarity"),
    [
        ("ECS Service Action", "service", ("INFO", "SERVICE_STEADY_STATE"), Polarity.RECOVERED),
        ("ECS Service Action", "service", ("WARN", "SERVICE_TASK_START_IMPAIRED"), Polarity.BROKEN),
        ("ECS Service Action", "service", ("ERROR", "SERVICE_TASK_PLACEMENT_FAILURE"), Polarity.BROKEN),
        ("ECS Service Action", "service", ("INFO", "SERVICE_DESIRED_COUNT_UPDATED"), Polarity.NONE),
        ("ECS Deployment State Change", "deployment", ("ERROR", "SERVICE_DEPLOYMENT_FAILED"), Polarity.BROKEN),
        ("ECS Deployment State Change", "deployment", ("INFO", "SERVICE_DEPLOYMENT_COMPLETED"), Polarity.RECOVERED),
        ("ECS Deployment State Change", "deployment", ("INFO", "SERVICE_DEPLOYMENT_IN_PROGRESS"), Polarity.NONE),
    ],
)
def test_a_service_is_as_ecs_says_that_it_is(
    watch: Watch, told: str, kind: str, detail: tuple[str, str], polarity: Polarity
) -> None:
    """And named by its ARN, for rules to group by; the event by its own id."""
    key = watch.ecs.event(told, {"eventType": detail[0], "eventName": detail[1], "clusterArn": CLUSTER})

    signal = watch.one()

    assert (key, f"aws.ecs.{kind}", polarity) == (signal.id, signal.kind, signal.polarity)
    assert (SERVICE, [SERVICE]) == (signal.fields["serviceArn"], signal.fields["resources"])
    assert signal.url == "https://us-east-1.console.aws.amazon.com/ecs/v2/clusters/shop/services/web"


def test_a_message_leaves_the_queue_at_the_poll_after_the_one_that_read_it(watch: Watch) -> None:
    """By then what it said is stored, for the receipt is in the cursor that is stored with it."""
    watch.ecs.stopped()
    watch.poll()
    assert 1 == len(watch.ecs.messages)
    batch = watch.poll()

    assert [] == watch.ecs.messages
    assert ((), {"held": []}, False) == (batch.signals, batch.next, batch.more)


def test_what_a_crash_leaves_in_the_queue_shows_again(watch: Watch) -> None:
    """Read, and not stored: after the time that it is hidden, with the id that it had."""
    key = watch.ecs.stopped()
    (lost,) = watch.source().poll(None, watch.clock.now()).signals
    early = watch.poll().signals
    watch.clock.advance(3 * MINUTE)

    assert (key, ()) == (lost.id, early)
    assert key == watch.one().id


def test_a_receipt_that_is_too_old_is_no_failure(watch: Watch) -> None:
    """The message was received again since: it is told again, and then deleted."""
    watch.ecs.stopped()
    watch.poll()
    watch.clock.advance(3 * MINUTE)
    watch.source().poll(None, watch.clock.now())
    watch.poll()
    watch.clock.advance(3 * MINUTE)
    watch.poll()
    watch.poll()

    assert [] == watch.ecs.messages
    assert 1 == len(set(watch.seen))


def test_receipts_of_another_queue_are_let_go(watch: Watch) -> None:
    """The operator named another queue meanwhile: the new one is read."""
    key = watch.ecs.stopped()
    watch.cursor = {"held": ["of another queue"]}

    assert key == watch.one().id


def test_more_than_a_poll_holds_is_read_by_the_next_one(watch: Watch) -> None:
    """And no watermark is told before the queue is empty; then one that leaves room for what is hidden."""
    for _ in range(64):
        watch.ecs.stopped()
    batches = [watch.poll() for _ in range(3)]

    assert [(50, True), (14, False), (0, False)] == [(len(batch.signals), batch.more) for batch in batches]
    assert [None, NOON - 5 * MINUTE] == [batch.watermark for batch in batches[:2]]
    assert [] == watch.ecs.messages


def test_a_failure_amid_a_poll_keeps_what_was_received(watch: Watch) -> None:
    """It stands in the cursor, and the scan is not complete."""
    for _ in range(12):
        watch.ecs.stopped()
    watch.ecs.faults = AllButTheFirst()
    batch = watch.poll()

    assert (10, True, None) == (len(batch.signals), batch.more, batch.watermark)
    assert 10 == len(batch.next["held"])


def test_an_event_that_comes_twice_is_one_signal(watch: Watch) -> None:
    """EventBridge delivers at least once; both messages are deleted."""
    key = watch.ecs.stopped(twice=True)
    watch.poll()
    watch.poll()

    assert [key] == watch.seen
    assert [] == watch.ecs.messages


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("no JSON", "TypeError"),
        ('{"hello": 1}', "KeyError: 'detail-type'"),
        ('{"detail-type": "EC2 Instance State-change Notification", "detail": {}}', "narrow the rule of EventBridge"),
        (
            '{"detail-type": "ECS Task State Change", "detail": {"taskArn": 5, "version": 1}}',
            "'5' is no name",
        ),
    ],
)
def test_a_message_that_cannot_be_read_is_put_aside_and_deleted(watch: Watch, body: str, said: str) -> None:
    """With the reason; the others go on."""
    watch.ecs.put(body)
    key = watch.ecs.stopped()
    batch = watch.poll()
    watch.poll()

    assert [key] == watch.seen
    assert said in batch.quarantined[0][0]
    assert body == batch.quarantined[0][1]
    assert [] == watch.ecs.messages


def test_a_queue_must_be_named() -> None:
    given: dict[str, Any] = {"via": "sqs"}
    with pytest.raises(ValidationError, match="'via: sqs' needs 'queue_url'"):
        SourceSettings(**given)


def test_a_queue_that_is_not_there_is_named_as_such(watch: Watch) -> None:
    with pytest.raises(Permanent, match="The specified queue does not exist") as caught:
        watch.source(queue_url=f"{QUEUE}-x").probe()

    assert "not_found" == caught.value.reason


POLL = {"via": "poll", "clusters": ["shop"]}


def test_a_task_that_is_asked_for_is_the_one_that_the_queue_tells_of(watch: Watch) -> None:
    """Id, time, kind and fields are the same: a rule does not know which way it came."""
    watch.ecs.stopped()
    told = watch.one()
    watch.settings = POLL
    asked = watch.one()

    assert told == asked


def test_all_of_a_cluster_is_read_before_a_scan_is_complete(watch: Watch) -> None:
    """A page at a poll; more than a hundred tasks are two pages, and services come after them."""
    watch.settings = POLL
    keys = [watch.ecs.stopped() for _ in range(130)]
    batches = [watch.poll() for _ in range(3)]

    assert [(100, True), (30, True), (0, False)] == [(len(batch.signals), batch.more) for batch in batches]
    assert [None, None, NOON - MINUTE] == [batch.watermark for batch in batches]
    assert sorted(keys) == sorted(watch.seen)


@pytest.mark.parametrize(
    ("state", "polarity"),
    [("FAILED", Polarity.BROKEN), ("COMPLETED", Polarity.RECOVERED), ("IN_PROGRESS", Polarity.NONE)],
)
def test_a_deployment_that_is_asked_for_reads_like_its_event(watch: Watch, state: str, polarity: Polarity) -> None:
    """By the names of EventBridge. It is told of once: after the hour, though ECS goes on showing it, no more."""
    watch.settings = POLL
    watch.ecs.deployed("COMPLETED", NOON - timedelta(days=9))
    key = watch.ecs.deployed(state, reason="tasks failed to start")
    watch.poll()
    signal = watch.one()
    watch.clock.advance(2 * timedelta(hours=1))
    later = [watch.poll().signals for _ in range(4)]

    assert (f"{key}:{state}", "aws.ecs.deployment", NOON) == (signal.id, signal.kind, signal.at)
    assert polarity == signal.polarity
    names = ("eventName", "deploymentId", "reason", "serviceArn", "detail-type", "updatedAt")
    said = [f"SERVICE_DEPLOYMENT_{state}", key, "tasks failed to start", SERVICE, "ECS Deployment State Change"]
    assert [*said, "2026-03-02T12:00:00.000Z"] == [signal.fields[name] for name in names]
    assert [] == [one for signals in later[2:] for one in signals]


def test_a_cluster_that_is_named_twice_is_read_once(watch: Watch) -> None:
    watch.settings = {**POLL, "clusters": ["shop", "shop"]}
    batches = [watch.poll() for _ in range(2)]

    assert [True, False] == [batch.more for batch in batches]


def test_a_task_that_is_still_stopping_waits(watch: Watch) -> None:
    """It is told of when it has stopped."""
    watch.settings = POLL
    watch.ecs.stopped(lastStatus="DEPROVISIONING")

    assert () == watch.poll().signals


def test_a_cluster_that_is_not_there_is_named_as_such(watch: Watch) -> None:
    watch.settings = POLL
    with pytest.raises(Permanent, match="not_found"):
        watch.source(clusters=["shop", "ship"]).probe()


def test_a_vendor_in_trouble_is_asked_once(watch: Watch) -> None:
    """AWS's own library would try again by itself."""
    watch.ecs.faults.add(".", "500")
    with pytest.raises(Temporary):
        watch.poll()

    assert 1 == len(watch.ecs.received)


def test_recorded_messages_are_unwrapped(watch: Watch) -> None:
    """Out of the answer of SQS, and out of the notification of SNS that its message may be."""
    key = watch.ecs.stopped()
    body = watch.ecs.messages[0].body
    notification = json.dumps({"Type": "Notification", "TopicArn": "arn:aws:sns:x", "Message": body})
    answer = {"Messages": [{"MessageId": "1", "ReceiptHandle": "r", "Body": text} for text in (body, notification)]}

    found = list(recorded("shop", answer) or ())

    assert [key, key] == [signal.id for signal in found if isinstance(signal, Signal)]
    assert watch.one() == found[0]


def test_a_queue_as_moto_has_it_is_read_and_emptied(moto: str) -> None:
    """Another hand's reading of the protocol: receive, hide, delete; and a queue that is not there."""
    now = SystemClock().now()
    lab = Ecs(lambda: now, delay=timedelta(0))
    key = lab.stopped()
    client = boto3.client("sqs", "us-east-1", endpoint_url=moto, aws_access_key_id="x", aws_secret_access_key="y")
    url = client.create_queue(QueueName="events")["QueueUrl"]
    client.send_message(QueueUrl=url, MessageBody=lab.messages[0].body)
    watch = Watch(ToldClock(now), lab, moto, {"queue_url": url})
    watch.source().probe()
    batch = watch.poll()
    hidden = client.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessagesNotVisible"])
    watch.poll()
    left = client.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessagesNotVisible"])
    client.close()

    assert [key] == watch.seen
    assert batch.watermark
    counts = [told["Attributes"]["ApproximateNumberOfMessagesNotVisible"] for told in (hidden, left)]
    assert ["1", "0"] == counts
    with pytest.raises(Permanent, match="not_found"):
        watch.source(queue_url=f"{url}-x").probe()


def test_stopped_tasks_as_moto_has_them_are_read(moto: str) -> None:
    """Another hand's reading of the protocol: the list of the stopped, and what it says of each. It says no time of a
    stopped task, as AWS does, so what it says is put aside."""
    client = boto3.client("ecs", "us-east-1", endpoint_url=moto, aws_access_key_id="x", aws_secret_access_key="y")
    client.create_cluster(clusterName="shop")
    client.register_task_definition(family="web", containerDefinitions=[{"name": "web", "image": "web", "memory": 64}])
    network: Any = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
    started = client.run_task(
        cluster="shop", taskDefinition="web", launchType="FARGATE", networkConfiguration=network, count=1
    )
    arn = started["tasks"][0].get("taskArn", "")
    client.stop_task(cluster="shop", task=arn, reason="enough")
    client.close()
    now = SystemClock().now()
    watch = Watch(ToldClock(now), Ecs(lambda: now), moto, POLL)
    watch.source().probe()
    batch = watch.poll()

    ((reason, raw),) = batch.quarantined
    assert "KeyError: 'stoppedAt'" == reason
    assert (arn, "enough") == (json.loads(raw)["taskArn"], json.loads(raw)["stoppedReason"])
    assert () == batch.signals
    assert not watch.poll().more
