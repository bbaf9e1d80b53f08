"""Why a rule matches a signal, or why not, told so that it agrees with the engine."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.model import Json, Polarity, Signal
from daemon.rules.conditions import All, Any, Condition, Field, Not, compile_condition
from daemon.rules.engine import Engine
from daemon.rules.explain import LONGEST_VALUE, Explained, explain, explain_condition
from daemon.rules.load import load_text
from daemon.rules.model import Rule
from daemon.rules.paths import parse_path
from tests.rules.names import NAMES

RULE = """\
title: x
source: sentry
kind: sentry.issue
match:
  level: [fatal, error]
  any:
    - {count|gte: 10}
    - {tags.env|startswith: prod}
unless: {user|exists: true}
severity: 2
raise: {to: 1, match: {level: fatal}}
class: defect
"""
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(0, 3), st.sampled_from(["a", "A", "ab", "1"]))
FIELDS = st.fixed_dictionaries({}, optional={"a": SCALARS | st.lists(SCALARS, max_size=3), "b": SCALARS})
LINES = st.builds(
    Field,
    st.sampled_from(["a", "b", "c"]).map(parse_path),
    st.sampled_from(["equals", "contains", "startswith", "gt", "lte"]),
    st.lists(SCALARS, min_size=1, max_size=3).map(tuple),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
CONDITIONS: st.SearchStrategy[Condition] = st.recursive(
    LINES,
    lambda inner: st.one_of(
        st.builds(All, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(Any, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Not, inner),
    ),
    max_leaves=8,
)


def rule(text: str = RULE) -> Rule:
    return load_text("x", text, "rules/x.yaml", NAMES)


def signal(fields: dict[str, Json], polarity: Polarity = Polarity.NONE, kind: str = "sentry.issue") -> Signal:
    at = datetime(2026, 1, 5, tzinfo=UTC)
    return Signal(source="sentry", type="sentry", kind=kind, id="1", at=at, fields=fields, polarity=polarity)


def lines(of: Explained, depth: int = 0) -> list[str]:
    """As a person would see the tree."""
    saw = "" if of.saw is None else f" <- {', '.join(of.saw)}"
    here = f"{'  ' * depth}{'+' if of.holds else '-'} {of.says}{saw}"
    return [here, *(line for part in of.parts for line in lines(part, depth + 1))]


def test_every_line_is_told_with_what_it_saw() -> None:
    assert [
        "- x",
        "  + source: sentry <- sentry, sentry",
        "  + kind: sentry.issue <- sentry.issue",
        "  + polarity: not recovered <- none",
        "  - match",
        "    + level: [fatal, error] <- fatal",
        "    - any of",
        "      - count|gte: 10 <- 9",
        "      - tags.env|startswith: prod <- ",
        "  + unless",
        "    - user|exists: true <- ",
        "  + raise to 1",
        "    + level: fatal <- fatal",
    ] == lines(explain(rule(), signal({"level": "fatal", "count": 9})))


@settings(max_examples=300)
@given(CONDITIONS, FIELDS)
def test_a_condition_is_explained_as_it_is_compiled(condition: Condition, fields: dict[str, Json]) -> None:
    """Whatever it is made of."""
    assert compile_condition(condition)(fields) is explain_condition(condition, fields).holds


@given(
    st.sampled_from([{"level": "fatal", "count": 10}, {"level": "info"}, {"level": "error", "count": 11, "user": "a"}]),
    st.sampled_from(list(Polarity)),
    st.sampled_from(["sentry.issue", "datadog.monitor"]),
)
def test_a_rule_is_explained_as_the_engine_judges(fields: dict[str, Json], polarity: Polarity, kind: str) -> None:
    """Kinds, polarity and exceptions among it."""
    one = signal(fields, polarity, kind)
    matched = any(not match.recovered for match in Engine([rule()]).match(one))

    assert matched is explain(rule(), one).holds


def test_what_a_vendor_wrote_is_short_and_steers_nothing() -> None:
    """However long, however many, whatever is in it."""
    condition = rule().condition
    found = explain_condition(condition, {"level": ["\x1b[31m" + 500 * "x", *(["a"] * 30)]}).parts[0]

    assert found.saw is not None
    assert 11 == len(found.saw)
    assert "… 21 more" == found.saw[-1]
    assert LONGEST_VALUE >= max(map(len, found.saw))
    assert "\x1b" not in "".join(found.saw)


def test_it_can_be_stored_as_json() -> None:
    """What is told beside says that it does not weigh."""
    said = explain(rule(), signal({"level": "fatal", "count": 10})).to_json()

    assert said == json.loads(json.dumps(said))
    assert [True, True, True, True, True, True] == [part["holds"] for part in said["parts"]]
    assert [{"says": "raise to 1", "weighs": False}] == [
        {key: part[key] for key in ("says", "weighs")} for part in said["parts"] if "weighs" in part
    ]


def test_texts_that_would_read_as_something_else_are_quoted() -> None:
    """`"137"` is not `137`."""
    found = explain_condition(
        Field(parse_path("a"), "equals", ("137", 137, True, "true", "plain")), {"a": ["137", 137]}
    )

    assert 'a: ["137", 137, true, "true", plain]' == found.says
    assert ('"137"', "137") == found.saw
