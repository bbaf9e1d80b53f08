"""The clock on the wall: the lab plays here, `heliograph run` is a process of its own, and the terminal shows both.

A daemon that dies, or is killed to see what happens, is started again on the same database.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from daemon import app
from daemon.cli import WRONG
from daemon.cli.demo import beside
from daemon.cli.demo.screen import Screen
from daemon.cli.demo.stage import conclude, environment, open_lab, ticket_titled
from daemon.cli.desk import perform
from daemon.clock import SystemClock
from daemon.desk.desk import Refused
from daemon.errors import ConfigError, Problem
from daemon.portal.client import Rejected
from daemon.store.engine import Store
from lab import Lab

_LOOK_EVERY = 0.25
"""Seconds between two looks at daemon and lab."""

_STARTS = 10
"""How often it is started again before we say that it cannot run."""

_GRACE = 40
"""Seconds that the daemon has to finish what is under way."""

_PORTS = {"portal": 8080, "metrics": 9464, "sentry": 8101, "datadog": 8102, "cloudtrail": 8103, "pagerduty": 8104,
          "jira": 8105, "hook": 8106}  # fmt: skip
"""The same addresses each time, where they are free."""


def live(options: argparse.Namespace) -> int:
    """0 if all went as the story expects, 1 if not, or if it was ended before it could."""
    ports, clock, console = {name: _free(port) for name, port in _PORTS.items()}, SystemClock(), Console()
    with open_lab(options, clock.now, ports) as lab, tempfile.TemporaryDirectory(prefix="heliograph-") as folder:
        portal, metrics = f"127.0.0.1:{ports['portal']}", f"127.0.0.1:{ports['metrics']}"
        environ = environment(lab, Path(folder), portal, metrics)
        setup = app.read(lab.config, environ, options.chance)
        store = Store(setup.config.store, clock)
        with _running(lab.config, environ, Path(folder) / "daemon.log") as daemon:
            addresses = {"portal": f"http://{portal}", "metrics": f"http://{metrics}/metrics", **lab.urls}
            screen = Screen(lab.title, lab.lasts, addresses, store, setup.config.policy, clock.now)
            _greet(console, addresses, metrics)
            lab.seat(_desk(setup, store))
            with contextlib.suppress(KeyboardInterrupt):
                daemon.wait_until_up(setup.socket)
                _play(lab, daemon, screen, console)
        console.print(screen.picture(lab.report(), daemon.last_lines()))
        code = conclude(lab, store, options.report)
        store.close()
        return code if lab.done() else 1


def _play(lab: Lab, daemon: _Child, screen: Screen, console: Console) -> None:
    """Until the story is over, when nobody looks; else until Ctrl-C."""
    lab.begin()
    screen.begin()
    shown = Live(console=console, screen=console.is_terminal, auto_refresh=False)
    with shown if console.is_terminal else contextlib.nullcontext():
        while not lab.done() or console.is_terminal:
            lab.play()
            daemon.keep_up()
            if console.is_terminal:
                shown.update(screen.picture(lab.report(), daemon.last_lines()), refresh=True)
            _pause()


def _greet(console: Console, addresses: Mapping[str, str], metrics: str) -> None:
    for name, address in addresses.items():
        console.print(f"{name:>10}  {address}", highlight=False)
    console.print("\nA Prometheus of yours reads it with:\n")
    console.print(beside.prometheus(metrics), highlight=False, markup=False, soft_wrap=True)
    console.print("and a Grafana takes, by Dashboards, New, Import:\n")
    console.print(beside.grafana(), highlight=False, markup=False, soft_wrap=True)
    console.print("Nothing leaves this machine. Ctrl-C ends it.")


def _desk(setup: app.Setup, store: Store) -> Callable[[str, dict[str, Any]], None]:
    """How people of a story act on tickets: by the command line's way, through the running daemon."""

    def act(command: str, arguments: dict[str, Any]) -> None:
        with store.read() as connection:
            number = ticket_titled(connection, arguments.pop("ticket"))
        try:
            perform(setup, "ticket", command, str(number), arguments)
        except (Rejected, Refused, ConfigError) as reason:
            raise LookupError(str(reason)) from None

    return act


class _Child:
    """The daemon's process."""

    def __init__(self, config: Path, environ: Mapping[str, str], log: Path) -> None:
        self._starts = 0
        self._command = [sys.executable, "-m", "daemon", "run", "--config", str(config)]
        self._environ = dict(environ)
        self._log = log
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        self._starts += 1
        with self._log.open("ab") as log:
            return subprocess.Popen(self._command, env=self._environ, stdout=log, stderr=log)

    def wait_until_up(self, sign: Path) -> None:
        """`sign` is there once it can be talked to."""
        while not sign.exists():
            self.keep_up()
            _pause()

    def keep_up(self) -> None:
        """Starts it again if it is dead. Raises ConfigError if it cannot run, or dies again and again."""
        code = self._process.poll()
        if code is None:
            return
        if code == WRONG or self._starts > _STARTS:
            raise ConfigError([Problem("heliograph run", 0, "\n".join(self.last_lines()))])
        with self._log.open("a") as log:
            log.write(f"the daemon's process ended with {code}; starting it again\n")
        self._process = self._start()

    def last_lines(self) -> list[str]:
        return self._log.read_text(errors="replace").splitlines()[-4:]

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def _running(config: Path, environ: Mapping[str, str], log: Path) -> Iterator[_Child]:
    child = _Child(config, environ, log)
    try:
        yield child
    finally:
        child.stop()


def _pause() -> None:
    threading.Event().wait(_LOOK_EVERY)


def _free(port: int) -> int:
    """`port` if nobody has it, else one that nobody has."""
    for wanted in (port, 0):
        with socket.socket() as one, contextlib.suppress(OSError):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(("127.0.0.1", wanted))
            number: int = one.getsockname()[1]
            return number
    raise OSError("no port is free")
