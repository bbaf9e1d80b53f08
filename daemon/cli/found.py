"""What a backtest found: how it is kept, and how it is told."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

from daemon.cli.picture import bars, histogram, svg
from daemon.cli.rehearse import Replayed, Stage
from daemon.cli.show import plain, show
from daemon.contract import Unreadable, write_duration
from daemon.model import Incident, Json, Signal
from daemon.pipeline.sift import Wanted, sift
from daemon.rules.engine import Engine
from daemon.rules.model import Rule

_BAD_SHOWN = 5
_SPANS = 60
_UNITS = (timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1))

Watch: TypeAlias = Callable[[Sequence[Wanted]], Iterable[Wanted]]
"""Shows how far it is."""


@dataclass
class Run:
    """One version of the rules, and what it wanted."""

    rules: tuple[Rule, ...]
    """Those asked for."""
    engine: Engine
    wanted: dict[tuple[str, str], Wanted] = field(default_factory=dict)
    replayed: Replayed = field(default_factory=Replayed)

    def take(self, signals: Iterable[Signal]) -> None:
        for each in sift(self.engine, signals)[0]:
            self.wanted.setdefault((each.signal.source, each.signal.id), each)

    def play(self, on: Stage, watch: Watch) -> None:
        ordered = self._ordered()
        self.replayed = on.replay(
            self.engine, watch(ordered), {each.signal.source: each.signal.type for each in ordered}
        )

    def matches(self) -> list[dict[str, Json]]:
        """One for each rule and signal that broke it, by event time; no recoveries. A rule over others is broken by
        the signals that its incidents rest on."""
        asked = {rule.id: rule.sigma_id or rule.id for rule in self.rules}
        return [
            {
                "rule": asked[rule],
                "source": signal.source,
                "signal": signal.id,
                "at": signal.at.isoformat(),
                "group": dict(group),
                "incident": self.replayed.evidence.get((rule, signal.source, signal.id)),
            }
            for rule, signal, group in self._broken()
        ]

    def hits(self) -> dict[str, list[Signal]]:
        """Each rule's, by event time; no rule without any."""
        found: dict[str, list[Signal]] = {rule.id: [] for rule in self.rules}
        for rule, signal, _ in self._broken():
            found[rule].append(signal)
        return {rule: signals for rule, signals in found.items() if signals}

    def _broken(self) -> Iterator[tuple[str, Signal, Mapping[str, Json]]]:
        asked = {rule.id: rule for rule in self.rules}
        groups = {incident.id: incident.group for incident, _, _ in self.replayed.incidents}
        over = [rule.id for rule in self.rules if rule.over]
        for each in self._ordered():
            for match in each.matches:
                if match.rule.id in asked and not match.recovered:
                    yield match.rule.id, each.signal, match.group
            for rule in over:
                incident = self.replayed.evidence.get((rule, each.signal.source, each.signal.id))
                if incident is not None:
                    yield rule, each.signal, groups[incident]

    def _ordered(self) -> list[Wanted]:
        return sorted(self.wanted.values(), key=lambda each: each.signal.at)

    def opened(self, rule: str) -> list[tuple[Incident, bool, bool]]:
        return [one for one in self.replayed.incidents if one[0].rule == rule]


@dataclass
class Told:
    """What was read, and what could not be."""

    records: int = 0
    bad: list[Unreadable] = field(default_factory=list)
    bad_count: int = 0
    failed: list[str] = field(default_factory=list)

    def put_aside(self, record: Unreadable) -> None:
        self.bad_count += 1
        if len(self.bad) < _BAD_SHOWN:
            self.bad.append(record)


def tell(options: argparse.Namespace, runs: Sequence[Run], told: Told) -> None:
    if options.picture:
        _draw(options.picture, runs[0])
    if options.diff:
        _tell_difference(options, *runs)
    elif options.json:
        for match in runs[0].matches():
            print(json.dumps(match, default=str))
    else:
        _table(runs[0])
    console = sys.stderr
    print(f"{told.records:,} records read, {len(runs[0].wanted):,} wanted by a rule", file=console)
    if told.bad_count:
        print(f"{told.bad_count:,} records could not be read, such as:", file=console)
        for reason, _ in told.bad:
            print(f"    {plain(reason)}", file=console)
    for failed in told.failed:
        print(plain(failed), file=console)


def _table(run: Run) -> None:
    hits = run.hits()
    over_time = histogram({rule: [one.at for one in found] for rule, found in hits.items()}, _SPANS)
    rows = []
    for rule, found in hits.items():
        opened = run.opened(rule)
        pages, defects = sum(page for _, page, _ in opened), sum(defect for *_, defect in opened)
        first, last = (f"{one.at:%Y-%m-%d %H:%M:%S}" for one in (found[0], found[-1]))
        rows.append((rule, len(found), len(opened), pages, defects, first, last))
    if not rows or over_time is None:
        print("no rule matches any of it")
        return
    show(("rule", "hits", "incidents", "would page", "would defect", "first", "last"), rows)
    span = (over_time.end - over_time.start) / _SPANS
    print(
        f"\nHits from {over_time.start:%Y-%m-%d %H:%M} to {over_time.end:%Y-%m-%d %H:%M} UTC; a column is {_says(span)}"
    )
    for rule, row in over_time.counts.items():
        print(f"{bars(row)}  {rule}")
    print(f"\n{len(run.rules) - len(hits)} rules match none of it")


def _says(span: timedelta) -> str:
    """About so long: `2d`, `7h`."""
    unit = next((unit for unit in _UNITS if span >= 2 * unit), _UNITS[-1])
    return write_duration(max(round(span / unit), 1) * unit)


def _draw(file: Path, run: Run) -> None:
    over_time = histogram({rule: [one.at for one in found] for rule, found in run.hits().items()}, 2 * _SPANS)
    if over_time is not None:
        file.write_text(svg(over_time, "Hits of rules over time"))


def _tell_difference(options: argparse.Namespace, here: Run, there: Run) -> None:
    """What the other folder finds more, and what it finds no more, rule by rule."""
    found: list[dict[str, Json]] = []
    matched = [_matched(run) for run in (here, there)]
    opened = [{(one.rule, one.key, one.opened_at) for one, *_ in run.replayed.incidents} for run in (here, there)]
    for rule in sorted({rule.id for run in (here, there) for rule in run.rules}):
        row = {
            "matches_added": _more(matched[1], matched[0], rule),
            "matches_removed": _more(matched[0], matched[1], rule),
            "incidents_added": _more(opened[1], opened[0], rule),
            "incidents_removed": _more(opened[0], opened[1], rule),
        }
        if any(row.values()):
            found.append({"rule": rule, **row})
    if options.json:
        print("\n".join(json.dumps(row) for row in found), end="\n" if found else "")
    elif found:
        show(("rule", "matches +", "matches −", "incidents +", "incidents −"), [tuple(row.values()) for row in found])
    else:
        print("both find the same")


def _matched(run: Run) -> set[tuple[str, str, str]]:
    return {(rule, one.source, one.id) for rule, found in run.hits().items() for one in found}


def _more(left: Iterable[tuple[object, ...]], right: Iterable[tuple[object, ...]], rule: str) -> int:
    """How many of the rule's are on the left alone."""
    return sum(one[0] == rule for one in {*left} - {*right})
