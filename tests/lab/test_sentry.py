"""Sentry, simulated: its search, its pages, its limits, and what it shows late; by requests, over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from lab.sentry import Sentry
from lab.server import Server
from lab.source import Limit

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
AT_ONCE = timedelta(0)


class Lab:
    def __init__(self) -> None:
        self.now = NOON
        self.sentry = Sentry(lambda: self.now)
        self.url = ""
        self.session = requests.Session()
        self.session.headers["Authorization"] = "Bearer sham"

    def get(self, path: str = "issues/", **query: Any) -> requests.Response:
        return self.session.get(f"{self.url}/api/0/organizations/acme/{path}", params=query, timeout=5)

    def ids(self, **query: Any) -> list[str]:
        answer = self.get(**query)
        assert 200 == answer.status_code, answer.text
        return [row["id"] for row in answer.json()]

    def pages(self, **query: Any) -> Iterator[list[str]]:
        """As a client reads them: by the cursor of `next`, until its results are false."""
        following: dict[str, str] = {"results": "true", "cursor": ""}
        while following["results"] == "true":
            answer = self.get(**{**query, "cursor": following["cursor"] or None})
            yield [row["id"] for row in answer.json()]
            following = answer.links["next"]


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab()
    with Server(lab.sentry) as server, lab.session:
        lab.url = server.url
        yield lab


def ago(minutes: float) -> datetime:
    return NOON - timedelta(minutes=minutes)


def test_an_issue_is_as_the_vendor_gives_it(lab: Lab) -> None:
    """Counts are texts, users are numbers, times end in Z, the project is an object, fields may be said by name."""
    lab.sentry.issue("11", "TypeError: no tea", "shop", "fatal", 3, at=ago(1), userCount=2, culprit="pay")

    row = lab.get().json()[0]

    assert ("11", "SHOP-1", "TypeError: no tea", "fatal") == (row["id"], row["shortId"], row["title"], row["level"])
    assert ("3", 2, "pay") == (row["count"], row["userCount"], row["culprit"])
    assert ("unresolved", "new", "high") == (row["status"], row["substatus"], row["priority"])
    assert ["2026-03-02T11:59:00Z"] * 2 == [row["firstSeen"], row["lastSeen"]]
    assert "shop" == row["project"]["slug"]
    assert {"24h": []} == row["stats"]
    assert "stats" not in lab.get(collapse="stats").json()[0]


def test_it_shows_only_after_the_delay(lab: Lab) -> None:
    """What happened is searched for in vain until then, the vendor says when it shows, and `sent` has it at once."""
    lab.sentry.issue("11")
    lab.sentry.issue("12", late=timedelta(minutes=2))

    assert [] == lab.ids()
    assert NOON + timedelta(seconds=3) == lab.sentry.next_at()
    lab.now = NOON + timedelta(seconds=3)
    assert ["11"] == lab.ids()
    assert NOON + timedelta(minutes=2) == lab.sentry.next_at()
    assert 404 == lab.get("issues/12/").status_code
    lab.now = NOON + timedelta(minutes=2)
    assert ["12", "11"] == lab.ids()
    assert lab.sentry.next_at() is None
    sent = [(one.id, one.at, one.visible_at, one.source) for one in lab.sentry.sent]
    assert ("12", NOON, NOON + timedelta(minutes=2), "sentry") == sent[1]


def test_a_change_shows_late_too(lab: Lab) -> None:
    """Until then the issue is as it was."""
    lab.sentry.issue("11", count=2, at=ago(5))
    lab.sentry.issue("11", count=3)

    assert "2" == lab.get("issues/11/").json()["count"]
    lab.now += timedelta(seconds=3)
    row = lab.get("issues/11/").json()
    assert ("5", "2026-03-02T11:55:00Z", "2026-03-02T12:00:00Z") == (row["count"], row["firstSeen"], row["lastSeen"])


def test_an_issues_life(lab: Lab) -> None:
    """Resolved it leaves the default search; an event then is a regression; archived it is ignored; deleted, gone."""
    told = []

    def look() -> None:
        row = lab.get("issues/11/").json()
        told.append((row["status"], row["substatus"], bool(lab.ids())))

    lab.sentry.issue("11", late=AT_ONCE)
    lab.sentry.resolve("11", late=AT_ONCE)
    look()
    lab.sentry.issue("11", late=AT_ONCE)
    look()
    lab.sentry.archive("11", late=AT_ONCE)
    look()
    lab.sentry.unresolve("11", late=AT_ONCE)
    look()
    lab.sentry.regress("11", late=AT_ONCE)
    look()
    lab.sentry.delete("11", late=AT_ONCE)

    assert [
        ("resolved", None, False),
        ("unresolved", "regressed", True),
        ("ignored", "archived_until_escalating", False),
        ("unresolved", "ongoing", True),
        ("unresolved", "regressed", True),
    ] == told
    assert 404 == lab.get("issues/11/").status_code


def test_a_merged_issue_is_counted_for_the_other(lab: Lab) -> None:
    """And is not there any more."""
    lab.sentry.delay = AT_ONCE
    lab.sentry.issue("11", count=2)
    lab.sentry.issue("12", count=5)
    lab.sentry.merge("11", "12")

    assert [("12", "7")] == [(row["id"], row["count"]) for row in lab.get().json()]


def test_a_story_that_speaks_of_no_issue_is_told(lab: Lab) -> None:
    """A slip in a story does not pass in silence."""
    with pytest.raises(ValueError, match="no issue '99'"):
        lab.sentry.resolve("99")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["11", "12", "13"]),
        ("is:unresolved", ["11", "13"]),
        ("!is:unresolved", ["12"]),
        ("is:resolved", ["12"]),
        ("level:[fatal,warning]", ["11", "12"]),
        ("!level:fatal", ["12", "13"]),
        ("tea", ["11"]),
        ("lastSeen:>=2026-03-02T11:50:00Z", ["11", "12"]),
        ("lastSeen:>2026-03-02T11:50:00Z lastSeen:<2026-03-02T12:00:00", ["11"]),
        ("lastSeen:-7m", ["11"]),
        ("firstSeen:+15m", ["13"]),
        ("times_seen:>1", ["12"]),
        ("project:web is:unresolved", ["13"]),
        ("issue:SHOP-1", ["11"]),
        ("browser:fire*", ["13"]),
        ('"out of milk"', ["12"]),
    ],
)
def test_the_query(lab: Lab, query: str, expected: list[str]) -> None:
    """All terms must be met; each in Sentry's sense."""
    lab.sentry.issue("11", "no tea", level="fatal", at=ago(5))
    lab.sentry.issue("12", "out of milk", level="warning", count=2, at=ago(10))
    lab.sentry.resolve("12", at=ago(9))
    lab.sentry.issue("13", "late", "web", at=ago(20), tags={"browser": "Firefox"})

    assert expected == lab.ids(query=query)


