"""`heliograph check | doctor`: whether what the operator wrote can be used, and whether what it leads to answers."""

from __future__ import annotations

import argparse
import ctypes
import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from functools import partial
from typing import Literal

from rich.console import Console
from rich.text import Text
from sqlalchemy import inspect, text
from sqlalchemy.exc import SQLAlchemyError

from daemon import app
from daemon.cli import WRONG
from daemon.cli.show import show
from daemon.cli.where import config_file
from daemon.clock import SystemClock
from daemon.errors import ConfigError, Failure
from daemon.rules.check import warnings
from daemon.secret import redact
from daemon.sla.calendar import Weekly
from daemon.store.engine import Store
from daemon.worker import Bounded, Outside

_PATIENCE = timedelta(seconds=25)
_SKEW = timedelta(seconds=2)
"""How far two clocks may be apart before deadlines are not to be trusted."""

_AHEAD = timedelta(days=365)
"""How far ahead holidays should be known."""

_UNSYNCHRONISED = 5
"""What adjtimex(2) returns while nothing keeps the clock right: TIME_ERROR."""

_TIMEX_BYTES = 512
"""More than adjtimex(2) writes on any architecture."""

_COLUMNS = ("part", "name", "state", "says")

State = Literal["well", "unsure", "failed"]
_MARKS: dict[State, tuple[str, str]] = {
    "well": ("✓ well", "green"),
    "unsure": ("? unsure", "yellow"),
    "failed": ("✗ failed", "red"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    part: str
    name: str
    state: State
    says: str


def check(options: argparse.Namespace) -> int:
    """0 if it can be used, 2 if not; nothing is called."""
    setup = _read(options)
    if setup is None:
        return WRONG
    config, found = setup.config, warnings(setup.rules)
    if options.json:
        print(json.dumps(_as_json(setup, [asdict(warning) for warning in found]), indent=2))
        return 0
    for notice in config.notices:
        print(notice)
    for warning in found:
        print(warning)
    print(
        f"{config.path} can be used: {len(setup.rules.rules)} rules, {len(setup.sources)} sources on,"
        f" {len(setup.actions)} actions on, {len(config.policy.clients)} clients"
    )
    return 0


def doctor(options: argparse.Namespace) -> int:
    """0 if all is well, 1 if something does not answer, 2 if the configuration cannot be used."""
    setup = _read(options)
    if setup is None:
        return WRONG
    console = Console(stderr=True)
    found: list[Finding] = []
    outside = Bounded()
    with closing(app.Daemon(setup, SystemClock(), options.chance, outside)) as daemon, console.status("asking") as says:
        for part, name, ask in _questions(daemon, outside):
            says.update(f"asking {name}")
            found.append(Finding(part, name, *ask()))
    if options.json:
        print(json.dumps([asdict(one) for one in found], indent=2))
    else:
        show(_COLUMNS, [(one.part, one.name, Text(*_MARKS[one.state]), one.says) for one in found])
    return 1 if any(one.state == "failed" for one in found) else 0


def _read(options: argparse.Namespace) -> app.Setup | None:
    """None if it cannot be used, and that was said as JSON; without --json it raises ConfigError."""
    try:
        return app.read(config_file(options.config), os.environ, options.chance)
    except ConfigError as error:
        if not options.json:
            raise
        print(json.dumps({"problems": [asdict(one) for one in error.problems]}, indent=2))
        return None


def _as_json(setup: app.Setup, found: list[dict[str, object]]) -> dict[str, object]:
    return {
        "problems": [], "notices": list(setup.config.notices), "warnings": found, "rules": len(setup.rules.rules),
        "sources": list(setup.sources), "actions": list(setup.actions),
    }  # fmt: skip


Answer = tuple[State, str]


def _questions(daemon: app.Daemon, outside: Outside) -> Iterator[tuple[str, str, Callable[[], Answer]]]:
    setup, store = daemon.setup, daemon.store
    yield "configuration", str(setup.config.path), lambda: ("well", f"{len(setup.rules.rules)} rules")
    yield "database", store.url.render_as_string(), lambda: _database(store)
    yield "clock", "system", lambda: _clock(store)
    for name, calendar in setup.config.policy.calendars.items():
        if isinstance(calendar.hours, Weekly) and calendar.hours.listed_until is not None:
            yield "calendar", name, partial(holidays, calendar.hours.listed_until, store.now().date())
    for name, one in daemon.probes().items():
        yield "source" if name in setup.sources else "action", name, partial(_answers, outside, one.probe)


def _answers(outside: Outside, probe: Callable[[], None]) -> Answer:
    try:
        outside(probe, _PATIENCE)
    except Failure as failure:
        return "failed", redact(str(failure))
    return "well", "answers, and lets us in"


def _database(store: Store) -> Answer:
    if store.path is not None and not store.path.exists():
        writable = os.access(store.path.parent, os.W_OK)
        return ("well", "will be made at the first start") if writable else ("failed", "its folder cannot be written")
    if store.path is not None and not os.access(store.path, os.W_OK):
        return "failed", "the file cannot be written"
    try:
        with store.read() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return "well", "is empty; its tables are made at the first start"
            version = connection.execute(text("select version_num from alembic_version")).scalar()
    except SQLAlchemyError as error:
        return "failed", redact(str(error.__cause__ or error))
    return "well", f"answers; its tables are of version {version}"


def holidays(listed_until: date, today: date) -> Answer:
    """Whether a calendar knows the holidays of the year to come: without them promises count on days off."""
    said = f"its holidays are listed up to the end of {listed_until.year}"
    if listed_until < today + _AHEAD:
        return "unsure", f"{said}: add those of {listed_until.year + 1}"
    return "well", said


def _clock(store: Store) -> Answer:
    ours = SystemClock().now()
    if not store.sqlite:
        try:
            apart = abs(store.now() - ours)
        except SQLAlchemyError:
            return "unsure", "the database's cannot be read to compare with"
        if apart > _SKEW:
            return "failed", f"{apart.total_seconds():.1f} s apart from the database's"
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (AttributeError, OSError):
        state = _UNSYNCHRONISED
    if state == _UNSYNCHRONISED:
        return "unsure", f"{ours:%Y-%m-%d %H:%M:%S} UTC; the kernel does not know of anything that keeps it right"
    return "well", f"{ours:%Y-%m-%d %H:%M:%S} UTC, kept right"
