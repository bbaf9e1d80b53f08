"""For Prometheus and for whoever supervises the process: `/metrics`, `/healthz`, `/readyz`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from daemon.portal.headers import Strict

Reasons = Callable[[], Sequence[str]]


def ops(registry: CollectorRegistry, sick: Reasons, not_ready: Reasons) -> ASGIApp:
    """`sick`: why a restart would help (stalled steps, calls that hang). `not_ready`: what is still missing.

    A vendor that is down is neither: a restart mends nothing, and the daemon works on.
    """

    def metrics(request: Request) -> Response:
        encode, kind = choose_encoder(request.headers.get("accept", ""))
        names = request.query_params.getlist("name[]")
        wanted = registry.restricted_registry(names) if names else registry
        return Response(encode(wanted), headers={"Content-Type": kind})

    def health(request: Request) -> Response:
        return _verdict(sick())

    def ready(request: Request) -> Response:
        return _verdict(not_ready())

    paths = {"/metrics": metrics, "/healthz": health, "/readyz": ready}
    return Strict(Starlette(routes=[Route(path, endpoint) for path, endpoint in paths.items()]))


def _verdict(reasons: Sequence[str]) -> Response:
    return JSONResponse({"ok": not reasons, "reasons": list(reasons)}, status_code=503 if reasons else 200)
