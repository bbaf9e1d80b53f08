"""Sigma rules as another would run them: pySigma's SQLite backend finds the same events.

An event is a row with a column for each field that the rule asks for, so that the comparison is fair:

- scalars are texts (`true`, `137`), maps and lists their JSON, what is absent or null is NULL; fields that the rule
  compares by size are numbers, and NULL where they look like none, for SQLite sorts every text above all numbers;
- columns are NOCASE, as that backend expects of its tables, for Sigma's texts match in any case;
- the column of keywords is every scalar of the event, a line each.

Two things are of that backend's tables, not of Sigma: 0 and 1 are its booleans, and its patterns for a network take
what is no address. Neither is put before it.

A path through a list has no column, so events with lists are made only by AWS; ours asks each element of them.
"""

from __future__ import annotations

import json
import random
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from sigma.backends import sqlite
from sigma.collection import SigmaCollection

from daemon.rules.compile import Program
from daemon.rules.conditions import All, Condition, Field, Keywords, Not
from daemon.rules.conditions import Any as AnyOf
from daemon.rules.load import load
from daemon.rules.model import Names
from daemon.rules.paths import parse_path
from daemon.rules.text import leaf_texts, text_of

NAMES = Names(types=frozenset({"cloudtrail"}))
OWN = Path(__file__).parent / "sigma"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
RULES, RECORDED = SHARED / "sigma" / "rules", SHARED / "stratus" / "docs" / "detonation-logs"
GENERATED = 300
WHOLE = "whole event"

Event = dict[str, Any]


@pytest.mark.parametrize("file", sorted(OWN.glob("*.yml")), ids=lambda file: file.stem)
def test_our_own_sigma_rules_match_what_sqlite_finds(file: Path) -> None:
    """Each says one thing that Sigma can say; events are made near what it asks."""
    condition = _conditions(OWN)[file.stem]
    events = [*_near(condition, random.Random(file.stem)), *_named_whole(condition)]

    expected = _found_by_sqlite(file, events)

    assert expected == _found_by_us(condition, events)
    assert expected, "a comparison of nothing with nothing"
    assert len(expected) < len(events), "a rule that always holds compares nothing"


@pytest.mark.skipif(not RULES.is_dir(), reason="the public Sigma rules are not here")
@pytest.mark.parametrize("file", sorted(RULES.glob("*.yml")), ids=lambda file: file.stem)
def test_public_rules_match_what_sqlite_finds(file: Path) -> None:
    """In recorded attacks, and in events near what each rule asks."""
    condition = _conditions(RULES)[file.stem]
    events = [*_recorded(), *_near(condition, random.Random(file.stem))]

    expected = _found_by_sqlite(file, events)

    assert expected == _found_by_us(condition, events)
    assert expected, "a comparison of nothing with nothing"


def _conditions(folder: Path) -> Mapping[str, Condition]:
    """By the name of the file: each holds one rule, and what is said of it."""
    return {rule.id.split("/")[0]: rule.condition for rule in load(folder, NAMES)}


def _found_by_us(condition: Condition, events: Sequence[Event]) -> list[int]:
    program = Program([condition])
    return [number for number, event in enumerate(events) if program.holding(event)]


def _found_by_sqlite(file: Path, events: Sequence[Event]) -> list[int]:
    rules = SigmaCollection.from_yaml(file.read_text())
    backend: Any = sqlite.sqliteBackend(  # type: ignore[attr-defined,no-untyped-call]
        fulltext_field=WHOLE, event_id_field="number"
    )
    queries = backend.convert(rules)
    fields = backend.required_fields(rules.rules[0])
    with sqlite3.connect(":memory:") as base:
        base.create_function("regexp", 2, lambda pattern, text: text is not None and bool(re.search(pattern, text)))
        _fill(base, backend, fields, events, " ".join(queries))
        return sorted({row[0] for query in queries for row in base.execute(query)})


def _fill(base: sqlite3.Connection, backend: Any, fields: list[str], events: Sequence[Event], query: str) -> None:
    names = [backend.escape_and_quote_field(field) for field in fields]
    kinds = ["NUMERIC" if re.search(re.escape(name) + r" [<>]=? ", query) else "TEXT" for name in names]
    columns = [f"{name} {kind} COLLATE NOCASE" for name, kind in zip(names, kinds, strict=True)]
    base.execute(f"CREATE TABLE logs ({', '.join(['number INTEGER', *columns])})")
    read = [_size if kind == "NUMERIC" else _column for kind in kinds]
    rows = [
        [number, *(column(event, field) for column, field in zip(read, fields, strict=True))]
        for number, event in enumerate(events)
    ]
    base.executemany(f"INSERT INTO logs VALUES ({', '.join('?' * (1 + len(names)))})", rows)


