"""PagerDuty, simulated: the semantics that our own promises lean on, over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from lab.pagerduty import EVENTS_A_MINUTE, LARGEST_EVENT, PagerDuty
from lab.server import Server

ROUTING = "r" * 32
ASK = {"Authorization": "Token token=sham-token"}


class Lab:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 12, tzinfo=UTC)
        self.pagerduty = PagerDuty(lambda: self.now)
        self.url = ""

    def later(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    def event(self, action: str, key: str | None = "k", **changes: Any) -> requests.Response:
        payload = {"summary": "It broke", "source": "lab", "severity": "critical"}
        event = {"routing_key": ROUTING, "event_action": action, "dedup_key": key, "payload": payload, **changes}
        return requests.post(f"{self.url}/v2/enqueue", json=event, timeout=5)

    def ask(self, path: str, **query: Any) -> Any:
        return requests.get(f"{self.url}{path}", params=query, headers=ASK, timeout=5).json()

    def log(self, **query: Any) -> list[tuple[str, str]]:
        entries = self.ask("/log_entries", **query)["log_entries"]
        return [(entry["type"], entry["agent"]["summary"]) for entry in entries]


@pytest.fixture
def lab() -> Iterator[Lab]:
    made = Lab()
    with Server(made.pagerduty) as server:
        made.url = server.url
        yield made


def test_a_key_pages_once_while_its_incident_is_open(lab: Lab) -> None:
    """The second trigger of a key joins the open incident: 202 both times, one page."""
    answers = [lab.event("trigger") for _ in range(2)]

    assert [(202, "k")] * 2 == [(answer.status_code, answer.json()["dedup_key"]) for answer in answers]
    assert [("k", 2)] == [(page.dedup_key, page.triggers) for page in lab.pagerduty.pages]


def test_a_trigger_after_a_resolve_pages_again(lab: Lab) -> None:
    """A key is free again once its incident is resolved: a late repeat wakes people a second time."""
    for action in ("trigger", "resolve", "trigger"):
        lab.event(action)

    assert ["resolved", "triggered"] == [page.status for page in lab.pagerduty.pages]


def test_what_speaks_of_nothing_open_is_dropped_with_a_202(lab: Lab) -> None:
    """Acknowledging or resolving an unknown key, or through another service's key, changes nothing."""
    lab.event("trigger")
    answers = [lab.event("resolve", "other"), lab.event("acknowledge", routing_key="s" * 32)]

    assert [202, 202] == [answer.status_code for answer in answers]
    assert ["triggered"] == [page.status for page in lab.pagerduty.pages]


@pytest.mark.parametrize(
    "wrong",
    [
        {"routing_key": "short"},
        {"event_action": "fire"},
        {"dedup_key": "k" * 256},
        {"payload": {"summary": "s" * 1025, "source": "lab", "severity": "error"}},
        {"payload": {"summary": "s", "source": "lab", "severity": "urgent"}},
        {"payload": None},
    ],
)
def test_an_event_that_is_not_one_is_refused(lab: Lab, wrong: dict[str, Any]) -> None:
    """Lengths and words are checked, and the 400 says what is wrong."""
    answer = lab.event("trigger", **wrong)

    assert (400, "invalid event", 1) == (answer.status_code, answer.json()["status"], len(answer.json()["errors"]))
    assert [] == lab.pagerduty.pages


def test_too_large_and_too_many_are_refused(lab: Lab) -> None:
    """413 over 512 KB; 429 beyond the events that a key may send in a minute."""
    assert 413 == lab.event("trigger", padding="x" * LARGEST_EVENT).status_code
    answers = [lab.event("trigger").status_code for _ in range(EVENTS_A_MINUTE + 1)]

    assert [202] * EVENTS_A_MINUTE + [429] == answers


def test_an_outage_may_take_an_event_and_page_nobody(lab: Lab) -> None:
    """202 is no proof that anybody was paged."""
    lab.pagerduty.drops = True

    assert (202, []) == (lab.event("trigger").status_code, lab.pagerduty.pages)


def test_rest_shows_an_incident_after_a_while(lab: Lab) -> None:
    """Just after the event nothing is found; then the incident, by its key."""
    lab.event("trigger")
    early = lab.ask("/incidents", incident_key="k")["incidents"]
    lab.later(5)
    found = lab.ask("/incidents", incident_key="k")["incidents"]

    assert ([], [("k", "triggered")]) == (early, [(one["incident_key"], one["status"]) for one in found])
    assert [] == lab.ask("/incidents", incident_key="other")["incidents"]
    assert found[0] == lab.ask(f"/incidents/{found[0]['id']}")["incident"]
    assert 2100 == lab.ask("/incidents/Q999999")["error"]["code"]


def test_the_log_says_what_people_did_newest_first(lab: Lab) -> None:
    """Each act of a person is an entry with that person as its agent; a window cuts it, and pages split it."""
    lab.event("trigger")
    lab.later(60)
    lab.pagerduty.acknowledge("k", "mika")
    lab.pagerduty.annotate("k", "mika", "looking")
    lab.later(60)
    lab.pagerduty.resolve("k", "mika")
    lab.later(10)
    acts = [("resolve_log_entry", "mika"), ("annotate_log_entry", "mika"), ("acknowledge_log_entry", "mika")]

    assert acts == lab.log()[:3]
    assert acts[1:] == lab.log(since="2026-03-02T12:00:30Z", until="2026-03-02T12:01:30Z")
    assert acts[1:2] == lab.log(offset=1, limit=1)
    assert 5 == len(lab.ask("/incidents/Q000001/log_entries")["log_entries"])
    assert 2001 == lab.ask("/log_entries", offset=9_990, limit=100)["error"]["code"]


def test_a_person_cannot_act_on_a_page_that_was_never_sent(lab: Lab) -> None:
    """The story is told that its key is wrong."""
    with pytest.raises(LookupError, match="no page has the key nothing"):
        lab.pagerduty.acknowledge("nothing", "mika")


def test_rest_wants_a_token(lab: Lab) -> None:
    """None, or a revoked one: 401 in the vendor's shape."""
    lab.pagerduty.revoked.add("sham-token")

    assert 401 == requests.get(f"{lab.url}/abilities", timeout=5).status_code
    assert 2006 == lab.ask("/abilities")["error"]["code"]


def test_its_page_shows_the_pages(lab: Lab) -> None:
    """A person sees the key, and who acknowledged."""
    lab.event("trigger", "hg:7:1")
    lab.pagerduty.acknowledge("hg:7:1", "mika")
    shown = requests.get(lab.url, timeout=5).text

    assert all(text in shown for text in ("hg:7:1", "acknowledged", "mika", "It broke"))
    assert ("acknowledged", "mika") == tuple(
        lab.pagerduty.pages[0].as_json()[name] for name in ("status", "acknowledged_by")
    )
