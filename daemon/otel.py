"""Sends spans to an OpenTelemetry collector, by OTLP over HTTP. The extra `heliograph[otel]`, imported only when on.

Where to, with which headers, how long at most, under which name: OpenTelemetry's own variables say
(OTEL_EXPORTER_OTLP_ENDPOINT, …_HEADERS, …_TIMEOUT, OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER). Nobody waits for a
collector: spans are put in a queue that has an end, and what does not fit, or is not taken, is lost and counted.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from queue import Empty, Full, Queue
from typing import Any
from urllib.parse import unquote

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from daemon import http, trace
from daemon.log import Once, about
from daemon.secret import Secret
from daemon.trace import Ids, Span

log = logging.getLogger("heliograph.traces")

QUEUED_AT_MOST = 2_048
FLUSHED_WITHIN = timedelta(seconds=5)
"""How long a stop waits for what is queued."""

_AT_ONCE = 512
_DEADLINE_SECONDS = 10.0
"""OpenTelemetry's own default."""
_SECONDS = re.compile(r"\d+(\.\d+)?")
_LOOK_EVERY = 0.2
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIMEOUTS = ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
_HEADERS = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS")


@contextmanager
def exporting(
    flushed_within: timedelta = FLUSHED_WITHIN,
    queued: int = QUEUED_AT_MOST,
    lost: Callable[[int], None] = lambda _: None,
) -> Iterator[Exporter]:
    """While it is open, what `daemon.trace` records is sent; `lost` is told how many spans are not."""
    exporter = Exporter(queued, lost)
    trace.export_to(exporter)
    try:
        yield exporter
    finally:
        trace.export_to(None)
        exporter.close(flushed_within)


class Exporter:
    """A queue, and the thread that empties it."""

    def __init__(self, queued: int = QUEUED_AT_MOST, lost: Callable[[int], None] = lambda _: None) -> None:
        self.lost = 0
        """Spans that did not fit, or were not taken."""
        self._told = lost
        self._queue: Queue[Span] = Queue(queued)
        self._once = Once()
        self._losing = threading.Lock()
        self._closing = threading.Event()
        self._writer = _Writer()
        self._collector = _Collector()
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()

    def __call__(self, span: Span) -> None:
        try:
            self._queue.put_nowait(span)
        except Full:
            self._lose("queue", 1, "more spans than a collector takes")

    def close(self, within: timedelta) -> None:
        """Sends what is queued, or loses it if that takes longer."""
        self._closing.set()
        self._thread.join(within.total_seconds())
        if left := len(self._waiting(QUEUED_AT_MOST)):
            self._lose("collector", left, "the daemon stopped first")
        self._collector.close()

    def _run(self) -> None:
        while not self._closing.is_set() or not self._queue.empty():
            if batch := self._waiting(_AT_ONCE, _LOOK_EVERY):
                self._send(batch)

    def _waiting(self, most: int, seconds: float = 0.001) -> list[Span]:
        """What is queued, up to so many; empty if there is nothing for so long."""
        found: list[Span] = []
        try:
            found.append(self._queue.get(timeout=seconds))
            while len(found) < most:
                found.append(self._queue.get_nowait())
        except Empty:
            pass
        return found

    def _send(self, batch: list[Span]) -> None:
        if not (written := self._writer.write(batch)):
            return  # sampled out
        if why := self._collector.take(written):
            self._lose("collector", len(written), why)
        else:
            self._once.recovered(log, "collector", "traces arrive again", extra=about(lost=self.lost))

    def _lose(self, what: str, many: int, why: str) -> None:
        with self._losing:
            self.lost += many
        self._told(many)
        self._once.broke(log, what, "traces are lost: %s", why, extra=about(lost=self.lost))


class _Collector:
    """The other end."""

    def __init__(self) -> None:
        for header in (pair for name in _HEADERS for pair in os.environ.get(name, "").split(",")):
            Secret(unquote(header.partition("=")[2].strip()))
        self._status = 0
        session = http.session(_deadline())
        session.hooks["response"].append(self._answered)
        self._exporter: SpanExporter = OTLPSpanExporter(session=session)
        # From here on it would tell of every failure, where we tell of the first.
        logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)

    def take(self, spans: list[ReadableSpan]) -> str:
        """Why they were not taken; empty if they were. Tries again for as long as OTEL_EXPORTER_OTLP_TIMEOUT says."""
        self._status = 0
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS and self._status < 300:  # a redirect is taken for a success there
            return ""
        return f"HTTP {self._status}" if self._status else "no answer from the collector"

    def close(self) -> None:
        """Ends a wait for the next try."""
        self._exporter.shutdown()

    def _answered(self, response: Any, **_: Any) -> None:
        self._status = response.status_code


def _deadline() -> float:
    """Seconds for one request, as for all of its tries. What is no number the exporter complains of."""
    for name in _TIMEOUTS:
        if said := os.environ.get(name):
            return float(said) if _SECONDS.fullmatch(said) else _DEADLINE_SECONDS
    return _DEADLINE_SECONDS


class _Writer:
    """Makes OpenTelemetry's spans of ours, by its public API: sampled, and of the resource that its variables name."""

    def __init__(self) -> None:
        self._ids = _TheirIds()
        self._ended = _Ended()
        self._provider = TracerProvider(resource=_resource(), id_generator=self._ids, shutdown_on_exit=False)
        self._provider.add_span_processor(self._ended)
        self._tracer = self._provider.get_tracer("heliograph")

    def write(self, spans: list[Span]) -> list[ReadableSpan]:
        """Those of traces that are sampled. A trace is whole or not at all: its root decides, by its id."""
        self._ended.spans = []
        for span in spans:
            if self._is_sampled(span):
                self._write(span)
        return self._ended.spans

    def _is_sampled(self, span: Span) -> bool:
        trace_id = int(span.ids.trace, 16)
        said = self._provider.sampler.should_sample(Context(), trace_id, span.name)
        return said.decision is Decision.RECORD_AND_SAMPLE

    def _write(self, span: Span) -> None:
        self._ids.next = span.ids
        context = set_span_in_context(NonRecordingSpan(_context(span.parent)), Context()) if span.parent else Context()
        made = self._tracer.start_span(
            span.name, context, SpanKind.CLIENT if span.outbound else SpanKind.INTERNAL,
            {**span.attributes, **({"error.type": span.error} if span.error else {})},
            [Link(_context(span.link))] if span.link else [], _nanoseconds(min(span.start, span.end)),
        )  # fmt: skip
        if span.error:
            made.set_status(Status(StatusCode.ERROR, span.error))
        made.end(_nanoseconds(span.end))


class _TheirIds(IdGenerator):
    """Ids are not drawn: each span has its own."""

    next: Ids

    def generate_trace_id(self) -> int:
        return int(self.next.trace, 16)

    def generate_span_id(self) -> int:
        return int(self.next.span, 16)


class _Ended(SpanProcessor):
    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


def _context(ids: Ids) -> SpanContext:
    return SpanContext(int(ids.trace, 16), int(ids.span, 16), False, TraceFlags(TraceFlags.SAMPLED))


def _resource() -> Resource:
    """OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have the last word."""
    ours = Resource({"service.name": "heliograph", "service.version": _version()})
    return Resource.create().merge(ours).merge(OTELResourceDetector().detect())


def _version() -> str:
    try:
        return version("heliograph")
    except PackageNotFoundError:  # unpacked, not installed
        return "unknown"


def _nanoseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1) * 1_000
