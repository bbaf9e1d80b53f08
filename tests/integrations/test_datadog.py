"""Datadog: what a monitor's groups and the event stream become."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from daemon import http
from daemon.clock import ToldClock
from daemon.contract import Batch, Source, Unreadable
from daemon.errors import Permanent, Temporary
from daemon.model import Cursor, Json, Polarity, Signal
from daemon.secret import Secret
from integrations.datadog import SourceSettings, Stream, recorded, source
from lab.datadog import Datadog
from lab.server import Request, Response, Server, Vendor

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BROKEN, RECOVERED, NONE = Polarity.BROKEN, Polarity.RECOVERED, Polarity.NONE
KEYS: dict[str, Any] = {"api_key": Secret("an-api-key-of-datadog"), "app_key": Secret("an-app-key-of-datadog")}


def stamp(instant: datetime) -> int:
    return int(instant.timestamp())


@dataclass
class Watch:
    """A Datadog that is watched; every word of it shows at once."""

    clock: ToldClock
    datadog: Datadog
    url: str
    cursor: Any = None
    quarantined: tuple[tuple[str, str], ...] = ()
    polls: int = 0

    def scan(self, *streams: Stream, **settings: Any) -> list[Signal]:
        """A minute passes, then a scan is made, whole."""
        self.clock.advance(MINUTE)
        made = watched(self.url, streams or ("monitors",), **settings)
        signals: list[Signal] = []
        more = True
        while more:
            batch = made.poll(self.cursor, self.clock.now())
            self.cursor = json.loads(json.dumps(batch.next))
            self.quarantined += batch.quarantined
            signals += batch.signals
            more, self.polls = batch.more, self.polls + 1
        return signals

    def probe(self) -> str:
        """What is said of a refusal."""
        with pytest.raises(Permanent) as caught:
            watched(self.url, ("monitors", "events", "logs", "security_signals")).probe()
        return str(caught.value)


def watched(url: str, streams: tuple[Stream, ...], **settings: Any) -> Source:
    given: dict[str, Any] = {"url": url, "streams": streams, **KEYS, **settings}
    return source("metrics", SourceSettings(**given))


@pytest.fixture
def watch() -> Iterator[Watch]:
    clock = ToldClock(NOON)
    datadog = Datadog(clock.now, delay=timedelta(0))
    with Server(datadog) as server:
        yield Watch(clock, datadog, server.url)


def states(signals: list[Signal]) -> list[tuple[str, Polarity]]:
    return [(signal.fields["status"], signal.polarity) for signal in signals]


@pytest.mark.parametrize("state", ["Alert", "Warn", "No Data"])
def test_a_group_breaks_and_recovers(watch: Watch, state: str) -> None:
    """The id is monitor, group, state, and when it changed; the fields are the monitor's and the group's."""
    watch.datadog.monitor(42, "Checkout is slow", "host:web-1", state, tags=["team:shop"], priority=1)
    (broke,) = watch.scan()
    watch.datadog.recover(42, "host:web-1")
    (recovered,) = watch.scan()

    assert (f"42/host:web-1:{state}:{stamp(NOON)}", "datadog.monitor", BROKEN) == (broke.id, broke.kind, broke.polarity)
    assert (f"42/host:web-1:OK:{stamp(NOON + MINUTE)}", RECOVERED) == (recovered.id, recovered.polarity)
    assert [NOON, NOON + MINUTE] == [broke.at, recovered.at]
    names = ("id", "name", "group", "status", "tags", "priority")
    assert [42, "Checkout is slow", "host:web-1", state, ["team:shop"], 1] == [broke.fields[name] for name in names]


def test_each_group_speaks_for_itself(watch: Watch) -> None:
    """One host recovers while the other stays broken."""
    watch.datadog.monitor(42, group="host:a")
    watch.datadog.monitor(42, group="host:b")
    watch.scan()
    watch.datadog.recover(42, "host:b")

    assert [("host:b", RECOVERED)] == [(one.fields["group"], one.polarity) for one in watch.scan()]


@pytest.mark.parametrize("state", ["OK", "Ignored", "Skipped", "Unknown"])
def test_what_was_never_seen_broken_is_not_told(watch: Watch, state: str) -> None:
    """The first look at a healthy system is silent."""
    watch.datadog.monitor(42, state=state)

    assert [] == watch.scan()


def test_a_change_is_told_once_and_a_notification_again_is_no_change(watch: Watch) -> None:
    """Warn to Alert is a change."""
    watch.datadog.monitor(42, state="Warn")
    assert [("Warn", BROKEN)] == states(watch.scan())
    watch.datadog.monitor(42, state="Alert")
    assert [("Alert", BROKEN)] == states(watch.scan())
    watch.datadog.monitor(42, state="Alert")
    assert [] == watch.scan()


def test_muting_neither_breaks_nor_recovers(watch: Watch) -> None:
    """And waking up in Alert is a change again."""
    watch.datadog.monitor(42, state="Alert")
    watch.scan()
    watch.datadog.monitor(42, state="Ignored")
    assert [("Ignored", NONE)] == states(watch.scan())
    watch.datadog.monitor(42, state="Alert")
    assert [("Alert", BROKEN)] == states(watch.scan())


@pytest.mark.parametrize("state", ["Alert", "No Data"])
def test_what_broke_and_recovered_between_two_scans_tells_both_once(watch: Watch, state: str) -> None:
    """By its time stamps; the states themselves show nothing of it."""
    watch.datadog.monitor(42, state="OK")
    watch.scan()
    watch.datadog.monitor(42, state=state)
    watch.clock.advance(timedelta(seconds=20))
    watch.datadog.recover(42)

    assert [(state, BROKEN), ("OK", RECOVERED)] == states(watch.scan())
    assert [] == watch.scan()
    watch.clock.advance(timedelta(hours=1))
    assert [] == watch.scan() + watch.scan()
    assert {} == watch.cursor["known"]


def test_what_broke_again_unseen_has_an_id_of_its_own(watch: Watch) -> None:
    """It recovered and broke between two scans."""
    watch.datadog.monitor(42)
    (first,) = watch.scan()
    watch.datadog.recover(42)
    watch.clock.advance(timedelta(seconds=20))
    watch.datadog.monitor(42)
    (second,) = watch.scan()

    assert [BROKEN, BROKEN] == [first.polarity, second.polarity]
    assert first.id != second.id


def test_a_monitor_that_is_gone_ends_its_trouble(watch: Watch) -> None:
    """Only after a second scan without it: a page may shift while one reads."""
    watch.datadog.monitor(42, group="host:a")
    watch.scan()
    watch.datadog.delete(42)
    assert [] == watch.scan()

    (signal,) = watch.scan()

    assert ("Gone", RECOVERED, "host:a", watch.clock.now()) == (
        signal.fields["status"],
        signal.polarity,
        signal.fields["group"],
        signal.at,
    )
    assert [] == watch.scan()


def test_monitors_are_read_page_by_page(watch: Watch) -> None:
    """A poll is one page; what is full is followed by another."""
    for number in range(200):
        watch.datadog.monitor(number + 1)

    assert 200 == len(watch.scan())
    assert 3 == watch.polls


def test_monitors_can_be_narrowed_by_tags(watch: Watch) -> None:
    """A monitor must have all of them."""
    watch.datadog.monitor(1, tags=["team:shop", "env:prod"])
    watch.datadog.monitor(2, tags=["team:shop"])

    assert [1] == [signal.fields["id"] for signal in watch.scan(monitor_tags=("team:shop", "env:prod"))]


def test_an_event_keeps_datadogs_names(watch: Watch) -> None:
    """The inner attributes and the outer ones side by side."""
    watch.datadog.event("Deploy failed", "exit 1", ["service:shop"], id="E1", status="error", service="shop")

    (signal,) = watch.scan("events")

    assert ("E1", "datadog.event", NONE, NOON) == (signal.id, signal.kind, signal.polarity, signal.at)
    names = ("title", "message", "tags", "status", "service", "timestamp")
    expected = ["Deploy failed", "exit 1", ["service:shop"], "error", "shop", "2026-03-02T12:00:00Z"]
    assert expected == [signal.fields[name] for name in names]


def test_events_can_be_narrowed_by_a_query(watch: Watch) -> None:
    """In Datadog's own words."""
    watch.datadog.event("a", status="error")
    watch.datadog.event("b", status="info")

    assert ["a"] == [signal.fields["title"] for signal in watch.scan("events", query="status:error")]


