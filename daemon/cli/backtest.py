"""`heliograph rules backtest`: what rules would have found in what was recorded."""

from __future__ import annotations

import argparse
import json
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from daemon import app
from daemon.cli.picture import bars, histogram, svg
from daemon.cli.recorded import Reader, files
from daemon.cli.rehearse import Replayed, Stage, stage
from daemon.cli.show import plain, show
from daemon.cli.where import rules_of, what_may_be_named
from daemon.clock import SystemClock
from daemon.config.schema import Config
from daemon.contract import Unreadable, write_duration
from daemon.errors import ConfigError, Problem
from daemon.model import Incident, Json, Signal
from daemon.pipeline import detect
from daemon.pipeline.open import Detection
from daemon.rules.engine import Engine
from daemon.rules.model import Names, Rule, RuleSet
from daemon.rules.reader import nearest
from daemon.store import history
from daemon.store.engine import Store

_AT_ONCE = 1_000
_BAD_SHOWN = 5
_SPANS = 60
_UNITS = (timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1))


Watch: TypeAlias = Callable[[Sequence[detect.Wanted]], Iterable[detect.Wanted]]
"""Shows how far it is."""


@dataclass
class Run:
    """One version of the rules, and what it wanted."""

    rules: tuple[Rule, ...]
    """Those asked for."""
    engine: Engine
    wanted: dict[tuple[str, str], detect.Wanted] = field(default_factory=dict)
    replayed: Replayed = field(default_factory=Replayed)

    def take(self, signals: Iterable[Signal]) -> None:
        for each in detect.sift(self.engine, signals)[0]:
            self.wanted.setdefault((each.signal.source, each.signal.id), each)

    def play(self, on: Stage, watch: Watch) -> None:
        ordered = self._ordered()
        self.replayed = on.replay(self.engine, watch(ordered), {each.signal.source: each.signal.type for each in ordered})

    def matches(self) -> list[dict[str, Json]]:
        """One for each rule and signal that broke it, by event time; no recoveries."""
        asked = {rule.id: getattr(rule, "sigma_id", "") or rule.id for rule in self.rules}
        return [
            {
                "rule": asked[match.rule.id],
                "source": each.signal.source,
                "signal": each.signal.id,
                "at": each.signal.at.isoformat(),
                "group": dict(match.group),
                "incident": self.replayed.evidence.get((match.rule.id, each.signal.source, each.signal.id)),
            }
            for each in self._ordered()
            for match in each.matches
            if match.rule.id in asked and not match.recovered
        ]

    def hits(self) -> dict[str, list[Signal]]:
        """Each rule's, by event time; no rule without any."""
        found: dict[str, list[Signal]] = {rule.id: [] for rule in self.rules}
        for each in self._ordered():
            for match in each.matches:
                if match.rule.id in found and not match.recovered:
                    found[match.rule.id].append(each.signal)
        return {rule: signals for rule, signals in found.items() if signals}

    def _ordered(self) -> list[detect.Wanted]:
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


def backtest(options: argparse.Namespace) -> int:
    """0 if all of it was read, 1 if a file could not be."""
    config, names = what_may_be_named(options)
    folders = [options.rules or config.rules, *([options.diff] if options.diff else [])]
    sets = [rules_of(folder, names) for folder in folders]
    asked, words = _sorted_out(options.words, folders[0], sets[0])
    if bool(words) is bool(options.since):
        problem = (
            "name what was recorded, or say --since 30d --source NAME." if not words else "--since reads no files."
        )
        raise ConfigError([Problem("heliograph rules backtest", 0, problem)])
    runs = [_run(ruleset, asked) for ruleset in sets]
    told = Told()
    with _progress(told) as step:
        for batch in _batches(options, config, names, words, told, step):
            for run in runs:
                run.take(batch)
        with stage(Detection(app.terms(config, options.chance), {}), frozenset(config.actions)) as on:
            for run in runs:
                run.play(on, step.watch)
    _tell(options, runs, told)
    return 1 if told.failed else 0


