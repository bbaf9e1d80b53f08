"""Calls the local API of the daemon that is running. The other end is `local.py`."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from pathlib import Path

from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError

from daemon.model import Json
from daemon.secret import Secret

_SECONDS = 15


class NotRunning(Exception):
    """No daemon answers at the socket."""


class Rejected(Exception):
    """The daemon did not do it; the message says why, for a person."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Connection(HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_SECONDS)
        self.sock.connect(str(self._path))


def call(path: Path, token: Secret, command: str, body: Mapping[str, Json]) -> Json:
    """`call(socket, token, "/tickets/7/reply", {"actor": …, "text": …})`: the answer, or one of the two above."""
    connection = _Connection(path)
    headers = {"Authorization": f"Bearer {token.reveal()}", "Content-Type": "application/json"}
    try:
        connection.request("POST", command, body=json.dumps(body).encode(), headers=headers)
        response = connection.getresponse()
        status, answer = response.status, json.loads(response.data)
    except (OSError, HTTPError, ValueError) as error:
        raise NotRunning(f"no daemon answers at {path}: {error}") from None
    finally:
        connection.close()
    if status != 200:
        raise Rejected(status, str(answer.get("error", status)))
    return answer
