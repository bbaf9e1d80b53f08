"""The simulated collector answers as OTLP over HTTP says."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from lab.otlp import Collector
from lab.server import Server

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
PROTOBUF = {"Content-Type": "application/x-protobuf"}
SPAN_ID, TRACE_ID = bytes(range(8)), bytes(range(16))


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(Collector(lambda: NOW)) as server:
        yield server


def told() -> bytes:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "x"
    span = resource.scope_spans.add().spans.add(name="one", trace_id=TRACE_ID, span_id=SPAN_ID, kind=3)
    span.start_time_unix_nano = span.end_time_unix_nano = int(NOW.timestamp()) * 10**9
    span.attributes.add(key="n").value.int_value = 3
    span.status.code, span.status.message = span.status.STATUS_CODE_ERROR, "timeout"
    span.links.add(trace_id=TRACE_ID, span_id=SPAN_ID)
    return bytes(request.SerializeToString())


def post(server: Server, body: bytes, **headers: str) -> requests.Response:
    return requests.post(f"{server.url}/v1/traces", data=body, headers={**PROTOBUF, **headers}, timeout=10)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_span_is_kept_as_it_was_told(server: Server, zipped: bool) -> None:
    answer = post(server, gzip.compress(told()), **{"Content-Encoding": "gzip"}) if zipped else post(server, told())

    assert (200, PROTOBUF["Content-Type"]) == (answer.status_code, answer.headers["Content-Type"])
    assert isinstance(server.vendor, Collector)
    (span,) = server.vendor.spans
    assert (TRACE_ID.hex(), SPAN_ID.hex(), "", "one", 3, NOW, NOW) == (
        span.trace, span.id, span.parent, span.name, span.kind, span.start, span.end,
    )  # fmt: skip
    assert ({"n": 3}, {"service.name": "x"}, "timeout") == (span.attributes, span.resource, span.error)
    assert ((TRACE_ID.hex(), SPAN_ID.hex()),) == span.links


def test_what_is_no_protobuf_is_refused(server: Server) -> None:
    """For good: it would be the same again."""
    assert 400 == post(server, b"\xff\xff").status_code
    assert 400 == post(server, told(), **{"Content-Encoding": "gzip"}).status_code
    assert 415 == post(server, b"{}", **{"Content-Type": "application/json"}).status_code


@pytest.mark.parametrize("status", ["429", "503"])
def test_a_busy_collector_says_when_to_come_again(server: Server, status: str) -> None:
    server.vendor.faults.add("POST /v1/traces", status, times=1)
    answer = post(server, told())

    assert (int(status), "1") == (answer.status_code, answer.headers["Retry-After"])
    assert 200 == post(server, told()).status_code


def test_its_page_shows_the_spans(server: Server) -> None:
    post(server, told())

    assert TRACE_ID.hex() in requests.get(server.url, timeout=10).text
