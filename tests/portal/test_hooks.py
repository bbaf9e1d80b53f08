"""What is pushed to `/hooks/<name>`, with a real source behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import requests
from prometheus_client import CollectorRegistry

from daemon.metrics import Metrics
from daemon.pipeline.open import Detection
from daemon.pipeline.receive import Receive
from daemon.portal import hooks
from daemon.portal.pages import pages
from daemon.portal.server import Server
from daemon.rules.engine import Engine
from daemon.rules.load import load_text
from daemon.rules.model import Names, RuleSet
from daemon.secret import Secret
from daemon.store import incidents
from integrations.webhook import SIGNATURE, SourceSettings, Webhook, sign
from tests.portal.conftest import ANY, Office

SECRET = Secret("a secret of more than thirty-two characters")
OTHER = Secret("another secret of more than thirty-two characters")
RULE = """
title: "{name} is down"
source: alarms
match: {status: down}
group_by: [name]
severity: 1
class: availability
location: shop
clear: {quiet_for: 1h}
runbook: Look at it.
tests:
  - {it: opens, given: [{signal: {name: shop, status: down}}], expect: {incidents: 1}}
  - {it: stays silent, given: [{signal: {name: shop, status: odd}}], expect: nothing}
"""
PUSH = json.dumps({"id": "1", "name": "shop", "status": "down"}).encode()


@pytest.fixture
def url(office: Office) -> Iterator[str]:
    names = Names(sources={"alarms": "webhook"}, types=frozenset({"webhook"}))
    engine = Engine(RuleSet((load_text("test/down", RULE, "down.yaml", names),), ""))
    source = Webhook("alarms", SourceSettings.model_validate({"secrets": [SECRET]}))
    detection, metrics = Detection(office.terms, {"alarms": "webhook"}), Metrics(CollectorRegistry())
    hook = Receive("alarms", source, False, office.store, lambda: engine, lambda: detection, metrics)
    app = pages(office.store, lambda: office.terms.policy, hooks={"alarms": hook})
    with Server(app, ANY) as server:
        yield server.url


def push(url: str, body: bytes = PUSH, secret: Secret = SECRET, name: str = "alarms") -> requests.Response:
    return requests.post(f"{url}/hooks/{name}", data=body, headers={SIGNATURE: sign(body, secret)}, timeout=10)


def titles(office: Office) -> list[str]:
    with office.store.read() as connection:
        return [one.title for one in incidents.recent(connection)]


def test_a_signed_push_becomes_a_signal(office: Office, url: str) -> None:
    answer = push(url)

    assert (202, {"taken": True}) == (answer.status_code, answer.json())
    assert ["shop is down"] == titles(office)
    assert "shop is down" in requests.get(url, timeout=10).text


def test_the_same_push_twice_is_taken_once(office: Office, url: str) -> None:
    assert [202, 202] == [push(url).status_code for _ in range(2)]
    assert ["shop is down"] == titles(office)


def test_a_push_signed_by_another_is_refused(office: Office, url: str) -> None:
    answer = push(url, secret=OTHER)

    assert (401, {"taken": False, "reason": "signature"}) == (answer.status_code, answer.json())
    assert [] == titles(office)


def test_a_push_that_is_not_signed_is_refused(url: str) -> None:
    assert 401 == requests.post(f"{url}/hooks/alarms", data=PUSH, timeout=10).status_code


def test_a_push_that_is_too_large_is_refused(office: Office, url: str) -> None:
    assert 413 == push(url, b"x" * (hooks.LARGEST + 1)).status_code
    assert [] == titles(office)


def test_a_push_that_cannot_be_read_is_refused(url: str) -> None:
    assert 400 == push(url, b"{").status_code


def test_nobody_listens_at_another_name(url: str) -> None:
    assert 404 == push(url, name="other").status_code


def test_a_hook_is_not_read(url: str) -> None:
    assert 405 == requests.get(f"{url}/hooks/alarms", timeout=10).status_code
