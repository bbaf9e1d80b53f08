"""Traces, against a collector over real HTTP: one for each episode of an incident, from the signal to the receipt."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from daemon import trace
from daemon.otel import exporting
from lab.otlp import Collector, Span
from lab.server import Server
from tests.story.stage import SECOND, START, Stage, lines, logged, staged

CHECKOUT = """
    datadog.monitor:
      {id: 12, name: Checkout fails, group: "service:checkout", state: Alert, priority: 1,
       tags: ["env:prod", "service:checkout", "tenant:acme"]}
"""
STORY = f"""
lasts: 120s
acts:
  - at: 1s{CHECKOUT}
  - {{at: 1s, pagerduty.fault: {{endpoint: POST /v2/enqueue, kind: "503", times: 1}}}}
  - {{at: 35s, pagerduty.acknowledge: {{page: "*Checkout fails*", user: asha}}}}
  - {{at: 60s, datadog.recover: {{id: 12, group: "service:checkout"}}}}
  - at: 80s{CHECKOUT}
  - {{at: 100s, datadog.recover: {{id: 12, group: "service:checkout"}}}}
"""
FIRST = ["incident", "match", "ticket", "deliver page", "deliver page", "deliver warning", "acknowledge", "clear",
         "deliver page"]  # fmt: skip
SECOND_EPISODE = ["incident", "match", "deliver page", "clear", "deliver page"]
HUNG = timedelta(milliseconds=300)


@contextmanager
def collector(monkeypatch: pytest.MonkeyPatch, timeout: str = "5") -> Iterator[Collector]:
    """One at which OpenTelemetry's own variables point."""
    vendor = Collector(lambda: START)
    with Server(vendor) as server:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", timeout)
        yield vendor


@contextmanager
def playing(folder: Path) -> Iterator[Stage]:
    folder.mkdir(exist_ok=True)
    with staged(folder, STORY) as stage:
        yield stage


def traces(spans: list[Span]) -> list[list[Span]]:
    """Those of incidents, the first to open first; each in the order of what it tells."""
    found: dict[str, list[Span]] = {}
    for one in sorted(spans, key=lambda one: one.end):
        found.setdefault(one.trace, []).append(one)
    return [each for each in found.values() if each[0].name not in ("poll", "receive")]


def ids(spans: list[Span]) -> set[tuple[str, str, str, str]]:
    return {(one.trace, one.id, one.parent, one.name) for one in spans}


def incident_of(stage: Stage) -> str:
    with stage.daemon.store.read() as connection:
        from daemon.store import incidents

        (only,) = incidents.recent(connection)
        return only.id


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[Span], list[dict[str, Any]]]]:
    """The incident, what the collector received, and the log."""
    with pytest.MonkeyPatch.context() as patch, collector(patch) as vendor, logged("debug") as stream:
        with exporting(), playing(tmp_path_factory.mktemp("traces")) as stage:
            stage.play()
            incident = incident_of(stage)
        yield incident, vendor.spans, lines(stream)


Told = tuple[str, list[Span], list[dict[str, Any]]]


def test_each_episode_is_one_trace_from_match_to_receipt(told: Told) -> None:
    _, spans, _ = told
    first, second = traces(spans)

    assert FIRST == [one.name for one in first]
    assert SECOND_EPISODE == [one.name for one in second]


def test_every_span_hangs_under_the_incident(told: Told) -> None:
    """Whose own ids are derived from the incident's and the episode's."""
    incident, spans, _ = told

    for episode, (root, *others) in enumerate(traces(spans), 1):
        expected = trace.of_episode(incident, episode)
        assert (expected.trace, expected.span, "") == (root.trace, root.id, root.parent)
        assert {(expected.trace, expected.span)} == {(one.trace, one.parent) for one in others}
        assert len(others) == len({one.id for one in others})


def test_a_delivery_has_a_span_for_each_attempt(told: Told) -> None:
    """With the reason of one that failed, and the receipt of one that did not."""
    _, spans, _ = told
    refused, sent, *_ = [one for one in traces(spans)[0] if one.name == "deliver page"]
    assert ("server_error", "server_error", 1) == (
        refused.error, refused.attributes["error.type"], refused.attributes["heliograph.attempt"],
    )  # fmt: skip
    assert ("", 3, 3) == (sent.error, sent.kind, refused.kind)
    assert sent.attributes["heliograph.delivery"] == sent.attributes["heliograph.receipt"]
    assert sent.attributes["heliograph.attempt"] > 1


