"""The ground the simulated vendors stand on, over real sockets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import requests

from lab.server import Refused, Request, Response, Server, Vendor, route

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Shop(Vendor):
    name = "shop <b>"

    def __init__(self) -> None:
        super().__init__(lambda: NOON)
        self.orders: list[object] = []

    @route("POST", "/orders")
    def order(self, request: Request) -> Response:
        self.orders.append(request.json())
        return Response(201, {"n": len(self.orders)})

    @route("GET", r"/orders/(?P<n>\d+)")
    def one(self, request: Request, n: str) -> Response:
        if int(n) > len(self.orders):
            raise Refused(Response(404, {"no": n}, {"X-Why": request.headers["x-asked"]}))
        return Response(200, self.orders[int(n) - 1])


@pytest.fixture
def shop() -> Iterator[tuple[Shop, str]]:
    vendor = Shop()
    with Server(vendor) as server:
        yield vendor, server.url


def test_routes_by_method_and_path(shop: tuple[Shop, str]) -> None:
    """A request reaches the method whose expression its whole path matches, with the groups as arguments."""
    _, url = shop
    assert {"n": 1} == requests.post(f"{url}/orders", json={"tea": 1}, timeout=5).json()
    assert {"tea": 1} == requests.get(f"{url}/orders/1", timeout=5).json()
    assert 404 == requests.get(f"{url}/orders", timeout=5).status_code


def test_a_route_may_refuse_at_once(shop: tuple[Shop, str]) -> None:
    """What a route raises as Refused is the answer, and header names are read in any case."""
    answer = requests.get(f"{shop[1]}/orders/7", headers={"X-ASKED": "me"}, timeout=5)
    assert (404, "me") == (answer.status_code, answer.headers["X-Why"])


def test_a_body_that_is_not_json_is_a_400(shop: tuple[Shop, str]) -> None:
    """A body that cannot be read is the client's fault."""
    assert 400 == requests.post(f"{shop[1]}/orders", data="{", timeout=5).status_code


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 502, 503, 504])
def test_a_status_fault_answers_without_processing(shop: tuple[Shop, str], status: int) -> None:
    """A fault of a status meets its endpoint the told number of times, and nothing is processed meanwhile."""
    vendor, url = shop
    vendor.faults.add("POST /orders", str(status), times=1)
    assert status == requests.post(f"{url}/orders", json=1, timeout=5).status_code
    assert [] == vendor.orders
    assert 201 == requests.post(f"{url}/orders", json=1, timeout=5).status_code


@pytest.mark.parametrize(("kind", "done"), [("refuse", 0), ("lost", 1)])
def test_a_connection_closes_without_an_answer(shop: tuple[Shop, str], kind: str, done: int) -> None:
    """A refused request had no effect; a lost answer's request had."""
    vendor, url = shop
    vendor.faults.add("POST", kind, times=1)
    with pytest.raises(requests.ConnectionError):
        requests.post(f"{url}/orders", json=1, timeout=5)
    assert done == len(vendor.orders)


def test_processed_and_then_500(shop: tuple[Shop, str]) -> None:
    """The request took effect although the answer is 500."""
    vendor, url = shop
    vendor.faults.add("POST", "processed-500", times=1)
    assert 500 == requests.post(f"{url}/orders", json=1, timeout=5).status_code
    assert [1] == vendor.orders


def test_bodies_that_are_not_what_was_asked_for(shop: tuple[Shop, str]) -> None:
    """HTML, nothing at all, half a JSON told as whole, and half a JSON cut by a closing connection."""
    vendor, url = shop
    for kind in ("html", "empty", "half", "truncated"):
        vendor.faults.add("POST", kind, times=1)
    assert requests.post(f"{url}/orders", json=1, timeout=5).text.startswith("<html>")
    assert "" == requests.post(f"{url}/orders", json=1, timeout=5).text
    assert '{"n"' in requests.post(f"{url}/orders", json=1, timeout=5).text + '"'
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        requests.post(f"{url}/orders", json=1, timeout=5)


def test_a_hanging_request_is_busy_until_its_client_goes(shop: tuple[Shop, str]) -> None:
    """A hang holds the socket; the client's own deadline ends it."""
    vendor, url = shop
    vendor.faults.add("GET /orders", "hang")
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{url}/orders/1", timeout=0.2)


def test_stopping_ends_a_hanging_request() -> None:
    """A server that stops leaves no client waiting, and says meanwhile that it is busy."""
    vendor, ended = Shop(), threading.Event()
    vendor.faults.add(".", "hang")
    server = Server(vendor)
    server.start()

    def ask() -> None:
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{server.url}/orders/1", timeout=30)
        ended.set()

    client = threading.Thread(target=ask)
    client.start()
    while not vendor.received:
        ended.wait(0.01)
    assert 1 == server.busy
    server.stop()
    client.join(10)
    assert ended.is_set()


def test_faults_are_switched_over_http(shop: tuple[Shop, str]) -> None:
    """Anybody can break a vendor by hand, and mend it; a kind that does not exist is told."""
    _, url = shop
    assert 204 == requests.post(f"{url}/_lab/faults", json={"endpoint": ".", "kind": "503"}, timeout=5).status_code
    assert 503 == requests.get(f"{url}/orders/1", timeout=5).status_code
    assert [[".", "503", "until cleared"]] == requests.get(f"{url}/_lab/faults", timeout=5).json()["faults"]
    assert 204 == requests.delete(f"{url}/_lab/faults", timeout=5).status_code
    assert 404 == requests.get(f"{url}/orders/1", headers={"x-asked": ""}, timeout=5).status_code
    refused = requests.post(f"{url}/_lab/faults", json={"endpoint": ".", "kind": "rain"}, timeout=5)
    assert (400, True) == (refused.status_code, "rain" in refused.json()["error"])


def test_the_page_shows_what_came_escaped(shop: tuple[Shop, str]) -> None:
    """The page lists the requests, and nothing in it is markup that a client sent."""
    _, url = shop
    requests.get(f"{url}/<script>", timeout=5)
    page = requests.get(url, timeout=5)
    assert "text/html; charset=utf-8" == page.headers["Content-Type"]
    assert "shop &lt;b&gt;" in page.text
    assert "<script>" not in page.text
