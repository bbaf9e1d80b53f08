"""VPC Flow Logs: columns, layouts, pages that are empty, rows that show late; and CloudWatch Logs as moto has it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import boto3
import pytest
from pydantic import ValidationError

from daemon.clock import SystemClock, ToldClock
from daemon.contract import Batch, Source
from daemon.errors import Permanent, Temporary
from daemon.model import Cursor, Polarity, Signal
from daemon.secret import Secret
from integrations.vpcflow import SourceSettings, recorded_lines, source
from lab.server import Server
from lab.vpcflow import FlowLogs

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
KEYS = {"access_key_id": Secret("AKIAOFNOBODY12345678"), "secret_access_key": Secret("a-secret-key-of-aws")}
START, END = int((NOON - MINUTE).timestamp()), int(NOON.timestamp())
FLOW = f"2 111122223333 eni-0a 203.0.113.7 10.0.0.9 40001 22 6 9 840 {START} {END} REJECT OK"
SKIPPED = f"2 unknown eni-0a - - - - - - - {START} {END} - SKIPDATA"


@dataclass
class Watch:
    """A log group that is watched; its rows show at once."""

    clock: ToldClock
    logs: FlowLogs
    url: str
    settings: dict[str, Any] = field(default_factory=dict)
    cursor: Cursor | None = None
    seen: list[str] = field(default_factory=list)

    def source(self, **settings: Any) -> Source:
        given = {"endpoint_url": self.url, "log_group": "flow", **KEYS, **self.settings, **settings}
        return source("flow", SourceSettings(**given))

    def poll(self) -> Batch:
        batch = self.source().poll(self.cursor, self.clock.now())
        self.cursor = json.loads(json.dumps(batch.next))
        self.seen += [signal.id for signal in batch.signals]
        return batch

    def scan(self) -> Batch:
        while (batch := self.poll()).more:
            self.clock.advance(timedelta(seconds=1))
        return batch


@pytest.fixture
def watch() -> Iterator[Watch]:
    clock = ToldClock(NOON)
    logs = FlowLogs(clock.now, delay=timedelta(0))
    with Server(logs) as server:
        yield Watch(clock, logs, server.url)


def test_a_row_has_the_names_that_aws_gives_its_columns(watch: Watch) -> None:
    """What counts is a number; an account keeps its zeros."""
    watch.logs.put(FLOW, NOON - MINUTE)

    (signal,) = watch.poll().signals

    assert ("aws.vpcflow", NOON, Polarity.NONE) == (signal.kind, signal.at, signal.polarity)
    assert {
        "version": 2,
        "account-id": "111122223333",
        "interface-id": "eni-0a",
        "srcaddr": "203.0.113.7",
        "dstaddr": "10.0.0.9",
        "srcport": 40001,
        "dstport": 22,
        "protocol": 6,
        "packets": 9,
        "bytes": 840,
        "start": START,
        "end": END,
        "action": "REJECT",
        "log-status": "OK",
    } == signal.fields


def test_a_row_without_a_flow_is_a_signal_all_the_same(watch: Watch) -> None:
    """A rule may ask for log-status: SKIPDATA, which says that rows were lost."""
    watch.logs.put(SKIPPED, NOON - MINUTE)

    (signal,) = watch.poll().signals

    assert {"version", "account-id", "interface-id", "start", "end", "log-status"} == signal.fields.keys()
    assert "SKIPDATA" == signal.fields["log-status"]


def test_a_format_of_its_own_is_read_in_its_order(watch: Watch) -> None:
    """A column that is not known here passes as text; without an end, the start is when it happened."""
    watch.settings["format"] = "${flow-direction} ${start} ${pkt-srcaddr} ${colour-of-flow} ${tcp-flags}"
    watch.logs.put(f"ingress {START} 2001:db8::1 7 19", NOON - MINUTE)

    (signal,) = watch.poll().signals

    assert NOON - MINUTE == signal.at
    assert {
        "flow-direction": "ingress",
        "start": START,
        "pkt-srcaddr": "2001:db8::1",
        "colour-of-flow": "7",
        "tcp-flags": 19,
    } == signal.fields


def test_a_row_that_says_no_time_has_that_of_its_log_event(watch: Watch) -> None:
    watch.settings["format"] = "srcaddr action"
    watch.logs.put("203.0.113.7 REJECT", NOON - MINUTE)

    assert [NOON - MINUTE] == [signal.at for signal in watch.poll().signals]


def test_a_row_that_cannot_be_read_is_put_aside(watch: Watch) -> None:
    """With the reason; the others go on."""
    for message in ("2 too few", FLOW.replace("22", "ssh"), FLOW.replace(str(END), "9" * 17), FLOW):
        watch.logs.put(message, NOON - MINUTE)

    batch = watch.poll()

    assert 1 == len(batch.signals)
    assert "ValueError: 3 columns, where the format has 14" == batch.quarantined[0][0]
    assert 3 == len(batch.quarantined)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "names no column"),
        ("version srcaddr srcaddr", "names the column 'srcaddr' twice"),
        ("${version} ${Src}", "'Src' is no column of a flow log, such as version account-id interface-id"),
    ],
)
def test_a_format_that_cannot_be_one_is_refused(written: str, said: str) -> None:
    given: dict[str, Any] = {"log_group": "flow", "format": written}
    with pytest.raises(ValidationError, match=said):
        SourceSettings(**given)


def test_empty_pages_are_passed_over(watch: Watch) -> None:
    """An empty page with a token is not the last; five pages are read a poll."""
    ids = [watch.logs.row() for _ in range(350)]

    batches = [watch.poll(), watch.poll()]

    assert [(300, True), (50, False)] == [(len(batch.signals), batch.more) for batch in batches]
    assert sorted(ids) == sorted(watch.seen)


def test_the_window_stands_still_while_its_pages_are_read(watch: Watch) -> None:
    """A token holds only for the parameters that it was given for, and time goes on between two polls."""
    ids = [watch.logs.row() for _ in range(750)]
    batch = watch.scan()

    assert NOON < watch.clock.now()
    assert sorted(ids) == sorted(watch.seen)
    assert NOON - timedelta(minutes=15) == batch.watermark


def test_an_expired_token_begins_the_scan_anew(watch: Watch) -> None:
    """Nothing is lost, and what comes twice has the id that it had."""
    ids = [watch.logs.row() for _ in range(350)]
    watch.poll()
    watch.logs.expire_tokens()
    watch.scan()

    assert set(ids) == set(watch.seen)


def test_a_failure_on_a_later_page_does_not_end_the_scan(watch: Watch) -> None:
    """What was read stands, and the next poll goes on from there."""
    ids = [watch.logs.row() for _ in range(350)]
    watch.poll()
    watch.logs.faults.add(".", "500", times=1)
    with pytest.raises(Temporary):
        watch.poll()
    watch.scan()

    assert sorted(ids) == sorted(watch.seen)


def test_a_row_that_shows_late_is_told_once(watch: Watch) -> None:
    """It began before the last scan ended. What was taken in long before that scan is not told again."""
    early = watch.logs.row()
    watch.clock.advance(10 * MINUTE)
    late = watch.logs.row(late=14 * MINUTE)
    for _ in range(4):
        watch.scan()
        watch.clock.advance(6 * MINUTE)

    assert [early, late] == watch.seen[:1] + sorted(set(watch.seen[1:]))


def test_only_what_the_filter_lets_through_is_read(watch: Watch) -> None:
    watch.settings["filter"] = "REJECT"
    watch.logs.row()
    rejected = watch.logs.row("REJECT OK")
    watch.scan()

    assert [rejected] == watch.seen


def test_a_group_that_is_not_there_is_named_as_such(watch: Watch) -> None:
    with pytest.raises(Permanent, match="The specified log group does not exist") as caught:
        watch.source(log_group="flaw").probe()

    assert "not_found" == caught.value.reason


def lines(*rows: str) -> list[Signal | tuple[str, str]] | None:
    found = recorded_lines("flow", rows)
    return None if found is None else list(found)


def test_recorded_rows_need_no_first_line() -> None:
    """Without one they are of the default format. Each has an id of its own, the same whenever it is read."""
    once, again = lines(FLOW, "", SKIPPED, FLOW, "odd"), lines(FLOW, "", SKIPPED, FLOW, "odd")
    assert once is not None

    assert once == again
    assert 3 == len({signal.id for signal in once if isinstance(signal, Signal)})
    assert ("ValueError: 1 columns, where the format has 14", "odd") == once[-1]


def test_the_first_line_of_recorded_rows_names_the_columns() -> None:
    (signal,) = lines("end dstport action", f"{END} 22 REJECT") or [("", "")]

    assert isinstance(signal, Signal)
    assert (NOON, {"end": END, "dstport": 22, "action": "REJECT"}) == (signal.at, signal.fields)


@pytest.mark.parametrize("text", ["", "an action", "{", "the start and the end", "GET / HTTP/1.1"])
def test_other_text_is_no_recording_of_a_flow_log(text: str) -> None:
    assert lines(text) is None


def test_cloudwatch_logs_as_moto_has_it_is_read(moto: str) -> None:
    """Another hand's reading of the protocol: group, stream, rows, and a group that is not there."""
    now = SystemClock().now()
    client = boto3.client("logs", "us-east-1", endpoint_url=moto, aws_access_key_id="x", aws_secret_access_key="y")
    client.create_log_group(logGroupName="flow")
    client.create_log_stream(logGroupName="flow", logStreamName="eni-0a-all")
    told = [
        {"timestamp": int(now.timestamp() * 1000) - 60_000, "message": FLOW},
        {"timestamp": int(now.timestamp() * 1000) - 60_000, "message": SKIPPED},
    ]
    client.put_log_events(logGroupName="flow", logStreamName="eni-0a-all", logEvents=cast(Any, told))
    client.close()
    watched = Watch(ToldClock(now), FlowLogs(lambda: now), moto)
    watched.source().probe()
    batch = watched.scan()
    with pytest.raises(Permanent, match="not_found"):
        watched.source(log_group="flaw").probe()

    assert {22, None} == {signal.fields.get("dstport") for signal in batch.signals}
    assert 2 == len(set(watched.seen)) == len(batch.signals)
