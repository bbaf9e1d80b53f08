"""Listening, over real sockets."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest
import requests
from starlette.responses import PlainTextResponse

from daemon.errors import ConfigError
from daemon.portal.server import Port, Server

HELLO = PlainTextResponse("hello")
ANY = Port("127.0.0.1", 0, "portal.port")


def test_it_answers_from_when_start_returns_until_stop() -> None:
    """And the port is free again then."""
    with Server(HELLO, ANY) as server:
        assert "hello" == requests.get(server.url, timeout=5).text
    port = int(server.url.rpartition(":")[2])
    with Server(HELLO, Port("127.0.0.1", port, "portal.port")) as again:
        assert "hello" == requests.get(again.url, timeout=5).text


def test_a_port_in_use_names_its_setting() -> None:
    """The operator is told which line to change."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError) as error:
            Server(HELLO, Port("127.0.0.1", port, "metrics.port")).start()

    assert (
        f"metrics.port: cannot listen at 127.0.0.1:{port}: Address already in use. "
        "Choose another, or stop the program that has it."
    ) == str(error.value)


def test_a_host_that_is_not_ours_names_its_setting() -> None:
    """An address of another machine is as wrong as a port in use."""
    with pytest.raises(ConfigError, match=r"portal\.port: cannot listen at 192\.0\.2\.1:0: "):
        Server(HELLO, Port("192.0.2.1", 0, "portal.port")).start()


def test_a_socket_is_this_users_alone_and_goes_when_it_stops(tmp_path: Path) -> None:
    """Nobody else on the machine may give commands."""
    path = tmp_path / "api.sock"
    with Server(HELLO, path):
        assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert not path.exists()


def test_a_socket_left_behind_is_taken_over(tmp_path: Path) -> None:
    """A process that was killed does not keep the next one from starting."""
    path = tmp_path / "api.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    with Server(HELLO, path) as server:
        assert f"unix:{path}" == server.url


def test_a_socket_that_answers_is_left_alone(tmp_path: Path) -> None:
    """Another daemon has it."""
    path = tmp_path / "api.sock"
    with Server(HELLO, path), pytest.raises(ConfigError, match="cannot make the socket: Address already in use"):
        Server(HELLO, path).start()


def test_a_path_that_is_too_long_is_told(tmp_path: Path) -> None:
    """Sockets allow some hundred characters."""
    with pytest.raises(ConfigError, match="AF_UNIX path too long"):
        Server(HELLO, tmp_path / ("x" * 200)).start()
