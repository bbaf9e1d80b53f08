"""CloudTrail, simulated: LookupEvents by boto3, over real sockets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from lab.cloudtrail import CloudTrail
from lab.server import Server

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
AT_ONCE = timedelta(0)


class Lab:
    def __init__(self) -> None:
        self.now = NOON
        self.trail = CloudTrail(lambda: self.now, delay=AT_ONCE)
        self.url = ""
        self._clients: dict[str, Any] = {}

    def client(self, region: str = "us-east-1") -> Any:
        if region not in self._clients:
            self._clients[region] = boto3.client(
                "cloudtrail",
                region_name=region,
                endpoint_url=self.url,
                aws_access_key_id="AKIASHAM",
                aws_secret_access_key="sham",
                config=Config(retries={"total_max_attempts": 1}, read_timeout=5),
            )
        return self._clients[region]

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def look(self, region: str = "us-east-1", **ask: Any) -> Any:
        return self.client(region).lookup_events(**ask)

    def names(self, region: str = "us-east-1", **ask: Any) -> list[str]:
        return [event["EventName"] for event in self.look(region, **ask)["Events"]]

    def error(self, **ask: Any) -> tuple[str, int]:
        with pytest.raises(ClientError) as caught:
            self.look(**ask)
        answer: Any = caught.value.response
        return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab()
    with Server(lab.trail) as server:
        lab.url = server.url
        yield lab
        lab.close()


def ago(minutes: float) -> datetime:
    return NOON - timedelta(minutes=minutes)


def test_an_event_is_as_the_vendor_gives_it(lab: Lab) -> None:
    """The whole record is JSON in a text; what is read-only is said in a text; a role goes by its session."""
    identity = {"type": "AssumedRole", "principalId": "AROA1:ann", "accessKeyId": "ASIA1"}
    resources = [{"type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::tea"}]
    record = {"eventName": "DeleteBucket", "eventSource": "s3.amazonaws.com", "userIdentity": identity}
    key = lab.trail.event({**record, "resources": resources, "readOnly": True})

    event = lab.look()["Events"][0]

    told = (event["EventId"], event["EventName"], event["EventSource"], event["Username"], event["AccessKeyId"])
    assert (key, "DeleteBucket", "s3.amazonaws.com", "ann", "ASIA1") == told
    assert ("true", NOON) == (event["ReadOnly"], event["EventTime"])
    assert [{"ResourceType": "AWS::S3::Bucket", "ResourceName": "arn:aws:s3:::tea"}] == event["Resources"]
    whole = json.loads(event["CloudTrailEvent"])
    assert (key, "2026-03-02T12:00:00Z", identity) == (whole["eventID"], whole["eventTime"], whole["userIdentity"])


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        ({"type": "Root"}, "root"),
        ({"type": "IAMUser", "userName": "bob"}, "bob"),
        ({"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}, None),
        (None, None),
        ("odd", None),
    ],
)
def test_the_user_of_an_event(lab: Lab, identity: Any, expected: str | None) -> None:
    """A service has none; an odd identity does no harm."""
    lab.trail.event({"userIdentity": identity})

    assert expected == lab.look()["Events"][0].get("Username")


def test_events_show_late_and_out_of_order(lab: Lab) -> None:
    """An older event may show after a newer one; the vendor knows when."""
    lab.trail.delay = timedelta(seconds=20)
    lab.trail.event({"eventName": "Old"}, at=ago(1), late=timedelta(minutes=6))
    lab.trail.event({"eventName": "New"})

    assert [] == lab.names()
    assert NOON + timedelta(seconds=20) == lab.trail.next_at()
    lab.now += timedelta(seconds=20)
    assert ["New"] == lab.names()
    lab.now = NOON + timedelta(minutes=5)
    assert ["New", "Old"] == lab.names()
    assert lab.trail.next_at() is None
    assert [(ago(1), NOON + timedelta(minutes=5))] == [(one.at, one.visible_at) for one in lab.trail.sent[:1]]


def test_an_event_may_show_twice(lab: Lab) -> None:
    """With the same id, the second time as late again; it was put in once."""
    lab.trail.event({"eventName": "Twice"}, late=timedelta(seconds=30), duplicate=True)

    lab.now += timedelta(seconds=30)
    assert ["Twice"] == lab.names()
    assert NOON + timedelta(seconds=60) == lab.trail.next_at()
    lab.now += timedelta(seconds=30)
    assert 2 == len(lab.look()["Events"])
    assert 1 == len({event["EventId"] for event in lab.look()["Events"]})
    assert 1 == len(lab.trail.sent)


def test_newest_first_and_both_ends_belong_to_the_window(lab: Lab) -> None:
    """So an event at a boundary is in both windows."""
    for minutes in (3, 1, 2):
        lab.trail.event({"eventName": f"E{minutes}"}, at=ago(minutes))

    assert ["E1", "E2", "E3"] == lab.names()
    assert ["E2", "E3"] == lab.names(StartTime=ago(3), EndTime=ago(2))
    assert ["E1", "E2"] == lab.names(StartTime=ago(2), EndTime=ago(1))


def test_one_region_and_management_events_only(lab: Lab) -> None:
    """Data events show nowhere, insights if asked for, and nothing older than 90 days; a region can be told."""
    lab.trail.event({"eventName": "Here"})
    lab.trail.event({"eventName": "There", "awsRegion": "eu-west-1"})
    lab.trail.event({"eventName": "Moved", "awsRegion": "xx-odd-1"}, region="eu-west-1", at=ago(1))
    lab.trail.event({"eventName": "GetObject", "eventCategory": "Data", "managementEvent": False})
    lab.trail.event({"eventName": "Burst", "eventCategory": "Insight"})
    lab.trail.event({"eventName": "Old"}, at=NOON - timedelta(days=91))

    assert ["Here"] == lab.names(StartTime=NOON - timedelta(days=100))
    assert ["There", "Moved"] == lab.names("eu-west-1")
    assert ["Burst"] == lab.names(EventCategory="insight")


def test_fifty_a_page_and_the_clients_paginator(lab: Lab) -> None:
    """The last page has no token, even when it is full."""
    for number in range(100):
        lab.trail.event({"eventName": f"E{number}"}, at=ago(1 + number // 30))

    pages = list(lab.client().get_paginator("lookup_events").paginate(StartTime=ago(10), EndTime=NOON))

    assert [50, 50] == [len(page["Events"]) for page in pages]
    assert 100 == len({event["EventId"] for page in pages for event in page["Events"]})
    assert [True, False] == ["NextToken" in page for page in pages]


def test_what_shows_late_is_missed_by_pages_already_read(lab: Lab) -> None:
    """Newer than where the scan stands: only a scan that starts again sees it."""
    lab.trail.event({"eventName": "A"}, at=ago(1))
    lab.trail.event({"eventName": "B"}, at=ago(3))
    lab.trail.event({"eventName": "Late"}, at=ago(2), late=timedelta(minutes=2, seconds=1))
    window: dict[str, Any] = {"StartTime": ago(9), "EndTime": NOON}

    first = lab.look(MaxResults=1, **window)
    lab.now += timedelta(seconds=1)
    assert ["Late", "B"] == lab.names(NextToken=first["NextToken"], **window)
    second = lab.look(MaxResults=2, **window)
    lab.trail.event({"eventName": "Later"}, at=ago(1.5))
    assert ["B"] == lab.names(NextToken=second["NextToken"], **window)


def test_a_token_is_bound_to_its_parameters(lab: Lab) -> None:
    """Another window, an invented token and an expired one are refused."""
    for _ in range(3):
        lab.trail.event({}, at=ago(1))
    token = lab.look(StartTime=ago(9), EndTime=NOON, MaxResults=1)["NextToken"]

    assert 2 == len(lab.look(StartTime=ago(9), EndTime=NOON, NextToken=token)["Events"])
    refused = ("InvalidNextTokenException", 400)
    assert refused == lab.error(StartTime=ago(9), EndTime=NOON + timedelta(seconds=1), NextToken=token)
    assert refused == lab.error(StartTime=ago(9), EndTime=NOON, NextToken="made up")
    lab.trail.expire_tokens()
    assert refused == lab.error(StartTime=ago(9), EndTime=NOON, NextToken=token)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("EventName", "StopLogging"),
        ("EventSource", "cloudtrail.amazonaws.com"),
        ("Username", "ann"),
        ("ReadOnly", "true"),
        ("ResourceName", "arn:aws:s3:::tea"),
    ],
)
def test_attributes(lab: Lab, key: str, value: str) -> None:
    """One attribute narrows what is found."""
    identity = {"type": "IAMUser", "userName": "ann"}
    resources = [{"type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::tea"}, "odd"]
    record = {"eventName": "StopLogging", "eventSource": "cloudtrail.amazonaws.com", "readOnly": True}
    lab.trail.event({**record, "userIdentity": identity, "resources": resources})
    lab.trail.event({"eventName": "Other"})

    assert ["StopLogging"] == lab.names(LookupAttributes=[{"AttributeKey": key, "AttributeValue": value}])


def test_what_is_not_allowed_is_refused_by_name(lab: Lab) -> None:
    """As the service does, each with its exception."""
    attribute = {"AttributeKey": "EventName", "AttributeValue": "X"}

    assert ("InvalidTimeRangeException", 400) == lab.error(StartTime=NOON, EndTime=ago(1))
    assert ("InvalidMaxResultsException", 400) == lab.error(MaxResults=51)
    assert ("InvalidLookupAttributesException", 400) == lab.error(LookupAttributes=[attribute, attribute])
    assert ("InvalidEventCategoryException", 400) == lab.error(EventCategory="weather")


def test_credentials(lab: Lab) -> None:
    """A key that does not exist, an identity without the permission, a request that nobody signed."""
    lab.trail.access_key_id = "AKIAOTHER"
    assert ("UnrecognizedClientException", 400) == lab.error()
    lab.trail.access_key_id = "AKIASHAM"
    assert [] == lab.names()
    lab.trail.allowed = False
    assert ("AccessDeniedException", 400) == lab.error()
    unsigned = requests.post(lab.url, data="{}", timeout=5)
    assert (400, "MissingAuthenticationTokenException") == (unsigned.status_code, unsigned.json()["__type"])


def test_throttling_when_it_is_switched_on(lab: Lab) -> None:
    """Two requests a second for each region."""
    for _ in range(3):
        lab.names()
    lab.trail.throttled = True
    lab.names()
    lab.names()
    assert ("ThrottlingException", 400) == lab.error()
    assert [] == lab.names("eu-west-1")
    lab.now += timedelta(seconds=1)
    assert [] == lab.names()


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("403", "AccessDeniedException"),
        ("429", "ThrottlingException"),
        ("500", "InternalFailure"),
        ("503", "ServiceUnavailable"),
    ],
)
def test_a_fault_answers_in_the_services_shape(lab: Lab, fault: str, code: str) -> None:
    """So that the client library reads its code."""
    lab.trail.faults.add("POST /", fault, times=1)

    assert (code, int(fault)) == lab.error()


def test_another_operation_is_not_known(lab: Lab) -> None:
    """Only LookupEvents is simulated."""
    with pytest.raises(ClientError, match="UnknownOperationException"):
        lab.client().describe_trails()


def test_a_body_that_is_no_object_is_refused(lab: Lab) -> None:
    """As a serialisation error, or as one that cannot be read at all."""
    signed = "AWS4-HMAC-SHA256 Credential=AKIASHAM/20260302/us-east-1/cloudtrail/aws4_request, more"
    target = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents"
    headers = {"Authorization": signed, "X-Amz-Target": target}

    answers = [requests.post(lab.url, data=body, headers=headers, timeout=5) for body in ("[]", "{")]

    assert [400, 400] == [answer.status_code for answer in answers]
    assert ["SerializationException", "ValidationException"] == [answer.json()["__type"] for answer in answers]


def test_the_page(lab: Lab) -> None:
    """Shows the events, and which of them do not show yet."""
    lab.trail.event({"eventName": "StopLogging"}, late=timedelta(minutes=5))
    page = requests.get(lab.url, timeout=5).text

    assert "StopLogging" in page
    assert "from 12:05:00" in page
