"""CloudTrail by LookupEvents: windows, tokens, regions, and whose credential it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from daemon.app import recordings
from daemon.clock import ToldClock
from daemon.contract import Batch, Source
from daemon.errors import Permanent, Temporary
from daemon.model import Cursor, Polarity, Signal
from daemon.secret import Secret
from integrations.cloudtrail import SourceSettings, recorded, source
from lab.cloudtrail import CloudTrail
from lab.server import Request, Response, Server, Vendor

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
STRATUS = Path(__file__).resolve().parents[3] / "shared" / "data" / "stratus" / "docs" / "detonation-logs"
KEYS = {"access_key_id": Secret("AKIAOFNOBODY12345678"), "secret_access_key": Secret("a-secret-key-of-aws")}


@dataclass
class Watch:
    """An account that is watched; its events show at once."""

    clock: ToldClock
    cloudtrail: CloudTrail
    url: str
    regions: tuple[str, ...] = ("us-east-1",)
    cursor: Cursor | None = None
    seen: list[str] = field(default_factory=list)

    def source(self, **settings: Any) -> Source:
        given = {"endpoint_url": self.url, "regions": self.regions, **KEYS, **settings}
        return source("aws", SourceSettings(**given))

    def poll(self) -> Batch:
        batch = self.source().poll(self.cursor, self.clock.now())
        self.cursor = json.loads(json.dumps(batch.next))
        self.seen += [signal.id for signal in batch.signals]
        return batch

    def scan(self) -> Batch:
        """Polls until the scan is complete, a second between two polls."""
        while (batch := self.poll()).more:
            self.clock.advance(timedelta(seconds=1))
        return batch


@pytest.fixture
def watch() -> Iterator[Watch]:
    clock = ToldClock(NOON)
    cloudtrail = CloudTrail(clock.now, delay=timedelta(0))
    with Server(cloudtrail) as server:
        yield Watch(clock, cloudtrail, server.url)


def test_a_signal_is_the_record_itself(watch: Watch) -> None:
    """Fields are the record's own, with their types, and neither broken nor recovered."""
    identity = {"type": "IAMUser", "userName": "ann"}
    id = watch.cloudtrail.event({"eventName": "StopLogging", "readOnly": False, "userIdentity": identity})

    (signal,) = watch.poll().signals

    assert (id, "aws.cloudtrail", NOON, Polarity.NONE) == (signal.id, signal.kind, signal.at, signal.polarity)
    names = ("eventName", "readOnly", "userIdentity", "requestParameters")
    assert ["StopLogging", False, identity, None] == [signal.fields[name] for name in names]


def test_the_watermark_is_the_end_of_the_scan_less_the_lateness(watch: Watch) -> None:
    """What shows later than that is not promised."""
    assert NOON - timedelta(minutes=15) == watch.scan().watermark


def test_every_region_is_read_before_a_scan_is_complete(watch: Watch) -> None:
    """One region a poll; the watermark waits for all."""
    watch.regions = ("us-east-1", "eu-west-1")
    ids = [watch.cloudtrail.event({"awsRegion": region}) for region in watch.regions]
    first, second = watch.poll(), watch.poll()

    assert ids == watch.seen
    assert [(True, None), (False, NOON - timedelta(minutes=15))] == [(b.more, b.watermark) for b in (first, second)]


def test_a_region_that_is_added_is_read_from_the_look_back_on(watch: Watch) -> None:
    """The others go on where they were."""
    watch.scan()
    id = watch.cloudtrail.event({"awsRegion": "eu-west-1"}, at=NOON - 30 * MINUTE)
    watch.regions = ("us-east-1", "eu-west-1")
    watch.clock.advance(MINUTE)
    watch.scan()

    assert [id] == watch.seen


def test_events_while_nobody_looked_are_read_from_the_last_scan_on(watch: Watch) -> None:
    """Three days without us, and not only the look-back is read."""
    watch.scan()
    ids = []
    for _ in range(3):
        watch.clock.advance(timedelta(days=1))
        ids.append(watch.cloudtrail.event({}))
    watch.scan()

    assert sorted(ids) == sorted(watch.seen)


def test_the_window_stands_still_while_its_pages_are_read(watch: Watch) -> None:
    """A token holds only for the parameters that it was given for, and time goes on between two polls."""
    ids = [watch.cloudtrail.event({}, at=NOON - number * timedelta(seconds=1)) for number in range(230)]
    watch.scan()

    assert NOON < watch.clock.now()
    assert sorted(ids) == sorted(watch.seen)


def test_an_expired_token_begins_the_region_anew(watch: Watch) -> None:
    """Nothing is lost, and what comes twice has the id that it had."""
    ids = [watch.cloudtrail.event({}, at=NOON - number * timedelta(seconds=1)) for number in range(230)]
    watch.poll()
    watch.cloudtrail.expire_tokens()
    watch.scan()

    assert set(ids) == set(watch.seen)


def test_what_was_read_before_the_limit_stands(watch: Watch) -> None:
    """Two requests a second are allowed; the third is told to wait that second."""
    watch.cloudtrail.throttled = True
    ids = [watch.cloudtrail.event({}, at=NOON - number * timedelta(seconds=1)) for number in range(230)]
    watch.poll()
    with pytest.raises(Temporary) as caught:
        watch.poll()
    assert ("rate_limited", timedelta(seconds=1)) == (caught.value.reason, caught.value.after)
    watch.clock.advance(timedelta(seconds=1))
    watch.scan()

    assert sorted(ids) == sorted(watch.seen)