def _column(event: Event, field: str) -> str | None:
    if field == WHOLE:
        return "\n".join(leaf_texts(event))
    here: Any = event
    for name in field.replace("{}", "").split("."):
        here = here.get(name) if isinstance(here, dict) else None
    return text_of(here)


def _size(event: Event, field: str) -> str | None:
    text = _column(event, field)
    return text if text and re.fullmatch(r"-?\d+(\.\d+)?", text) else None


def _recorded() -> list[Event]:
    files = sorted(RECORDED.glob("*.json"))
    return [event for file in files for event in json.loads(file.read_text())]


def _near(condition: Condition, chance: random.Random) -> list[Event]:
    """Events that hold what the condition asks for, or something close to it."""
    wanted: dict[tuple[str, ...], list[Any]] = {}
    for path, operand in _operands(condition):
        wanted.setdefault(path, []).append(operand)
    return [_event(wanted, chance) for _ in range(GENERATED)]


def _event(wanted: Mapping[tuple[str, ...], list[Any]], chance: random.Random) -> Event:
    event: Event = {}
    left_out = chance.choice([0.05, 0.1, 0.6])
    for path, operands in wanted.items():
        if chance.random() < left_out:
            continue
        here: Any = event
        for name in path[:-1]:
            here = here.setdefault(name, {}) if isinstance(here, dict) else {}
        if isinstance(here, dict) and not isinstance(here.get(path[-1]), dict):
            here[path[-1]] = _value(operands, chance)
    return event


class _Address(str):
    """Kept whole: their patterns would take `10.1.1.1y` too."""

    __slots__ = ()


def _value(operands: list[Any], chance: random.Random) -> Any:
    operand = chance.choice(operands)
    if isinstance(operand, _Address):
        return chance.choice([str(operand), "203.0.113.9", "2001:db8::1", "AWS Internal", None])
    if chance.random() < 0.1:
        return chance.choice([None, "", "other", True, False, 22, {"a": [1, "b"]}])
    if not isinstance(operand, str):
        return chance.choice([operand, str(operand), *([operand - 1, operand + 1] if type(operand) is int else [])])
    if chance.random() < 0.15:
        return "".join(operands) if all(isinstance(each, str) for each in operands) else operand
    return chance.choice(SHAPES)(operand) if chance.random() < 0.4 else operand


SHAPES: tuple[Callable[[str], str], ...] = (
    str.upper,
    str.lower,
    lambda text: f"x{text}",
    lambda text: f"{text}y",
    lambda text: text[:-1],
    lambda text: f" {text}",
    lambda text: f"{text}\\",
    lambda text: f"*{text}%",
    lambda text: text.replace(".", "?"),
    lambda text: text.replace("/", "\\"),
    lambda text: text.replace("a", "_"),
)
"""What comes near a text, with the marks of the languages that patterns are written in."""


def _operands(condition: Condition) -> Iterator[tuple[tuple[str, ...], Any]]:
    match condition:
        case All(parts) | AnyOf(parts):
            for part in parts:
                yield from _operands(part)
        case Not(part):
            yield from _operands(part)
        case Keywords():
            for operand in condition.operands:
                yield ("note",), _example(condition.operator, operand.strip("*"))
        case Field():
            for operand in condition.operands:
                yield condition.path.names, _example(condition.operator, operand)
            if condition.reference:
                yield from ((parse_path(str(other)).names, "someone") for other in condition.operands)
                yield condition.path.names, "someone"


def _example(operator: str, operand: Any) -> Any:
    """Something that meets the operator, or nearly."""
    if operator == "glob":
        return re.sub(r"\\([*?\\])", r"\1", operand.replace("*", "-") if "\\" not in operand else operand)
    if operator == "re":
        return EXAMPLES.get(operand, operand)
    if operator == "cidr":
        return _Address(operand.split("/")[0])
    return operand


EXAMPLES = {
    ".+:assumed-role/aws:.+": "arn:aws:sts::111122223333:assumed-role/aws:ec2-instance/i-0123",
    "(?i)^(kali|parrot)": "kali 2026",
    "AKIA[A-Z]{4}": "key AKIAABCD",
    "(?is)allow.*principal": "Allow\nfor the PRINCIPAL",
}
"""Pattern → a text in which it is found."""


def _named_whole(condition: Condition) -> list[Event]:
    """One event with the first operand at each path, and one with the last."""
    events: list[Event] = [{}, {}]
    pairs = list(_operands(condition))
    for event, order in zip(events, (pairs, pairs[::-1]), strict=True):
        for path, operand in order:
            here = event
            for name in path[:-1]:
                here = here.setdefault(name, {})
            here.setdefault(path[-1], operand)
    return events
