"""What a report is written as: the figures are in each, and what somebody wrote is never more than text."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from markdown_it import MarkdownIt

from daemon.desk import aftermath, commands
from daemon.report import month
from daemon.report.markdown import plain
from daemon.report.month_data import COLUMNS, as_csv, as_json
from daemon.report.month_page import month_page, per_cent
from daemon.report.page import as_html, as_markdown
from tests.pipeline.doubles import HOUR
from tests.report.conftest import Office
from tests.report.test_month import MARCH, report

HOSTILE = "</title><script>alert(1)</script> | **b** [x](javascript:alert(1)) ![i](http://e/x.png) <!-- end -->\n# x"
FORMULAS = ("=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", " =1", "＝1")


class Seen(HTMLParser):
    """The elements of a page, its text, and whatever it would load or run."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.outside: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.outside += [f"{tag} {name}" for name, _ in attrs if name in ("src", "href", "data") or name[:2] == "on"]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def told(office: Office) -> month.Report:
    """One answered in time and resolved; one that was missed and excused; one missed."""
    office.open(title=HOSTILE, severity=1, location=HOSTILE)
    office.do(commands.reply, 1, "We are on it.")
    office.do(commands.resolve, 1, "Repaired.")
    office.open(title="Late", class_="security")
    office.open(title="Later")
    office.world.after(HOUR + HOUR)
    office.tick()
    office.do(aftermath.excuse, 2, "response", 1, HOSTILE, HOSTILE)
    return report(office.world, "acme", MARCH)


def test_html_is_one_file_that_runs_and_loads_nothing(told: month.Report) -> None:
    """Whatever a client or a vendor wrote stands in it as text."""
    page = Seen(as_html(month_page(told)))

    assert "script" not in page.tags
    assert [] == page.outside
    assert {"svg", "table", "style"} <= set(page.tags)
    assert "<script>alert(1)</script>" in page.text


def test_charts_say_their_figures_in_words(told: month.Report) -> None:
    """For whoever does not see them."""
    html = as_html(month_page(told))

    assert 3 == len(re.findall(r'<svg class="chart" [^>]*role="img" aria-label="[^"]+">', html))
    assert "first response, severity 1: 100 % of 1; first response, severity 2: 50 % of 2" in html
    assert "opened: 2 Mar 3; resolved: 2 Mar 1" in html


def test_markdown_says_the_same_and_means_nothing_else(told: month.Report) -> None:
    written = as_markdown(month_page(told))
    read = Seen(MarkdownIt("commonmark").enable("table").render(written))

    assert "<script" not in written
    assert "<!--" not in written
    assert not {"script", "a", "img"} & set(read.tags)
    assert 1 == read.tags.count("h1")
    row = "| first response | all | 3 | 1 | 1 | 66.6 % | 33.3 % |"
    assert row in written
    assert " ".join(HOSTILE.split()) in read.text


@pytest.mark.parametrize(
    "text", ["1. one", "- one", "+ one", "= x", "---", "a_b_c *d* `e`", "&lt;", "a\\|b", "#x", "x ~~y~~"]
)
def test_any_line_is_itself_in_markdown(text: str) -> None:
    """Alone, and in the cell of a table."""
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    alone = Seen(reader.render(plain(text)))
    cell = Seen(reader.render(f"| a |\n| --- |\n| {plain(text)} |\n"))

    assert (["p"], text) == (alone.tags, alone.text.strip())
    assert text in cell.text
    assert ["td"] == cell.tags[-1:]


@pytest.mark.parametrize("title", FORMULAS)
def test_no_cell_of_the_sheet_is_a_formula(office: Office, title: str) -> None:
    """A spreadsheet would run it, on the machine of whoever opens the report."""
    office.open(title=f"{title}", location=title)
    rows = list(csv.DictReader(io.StringIO(as_csv(report(office.world, "acme", MARCH)))))

    assert ["'"] == [row["title"][:1] for row in rows]
    assert f"'{title}" == rows[0]["location"]


def test_the_sheet_has_a_row_for_each_ticket(told: month.Report) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(told), newline="")))

    assert list(COLUMNS) == list(rows[0])
    assert [("1", "resolved", "0", "", ""), ("2", "new", "", "", "response"), ("3", "new", "", "response", "")] == [
        (row["ticket"], row["state"], row["resolved_seconds"], row["missed"], row["excused"]) for row in rows
    ]
    assert "3600" == rows[2]["late_seconds"]


def test_json_has_every_figure(told: month.Report) -> None:
    said: dict[str, Any] = json.loads(as_json(told))

    assert ("2026-03", "acme", False) == (said["month"], said["client"], said["over"])
    assert ("2026-03-01T05:00:00Z", "2026-04-01T04:00:00Z") == (said["start"], said["end"])
    assert {"opened": 3, "resolved": 1, "closed": 0, "reopened": 0, "cancelled": 0} == said["tickets"]
    response = [one for one in said["goals"] if one["goal"] == "response"]
    assert [(1, 1, 0, 0, 1.0), (2, 2, 1, 1, 0.5)] == [
        (one["severity"], one["decisions"], one["breaches"], one["excused"], one["compliance"]) for one in response
    ]
    assert [(2, False), (3, True)] == sorted((one["ticket"], one["excuse"] is None) for one in said["breaches"])
    assert [2, 3] == [one["ticket"] for one in said["open"]]


@pytest.mark.parametrize(
    ("share", "said"), [(None, "–"), (1.0, "100 %"), (0.99999, "99.9 %"), (0.5, "50 %"), (0, "0 %")]
)
def test_a_share_is_rounded_down(share: float | None, said: str) -> None:
    assert said == per_cent(share)


def test_all_clients_are_told_apart(office: Office) -> None:
    """Ours to read: each ticket with its client."""
    office.open("acme")
    office.open("globex", title="No stock")
    written = as_markdown(month_page(report(office.world, None, MARCH)))

    assert "# Service report for all clients, March 2026" in written
    assert "| globex | Asia/Kolkata | 0 | 0 | 0 | – | 1 | 0 | 1 |" in written
    assert "| 2 | globex | No stock | 2 | new |" in written


def test_an_empty_month_says_so(office: Office) -> None:
    written = as_markdown(month_page(report(office.world, "acme", MARCH)))

    assert "Nothing happened in it" in written
    assert "so far" in written
