"""Commands to the running daemon, over its unix socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.model import Json, TicketState
from daemon.portal.client import NotRunning, Rejected, call
from daemon.portal.local import local
from daemon.portal.server import Server
from daemon.secret import Secret
from daemon.store import tickets
from tests.portal.conftest import Office

TOKEN = Secret("the token of this run")
ASHA: dict[str, Json] = {"actor": "asha"}


@pytest.fixture
def socket(office: Office, tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "api.sock"
    with Server(local(office.store, lambda: office.terms, TOKEN), path):
        yield path


def state(office: Office, number: int) -> TicketState:
    with office.store.read() as connection:
        found = tickets.get(connection, number)
    assert found is not None
    return found.state


def test_a_ticket_is_acknowledged_answered_resolved_and_closed(office: Office, socket: Path) -> None:
    number = office.ticket()
    text: dict[str, Json] = {"text": "We are on it."}
    for verb, said, after in [
        ("acknowledge", {}, "in_progress"), ("reply", text, "in_progress"), ("resolve", text, "resolved"),
        ("close", text, "closed"),
    ]:  # fmt: skip
        answer = call(socket, TOKEN, f"/tickets/{number}/{verb}", ASHA | said)
        assert [(number, after)] == [(one["id"], one["state"]) for one in answer["tickets"]]
        assert after == state(office, number)


def test_an_incident_is_answered_and_resolved_on_every_ticket(office: Office, socket: Path) -> None:
    id = office.incident()

    call(socket, TOKEN, f"/incidents/{id}/reply", {**ASHA, "text": "We are on it."})
    answer = call(socket, TOKEN, f"/incidents/{id}/resolve", {**ASHA, "text": "It is mended."})

    assert ["resolved"] == [one["state"] for one in answer["tickets"]]


@pytest.mark.parametrize("token", ["", "the token of another run"])
def test_who_has_the_wrong_token_changes_nothing(office: Office, socket: Path, token: str) -> None:
    number = office.ticket()
    before = state(office, number)

    assert (401, "the token is wrong") == refused(socket, f"/tickets/{number}/resolve", {**ASHA, "text": "x"}, token)
    assert before == state(office, number)


def test_a_ticket_that_is_not_there_is_told(socket: Path) -> None:
    assert (404, "there is no ticket 99") == refused(socket, "/tickets/99/acknowledge", ASHA)


def test_an_incident_that_is_not_there_is_told(socket: Path) -> None:
    assert (404, "there is no incident none") == refused(socket, "/incidents/none/resolve", {**ASHA, "text": "x"})


def test_a_command_that_is_not_there_names_those_that_are(socket: Path) -> None:
    assert (404, "there is no command 'burn': there are reply, resolve, update") == refused(
        socket, "/incidents/1/burn", ASHA
    )
    status, said = refused(socket, "/tickets/1/burn", ASHA)
    assert 404 == status
    assert all(verb in said for verb in ("acknowledge", "reopen", "request-rca"))


def test_what_makes_no_sense_is_refused_with_the_reason(office: Office, socket: Path) -> None:
    number = office.ticket()
    assert (422, "text: Field required") == refused(socket, f"/tickets/{number}/reply", ASHA)
    assert (409, "say something: the message is empty") == refused(
        socket, f"/tickets/{number}/reply", {**ASHA, "text": " "}
    )

    office.resolve(number)
    assert (409, f"ticket {number} is resolved already") == refused(socket, f"/tickets/{number}/acknowledge", ASHA)


@pytest.mark.parametrize(
    "body", [{}, {"actor": ""}, {"actor": "a\nb"}, {**ASHA, "at": "nine"}, {**ASHA, "spell": 1}, {**ASHA, "text": 7}]
)
def test_a_body_that_cannot_be_read_is_refused(office: Office, socket: Path, body: dict[str, Json]) -> None:
    status, _ = refused(socket, f"/tickets/{office.ticket()}/acknowledge", body)

    assert 422 == status


def test_a_body_that_is_too_large_is_refused(office: Office, socket: Path) -> None:
    body = {**ASHA, "text": "x" * 300_000}

    assert (413, "more than 262144 bytes") == refused(socket, f"/tickets/{office.ticket()}/reply", body)


def test_with_no_daemon_the_caller_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="no daemon answers at"):
        call(tmp_path / "none.sock", TOKEN, "/tickets/1/acknowledge", ASHA)


def refused(socket: Path, command: str, body: dict[str, Json], token: str = TOKEN.reveal()) -> tuple[int, str]:
    with pytest.raises(Rejected) as error:
        call(socket, Secret(token), command, body)
    return error.value.status, str(error.value)
