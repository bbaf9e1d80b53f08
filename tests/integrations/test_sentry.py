"""Sentry issues: what changes of an issue become which signals."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from daemon import http
from daemon.clock import ToldClock
from daemon.contract import Unreadable
from daemon.errors import Permanent, Temporary
from daemon.model import Polarity, Signal
from daemon.secret import Secret
from integrations.sentry import SourceSettings, recorded, source
from lab.sentry import Sentry
from lab.server import Request, Response, Server, Vendor

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BROKEN, RECOVERED, NONE = Polarity.BROKEN, Polarity.RECOVERED, Polarity.NONE


@dataclass
class Watch:
    """A Sentry whose organisation is watched; every word of it shows at once."""

    clock: ToldClock
    sentry: Sentry
    url: str
    cursor: Any = None
    quarantined: tuple[tuple[str, str], ...] = ()

    def scan(self, **settings: Any) -> list[Signal]:
        """A minute passes, then a scan is made, whole."""
        self.clock.advance(MINUTE)
        made = source("errors", SourceSettings(**{**self._settings(), **settings}))
        signals: list[Signal] = []
        more = True
        while more:
            batch = made.poll(self.cursor, self.clock.now())
            self.cursor = json.loads(json.dumps(batch.next))
            self.quarantined += batch.quarantined
            signals += batch.signals
            more = batch.more or batch.watermark is None
        return signals

    def scan_anew(self, **settings: Any) -> list[Signal]:
        """As one who knew nothing."""
        self.cursor = None
        return self.scan(**settings)

    def probe(self, **settings: Any) -> str:
        """What is said of a refusal."""
        with pytest.raises(Permanent) as caught:
            source("errors", SourceSettings(**{**self._settings(), **settings})).probe()
        return str(caught.value)

    def _settings(self) -> dict[str, Any]:
        return {"url": self.url, "organization": "acme", "token": Secret("a-token-of-sentry")}


@pytest.fixture
def watch() -> Iterator[Watch]:
    clock = ToldClock(NOON)
    sentry = Sentry(clock.now, delay=timedelta(0))
    with Server(sentry) as server:
        yield Watch(clock, sentry, server.url)


def polarities(signals: list[Signal]) -> list[tuple[str, Polarity]]:
    return [(signal.fields["id"], signal.polarity) for signal in signals]


def test_a_new_issue_is_broken_and_its_numbers_are_numbers(watch: Watch) -> None:
    """Sentry counts in texts; rules compare numbers. A project is its slug."""
    watch.sentry.issue("7", "KeyError: total", project="shop", level="fatal", count=150, userCount="3")

    (signal,) = watch.scan()

    fields = signal.fields
    assert ("sentry.issue", BROKEN, NOON, NOON) == (signal.kind, signal.polarity, signal.at, signal.began_at)
    assert (150, 150) == (signal.count, signal.count_delta)
    assert (150, 3, "shop", "fatal") == (fields["count"], fields["userCount"], fields["project"], fields["level"])


def test_more_events_are_counted_from_the_last_scan_on(watch: Watch) -> None:
    """`count` is Sentry's total, `count_delta` what came since."""
    watch.sentry.issue("7", count=3)
    watch.scan()
    watch.sentry.issue("7", count=4)

    (signal,) = watch.scan()

    assert (7, 4) == (signal.count, signal.count_delta)
    assert [] == watch.scan()


def test_an_old_issue_that_is_met_first_counts_once(watch: Watch) -> None:
    """Its thousands happened before we looked."""
    watch.sentry.issue("7", count=5_000, at=NOON - timedelta(days=30))
    watch.sentry.issue("7", count=1)

    (signal,) = watch.scan()

    assert (5_001, 1) == (signal.count, signal.count_delta)


def test_resolving_recovers_and_happening_again_breaks(watch: Watch) -> None:
    """Each change has an id of its own, though nothing may have been seen in between."""
    watch.sentry.issue("7")
    signals = watch.scan()
    watch.sentry.resolve("7")
    signals += watch.scan()
    watch.sentry.unresolve("7")
    signals += watch.scan()
    watch.sentry.resolve("7")
    signals += watch.scan()
    watch.sentry.regress("7")
    signals += watch.scan()

    assert [BROKEN, RECOVERED, BROKEN, RECOVERED, BROKEN] == [signal.polarity for signal in signals]
    assert 5 == len({signal.id for signal in signals})
    assert "regressed" == signals[-1].fields["substatus"]


def test_a_resolving_happened_when_it_was_seen(watch: Watch) -> None:
    """Sentry does not say when, and the last event was long before."""
    watch.sentry.issue("7")
    watch.scan()
    watch.clock.advance(timedelta(minutes=5))
    watch.sentry.resolve("7")

    (signal,) = watch.scan()

    assert (watch.clock.now(), 0) == (signal.at, signal.count_delta)


