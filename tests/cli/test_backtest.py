"""`heliograph rules backtest`: recorded files and kept history, played through the pipeline itself."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from daemon import app
from daemon.__main__ import main
from daemon.cli.picture import bars, histogram
from daemon.cli.recorded import Reader
from daemon.model import Signal
from tests.cli.conftest import NOW, down

ROOT = Path(__file__).parents[2]
STOP = """
title: Someone stopped {requestParameters.name}
source: cloudtrail
match: {eventName: StopLogging}
group_by: [requestParameters.name]
severity: 1
class: security
clear: {quiet_for: 1h}
stage: shadow
"""
BURST = STOP.replace("StopLogging", "GetObject").replace("severity: 1", "severity: 3\nwindow: {count: 3, within: 5m}")


def event(number: int, name: str, minute: int, trail: str = "main") -> dict[str, Any]:
    at = datetime(2026, 1, 5, 9, tzinfo=UTC) + timedelta(minutes=minute)
    return {
        "eventID": f"e-{number}", "eventTime": at.strftime("%Y-%m-%dT%H:%M:%SZ"), "eventName": name,
        "eventSource": "cloudtrail.amazonaws.com", "awsRegion": "eu-west-1", "requestParameters": {"name": trail},
    }  # fmt: skip


@pytest.fixture
def trail(folder: Path) -> Path:
    """Three forms of recording: a gzipped file, a file of lines out of order, and one event."""
    (folder / "rules" / "stop.yaml").write_text(STOP)
    (folder / "rules" / "burst.yaml").write_text(BURST)
    where = folder / "trail" / "2026"
    where.mkdir(parents=True)
    records = [event(1, "StopLogging", 0), event(2, "ListBuckets", 1), event(1, "StopLogging", 0)]
    (where / "a.json.gz").write_bytes(gzip.compress(json.dumps({"Records": records}).encode()))
    lines = [event(5, "GetObject", 12), event(4, "GetObject", 11), event(3, "GetObject", 10)]
    (where / "b.ndjson").write_text("\n".join(map(json.dumps, lines)) + "\n")
    (where / "c.json").write_text(json.dumps(event(6, "StopLogging", 200), indent=2))
    return folder / "trail"


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["rules", "backtest", *arguments])
    written = capsys.readouterr()
    return code, written.out, written.err


def matches(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_every_match_is_told_with_the_incident_that_it_opened(trail: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By event time, shadow rules among them, the same event once."""
    code, out, err = told(capsys, str(trail), "--json")
    found = matches(out)

    assert (0, "7 records read, 5 wanted by a rule\n") == (code, err)
    assert {"rule", "source", "signal", "at", "group", "incident"} == set(found[0])
    assert [("stop", "e-1"), ("burst", "e-3"), ("burst", "e-4"), ("burst", "e-5"), ("stop", "e-6")] == [
        (one["rule"], one["signal"]) for one in found
    ]
    assert ("cloudtrail", "2026-01-05T09:00:00+00:00") == (found[0]["source"], found[0]["at"])
    assert {"requestParameters.name": "main"} == found[0]["group"]
    assert 1 == len({one["incident"] for one in found if one["rule"] == "burst"})
    assert 2 == len({one["incident"] for one in found if one["rule"] == "stop"})  # quiet for hours in between
    assert None not in [one["incident"] for one in found]


