"""`heliograph sla test`, `explain` and `preview`: promises are held to examples, and clocks tell their time."""

from __future__ import annotations

import argparse
import json
import random
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from daemon.__main__ import main
from daemon.cli.desk import setup_of
from daemon.clock import SystemClock
from daemon.desk import commands, keeping
from daemon.desk.desk import Desk
from daemon.desk.intake import Report, open_ticket
from daemon.sla.examples import DO, EXPECT_KEYS, KEYS, VERDICTS
from daemon.store import tickets
from daemon.store.engine import Store
from tests.cli.test_sla import POLICY
from tests.house.tree import ROOT

EXAMPLE = """
- name: A ticket of a Thursday evening
  client: acme
  severity: 3
  opened: 2026-12-24T09:00
  events: [{after: 30m, do: reply}, {at: 2026-12-28T05:00, do: resolve}]
  expect:
    response: {due: 2026-12-28T04:30, verdict: met}
"""


@pytest.fixture
def office(folder: Path) -> Path:
    file = folder / "config.yaml"
    policy = POLICY.replace("2: {target: 12h, calendar: 24x7}", "2: {target: 12h, calendar: daytime}")
    daytime = "calendars:\n  daytime: {tz: UTC, weekly: {mon-sun: ['00:00-24:00']}}\n"
    file.write_text(file.read_text() + policy.replace("calendars:\n", daytime))
    return folder


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(("sla", *arguments))
    written = capsys.readouterr()
    return code, written.out + written.err


def tried(office: Path, capsys: pytest.CaptureFixture[str], text: str) -> tuple[int, str]:
    (office / "promises.yaml").write_text(text)
    return told(capsys, "test", "promises.yaml")


# test


