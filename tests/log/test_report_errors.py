"""The daemon's own errors, on their way to Sentry."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import sentry_sdk

from daemon.secret import Secret
from integrations.sentry import report_errors
from lab.server import Request, Response, Server, Vendor, route

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)


class Ingest(Vendor):
    """Where a DSN leads."""

    def __init__(self) -> None:
        super().__init__(lambda: NOW)
        self.envelopes: list[str] = []

    @route("POST", "/api/1/envelope/")
    def take(self, request: Request) -> Response:
        body = gzip.decompress(request.body) if request.body[:2] == b"\x1f\x8b" else request.body
        self.envelopes.append(body.decode())
        return Response(200, {"id": "1"})


@pytest.fixture
def ingest() -> Iterator[Ingest]:
    vendor = Ingest()
    with Server(vendor) as server:
        report_errors(Secret(server.url.replace("://", "://publickeyofthedsn@") + "/1"))
        yield vendor
        sentry_sdk.get_client().close()
        sentry_sdk.init()


def test_an_error_arrives_without_secrets_and_without_values(ingest: Ingest) -> None:
    token, local = Secret("a-token-that-nobody-may-see"), "only-a-local-variable"
    try:
        raise ValueError(f"it broke with {token.reveal()}")
    except ValueError:
        logging.getLogger("heliograph.test").exception("step %s failed", "collect")
    sentry_sdk.flush(10)

    sent = "".join(ingest.envelopes)
    assert "step collect failed" in sent
    assert "it broke with" in sent
    assert token.reveal() not in sent
    assert local not in sent


def test_what_is_no_error_stays_here(ingest: Ingest) -> None:
    logging.getLogger("heliograph.test").warning("only a warning")
    sentry_sdk.flush(10)

    assert not [one for one in ingest.envelopes if "only a warning" in one]
