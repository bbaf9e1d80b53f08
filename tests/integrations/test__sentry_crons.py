"""Sentry's cron monitors: what changes of an environment become which signals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from daemon.clock import ToldClock
from daemon.contract import Source, Unreadable
from daemon.errors import Permanent
from daemon.model import Json, Polarity, Signal
from daemon.secret import Secret
from integrations._sentry import Api
from integrations.sentry import SourceSettings, recorded, source
from lab.sentry import Sentry
from lab.server import Now, Request, Response, Server

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MONITORS, CHECK_INS = "/monitors/", "/checkins/"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
BROKEN, RECOVERED, NONE = Polarity.BROKEN, Polarity.RECOVERED, Polarity.NONE


class Counting(Sentry):
    """Remembers what it was asked, and may spoil its answers."""

    def __init__(self, now: Now) -> None:
        super().__init__(now, delay=timedelta(0))
        self.paths: list[str] = []
        self.spoilt: dict[str, Json] = {}
        """What it answers in place of its own, by the end of the path."""

    def handle(self, request: Request) -> Response:
        self.paths.append(request.path)
        response = super().handle(request)
        spoilt = next((answer for end, answer in self.spoilt.items() if request.path.endswith(end)), None)
        return response if spoilt is None else Response(200, spoilt, response.headers)

    @property
    def asked(self) -> int:
        return sum("checkins" in path for path in self.paths)


@dataclass
class Watch:
    """A Sentry whose cron monitors are watched; every word of it shows at once."""

    clock: ToldClock
    sentry: Counting
    url: str
    cursor: Any = None
    polls: int = 0
    quarantined: list[Unreadable] = field(default_factory=list)

    def source(self, **settings: Any) -> Source:
        given = {"url": self.url, "organization": "acme", "token": Secret("a-token-of-sentry"), "stream": "crons"}
        return source("crons", SourceSettings(**{**given, **settings}))

    def scan(self, **settings: Any) -> list[Signal]:
        """A minute passes, then a scan is made, whole."""
        self.clock.advance(MINUTE)
        made = self.source(**settings)
        signals: list[Signal] = []
        more = True
        while more:
            batch = made.poll(self.cursor, self.clock.now())
            self.cursor = json.loads(json.dumps(batch.next))
            self.quarantined += batch.quarantined
            self.polls += 1
            signals += batch.signals
            more = batch.more
        return signals


@pytest.fixture
def watch() -> Iterator[Watch]:
    clock = ToldClock(NOON)
    sentry = Counting(clock.now)
    with Server(sentry) as server:
        yield Watch(clock, sentry, server.url)


def told(signals: list[Signal]) -> list[tuple[str, Polarity]]:
    return [(signal.fields["status"], signal.polarity) for signal in signals]


def test_a_job_that_is_well_says_nothing(watch: Watch) -> None:
    """However often it checks in; and nobody asks for its check-ins."""
    watch.sentry.check_in("nightly")
    signals = watch.scan()
    watch.sentry.check_in("nightly")

    assert [] == [*signals, *watch.scan()]
    assert 0 == watch.sentry.asked


def test_a_failed_job_is_broken_with_the_vendors_fields(watch: Watch) -> None:
    """Of the monitor, its environment, and the check-in that failed."""
    watch.sentry.check_in("nightly", "error", "staging", project="shop")

    (signal,) = watch.scan()

    fields, monitor = signal.fields, "00000000-0000-0000-0000-000000000001"
    assert ("sentry.cron", BROKEN, NOON, NOON) == (signal.kind, signal.polarity, signal.at, signal.began_at)
    assert f"{monitor}/staging:error:2026-03-02T12:00:00.000000Z" == signal.id
    assert (monitor, "nightly", "shop", "staging") == tuple(
        fields[name] for name in ("id", "slug", "project", "environment")
    )
    assert ("error", 1200) == (fields["checkIn"]["status"], fields["checkIn"]["duration"])
    assert f"{watch.url}/organizations/acme/crons/shop/nightly/?environment=staging" == signal.url


@pytest.mark.parametrize(("status", "after"), [("missed", 5), ("timeout", 30), ("error", 0)])
def test_the_check_in_says_how_it_failed_and_when_it_was_judged(watch: Watch, status: str, after: int) -> None:
    """The monitor says no more than that it fails. Missed: past its margin; timed out: past its longest run."""
    watch.sentry.check_in("nightly", status)
    watch.clock.advance(timedelta(minutes=after))

    (signal,) = watch.scan()

    assert (status, NOON + after * MINUTE) == (signal.fields["status"], signal.at)


def test_without_check_ins_all_that_fails_is_an_error(watch: Watch) -> None:
    """And no call is made to know better."""
    watch.sentry.check_in("nightly", "missed")

    assert [("error", BROKEN)] == told(watch.scan(check_ins=False))
    assert 0 == watch.sentry.asked


def test_each_new_failure_is_told_with_how_many_came(watch: Watch) -> None:
    """`count` is how many in a row; a scan without a new one tells nothing and asks nothing."""
    watch.sentry.check_in("nightly", "error")
    signals = watch.scan() + watch.scan()
    for status in ("missed", "missed"):
        watch.clock.advance(HOUR)
        watch.sentry.check_in("nightly", status)
    signals += watch.scan()

    assert [("error", 1, 1), ("missed", 3, 2)] == [
        (one.fields["status"], one.count, one.count_delta) for one in signals
    ]
    assert 2 == watch.sentry.asked


def test_failures_before_the_last_success_are_over(watch: Watch) -> None:
    """They belong to a trouble that was."""
    for status in ("error", "error", "ok", "error"):
        watch.sentry.check_in("nightly", status)
        watch.clock.advance(HOUR)

    (signal,) = watch.scan()

    assert (1, 1) == (signal.count, signal.count_delta)


def test_a_threshold_is_the_vendors_business(watch: Watch) -> None:
    """Two of three failures are none; the third tells all three."""
    signals = []
    for _ in range(3):
        watch.sentry.check_in("nightly", "error", threshold=3)
        signals.append(watch.scan())
        watch.clock.advance(HOUR)

    assert [[], []] == signals[:2]
    assert [3] == [signal.count_delta for signal in signals[2]]


def test_an_environment_fails_and_recovers_by_itself(watch: Watch) -> None:
    """And fails anew under another id."""
    watch.sentry.check_in("nightly", "error", "staging")
    watch.sentry.check_in("nightly", "error", "production")
    first = watch.scan()
    watch.sentry.check_in("nightly", "ok", "staging")
    second = watch.scan()
    watch.clock.advance(HOUR)
    watch.sentry.check_in("nightly", "error", "staging")
    third = watch.scan()

    assert 2 == len(first)
    assert [("ok", RECOVERED)] == told(second)
    assert [("error", BROKEN)] == told(third)
    assert 4 == len({signal.id for signal in (*first, *second, *third)})


def test_muting_mends_nothing_and_breaks_nothing(watch: Watch) -> None:
    """It is told once, with no polarity; what still fails when it is heard again is broken again."""
    watch.sentry.check_in("nightly", "error")
    signals = watch.scan()
    watch.sentry.mute("nightly")
    signals += watch.scan()
    watch.clock.advance(HOUR)
    watch.sentry.check_in("nightly", "error")
    signals += watch.scan()
    watch.sentry.mute("nightly", muted=False)
    signals += watch.scan()

    assert [("error", BROKEN), ("muted", NONE), ("error", BROKEN)] == told(signals)
    assert [False, True, False] == [signal.fields["isMuted"] for signal in signals]
    assert 3 == len({signal.id for signal in signals})


def test_what_is_heard_again_without_a_new_failure_is_broken_again(watch: Watch) -> None:
    """Its check-in was told before it was muted; its id is another all the same."""
    watch.sentry.check_in("nightly", "error")
    signals = watch.scan()
    watch.sentry.mute("nightly")
    watch.scan()
    watch.sentry.mute("nightly", muted=False)
    signals += watch.scan()

    assert [("error", BROKEN)] * 2 == told(signals)
    assert 2 == len({signal.id for signal in signals})


def test_what_was_muted_or_disabled_before_we_looked_is_no_trouble(watch: Watch) -> None:
    """Nobody asks for its check-ins."""
    watch.sentry.check_in("nightly", "error")
    watch.sentry.check_in("weekly", "error")
    watch.sentry.mute("nightly")
    watch.sentry.disable("weekly")

    assert [] == watch.scan()
    assert 0 == watch.sentry.asked


def test_disabling_a_failing_monitor_is_told(watch: Watch) -> None:
    """A rule may clear by it."""
    watch.sentry.check_in("nightly", "error")
    watch.scan()
    watch.sentry.disable("nightly")

    assert [("disabled", NONE)] == told(watch.scan())


def test_a_deleted_monitor_ends_its_trouble_at_the_second_look(watch: Watch) -> None:
    """One scan may miss a row while pages move."""
    watch.sentry.check_in("nightly", "error")
    watch.scan()
    watch.sentry.delete_cron("nightly")

    assert [] == watch.scan()
    assert [("gone", RECOVERED)] == told(watch.scan())
    assert {} == watch.cursor["known"]


def test_many_failures_at_once_are_told_a_few_a_poll(watch: Watch) -> None:
    """No poll asks for more than five; none is asked for twice, over pages as well."""
    for number in range(120):
        watch.sentry.check_in(f"job-{number:03d}", "missed" if number % 10 == 0 else "ok")

    signals = watch.scan()

    assert 12 == len(signals) == watch.sentry.asked
    assert [("missed", BROKEN)] * 12 == told(signals)
    assert 3 == watch.polls


def test_projects_and_environments_narrow_what_is_read(watch: Watch) -> None:
    """Both are Sentry's own."""
    watch.sentry.check_in("nightly", "error", project="shop")
    watch.sentry.check_in("weekly", "error", project="blog")
    watch.sentry.check_in("hourly", "error", "staging", project="shop")

    signals = watch.scan(projects=["shop"], environments=["production"])

    assert ["nightly"] == [signal.fields["slug"] for signal in signals]


