"""The benches run. What they measure is for a quiet machine, and no test."""

from __future__ import annotations

import json
from pathlib import Path

from daemon.rules.compile import Program
from tests.bench import scan, trail
from tests.bench.__main__ import main


def test_a_quick_run_reports_each_ratio(tmp_path: Path) -> None:
    assert 0 == main(["--quick", "--folder", str(tmp_path), "--json", str(tmp_path / "report.json")])

    report = json.loads((tmp_path / "report.json").read_text())
    pages = report.pop("signal to page")
    assert {"fsync", "round trip", "page"} == set(pages["seconds"])
    assert all(0 < pages[f"page / {limit}"]["p50"] for limit in ("fsync", "round trip"))
    assert ["ingest, batches of 1", "ingest, batches of 1000"] == list(report)
    for found in report.values():
        assert {"disk", "driver", "one in a hundred", "keep all"} == set(found["rates"])
        assert all(rate > 0 for rates in found["rates"].values() for rate in rates)
        for name in ("one in a hundred / disk", "keep all / driver"):
            assert 0 < found[name]["least"] <= found[name]["median"] <= found[name]["greatest"]


def test_a_quick_run_of_the_matching_finds_the_same_by_every_way(tmp_path: Path) -> None:
    """Those that do not agree raise an error."""
    assert 0 == main(["match", "--quick", "--folder", str(tmp_path), "--json", str(tmp_path / "report.json")])

    report = json.loads((tmp_path / "report.json").read_text())
    assert 4 == len(report)
    for found in report.values():
        assert {"parse", "ours", "with signals", "SQLite"} == set(found["rates"])


def test_a_quick_run_of_the_scan_looks_into_every_record(tmp_path: Path) -> None:
    assert 0 == main(["scan", "--quick", "--folder", str(tmp_path), "--json", str(tmp_path / "report.json")])

    (found,) = json.loads((tmp_path / "report.json").read_text()).values()
    assert {"parse", "parsed", "narrowed", "RE2"} == set(found["rates"])
    assert 0 <= found["suspects"] < 1


def test_what_the_scan_looks_for_stands_in_every_record_that_is_wanted() -> None:
    rules = trail.rules(500, exact=False)
    wanted, program = scan.literals(rules), Program([trail.condition(lines) for lines in rules])
    hits = [raw for raw in trail.events(1_000, unique=True) if program.holding(json.loads(raw))]

    assert 50 < len(hits)
    assert [] == [raw for raw in hits if not any(literal.lower() in raw.decode().lower() for literal in wanted)]


def test_a_quick_run_of_the_rules_times_what_people_wait_for(tmp_path: Path) -> None:
    """And counts what a signal costs the store."""
    assert 0 == main(["rules", "--quick", "--folder", str(tmp_path), "--json", str(tmp_path / "report.json")])

    found = json.loads((tmp_path / "report.json").read_text())["rules"]
    assert {"python", "test", "check", "help"} == set(found["seconds"])
    assert all(1 < found[f"{name} / python"]["least"] for name in ("test", "check", "help"))
    assert 10 == found["statements / signal"]["tests"]
    assert found["statements / signal"]["signals"] >= 10
    assert 0 < found["statements / signal"]["each"]


def test_a_quick_run_of_the_clocks_looks_at_all_that_is_due(tmp_path: Path) -> None:
    """Every ticket that fell due was warned of, or the run would not end."""
    assert 0 == main(["clocks", "--quick", "--folder", str(tmp_path), "--json", str(tmp_path / "report.json")])

    found = json.loads((tmp_path / "report.json").read_text())["clocks"]
    assert {"50", "500"} == set(found["idle"])
    assert 100 == found["at once"]["tickets"]
    assert 0 < found["at once"]["p99"] <= found["at once"]["seconds"]


def test_a_quick_run_of_the_windows_finds_what_a_plain_look_finds(tmp_path: Path) -> None:
    """With a restart in the middle. What is not the same raises an error; where nothing fires it says nothing."""
    assert 0 == main(["windows", "--quick", "--folder", str(tmp_path), "--json", str(tmp_path / "report.json")])

    report = json.loads((tmp_path / "report.json").read_text())
    assert [f"windows, {kind}, 100 keys" for kind in ("count", "distinct", "sum", "spike")] == list(report)
    assert all(0 < found["fired"] for found in report.values())
    assert 0 < report["windows, count, 100 keys"]["ours / ring"]["median"]


def test_a_quick_run_of_the_scrape_weighs_what_is_written(tmp_path: Path) -> None:
    """The same lines, however many tickets are open."""
    assert 0 == main(["scrape", "--quick", "--folder", str(tmp_path), "--json", str(tmp_path / "report.json")])

    found = json.loads((tmp_path / "report.json").read_text())["scrape"]
    assert {"50", "500"} == set(found["seconds"]) == set(found["peak megabytes"])
    assert 100_000 < found["bytes"]["50"]
    assert all(0 < found["of the store"][size] <= found["seconds"][size] for size in ("50", "500"))


def test_a_quick_run_of_the_storm_sets_its_end_against_its_beginning(tmp_path: Path) -> None:
    assert 0 == main(["storm", "--quick", "--folder", str(tmp_path), "--json", str(tmp_path / "report.json")])

    found = json.loads((tmp_path / "report.json").read_text())["storm"]
    for storm in ("no window", "count", "shared"):
        assert all(0 < found[f"{storm}, microseconds"][part] for part in ("first", "last"))
        assert 0 < found[f"{storm}, last / first"]["median"]


def test_the_made_up_trail_is_hit() -> None:
    """Or equal hits would say nothing."""
    program = Program([trail.condition(lines) for lines in trail.rules(500, exact=False)])

    assert 50 < sum(len(program.holding(json.loads(raw))) for raw in trail.events(1_000, unique=True)) < 1_000