def _sorted_out(words: Sequence[str], folder: Path, rules: RuleSet) -> tuple[set[str], list[str]]:
    """Ids of the rules that were named, and the other words: what was recorded."""
    asked: set[str] = set()
    recorded: list[str] = []
    for word in words:
        path = Path(word).resolve()
        if word in rules.by_id:
            asked.add(word)
        elif path.exists() and path.is_relative_to(folder.resolve()):
            at = path if path.is_dir() else path.with_suffix("")
            asked |= {rule.id for rule in rules if (folder / rule.id).resolve().is_relative_to(at)}
        elif files(word):
            recorded.append(word)
        else:
            hint = nearest(word, rules.by_id) or "Name a rule by its id, or a file, a folder or a pattern of files."
            raise ConfigError([Problem(word, 0, "there is no such rule, and no such file.", hint)])
    return asked, recorded


def _run(ruleset: RuleSet, asked: set[str]) -> Run:
    """Shadow rules open here as if they were live; what a rule stands on is played too."""
    rules = [replace(rule, stage="live") for rule in ruleset]
    chosen = [rule for rule in rules if not asked or rule.id in asked]
    needed = {step.rule for rule in chosen for step in rule.over}
    while more := {step.rule for rule in rules if rule.id in needed for step in rule.over} - needed:
        needed |= more
    played = [rule for rule in rules if rule in chosen or rule.id in needed]
    return Run(tuple(chosen), Engine(played))


def _batches(
    options: argparse.Namespace, config: Config, names: Names, words: list[str], told: Told, step: _Step
) -> Iterator[list[Signal]]:
    source = _kept(options, config) if options.since else _recorded(options, names, words, told, step)
    while batch := list(islice(source, _AT_ONCE)):
        told.records += len(batch)
        step()
        yield batch


def _recorded(options: argparse.Namespace, names: Names, words: list[str], told: Told, step: _Step) -> Iterator[Signal]:
    reader = Reader(app.recordings(), _source_names(names, options.source))
    paths = list(dict.fromkeys(path for word in words for path in files(word)))
    for number, path in enumerate(paths):
        step(path.name, number, len(paths))
        try:
            for record in reader.read(path):
                if isinstance(record, Signal):
                    yield record
                else:
                    told.put_aside(record)
        except (OSError, EOFError, zlib.error, ValueError) as error:
            told.failed.append(f"{path}: {getattr(error, 'strerror', None) or error}")


def _source_names(names: Names, given: str | None) -> dict[str, str]:
    """Type → the configured source that recordings of it are taken to be of: the only one, or the one that is named."""
    if given is not None and given not in names.sources:
        raise ConfigError([Problem("--source", 0, f"there is no source '{given}'.", nearest(given, names.sources))])
    found: dict[str, list[str]] = {}
    for name, type in names.sources.items():
        found.setdefault(type, []).append(name)
    only = {type: named[0] for type, named in found.items() if len(named) == 1}
    return only | ({names.sources[given]: given} if given else {})


def _kept(options: argparse.Namespace, config: Config) -> Iterator[Signal]:
    if options.source not in config.sources:
        hint = nearest(options.source or "", config.sources) or f"There is {', '.join(config.sources)}."
        raise ConfigError([Problem("--source", 0, "names the source whose history is read.", hint)])
    clock = SystemClock()
    store = Store(config.store, clock)
    if store.path is not None and not store.path.exists():
        raise ConfigError([Problem(str(store.path), 0, "there is no database yet.", "Start `heliograph run`.")])
    try:
        with store.read() as connection:
            yield from history.since(connection, options.source, clock.now() - options.since)
    finally:
        store.close()


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        records, elapsed = task.fields["records"], task.elapsed or 0
        return Text(f"{records:,} records, {records / elapsed if elapsed else 0:,.0f}/s")


class _Step:
    def __init__(self, progress: Progress, told: Told) -> None:
        self._progress, self._told = progress, told
        self._task = progress.add_task("reading", total=None, records=0)

    def __call__(self, what: str = "", done: int | None = None, of: int | None = None) -> None:
        """`done` files of so many."""
        said = str(plain(what)) if what else None
        self._progress.update(self._task, completed=done, total=of, description=said, records=self._told.records)

    def watch(self, wanted: Sequence[detect.Wanted]) -> Iterator[detect.Wanted]:
        for number, each in enumerate(wanted):
            if number % 100 == 0:
                self("playing", number, len(wanted))
            yield each


@contextmanager
def _progress(told: Told) -> Iterator[_Step]:
    """On stderr, where a terminal shows it."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), _Rate(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield _Step(progress, told)


def _tell(options: argparse.Namespace, runs: Sequence[Run], told: Told) -> None:
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
