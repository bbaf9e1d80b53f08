"""`heliograph rules backtest`: what rules would have found in what was recorded."""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from daemon import app
from daemon.cli.found import Run, Told, tell
from daemon.cli.recorded import Reader, files
from daemon.cli.rehearse import stage
from daemon.cli.show import plain
from daemon.cli.where import rules_of, what_may_be_named
from daemon.clock import SystemClock
from daemon.config.schema import Config
from daemon.errors import ConfigError, Problem
from daemon.model import Signal
from daemon.pipeline.open import Detection
from daemon.pipeline.sift import Wanted
from daemon.rules.engine import Engine
from daemon.rules.model import Names, RuleSet
from daemon.rules.reader import nearest
from daemon.store import history
from daemon.store.engine import Store

_AT_ONCE = 32
"""Records that are held at a time: more of them fall out of the processor's cache before they are looked at."""
_SHOWN_EVERY = 1_000


def backtest(options: argparse.Namespace) -> int:
    """0 if all of it was read, 1 if a file could not be."""
    config, names = what_may_be_named(options)
    folders = [options.rules or config.rules, *([options.diff] if options.diff else [])]
    sets = [rules_of(config, folder) for folder in folders]
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
    tell(options, runs, told)
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
        if told.records % _SHOWN_EVERY < _AT_ONCE:
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

    def watch(self, wanted: Sequence[Wanted]) -> Iterator[Wanted]:
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
