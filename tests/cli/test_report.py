"""`heliograph report` and `heliograph rca`, on the files that an operator has."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from daemon import app
from daemon.__main__ import main
from tests.cli.conftest import CONFIG, down
from tests.cli.test_desk import told

CLIENTS = """
contracts:
  gold:
    - effective_from: 2026-01-01T00:00:00Z
      goals:
        response: {1: {target: 15m, calendar: 24x7}, 2: null, 3: null, 4: null}
clients:
  acme: {contract: gold, timezone: Pacific/Kiritimati}
"""


@pytest.fixture
def desk(folder: Path, request: pytest.FixtureRequest) -> app.Daemon:
    """A ticket of ours, which is answered."""
    (folder / "config.yaml").write_text(CONFIG + CLIENTS)
    daemon: app.Daemon = request.getfixturevalue("daemon")
    down(daemon, "shop")
    daemon.close()
    assert 0 == main(["ticket", "reply", "1", "On it.", "--as", "asha", "--at", "2026-01-05T09:10:00Z"])
    return daemon


@pytest.mark.usefixtures("desk")
def test_a_month_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    code, said = told(capsys, "report", "--client", "internal", "--month", "2026-01")

    assert 0 == code
    assert said.startswith("# Service report for internal, January 2026\n")
    assert "| the first response (MTTA) | 1 | 10 min | 10 min | 10 min |" in said


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize(
    ("name", "more", "begins"),
    [
        ("out.html", [], "<!doctype html>"),
        ("out.md", [], "# Service report"),
        ("out.csv", [], "ticket,client,"),
        ("out.json", [], '{\n  "month": "2026-01"'),
        ("out.txt", ["--format", "csv"], "ticket,client,"),
    ],
)
def test_the_files_name_says_how_it_is_written(folder: Path, name: str, more: list[str], begins: str) -> None:
    assert 0 == main(["report", "--client", "all", "--month", "2026-01", "--out", name, *more])
    assert (folder / name).read_text().startswith(begins)


@pytest.mark.usefixtures("desk")
def test_a_sheet_is_read_as_it_was_written(folder: Path) -> None:
    """Line ends are those of the format, once."""
    main(["report", "--client", "all", "--month", "2026-01", "--out", "out.csv"])

    with (folder / "out.csv").open(newline="") as sheet:
        assert ["1"] == [row["ticket"] for row in csv.DictReader(sheet)]
    assert b"\r\r" not in (folder / "out.csv").read_bytes()


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize(
    ("client", "month", "why"),
    [
        ("acmee", "2026-01", ["--client: there is no client 'acmee'. Did you mean 'acme'?"]),
        ("zz", "2026-01", ["--client: there is no client 'zz'. There is acme, all, internal, unassigned."]),
        ("acme", "2026-13", ["--month: '2026-13' is no month: write it as 2026-11."]),
        ("acme", "January", ["--month: 'January' is no month: write it as 2026-11."]),
        ("acmee", "26-1", ["--client: there is no client 'acmee'. Did you mean 'acme'?",
                           "--month: '26-1' is no month: write it as 2026-11."]),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_said_all_at_once(
    capsys: pytest.CaptureFixture[str], client: str, month: str, why: list[str]
) -> None:
    capsys.readouterr()

    assert (2, "".join(f"{line}\n" for line in why)) == told(capsys, "report", "--client", client, "--month", month)


@pytest.mark.usefixtures("desk")
def test_a_month_that_has_not_begun_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    code, said = told(capsys, "report", "--client", "acme", "--month", "9998-01")

    assert 2 == code
    assert said.startswith("--month: 9998-01 has not begun: it is 2")


@pytest.mark.usefixtures("desk")
def test_a_month_in_which_nothing_happened_is_told_and_said(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    capsys.readouterr()
    code, said = told(capsys, "report", "--client", "acme", "--month", "2026-01", "--out", "out.json")

    assert (0, "nothing happened in 2026-01 for acme\n") == (code, said)
    assert "Pacific/Kiritimati" == json.loads((folder / "out.json").read_text())["timezone"]


@pytest.mark.usefixtures("desk")
def test_a_folder_that_is_not_there_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    code, said = told(capsys, "report", "--client", "acme", "--month", "2026-01", "--out", "no/out.md")

    assert (2, "no/out.md: cannot write it: No such file or directory.\n") == (code, said.partition("nothing")[0])


@pytest.mark.usefixtures("desk")
def test_an_rca_keeps_what_people_wrote_when_more_has_happened(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    """Every byte of it, and the rest is made anew."""
    capsys.readouterr()
    first = told(capsys, "rca", "1", "--out", "reports")
    todo = "still to be written: summary, impact, cause, fix, lessons; then run this again"
    assert (0, f"reports/rca-1.md\nreports/rca-1.html\n{todo}\n") == first
    path = folder / "reports/rca-1.md"
    text = "A | disk <b>was</b> *full*.\n\n  - one\n\n<!-- ask lena -->\n```\n# 97 %\n```"
    hint = "*Why it happened: the chain from the trigger to the root, and why nothing stopped it earlier.*"
    path.write_text(path.read_text().replace(hint, text))

    main(["ticket", "resolve", "1", "Repaired: more disk.", "--as", "asha"])
    capsys.readouterr()
    code, said = told(capsys, "rca", "1", "--out", "reports")

    assert 0 == code
    assert said.endswith("still to be written: summary, impact, fix, lessons; then run this again\n")
    assert f"<!-- write: cause -->\n{text}\n<!-- end -->" in path.read_text()
    assert "Resolved: Repaired: more disk." in path.read_text()
    assert "<em>full</em>" in path.with_suffix(".html").read_text()
    assert ["rca-1.html", "rca-1.md"] == sorted(one.name for one in path.parent.iterdir())


@pytest.mark.usefixtures("desk")
def test_an_rca_whose_marker_is_broken_is_not_written_over(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """Nor its page: both stay as they were."""
    main(["rca", "1"])
    path, page = folder / "rca-1.md", folder / "rca-1.html"
    lines = path.read_text().splitlines()
    at = lines.index("<!-- write: cause -->")
    path.write_text("\n".join([*lines[:at], "<!-- write cause -->", *lines[at + 1 :]]))
    before = path.read_bytes(), page.read_bytes()
    capsys.readouterr()
    code, said = told(capsys, "rca", "1")

    assert 2 == code
    assert f"rca-1.md:{at + 1}: a marker that cannot be read. Write `<!-- write: cause -->`" in said
    assert before == (path.read_bytes(), page.read_bytes())


@pytest.mark.usefixtures("desk")
def test_the_internal_edition_has_a_file_of_its_own(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """So that it is never sent in the place of the other."""
    main(["ticket", "note", "1", "HUSH", "--as", "asha"])
    main(["rca", "1"])
    main(["rca", "1", "--internal"])
    capsys.readouterr()

    assert ["rca-1-internal.html", "rca-1-internal.md"] == sorted(
        path.name for path in folder.glob("rca-*") if "HUSH" in path.read_text()
    )


@pytest.mark.usefixtures("desk")
def test_a_ticket_that_is_not_there_has_no_rca(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    capsys.readouterr()

    assert (1, "there is no ticket 9\n") == told(capsys, "rca", "9")
    assert [] == list(folder.glob("rca*"))