def test_both_streams_make_one_scan(watch: Watch) -> None:
    """A transition of a monitor is an event, too; the watermark waits for both."""
    watch.datadog.monitor(42)

    kinds = [signal.kind for signal in watch.scan("monitors", "events")]

    assert ["datadog.monitor", "datadog.event"] == kinds


def test_an_expired_cursor_begins_the_events_anew(watch: Watch) -> None:
    """Nothing is lost by it."""
    watch.datadog.event("a")
    instant = NOON.isoformat()
    watch.cursor = {"end": instant, "from": instant, "to": instant, "stream": "events", "page": "expired", "known": {}}

    assert ["a"] == [signal.fields["title"] for signal in watch.scan("events")]


@pytest.mark.parametrize(
    ("stream", "scope"),
    [
        ("monitors", "monitors_read"),
        ("events", "events_read"),
        ("logs", "logs_read_data"),
        ("security_signals", "security_monitoring_signals_read"),
    ],
)
def test_a_missing_scope_is_named(watch: Watch, stream: str, scope: str) -> None:
    """Of the stream that needs it."""
    watch.datadog.scopes.remove(scope)

    assert f"auth: {stream}: HTTP 403" in (said := watch.probe())
    assert f"must have the scope {scope}" in said


def test_a_rate_limit_says_when_it_ends(watch: Watch) -> None:
    """Datadog gives a number of seconds; its client would have tried again at once."""
    watch.datadog.faults.add(".", "429")

    with pytest.raises(Temporary) as caught:
        watch.scan()

    assert ("rate_limited", timedelta(seconds=10)) == (caught.value.reason, caught.value.after)
    assert 1 == len(watch.datadog.received)


