"""What a condition holds for, and what not."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.model import Json
from daemon.rules.conditions import compile_condition
from daemon.rules.load import load_text
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
