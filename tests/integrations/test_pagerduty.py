"""PagerDuty: pages out, acknowledgements back, against the lab over real sockets."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from daemon.contract import Action, Feed, Findable, OnCall
from daemon.errors import Ambiguous, Permanent, Temporary
from daemon.model import Fact, FactKind
from integrations.pagerduty import (
    LONGEST_KEY,
    LONGEST_SUMMARY,
    Acknowledgements,
    ActionSettings,
    Pager,
    action,
    dedup_key,
    feed,
)
from lab.pagerduty import PagerDuty, Shift
from lab.server import Response, Server
from tests.integrations.actions import (
    NOON,
    UNUSABLE,
    Broken,
    delivery,
    failure_of,
    misread,
    told,
    told_of,
)

ROUTING = "routing-key-of-all-the-teams-0001"[:32]
TEAM = "routing-key-of-payments-team-0002"[:32]
TOKEN = "rest-token-that-nobody-may-see"


class Vendor(Broken, PagerDuty):
    pass


class Bench:
    """The lab, and what is under test."""

    def __init__(self, **settings: Any) -> None:
        self.clock = told()
        self.vendor = Vendor(self.clock.now)
        self.server = Server(self.vendor)
        urls = {"events_url": self.server.url, "api_url": self.server.url + "/"}
        given = {"routing_keys": {"default": ROUTING}, "api_token": TOKEN, "deadline": 5, **urls, **settings}
        self.settings = ActionSettings.model_validate(given)
        self.pager = action(self.settings)
        self.feed = feed(self.settings)

    def later(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    def read(self, cursor: Any = None) -> tuple[list[Fact], Any]:
        """All that the feed has, page after page."""
        facts: list[Fact] = []
        while True:
            got = self.feed.poll(cursor, self.clock.now())
            facts, cursor = [*facts, *got.facts], json.loads(json.dumps(got.next))
            if not got.more:
                return facts, cursor


def started(bench: Bench) -> Iterator[Bench]:
    with bench.server:
        yield bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    yield from started(Bench())


@pytest.fixture
def hasty() -> Iterator[Bench]:
    """With a deadline that a hanging vendor reaches soon."""
    yield from started(Bench(deadline=0.3))


@pytest.fixture
def tokenless() -> Iterator[Bench]:
    yield from started(Bench(api_token=None))


def find(bench: Bench, verb: Any = "open") -> Any:
    assert isinstance(bench.pager, Findable)
    return bench.pager.find(delivery("page", verb))


def test_a_page_says_what_people_need(bench: Bench) -> None:
    """Title, severity in the vendor's words, our own page and the runbook as links, and the details."""
    receipt = bench.pager.deliver(delivery("page"))
    page = bench.vendor.pages[0]

    assert ("hg:i7:1", "hg:i7:1") == (receipt.id, page.dedup_key)
    assert ("Checkout fails", "critical") == (page.title, page.severity)
    assert ["https://portal.example/incidents/i7", "https://runbooks.example/checkout"] == [
        link["href"] for link in page.links
    ]
    assert ("shop", "i7") == (page.details["project"], page.details["incident"])


def test_the_same_page_twice_is_one(bench: Bench) -> None:
    """The key makes a repeat harmless while the incident is open."""
    receipts = [bench.pager.deliver(delivery("page")) for _ in range(2)]

    assert receipts[0] == receipts[1]
    assert 1 == len(bench.vendor.pages)


def test_closing_resolves_and_updating_does_nothing(bench: Bench) -> None:
    """The vendor has no word for an update of a page."""
    for verb in ("open", "update", "close", "close"):
        bench.pager.deliver(delivery("page", verb))

    assert [("resolved", 1)] == [(page.status, page.triggers) for page in bench.vendor.pages]


@pytest.mark.parametrize(("severity", "word"), [(1, "critical"), (2, "error"), (3, "warning"), (4, "info")])
def test_severities_are_the_vendors_words(bench: Bench, severity: int, word: str) -> None:
    """Four on our side, four on theirs."""
    bench.pager.deliver(delivery("page", severity=severity))

    assert word == bench.vendor.pages[0].severity


def test_a_team_with_a_key_of_its_own_is_paged_there() -> None:
    """Opening and closing go to the same service; other teams go to the default one."""
    for bench in started(Bench(routing_keys={"default": ROUTING, "payments": TEAM})):
        bench.pager.deliver(delivery("page"))
        bench.pager.deliver(delivery("page", key="hg:i8:1", team="search"))
        bench.pager.deliver(delivery("page", "close"))

        assert [(TEAM, "resolved"), (ROUTING, "triggered")] == [
            (page.routing_key, page.status) for page in bench.vendor.pages
        ]


