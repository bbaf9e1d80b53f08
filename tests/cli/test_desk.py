"""`heliograph ticket` and `heliograph incident`, with a daemon that runs and without one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon import app
from daemon.__main__ import main
from daemon.cli.serve import serving
from tests.cli.conftest import down


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(arguments)
    written = capsys.readouterr()
    return code, written.out + written.err


def listed(capsys: pytest.CaptureFixture[str], noun: str) -> list[dict[str, Any]]:
    code, said = told(capsys, noun, "list", "--json")
    assert 0 == code
    return list(json.loads(said))


@pytest.fixture(params=["running", "stopped"])
def desk(daemon: app.Daemon, request: pytest.FixtureRequest) -> Iterator[app.Daemon]:
    """Two tickets, while a daemon serves, and after it has ended."""
    down(daemon, "shop")
    down(daemon, "bank")
    if request.param == "stopped":
        daemon.close()
        yield daemon
        return
    with serving(daemon, list, list, lambda: None):
        yield daemon


@pytest.mark.usefixtures("desk")
def test_a_ticket_is_taken_answered_resolved_and_closed(capsys: pytest.CaptureFixture[str]) -> None:
    for verb, state in (("acknowledge", "in_progress"), ("reply", "in_progress"), ("resolve", "resolved")):
        text = ["Restarted it."] if verb in ("reply", "resolve") else []
        code, said = told(capsys, "ticket", verb, "1", *text, "--as", "asha")
        assert (0, f"ticket 1 of internal is {state}: shop is down\n") == (code, said)
    code, said = told(capsys, "ticket", "close", "1")
    assert (0, "ticket 1 of internal is closed: shop is down\n") == (code, said)


@pytest.mark.usefixtures("desk")
def test_an_incident_is_resolved_with_all_its_tickets(capsys: pytest.CaptureFixture[str]) -> None:
    incident = next(one for one in listed(capsys, "incident") if one["title"] == "bank is down")

    assert 0 == told(capsys, "incident", "resolve", incident["id"], "Repaired.")[0]
    states = {one["title"]: one["state"] for one in listed(capsys, "ticket")}
    assert {"bank is down": "resolved", "shop is down": "new"} == states


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (["ticket", "close", "1"], "ticket 1 is new; only a resolved one can be closed"),
        (["ticket", "acknowledge", "99"], "there is no ticket 99"),
        (["ticket", "reply", "1", "  "], "say something: the message is empty"),
        (["incident", "resolve", "nowhere", "Repaired."], "there is no incident nowhere"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(
    capsys: pytest.CaptureFixture[str], command: list[str], reason: str
) -> None:
    assert (1, f"{reason}\n") == told(capsys, *command)


@pytest.mark.usefixtures("desk")
def test_a_person_reads_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = told(capsys, "ticket", "list")

    assert 0 == code
    assert "shop is down" in said
    assert "response" in said


@pytest.mark.usefixtures("folder")
def test_before_the_first_start_there_is_nothing_to_list(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = told(capsys, "ticket", "list")

    assert 2 == code
    assert "there is no database yet" in said


def test_no_credential_of_a_vendor_is_needed(
    daemon: app.Daemon, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    down(daemon, "shop")
    monkeypatch.delenv("HOOK_SECRET")

    assert ["shop is down"] == [one["title"] for one in listed(capsys, "ticket")]


def test_a_number_that_is_none_is_refused(daemon: app.Daemon, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    daemon.close()

    assert (1, "'first' is no ticket's number\n") == told(capsys, "ticket", "acknowledge", "first")
    assert not (folder / "heliograph.db.sock").exists()


def test_a_title_is_text_and_steers_no_terminal(daemon: app.Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    """Datadog's own titles begin with a bracket."""
    down(daemon, "[Triggered on {host:web}] \x1b]0;owned\x07 [/red]")

    code, said = told(capsys, "ticket", "list")
    assert 0 == code
    assert "[Triggered on {host:web}]" in said
    assert "[/red]" in said
    assert "\x1b" not in said


@pytest.mark.usefixtures("desk")
def test_a_ticket_has_its_whole_life_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Options of every kind reach the desk: a number, a choice, a date, an instant; and it is shown as it stands."""
    said = json.loads(
        told(capsys, "ticket", "open", "internal", "2", "Carts are empty", "--request", "m1", "--json")[1]
    )
    number = str(said[0]["id"])
    assert said == json.loads(
        told(capsys, "ticket", "open", "internal", "2", "Carts are empty", "--request", "m1", "--json")[1]
    )
    for words in (
        ["propose-workaround", number, "Reload.", "--kind", "permanent"],
        ["accept-workaround", number, "--text", "Fine.", "--lower-to", "3"],
        ["await-fix", number, "minor_release", "--release", "4.12"],
        ["deploy", number],
        ["resolve", number, "Shipped."],
        ["plan-action", number, "Watch the cart.", "--owner", "asha", "--due", "2026-12-31"],
        ["request-rca", number],
        ["reopen", number, "Not yet."],
        ["link", number, "1", "--how", "follows"],
    ):
        code, answer = told(capsys, "ticket", *words, "--as", "asha")
        assert 0 == code, answer
    shown = json.loads(told(capsys, "ticket", "show", number, "--json")[1])

    assert ("in_progress", 3, "accepted", "minor_release", "requested") == tuple(
        shown[name] for name in ("state", "severity", "workaround", "fix", "rca")
    )
    assert [{"ticket": 1, "as": "follows"}] == shown["links"]
    assert ["Watch the cart."] == [one["text"] for one in shown["actions"]]
    code, screen = told(capsys, "ticket", "show", number)
    assert (0, True, True) == (code, "accepted the work-around" in screen, "follows" in screen)


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["severity", "1", "9", "x"], "to: Input should be less than or equal to 4"),
        (["open", "internl", "2", "x"], "there is no client 'internl': did you mean 'internal'?"),
        (["reply", "one", "x"], "'one' is no ticket's number"),
        (["reply", "99", "x"], "there is no ticket 99"),
        (["reply", "1", "x", "--at", "noon"], "at: Input should be a valid datetime"),
        (["reply", "1", "x", "--at", "2199-01-01T00:00:00Z"], "is in the future"),
        (["merge", "1", "1"], "ticket 1 is itself"),
    ],
)
def test_what_makes_no_sense_is_told_and_exits_with_1(
    capsys: pytest.CaptureFixture[str], words: list[str], why: str
) -> None:
    code, said = told(capsys, "ticket", *words)

    assert 1 == code
    assert why in said


@pytest.mark.usefixtures("desk")
def test_the_list_of_tickets_is_narrowed(capsys: pytest.CaptureFixture[str]) -> None:
    told(capsys, "ticket", "resolve", "1", "Repaired.")
    told(capsys, "ticket", "open", "unassigned", "3", "Who are they?")

    def found(*words: str) -> list[int]:
        return [one["id"] for one in json.loads(told(capsys, "ticket", "list", "--json", *words)[1])]

    assert [1] == found("--state", "resolved")
    assert [3] == found("--client", "unassigned")
    assert [3] == found("--severity", "3")
    assert [2] == found("--client", "internal", "--state", "new")