class Says(Vendor):
    """Answers monitors and events with what a test wants."""

    def __init__(self, answer: Json) -> None:
        super().__init__(lambda: NOON)
        self.answer = answer

    def handle(self, request: Request) -> Response:
        return Response(200, self.answer)


def monitor(id: Json, **group: Json) -> Json:
    return {"id": id, "name": "m", "overall_state": "Alert", "state": {"groups": {"*": {"name": "*", **group}}}}


def read(vendor: Says, stream: Stream, cursor: Cursor | None = None, now: datetime = NOON) -> Batch:
    with Server(vendor) as server:
        return watched(server.url, (stream,)).poll(cursor, now)


@pytest.mark.parametrize("meta", [{"status": "timeout"}, {"status": "done", "warnings": [{"code": "unknown_index"}]}])
@pytest.mark.parametrize("stream", ["events", "logs"])
@pytest.mark.parametrize("rows", [[{"id": "1"}], []])
def test_what_is_not_all_there_is_a_failure(stream: Stream, rows: Json, meta: Json) -> None:
    """200 with a part of the answer, or with none of it, is worse than an error."""
    with pytest.raises(Temporary, match=f"incomplete: {stream}"):
        read(Says({"data": rows, "meta": meta}), stream)


def test_numbers_in_texts_become_numbers() -> None:
    """Time stamps and the monitor's id alike."""
    (signal,) = read(Says([monitor("42", status="Alert", last_triggered_ts=str(stamp(NOON)))]), "monitors").signals

    assert f"42/*:Alert:{stamp(NOON)}" == signal.id
    assert (stamp(NOON), "m") == (signal.fields["last_triggered_ts"], signal.fields["name"])


def test_a_monitor_without_groups_is_one_group() -> None:
    """Its overall state is told once, when it was first seen, for Datadog does not say since when."""
    vendor = Says([{"id": 7, "name": "m", "overall_state": "Alert", "state": {}}])
    first = read(vendor, "monitors")
    second = read(vendor, "monitors", first.next, NOON + MINUTE)

    assert [f"7/:Alert:{stamp(NOON)}"] == [signal.id for signal in first.signals]
    assert () == second.signals


def test_a_time_without_data_may_move_on() -> None:
    """`last_nodata_ts` is when data was last missing: the same trouble still."""
    vendor = Says([monitor(7, status="No Data", last_nodata_ts=stamp(NOON))])
    first = read(vendor, "monitors")
    vendor.answer = [monitor(7, status="No Data", last_nodata_ts=stamp(NOON + MINUTE))]

    assert [1, 0] == [len(first.signals), len(read(vendor, "monitors", first.next, NOON + MINUTE).signals)]


def test_a_record_that_cannot_be_read_is_put_aside() -> None:
    """The others go on, and what cannot be read is not taken to be gone."""
    good = monitor(1, status="Alert", last_triggered_ts=stamp(NOON))
    vendor = Says([good, monitor(2, status="Alert")])
    batch = read(vendor, "monitors")
    vendor.answer = [good, monitor(2, status=5), "nonsense", monitor(3, status="Alert", last_triggered_ts="soon")]
    for minutes in (1, 2, 3):
        batch = read(vendor, "monitors", batch.next, NOON + minutes * MINUTE)

        assert () == batch.signals
        assert ["ValueError", "AttributeError", "ValueError"] == [why.split(":")[0] for why, _ in batch.quarantined]