def test_an_example_that_comes_out_as_it_was_worked(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Four hours of London's, from nine in New York: three and a half on Christmas Eve, the rest on Monday."""
    code, said = tried(office, capsys, EXAMPLE)

    assert (0, "ok   A ticket of a Thursday evening\n1 of 1 examples come out as they were worked\n") == (code, said)


def test_what_differs_is_told_with_its_line(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = tried(office, capsys, EXAMPLE.replace("T04:30, verdict: met", "T08:00, verdict: missed"))

    assert 1 == code
    assert "FAIL A ticket of a Thursday evening" in said
    assert "promises.yaml:8: response: due: expected 2026-12-28T08:00:00-05:00, is 2026-12-28T04:30:00-05:00" in said
    assert "promises.yaml:8: response: verdict: expected missed, is met" in said
    assert "0 of 1 examples" in said


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("client: acme", "client: acmee", "promises.yaml:3:11: 'acmee' is no client here. Did you mean 'acme'?"),
        ("client: acme", "{}", "promises.yaml"),
        ("severity: 3", "severity: 5", "promises.yaml:4:13: '5' is not a whole number from 1 to 4."),
        ("do: reply", "do: replay", "promises.yaml:6:29: 'replay' is no thing to do here. Did you mean 'reply'?"),
        ("after: 30m, do", "do", "promises.yaml:6:12: an event needs 'at' or 'after', and not both."),
        ("verdict: met", "verdikt: met", "promises.yaml:8:39: response has no key 'verdikt'. Did you mean 'verdict'?"),
        ("2026-12-28T04:30", "noon", "promises.yaml:8:21: 'noon' is not an instant."),
        ("response:", "responce:", "has no key 'responce'. Did you mean 'response'?"),
        (
            "{due: 2026-12-28T04:30, verdict: met}",
            "{}",
            "promises.yaml:8:15: nothing is expected of response.",
        ),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(
    office: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, problem: str
) -> None:
    code, said = tried(office, capsys, EXAMPLE.replace(old, new))

    assert 2 == code
    assert problem in said


def test_a_file_that_is_not_there_is_told(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = told(capsys, "test", "none.yaml")
    assert 2 == code
    assert "none.yaml" in said


def test_machines_read_it_too(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (office / "promises.yaml").write_text(EXAMPLE.replace("verdict: met", "verdict: missed"))
    code, said = told(capsys, "test", "promises.yaml", "--json")

    (result,) = json.loads(said)
    assert (1, False, ["verdict"]) == (
        code, result["ok"], [one["what"].split(": ")[-1][:7] for one in result["differences"]],
    )  # fmt: skip


def test_the_examples_of_the_documentation_hold_for_the_shipped_configuration(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (block,) = re.findall(r"```yaml\n# promises.yaml\n(.*?)```", (ROOT / "docs/sla.md").read_text(), re.DOTALL)
    (folder / "promises.yaml").write_text(block)
    code, said = told(capsys, "test", "promises.yaml", "--config", str(ROOT / "config.yaml"))

    assert (0, True) == (code, "2 of 2 examples" in said), said


def test_every_word_of_an_example_is_documented() -> None:
    page = (ROOT / "docs/sla.md").read_text()
    assert [] == [word for word in (*KEYS, *DO, *VERDICTS, *EXPECT_KEYS) if f"`{word}`" not in page]


# explain and preview


@pytest.fixture
def ticket(office: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Store]:
    """Of acme, severity 2: answered, waiting for the client for an hour, and gone on."""
    options = argparse.Namespace(config=office / "config.yaml", chance=random.Random(1))
    setup = setup_of(options)
    store = Store(setup.config.store, SystemClock())
    store.migrate()
    now = store.now()
    began = now - timedelta(hours=6)
    with store.write() as connection:
        keeping.take(connection, setup.terms.policy, now)
        desk = Desk(connection, setup.terms, "person:asha", now)

        def at(hours: float) -> Desk:
            return Desk(connection, setup.terms, "person:asha", now, began + timedelta(hours=hours))

        open_ticket(at(0), Report("acme", 2, "Carts are empty"))
        commands.reply(at(0.5), 1, "We are on it.")
        commands.wait(at(1), 1, "information", "Which browser?")
        commands.hear(at(2), 1, "Firefox.")
        assert desk.ticket(1).state == "in_progress"
    yield store
    store.close()


def hold(ticket: Store) -> None:
    """For an hour by now its clock has stood still: what it shows does not hang on how fast this runs."""
    with ticket.read() as connection:
        opened_at = tickets.log(connection, 1)[0].effective_at
    held_at = (opened_at + timedelta(hours=5)).isoformat()
    assert 0 == main(("ticket", "wait", "1", "Which version?", "--as", "asha", "--at", held_at))


def test_a_clocks_time_is_told_piece_by_piece(ticket: Store, office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An hour ran, an hour was held, three ran, and it is held again; why each began is said."""
    hold(ticket)
    capsys.readouterr()
    code, said = told(capsys, "explain", "1", "--json", "--picture", "clocks.svg")
    clocks = {(one["goal"], one["cycle"]): one for one in json.loads(said)["clocks"]}
    resolution = clocks["resolution", 1]

    assert 0 == code
    assert [("running", 3600), ("paused", 0), ("running", 3 * 3600), ("paused", 0)] == [
        (one["was"], one["counted_seconds"]) for one in resolution["segments"]
    ]
    assert [
        "asha opened it with severity 2",
        "asha wrote to the client; asha set it to awaiting client (information)",
    ] == [one["because"] for one in resolution["segments"][:2]]
    assert clocks["response", 1]["verdict"].startswith("met at ")
    titles = [one.text or "" for one in ET.parse(office / "clocks.svg").iter("{http://www.w3.org/2000/svg}title")]
    assert any(title.startswith("paused from") for title in titles)


def test_a_person_sees_where_the_time_went(ticket: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """While it runs, and once it stands still."""
    assert "resolution 1: running, 5h" in told(capsys, "explain", "1")[1]
    hold(ticket)
    code, said = told(capsys, "explain", "1")

    assert 0 == code
    assert "resolution 1: paused, 4h used of 12h" in said
    assert "█" in said
    assert "·" in said
    assert (1, "there is no ticket 9\n") == told(capsys, "explain", "9")


@pytest.mark.usefixtures("ticket")
def test_another_calendar_moves_what_is_open(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It counts round the clock, and would from now on while London is open. What was promised stays as it was."""
    new = office / "new.yaml"
    text = (office / "config.yaml").read_text()
    shut = "daytime: {tz: UTC, weekly: {mon-sun: ['03:00-04:00']}}"
    new.write_text(text.replace("daytime: {tz: UTC, weekly: {mon-sun: ['00:00-24:00']}}", shut))
    code, said = told(capsys, "preview", "new.yaml", "--json")
    (moved,) = json.loads(said)["moved"]
    assert (0, 1, "resolution") == (code, moved["ticket"], moved["goal"])
    assert moved["now"] < moved["then"]
    assert "later by" in told(capsys, "preview", "new.yaml")[1]
    new.write_text(text.replace("2: {target: 12h, calendar: daytime}", "2: {target: 14h, calendar: daytime}"))
    assert (0, "no open ticket would move\n") == told(capsys, "preview", "new.yaml")


@pytest.mark.usefixtures("ticket")
def test_a_contract_that_is_gone_is_kept_for_its_tickets(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = office / "new.yaml"
    new.write_text((office / "config.yaml").read_text().replace("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"))

    assert (0, "no open ticket would move\n") == told(capsys, "preview", "new.yaml")
