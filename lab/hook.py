"""A partner's system, simulated: it takes in signed webhooks, and sends signed ones.

It signs as Heliograph documents: `X-Heliograph-Signature: v1=<hex HMAC-SHA256 of the raw body>`. What comes twice with
the same `X-Heliograph-Delivery` is taken once.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from lab.server import Json, Now, Request, Response, Sent, Table, Vendor, route

SECRET = "the-lab-signs-its-webhooks-with-this"
SIGNATURE = "X-Heliograph-Signature"
DELIVERY = "X-Heliograph-Delivery"
_DEADLINE_SECONDS = 10


@dataclass(slots=True)
class Taken:
    """A delivery that was rightly signed."""

    id: str
    path: str
    at: datetime
    body: Mapping[str, Json]
    times: int = 1

    def as_json(self) -> dict[str, Json]:
        """For a report."""
        at = self.at.strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"id": self.id, "path": self.path, "at": at, "times": self.times, **self.body}


class Hook(Vendor):
    name: ClassVar[str] = "A partner's webhooks"

    def __init__(self, now: Now, secret: str = SECRET) -> None:
        super().__init__(now)
        self.secret = secret
        self.taken: list[Taken] = []
        self.refused = 0
        self._pushed: list[tuple[datetime, str, str, int]] = []

    @route("HEAD", "/.*")
    def exists(self, request: Request) -> Response:
        return Response(405)

    @route("POST", "/.*")
    def take(self, request: Request) -> Response:
        if not self._is_signed(request):
            self.refused += 1
            return self.failure(401)
        name = request.headers.get(DELIVERY, "")
        seen = next((one for one in self.taken if one.id == name), None)
        if not name or not isinstance(body := request.json(), dict):
            return self.failure(400)
        if seen:
            seen.times += 1
        else:
            self.taken.append(Taken(name, request.path, self.now(), body))
        return Response(202, {"taken": name})

    def _is_signed(self, request: Request) -> bool:
        expected = sign(request.body, self.secret).encode()
        offered = request.headers.get(SIGNATURE, "").split(",")
        return any(hmac.compare_digest(expected, part.strip().encode()) for part in offered)

    def push(self, url: str, fields: Mapping[str, Json], source: str = "hook") -> int:
        """Sends `fields` signed; the status of the answer. Fields without an `id` and an `at` get them.

        Raises requests.RequestException if there is none."""
        import requests

        at = self.now()
        with self.lock:
            name = str(fields.get("id", f"push-{len(self._pushed) + 1}"))
            self._pushed.append((at, url, name, 0))
            place = len(self._pushed) - 1
        body = json.dumps({"at": at.isoformat(), **fields, "id": name}).encode()
        headers = {"Content-Type": "application/json", SIGNATURE: sign(body, self.secret)}
        status = requests.post(url, data=body, headers=headers, timeout=_DEADLINE_SECONDS).status_code
        with self.lock:
            self._pushed[place] = (at, url, name, status)
            if 200 <= status < 300 and all(name != one.id for one in self.sent):
                self.sent.append(Sent(name, at, source))
        return status

    def tables(self) -> list[Table]:
        taken = [
            (f"{one.at:%H:%M:%S}", one.path, one.id, one.times, json.dumps(one.body)[:400])
            for one in reversed(self.taken)
        ]
        pushed = [(f"{at:%H:%M:%S}", *rest, status or "no answer") for at, *rest, status in reversed(self._pushed)]
        return [
            Table("Taken, newest first", ("at", "path", "delivery", "times", "body"), taken),
            Table("Sent, newest first", ("at", "to", "id", "answer"), pushed),
        ]


def sign(body: bytes, secret: str) -> str:
    return "v1=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
