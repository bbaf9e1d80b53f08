"""The dead man's switch: called while all is well, silent when it is not."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from daemon.clock import ToldClock
from daemon.log import Once
from daemon.pipeline.heartbeat import Heartbeat
from daemon.secret import Secret
from daemon.worker import Idle, directly
from lab.server import Request, Response, Server, Vendor, route

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
EVERY = timedelta(minutes=1)


class Switch(Vendor):
    """Counts the beats."""

    beats = 0

    @route("GET", "/ping/secret-of-the-switch")
    def ping(self, _: Request) -> Response:
        self.beats += 1
        return Response(200, {"ok": True})


@pytest.fixture
def switch() -> Iterator[Server]:
    with Server(Switch(lambda: NOW)) as server:
        yield server


def beats(server: Server) -> int:
    assert isinstance(server.vendor, Switch)
    return server.vendor.beats


def heartbeat(server: Server, *, well: bool = True) -> Heartbeat:
    return Heartbeat(Secret(f"{server.url}/ping/secret-of-the-switch"), EVERY, lambda: well, directly, Once())


def test_it_beats_once_in_each_interval(switch: Server) -> None:
    clock, heart = ToldClock(NOW), heartbeat(switch)

    assert Idle(NOW + EVERY) == heart.step(clock.now())
    heart.step(clock.now() + timedelta(seconds=59))
    assert 1 == beats(switch)
    heart.step(clock.now() + EVERY)
    assert 2 == beats(switch)


def test_it_is_silent_while_something_is_wrong(switch: Server) -> None:
    heartbeat(switch, well=False).step(NOW)

    assert 0 == beats(switch)


def test_a_switch_that_fails_is_told_of_once_without_its_address(
    switch: Server, caplog: pytest.LogCaptureFixture
) -> None:
    switch.vendor.faults.add("GET /ping", "500", times=2)
    heart = heartbeat(switch)
    with caplog.at_level(logging.INFO):
        for beat in range(3):
            heart.step(NOW + beat * EVERY)

    assert 1 == caplog.text.count("does not arrive")
    assert 1 == caplog.text.count("arrives again")
    assert "secret-of-the-switch" not in caplog.text
    assert 1 == beats(switch)
