"""`POST /hooks/<name>`: where a source is pushed to. What a push means is the source's to say."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TypeAlias

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from daemon.errors import Failure, Permanent, Temporary
from daemon.portal.headers import body_of

log = logging.getLogger("heliograph.hooks")

Hook: TypeAlias = Callable[[Mapping[str, str], bytes], None]
"""Takes one push: header names in lower case. Returns once its signals are stored, for then the sender forgets them."""

LARGEST = 1024 * 1024


def route(hooks: Mapping[str, Hook]) -> Route:
    async def receive(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in hooks:
            raise HTTPException(404)
        body = await body_of(request, LARGEST)
        try:
            await run_in_threadpool(hooks[name], dict(request.headers), body)
        except Failure as failure:
            return _refuse(name, failure)
        return JSONResponse({"taken": True}, status_code=202)

    return Route("/hooks/{name}", receive, methods=["POST"])


def _refuse(name: str, failure: Failure) -> Response:
    """The sender learns the reason's word; the message may say more than a stranger should know."""
    log.warning("hook %s: %s", name, failure)
    status = 503
    if isinstance(failure, Permanent):
        status = 401 if failure.reason == "signature" else 400
    after = failure.after if isinstance(failure, Temporary) else None
    headers = {"Retry-After": str(max(1, round(after.total_seconds())))} if after else {}
    return JSONResponse({"taken": False, "reason": failure.reason}, status_code=status, headers=headers)