def test_an_issue_gone_quiet_is_asked_after(watch: Watch) -> None:
    """It left the look-back long ago, and is seen to be resolved all the same."""
    watch.sentry.issue("7")
    watch.scan()
    watch.clock.advance(timedelta(hours=5))
    assert [] == watch.scan()
    watch.sentry.resolve("7")

    assert [("7", RECOVERED)] == polarities(watch.scan())


def test_what_broke_and_was_resolved_between_two_scans_tells_both(watch: Watch) -> None:
    """In that order."""
    watch.sentry.issue("7", count=20)
    watch.sentry.resolve("7")

    signals = watch.scan()

    assert [("7", BROKEN), ("7", RECOVERED)] == polarities(signals)
    assert [("unresolved", 20), ("resolved", 0)] == [(one.fields["status"], one.count_delta) for one in signals]


def test_what_broke_and_was_resolved_was_new_if_it_began_then(watch: Watch) -> None:
    """Sentry shows no substatus of a resolved issue; rules ask for it."""
    watch.sentry.issue("7")
    watch.sentry.resolve("7")

    assert ["new", None] == substatuses(watch.scan())


def test_what_came_back_and_was_resolved_between_two_scans_had_regressed(watch: Watch) -> None:
    """We knew it as resolved."""
    watch.sentry.issue("7")
    watch.sentry.resolve("7")
    watch.scan()
    watch.sentry.regress("7")
    watch.sentry.resolve("7")

    assert ["regressed", None] == substatuses(watch.scan())


def test_what_went_on_and_was_resolved_between_two_scans_was_what_it_was_known_as(watch: Watch) -> None:
    """Its last events came before it was resolved."""
    watch.sentry.issue("7", substatus="escalating")
    watch.scan()
    watch.sentry.issue("7")
    watch.sentry.resolve("7")

    assert ["escalating", None] == substatuses(watch.scan())


@pytest.mark.parametrize("details", [{"inNextRelease": True}, {"inRelease": "shop@2"}, {"inCommit": {"id": "c0ffee"}}])
def test_events_of_an_old_release_are_no_regression(watch: Watch, details: dict[str, Any]) -> None:
    """They leave an issue resolved that was resolved in a later one."""
    watch.sentry.issue("7")
    watch.sentry.resolve("7")
    watch.scan()
    watch.sentry.issue("7", status="resolved", substatus=None, statusDetails=details)

    assert [None, None] == substatuses(watch.scan())


def test_what_was_resolved_long_before_we_looked_has_no_substatus(watch: Watch) -> None:
    """Nothing tells whether it had come back, or never gone."""
    watch.sentry.issue("7", at=NOON - timedelta(days=1))
    watch.sentry.issue("7")
    watch.sentry.resolve("7")

    assert [None, None] == substatuses(watch.scan())


def substatuses(signals: list[Signal]) -> list[Any]:
    assert [BROKEN, RECOVERED] == [signal.polarity for signal in signals]
    return [signal.fields["substatus"] for signal in signals]


def test_an_issue_tells_its_releases_if_they_are_asked_for(watch: Watch) -> None:
    """The list does not show them: one call for each that changed, none for what did not."""
    watch.sentry.issue("7", release="shop@4.1")
    watch.sentry.issue("7", release="shop@4.2")
    watch.sentry.issue("8")

    signals = watch.scan(releases=True)
    again = watch.scan(releases=True)

    releases = {one.fields["id"]: (version(one, "firstRelease"), version(one, "lastRelease")) for one in signals}
    assert {"7": ("shop@4.1", "shop@4.2"), "8": (None, None)} == releases
    assert [] == again
    assert "lastRelease" not in watch.scan_anew(releases=False)[0].fields


def test_only_the_busiest_issues_of_a_page_are_asked_for_their_release(watch: Watch) -> None:
    """A storm costs twenty calls a page, no more; the others are told without."""
    for number in range(60):
        watch.sentry.issue(str(number), count=number + 1, release="shop@4.2")

    signals = watch.scan(releases=True)

    asked = {one.fields["id"] for one in signals if "lastRelease" in one.fields}
    assert 60 == len(signals)
    assert {str(number) for number in range(40, 60)} == asked


def test_what_is_resolved_is_not_asked_for_its_release(watch: Watch) -> None:
    """It spikes no more."""
    watch.sentry.issue("7", release="shop@4.2")
    watch.scan(releases=True)
    watch.sentry.resolve("7")

    (signal,) = watch.scan(releases=True)

    assert "lastRelease" not in signal.fields


def test_a_recorded_issue_keeps_what_names_its_releases(watch: Watch) -> None:
    """The answer for a single one has them, at length."""
    watch.sentry.issue("7", release="shop@4.2")
    with http.session() as session:
        headers = {"Authorization": "Bearer a-token-of-sentry"}
        answer = session.get(f"{watch.url}/api/0/organizations/acme/issues/7/", headers=headers).json()

    (signal,) = by_id(recorded("errors", answer))

    assert {"version", "shortVersion", "dateCreated"} == signal.fields["lastRelease"].keys()
    assert "shop@4.2" == version(signal, "lastRelease")