def test_what_opens_nothing_has_no_incident(trail: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two of three that the window needs."""
    (trail / "2026" / "b.ndjson").write_text(json.dumps(event(3, "GetObject", 10)) + "\n")
    found = matches(told(capsys, "burst", str(trail), "--json")[1])

    assert [("burst", "e-3", None)] == [(one["rule"], one["signal"], one["incident"]) for one in found]


def test_a_recovery_clears_and_is_no_match(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What breaks again after it is an episode of the same incident."""
    rule = (folder / "rules" / "down.yaml").read_text().replace("{quiet_for: 5m}", "recovery")
    (folder / "rules" / "down.yaml").write_text(rule)
    told_of = (("1", "down", "broken"), ("2", "up", "recovered"), ("3", "down", "broken"))
    bodies = [
        {"id": id, "at": f"2026-01-05T09:0{id}:00Z", "name": "shop", "status": status, "polarity": polarity}
        for id, status, polarity in told_of
    ]
    (folder / "hooks.json").write_text(json.dumps(bodies))
    found = matches(told(capsys, "hooks.json", "--json")[1])

    assert ["1", "3"] == [one["signal"] for one in found]
    assert {"hook"} == {one["source"] for one in found}


def test_a_person_sees_what_would_have_come_of_it(trail: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each rule, and a picture."""
    code, out, _ = told(capsys, str(trail))
    rows = [line.split() for line in out.splitlines()]

    assert 0 == code
    assert ["burst", "3", "1", "0", "0", "2026-01-05", "09:10:00", "2026-01-05", "09:12:00"] in rows
    assert ["stop", "2"] == next(row for row in rows if row[:1] == ["stop"])[:2]
    assert "█" in out
    assert "1 rules match none of it" in out


def test_a_rule_can_be_named_by_its_id_or_its_file(trail: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for word in ("stop", "rules/stop.yaml"):
        found = matches(told(capsys, word, f"{trail}/**/*.gz", "--json")[1])
        assert [("stop", "e-1")] == [(one["rule"], one["signal"]) for one in found]


def test_what_cannot_be_read_stops_nothing(trail: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A record is counted, a file is told; the end says that not all was read."""
    (trail / "2026" / "b.ndjson").write_text(json.dumps(event(3, "GetObject", 1)) + '\n{"eventID": 7}\n{"half\n')
    (trail / "2026" / "d.ndjson").write_text('{"half\n[7]\n' + json.dumps(event(7, "StopLogging", 205)))
    assert 0 == told(capsys, str(trail))[0]
    (trail / "spoilt.json.gz").write_bytes(b"\x1f\x8bnothing")
    (trail / "strange.json").write_text('{"of": "nobody"}')
    code, out, err = told(capsys, "--json", str(trail))

    assert 1 == code
    assert ["e-1", "e-3", "e-6", "e-7"] == [one["signal"] for one in matches(out)]
    assert "4 records could not be read, such as:" in err
    assert "spoilt.json.gz" in err
    assert "strange.json: no source knows what is in it" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name what was recorded"),
        (["stop"], "name what was recorded"),
        (["nowhere"], "nowhere: there is no such rule, and no such file."),
        (["--since", "30d", "--source", "hok"], "Did you mean 'hook'?"),
    ],
)
@pytest.mark.usefixtures("trail")
def test_what_is_asked_wrongly_ends_with_2(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = told(capsys, *arguments)

    assert 2 == code
    assert said in err


@pytest.mark.parametrize(
    ("name", "text", "read"),
    [
        ("a.json", json.dumps([event(1, "A", 0), event(2, "A", 0)], indent=1), ["e-1", "e-2"]),
        ("a.jsonl", json.dumps({"detail-type": "AWS API Call via CloudTrail", "detail": event(1, "A", 0)}), ["e-1"]),
        ("a.json", json.dumps({"Events": [{"CloudTrailEvent": json.dumps(event(1, "A", 0))}]}), ["e-1"]),
        ("a.json", json.dumps({"id": "w-1", "at": "2026-01-05T09:00:00Z", "name": "shop", "status": "down"}), ["w-1"]),
        ("a.json", "", []),
    ],
)
def test_recordings_of_many_forms_are_read(name: str, text: str, read: list[str], folder: Path) -> None:
    """By the integration that knows each."""
    (folder / name).write_text(text)
    found = Reader(app.recordings(), {}).read(folder / name)

    assert read == [one.id for one in found if isinstance(one, Signal)]


def test_rows_of_flow_logs_are_read(folder: Path) -> None:
    """With or without a line that names the columns; the source has the name that it is given."""
    row = "2 111122223333 eni-1 203.0.113.9 10.0.0.5 4711 22 6 5 400 1767603600 1767603660 REJECT OK"
    (folder / "flow.log.gz").write_bytes(gzip.compress(f"{row}\n{row.replace(' 22 ', ' 23 ')}\n".encode()))
    found = list(Reader(app.recordings(), {"vpcflow": "edge"}).read(folder / "flow.log.gz"))

    assert [("edge", 22), ("edge", 23)] == [
        (one.source, one.fields["dstport"]) for one in found if isinstance(one, Signal)
    ]


def test_two_versions_of_the_rules_are_compared(trail: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the other finds more, and what no more."""
    shutil.copytree(folder / "rules", folder / "other")
    (folder / "other" / "burst.yaml").write_text(BURST.replace("count: 3", "count: 4"))
    (folder / "other" / "stop.yaml").write_text(STOP.replace("StopLogging", "[StopLogging, ListBuckets]"))
    code, out, _ = told(capsys, str(trail), "--diff", "other", "--json")

    assert 0 == code
    assert [
        {"rule": "burst", "matches_added": 0, "matches_removed": 0, "incidents_added": 0, "incidents_removed": 1},
        {"rule": "stop", "matches_added": 1, "matches_removed": 0, "incidents_added": 0, "incidents_removed": 0},
    ] == matches(out)
    assert "both find the same\n" == told(capsys, str(trail), "--diff", "rules")[1]


def test_rules_of_another_folder_are_played(trail: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever stands in the configured one."""
    (folder / "rules").rename(folder / "elsewhere")
    found = matches(told(capsys, "--rules", "elsewhere", "--json", str(trail))[1])

    assert {"stop", "burst"} == {one["rule"] for one in found}


def test_what_the_daemon_kept_is_played_again(daemon: app.Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    """By the source's own history; what happened before is left out."""
    down(daemon, "shop")
    daemon.close()
    since = str((datetime.now(UTC) - NOW).days + 9)

    found = matches(told(capsys, "--since", f"{since}d", "--source", "hook", "--json")[1])
    assert [("down", "hook", "shop-1")] == [(one["rule"], one["source"], one["signal"]) for one in found]
    assert [] == matches(told(capsys, "--since", "1s", "--source", "hook", "--json")[1])


def test_a_picture_is_drawn(trail: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A row for each rule that hit, with a bar for each span in which it did."""
    assert 0 == told(capsys, str(trail), "--picture", "hits.svg")[0]
    space = {"svg": "http://www.w3.org/2000/svg"}
    rows = ET.parse(folder / "hits.svg").getroot().findall("svg:g", space)

    assert ["burst: 3 hits", "stop: 2 hits"] == sorted(row.findtext("svg:title", "", space) for row in rows)
    assert [2, 2] == [len(row.findall("svg:rect", space)) for row in rows]  # two of the three are in one span


def test_bars_are_as_high_as_their_counts() -> None:
    """A single hit among many still shows."""
    assert " ▁▄█" == bars([0, 1, 50, 100])
    at = datetime(2026, 1, 5, tzinfo=UTC)
    found = histogram({"a": [at, at + timedelta(hours=1), at + timedelta(hours=2)]}, 4)
    assert found is not None
    assert [1, 0, 1, 1] == list(found.counts["a"])
    assert histogram({"a": []}, 4) is None


def test_it_runs_as_a_command(trail: Path) -> None:
    """With nothing in the environment but a path; nothing but matches on stdout."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "daemon", "rules", "backtest", "stop", str(trail), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    assert (0, ["e-1", "e-6"]) == (done.returncode, [one["signal"] for one in matches(done.stdout)])


def test_where_a_recording_ends_is_no_silence(trail: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A gap within it is."""
    rule = "title: x\nsource: cloudtrail\nmatch: {eventSource|exists: true}\nseverity: 3\nclass: availability\n"
    (folder / "rules" / "silent.yaml").write_text(rule + "window: {absent: 10d}\n")
    assert 0 == main(["rules", "backtest", "silent", str(trail), "--json"])

    assert {None} == {json.loads(line)["incident"] for line in capsys.readouterr().out.splitlines()}
