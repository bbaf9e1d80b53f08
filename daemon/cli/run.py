"""`heliograph run`: the daemon, until it is told to stop."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import threading
from collections.abc import Iterable
from datetime import timedelta

from daemon import app
from daemon.cli.serve import serving
from daemon.cli.where import config_file
from daemon.clock import SystemClock
from daemon.log import configure
from daemon.pipeline.reload import Reload
from daemon.worker import Bounded, Crew

log = logging.getLogger("heliograph")

GRACE = timedelta(seconds=30)
STALLED_AFTER = timedelta(minutes=2)


def run(options: argparse.Namespace) -> int:
    """0 after a clean stop; 1 when calls outside hang for ever and a supervisor should start it anew."""
    configure(options.log_level, options.log)
    path = config_file(options.config)

    def read() -> app.Setup:
        return app.read(path, os.environ, options.chance)

    setup = read()
    app.report_errors(setup.config)
    clock, outside = SystemClock(), Bounded()
    daemon = app.Daemon(setup, clock, options.chance, outside, app.holder(options.chance))
    daemon.open()
    try:
        with app.tracing(setup.config, daemon.metrics):
            return _serve(daemon, clock, outside, daemon.reload(read))
    finally:
        daemon.close()


def _serve(daemon: app.Daemon, clock: SystemClock, outside: Bounded, reload: Reload) -> int:
    told = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: told.set())
    heartbeat = daemon.heartbeat(lambda: not _sick(crew, outside))
    crew = Crew([*daemon.steps(), *heartbeat, reload], clock, daemon.store.now)

    def read_again(*_: object) -> None:
        reload.ask()
        crew.wake()

    signal.signal(signal.SIGHUP, read_again)
    with serving(
        daemon, lambda: _sick(crew, outside), lambda: () if crew.started else ("starting",), crew.wake
    ) as addresses:
        _greet(daemon.setup, addresses)
        crew.start()
        while not told.wait(0.5) and not outside.stuck.is_set():
            pass
        log.info("stopping: what is under way is finished first")
        if not crew.stop(GRACE):
            log.warning("some calls did not end in time; they are looked up at the next start")
    return 0 if told.is_set() else 1


def _sick(crew: Crew, outside: Bounded) -> list[str]:
    stalled = [f"step {name} has not returned" for name in crew.stalled(STALLED_AFTER)]
    return [*stalled, *(["calls outside hang"] if outside.stuck.is_set() else [])]


def _greet(setup: app.Setup, addresses: dict[str, str]) -> None:
    for notice in setup.config.notices:
        log.info("%s", notice)
    log.info(
        "%d rules; sources: %s; actions: %s", len(setup.rules.rules), _listed(setup.sources), _listed(setup.actions)
    )
    log.info("pages at %s, figures at %s/metrics", addresses["portal"], addresses["metrics"])


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
