"""An OpenTelemetry collector, simulated: it takes spans by OTLP over HTTP, as protobuf.

POST /v1/traces   `Content-Type: application/x-protobuf`, perhaps gzip → 200 and an ExportTraceServiceResponse

What it cannot read it answers with 400, which is not to be tried again; `429` and `503` say when to come again.
Needs what the extra `heliograph[otel]` brings, on the first request.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from lab.server import Json, Now, Request, Response, Table, Vendor, route

_PROTOBUF = "application/x-protobuf"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RETRY_AFTER_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Span:
    """As it was told; ids in hex."""

    trace: str
    id: str
    parent: str
    name: str
    kind: int
    """1 internal, 3 client."""
    start: datetime
    end: datetime
    attributes: Mapping[str, Json]
    error: str
    """What its status says went wrong; empty if it went well, or nothing is said."""
    links: tuple[tuple[str, str], ...]
    """(trace, span)."""
    resource: Mapping[str, Json]


class Collector(Vendor):
    name: ClassVar[str] = "An OpenTelemetry collector"

    def __init__(self, now: Now) -> None:
        super().__init__(now)
        self.spans: list[Span] = []
        self.headers: list[Mapping[str, str]] = []
        """Of each request that was taken."""

    @route("POST", "/v1/traces")
    def take(self, request: Request) -> Response:
        from google.protobuf.message import DecodeError
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        if request.headers.get("Content-Type") != _PROTOBUF:
            return self.failure(415)
        zipped = request.headers.get("Content-Encoding") == "gzip"
        told = ExportTraceServiceRequest()
        try:
            told.ParseFromString(gzip.decompress(request.body) if zipped else request.body)
        except (DecodeError, OSError):
            return self.failure(400)
        self.headers.append(dict(request.headers))
        for each in told.resource_spans:
            resource = _attributes(each.resource.attributes)
            self.spans += [_span(one, resource) for scope in each.scope_spans for one in scope.spans]
        return Response(200, b"", {"Content-Type": _PROTOBUF})

    def failure(self, status: int) -> Response:
        busy = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status in (429, 503) else {}
        return Response(status, b"", {"Content-Type": _PROTOBUF, **busy})

    def tables(self) -> list[Table]:
        rows = [
            (f"{one.start:%H:%M:%S}", one.trace, one.name, one.error, one.attributes) for one in reversed(self.spans)
        ]
        return [Table("Spans, newest first", ("began", "trace", "name", "error", "attributes"), rows[:400])]


def _span(one: Any, resource: Mapping[str, Json]) -> Span:
    return Span(
        one.trace_id.hex(), one.span_id.hex(), one.parent_span_id.hex(), one.name, one.kind,
        _instant(one.start_time_unix_nano), _instant(one.end_time_unix_nano), _attributes(one.attributes),
        one.status.message if one.status.code == one.status.STATUS_CODE_ERROR else "",
        tuple((link.trace_id.hex(), link.span_id.hex()) for link in one.links), resource,
    )  # fmt: skip


def _attributes(pairs: Iterable[Any]) -> dict[str, Json]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


def _instant(nanoseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=nanoseconds // 1_000)
