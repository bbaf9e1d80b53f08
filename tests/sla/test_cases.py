"""The runner of worked cases, and the cases themselves where they are at hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.sla.cases import main, run

WORKED = Path(__file__).resolve().parents[3] / "shared" / "data" / "sla_cases.json"

ONE = {
    "calendars": {"always": {"always": True}, "site": {"tz": "UTC", "weekly": {"mon": [["09:00", "17:00"]]}}},
    "cases": [
        {
            "id": "X1",
            "kind": "deadline",
            "title": "an hour later",
            "calendar": "always",
            "start": "2026-01-05T10:00:00Z",
            "target_s": 3600,
            "expect": {"deadline": "2026-01-05T11:00:00Z", "deadline_local": "anything"},
        },
        {
            "id": "X2",
            "kind": "elapsed",
            "title": "a whole Monday",
            "calendar": "site",
            "start": "2026-01-05T00:00:00Z",
            "end": "2026-01-06T00:00:00Z",
            "expect": {"elapsed_s": 28800},
        },
    ],
}


@pytest.mark.skipif(not WORKED.exists(), reason="the worked cases are not beside this checkout")
def test_the_worked_cases_come_out_as_they_were_worked() -> None:
    """Deadlines, verdicts, warnings and owners are those that were found by hand."""
    results = run(WORKED)

    assert [] == [(case["id"], wrong) for case, wrong in results if wrong]
    assert results


def test_the_runner_says_what_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A case that comes out otherwise is named with both values, and makes the exit code 1."""
    wrong = json.loads(json.dumps(ONE))
    wrong["cases"][1]["expect"]["elapsed_s"] = 1
    right_file, wrong_file = tmp_path / "right.json", tmp_path / "wrong.json"
    right_file.write_text(json.dumps(ONE))
    wrong_file.write_text(json.dumps(wrong))

    assert 0 == main([str(right_file)])
    assert [
        "ok   X1 an hour later",
        "ok   X2 a whole Monday",
        "2 of 2 cases pass",
    ] == capsys.readouterr().out.splitlines()
    assert 1 == main([str(wrong_file)])
    assert [
        "ok   X1 an hour later",
        "FAIL X2 a whole Monday",
        "         elapsed_s: expected 1, got 28800",
        "1 of 2 cases pass",
    ] == capsys.readouterr().out.splitlines()
    assert 2 == main([])
