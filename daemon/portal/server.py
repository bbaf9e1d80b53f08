"""Serves an ASGI app in a thread of its own, at a port or at a socket that only this user can open."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import uvicorn
from starlette.types import ASGIApp

from daemon.errors import ConfigError, Problem

_GRACE_SECONDS = 3
_BACKLOG = 128


@dataclass(frozen=True, slots=True)
class Port:
    """Where to listen, and the setting that says so: an operator who must change it is told its name."""

    host: str
    number: int
    """0 takes any that is free."""
    setting: str


@dataclass(frozen=True, slots=True)
class Tls:
    """Files, in PEM."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
    """Who calls must have a certificate that one of these signed."""


class Server:
    """`start()` returns once callers can connect; ConfigError if nobody can."""

    def __init__(self, app: ASGIApp, where: Port | Path, tls: Tls | None = None) -> None:
        self._where = where
        self._scheme = "https" if tls else "http"
        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                app, lifespan="off", ws="none", http="h11", loop="asyncio", log_config=None, access_log=False,
                server_header=False, proxy_headers=False, timeout_graceful_shutdown=_GRACE_SECONDS,
                **_files(tls),
            )
        )  # fmt: skip
        self._thread: threading.Thread | None = None
        self.url = ""
        """Where callers find it, once started."""

    def start(self) -> None:
        listener = _bind_port(self._where) if isinstance(self._where, Port) else _bind_path(self._where)
        listener.listen(_BACKLOG)
        self.url = _url(listener, self._scheme)
        self._thread = threading.Thread(target=self._serve, args=(listener,), name=f"serve {self.url}", daemon=True)
        self._thread.start()

    def _serve(self, listener: socket.socket) -> None:
        with listener:
            self._uvicorn.run(sockets=[listener])

    def stop(self) -> None:
        """Lets answers under way finish, for a little while."""
        self._uvicorn.should_exit = True
        if self._thread is not None:
            self._thread.join()
        if isinstance(self._where, Path):
            self._where.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _files(tls: Tls | None) -> dict[str, Any]:
    if tls is None:
        return {}
    needed = ssl.CERT_REQUIRED if tls.client_ca else ssl.CERT_NONE
    return {
        "ssl_certfile": tls.certificate, "ssl_keyfile": tls.key, "ssl_ca_certs": tls.client_ca and str(tls.client_ca),
        "ssl_cert_reqs": needed,
    }  # fmt: skip


def _url(listener: socket.socket, scheme: str) -> str:
    if listener.family == socket.AF_UNIX:
        return f"unix:{listener.getsockname()}"
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _bind_port(where: Port) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            where.host, where.number, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _refused(where, error) from None
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # else a restart waits for old connections to fade
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise _refused(where, error) from None
    return listener


def _refused(where: Port, error: OSError) -> ConfigError:
    message = f"cannot listen at {where.host}:{where.number}: {error.strerror}."
    return ConfigError([Problem(where.setting, 0, message, "Choose another, or stop the program that has it.")])


def _bind_path(path: Path) -> socket.socket:
    if _is_left_behind(path):
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    except OSError as error:
        listener.close()
        raise ConfigError([Problem(str(path), 0, f"cannot make the socket: {error.strerror or error}.")]) from None
    finally:
        os.umask(before)
    return listener


def _is_left_behind(path: Path) -> bool:
    """Whether a process that was killed left its socket: nobody answers at it."""
    if not path.is_socket():
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        return caller.connect_ex(str(path)) != 0
