"""What every action is put through: each status, answers that are none, answers that are lost, secrets shown back."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from daemon.clock import ToldClock
from daemon.errors import Ambiguous, Failure, Permanent, Temporary
from daemon.model import Delivery, Verb
from lab.server import Request, Response

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
TEMPORARY = {408, 409, 425, 429}
UNUSABLE = ("html", "empty", "half", "truncated", "lost", "refuse", "processed-500", "hang")
"""Faults of the lab after which nobody can say whether a write was done."""

BODY: dict[str, Any] = {
    "title": "Checkout fails",
    "summary": "Checkout fails",
    "severity": 1,
    "class": "availability",
    "location": "eu",
    "team": "payments",
    "incident": "i7",
    "runbook": "https://runbooks.example/checkout",
    "source": "sentry",
    "began_at": "2026-03-02T11:58:00Z",
    "opened_at": "2026-03-02T12:00:00Z",
    "due": "2026-03-04T23:30:00Z",
    "labels": ["availability", "heliograph", "sev1"],
    "details": {"project": "shop"},
    "url": "https://portal.example/incidents/i7",
}


class Broken:
    """Mixed in before a vendor of the lab: `answer`, while there is one, is what requests of `method` get instead."""

    method = "POST"
    answer: Response | None = None

    def handle(self, request: Request) -> Response:
        instead = self.answer if request.method == self.method else None
        handled: Response = instead or super().handle(request)  # type: ignore[misc]
        return handled


def told() -> ToldClock:
    return ToldClock(NOON)


def delivery(role: str, verb: Verb = "open", key: str = "hg:i7:1", sequence: int = 1, **body: Any) -> Delivery:
    return Delivery(role, verb, key, sequence, {**BODY, **body})


def failure_of(call: Callable[[], object]) -> Failure:
    with pytest.raises(Failure) as caught:
        call()
    return caught.value


def meaning(status: int, *, sent: bool) -> type[Failure]:
    if status >= 500:
        return Ambiguous if sent else Temporary
    return Temporary if status in TEMPORARY else Permanent


def misread(vendor: Broken, call: Callable[[], object], *, sent: bool) -> dict[int, str]:
    """The statuses from 400 to 599 whose failure is not the one that they mean."""
    wrong = {}
    for status in range(400, 600):
        vendor.answer = Response(status, b"<html>no</html>", {"Content-Type": "text/html"})
        failure = failure_of(call)
        if type(failure) is not meaning(status, sent=sent):
            wrong[status] = repr(failure)
    vendor.answer = None
    return wrong


def told_of(vendor: Broken, call: Callable[[], object], secret: str) -> str:
    """All that a failure could tell a reader, its causes too, of a vendor that shows `secret` back."""
    text = ""
    for status in (400, 401, 429, 500):
        vendor.answer = Response(status, {"errors": [f"bad token {secret}"], "message": secret})
        failure = failure_of(call)
        text += "".join(traceback.format_exception(failure)) + repr(failure)
    vendor.answer = None
    return text
