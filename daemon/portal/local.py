"""The local API: how a command of `heliograph` that writes reaches the running daemon, over a unix socket.

POST /tickets {"actor": "asha", "client": "acme", "severity": 2, "title": "Carts are empty"}
POST /tickets/7/reply {"actor": "asha", "text": "We are on it."}     → {"tickets": [{"id": 7, …}]}
POST /incidents/k3x…/resolve {"actor": "asha", "text": "It is back."}

The commands and what each takes are those of `daemon/desk/orders.py`.

POST /handovers/3/note {"actor": "asha", "text": "Globex calls back at ten."}   /handovers/3/acknowledge

POST /silences {"actor": "asha", "hold": {"rule": ["sentry/*"]}, "reason": "racks move", "seconds": 7200}
POST /silences/3/end {"actor": "asha"}                       → {"silence": {"id": 3, "owner": "asha", …}}
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from daemon.desk import orders, silences
from daemon.desk.desk import Refused
from daemon.desk.terms import Terms
from daemon.model import Ticket
from daemon.portal.headers import Strict, body_of
from daemon.secret import Secret
from daemon.store import incidents, tickets
from daemon.store.engine import Store
from daemon.store.handovers import Handover
from daemon.store.silences import Kept

_LARGEST = 256 * 1024
_SECONDS = 10**9
"""More than any silence may last: a longer one would not be a length of time at all."""

T = TypeVar("T")
Body = TypeVar("Body", bound=BaseModel)


Short = Annotated[str, Field(min_length=1, max_length=500)]


class By(BaseModel):
    """Who says it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    actor: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]+$")]


class ToSilence(By):
    """Which openings are held, why, and for how long."""

    hold: Annotated[dict[Short, Annotated[list[Short], Field(max_length=100)]], Field(max_length=50)]
    reason: Annotated[str, Field(max_length=500)]
    seconds: int


def local(store: Store, terms: Callable[[], Terms], token: Secret) -> ASGIApp:
    desk = _Desk(store, terms, token)
    routes = [
        Route("/tickets", desk.open, methods=["POST"]),
        Route("/tickets/{number:int}/{verb}", desk.on_ticket, methods=["POST"]),
        Route("/incidents/{id}/{verb}", desk.on_incident, methods=["POST"]),
        Route("/handovers/{number:int}/{verb}", desk.on_handover, methods=["POST"]),
        Route("/silences", desk.silence, methods=["POST"]),
        Route("/silences/{number:int}/end", desk.end_silence, methods=["POST"]),
    ]
    return Strict(Starlette(routes=routes, exception_handlers={HTTPException: _error, Refused: _refusal}))


@dataclass(frozen=True)
class _Desk:
    store: Store
    terms: Callable[[], Terms]
    token: Secret

    async def open(self, request: Request) -> Response:
        order = await self._said(request, orders.Open)

        def act() -> list[Ticket]:
            now = self.store.now()
            with self.store.write() as connection:
                return [order.carry_out(order.desk(connection, self.terms(), now))]

        return _tickets(await run_in_threadpool(act))

    async def on_ticket(self, request: Request) -> Response:
        self._let_in(request)
        order = await self._said(request, _known(orders.ON_TICKET, request))
        number: int = request.path_params["number"]

        def act() -> list[Ticket]:
            now = self.store.now()
            with self.store.write() as connection:
                if tickets.get(connection, number) is None:
                    raise HTTPException(404, f"there is no ticket {number}")
                return [order.carry_out(order.desk(connection, self.terms(), now), number)]

        return _tickets(await run_in_threadpool(act))

    async def on_incident(self, request: Request) -> Response:
        self._let_in(request)
        order = await self._said(request, _known(orders.ON_INCIDENT, request))
        id: str = request.path_params["id"]

        def act() -> list[Ticket]:
            now = self.store.now()
            with self.store.write() as connection:
                if incidents.get(connection, id) is None:
                    raise HTTPException(404, f"there is no incident {id}")
                return order.carry_out(order.desk(connection, self.terms(), now), id)

        return _tickets(await run_in_threadpool(act))

    async def on_handover(self, request: Request) -> Response:
        self._let_in(request)
        order = await self._said(request, _known(orders.ON_HANDOVER, request))
        number: int = request.path_params["number"]

        def act() -> Handover:
            now = self.store.now()
            with self.store.write() as connection:
                return order.carry_out(order.desk(connection, self.terms(), now), number)

        return JSONResponse({"handover": handover_said(await run_in_threadpool(act))})

    async def silence(self, request: Request) -> Response:
        said = await self._said(request, ToSilence)

        def act() -> Kept:
            now, lasts = self.store.now(), timedelta(seconds=min(said.seconds, _SECONDS))
            with self.store.write() as connection:
                return silences.add(connection, said.hold, said.actor, said.reason, lasts, now)

        return JSONResponse({"silence": silence_said(await run_in_threadpool(act))})

    async def end_silence(self, request: Request) -> Response:
        said = await self._said(request, By)
        number: int = request.path_params["number"]

        def act() -> Kept:
            now = self.store.now()
            with self.store.write() as connection:
                return silences.expire(connection, number, said.actor, now)

        return JSONResponse({"silence": silence_said(await run_in_threadpool(act))})

    def _let_in(self, request: Request) -> None:
        """Who does not know the token is told nothing, and has nothing read."""
        given = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {self.token.reveal()}".encode()):
            raise HTTPException(401, "the token is wrong")

    async def _said(self, request: Request, body: type[Body]) -> Body:
        self._let_in(request)
        try:
            return body.model_validate_json(await body_of(request, _LARGEST))
        except ValidationError as error:
            raise HTTPException(422, orders.complaint(error)) from None


def handover_said(one: Handover) -> dict[str, Any]:
    """A handover as JSON."""
    return {
        "id": one.id, "from": one.from_site, "to": one.to_site, "at": one.at.isoformat(), "note": one.note,
        "noted_by": one.noted_by, "acknowledged_by": one.acknowledged_by,
        "acknowledged_at": one.acknowledged_at and one.acknowledged_at.isoformat(), "tickets": list(one.tickets),
    }  # fmt: skip


def silence_said(kept: Kept) -> dict[str, Any]:
    """A silence as JSON."""
    hold = {field: list(globs) for field, globs in kept.selector.items()}
    return {
        "id": kept.id, "hold": hold, "owner": kept.owner, "reason": kept.reason,
        "begins": kept.begins.isoformat(), "ends": kept.ends.isoformat(),
    }  # fmt: skip


def _known(table: Mapping[str, T], request: Request) -> T:
    verb = request.path_params["verb"]
    if verb not in table:
        raise HTTPException(404, f"there is no command '{verb}': there are {', '.join(sorted(table))}")
    return table[verb]


def _tickets(changed: list[Ticket]) -> Response:
    return JSONResponse({"tickets": [ticket_said(one) for one in changed]})


def ticket_said(one: Ticket) -> dict[str, Any]:
    """A ticket as JSON."""
    return {
        "id": one.id, "client": one.client, "severity": one.severity, "state": one.state.value, "title": one.title,
        "incident": one.incident, "assignee": one.assignee, "team": one.team, "site": one.site,
        "workaround": one.workaround.value, "fix": one.fix and one.fix.value, "rca": one.rca.value,
        "merged_into": one.merged_into, "opened_at": one.opened_at.isoformat(),
    }  # fmt: skip


def _error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, status_code=error.status_code, headers=error.headers)


def _refusal(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=409)