def version(signal: Signal, which: str) -> str | None:
    release = signal.fields[which]
    return release["version"] if release else None


def test_archiving_neither_breaks_nor_recovers(watch: Watch) -> None:
    """A person looked away; that mends nothing."""
    watch.sentry.issue("7")
    watch.scan()
    watch.sentry.archive("7")

    assert [("7", NONE)] == polarities(watch.scan())


def test_a_deleted_issue_is_no_longer_asked_after(watch: Watch) -> None:
    """404 for one issue is not the end of a scan."""
    watch.sentry.issue("7")
    watch.scan()
    watch.clock.advance(timedelta(hours=1))
    watch.sentry.delete("7")

    assert [] == watch.scan()
    assert {} == watch.cursor["known"]


def test_a_short_or_empty_page_is_not_the_last(watch: Watch) -> None:
    """Sentry filters after it has cut the pages; only `results` says that there is no more."""
    watch.sentry.thin_pages = True
    for number in range(250):
        watch.sentry.issue(str(number), level="error" if number < 50 else "warning")

    assert 50 == len(watch.scan(query="level:error"))


def test_an_expired_page_token_begins_the_scan_anew(watch: Watch) -> None:
    """Nothing is lost by it."""
    for number in range(150):
        watch.sentry.issue(str(number))
    start, end = (NOON - timedelta(minutes=10)).isoformat(), NOON.isoformat()
    watch.cursor = {"from": start, "to": end, "page": "expired", "known": {}}

    assert 150 == len(watch.scan())


def test_a_record_that_cannot_be_read_is_put_aside(watch: Watch) -> None:
    """With the reason; the others go on."""
    watch.sentry.issue("7", status=5)
    watch.sentry.issue("8")
    watch.sentry.issue("9", userCount="many")

    assert [("8", BROKEN)] == polarities(watch.scan())
    assert ["9", "7"] == [json.loads(raw)["id"] for _, raw in watch.quarantined]
    assert "ValueError: invalid literal for int() with base 10: 'many'" == watch.quarantined[0][0]


def test_projects_environments_and_query_narrow_what_is_read(watch: Watch) -> None:
    """All three are Sentry's own."""
    watch.sentry.issue("1", project="shop")
    watch.sentry.issue("2", project="blog")
    watch.sentry.issue("3", project="shop", environment="staging")
    watch.sentry.issue("4", project="shop", level="warning")

    signals = watch.scan(projects=["shop"], environments=["production"], query="level:error")

    assert ["1"] == [signal.fields["id"] for signal in signals]


def test_a_missing_scope_is_named(watch: Watch) -> None:
    """And where to get it."""
    watch.sentry.scopes = {"org:read"}

    assert "event:read; make one in Sentry under Settings" in watch.probe()


def test_a_wrong_organisation_is_named(watch: Watch) -> None:
    """404 says little; the slug is the likely mistake."""
    watch.sentry.organization = "acme-inc"

    assert "Is 'acme' the organisation's slug" in watch.probe()


def test_a_rate_limit_says_when_it_ends(watch: Watch) -> None:
    """Sentry gives an instant, not a number of seconds."""
    watch.sentry.faults.add(".", "429")

    with pytest.raises(Temporary) as caught:
        watch.scan()

    assert "rate_limited" == caught.value.reason
    assert caught.value.after is not None


def test_a_list_without_a_link_header_is_not_whole() -> None:
    """A proxy that drops it would hide all pages but the first."""

    class Bare(Vendor):
        def handle(self, request: Request) -> Response:
            return Response(200, [])

    with Server(Bare(lambda: NOON)) as server:
        watch = Watch(ToldClock(NOON), Sentry(lambda: NOON), server.url)
        with pytest.raises(Temporary, match="Link header"):
            watch.scan()


def test_recorded_issues_give_what_the_first_scan_gives(watch: Watch) -> None:
    """A new one, one that is older than the look-back, and a single one."""
    watch.sentry.issue("7", "KeyError: total", project="shop", count=150)
    watch.sentry.issue("8", "Timeout", project="shop", count=9, firstSeen="2026-03-01T12:00:00Z")
    with http.session() as session:
        headers = {"Authorization": "Bearer a-token-of-sentry"}
        answer = session.get(f"{watch.url}/api/0/organizations/acme/issues/?query=", headers=headers).json()
    scanned = watch.scan()

    assert {"7": 150, "8": 1} == {signal.fields["id"]: signal.count_delta for signal in scanned}
    assert by_id(scanned) == by_id(recorded("errors", answer))
    assert 1 == len(by_id(recorded("errors", answer[0])))


def by_id(signals: Iterable[Signal | Unreadable] | None) -> list[Signal]:
    return sorted((one for one in signals or () if isinstance(one, Signal)), key=lambda signal: signal.id)
