"""What every answer carries, so that a browser does nothing with it but show it; and how much a request may bring."""

from __future__ import annotations

import asyncio

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_LONGEST_READ_SECONDS = 10


class Strict:
    """Wraps an app: its every answer, errors too, has these headers unless it set them itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers)


async def body_of(request: Request, at_most: int) -> bytes:
    """The request's body: 413 as soon as it is over the cap, 408 if it dawdles."""
    body = bytearray()
    try:
        async with asyncio.timeout(_LONGEST_READ_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > at_most:
                    raise HTTPException(413, f"more than {at_most} bytes")
    except TimeoutError:
        raise HTTPException(408, f"the body did not come within {_LONGEST_READ_SECONDS} seconds") from None
    return bytes(body)