def test_what_is_too_long_is_cut_and_still_pages(bench: Bench) -> None:
    """Summary, key and details each have a limit beyond which the vendor refuses the whole page."""
    long = delivery(
        "page", key="hg:" + "k" * 400, title="\N{FIRE}" * 2000, source="s" * 999, details={"x": "y" * 600_000}
    )
    bench.pager.deliver(long)
    page = bench.vendor.pages[0]

    assert (LONGEST_SUMMARY, LONGEST_KEY) == (len(page.title), len(page.dedup_key))
    assert "too large for a page" == page.details["left_out"]
    assert dedup_key("k" * 300) != dedup_key("k" * 301)


def test_a_page_needs_no_more_than_a_title(bench: Bench) -> None:
    """A body of the fewest words pages; a link that is not one is left out."""
    bench.pager.deliver(delivery("page", source="", location="", runbook="javascript:x", url=None, details=None))

    assert ["Checkout fails", []] == [bench.vendor.pages[0].title, bench.vendor.pages[0].links]


def test_every_status_of_a_write_means_one_thing(bench: Bench) -> None:
    """4xx is certain, 5xx is not; 408, 409, 425 and 429 may be tried again."""
    assert {} == misread(bench.vendor, lambda: bench.pager.deliver(delivery("page")), sent=True)


def test_every_status_of_the_feed_means_one_thing(bench: Bench) -> None:
    """Reading leaves nothing in doubt."""
    bench.vendor.method = "GET"

    assert {} == misread(bench.vendor, lambda: bench.feed.poll(None, NOON), sent=False)


def test_a_refused_throttle_says_how_long_to_wait(bench: Bench) -> None:
    """The vendor's reset becomes the failure's `after`, and the library does not wait by itself."""
    bench.vendor.faults.add("enqueue", "429", 1)
    failure = failure_of(lambda: bench.pager.deliver(delivery("page")))

    assert isinstance(failure, Temporary)
    assert timedelta(seconds=30) == failure.after


@pytest.mark.parametrize("fault", UNUSABLE)
def test_an_answer_that_is_none_leaves_a_page_in_doubt(hasty: Bench, fault: str) -> None:
    """Perhaps it was done: ambiguous, after exactly one request."""
    hasty.vendor.faults.add("enqueue", fault)
    failure = failure_of(lambda: hasty.pager.deliver(delivery("page")))

    assert isinstance(failure, Ambiguous)
    assert 1 == len(hasty.vendor.received)


@pytest.mark.parametrize("fault", UNUSABLE)
def test_an_answer_that_is_none_fails_a_look_up_and_the_feed(hasty: Bench, fault: str) -> None:
    """Temporary: an answer that cannot be read is never 'there is nothing'."""
    hasty.vendor.faults.add("GET", fault)

    assert [Temporary, Temporary] == [
        type(failure_of(lambda: find(hasty))),
        type(failure_of(lambda: hasty.feed.poll(None, NOON))),
    ]


def test_nobody_there_is_certainly_not_done(bench: Bench) -> None:
    """A refused connection is temporary, for a write too."""
    bench.server.stop()

    assert Temporary is type(failure_of(lambda: bench.pager.deliver(delivery("page"))))


def test_a_page_whose_answer_was_lost_is_found(bench: Bench) -> None:
    """After the time to settle the look-up finds it: one page."""
    bench.vendor.faults.add("enqueue", "lost", 1)
    failure_of(lambda: bench.pager.deliver(delivery("page")))
    bench.later(60)
    found = find(bench)

    assert ("Q000001", "triggered", 1) == (found.id, found.state, len(bench.vendor.pages))


def test_a_page_that_a_person_resolved_meanwhile_is_not_sent_again(bench: Bench) -> None:
    """Its key would open a new incident and wake them again: the look-up finds it resolved."""
    bench.vendor.faults.add("enqueue", "lost", 1)
    failure_of(lambda: bench.pager.deliver(delivery("page")))
    bench.vendor.resolve("hg:i7:1", "mika")
    bench.later(60)

    assert "resolved" == find(bench).state


def test_a_page_that_never_was_is_not_found(bench: Bench) -> None:
    """Accepted with 202 and dropped: the look-up says so, and it can be sent."""
    bench.vendor.drops = True
    bench.pager.deliver(delivery("page"))
    bench.later(60)

    assert None is find(bench)


