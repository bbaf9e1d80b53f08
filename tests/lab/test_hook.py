"""The partner's webhooks, simulated: what is signed is taken once, and what it sends is signed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import requests

from lab.hook import DELIVERY, SECRET, SIGNATURE, Hook, sign
from lab.server import Request, Response, Sent, Server, Vendor, route

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
BODY = json.dumps({"role": "warning", "key": "w:1"}).encode()


@pytest.fixture
def hook() -> Iterator[tuple[Hook, str]]:
    vendor = Hook(lambda: NOON)
    with Server(vendor) as server:
        yield vendor, f"{server.url}/in"


def post(url: str, signature: str, delivery: str = "d1") -> int:
    headers = {SIGNATURE: signature, DELIVERY: delivery}
    return requests.post(url, data=BODY, headers=headers, timeout=5).status_code


def test_what_is_signed_is_taken_once(hook: tuple[Hook, str]) -> None:
    """Any of several signatures may be the right one; the same delivery again is counted, not taken again."""
    vendor, url = hook
    statuses = [post(url, f"v1=0, {sign(BODY, SECRET)}"), post(url, sign(BODY, SECRET))]

    assert [202, 202] == statuses
    assert [("d1", "/in", 2, "warning")] == [(one.id, one.path, one.times, one.body["role"]) for one in vendor.taken]


def test_what_is_not_signed_is_refused(hook: tuple[Hook, str]) -> None:
    """A wrong signature is a 401 and leaves nothing."""
    vendor, url = hook

    assert (401, [], 1) == (post(url, sign(BODY, "another")), vendor.taken, vendor.refused)


class Daemon(Vendor):
    """Stands where ours would: takes what is rightly signed."""

    @route("POST", "/hooks/partner")
    def take(self, request: Request) -> Response:
        self.fields = request.json()
        return Response(202 if sign(request.body, SECRET) == request.headers[SIGNATURE] else 401)


def test_it_sends_signed_pushes(hook: tuple[Hook, str]) -> None:
    """A push carries an id and an instant, and is noted as a signal once, when it was taken."""
    vendor, _ = hook
    daemon = Daemon(lambda: NOON)
    with Server(daemon) as server:
        url = f"{server.url}/hooks/partner"
        statuses = [vendor.push(url, {"id": "p1", "status": "down"}, source="partner") for _ in range(2)]
        statuses.append(vendor.push(f"{server.url}/elsewhere", {}))

    assert [202, 202, 404] == statuses
    assert {"at": "2026-03-02T12:00:00+00:00", "id": "p1", "status": "down"} == daemon.fields
    assert [Sent("p1", NOON, "partner")] == vendor.sent


def test_its_page_shows_both_ways(hook: tuple[Hook, str]) -> None:
    """A person sees what came and what was sent."""
    vendor, url = hook
    post(url, sign(BODY, SECRET))
    vendor.push(url, {"id": "p1"})
    shown = requests.get(url[:-3], timeout=5).text

    assert all(text in shown for text in ("d1", "w:1", "p1"))
