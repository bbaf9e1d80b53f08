"""Jira: defects, against the lab over real sockets."""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from daemon.contract import Action, Findable
from daemon.errors import Ambiguous, Permanent, Temporary
from daemon.model import Delivery, Verb
from integrations.jira import ActionSettings, action
from lab.jira import Jira
from lab.server import Response, Server
from tests.integrations import actions
from tests.integrations.actions import UNUSABLE, Broken, failure_of, misread, told, told_of

TOKEN = "jira-token-that-nobody-may-see"
USER = "bot@heliograph.example"


class Vendor(Broken, Jira):
    pass


class Bench:
    """The lab, and what is under test."""

    def __init__(self, **settings: Any) -> None:
        self.clock = told()
        self.vendor = Vendor(self.clock.now)
        self.server = Server(self.vendor)
        given = {"url": self.server.url, "user": USER, "token": TOKEN, "project": "OPS", "deadline": 5, **settings}
        self.settings = ActionSettings.model_validate(given)
        self.tracker = action(self.settings)

    def later(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    def methods(self) -> list[str]:
        return [method for _, method, _, _ in self.vendor.received]


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


def delivery(verb: Verb = "open", sequence: int = 1, **body: Any) -> Delivery:
    return actions.delivery("defect", verb, "hg-i7", sequence, **body)


def test_a_defect_says_what_is_owed_by_when(bench: Bench) -> None:
    """Priority from severity, due date from the promise, the key as a label and a property, our page in the text."""
    receipt = bench.tracker.deliver(delivery())
    defect = bench.vendor.defects[0]

    assert ("OPS-1", f"{bench.server.url}/browse/OPS-1") == (receipt.id, receipt.url)
    assert ("Checkout fails", "Bug") == (defect.fields["summary"], defect.fields["issuetype"]["name"])
    assert ("Highest", "2026-03-04") == (defect.fields["priority"]["name"], defect.fields["duedate"])
    assert ["hg-i7", "availability", "heliograph", "sev1"] == defect.labels
    assert {"heliograph.open": {"key": "hg-i7", "incident": "i7", "sequence": 1}} == defect.properties
    assert "https://portal.example/incidents/i7" in defect.fields["description"]


def test_the_exact_deadline_goes_to_a_field_of_its_own() -> None:
    """Jira's due date is a day without a time; a field that has one may be named."""
    for bench in started(Bench(due_field="customfield_10042")):
        bench.vendor.screen.add("customfield_10042")
        bench.tracker.deliver(delivery())

        assert "2026-03-04T23:30:00.000+0000" == bench.vendor.defects[0].fields["customfield_10042"]


def test_the_same_defect_twice_is_one(bench: Bench) -> None:
    """As soon as search can see the first."""
    first = bench.tracker.deliver(delivery())
    bench.later(60)
    second = bench.tracker.deliver(delivery())

    assert (first.id, first.url, 1) == (second.id, second.url, len(bench.vendor.defects))


def test_a_defect_whose_answer_was_lost_is_found(bench: Bench) -> None:
    """Once the time to settle has passed, by its label: one issue."""
    bench.vendor.faults.add("POST .*/issue$", "lost", 1)
    failure = failure_of(lambda: bench.tracker.deliver(delivery()))
    early = bench.tracker.find(delivery())
    bench.clock.advance(bench.tracker.settle)
    found = bench.tracker.find(delivery())

    assert (Ambiguous, None) == (type(failure), early)
    assert found is not None
    assert ("OPS-1", "To Do", 1) == (found.id, found.state, len(bench.vendor.defects))


def test_it_waits_longer_than_search_lags(bench: Bench) -> None:
    """Ninety seconds unless said otherwise, where the sender reads it."""
    assert timedelta(seconds=90) == bench.tracker.settle
    assert bench.vendor.indexed_after < bench.tracker.settle


def test_a_defect_that_never_was_is_not_found(bench: Bench) -> None:
    """Then it may be filed."""
    assert None is bench.tracker.find(delivery())


def test_an_update_moves_the_date_and_says_why_once(bench: Bench) -> None:
    """The note and the sequence are one request, so a repeat sees what was done. No person's status is touched."""
    bench.tracker.deliver(delivery())
    bench.later(60)
    moved = delivery("update", 2, due="2026-03-03T10:00:00Z", note="Severity {raised} to 1")
    receipts = [bench.tracker.deliver(moved) for _ in range(2)]
    defect = bench.vendor.defects[0].as_json()

    assert ["OPS-1", "OPS-1"] == [receipt.id for receipt in receipts]
    assert ("2026-03-03", ["Severity \\{raised} to 1"], "To Do") == (
        defect["duedate"],
        defect["comments"],
        defect["status"],
    )


def test_a_close_writes_a_comment_and_leaves_the_issue_open(bench: Bench) -> None:
    """The trouble is over; whether the defect is fixed is for people to say."""
    bench.tracker.deliver(delivery())
    bench.later(60)
    bench.tracker.deliver(delivery("close", note="Recovered", due=None))
    defect = bench.vendor.defects[0].as_json()

    assert (["Recovered"], "To Do", "2026-03-04") == (defect["comments"], defect["status"], defect["duedate"])


def test_a_lost_update_is_found_by_its_sequence(bench: Bench) -> None:
    """What was done up to it is found, what comes after it is not."""
    bench.tracker.deliver(delivery())
    bench.later(60)
    bench.vendor.faults.add("PUT", "lost", 1)
    failure = failure_of(lambda: bench.tracker.deliver(delivery("update", 3, note="n")))
    found = [bench.tracker.find(delivery("update", sequence)) for sequence in (2, 3, 4)]

    assert Ambiguous is type(failure)
    assert [True, True, False] == [one is not None for one in found]
    assert None is bench.tracker.find(delivery("close"))


def test_an_update_waits_for_the_issue_to_be_seen(bench: Bench) -> None:
    """Search lags behind the create: not yet, rather than never."""
    bench.tracker.deliver(delivery())

    assert Temporary is type(failure_of(lambda: bench.tracker.deliver(delivery("update", 2))))


def test_a_defect_is_filed_without_the_fields_that_its_screen_lacks(bench: Bench) -> None:
    """Due date, priority and labels of ours are worth less than the defect."""
    bench.vendor.screen -= {"duedate", "priority"}
    bench.tracker.deliver(delivery())
    bench.later(60)
    bench.tracker.deliver(delivery("update", 2, note="sooner"))
    defect = bench.vendor.defects[0].as_json()

    assert (None, None, "hg-i7", ["sooner"]) == (
        defect["duedate"],
        defect["priority"],
        defect["labels"][0],
        defect["comments"],
    )


def test_a_field_that_it_cannot_fill_is_named(bench: Bench) -> None:
    """A project that asks for more gets nothing, and the failure says which field."""
    bench.vendor.required.add("components")
    failure = failure_of(lambda: bench.tracker.deliver(delivery()))

    assert (True, "invalid", []) == (isinstance(failure, Permanent), failure.reason, bench.vendor.defects)
    assert "components" in failure.message


def test_text_from_outside_is_not_read_as_markup(bench: Bench) -> None:
    """It stands between marks that it cannot end, lines and lengths are cut to what Jira takes."""
    title = "A\nB " + "x" * 400
    hostile = "{noformat} [~admin] " + "y" * 40_000
    bench.tracker.deliver(delivery(title=title, summary=hostile, details={"z": hostile}, labels=["two words"]))
    fields = bench.vendor.defects[0].fields
    described = fields["description"]

    assert ("A B ", 255) == (fields["summary"][:4], len(fields["summary"]))
    assert 4 == described.count("{noformat}")
    assert described.index("{noformat}") < described.index("[~admin]") < described.rindex("{noformat}")
    assert ["hg-i7", "two-words"] == fields["labels"]


def test_a_defect_needs_no_more_than_a_title(bench: Bench) -> None:
    """A body of three words files; there is no due date where nothing is promised."""
    least = {"title": "It broke", "severity": 4, "incident": "i7"}
    bench.tracker.deliver(Delivery("defect", "open", "hg-i7", 1, least))
    defect = bench.vendor.defects[0].as_json()

    assert ("It broke", "Low", None, ["hg-i7"]) == (
        defect["summary"],
        defect["priority"],
        defect["duedate"],
        defect["labels"],
    )


def test_an_installation_of_ones_own_is_searched_the_old_way(bench: Bench) -> None:
    """The new search is the cloud's alone."""
    bench.vendor.cloud = False
    bench.tracker.deliver(delivery())
    bench.later(60)
    found = bench.tracker.find(delivery())

    assert "OPS-1" == (found and found.id)


def test_every_status_of_a_create_means_one_thing(bench: Bench) -> None:
    """4xx is certain, 5xx is not; 408, 409, 425 and 429 may be tried again."""
    assert {} == misread(bench.vendor, lambda: bench.tracker.deliver(delivery()), sent=True)


def test_every_status_of_a_look_up_means_one_thing(bench: Bench) -> None:
    """Reading leaves nothing in doubt."""
    bench.vendor.method = "GET"

    assert {} == misread(bench.vendor, lambda: bench.tracker.find(delivery()), sent=False)


def test_a_throttle_says_how_long_to_wait(bench: Bench) -> None:
    """Retry-After becomes the failure's `after`; the library does not wait or repeat by itself."""
    bench.vendor.faults.add("POST", "429", 1)
    failure = failure_of(lambda: bench.tracker.deliver(delivery()))

    assert isinstance(failure, Temporary)
    assert (timedelta(seconds=30), 1) == (failure.after, bench.methods().count("POST"))


@pytest.mark.parametrize("fault", UNUSABLE)
def test_an_answer_that_is_none_leaves_a_defect_in_doubt(hasty: Bench, fault: str) -> None:
    """Perhaps it was filed: ambiguous, after exactly one request that writes."""
    hasty.vendor.faults.add("POST", fault)
    failure = failure_of(lambda: hasty.tracker.deliver(delivery()))

    assert (Ambiguous, 1) == (type(failure), hasty.methods().count("POST"))


@pytest.mark.parametrize("fault", UNUSABLE)
def test_an_answer_that_is_none_fails_a_look_up(hasty: Bench, fault: str) -> None:
    """Temporary: an answer that cannot be read is never 'there is nothing', and nothing is filed on it."""
    hasty.vendor.faults.add("GET", fault)
    failures = [
        failure_of(lambda: hasty.tracker.find(delivery())),
        failure_of(lambda: hasty.tracker.deliver(delivery())),
    ]

    assert [Temporary, Temporary] == [type(failure) for failure in failures]
    assert [] == hasty.vendor.defects


@pytest.mark.parametrize(
    "answer", [[], {"issues": "x"}, {"issues": [], "isLast": False}, {"issues": [5]}, {"issues": [{"id": "1"}]}]
)
def test_a_search_that_did_not_finish_is_no_answer(bench: Bench, answer: object) -> None:
    """What is not the list that was asked for is a failure, not 'nothing found'."""
    bench.vendor.method = "GET"
    bench.vendor.answer = Response(200, answer)

    assert "bad_answer" == failure_of(lambda: bench.tracker.find(delivery())).reason


def test_a_created_issue_without_a_key_is_in_doubt(bench: Bench) -> None:
    """It seems to be there; the look-up will tell."""
    bench.vendor.answer = Response(201, {"id": "1"})

    assert Ambiguous is type(failure_of(lambda: bench.tracker.deliver(delivery())))


def test_nobody_there_is_certainly_not_done(bench: Bench) -> None:
    """A refused connection is temporary."""
    bench.server.stop()

    assert Temporary is type(failure_of(lambda: bench.tracker.deliver(delivery())))


def test_a_probe_asks_for_the_account_and_the_type(bench: Bench) -> None:
    """A refused token, a project that is not there, a type that it does not have."""
    bench.tracker.probe()
    for other in started(Bench(project="NO")):
        project = failure_of(other.tracker.probe)
    for other in started(Bench(issue_type="Incident")):
        kind = failure_of(other.tracker.probe)
    bench.vendor.revoked.add(TOKEN)

    assert ["auth", "not_found", "not_found"] == [failure_of(bench.tracker.probe).reason, project.reason, kind.reason]
    assert "project OPS has no type Incident" == kind.message


@pytest.mark.parametrize("secret", [TOKEN, b64encode(f"{USER}:{TOKEN}".encode()).decode()])
def test_no_failure_and_no_log_shows_a_secret(bench: Bench, caplog: pytest.LogCaptureFixture, secret: str) -> None:
    """Even if the vendor's answer shows token or header, and with every library at its most talkative."""
    caplog.set_level(logging.DEBUG)
    text = told_of(bench.vendor, lambda: bench.tracker.deliver(delivery()), secret)
    bench.vendor.method = "GET"
    text += told_of(bench.vendor, lambda: bench.tracker.find(delivery()), secret)
    bench.vendor.faults.add("", "truncated")
    text += repr(failure_of(lambda: bench.tracker.deliver(delivery())))

    assert (False, False) == (secret in text, secret in caplog.text)
    assert secret not in f"{bench.settings!r} {bench.settings.model_dump()}"


def test_settings_need_an_address() -> None:
    """A host without a scheme is refused in words."""
    with pytest.raises(ValidationError, match="must begin with https:// or http://"):
        ActionSettings.model_validate({"url": "x.atlassian.net", "user": USER, "token": TOKEN, "project": "OPS"})


def test_what_it_is(bench: Bench) -> None:
    """An action that can be asked."""
    assert (True, True) == (isinstance(bench.tracker, Action), isinstance(bench.tracker, Findable))
