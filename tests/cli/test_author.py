"""`heliograph rules schema | new | list | check | explain`, as an author of rules meets them."""

from __future__ import annotations

import io
import json
from itertools import product
from pathlib import Path

import pytest

from daemon import app
from daemon.__main__ import main
from daemon.rules.read_window import KINDS

ROOT = Path(__file__).parents[2]
EVENT = {
    "eventID": "e-1",
    "eventTime": "2026-01-05T09:00:00Z",
    "eventName": "StopLogging",
    "eventSource": "cloudtrail.amazonaws.com",
    "awsRegion": "eu-west-1",
    "userIdentity": {"arn": "arn:aws:iam::111122223333:user/ann"},
}


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["rules", *arguments])
    written = capsys.readouterr()
    return code, written.out, written.err


@pytest.mark.usefixtures("folder")
def test_the_schema_names_what_the_configuration_does(capsys: pytest.CaptureFixture[str]) -> None:
    """Configured sources and source types alike."""
    code, out, _ = told(capsys, "schema")

    assert 0 == code
    assert {"hook", "webhook", "sentry"} <= set(json.loads(out)["$defs"]["source"]["enum"])


@pytest.mark.usefixtures("folder")
def test_there_is_a_schema_of_policy_too(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(capsys, "schema", "--policy")

    assert 0 == code
    assert {"lists", "problems", "maintenance", "inhibitions"} == set(json.loads(out)["properties"])


@pytest.mark.parametrize(("type", "window"), [*product(sorted(app.Kinds().sources()), [None, "count"])])
def test_a_new_rule_holds_its_tests(
    type: str, window: str | None, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anybody has changed a line of it."""
    (folder / "rules" / "down.yaml").unlink()
    beside = ["--window", window] if window else []

    assert 0 == told(capsys, "new", f"{type}/first", *beside)[0]
    assert (0, "1 rules can be used, no warnings\n", "") == told(capsys, "check", "--strict", f"rules/{type}")
    assert (0, "1 rules, 2 tests: none failed\n") == told(capsys, "test", f"rules/{type}")[:2]


@pytest.mark.parametrize("window", KINDS)
def test_a_new_rule_of_any_window_can_be_used_and_its_tests_hold(
    window: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sequence brings the two rules that it stands on."""
    (folder / "rules" / "down.yaml").unlink()
    number, tests = (3, 6) if window == "sequence" else (1, 2)
    assert 0 == told(capsys, "new", "mine/first", "--source", "webhook", "--window", window)[0]
    assert (0, f"{number} rules can be used, no warnings\n", "") == told(capsys, "check", "--strict", "rules/mine")
    assert (0, f"{number} rules, {tests} tests: none failed\n") == told(capsys, "test", "rules/mine")[:2]


def test_each_rule_of_a_file_is_counted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file in Sigma's language may hold several."""
    one = "title: {}\nlogsource: {{service: cloudtrail}}\ndetection: {{a: {{eventName: {}}}, condition: a}}\n"
    (folder / "rules" / "two.yml").write_text(f"{one.format('A', 'A')}---\n{one.format('B', 'B')}")

    assert (0, "2 rules can be used, no warnings\n", "") == told(capsys, "check", "rules/two.yml")


def test_a_test_may_show_that_what_is_expected_never_speaks(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What waits before the first signal waits in the rehearsal too."""
    (folder / "rules" / "down.yaml").write_text("""\
title: "{project} is silent"
source: sentry
match: {level: fatal}
group_by: [project]
window: {absent: 10m, expect: [shop, till]}
severity: 3
class: availability
tests:
  - it: misses the one that nobody has heard of
    given: [{every: 5m, repeat: 10, signal: {project: shop, level: fatal}}]
    expect: {incidents: 2}
""")

    assert (0, "1 rules, 1 tests: none failed\n") == told(capsys, "test")[:2]


def test_what_is_there_is_never_overwritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "rules" / "down.yaml").read_text()
    code, _, err = told(capsys, "new", "down", "--source", "webhook")

    assert 1 == code
    assert "is there already" in err
    assert before == (folder / "rules" / "down.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["new", "../away", "--source", "webhook"], "../away: is no id."),
        (["new", "rules/a/b.yaml", "--source", "webhook"], "Did you mean 'a/b'?"),
        (["new", "a/b", "--source", "sentri"], "--source: there is no source type 'sentri'."),
        (["new", "a/b", "--source", "sentry", "--window", "cout"], "Did you mean 'count'?"),
        (["explain", "dwn", "-"], "dwn: there is no such rule. Did you mean 'down'?"),
        (["explain", "down", "nowhere.json"], "nowhere.json: cannot be read: No such file or directory."),
    ],
)
@pytest.mark.usefixtures("folder")
def test_what_is_written_wrongly_ends_with_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = told(capsys, *arguments)

    assert 2 == code
    assert said in err


@pytest.mark.usefixtures("folder")
def test_rules_are_listed_with_what_they_cover(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(capsys, "list")
    lines = [line.split() for line in out.splitlines()]

    assert 0 == code
    assert ["down", "webhook", "1", "live", "availability", "2"] in lines
    assert ["webhook", "1"] in lines
    (row,) = json.loads(told(capsys, "list", "--json")[1])
    assert ("down", ["webhook"], 1, "", 2) == (
        row["rule"], row["source"], row["severity"], row["window"], row["tests"],
    )  # fmt: skip


def test_a_warning_is_a_failure_only_when_strict(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The rule lacks false positives."""
    assert 0 == told(capsys, "check")[0]
    assert 1 == told(capsys, "check", "--strict")[0]
    assert ["no false_positives: nothing says what looks like it and is harmless."] == [
        one["message"] for one in json.loads(told(capsys, "check", "--json")[1])["warnings"]
    ]
    (folder / "rules" / "down.yaml").write_text("title: x\n")
    code, out, _ = told(capsys, "check", "--json")
    assert 2 == code
    assert 4 == len(json.loads(out)["problems"])


def test_recordings_show_which_fields_there_are(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "trail").mkdir()
    (folder / "trail" / "a.json").write_text(json.dumps({"Records": [EVENT]}))
    rule = "title: x\nsource: cloudtrail\nmatch: {eventNane: StopLogging}\nseverity: 1\nclass: security\n"
    (folder / "rules" / "stop.yaml").write_text(rule)
    _, out, _ = told(capsys, "check", "--recorded", "trail", "rules/stop.yaml")

    assert "no signal of cloudtrail was seen with 'eventNane'. Did you mean 'eventName'?" in out


def test_a_bare_map_is_explained(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a pipe; 1 if the rule does not match."""
    monkeypatch.setattr("sys.stdin", io.StringIO('{"name": "shop", "status": "up"}'))
    code, out, _ = told(capsys, "explain", "down", "-")

    assert 1 == code
    assert "✗ status: down  saw up" in out
    (folder / "one.json").write_text('{"name": "shop", "status": "down"}')
    code, out, _ = told(capsys, "explain", "down", "one.json", "--json")
    assert (0, True) == (code, json.loads(out)["holds"])


def test_a_vendors_record_is_explained(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As the vendor wrote it: a file of a trail."""
    (folder / "rules" / "stop.yaml").write_text((ROOT / "rules/cloudtrail/trail-stopped.yaml").read_text())
    (folder / "event.json").write_text(json.dumps({"Records": [EVENT]}))
    code, out, _ = told(capsys, "explain", "stop", "event.json")

    assert 0 == code
    assert "saw StopLogging" in out


def test_a_long_line_is_not_broken_where_it_is_piped(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So that it can be searched."""
    (folder / "one.json").write_text(json.dumps({"status": 90 * "x"}))
    _, out, _ = told(capsys, "explain", "down", "one.json")

    assert f"status: down  saw {90 * 'x'}\n" in out
