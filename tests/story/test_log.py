"""The log tells the life of an incident under one id, from the signal to the receipt and on."""

from __future__ import annotations

import io
from typing import Any

import pytest

from tests.story.stage import lines, logged, staged

TITLE = "Checkout fails role=page incident=zzzzzzzzzz"
STORY = f"""
lasts: 160s
acts:
  - at: 1s
    datadog.monitor:
      {{id: 12, name: "{TITLE}", group: "service:checkout", state: Alert, priority: 1,
       tags: ["env:prod", "service:checkout", "tenant:acme"]}}
  - {{at: 1s, pagerduty.fault: {{endpoint: POST /v2/enqueue, kind: "503", times: 1}}}}
  - {{at: 35s, pagerduty.acknowledge: {{page: "*Checkout fails*", user: asha}}}}
  - {{at: 80s, datadog.recover: {{id: 12, group: "service:checkout"}}}}
  - {{at: 90s, desk.reply: {{ticket: "*Checkout fails*", actor: asha, text: "We roll it back."}}}}
  - at: 100s
    datadog.monitor:
      {{id: 12, name: "{TITLE}", group: "service:checkout", state: Alert, priority: 1,
       tags: ["env:prod", "service:checkout", "tenant:acme"]}}
  - {{at: 110s, datadog.recover: {{id: 12, group: "service:checkout"}}}}
  - {{at: 130s, desk.resolve: {{ticket: "*Checkout fails*", actor: asha, text: "It is back."}}}}
"""
LIFE = [
    ("incident opened", "datadog/monitor-alert"),
    ("ticket opened", "acme"),
    ("delivery owed", "page open"),
    ("delivery will be tried again", "server_error"),
    ("delivery sent", "page open"),
    ("threshold crossed", "response 50%"),
    ("delivery owed", "warning open"),
    ("delivery sent", "warning open"),
    ("page acknowledged", "page"),
    ("ticket acknowledged", "acme"),
    ("ticket assigned", "acme"),
    ("incident cleared", "datadog/monitor-alert"),
    ("delivery owed", "page close"),
    ("ticket recovered", "acme"),
    ("delivery sent", "page close"),
    ("ticket message", "acme"),
    ("incident reopened", "datadog/monitor-alert"),
    ("delivery owed", "page open"),
    ("delivery sent", "page open"),
    ("incident cleared", "datadog/monitor-alert"),
    ("delivery owed", "page close"),
    ("ticket recovered", "acme"),
    ("delivery sent", "page close"),
    ("threshold crossed", "resolution 50%"),
    ("delivery owed", "warning open"),
    ("delivery sent", "warning open"),
    ("ticket resolved", "acme"),
    ("incident ended", ""),
]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    with logged("debug") as stream, staged(tmp_path_factory.mktemp("log"), STORY) as stage:
        stage.play()
    return lines(stream)


def stage_of(line: dict[str, Any]) -> tuple[str, str]:
    """What happened, and the one thing that tells it from the like."""
    message: str = line["message"].partition(":")[0]
    keys = {
        "incident": ("rule",), "ticket": ("client",), "threshold": ("goal", "threshold"), "page": ("role",),
        "delivery": ("reason",) if "reason" in line else ("role", "verb"),
    }[message.split()[0]]  # fmt: skip
    return message, " ".join(str(line.get(key, "")) for key in keys)


def of_info(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in told if line["level"] != "debug"]


def test_one_id_finds_every_stage_in_order(told: list[dict[str, Any]]) -> None:
    (id,) = {line["incident"] for line in told if line["message"] == "incident opened"}
    life = [stage_of(line) for line in of_info(told) if line.get("incident") == id]

    assert LIFE == life


def test_the_opening_names_the_signal_and_the_rule(told: list[dict[str, Any]]) -> None:
    """So from the id one finds what the source said, and from the source's id the incident."""
    (opened,) = [line for line in told if line["message"] == "incident opened"]

    assert ("datadog", True, 1, 1) == (
        opened["source"], opened["signal"].startswith("12/service:checkout:Alert:"), opened["episode"],
        opened["severity"],
    )  # fmt: skip


def test_a_sent_delivery_names_the_vendors_receipt(told: list[dict[str, Any]]) -> None:
    page = next(line for line in told if line["message"] == "delivery sent")

    assert page["delivery"] == page["receipt"] == f"hg:{page['incident']}:1"
    assert page["attempt"] > 1


def test_each_signal_is_told_at_debug_with_what_became_of_it(told: list[dict[str, Any]]) -> None:
    """Of those that an incident rests on, and of those that wait in a window or open nothing."""
    heard = [line for line in told if line["logger"] == "heliograph.detect"]
    of_it = [line["message"] for line in heard if "incident" in line]

    assert ["signal opened", "signal recovered", "signal reopened", "signal recovered"] == of_it
    assert {"signal below", "signal nothing_open"} == {line["message"] for line in heard if "incident" not in line}
    assert all(line["level"] == "debug" and line["signal"] and line["rule"] for line in heard)


def test_what_a_client_calls_it_is_never_logged(told: list[dict[str, Any]]) -> None:
    """A title could forge the keys of a plain line."""
    assert [] == [line for line in told if "Checkout" in str(line) or "zzzzzzzzzz" in str(line)]


def test_the_plain_log_tells_the_same(tmp_path_factory: pytest.TempPathFactory, told: list[dict[str, Any]]) -> None:
    with logged("info", "plain") as stream, staged(tmp_path_factory.mktemp("plain"), STORY) as stage:
        stage.play()

    (id,) = {line["incident"] for line in told if "incident" in line}
    assert len(LIFE) == _grep(stream, f"incident={id}")


def _grep(stream: io.StringIO, text: str) -> int:
    return sum(text in line for line in stream.getvalue().splitlines())
