"""Jira, simulated: what it refuses, what its search hides, what its people do; over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from lab.jira import Jira
from lab.server import Server

WHO = ("bot@lab.example", "sham-token")
FIELDS: dict[str, Any] = {
    "project": {"key": "OPS"},
    "issuetype": {"name": "Bug"},
    "summary": "It broke",
    "labels": ["hg-1", "sev1"],
    "priority": {"name": "Highest"},
    "duedate": "2026-03-09",
}


class Lab:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 12, tzinfo=UTC)
        self.jira = Jira(lambda: self.now)
        self.url = ""

    def call(self, method: str, path: str, version: int = 2, **request: Any) -> requests.Response:
        return requests.request(method, f"{self.url}/rest/api/{version}/{path}", auth=WHO, timeout=5, **request)

    def create(self, version: int = 2, **changes: Any) -> requests.Response:
        return self.call("POST", "issue", version, json={"fields": {**FIELDS, **changes}})

    def search(self, label: str, path: str = "search/jql", **query: str) -> Any:
        jql = f'labels = "{label}" ORDER BY created ASC'
        return self.call("GET", path, params={"jql": jql, **query})


@pytest.fixture
def lab() -> Iterator[Lab]:
    made = Lab()
    with Server(made.jira) as server:
        made.url = server.url
        yield made


def test_creating_twice_makes_two(lab: Lab) -> None:
    """Nothing in a create is idempotent."""
    answers = [lab.create() for _ in range(2)]

    assert [(201, "OPS-1"), (201, "OPS-2")] == [(answer.status_code, answer.json()["key"]) for answer in answers]


def test_search_by_label_lags_behind(lab: Lab) -> None:
    """A new issue is found only once it is indexed, and shows its id alone unless fields are asked for."""
    lab.create()
    early = lab.search("hg-1").json()
    lab.now += timedelta(seconds=20)

    assert {"issues": [], "isLast": True} == early
    assert [{"id": "10001"}] == lab.search("hg-1").json()["issues"]
    assert [("OPS-1", "To Do")] == [
        (one["key"], one["fields"]["status"]["name"]) for one in lab.search("hg-1", fields="status").json()["issues"]
    ]
    assert [] == lab.search("hg-2").json()["issues"]


def test_the_old_search_is_gone_from_the_cloud_alone(lab: Lab) -> None:
    """410 on the cloud, whose server says what it is; an installation of one's own still has it."""
    lab.create()
    lab.now += timedelta(minutes=1)

    assert (410, "Cloud") == (lab.search("hg-1", "search").status_code, _deployment(lab))
    lab.jira.cloud = False
    assert (1, "Server") == (lab.search("hg-1", "search").json()["total"], _deployment(lab))


def _deployment(lab: Lab) -> str:
    return str(lab.call("GET", "serverInfo").json()["deploymentType"])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("customfield_1", "x"),
        ("summary", "two\nlines"),
        ("summary", ""),
        ("labels", ["with space"]),
        ("priority", {"name": "Now"}),
        ("priority", "High"),
        ("duedate", "2026-03-09T12:00"),
        ("description", {"type": "doc"}),
        ("project", {"key": "NO"}),
    ],
)
def test_a_field_that_will_not_do_is_named(lab: Lab, field: str, value: Any) -> None:
    """400, with the field as the key of `errors`."""
    answer = lab.create(**{field: value})

    assert (400, [field]) == (answer.status_code, list(answer.json()["errors"]))
    assert [] == lab.jira.defects


def test_a_project_may_take_or_ask_for_other_fields(lab: Lab) -> None:
    """What is not on the screen is refused, what is required and missing too."""
    lab.jira.screen.remove("duedate")
    lab.jira.required.add("components")

    assert ["components", "duedate"] == sorted(lab.create().json()["errors"])


def test_version_3_takes_documents(lab: Lab) -> None:
    """The same field is text in version 2 and a document in version 3."""
    document = {"type": "doc", "version": 1, "content": []}

    assert [400, 201] == [lab.create(3, description=text).status_code for text in ("text", document)]


def test_properties_are_set_with_the_issue_and_shown_when_asked_for(lab: Lab) -> None:
    """An edit sets fields, a comment and properties in one request."""
    told = [{"key": "heliograph", "value": {"sequence": 3}}]
    lab.call("POST", "issue", json={"fields": FIELDS, "properties": told})
    change = {"fields": {"duedate": "2026-03-05"}, "update": {"comment": [{"add": {"body": "sooner"}}]}}
    edited = lab.call("PUT", "issue/OPS-1", json=change)
    shown = lab.call("GET", "issue/OPS-1", params={"fields": "duedate", "properties": "heliograph"}).json()

    assert (204, {"duedate": "2026-03-05"}, {"heliograph": {"sequence": 3}}) == (
        edited.status_code,
        shown["fields"],
        shown["properties"],
    )
    assert ["sooner"] == lab.jira.defects[0].as_json()["comments"]


def test_people_move_close_and_comment(lab: Lab) -> None:
    """By key or by label; what is not there is a LookupError for the story."""
    lab.create()
    lab.jira.transition("OPS-1", "In Progress", "mika")
    moved = lab.jira.defects[0].status
    lab.jira.comment("hg-1", "mika", "on it")
    lab.jira.close("hg-1", "mika")
    shown = lab.jira.defects[0].as_json()

    assert ("In Progress", "Done", "mika", ["on it"]) == (
        moved,
        shown["status"],
        shown["closed_by"],
        shown["comments"],
    )
    for wrong in (("OPS-9", "Done"), ("OPS-1", "Gone")):
        with pytest.raises(LookupError):
            lab.jira.transition(*wrong, "mika")


def test_the_api_moves_by_transition_id(lab: Lab) -> None:
    """Only an id that the issue's transitions list is taken."""
    lab.create()
    offered = lab.call("GET", "issue/OPS-1/transitions").json()["transitions"]
    done = next(one["id"] for one in offered if one["name"] == "Done")
    answers = [lab.call("POST", "issue/OPS-1/transitions", json={"transition": {"id": move}}) for move in ("9", done)]

    assert ([400, 204], "Done") == ([answer.status_code for answer in answers], lab.jira.defects[0].status)


def test_it_wants_an_account(lab: Lab) -> None:
    """No header, or a revoked token: 401. The account can ask who it is and what it may create."""
    assert 401 == requests.get(f"{lab.url}/rest/api/2/myself", timeout=5).status_code
    assert "bot@lab.example" == lab.call("GET", "myself").json()["emailAddress"]
    types = lab.call("GET", "issue/createmeta/OPS/issuetypes").json()["issueTypes"]
    assert ["Bug", "Task"] == [one["name"] for one in types]
    lab.jira.revoked.add("sham-token")
    assert 401 == lab.call("GET", "myself").status_code


def test_its_page_shows_the_issues(lab: Lab) -> None:
    """A person sees key, summary, due date and labels."""
    lab.create()
    shown = requests.get(lab.url, timeout=5).text

    assert all(text in shown for text in ("OPS-1", "It broke", "2026-03-09", "hg-1"))
