"""The pages that people read, over a real socket."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from daemon.store import silences, windows
from daemon.store.windows import Judgement
from tests.portal.conftest import Browser, Office

SCRIPT = "<script>alert(1)</script>"
WICKED = "javascript:alert(1)"


def in_order(page: str, *words: str) -> list[str]:
    return sorted(words, key=page.index)


def test_with_no_ticket_the_front_page_says_so(browser: Browser) -> None:
    page = browser.read("/")

    assert "Nothing is owed" in page
    assert "<table" not in page


def test_with_no_incident_their_page_says_so(browser: Browser) -> None:
    assert "All is quiet" in browser.read("/incidents")


def test_the_front_page_shows_what_an_operator_should_know(browser: Browser) -> None:
    assert "the action &#39;defect&#39; is off" in browser.read("/")


def test_a_ticket_stands_in_the_list_with_its_clocks(office: Office, browser: Browser) -> None:
    number = office.ticket("Checkout is down", 1)

    page = browser.read("/")

    assert f'<a href="/tickets/{number}">Checkout is down</a>' in page
    assert "15 min left" in page
    assert "09:15 UTC" in page
    assert "<dt>Open tickets</dt><dd>1</dd>" in page


def test_open_tickets_come_first_and_the_most_urgent_on_top(office: Office, browser: Browser) -> None:
    office.resolve(office.ticket("Mended", 1))
    office.ticket("Minor", 4)
    office.ticket("Urgent", 1)
    office.ticket("Middling", 2)

    page = browser.read("/")

    assert [">Urgent<", ">Middling<", ">Minor<", ">Mended<"] == in_order(
        page, ">Mended<", ">Minor<", ">Urgent<", ">Middling<"
    )


def test_a_missed_clock_is_told_in_words(office: Office, browser: Browser) -> None:
    """Never in colour alone."""
    office.ticket()
    office.clock.advance(timedelta(minutes=20))

    page = browser.read("/")

    assert "missed, still owed, by 5 min" in page
    assert "<dt>Clocks missed</dt><dd>1</dd>" in page


def test_a_source_that_fails_says_since_when_and_why(office: Office, browser: Browser) -> None:
    office.source_fails("sentry-shop", "unauthorized")

    page = browser.read("/")

    assert "failing since" in page
    assert "unauthorized, 1 in a row" in page


def test_a_tickets_page_tells_what_happened_in_order(office: Office, browser: Browser) -> None:
    number = office.ticket()
    office.clock.advance(timedelta(minutes=5))
    office.reply(number, "We are on it.")
    office.clock.advance(timedelta(minutes=5))
    office.resolve(number)

    page = browser.read(f"/tickets/{number}")

    assert ["opened it", "We are on it.", "It is mended."] == in_order(
        page, "It is mended.", "We are on it.", "opened it"
    )
    assert "met after 5 min" in page


def test_what_is_among_ourselves_is_marked(office: Office, browser: Browser) -> None:
    number = office.ticket()
    office.reply(number, "For the client.")
    assert "internal note" not in browser.read(f"/tickets/{number}")

    office.reply(number, "For us.", public=False)
    assert "internal note" in browser.read(f"/tickets/{number}")


def test_a_defect_is_linked_and_says_when_it_is_due(office: Office, browser: Browser) -> None:
    office.defect(office.incident(), "https://jira.example/OPS-1", due="2026-03-03T12:36:40Z")

    page = browser.read("/tickets/1")

    assert "filed defect OPS-1, due Tue 3 Mar 12:36 UTC" in page
    assert '<a href="https://jira.example/OPS-1" rel="noreferrer">' in page


def test_a_delivery_shows_its_receipt(office: Office, browser: Browser) -> None:
    number = office.ticket()
    office.delivered("done", receipt={"id": "Q1", "url": "https://pages.example/Q1", "state": "accepted"})

    assert '<a href="https://pages.example/Q1" rel="noreferrer">Q1</a>' in browser.read(f"/tickets/{number}")


def test_a_delivery_that_was_given_up_says_why(office: Office, browser: Browser) -> None:
    number = office.ticket()
    office.delivered("dead", reason="bad_request")

    assert "bad_request" in browser.read(f"/tickets/{number}")
    assert "<dt>Given up sending</dt><dd>1</dd>" in browser.read("/")


def test_an_incident_stands_in_the_list_with_the_count_of_its_evidence(office: Office, browser: Browser) -> None:
    id = office.incident("Checkout is down")

    page = browser.read("/incidents")

    assert f'<a href="/incidents/{id}">Checkout is down</a>' in page
    assert '1<span class="label"> signal</span>' in page


def test_an_incidents_page_shows_its_runbook_and_evidence(office: Office, browser: Browser) -> None:
    id = office.incident("Down", url="https://sentry.example/1", runbook="1. Look.\n2. Mend.", group={"release": "r7"})

    page = browser.read(f"/incidents/{id}")

    assert "1. Look.\n2. Mend." in page
    assert '<a href="https://sentry.example/1" rel="noreferrer">' in page
    assert "<dt>release</dt><dd>r7</dd>" in page
    assert "&#34;title&#34;: &#34;Down&#34;" in page


def test_the_incidents_page_lists_what_is_silenced(office: Office, browser: Browser) -> None:
    """With its owner, its reason and its end; what an owner writes is text."""
    now = office.store.now()
    with office.store.write() as connection:
        silences.add(connection, {"rule": ["sentry/*"]}, "asha", SCRIPT, now, now + timedelta(hours=2), now)

    page = browser.read("/incidents")
    assert "rule sentry/*" in page
    assert "<td>asha</td>" in page
    assert SCRIPT not in page


def test_an_incidents_page_tells_what_rules_did(office: Office, browser: Browser) -> None:
    """The newest first, in words."""
    id = office.incident("Down")
    now = office.store.now()
    few = Judgement(None, "test/rule", "test/Down", "below", None, {"count": 2, "of": 3}, now)
    with office.store.write() as connection:
        windows.judge(connection, [few, replace(few, outcome="opened", detail={"count": 3})])

    page = browser.read(f"/incidents/{id}")
    assert -1 < page.find("opened it, with 3") < page.find("not enough, with 2 where 3 are needed")


@pytest.fixture
def paths(office: Office) -> list[str]:
    """Every kind of page, full of what an attacker wrote."""
    id = office.incident(SCRIPT, url=WICKED, runbook=SCRIPT, location=SCRIPT, group={SCRIPT: SCRIPT})
    office.defect(id, WICKED)
    office.reply(1, SCRIPT)
    office.delivered("dead", receipt={"id": SCRIPT, "url": WICKED, "state": "accepted"}, reason=SCRIPT)
    office.source_fails("sentry-shop", SCRIPT)
    return ["/", "/?refresh=off", "/incidents", "/tickets/1", f"/incidents/{id}"]


def test_what_an_attacker_writes_is_text_and_his_addresses_are_no_links(browser: Browser, paths: list[str]) -> None:
    for path in paths:
        page = browser.read(path)
        assert "&lt;script&gt;" in page, path
        assert "<script" not in page, path
        assert not re.search(r"""href=["']?\s*javascript:""", page), path


