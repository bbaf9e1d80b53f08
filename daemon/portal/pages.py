"""The pages that people read: tickets with their clocks, incidents with their evidence. They change nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from daemon.portal import hooks as hook
from daemon.portal import views
from daemon.portal.headers import Strict
from daemon.report import words
from daemon.sla.policy import Policy
from daemon.store.engine import Store

_REFRESH_SECONDS = 5
_STATIC = {"portal.css": "text/css; charset=utf-8", "logo.svg": "image/svg+xml"}
_SAYINGS = {
    404: "There is nothing here: the address is mistyped, or what it led to was never made.",
    500: "This page broke. The daemon works on; its log says what happened.",
}


def pages(
    store: Store,
    policy: Callable[[], Policy],
    sources: Callable[[], Iterable[str]] = tuple,
    notices: Callable[[], Sequence[str]] = tuple,
    hooks: Mapping[str, hook.Hook] | None = None,
) -> ASGIApp:
    """`sources`: the configured names, whose health is shown. `notices`: what an operator should know."""
    shown = _Pages(store, policy, sources, notices, _environment())
    routes = [
        Route("/", shown.tickets),
        Route("/tickets/{number:int}", shown.ticket),
        Route("/incidents", shown.incidents),
        Route("/incidents/{id}", shown.incident),
        hook.route(hooks or {}),
        *(Route(f"/{name}", _static(name, kind)) for name, kind in _STATIC.items()),
    ]
    return Strict(Starlette(routes=routes, exception_handlers={HTTPException: shown.error, 500: shown.error}))


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("daemon.portal", "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    filters = (words.when, words.relative, words.link, words.pretty)
    environment.filters |= {one.__name__: one for one in filters}
    return environment


def _static(name: str, kind: str) -> Callable[[Request], Response]:
    content = files("daemon.portal").joinpath("static", name).read_bytes()
    headers = {"Cache-Control": "max-age=300", "Content-Type": kind}
    return lambda request: Response(content, headers=headers)


@dataclass(frozen=True)
class _Pages:
    store: Store
    policy: Callable[[], Policy]
    sources: Callable[[], Iterable[str]]
    notices: Callable[[], Sequence[str]]
    environment: Environment

    def tickets(self, request: Request) -> Response:
        now = self.store.now()
        with self.store.read() as connection:
            seen = views.front(connection, self.policy(), self.sources(), now)
        return self._list(request, "tickets.html", now=now, notices=self.notices(), **seen)

    def ticket(self, request: Request) -> Response:
        now = self.store.now()
        with self.store.read() as connection:
            seen = views.ticket(connection, self.policy(), request.path_params["number"], now)
        return self._found("ticket.html", seen, now=now)

    def incidents(self, request: Request) -> Response:
        now = self.store.now()
        with self.store.read() as connection:
            seen = views.incident_list(connection, now)
        return self._list(request, "incidents.html", now=now, **seen)

    def incident(self, request: Request) -> Response:
        now = self.store.now()
        with self.store.read() as connection:
            seen = views.incident(connection, self.policy(), request.path_params["id"], now)
        return self._found("incident.html", seen, now=now)

    def error(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        name = HTTPStatus(status).phrase
        return self._page("error.html", status, name=name, saying=_SAYINGS.get(status, name))

    def _list(self, request: Request, template: str, **seen: Any) -> Response:
        """One that renews itself, unless the reader stopped it."""
        still = request.query_params.get("refresh") == "off"
        return self._page(template, still=still, refresh=None if still else _REFRESH_SECONDS, **seen)

    def _found(self, template: str, seen: dict[str, Any] | None, **more: Any) -> Response:
        if seen is None:
            raise HTTPException(404)
        return self._page(template, **seen, **more)

    def _page(self, template: str, status: int = 200, **seen: Any) -> Response:
        return HTMLResponse(self.environment.get_template(template).render(**seen), status_code=status)
