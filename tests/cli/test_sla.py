"""`heliograph sla`: what was promised, asked before anything happens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from daemon.__main__ import main
from daemon.cli.sla.week import letters

POLICY = """
sites:
  hyd: {calendar: hyd}
  lon: {calendar: lon}
calendars:
  hyd: {tz: Asia/Kolkata, weekly: {mon-fri: ["09:00-18:00"]}}
  lon: {tz: Europe/London, weekly: {mon-fri: ["09:00-17:30"]}, holidays: [2026-12-25]}
  fts: {union: [hyd, lon]}
release_train: {anchor: 2026-01-14T18:00, tz: Europe/London, every_weeks: 6, freeze_days_before: 5}
people: {asha: {email: asha@example.com}}
chain: {boss: asha}
contracts:
  gold:
    - effective_from: 2026-01-01T00:00:00Z
      goals:
        response:
          1: {target: 15m, calendar: 24x7}
          2: {target: 1h, calendar: 24x7}
          3: {target: 4h, calendar: lon}
          4: {business_days: 1, by: close, calendar: lon}
        resolution:
          1: {target: 4h, calendar: 24x7}
          2: {target: 12h, calendar: 24x7}
          3: {target: 40h, calendar: fts, code_fix: release_train}
          4: null
        update: {1: {every: 30m, calendar: 24x7}, 2: {every: 4h, calendar: 24x7}, 3: null, 4: null}
      escalation: {default: [{at: 50%, notify: [asha]}, {before: 10m, notify: [boss]}, {at: breach, notify: [boss]}]}
clients:
  acme: {contract: gold, timezone: America/New_York}
"""


@pytest.fixture
def office(folder: Path) -> Path:
    """A folder whose configuration promises something."""
    file = folder / "config.yaml"
    file.write_text(file.read_text() + POLICY)
    return folder


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(("sla", *arguments))
    written = capsys.readouterr()
    return code, written.out + written.err


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    return json.loads(told(capsys, *arguments, "--json")[1])


def due(capsys: pytest.CaptureFixture[str], severity: int, at: str, *more: str) -> dict[str, str]:
    said = document(capsys, "due", "--client", "acme", "--severity", str(severity), "--at", at, *more)
    return {one["goal"]: one["due"] for one in said["goals"]}


@pytest.mark.usefixtures("office")
def test_due_says_when_by_the_clients_wall_and_what_warns_before(capsys: pytest.CaptureFixture[str]) -> None:
    said = document(capsys, "due", "--client", "acme", "--severity", "2", "--at", "2026-12-24T16:30")

    assert ("2026-12-24T21:30:00Z", "gold@2026-01-01T00:00:00Z") == (said["at"], said["contract"])
    assert [
        ("response", "2026-12-24T22:30:00Z", "2026-12-24T17:30:00-05:00", "1h", "24x7", 3600),
        ("resolution", "2026-12-25T09:30:00Z", "2026-12-25T04:30:00-05:00", "12h", "24x7", 43200),
        ("update", "2026-12-25T01:30:00Z", "2026-12-24T20:30:00-05:00", "4h", "24x7", 14400),
    ] == [
        (one["goal"], one["due"], one["due_local"], one["target"], one["calendar"], one["counted_seconds"])
        for one in said["goals"]
    ]
    assert [
        ("50%", "2026-12-24T22:00:00Z", ["asha"]),
        ("10m", "2026-12-24T22:20:00Z", ["boss"]),
        ("breach", "2026-12-24T22:30:01Z", ["boss"]),
    ] == [(one["name"], one["at"], one["notify"]) for one in said["goals"][0]["warnings"]]


@pytest.mark.usefixtures("office")
def test_due_counts_business_days_over_holidays(capsys: pytest.CaptureFixture[str]) -> None:
    """London is closed on the 25th, and the goal without a promise has no date."""
    assert {"response": "2026-12-28T17:30:00Z", "resolution": None, "update": None} == due(
        capsys, 4, "2026-12-24T15:00Z"
    )


@pytest.mark.usefixtures("office")
def test_due_takes_the_release_train_for_a_code_fix(capsys: pytest.CaptureFixture[str]) -> None:
    """The train leaves every six weeks from 14 January; what is ready after the freeze takes the next."""
    assert "2026-12-16T18:00:00Z" == due(capsys, 3, "2026-11-24T12:00Z", "--code-fix")["resolution"]
    assert "2027-01-27T18:00:00Z" == due(capsys, 3, "2026-12-12T12:00Z", "--code-fix")["resolution"]
    assert "2026-11-27T10:00:00Z" == due(capsys, 3, "2026-11-24T12:00Z")["resolution"]


@pytest.mark.usefixtures("office")
@pytest.mark.parametrize(
    ("at", "reported"),
    [
        ("2026-03-08T02:30", "2026-03-08T07:00:00Z"),  # never shown: the end of the gap
        ("2026-11-01T01:30", "2026-11-01T05:30:00Z"),  # shown twice: the first
        ("2026-07-01T12:00:15", "2026-07-01T16:00:15Z"),
        ("2026-07-01T12:00+02:00", "2026-07-01T10:00:00Z"),
    ],
)
def test_due_reads_an_instant_by_the_clients_wall(at: str, reported: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert reported == document(capsys, "due", "--client", "acme", "--severity", "1", "--at", at)["at"]


@pytest.mark.usefixtures("office")
def test_due_tells_a_person_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = told(capsys, "due", "--client", "acme", "--severity", "4", "--at", "2026-12-24T10:00")
    lines = [" ".join(line.split()) for line in said.splitlines()]

    assert 0 == code
    assert "acme, severity 4, reported Thu 2026-12-24 15:00 UTC (Thu 2026-12-24 10:00 EST), by contract" in lines[0]
    assert (
        "response Mon 2026-12-28 17:30 Mon 2026-12-28 12:30 EST 1 business day, by close lon 11h of 98h 30m" == lines[3]
    )
    assert "resolution nothing is promised" == lines[4]


@pytest.mark.usefixtures("office")
@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("--client", "acem"), "--client: there is no client 'acem'. Did you mean 'acme'?\n"),
        (("--contract", "godl"), "--contract: there is no contract 'godl'. Did you mean 'gold'?\n"),
        (
            ("--client", "acme", "--at", "noon"),
            "--at: 'noon' is not an instant. Write it as 2026-12-24T16:30, with Z or an offset if it is not local.\n",
        ),
    ],
)
def test_due_says_what_it_does_not_know(
    words: tuple[str, ...], answer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (2, answer) == told(capsys, "due", "--severity", "1", *words)


@pytest.mark.usefixtures("office")
def test_coverage_tells_handovers_and_gaps_by_both_walls(capsys: pytest.CaptureFixture[str]) -> None:
    """Friday is a holiday in London, so nobody takes over from Hyderabad."""
    said = document(capsys, "coverage", "--week", "2026-W52")
    friday = {"start": "2026-12-25T12:30:00Z", "end": "2026-12-28T00:00:00Z", "seconds": 214200, "then": "hyd",
              "then_at": "2026-12-28T03:30:00Z", "then_at_local": "2026-12-28T09:00:00+05:30"}  # fmt: skip

    assert [f"2026-12-{day}T09:00:00Z" for day in (21, 22, 23, 24)] == [one["at"] for one in said["handovers"]]
    assert {"from": "hyd", "to": "lon"} == {key: said["handovers"][0][key] for key in ("from", "to")}
    assert friday == said["gaps"][-1]
    assert 168 * 3600 == said["unstaffed_seconds"] + 4 * 14 * 3600 + 9 * 3600


@pytest.mark.usefixtures("office")
def test_coverage_follows_a_sites_clock_over_its_change(capsys: pytest.CaptureFixture[str]) -> None:
    """London takes over at nine by its own wall: an hour later by UTC once its clocks are back."""
    before, after = (document(capsys, "coverage", "--week", week)["handovers"][0] for week in ("2026-W43", "2026-W44"))

    assert ("2026-10-19T08:00:00Z", "2026-10-26T09:00:00Z") == (before["at"], after["at"])
    assert ("2026-10-19T09:00:00+01:00", "2026-10-26T09:00:00+00:00") == (before["at_local"], after["at_local"])
    assert "lon puts its clocks back by 1h in this week.\n" in told(capsys, "coverage", "--week", "2026-W43")[1]


@pytest.mark.usefixtures("office")
def test_coverage_warns_of_promised_time_in_gaps(capsys: pytest.CaptureFixture[str]) -> None:
    """Only --strict makes it an error: a gap may be the pager's."""
    code, said = told(capsys, "coverage", "--week", "2026-W49")
    warning = (
        "! gold@2026-01-01T00:00:00Z counts 24x7 for 98h while nobody is there:"
        " response at severity 1, 2; resolution at severity 1, 2; update at severity 1, 2.\n"
    )

    assert 0 == code
    assert warning in said
    assert 1 == told(capsys, "coverage", "--week", "2026-W49", "--strict")[0]


