"""`heliograph silence add | list | end`: openings held back for a while, by somebody who says why.

Who writes goes through the daemon that runs; when none does, the command takes the database itself.
"""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from daemon import app
from daemon.cli import WRONG
from daemon.cli.desk import ask_daemon, setup_of, store_of
from daemon.cli.show import plain, show
from daemon.contract import parse_duration
from daemon.desk import silences as desk
from daemon.desk.desk import Refused
from daemon.portal.client import NotRunning, Rejected
from daemon.portal.local import silence_said
from daemon.rules.policy import GROUP
from daemon.rules.selectors import known_values, unknown
from daemon.store import silences
from daemon.store.silences import Kept


def add(options: argparse.Namespace) -> int:
    """0 if it holds from now on, 1 if it was refused, 2 if what was asked for is not known."""
    setup = setup_of(options)
    try:
        lasts = parse_duration(options.lasts)
        hold = _selector(options)
    except ValueError as error:
        print(f"{error}.", file=sys.stderr)
        return WRONG
    wrong = list(_unknown(setup, hold))
    for line in wrong:
        print(line, file=sys.stderr)
    if wrong:
        return WRONG
    said = {"actor": _actor(options), "hold": hold, "reason": options.reason, "seconds": int(lasts.total_seconds())}
    return _told(setup, options, "/silences", said)


def end(options: argparse.Namespace) -> int:
    """0 if it holds no more, 1 if there was nothing to end."""
    return _told(setup_of(options), options, f"/silences/{options.silence}/end", {"actor": _actor(options)})


def list_silences(options: argparse.Namespace) -> int:
    """Those that hold, the first to end first."""
    with store_of(setup_of(options)) as store, store.read() as connection:
        rows = [silence_said(kept) for kept in silences.unfinished(connection, store.now())]
    if options.json:
        print(json.dumps(rows, indent=2))
    elif rows:
        show(list(rows[0]), [[_cell(value) for value in row.values()] for row in rows], "Silences")
    else:
        print("no silences")
    return 0


def _told(setup: app.Setup, options: argparse.Namespace, command: str, said: dict[str, Any]) -> int:
    try:
        kept = _perform(setup, command, said)
    except (Rejected, Refused) as reason:
        print(reason, file=sys.stderr)
        return 1
    line = f"silence {kept['id']} of {kept['owner']} ends at {kept['ends']}: {kept['reason']}"
    print(json.dumps(kept, indent=2) if options.json else plain(line))
    return 0


def _perform(setup: app.Setup, command: str, said: dict[str, Any]) -> dict[str, Any]:
    try:
        answer = ask_daemon(setup, command, said)
    except NotRunning:
        return silence_said(_directly(setup, command, said))
    return dict(answer["silence"])


def _directly(setup: app.Setup, command: str, said: dict[str, Any]) -> Kept:
    with store_of(setup) as store:
        store.hold()
        store.migrate()
        now = store.now()
        with store.write() as connection:
            if command == "/silences":
                lasts = timedelta(seconds=said["seconds"])
                return desk.add(connection, said["hold"], said["actor"], said["reason"], lasts, now)
            return desk.expire(connection, int(command.split("/")[2]), said["actor"], now)


def _selector(options: argparse.Namespace) -> dict[str, list[str]]:
    """Raises ValueError on a group that is not `part=value`."""
    hold = {field: getattr(options, field) for field in ("rule", "location", "severity") if getattr(options, field)}
    for pair in options.group or ():
        part, equals, value = pair.partition("=")
        if not (part and equals and value):
            raise ValueError(f"--group takes part=value, such as service=checkout, not '{pair}'")
        hold.setdefault(f"{GROUP}{part}", []).append(value)
    return hold


def _unknown(setup: app.Setup, hold: Mapping[str, list[str]]) -> Iterator[str]:
    names = app.names(setup.config, app.Kinds())
    for field, globs in hold.items():
        known = [rule.id for rule in setup.rules] if field == "rule" else known_values(field, names)
        for glob in globs:
            if (wrong := unknown(field, glob, known)) is not None:
                yield " ".join(filter(None, wrong))


def _actor(options: argparse.Namespace) -> str:
    return options.actor or getpass.getuser()


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{field}: {' or '.join(globs)}" for field, globs in value.items())
    return str(value)