@pytest.mark.parametrize(
    ("site", "link"),
    [
        ("datadoghq.eu", "https://app.datadoghq.eu/monitors/7?group=%2A"),
        ("us3.datadoghq.com", "https://us3.datadoghq.com/monitors/7?group=%2A"),
    ],
)
def test_a_link_leads_to_the_monitor_on_ones_own_site(site: str, link: str) -> None:
    """The first site of a region has `app.` before it, the others have a name of their own."""
    with Server(Says([monitor(7, status="Alert")])) as server:
        (signal,) = watched(server.url, ("monitors",), site=site).poll(None, NOON).signals

    assert link == signal.url


def test_recorded_monitors_give_what_the_first_scan_gives(watch: Watch) -> None:
    """What is broken, group by group, and what broke and recovered within the look-back of the last change."""
    watch.datadog.monitor(7, "CPU", "host:a")
    watch.datadog.monitor(7, "CPU", "host:b", state="OK")
    watch.datadog.monitor(8, "Disk", "host:c")
    watch.clock.advance(MINUTE)
    watch.datadog.monitor(8, "Disk", "host:c", state="OK")
    answer = asked(watch, "/api/v1/monitor?group_states=all")
    scanned = watch.scan()

    assert ["7/host:a", "8/host:c", "8/host:c"] == sorted(signal.id.rsplit(":", 2)[0] for signal in scanned)
    assert by_id(scanned) == by_id(recorded("metrics", answer))
    assert by_id(scanned)[:1] == by_id(recorded("metrics", answer[0]))


def test_monitors_that_a_search_found_are_read(watch: Watch) -> None:
    """The search knows no groups, and says since when a monitor is as it is."""
    watch.datadog.monitor(7, "CPU")

    (signal,) = by_id(recorded("metrics", asked(watch, "/api/v1/monitor/search")))

    assert (f"7/:Alert:{stamp(NOON)}", NOON, Polarity.BROKEN) == (signal.id, signal.at, signal.polarity)


def test_a_recorded_search_is_read_by_the_type_of_its_rows() -> None:
    """Answers of one shape, and those of another type are not ours."""
    row = {"id": "1", "attributes": {"timestamp": "2026-03-02T12:00:00Z"}}
    types = ("event", "log", "signal", "span")
    read = [recorded("x", {"data": [{**row, "type": one}]}) for one in types]

    kinds = ["datadog.event", "datadog.log", "datadog.security_signal"]
    assert kinds == [one.kind for signals in read for one in by_id(signals)]
    assert read[-1] is None


def test_a_log_keeps_datadogs_names(watch: Watch) -> None:
    """Its own attributes beside those that Datadog knows, which hold where both have a name."""
    own: Json = {"error": {"kind": "KeyError"}, "http": {"status_code": 500}}
    watch.datadog.log("no such key", ["env:prod"], id="L1", status="error", service="shop", host="web-1", **own)

    (signal,) = watch.scan("logs")

    assert ("L1", "datadog.log", NONE, NOON) == (signal.id, signal.kind, signal.polarity, signal.at)
    names = ("message", "tags", "status", "service", "host", "error", "http")
    expected = ["no such key", ["env:prod"], "error", "shop", "web-1", *own.values()]
    assert expected == [signal.fields[name] for name in names]
    assert "https://app.datadoghq.com/logs?event=L1" == signal.url


def test_logs_are_those_of_errors_and_heartbeats_unless_told_otherwise(watch: Watch) -> None:
    """All of them would be more than Datadog lets one read."""
    watch.datadog.log("a", status="error")
    watch.datadog.log("b")
    watch.datadog.log("c", ["heartbeat:main"])
    watch.datadog.log("d", ["team:shop"], status="critical")

    assert ["a", "c", "d"] == sorted(signal.fields["message"] for signal in watch.scan("logs"))
    watch.cursor = None
    assert ["b"] == [
        signal.fields["message"] for signal in watch.scan("logs", log_query="-status:* OR status:info -heartbeat:*")
    ]


def test_logs_can_be_narrowed_to_indexes(watch: Watch) -> None:
    watch.datadog.log("a", status="error", index="main")
    watch.datadog.log("b", status="error", index="audit")

    assert ["b"] == [signal.fields["message"] for signal in watch.scan("logs", log_indexes=("audit",))]