@pytest.mark.parametrize("spoil", [[5], [{"environment": "production", "status": "error", "dateAdded": "soon"}]])
def test_check_ins_that_cannot_be_read_leave_the_monitor_told(watch: Watch, spoil: Json) -> None:
    """It fails all the same; the check-ins are put aside."""
    watch.sentry.check_in("nightly", "missed")
    watch.sentry.spoilt = {CHECK_INS: spoil}

    assert [("error", BROKEN)] == told(watch.scan())
    assert 1 == len(watch.quarantined)


def test_check_ins_of_another_environment_are_not_its_own(watch: Watch) -> None:
    """That Sentry filters them is written nowhere."""
    watch.sentry.check_in("nightly", "error")
    other = {"environment": "staging", "status": "missed", "dateAdded": "2026-03-02T12:00:30Z"}
    own = {"environment": "production", "status": "timeout", "dateAdded": "2026-03-02T12:00:00Z"}
    watch.sentry.spoilt = {CHECK_INS: [other, own]}

    assert [("timeout", BROKEN)] == told(watch.scan())


def test_a_monitor_that_cannot_be_read_is_not_gone(watch: Watch) -> None:
    """Whichever it is."""
    watch.sentry.check_in("nightly", "error")
    watch.scan()
    watch.sentry.spoilt = {MONITORS: [{"id": "?"}]}

    assert [] == [*watch.scan(), *watch.scan(), *watch.scan()]
    assert 3 == len(watch.quarantined)


