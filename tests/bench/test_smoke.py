"""The benches run. What they measure is for a quiet machine, and no test."""

from __future__ import annotations

import json
from pathlib import Path

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
