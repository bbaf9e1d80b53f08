"""P1: raw lines → parsed → which rules hold, on one core, in turn with `orjson.loads` alone and with pySigma's SQLite
backend: one table in memory with a column for each field that a rule names, an index on the event's name, and every
rule's own query. Load and queries both count, as they do for those who run it. All must find the same."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import orjson
import yaml
from sigma.backends.sqlite.sqlite import sqliteBackend
from sigma.collection import SigmaCollection

from daemon.model import Signal
from daemon.rules.compile import Program
from daemon.rules.engine import Engine
from daemon.rules.model import Rule
from daemon.rules.template import parse_template
from tests.bench import foreign, trail
from tests.bench.measure import in_turn, rate, ratio
from tests.rules import reference

Hits = set[tuple[int, int]]
"""Event and rule."""
SIZES = (57, 500, 5_000)
CANDIDATES = 4
_AT = datetime(2026, 7, 1, tzinfo=UTC)


def bench(
    events: int, sizes: Sequence[int], rounds: int, told: Callable[[], None], folder: Path | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """A name and its rates in events a second, for every corpus and number of rules; `folder`
    is where the rivals' packages are installed."""
    for unique in (False, True):
        raw = trail.events(events, unique=unique)
        for size in sizes:
            for exact in (False, True):
                name = (
                    f"match, {size} rules{', all exact' if exact else ''}, {'unique' if unique else 'repeated'} values"
                )
                yield name, _one(raw, trail.rules(size, exact=exact), rounds, told, folder)


def _one(
    raw: Sequence[bytes], rules: Sequence[trail.Lines], rounds: int, told: Callable[[], None], folder: Path | None
) -> dict[str, Any]:
    ours, engine, queries = Program([trail.condition(lines) for lines in rules]), _engine(rules), _queries(rules)
    columns = sorted({line.path for lines in rules for line in lines})
    expected = _ours(ours, raw)
    _check(expected, _engined(engine, raw), _sqlite(queries, columns, raw))
    sample = raw[:50]
    _check({hit for hit in expected if hit[0] < len(sample)}, _plain(rules, sample))
    runs: dict[str, Callable[[], float]] = {
        "parse": lambda: rate(lambda: _parsed(raw), len(raw)),
        "ours": lambda: rate(lambda: _ours(ours, raw), len(raw)),
        "with signals": lambda: rate(lambda: _engined(engine, raw), len(raw)),
        "SQLite": lambda: rate(lambda: _sqlite(queries, columns, raw), len(raw)),
    }
    found = in_turn(runs, rounds, told)
    report: dict[str, Any] = {"rates": found, "hits": len(expected)}
    for of, to in (("ours", "parse"), ("with signals", "parse"), ("ours", "SQLite"), ("with signals", "SQLite")):
        report[f"{of} / {to}"] = ratio(found, of, to)
    if folder and len(rules) <= SIZES[0]:
        report |= _against(foreign.rivals(folder, raw, [trail.cel(lines) for lines in rules], expected), found["ours"])
    return report


def _against(rivals: Mapping[str, dict[str, Any] | str], ours: Sequence[float]) -> dict[str, Any]:
    """One round, on fewer events, in an environment of their own; why one did not run."""
    return {
        f"ours / {name}": {"median": median(ours) / told["rate"], "agrees": float(told["agrees"])}
        if isinstance(told, dict)
        else told
        for name, told in rivals.items()
    }


def _check(expected: Hits, *others: Hits) -> None:
    for other in others:
        if expected != other:
            raise ValueError(f"the candidates do not agree: {sorted(expected ^ other)[:5]}")


def _parsed(raw: Sequence[bytes]) -> None:
    loads = orjson.loads
    for line in raw:
        loads(line)


def _ours(program: Program, raw: Sequence[bytes]) -> Hits:
    loads = orjson.loads
    return {(number, rule) for number, line in enumerate(raw) for rule in program.holding(loads(line))}


def _plain(rules: Sequence[trail.Lines], raw: Sequence[bytes]) -> Hits:
    conditions = [trail.condition(lines) for lines in rules]
    events = [orjson.loads(line) for line in raw]
    return {
        (n, k) for n, event in enumerate(events) for k, each in enumerate(conditions) if reference.holds(each, event)
    }


def _engine(rules: Sequence[trail.Lines]) -> Engine:
    title = parse_template("x")
    return Engine(
        Rule(str(number), title, ("cloudtrail",), trail.condition(lines), 3, "security")
        for number, lines in enumerate(rules)
    )


def _engined(engine: Engine, raw: Sequence[bytes]) -> Hits:
    """With the signal that a rule is asked about, and the match that it gives."""
    hits: Hits = set()
    for number, line in enumerate(raw):
        fields = orjson.loads(line)
        signal = Signal("cloudtrail", "cloudtrail", "aws.cloudtrail", fields["eventID"], _AT, fields)
        for match in engine.match(signal):
            hits.add((number, int(match.rule.id)))
    return hits


def _queries(rules: Sequence[trail.Lines]) -> list[str]:
    backend = sqliteBackend()  # type: ignore[no-untyped-call]
    text = yaml.safe_dump_all([trail.sigma(lines) for lines in rules])
    return [query.replace("SELECT *", "SELECT rowid", 1) for query in backend.convert(SigmaCollection.from_yaml(text))]


def _sqlite(queries: Sequence[str], columns: Sequence[str], raw: Sequence[bytes]) -> Hits:
    """With a column for each field that a rule names, compared without case as Sigma asks."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    named = ", ".join(f"`{name}` TEXT COLLATE NOCASE" for name in columns)
    paths = [(name.split(".")[:-1], name.split(".")[-1]) for name in columns]
    connection.execute(f"CREATE TABLE logs ({named})")
    rows = ([_cell(event, *path) for path in paths] for event in map(orjson.loads, raw))
    connection.execute("BEGIN")
    connection.executemany(f"INSERT INTO logs VALUES ({', '.join('?' * len(columns))})", rows)
    connection.execute("COMMIT")
    connection.execute("CREATE INDEX by_name ON logs (eventName, eventSource)")
    hits = {(row - 1, rule) for rule, query in enumerate(queries) for (row,) in connection.execute(query)}
    connection.close()
    return hits


def _cell(event: Any, above: Sequence[str], name: str) -> Any:
    for step in above:
        event = event.get(step)
        if event is None:
            return None
    value = event.get(name)
    if value is None or value.__class__ is str:
        return value
    return orjson.dumps(value).decode()