def test_a_resolve_is_found_only_when_it_is_one(bench: Bench) -> None:
    """A lost resolve is looked up by the state of the page."""
    bench.pager.deliver(delivery("page"))
    bench.later(60)
    before = find(bench, "close")
    bench.pager.deliver(delivery("page", "close"))
    bench.later(60)

    assert (None, "resolved") == (before, find(bench, "close").state)


def test_a_refused_token_does_not_hold_a_page_back(bench: Bench) -> None:
    """Rather twice than never: nothing is known, so the page goes out again."""
    bench.pager.deliver(delivery("page"))
    bench.later(60)
    bench.vendor.revoked.add(TOKEN)

    assert None is find(bench)


def test_without_a_token_there_is_nothing_to_ask(tokenless: Bench) -> None:
    """Then it is no Findable, and its feed stays empty."""
    assert (False, True) == (isinstance(tokenless.pager, Findable), isinstance(tokenless.pager, Action))
    assert ([], {"since": 1}) == tokenless.read({"since": 1})
    tokenless.pager.probe()


def test_the_feed_brings_what_people_did(bench: Bench) -> None:
    """Acknowledgement, note and resolve, with who, when and of which page; in the order in which they came."""
    assert isinstance(bench.feed, Feed)
    bench.pager.deliver(delivery("page"))
    bench.later(60)
    bench.vendor.acknowledge("hg:i7:1", "mika")
    bench.later(60)
    bench.vendor.annotate("hg:i7:1", "mika", "rolled back")
    bench.vendor.resolve("hg:i7:1", "sasha")
    bench.later(10)
    facts, _ = bench.read()

    assert [
        (FactKind.ACKNOWLEDGED, "mika", "", NOON + timedelta(seconds=60)),
        (FactKind.NOTED, "mika", "rolled back", NOON + timedelta(seconds=120)),
        (FactKind.RESOLVED, "sasha", "", NOON + timedelta(seconds=120)),
    ] == [(fact.kind, fact.actor, fact.text, fact.at) for fact in facts]
    assert {"hg:i7:1"} == {fact.key for fact in facts}


def test_our_own_resolve_is_no_fact(bench: Bench) -> None:
    """What the integration did is not a person's act."""
    bench.pager.deliver(delivery("page"))
    bench.pager.deliver(delivery("page", "close"))
    bench.later(60)

    assert [] == bench.read()[0]


def test_an_act_comes_again_under_the_same_id_and_is_never_missed(bench: Bench) -> None:
    """Windows overlap: what became visible late is seen, what was seen before has the id that it had."""
    bench.pager.deliver(delivery("page"))
    bench.later(60)
    bench.vendor.acknowledge("hg:i7:1", "mika")
    early, cursor = bench.read()  # not visible yet, though the window has passed it
    bench.later(30)
    first, cursor = bench.read(cursor)
    bench.later(30)
    second, _ = bench.read(cursor)

    assert ([], 1) == (early, len(first))
    assert first == second


def test_a_long_log_is_read_page_by_page(bench: Bench) -> None:
    """More than a page of entries: every one comes, once a scan, while new ones arrive."""
    bench.pager.deliver(delivery("page"))
    for number in range(250):
        bench.vendor.annotate("hg:i7:1", "mika", f"note {number}")
    bench.later(10)
    got = bench.feed.poll(None, bench.clock.now())
    bench.vendor.annotate("hg:i7:1", "mika", "late")
    bench.later(10)
    rest, cursor = bench.read(got.next)
    after, _ = bench.read(cursor)

    assert (100, True, 250) == (len(got.facts), got.more, len({fact.id for fact in (*got.facts, *rest)}))
    assert "late" in {fact.text for fact in after}


def test_a_log_deeper_than_the_vendor_pages_is_read_by_its_dates(bench: Bench) -> None:
    """At the depth limit the window is cut where the last page ended, and nothing between is missed."""
    bench.pager.deliver(delivery("page"))
    for number in range(10_050):
        bench.clock.advance(timedelta(seconds=1 if number % 50 == 0 else 0))
        bench.vendor.annotate("hg:i7:1", "mika", str(number))
    bench.later(10)
    now = bench.clock.now().isoformat()
    scan = {"from": NOON.isoformat(), "until": now, "end": now, "offset": 9_900}
    facts, cursor = bench.read(scan)

    assert {str(number) for number in range(150)} == {fact.text for fact in facts}
    assert {"since": now} == cursor