def test_a_monitor_deleted_since_it_was_listed_is_told_by_the_list(watch: Watch) -> None:
    """404 for its check-ins is not the end of a scan."""
    watch.sentry.check_in("nightly", "missed")
    watch.sentry.faults.add("GET .*/checkins/", "404")

    assert [("error", BROKEN)] == told(watch.scan())


def test_an_expired_page_token_begins_the_scan_anew(watch: Watch) -> None:
    """Nothing is lost by it."""
    watch.sentry.check_in("nightly", "error")
    watch.cursor = {"end": "", "to": NOON.isoformat(), "page": "expired", "known": {}}

    assert [("error", BROKEN)] == told(watch.scan())


def test_a_watermark_leaves_sentry_a_minute_to_judge(watch: Watch) -> None:
    """Once a minute it looks for what was missed; then that must show."""
    batch = watch.source(lateness="30s").poll(None, NOON)

    assert NOON - timedelta(seconds=90) == batch.watermark


def test_a_link_leads_to_where_people_read() -> None:
    """A region's host serves programs; one's own serves both."""
    addresses = ("https://de.sentry.io", "https://sentry.example.com")

    assert ["https://sentry.io/organizations/acme", "https://sentry.example.com/organizations/acme"] == [
        pages(address) for address in addresses
    ]


def pages(address: str) -> str:
    given: dict[str, Any] = {"url": address, "organization": "acme", "token": Secret("a-token-of-sentry")}
    return Api(SourceSettings(**given), "monitors", "alerts:read").pages


def test_a_missing_scope_is_named(watch: Watch) -> None:
    """Issues need another."""
    watch.sentry.scopes = {"event:read"}

    with pytest.raises(Permanent, match="alerts:read; make one in Sentry"):
        watch.scan()


def test_a_recorded_monitor_that_cannot_be_read_is_put_aside(watch: Watch) -> None:
    """The others are read, whatever is wrong with it."""
    row: dict[str, Json] = {"id": "m", "slug": "nightly", "config": {}, "status": "active"}
    said = {"name": "production", "status": "error", "lastCheckIn": "2026-03-02T12:00:00Z", "activeIncident": None}
    good = {**row, "environments": [said]}
    bad = [
        {**row, "environments": [said, 5]},
        {**good, "project": "shop"},
        {**row, "environments": [{**said, "activeIncident": 7}]},
    ]

    read = list(recorded("crons", [*bad, good]) or ())

    assert ["m/production:error:2026-03-02T12:00:00.000000Z"] == [one.id for one in read if isinstance(one, Signal)]
    assert bad == [json.loads(one[1]) for one in read if not isinstance(one, Signal)]


def test_a_single_recorded_monitor_is_read_with_one_environment_as_the_schema_has_it() -> None:
    """The vendor's schema says one object where its answers have a list."""
    said = {"name": "production", "status": "missed_checkin", "lastCheckIn": "2026-03-02T12:00:00Z"}

    (signal,) = (
        recorded("crons", {"id": "m", "slug": "n", "config": {}, "status": "active", "environments": said}) or ()
    )

    assert isinstance(signal, Signal)
    assert [("missed", BROKEN)] == told([signal])
