"""What a condition holds for, and what not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from daemon.model import Json
from daemon.rules.conditions import Condition, Field, Keywords, compile_condition
from daemon.rules.load import load_text
from daemon.rules.paths import parse_path
from tests.rules import reference
from tests.rules.arbitrary import CONDITIONS, DOCUMENTS
from tests.rules.names import NAMES

EVENT: dict[str, Any] = {
    "eventName": "ConsoleLogin",
    "count": 137,
    "text": "137",
    "flag": True,
    "nil": None,
    "ratio": 0.5,
    "ip": "10.1.2.3",
    "mine": "ann",
    "yours": "ann",
    "theirs": "Ann",
    "user": {"type": "Root", "session": {"mfa": "false"}},
    "containers": [{"exitCode": 0, "name": "web"}, {"exitCode": 137, "name": "Job"}],
    "tags": ["env:prod", "service:shop", "env:eu", "plain"],
    "a.b": {"c": 1},
    "empty": [],
    "starred": "*a?b",
}


def holds(match: str, fields: Json = EVENT) -> bool:
    text = f"title: x\nsource: sentry\nmatch: {match}\nseverity: 2\nclass: defect\n"
    return compile_condition(load_text("x", text, "x.yaml", NAMES).condition)(fields)


@pytest.mark.parametrize(
    "match",
    [
        "{eventName: ConsoleLogin}",
        "{eventName: [Other, ConsoleLogin]}",
        "{eventName: ConsoleLogin, user.type: Root}",
        "[{eventName: Other}, {user.type: Root}]",
        "{count: 137}",
        "{count: 137.0}",
        "{flag: true}",
        "{nil: null}",
        "{user.session.mfa: 'false'}",
        "{'containers[].exitCode': 137}",
        "{containers.exitCode: 137}",
        "{containers.exitCode|gt: 100}",
        "{tags: plain}",
        "{tags.env: prod}",
        "{tags.env: eu}",
        "{'\"a.b\".c': 1}",
        "{eventName|contains: sole}",
        "{eventName|startswith: Console}",
        "{eventName|endswith: [Logout, Login]}",
        "{eventName|i: consolelogin}",
        "{eventName|i|contains: SOLELOG}",
        "{eventName|glob: 'Console*'}",
        "{eventName|glob: '?onsole*n'}",
        "{eventName|glob: '*sole*'}",
        "{eventName|glob: '*Login'}",
        "{starred|glob: '\\*a\\?*'}",
        "{eventName|re: '^Con.*in$'}",
        "{eventName|i|re: '^CON'}",
        "{ip|cidr: [192.168.0.0/16, 10.0.0.0/8]}",
        "{count|gte: 137, count|lte: 137, count|lt: 138, count|gt: 136}",
        "{text|gt: 100}",
        "{count|exists: true}",
        "{nowhere|exists: false}",
        "{nil|exists: false}",
        "{empty|exists: false}",
        "{mine|fieldref: yours}",
        "{mine|i|fieldref: theirs}",
        "{theirs|not|fieldref: mine}",
        "{tags|contains|not|fieldref: nowhere}",
        "{eventName|not: Other}",
        "{nowhere|not: Other}",
        "{tags|all: ['env:prod', plain]}",
        "{eventName|all|contains: [Con, sole]}",
        "{any: [{count: 1}, {count: 137}]}",
        "{any: {count: 1, flag: true}}",
        "{all: [{count: 137}, {flag: true}]}",
        "{none: [{count: 1}, {flag: false}]}",
        "{none: {count: 1, flag: false}}",
    ],
)
def test_it_holds(match: str) -> None:
    """As the page on rules says."""
    assert holds(match)


@pytest.mark.parametrize(
    "match",
    [
        "{eventName: consolelogin}",
        "{eventName: ConsoleLogin, user.type: IAMUser}",
        "[{eventName: Other}, {user.type: IAMUser}]",
        "{count: '137'}",
        "{text: 137}",
        "{flag: 1}",
        "{count: true}",
        "{nowhere: null}",
        "{user: Root}",
        "{user.type.deeper: Root}",
        "{containers.exitCode: 1}",
        "{tags.service: prod}",
        "{eventName|contains: SOLE}",
        "{eventName|glob: Console}",
        "{eventName|glob: '[C]onsole*'}",
        "{eventName|glob: '\\*Login'}",
        "{eventName|re: '^Login'}",
        "{count|contains: '3'}",
        "{ip|cidr: 10.2.0.0/16}",
        "{eventName|cidr: 10.0.0.0/8}",
        "{count|gt: 137}",
        "{flag|gte: 1}",
        "{eventName|gt: 1}",
        "{nowhere|gt: 0}",
        "{nowhere|exists: true}",
        "{nil|exists: true}",
        "{count|exists: false}",
        "{mine|fieldref: theirs}",
        "{mine|fieldref: nowhere}",
        "{eventName|not: ConsoleLogin}",
        "{tags|all: ['env:prod', other]}",
        "{eventName|all|contains: [Con, bar]}",
        "{any: [{count: 1}, {count: 2}]}",
        "{all: [{count: 137}, {flag: false}]}",
        "{none: [{count: 1}, {flag: true}]}",
    ],
)
def test_it_does_not_hold(match: str) -> None:
    """Near, and yet not."""
    assert not holds(match)


def test_no_pattern_hangs() -> None:
    """RE2 takes time in proportion to the text, even for what would take others years."""
    assert not holds("{text|re: '^(a+)+$'}", {"text": "a" * 50_000 + "b"})


def test_a_lone_surrogate_is_only_text() -> None:
    """JSON may carry what UTF-8 may not."""
    assert holds("{text|re: 'ok$'}", {"text": "\ud800 ok"})


def test_no_shape_of_fields_breaks_it() -> None:
    """What a vendor sends where something else was expected meets nothing."""
    strange: list[Json] = [[], {}, [[]], [{}], 5, "x", None, True, [None, {"b": []}]]
    for value in strange:
        for match in ("{a.b.c: 1}", "{a|gt: 5.5}", "{a.b|contains: y}", "{a|cidr: 10.0.0.0/8}", "{a.b|fieldref: a}"):
            assert not holds(match, {"a": value})


def loose(path: str, operand: Json, operator: str = "equals") -> bool:
    field = Field(parse_path(path), operator, (operand,), ignore_case=True, loose=True)
    return compile_condition(field)(EVENT)


@pytest.mark.parametrize(
    ("path", "operand", "operator"),
    [
        ("flag", "TRUE", "equals"),
        ("flag", True, "equals"),
        ("count", "137", "equals"),
        ("text", 137, "equals"),
        ("text", 137.0, "equals"),
        ("eventName", "consolelogin", "equals"),
        ("nowhere", None, "equals"),
        ("nil", None, "equals"),
        ("empty", None, "equals"),
        ("count", "3", "contains"),
        ("user", '"mfa":"false"', "contains"),
        ("user", '{"type":"root"*', "glob"),
        ("tags", '["env:prod",', "startswith"),
        ("tags", "prod", "endswith"),
        ("containers.exitCode", "137", "glob"),
        ("containers", r'"exitCode":\d{3}', "re"),
    ],
)
def test_loose_values_compare_by_their_text(path: str, operand: Json, operator: str) -> None:
    assert loose(path, operand, operator)


@pytest.mark.parametrize(
    ("path", "operand", "operator"),
    [
        ("user", '{"type":"Root","session":{"mfa":"false"}}', "equals"),
        ("user", '{"type":"Root","session":{"mfa":"false"}}', "glob"),
        ("user", None, "equals"),
        ("ratio", "0", "equals"),
        ("nowhere", "", "contains"),
        ("nil", "*", "glob"),
        ("nil", "null", "equals"),
    ],
)
def test_a_map_and_null_equal_no_text(path: str, operand: Json, operator: str) -> None:
    assert not loose(path, operand, operator)


def test_keywords_look_everywhere_but_at_names() -> None:
    def found(*operands: str, **more: Any) -> bool:
        return compile_condition(Keywords(operands, **more))(EVENT)

    assert found("CONSOLE", "nowhere")
    assert found("137", "env:eu", each=True)
    assert not found("137", "nowhere", each=True)
    assert not found("exitCode")
    assert not found("consolelogin", ignore_case=False)


@settings(deadline=None, max_examples=1000)
@given(CONDITIONS, DOCUMENTS)
def test_it_agrees_with_the_plainest_evaluation(condition: Condition, document: dict[str, Json]) -> None:
    assert reference.holds(condition, document) is compile_condition(condition)(document)


def test_lists_nested_without_end_are_walked() -> None:
    deep: Json = "x"
    for _ in range(100_000):
        deep = [deep]

    assert holds("{a: x}", {"a": deep})
    assert not compile_condition(Field(parse_path("a"), "contains", ("y",), loose=True))({"a": deep})
