"""The schema for editors: it takes what the reader takes, and refuses what is wrong in shape."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from daemon.app import Kinds
from daemon.errors import ConfigError
from daemon.marked_yaml import parse
from daemon.rules import read_condition, read_rule, read_test, read_window, words
from daemon.rules.model import Names, RuleTest
from daemon.rules.reader import plain
from daemon.rules.schema import schema
from tests.rules.names import NAMES

ROOT = Path(__file__).parents[2]
BAD = sorted((Path(__file__).parent / "bad").glob("*.yaml"))
BEYOND = {
    "bad-network",
    "bad-regex",
    "expect-of-another-size",
    "host-bits-set",
    "list-that-is-not-there",
    "not-yaml",
    "raise-that-lowers",
    "recovery-of-anything",
    "regex-with-look-ahead",
    "repeated-key",
    "sequence-of-nots",
    "sequence-test-without-source",
}
"""What a schema cannot see: what one key says of another, whether a pattern is one, and what is no YAML."""
SHIPPED = Names(types=frozenset(Kinds().sources()))
TABLES: dict[str, tuple[set[str], set[str]]] = {
    "rule": (set(read_rule.RULE), set(words.RULE)),
    "window": ({key for kind in read_window.KINDS.values() for key in kind.keys}, set(words.WINDOW)),
    "step": (set(read_window.STEP), set(words.STEP)),
    "raise": (set(read_rule.RAISE), set(words.RAISE)),
    "clear": (set(read_rule.CLEAR), set(words.CLEAR)),
    "modifier": (set(read_condition.MODIFIERS), set(words.MODIFIER)),
    "test": ({one.name for one in fields(RuleTest)} - {"line"}, set(words.TEST)),
    "given": (set(read_test.GIVEN), set(words.GIVEN)),
    "expect": (set(read_test.EXPECT), set(words.EXPECT)),
}
SHORT = {"title": "x", "source": "sentry", "match": {"level": "fatal"}, "severity": 2, "class": "defect"}


def mistakes(value: object, names: Names = NAMES) -> list[str]:
    return [error.json_path for error in Draft202012Validator(schema(names)).iter_errors(value)]


@pytest.mark.parametrize("table_of", sorted(TABLES))
def test_every_key_that_the_reader_knows_has_its_word_and_no_other_has(table_of: str) -> None:
    parsed, described = TABLES[table_of]

    assert parsed == described


def test_it_is_a_schema() -> None:
    """Of its own dialect, and every key in it says what it is for."""
    made = schema(NAMES)

    Draft202012Validator.check_schema(made)
    assert [] == [key for key, shape in made["properties"].items() if not shape["description"]]


@pytest.mark.parametrize("path", sorted((ROOT / "rules").rglob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_rule_is_as_the_schema_says(path: Path) -> None:
    assert [] == mistakes(plain(parse(path.read_text(), path.name)), SHIPPED)


@pytest.mark.parametrize("path", [path for path in BAD if path.stem not in BEYOND], ids=lambda path: path.stem)
def test_every_mistake_of_shape_is_refused(path: Path) -> None:
    """Those files of which the reader says so word for word."""
    text = "".join(line for line in path.read_text().splitlines(keepends=True) if not line.startswith("#! "))

    assert [] != mistakes(plain(parse(text, path.name)))


@pytest.mark.parametrize("stem", sorted(BEYOND))
def test_what_is_said_to_be_beyond_a_schema_is(stem: str) -> None:
    """Else the list would hide what could be refused."""
    try:
        value = plain(parse((Path(__file__).parent / "bad" / f"{stem}.yaml").read_text(), stem))
    except ConfigError:
        return
    assert [] == mistakes(value)


@pytest.mark.parametrize(
    "more",
    [
        {"match": {"a|not|startswith|i": ["x", "y"], "b.c[].d|gt": 3, '"x.y"|exists': False}},
        {"match": [{"a": None}, {"any": [{"b": 1}, {"c": True}], "none": {"d|cidr": "10.0.0.0/8"}}]},
        {"match": {"a|fieldref": "b.c", "a|contains|fieldref|i": "d"}},
        {"group_by": {"user": "userIdentity.userName"}, "clear": {"quiet_for": "5m"}},
        {"window": {"distinct": "port", "count": 20, "within": "5m"}},
        {"window": {"percentile": "ms", "p": 95, "gt": 2000, "within": "10m", "at_least": 20}},
        {"window": {"ratio": {"status|gte": 500}, "gte": 0.05, "within": "10m"}},
        {"window": {"absent": "30m", "expect": ["nightly", ["a", "b"]]}, "group_by": "job"},
    ],
)
def test_what_the_reader_takes_is_taken(more: dict[str, Any]) -> None:
    assert [] == mistakes(SHORT | more)


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ({"window": {"sum": "bytes", "within": "1h"}}, "$.window"),
        ({"window": {"sum": "bytes", "within": "1h", "gt": 1, "lt": 2}}, "$.window"),
        ({"window": {"count": 3, "within": "0s"}}, "$.window.within"),
        ({"match": {"a|gt|cidr": 1}}, "$.match"),
        ({"match": {"a|gt|i": 1}}, "$.match"),
        ({"over": ["a"], "window": {"count": 3, "within": "1h"}}, "$"),
        ({"problem": "db"}, "$"),
    ],
)
def test_what_the_reader_refuses_is_told_where(more: dict[str, Any], where: str) -> None:
    assert where in mistakes(SHORT | more)


@pytest.mark.parametrize("key", ["title", "source", "match", "severity", "class"])
def test_what_a_rule_needs_is_asked_for(key: str) -> None:
    assert ["$"] == mistakes({name: value for name, value in SHORT.items() if name != key})


def test_what_the_configuration_names_is_offered() -> None:
    """An editor completes teams and clients, and marks those that there are not."""
    assert ["$.team"] == mistakes({**SHORT, "team": "nobody"})
    assert ["devops", "web"] == schema(NAMES)["$defs"]["team"]["enum"]
    assert [] == mistakes({**SHORT, "team": "nobody"}, Names(types=frozenset({"sentry"})))
    assert json.loads(json.dumps(schema(NAMES))) == schema(NAMES)
