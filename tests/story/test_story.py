"""The whole main job, over real HTTP and in told time: what `heliograph demo --fast` plays and says."""

from __future__ import annotations

import gzip
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from daemon.__main__ import main

RECORDED = Path(__file__).parents[3] / "shared/data/stratus/docs/detonation-logs"
NAMES = ("signals", "incidents", "tickets", "pages", "defects", "warnings", "breaches")


def play(folder: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    report = folder / "report.json"
    code = main(["demo", "--fast", "--report", str(report), *arguments])
    return code, json.loads(report.read_text())


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, dict[str, Any]]:
    return play(tmp_path_factory.mktemp("story"))


def test_the_shipped_story_goes_as_told(told: tuple[int, dict[str, Any]]) -> None:
    code, report = told

    assert [] == report["unmet"]
    assert 0 == code


def test_the_report_holds_lists_of_things_with_ids_and_times(told: tuple[int, dict[str, Any]]) -> None:
    _, report = told
    for name in NAMES:
        assert report[name], f"the story has no {name}"
        for one in report[name]:
            assert one["id"] is not None
            times = [value for key, value in one.items() if key.endswith("at") and value]
            assert times
            assert all(datetime.fromisoformat(value).tzinfo is not None for value in times)
    assert {"sentry", "datadog", "cloudtrail"} == {one["source"] for one in report["signals"]}
    assert all(one["dedup_key"] for one in report["pages"])
    assert all(one["key"] and one["duedate"] for one in report["defects"])
    assert isinstance(report["sent"], int)
    assert isinstance(report["unwanted"], int)


def test_each_page_was_one_event_and_each_incident_one_page(told: tuple[int, dict[str, Any]]) -> None:
    _, report = told

    assert [1, 1] == [page["triggers"] for page in report["pages"]]
    assert 2 == len({page["dedup_key"] for page in report["pages"]})


def test_what_is_expected_and_does_not_come_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    story = tmp_path / "story.yaml"
    story.write_text(
        """
lasts: 20s
acts:
  - {at: 1s, sentry.issue: {id: "1", title: "ValueError: x", level: fatal}}
  - {at: 2s, pagerduty.acknowledge: {page: nobody was paged, user: asha}}
expect:
  - {incidents: {rule: sentry/new-fatal}, times: 1}
  - {pages: {}}
"""
    )
    code, report = play(tmp_path, "--story", str(story))

    assert 1 == code
    assert [
        "at least one of pages with {}, there were 0",
        "act 2 (pagerduty.acknowledge): no page is titled 'nobody was paged'",
    ] == report["unmet"]
    assert "not as told: at least one of pages" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lasts: soon", "'soon' is no length of time"),
        ("acts: []", "'lasts' is missing"),
        ("lasts: 5s\nacts: [{at: 1s, sentry.explode: {}}]", "act 1 (sentry.explode): nobody does that"),
        ("lasts: 5s\nacts: [{at: 1s, fax.send: {}}]", "act 1 (fax.send): nobody does that"),
        ("lasts: 5s\nacts: [{sentry.issue: {}}]", "act 1 is not like"),
        ("lasts: 5s\nexpect: [{miracles: {}}]", "expectation 1 is not of one of"),
        ("lasts: 5s\nacts: [{at: 1s, desk.explode: {}}]", "act 1 (desk.explode): nobody does that"),
        ("lasts: 5s\nacts: [{at: 1s, sentry.fault: {endpoint: GET, kind: flood}}]", "unknown fault 'flood'"),
        ("lasts: 5s\nacts: 7", "not iterable"),
        ("lasts: 5s\nexpect: [{pages: {}, times: two}]", "'two' is no number of times"),
        ("lasts: 5s\nplot: []", "a story has"),
        ("lasts: [", "while parsing"),
    ],
)
def test_a_story_that_cannot_be_played_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    (tmp_path / "story.yaml").write_text(text)

    assert 2 == main(["demo", "--fast", "--story", str(tmp_path / "story.yaml")])
    assert said in capsys.readouterr().err


def test_recorded_files_are_read_whole(tmp_path: Path) -> None:
    """A bare array and one of `Records`, zipped; a broken file stops nothing."""
    events = [
        {"eventID": f"e{n}", "eventTime": f"2024-02-01T10:0{n}:00Z", "awsRegion": "eu-west-1", "eventName": name,
         "eventSource": "cloudtrail.amazonaws.com", "requestParameters": {"name": "main"},
         "recipientAccountId": "1"}
        for n, name in enumerate(["DescribeTrails", "StopLogging"])
    ]  # fmt: skip
    folder = tmp_path / "recorded"
    folder.mkdir()
    (folder / "array.json").write_text(json.dumps(events))
    again = [{**one, "eventID": f"again-{one['eventID']}"} for one in events]
    (folder / "records.json.gz").write_bytes(gzip.compress(json.dumps({"Records": again}).encode()))
    (folder / "broken.json").write_text("{")
    code, report = play(tmp_path, "--cloudtrail", str(folder))

    assert 0 == code
    assert (4, 2, 2) == (report["sent"], report["unwanted"], len(report["signals"]))
    assert ["cloudtrail/trail-stopped"] == [one["rule"] for one in report["incidents"]]
    assert ["broken.json"] == [problem.partition(":")[0] for problem in report["unreadable"]]


def test_recorded_attacks_are_detected(tmp_path: Path) -> None:
    if not RECORDED.is_dir():
        pytest.skip(f"{RECORDED} is not here")
    code, report = play(tmp_path, "--cloudtrail", str(RECORDED))

    assert 0 == code
    assert report["sent"] == report["unwanted"] + len(report["signals"])
    assert {"cloudtrail/trail-stopped", "cloudtrail/admin-granted"} <= {one["rule"] for one in report["incidents"]}