def test_an_entry_that_cannot_be_read_stops_no_other(bench: Bench) -> None:
    """Missing and odd fields are passed over; what is no list of entries is a failure."""
    agent = {"type": "user_reference", "summary": "mika"}
    good = {"id": "R1", "type": "acknowledge_log_entry", "created_at": "2026-03-02T12:00:00Z", "agent": agent}
    good |= {"incident": {"incident_key": "hg:i7:1"}}
    odd: list[dict[str, Any]] = [{}, {**good, "created_at": 5}, {**good, "created_at": "x"}, {**good, "agent": "mika"}]
    odd += [{**good, "incident": None}, {**good, "id": None}, {**good, "created_at": "2026-03-02T12:00:00"}]
    bench.vendor.method = "GET"
    bench.vendor.answer = Response(200, {"log_entries": [*odd, good], "more": False})
    facts, _ = bench.read()
    bench.vendor.answer = Response(200, {"log_entries": {"id": 1}})

    assert ["R1"] == [fact.id for fact in facts]
    assert "bad_answer" == failure_of(lambda: bench.feed.poll(None, NOON)).reason


def test_a_probe_asks_both_doors(bench: Bench) -> None:
    """It pages nobody."""
    bench.pager.probe()

    assert ([], ["/v2/enqueue", "/abilities"]) == (
        bench.vendor.pages,
        [path for _, _, path, _ in bench.vendor.received],
    )


def test_a_probe_names_the_key_that_is_refused(bench: Bench) -> None:
    """Which of the teams', or the token."""
    bench.vendor.revoked.add(ROUTING)
    keys = failure_of(bench.pager.probe)
    bench.vendor.revoked = {TOKEN}
    token = failure_of(bench.pager.probe)

    assert (Permanent, Permanent, "auth") == (type(keys), type(token), token.reason)
    assert "routing_keys.default" in keys.message


@pytest.mark.parametrize("secret", [ROUTING, TOKEN])
def test_no_failure_and_no_log_shows_a_secret(bench: Bench, caplog: pytest.LogCaptureFixture, secret: str) -> None:
    """Even if the vendor's answer does, and with every library at its most talkative."""
    caplog.set_level(logging.DEBUG)
    told = told_of(bench.vendor, lambda: bench.pager.deliver(delivery("page")), secret)
    bench.vendor.method = "GET"
    told += told_of(bench.vendor, lambda: bench.feed.poll(None, NOON), secret)
    bench.vendor.faults.add("", "truncated")
    told += repr(failure_of(lambda: bench.pager.deliver(delivery("page"))))

    assert (False, False) == (secret in told, secret in caplog.text)
    assert secret not in f"{bench.settings!r} {bench.settings.model_dump()}"


def test_settings_need_a_default_key_and_an_address() -> None:
    """Both are said at once, in words."""
    with pytest.raises(ValidationError) as caught:
        ActionSettings.model_validate({"routing_keys": {"payments": TEAM}, "events_url": "events.pagerduty.com"})

    assert [
        "must have an entry `default`, for teams without a key of their own",
        "must begin with https:// or http://",
    ] == [str(error["msg"]).removeprefix("Value error, ") for error in caught.value.errors()]


def test_what_it_is() -> None:
    """A pager that can be asked, and the feed of what came back."""
    settings = ActionSettings.model_validate({"routing_keys": {"default": ROUTING}, "api_token": TOKEN})

    assert (True, True, True) == (
        isinstance(action(settings), Pager),
        isinstance(action(settings), Findable),
        isinstance(feed(settings), Acknowledgements),
    )


def test_who_is_on_call_is_read_page_after_page(bench: Bench) -> None:
    """The first to be paged first; one who is twice on a rota is named once."""
    people = [f"user{number:03}" for number in range(150)]
    bench.vendor.shifts = [Shift(user, "PDEVOPS", level=2) for user in people] + [
        Shift("asha", "PDEVOPS", until=NOON + timedelta(hours=1)),
        Shift("asha", "PDEVOPS", until=NOON + timedelta(hours=1)),
    ]
    assert isinstance(bench.pager, OnCall)
    found = bench.pager.on_call(NOON)

    assert (151, ("asha", "PASHA", "PDEVOPS", 1, NOON + timedelta(hours=1))) == (
        len(found), (found[0].person, found[0].user, found[0].policy, found[0].level, found[0].until),
    )  # fmt: skip


def test_only_the_policies_that_are_named_are_asked_for() -> None:
    for bench in started(Bench(on_call_of=["PWEB"])):
        bench.vendor.shifts = [Shift("asha", "PDEVOPS"), Shift("lena", "PWEB")]
        assert isinstance(bench.pager, OnCall)
        assert ["lena"] == [shift.person for shift in bench.pager.on_call(NOON)]


def test_without_a_rest_token_nobody_is_known_to_be_on_call(tokenless: Bench) -> None:
    assert not isinstance(tokenless.pager, OnCall)