def test_a_match_names_its_signal_and_links_to_the_poll_that_brought_it(told: Told) -> None:
    """A poll is a trace of its own: what it brought is many incidents', or none's."""
    _, spans, _ = told
    (match,) = [one for one in traces(spans)[0] if one.name == "match"]
    polls = {(one.trace, one.id): one for one in spans if one.name == "poll"}

    (link,) = match.links
    assert ("datadog", "datadog") == (
        polls[link].attributes["heliograph.source"], match.attributes["heliograph.source"],
    )  # fmt: skip
    assert match.attributes["heliograph.signal"].startswith("12/service:checkout")
    assert "datadog/monitor-alert" == match.attributes["heliograph.rule"]


def test_a_poll_that_brought_nothing_new_is_not_traced(told: Told) -> None:
    """Most do not: sources are asked every few seconds."""
    _, spans, log = told
    polls = [one for one in spans if one.name == "poll"]

    assert all(one.attributes["heliograph.new"] for one in polls)
    assert len(polls) < sum(line["message"] == "poll recorded" for line in log) / 5


def test_times_are_the_daemons(told: Told) -> None:
    """By its clock, which was told here: the root begins with the trouble, and ends when that was recorded."""
    _, spans, _ = told
    root = traces(spans)[0][0]

    assert START <= root.start <= root.end <= START + 10 * SECOND
    assert all(START <= one.start <= one.end <= START + 120 * SECOND for one in spans)


def test_a_log_line_carries_the_trace_of_its_incidents_episode(told: Told) -> None:
    incident, _, log = told
    said = {(line["episode"], line["trace"]) for line in log if line.get("incident") == incident}

    assert {(n, trace.of_episode(incident, n).trace) for n in (1, 2)} == said


def test_no_text_of_a_clients_and_no_persons_name_is_sent(told: Told) -> None:
    _, spans, _ = told

    assert [] == [one for one in spans if "Checkout" in str(one) or "asha" in str(one)]


