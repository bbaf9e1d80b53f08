"""The schema of policy for editors: it takes what the reader takes, and refuses what is wrong in shape."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from daemon.errors import ConfigError
from daemon.marked_yaml import parse
from daemon.rules import read_policy, words
from daemon.rules.model import Names
from daemon.rules.policy import FIELDS, GROUP
from daemon.rules.reader import plain
from daemon.rules.schema import policy_schema
from tests.rules.names import NAMES
from tests.rules.test_schema import ROOT, SHIPPED

BAD = Path(__file__).parent / "bad_policy"
BEYOND = {"maintenance-backwards", "not-yaml", "problem-in-list-unknown", "twice"}
"""What a schema cannot see: what one value says of another, and what is no YAML."""
TABLES: dict[str, tuple[set[str], set[str]]] = {
    "file": (set(read_policy.KEYS), set(words.POLICY)),
    "problem": (set(read_policy.PROBLEM), set(words.PROBLEM)),
    "maintenance": (set(read_policy.MAINTENANCE), set(words.MAINTENANCE)),
    "inhibition": (set(read_policy.INHIBITION), set(words.INHIBITION)),
    "selector": ({*FIELDS, f"{GROUP}PART"}, set(words.SELECTOR)),
}


def mistakes(text: str, names: Names = NAMES) -> list[str]:
    validator = Draft202012Validator(policy_schema(names))
    return [error.json_path for error in validator.iter_errors(plain(parse(text, "p")))]


def properties(shape: Any) -> Iterator[tuple[str, Any]]:
    """Every key of every map that a schema knows."""
    if isinstance(shape, dict):
        if shape.get("additionalProperties") is False:
            yield from shape["properties"].items()
        for part in shape.values():
            yield from properties(part)
    elif isinstance(shape, list):
        for part in shape:
            yield from properties(part)


@pytest.mark.parametrize("table_of", sorted(TABLES))
def test_every_key_that_the_reader_knows_has_its_word_and_no_other_has(table_of: str) -> None:
    parsed, described = TABLES[table_of]

    assert parsed == described


def test_it_is_a_schema_that_says_of_every_key_what_it_is_for() -> None:
    made = policy_schema(NAMES)

    Draft202012Validator.check_schema(made)
    assert [] == [key for key, shape in properties(made) if not shape.get("description")]


@pytest.mark.parametrize("path", sorted((ROOT / "policy").rglob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_policy_is_as_the_schema_says(path: Path) -> None:
    assert [] == mistakes(path.read_text(), SHIPPED)


def test_what_its_page_shows_is_as_the_schema_says() -> None:
    page = (ROOT / "docs" / "policy.md").read_text()
    (shown,) = [block.partition("```")[0] for block in page.split("```yaml\n")[1:]]

    assert [] == mistakes(shown, SHIPPED)


@pytest.mark.parametrize("path", sorted(BAD.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_mistake_of_shape_is_refused(path: Path) -> None:
    """Those files of which the reader says so word for word, and of the others none."""
    try:
        found = mistakes(path.read_text())
    except ConfigError:
        found = []
    assert (path.stem in BEYOND) is not bool(found)


@pytest.mark.parametrize(
    "text",
    [
        'inhibitions: [{name: a, while: {team: "dev*"}, hold: {severity: 2, "group.host": db1}, equal: group.host}]',
        "problems: {db: {key: [host], class: availability, clear: never, team: web, reopen_within: 0s}}",
        "problems: {db: {key: host, class: availability, clear: {match: {state|not|in_list: ok}}}}",
        'maintenance: [{name: a, hold: all, days: [sat, mon-wed], between: "18:00-24:00", from: 2026-01-01}]',
        "maintenance: [{name: a, hold: all, begins: 2026-01-01T08:00+02:00, ends: 2026-01-01T09:00:00.5Z}]",
    ],
)
def test_what_the_reader_takes_is_taken(text: str) -> None:
    assert [] == mistakes(text)


def test_what_is_wrong_is_told_where() -> None:
    assert ["$.problems.db.team"] == mistakes("problems: {db: {key: host, class: availability, team: nobody}}")