def test_without_a_query_only_the_unresolved_are_found(lab: Lab) -> None:
    """The vendor's default; an empty query means all."""
    lab.sentry.issue("11", at=ago(5))
    lab.sentry.resolve("11", at=ago(4))

    assert [] == lab.ids()
    assert ["11"] == lab.ids(query="")


def test_projects_environments_and_periods(lab: Lab) -> None:
    """They narrow what is found; `statsPeriod` beats `start` and `end`."""
    lab.sentry.issue("11", project="shop", at=ago(5))
    lab.sentry.issue("12", project="web", environment="staging", at=ago(90))

    assert ["12"] == lab.ids(project="web")
    assert ["11", "12"] == lab.ids(project=["shop", "web"])
    assert ["11"] == lab.ids(project=lab.sentry.project("shop")["id"])
    assert ["12"] == lab.ids(environment="staging")
    assert ["11"] == lab.ids(statsPeriod="1h", start="2026-03-02T10:00:00", end="2026-03-02T11:00:00")
    assert ["12"] == lab.ids(start="2026-03-02T10:00:00", end="2026-03-02T11:00:00")


def test_pages_end_when_results_are_false(lab: Lab) -> None:
    """Both rels are always there, a full last page has no page after it, and one can go back."""
    for number in range(5):
        lab.sentry.issue(str(number), at=ago(1 + number // 2))

    assert [["1", "0"], ["3", "2"], ["4"]] == list(lab.pages(limit=2))
    first = lab.get(limit=2)
    assert ("false", "true") == (first.links["previous"]["results"], first.links["next"]["results"])
    second = lab.session.get(first.links["next"]["url"], timeout=5)
    assert "true" == second.links["previous"]["results"]
    assert ["1", "0"] == lab.ids(limit=2, cursor=second.links["previous"]["cursor"])


def test_a_page_holds_a_hundred_at_most(lab: Lab) -> None:
    """Whatever the client asks for."""
    for number in range(101):
        lab.sentry.issue(str(number), at=ago(number + 1))

    assert [100, 1] == [len(page) for page in lab.pages(limit=500)]


def test_an_issue_that_happens_again_is_missed_while_one_pages(lab: Lab) -> None:
    """The sort key moves: the issue is on a page that was read already."""
    lab.sentry.delay = AT_ONCE
    for number in range(4):
        lab.sentry.issue(str(number), at=ago(number + 1))
    pages = lab.pages(limit=2)

    assert ["0", "1"] == next(pages)
    lab.sentry.issue("3")
    assert [["2"]] == list(pages)


def test_pages_may_be_thin(lab: Lab) -> None:
    """A page before the last may be short, or empty."""
    lab.sentry.thin_pages = True
    for number in range(4):
        lab.sentry.issue(str(number), level="fatal" if number == 3 else "error", at=ago(number + 1))

    assert [[], ["3"]] == list(lab.pages(limit=2, query="level:fatal"))


@pytest.mark.parametrize(
    ("sort", "expected"), [("date", ["3", "2", "1"]), ("new", ["3", "1", "2"]), ("freq", ["2", "1", "3"])]
)
def test_the_sorts(lab: Lab, sort: str, expected: list[str]) -> None:
    """By last event, by first event, by count."""
    lab.sentry.issue("1", count=5, at=ago(20))
    lab.sentry.issue("2", count=8, at=ago(30))
    lab.sentry.issue("2", at=ago(10))
    lab.sentry.issue("3", at=ago(5))

    assert expected == lab.ids(sort=sort)


@pytest.mark.parametrize(
    "query",
    [
        {"sort": "colour"},
        {"cursor": "x"},
        {"cursor": "1:2"},
        {"limit": "ten"},
        {"limit": "-1"},
        {"start": "2026-03-02T10:00:00"},
        {"statsPeriod": "long"},
        {"query": "lastSeen:>yesterday"},
        {"query": "times_seen:>many"},
    ],
)
def test_what_cannot_be_read_is_a_400(lab: Lab, query: dict[str, str]) -> None:
    """With the reason as `detail`."""
    lab.sentry.issue("11", at=ago(1))
    answer = lab.get(**query)

    assert (400, ["detail"]) == (answer.status_code, list(answer.json()))


def test_credentials(lab: Lab) -> None:
    """None and a wrong one are a 401, a missing scope and a strange project a 403, a strange organisation a 404."""
    lab.sentry.token = "right"
    assert (401, {"detail": "Invalid token"}) == (lab.get().status_code, lab.get().json())
    lab.session.headers["Authorization"] = "Bearer right"
    assert 200 == lab.get().status_code
    assert 403 == lab.get(project="nowhere").status_code
    lab.sentry.organization = "other"
    assert (404, {"detail": "The requested resource does not exist"}) == (lab.get().status_code, lab.get().json())
    lab.sentry.organization, lab.sentry.scopes = "acme", {"org:read"}
    assert 403 == lab.get().status_code
    assert 200 == lab.get("projects/").status_code
    del lab.session.headers["Authorization"]
    assert "Authentication credentials were not provided." == lab.get().json()["detail"]


def test_the_rate_limit(lab: Lab) -> None:
    """Each answer tells it; what goes over it is a 429 until the window ends, which is told in epoch seconds."""
    lab.sentry.limit = Limit(2, timedelta(seconds=1))

    answers = [lab.get() for _ in range(3)]
    assert [200, 200, 429] == [answer.status_code for answer in answers]
    assert ["1", "0", "0"] == [answer.headers["X-Sentry-Rate-Limit-Remaining"] for answer in answers]
    assert str(int(NOON.timestamp()) + 1) == answers[2].headers["X-Sentry-Rate-Limit-Reset"]
    assert "Limit is 2 requests in 1 seconds" in answers[2].json()["detail"]
    lab.now += timedelta(seconds=1)
    assert 200 == lab.get().status_code


def test_a_fault_answers_in_sentrys_shape(lab: Lab) -> None:
    """With the headers that the vendor would give."""
    lab.sentry.faults.add("issues", "429", times=1)
    answer = lab.get()

    assert (429, "0") == (answer.status_code, answer.headers["X-Sentry-Rate-Limit-Remaining"])
    assert ["detail"] == list(answer.json())


def test_projects_are_listed(lab: Lab) -> None:
    """For whoever wants to know what the token sees."""
    lab.sentry.project("web")
    lab.sentry.issue("1", project="shop")

    assert ["web", "shop"] == [row["slug"] for row in lab.get("projects/").json()]


def test_an_issues_link_leads_to_a_page(lab: Lab) -> None:
    """Which needs no token, and shows the issue and what was asked."""
    lab.sentry.issue("11", "TypeError: <b>", at=ago(1))
    link = lab.get().json()[0]["permalink"]

    page = requests.get(link, timeout=5).text
    assert "TypeError: &lt;b&gt;" in page
    assert "/api/0/organizations/acme/issues/" in page


def test_a_monitor_shows_the_state_of_each_environment(lab: Lab) -> None:
    """It fails at its threshold; a missed check-in does not move the last one; the newest check-in comes first."""
    lab.sentry.check_in("nightly", "ok", at=ago(20), threshold=2)
    lab.sentry.check_in("nightly", "error", at=ago(15))
    (before,) = lab.get("monitors/").json()
    lab.sentry.check_in("nightly", "missed", at=ago(10))
    (after,) = lab.get("monitors/").json()

    (first,), (then,) = before["environments"], after["environments"]
    assert ("ok", None) == (first["status"], first["activeIncident"])
    assert ("error", "2026-03-02T11:45:00Z") == (then["status"], then["activeIncident"]["startingTimestamp"])
    assert "2026-03-02T11:45:00Z" == first["lastCheckIn"] == then["lastCheckIn"]
    assert ["missed", "error", "ok"] == [row["status"] for row in lab.get("monitors/nightly/checkins/").json()]
    assert 404 == lab.get("monitors/weekly/checkins/").status_code


def test_monitors_come_by_name_or_those_that_fail_first(lab: Lab) -> None:
    """The vendor's own order moves with what happens."""
    lab.sentry.check_in("b", "error", late=AT_ONCE)
    lab.sentry.check_in("a", "ok", late=AT_ONCE)

    assert ["b", "a"] == [row["slug"] for row in lab.get("monitors/").json()]
    assert ["a", "b"] == [row["slug"] for row in lab.get("monitors/", sort="name").json()]


def test_one_issue_shows_the_releases_that_the_list_does_not(lab: Lab) -> None:
    """The first and the last that reported it."""
    lab.sentry.issue("11", release="shop@1", late=AT_ONCE)
    lab.sentry.issue("11", release="shop@2", late=AT_ONCE)
    row = lab.get("issues/11/").json()

    assert ("shop@1", "shop@2") == (row["firstRelease"]["version"], row["lastRelease"]["version"])
    assert "lastRelease" not in lab.get().json()[0]