def test_the_service_has_a_name_that_the_environment_may_change(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    _, spans, _ = told
    assert {"heliograph"} == {one.resource["service.name"] for one in spans}

    monkeypatch.setenv("OTEL_SERVICE_NAME", "support")
    with collector(monkeypatch) as vendor:
        with exporting() as exporter:
            exporter(a_span())
        assert ["support"] == [one.resource["service.name"] for one in vendor.spans]


def test_a_restart_in_the_middle_changes_no_id(told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a trace is stored: both processes derive the same."""
    incident, spans, _ = told
    with collector(monkeypatch) as vendor, playing(tmp_path) as stage:
        with exporting():
            stage.play(until=20 * SECOND)
        before = ids(vendor.spans)
        stage.restart()
        with exporting():
            stage.play()
        assert incident == incident_of(stage)

    first = [one.name for one in traces(vendor.spans)[0]]
    assert FIRST == first
    assert {"incident", "match", "ticket"} <= {name for *_, name in before} < {*FIRST, "poll"}
    assert [ids(each) for each in traces(spans)] == [ids(each) for each in traces(vendor.spans)]


@pytest.mark.parametrize("fault", ["503", "429", "hang", "refuse", "500", "html"])
def test_a_collector_that_is_ill_stops_no_delivery(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told of once, and what is lost is counted."""
    with collector(monkeypatch, timeout="1") as vendor, logged() as stream:
        vendor.faults.add("POST /v1/traces", fault)
        with playing(tmp_path) as stage:
            counted: list[int] = []
            with exporting(HUNG, lost=counted.append) as exporter:
                stage.play()
            pages = stage.lab.pagerduty.pages

    told = [line for line in lines(stream) if line["logger"] == "heliograph.traces"]
    assert 2 == len(pages)
    assert [True, True] == [page.status == "resolved" for page in pages]
    if fault == "html":  # status 200: it says that it took them
        assert ([], 0) == (told, exporter.lost)
    else:
        assert [("warning", True)] == [(line["level"], line["message"].startswith("traces are lost")) for line in told]
        assert 0 < exporter.lost == sum(counted)


def test_a_busy_collector_is_asked_again_when_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """By Retry-After; nothing is lost, and nothing is told."""
    with collector(monkeypatch) as vendor, logged() as stream:
        vendor.faults.add("POST /v1/traces", "429", times=1)
        with exporting() as exporter:
            exporter(a_span())

    assert ([429, 200], 1, 0) == (answers(vendor), len(vendor.spans), exporter.lost)
    assert [] == lines(stream)


def test_a_collector_that_is_well_again_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """With how many spans were lost meanwhile."""
    with collector(monkeypatch) as vendor, logged() as stream, exporting() as exporter:
        vendor.faults.add("POST /v1/traces", "400", times=1)
        exporter(a_span())
        wait_for(lambda: exporter.lost == 1)
        exporter(a_span("again"))
        wait_for(lambda: bool(vendor.spans))

    told = [(line["level"], line["message"], line["lost"]) for line in lines(stream)]
    assert [("warning", "traces are lost: HTTP 400", 1), ("info", "traces arrive again", 1)] == told


def test_a_full_queue_loses_what_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever records a span never waits: of a hundred while the collector hangs, those that fit are kept."""
    with collector(monkeypatch, timeout="1") as vendor, logged():
        vendor.faults.add("POST /v1/traces", "hang")
        with exporting(HUNG, queued=10) as exporter:
            for n in range(100):
                exporter(a_span(str(n)))
            assert 80 <= exporter.lost < 100
            assert len(vendor.received) <= 1, "all of them came before the first was given up"


def test_a_stop_sends_what_is_queued(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though the collector takes its time."""
    with collector(monkeypatch) as vendor:
        vendor.faults.add("POST /v1/traces", "slow", times=1)
        with exporting() as exporter:
            exporter(a_span("first"))
            wait_for(lambda: vendor.faults.rows() == [])
            exporter(a_span("second"))

        assert (2, 0) == (len(vendor.spans), exporter.lost)


def test_a_stop_waits_no_longer_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not sent by then is lost, and counted."""
    with collector(monkeypatch, timeout="10") as vendor, logged() as stream:
        vendor.faults.add("POST /v1/traces", "503")
        with exporting(HUNG) as exporter:
            exporter(a_span("first"))
            wait_for(lambda: bool(vendor.received))
            exporter(a_span("second"))

    assert ["traces are lost: the daemon stopped first"] == [line["message"] for line in lines(stream)][-1:]
    assert 1 <= exporter.lost <= 2


def test_a_secret_header_is_sent_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    from daemon.secret import redact

    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=the-key-of%20the-collector")
    with collector(monkeypatch) as vendor, exporting() as exporter:
        exporter(a_span())
        wait_for(lambda: bool(vendor.spans))

    assert "the-key-of the-collector" == vendor.headers[0]["api-key"]
    assert "it said ***" == redact("it said the-key-of the-collector")


def test_a_trace_is_sampled_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its id, so replicas agree; with either of the samplers that have a ratio."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    kept = {}
    for sampler in ("traceidratio", "parentbased_traceidratio"):
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
        with collector(monkeypatch) as vendor, exporting() as exporter:
            for n in range(40):
                exporter(a_span(str(n)))
                exporter(a_span(str(n), child=True))
        kept[sampler] = sorted((one.trace, one.name) for one in vendor.spans)

    names = [name for _, name in kept["traceidratio"]]
    assert 5 < names.count("root") == names.count("child") < 35
    assert kept["traceidratio"] == kept["parentbased_traceidratio"]


def test_the_sdk_can_be_disabled_by_its_own_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    with collector(monkeypatch) as vendor:
        with exporting() as exporter:
            exporter(a_span())
        assert ([], 0) == (vendor.spans, exporter.lost)


def test_nothing_of_opentelemetry_is_imported_while_traces_are_off() -> None:
    """A start is fast, and the extra may be absent."""
    looked = (
        "import sys; import daemon.cli.run, daemon.app, lab.otlp; "
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'google.protobuf'))])"
    )
    said = subprocess.run([sys.executable, "-c", looked], capture_output=True, text=True, check=True)

    assert "[]" == said.stdout.strip()


def a_span(name: str = "one", *, child: bool = False) -> trace.Span:
    root = trace.of_episode(name, 1)
    if child:
        return trace.Span("child", START, START + SECOND, trace.under(root, "child"), root)
    return trace.Span("root", START, START + SECOND, root)


def answers(vendor: Collector) -> list[int | str]:
    return [int(str(answer).split()[0]) for *_, answer in vendor.received]


def wait_for(holds: Any) -> None:
    """For what another thread does, as long as it takes; a test that hangs has failed."""
    from threading import Event

    for _ in range(500):
        if holds():
            return
        Event().wait(0.02)
    raise AssertionError("it never came")
