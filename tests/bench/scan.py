"""What a look before parsing could save at most: every raw record is scanned for what the rules demand, and only those
with a find are parsed. It is no path of the daemon (docs/decisions/0009) and not sound: escapes, letters beyond ASCII
and numbers written in another way would be missed. So its figures are what such a path cannot reach, beside reading
only the fields that rules name."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypedDict

import msgspec
import orjson
import re2

from daemon.rules.compile import Program
from daemon.rules.conditions import simplified
from daemon.rules.index import Exact, Text, choose
from tests.bench import foreign, trail
from tests.bench.match import SIZES
from tests.bench.measure import in_turn, rate, ratio

CANDIDATES = 4
Suspects: TypeAlias = Callable[[], Sequence[bytes]]
"""Records in which something was found."""
_ANYTHING_ELSE: Any = None | bool | int | float | str | list[Any]


def bench(
    events: int, sizes: Sequence[int], rounds: int, told: Callable[[], None], folder: Path | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """A name and its rates in events a second; Hyperscan's too if `folder` is where rivals are installed."""
    raw = trail.events(events, unique=True)
    for size in sizes or SIZES:
        yield f"scan, {size} rules", _one(raw, trail.rules(size, exact=False), rounds, told, folder)


def _one(
    raw: Sequence[bytes], rules: Sequence[trail.Lines], rounds: int, told: Callable[[], None], folder: Path | None
) -> dict[str, Any]:
    program, wanted = Program([trail.condition(lines) for lines in rules]).holding, literals(rules)
    narrow = msgspec.json.Decoder(_narrowed(sorted({line.path for lines in rules for line in lines}))).decode
    by_re2 = _by_re2(wanted, raw)

    def judged(records: Sequence[bytes], read: Callable[[bytes], Any]) -> None:
        for record in records:
            program(read(record))

    runs: dict[str, Callable[[], float]] = {
        "parse": lambda: rate(lambda: [orjson.loads(record) and None for record in raw], len(raw)),
        "parsed": lambda: rate(lambda: judged(raw, orjson.loads), len(raw)),
        "narrowed": lambda: rate(lambda: judged(raw, narrow), len(raw)),
        "RE2": lambda: rate(lambda: judged(by_re2(), orjson.loads), len(raw)),
    }
    if folder:
        by_hyperscan = _by_hyperscan(folder, wanted, raw)
        runs["Hyperscan"] = lambda: rate(lambda: judged(by_hyperscan(), orjson.loads), len(raw))
    found = in_turn(runs, rounds, told)
    report: dict[str, Any] = {"rates": found, "suspects": len(by_re2()) / len(raw)}
    return report | {f"{name} / parse": ratio(found, name, "parse") for name in runs if name != "parse"}


def literals(rules: Sequence[trail.Lines]) -> list[str]:
    """One of these texts stands in every record that a rule could want, by and large."""
    atoms = choose({number: simplified(trail.condition(lines)) for number, lines in enumerate(rules)})
    return sorted({_literal(atom) for atom in atoms})


def _literal(atom: object) -> str:
    match atom:
        case Exact(key=key):
            return f'"{key}"'
        case Text(operand=operand):
            return operand
        case _:
            raise TypeError(f"{atom} is no text")


def _by_re2(wanted: Sequence[str], raw: Sequence[bytes]) -> Suspects:
    options = re2.Options()
    options.case_sensitive, options.max_mem = False, 1 << 30
    patterns, texts = re2.Set.SearchSet(options), [record.decode() for record in raw]
    for literal in wanted:
        patterns.Add(re.escape(literal))
    patterns.Compile()
    return lambda: [record for record, text in zip(raw, texts, strict=True) if patterns.Match(text)]


def _by_hyperscan(folder: Path, wanted: Sequence[str], raw: Sequence[bytes]) -> Suspects:
    sys.path.append(str(foreign.packages(folder, ("hyperscan",))))
    hyperscan = importlib.import_module("hyperscan")
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    flags = hyperscan.HS_FLAG_CASELESS | hyperscan.HS_FLAG_SINGLEMATCH
    expressions = [re.escape(literal).encode() for literal in wanted]
    database.compile(expressions=expressions, elements=len(wanted), flags=[flags] * len(wanted))

    def suspects() -> list[bytes]:
        found: dict[bytes, None] = {}
        for record in raw:
            database.scan(record, match_event_handler=lambda *_, record=record: found.setdefault(record))
        return list(found)

    return suspects


def _narrowed(paths: Sequence[str]) -> Any:
    """The type of a record of which nothing else is read."""
    tree: dict[str, Any] = {}
    for path in paths:
        here = tree
        for name in path.split("."):
            here = here.setdefault(name, {})
    return _typed("Record", tree)


def _typed(name: str, tree: Mapping[str, Any]) -> Any:
    keys = {key: _typed(f"{name}_{key}", inner) | _ANYTHING_ELSE if inner else Any for key, inner in tree.items()}
    return TypedDict(name, keys, total=False)  # type: ignore[operator]  # made while it runs