def test_coverage_is_content_where_somebody_is_always_there(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = office / "config.yaml"
    file.write_text(file.read_text().replace("hyd: {calendar: hyd}", "hyd: {calendar: 24x7}"))

    code, said = told(capsys, "coverage", "--week", "2026-W49", "--strict")

    assert 0 == code
    assert "Somebody is there 100.0% of the week; nobody for 0s.\n" in said
    assert "nobody from" not in said


@pytest.mark.usefixtures("office")
def test_coverage_draws_a_row_a_day(capsys: pytest.CaptureFixture[str]) -> None:
    """Half an hour a cell, to the minute that a site opens."""
    lines = told(capsys, "coverage", "--week", "2026-W52")[1].splitlines()

    assert "Mon 12-21  " + "." * 7 + "H" * 11 + "L" * 17 + "." * 13 == lines[3].rstrip()
    assert "Fri 12-25  " + "." * 7 + "H" * 18 + "." * 23 == lines[7].rstrip()
    assert "H hyd   L lon   . nobody" == lines[11].strip()


def test_coverage_is_written_as_a_picture(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _ = told(capsys, "coverage", "--week", "2026-W52", "--picture", "week.svg")
    drawn = ET.parse(office / "week.svg")
    titles = [title.text for title in drawn.iter("{http://www.w3.org/2000/svg}title")]

    assert 0 == code
    assert "lon Mon 09:00 to Mon 17:30 UTC" in titles
    assert 2 == told(capsys, "coverage", "--picture", "no/such/folder.svg")[0]


def test_coverage_needs_a_week_and_sites(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (2, "config.yaml: there are no sites. Name them, and when each is open.\n") == told(capsys, "coverage")
    (folder / "config.yaml").write_text((folder / "config.yaml").read_text() + POLICY)
    for wrong in ("2026-W54", "2026-49", "0000-W01"):
        said = f"--week: '{wrong}' is no week. Write it as 2026-W49: the year has 52 of them, or 53.\n"
        assert (2, said) == told(capsys, "coverage", "--week", wrong)


@pytest.mark.parametrize(
    ("sites", "expected"),
    [(["hyd", "ham", "h"], "HAB"), (["1", "2"], "AB"), (["lon", "leo", "lo"], "LEO")],
)
def test_each_site_has_a_letter_of_its_own(sites: list[str], expected: str) -> None:
    assert expected == "".join(letters(sites).values())