def test_a_failure_on_the_second_page_keeps_the_first(watch: Watch) -> None:
    """And is met again by the next poll, if it lasts."""
    for number in range(60):
        watch.cloudtrail.event({}, at=NOON - number * timedelta(seconds=1))
    watch.cloudtrail.throttled = True
    watch.cloudtrail.limit.count = 1
    batch = watch.poll()

    assert (50, True, None) == (len(batch.signals), batch.more, batch.watermark)
    with pytest.raises(Temporary, match="rate_limited"):
        watch.poll()


def test_a_vendor_in_trouble_is_asked_once(watch: Watch) -> None:
    """AWS's own library would try again by itself."""
    watch.cloudtrail.faults.add(".", "500")
    with pytest.raises(Temporary):
        watch.poll()

    assert 1 == len(watch.cloudtrail.received)


def test_a_record_that_cannot_be_read_is_put_aside() -> None:
    """With the reason; the others go on."""
    good = {"eventID": "1", "eventTime": "2026-03-02T12:00:00Z"}
    texts = [json.dumps(good), "{", json.dumps({**good, "eventID": 5}), json.dumps({**good, "eventTime": "noon"}), "[]"]

    class Odd(Vendor):
        def handle(self, request: Request) -> Response:
            rows = [{"EventId": str(number), "CloudTrailEvent": text} for number, text in enumerate(texts)]
            return Response(200, {"Events": rows}, {"Content-Type": "application/x-amz-json-1.1"})

    with Server(Odd(lambda: NOON)) as server:
        batch = Watch(ToldClock(NOON), CloudTrail(lambda: NOON), server.url).poll()

    assert ["1"] == [signal.id for signal in batch.signals]
    assert ["1", "2", "3", "4"] == [json.loads(raw)["EventId"] for _, raw in batch.quarantined]
    assert "ValueError: the eventID is no text" == batch.quarantined[1][0]


def test_a_missing_permission_is_named(watch: Watch) -> None:
    """AWS answers 400; its code says what it is."""
    watch.cloudtrail.allowed = False
    with pytest.raises(Permanent, match="allowed cloudtrail:LookupEvents; give it an IAM policy") as caught:
        watch.source().probe()

    assert "auth" == caught.value.reason


def test_an_unknown_key_is_named(watch: Watch) -> None:
    """It is refused as one, and never shown."""
    watch.cloudtrail.access_key_id = "AKIAOFSOMEBODYELSE12"
    with pytest.raises(Permanent, match="us-east-1: UnrecognizedClientException") as caught:
        watch.source().probe()

    assert "auth" == caught.value.reason


@pytest.mark.parametrize("profile", [None, "nobody"])
def test_no_credentials_at_all_are_named(
    watch: Watch, profile: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither given, nor found in AWS's own chain."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    nothing = watch.source(access_key_id=None, secret_access_key=None, profile=profile)

    with pytest.raises(Permanent, match="give it an IAM policy") as caught:
        nothing.probe()

    assert "auth" == caught.value.reason


RECORD = {"eventID": "1", "eventTime": "2026-03-02T12:00:00Z", "eventName": "StopLogging", "awsRegion": "eu-west-1"}
ENVELOPE = {"id": "9", "source": "aws.cloudtrail", "detail-type": "AWS API Call via CloudTrail", "detail": RECORD}
SHAPES: dict[str, Any] = {
    "a record": RECORD,
    "a list of records": [RECORD],
    "a file of a trail": {"Records": [RECORD]},
    "an answer of LookupEvents": {"Events": [{"EventId": "1", "CloudTrailEvent": json.dumps(RECORD)}]},
    "an event of EventBridge": ENVELOPE,
    "a sign-in of EventBridge": {**ENVELOPE, "detail-type": "AWS Console Sign In via CloudTrail"},
    "a notification of SNS": {"Type": "Notification", "TopicArn": "arn:x", "Message": json.dumps(ENVELOPE)},
    "an answer of SQS": {"Messages": [{"MessageId": "1", "Body": json.dumps(ENVELOPE)}]},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_in_which_records_are_kept_gives_the_same_signal(shape: str) -> None:
    """The one that a poll of the record's region gives."""
    (signal,) = recorded("aws", SHAPES[shape]) or ()

    assert isinstance(signal, Signal)
    assert ("1", "aws.cloudtrail", NOON, RECORD) == (signal.id, signal.kind, signal.at, signal.fields)
    assert (signal.url or "").startswith("https://eu-west-1.console.aws.amazon.com/cloudtrailv2/home")


def test_a_spoilt_record_of_a_file_is_put_aside_in_its_place() -> None:
    """Be it the first; and a file without records is one all the same."""
    found = list(recorded("aws", {"Records": [{"eventID": "0"}, RECORD, None, {**RECORD, "eventTime": "noon"}]}) or ())

    assert [tuple, Signal, tuple, tuple] == [type(one) for one in found]
    assert [] == list(recorded("aws", {"Records": []}) or "not ours")


def test_notices_of_files_are_no_records() -> None:
    """They say where a file is: of S3, and of CloudTrail itself."""
    s3 = {"eventVersion": "2.1", "eventSource": "aws:s3", "eventTime": "2026-03-02T12:00:00Z", "s3": {}}

    assert recorded("aws", {"Records": [s3]}) is None
    assert recorded("aws", {"s3Bucket": "b", "s3ObjectKey": ["k"]}) is None


@pytest.mark.skipif(not STRATUS.is_dir(), reason="the recorded attacks of shared/ are not here")
def test_recorded_attacks_are_known_for_cloudtrails_and_read_whole() -> None:
    """By CloudTrail's reader alone."""
    readers, said = recordings(), set()
    for path in sorted(STRATUS.glob("*.json")):
        document = json.loads(path.read_text())
        said |= {name for name, reader in readers.items() if reader.document("x", document) is not None}
        assert [] == [one for one in readers["cloudtrail"].document("x", document) or () if not isinstance(one, Signal)]

    assert {"cloudtrail"} == said