def test_pages_of_logs_are_read_to_the_last_in_one_frozen_window(watch: Watch) -> None:
    """What is written while a scan reads waits for the next."""
    for number in range(5):
        watch.datadog.log(str(number), status="error")
    made = watched(watch.url, ("logs",), page_size=2)
    first = made.poll(None, NOON)
    watch.clock.advance(MINUTE)
    watch.datadog.log("later", status="error")
    cursor, read = first.next, list(first.signals)
    for _ in range(3):
        batch = made.poll(cursor, watch.clock.now())
        cursor, read = batch.next, [*read, *batch.signals]

    assert ["0", "1", "2", "3", "4"] == [signal.fields["message"] for signal in read]
    assert (False, NOON - 2 * MINUTE) == (batch.more, batch.watermark)
    assert "later" in [signal.fields["message"] for signal in watch.scan("logs")]


def test_the_few_searches_of_logs_that_an_hour_allows_lose_nothing(watch: Watch) -> None:
    """The wait is handed on, with what would make it rarer; the next window begins where the last one ended."""
    watch.datadog.log_limit.count = 2
    watch.datadog.log("a", status="error")
    watch.scan("logs")
    watch.datadog.log("b", status="error")
    with pytest.raises(Temporary, match=r"rate_limited: logs: .* a source of its own") as caught:
        watch.scan("logs")
    wait = caught.value.after or MINUTE
    watch.clock.advance(wait)

    assert timedelta(minutes=50) < wait
    assert ["b"] == [signal.fields["message"] for signal in watch.scan("logs", look_back="0s")]


def test_a_security_signal_keeps_datadogs_names(watch: Watch) -> None:
    """Wherever Datadog puts its attributes."""
    watch.datadog.security_signal("Brute force", "critical", ["env:prod"], id="S1", usr={"id": "mallory"})

    (signal,) = watch.scan("security_signals")

    assert ("S1:critical", "datadog.security_signal", NONE) == (signal.id, signal.kind, signal.polarity)
    fields = signal.fields
    assert ["S1", "Brute force", "critical", {"id": "mallory"}] == [fields[n] for n in ("id", "title", "status", "usr")]
    assert ("Brute force", "open") == (fields["workflow"]["rule"]["name"], fields["workflow"]["triage"]["state"])
    assert "https://app.datadoghq.com/security?event=S1" == signal.url
    row = {"id": "S2", "type": "signal", "attributes": {"timestamp": NOON.isoformat(), "attributes": {"status": "low"}}}
    assert ["S2:low"] == [one.id for one in by_id(recorded("x", {"data": [row]}))]


def test_a_security_signal_that_became_worse_is_told_again(watch: Watch) -> None:
    """And one that did not is the signal that it was."""
    watch.datadog.security_signal("Brute force", "low", id="S1")
    first = watch.scan("security_signals")
    same = watch.scan("security_signals")
    watch.datadog.security_signal("Brute force", "high", id="S1")

    assert ["S1:low"] == [one.id for one in first] == [one.id for one in same]
    assert ["S1:high"] == [one.id for one in watch.scan("security_signals")]


def test_security_signals_can_be_narrowed_by_a_query(watch: Watch) -> None:
    watch.datadog.security_signal("a", "low")
    watch.datadog.security_signal("b", "high")

    found = watch.scan("security_signals", security_query="status:(high OR critical)")

    assert ["b"] == [signal.fields["title"] for signal in found]


def test_a_recorded_monitor_that_says_no_time_is_put_aside() -> None:
    row = {"id": 7, "query": "q", "overall_state": "Alert"}

    said = "ValueError: no monitor beside it says when it changed"

    assert [(said, json.dumps(row))] == list(recorded("metrics", row) or ())


def asked(watch: Watch, path: str) -> Json:
    keys = {"DD-API-KEY": "an-api-key-of-datadog", "DD-APPLICATION-KEY": "an-app-key-of-datadog"}
    with http.session() as session:
        return session.get(f"{watch.url}{path}", headers=keys).json()


def by_id(signals: Iterable[Signal | Unreadable] | None) -> list[Signal]:
    """Without their links, which name the site."""
    found = [one._replace(url=None) for one in signals or () if isinstance(one, Signal)]
    return sorted(found, key=lambda signal: signal.id)


def test_what_is_left_of_the_rate_limit_is_heard(watch: Watch) -> None:
    """Of the calls within, in this thread: the least that was said."""
    made, allowance = watched(watch.url, ("monitors",)), http.Allowance()
    assert allowance.remaining is None
    with allowance:
        for expected in (299, 298):
            made.poll(None, watch.clock.now())
            assert expected == allowance.remaining
    made.poll(None, watch.clock.now())

    assert 298 == allowance.remaining
