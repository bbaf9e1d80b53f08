"""`python -m tests.bench`: speed as ratios within one run, never as absolute figures, on the disk of `--folder`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.bench import clocks, ingest, match, page, rules, scan, scrape, storm, windows

BENCHES = ("ingest", "page", "match", "rules", "clocks", "windows", "scrape", "scan", "storm")
_CANDIDATES = 4
_BATCHES = {1: 400, 1_000: 10}
_QUICK = {1: 20, 1_000: 1}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("what", nargs="*", choices=[[], *BENCHES], help="which of them (default: ingest and page)")
    parser.add_argument("--quick", action="store_true", help="a smoke of a few seconds: its figures say nothing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there too")
    parser.add_argument("--folder", type=Path, default=Path(), help="whose disk is written to (default: here)")
    parser.add_argument(
        "--rivals",
        type=Path,
        metavar="FOLDER",
        help="an environment for CEL's two, ElastAlert, Hyperscan, made there",
    )
    options = parser.parse_args(arguments)
    batches, rounds = (_QUICK, 1) if options.quick else (_BATCHES, 5)
    wanted = options.what or ["ingest", "page"]
    report: dict[str, Any] = {}
    with Progress(console=Console(stderr=True)) as progress, tempfile.TemporaryDirectory(dir=options.folder) as folder:
        if "ingest" in wanted:
            task = progress.add_task("ingest", total=len(batches) * rounds * _CANDIDATES)
            for size, count in batches.items():
                found = ingest.bench(Path(folder), size, count, rounds, lambda: progress.advance(task))
                report[f"ingest, batches of {size}"] = found
        if "page" in wanted:
            paging = progress.add_task("signal to page", total=rounds * 3)
            found = page.bench(Path(folder), 5 if options.quick else 100, rounds, lambda: progress.advance(paging))
            report["signal to page"] = found
        if "match" in wanted:
            events, sizes = (50, (20,)) if options.quick else (5_000, match.SIZES)
            matching = progress.add_task("match", total=4 * len(sizes) * rounds * match.CANDIDATES)
            report |= dict(match.bench(events, sizes, rounds, lambda: progress.advance(matching), options.rivals))
        if "scan" in wanted:
            events, sizes = (50, (20,)) if options.quick else (5_000, match.SIZES)
            scanning = progress.add_task("scan", total=len(sizes) * rounds * (scan.CANDIDATES + bool(options.rivals)))
            report |= dict(scan.bench(events, sizes, rounds, lambda: progress.advance(scanning), options.rivals))
        if "rules" in wanted:
            ruling = progress.add_task("rules", total=rounds * rules.CANDIDATES)
            report["rules"] = rules.bench(rounds, lambda: progress.advance(ruling), 10 if options.quick else None)
        if "clocks" in wanted:
            scale = clocks.QUICK if options.quick else clocks.WHOLE
            ticking = progress.add_task("clocks", total=len(scale.idle) + 2)
            report["clocks"] = clocks.bench(Path(folder), scale, lambda: progress.advance(ticking))
        if "windows" in wanted:
            many = {100: 3_000} if options.quick else windows.SIZES
            moving = progress.add_task("windows", total=None)
            report |= dict(windows.bench(many, rounds, lambda: progress.advance(moving), options.rivals))
        if "scrape" in wanted:
            open_ = scrape.QUICK if options.quick else scrape.SIZES
            scraping = progress.add_task("scrape", total=len(open_))
            report["scrape"] = scrape.bench(Path(folder), open_, rounds, lambda: progress.advance(scraping))
        if "storm" in wanted:
            most = storm.QUICK if options.quick else storm.SIGNALS
            storming = progress.add_task("storm", total=len(storm.WINDOWS) * rounds)
            report["storm"] = storm.bench(Path(folder), most, rounds, lambda: progress.advance(storming))
    Console().print(_table(report))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1))
    return 0


def _table(report: Mapping[str, Any]) -> Table:
    table = Table("bench", "ratio", "figures")
    for bench, found in report.items():
        for name, figure in found.items():
            if "/" in name:
                told = figure if isinstance(figure, str) else "  ".join(f"{key} {n:.2f}" for key, n in figure.items())
                table.add_row(bench, name, told)
    return table


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