def test_no_page_has_a_style_or_script_of_its_own(browser: Browser, paths: list[str]) -> None:
    """The policy would keep a browser from using it."""
    for path in [*paths, "/nowhere"]:
        assert not re.search(r"<style|<script|<[^>]+\s(style|on\w+)=", browser.get(path).text), path


def test_every_answer_tells_the_browser_to_run_nothing(browser: Browser, paths: list[str]) -> None:
    for path in [*paths, "/nowhere", "/portal.css", "/logo.svg"]:
        headers = browser.get(path).headers
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'"), path
        assert "nosniff" == headers["X-Content-Type-Options"]


def test_every_page_names_its_language_its_heading_and_a_way_past_the_menu(browser: Browser, paths: list[str]) -> None:
    for path in [*paths, "/nowhere"]:
        page = browser.get(path).text
        assert '<html lang="en">' in page, path
        assert 1 == page.count("<h1"), path
        assert '<a class="skip" href="#main">' in page, path
        assert page.count("<table") == page.count("<caption"), path


@pytest.mark.parametrize("path", ["/tickets/99", "/incidents/none", "/nowhere", "/tickets/x", "/tickets/99999999"])
def test_what_is_not_there_is_said_in_words(browser: Browser, path: str) -> None:
    answer = browser.get(path)

    assert 404 == answer.status_code
    assert "There is nothing here" in answer.text


@pytest.mark.parametrize("path", ["/", "/incidents"])
def test_a_list_renews_itself_until_the_reader_stops_it(browser: Browser, path: str) -> None:
    assert '<meta http-equiv="refresh" content="5">' in browser.read(path)
    assert '<a href="?refresh=off">' in browser.read(path)
    assert "http-equiv" not in browser.read(f"{path}?refresh=off")


@pytest.mark.parametrize(("path", "kind"), [("/portal.css", "text/css; charset=utf-8"), ("/logo.svg", "image/svg+xml")])
def test_style_and_logo_are_served(browser: Browser, path: str, kind: str) -> None:
    answer = browser.get(path)

    assert (200, kind) == (answer.status_code, answer.headers["Content-Type"])


def test_the_figures_are_not_on_the_portals_port(browser: Browser) -> None:
    """Clients reach it, and every client's name is in them."""
    assert [404, 404] == [browser.get(path).status_code for path in ("/metrics", "/healthz")]
