"""What the simulated services of AWS share: signed requests of the JSON protocol, and errors as AWS has them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import ClassVar
from uuid import NAMESPACE_URL, uuid5

from lab.server import Json, Now, Refused, Request, Response
from lab.source import Source

_SIGNED = re.compile(r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/\d{8}/(?P<region>[^/]+)/[a-z0-9]+/aws4_request")
_CONTENT = {"Content-Type": "application/x-amz-json-1.1"}
_FAILURES = {
    400: ("ValidationException", "The request is not valid."),
    401: ("UnrecognizedClientException", "The security token included in the request is invalid."),
    403: ("AccessDeniedException", "The identity is not authorized to perform: {needs}"),
    404: ("UnknownOperationException", "The operation does not exist."),
    429: ("ThrottlingException", "Rate exceeded"),
    503: ("ServiceUnavailable", "The service is unavailable."),
}


class Aws(Source):
    needs: ClassVar[str] = ""
    """The IAM action that a refusal names."""

    def __init__(self, now: Now, delay: timedelta) -> None:
        super().__init__(now, delay)
        self.access_key_id: str | None = None
        """The one that is valid; None: any."""
        self.allowed = True
        """Whether the identity may do what it `needs`."""
        self._requests = 0

    def handle(self, request: Request) -> Response:
        with self.lock:
            self._requests += 1
            number = str(uuid5(NAMESPACE_URL, f"request:{self._requests}"))
            return super().handle(request).with_headers({**_CONTENT, "x-amzn-RequestId": number})

    def guard(self, request: Request) -> Response | None:
        signed = _SIGNED.match(request.headers.get("authorization", ""))
        if not signed:
            return error("MissingAuthenticationTokenException", "Missing Authentication Token")
        if self.access_key_id not in (None, signed["key"]):
            return self.refusal(401)
        return None if self.allowed else self.refusal(403)

    def region(self, request: Request) -> str:
        """The one that the request is signed for."""
        signed = _SIGNED.match(request.headers.get("authorization", ""))
        return signed["region"] if signed else ""

    def failure(self, status: int) -> Response:
        code, message = _FAILURES.get(status, ("InternalFailure", "The request failed."))
        return error(code, message.format(needs=self.needs), status)

    def refusal(self, like: int) -> Response:
        """What AWS answers 400 to, where others answer `like`."""
        code, message = _FAILURES[like]
        return error(code, message.format(needs=self.needs))


def asked(request: Request) -> Json:
    """What the request says. Raises Refused if that is no object."""
    ask = request.json()
    if not isinstance(ask, dict):
        raise refused("SerializationException", "The body must be an object.")
    return ask


def error(code: str, message: str, status: int = 400) -> Response:
    return Response(status, {"__type": code, "message": message}, _CONTENT)


def refused(code: str, message: str) -> Refused:
    return Refused(error(code, message))
