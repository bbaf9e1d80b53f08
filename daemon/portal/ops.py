"""For Prometheus and for whoever supervises the process: `/metrics`, `/healthz`, `/readyz`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from daemon.portal.guard import Guard
from daemon.portal.headers import Strict

Reasons = Callable[[], Sequence[str]]

_EVERYONE = Guard()
_FORMATS = {"", "0.0.1", "0.0.4", "1.0.0"}
"""Versions, of the text format and of OpenMetrics, that the library is asked to choose among."""


def ops(registry: CollectorRegistry, sick: Reasons, not_ready: Reasons, guard: Guard = _EVERYONE) -> ASGIApp:
    """`sick`: why a restart would help (stalled steps, calls that hang). `not_ready`: what is still missing.

    A vendor that is down is neither: a restart mends nothing, and the daemon works on. The guard is for the figures
    alone: a supervisor has no credentials, and health says nothing of a client.
    """

    def metrics(request: Request) -> Response:
        if not guard.allows(request.headers.get("authorization", "")):
            return _challenge(guard)
        encode, kind = choose_encoder(_known_formats(request.headers.get("accept", "")))
        names = request.query_params.getlist("name[]")
        wanted = registry.restricted_registry(names) if names else registry
        return Response(encode(wanted), headers={"Content-Type": kind, "Vary": "Accept"})

    def health(request: Request) -> Response:
        return _verdict(sick())

    def ready(request: Request) -> Response:
        return _verdict(not_ready())

    paths = {"/metrics": metrics, "/healthz": health, "/readyz": ready}
    routes = [Route(path, endpoint) for path, endpoint in paths.items()]
    return Strict(Starlette(routes=routes, middleware=[Middleware(GZipMiddleware, minimum_size=1_000)]))


def _known_formats(accept: str) -> str:
    """Without versions that are not known: the library promises whatever is asked for, and breaks at `version=x`."""
    return ",".join(one for one in accept.split(",") if _version(one) in _FORMATS)


def _version(media_range: str) -> str:
    parameters = (one.strip().partition("=") for one in media_range.split(";")[1:])
    return next((value for name, _, value in parameters if name == "version"), "")


def _challenge(guard: Guard) -> Response:
    answer = PlainTextResponse("who asks? see metrics.token and metrics.user of the configuration\n", status_code=401)
    for scheme in guard.schemes:
        answer.headers.append("WWW-Authenticate", scheme)
    return answer


def _verdict(reasons: Sequence[str]) -> Response:
    return JSONResponse({"ok": not reasons, "reasons": list(reasons)}, status_code=503 if reasons else 200)
