"""`heliograph ticket | incident`: lists them, and acts on one.

Who writes goes through the daemon that runs, by its local API; when none does, the command takes the database itself.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError, ProgrammingError

from daemon import app
from daemon.cli.show import plain, show
from daemon.cli.where import config_file
from daemon.clock import SystemClock
from daemon.desk import keeping, orders
from daemon.desk.desk import Refused
from daemon.desk.terms import Terms
from daemon.errors import ConfigError, Problem
from daemon.model import ClockState, Incident, Json, Ticket
from daemon.portal.client import NotRunning, Rejected, call
from daemon.portal.local import ticket_said
from daemon.secret import Secret
from daemon.store import incidents, tickets
from daemon.store.engine import Store

_LISTED = ("id", "client", "severity", "state", "title", "assignee", "opened_at", "incident")
_ALIASES = {"class_": "class"}


def list_tickets(options: argparse.Namespace) -> int:
    setup = setup_of(options)
    with store_of(setup) as store, store.read() as connection:
        asked = {name: getattr(options, name) for name in ("client", "state", "assignee", "team", "severity")}
        found = tickets.recent(connection, **{name: value for name, value in asked.items() if value is not None})
        rows = [_ticket(connection, one) for one in found]
    _show("Tickets", rows, options)
    return 0


def list_incidents(options: argparse.Namespace) -> int:
    setup = setup_of(options)
    with store_of(setup) as store, store.read() as connection:
        rows = [_incident(one) for one in incidents.recent(connection, shadow=options.shadow)]
    _show("Incidents", rows, options)
    return 0


def act(options: argparse.Namespace) -> int:
    """0 if it was done, 1 if it was refused; the reason goes to stderr."""
    setup = setup_of(options)
    said = {_ALIASES.get(name, name): value for name, value in vars(options).items() if name in options.fields}
    said["actor"] = options.actor or getpass.getuser()
    try:
        changed = perform(setup, options.noun, options.verb, options.subject, said)
    except (Rejected, Refused) as reason:
        print(reason, file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(changed, indent=2))
        return 0
    for one in changed:
        print(plain(f"ticket {one['id']} of {one['client']} is {one['state']}: {one['title']}"))
    return 0


def perform(setup: app.Setup, noun: str, verb: str, subject: str, said: dict[str, Json]) -> list[dict[str, Any]]:
    """The tickets that it changed. Raises Rejected or Refused, with a reason for a person; or ConfigError.

    `subject` is a ticket's number or an incident's id; empty where a ticket is opened.
    """
    if noun == "ticket" and subject and not subject.isdecimal():
        raise Refused(f"'{subject}' is no ticket's number")
    try:
        path = f"/{noun}s/{quote(subject, safe='')}/{verb}" if subject else f"/{noun}s"
        answer = ask_daemon(setup, path, said)
    except NotRunning:
        return [ticket_said(one) for one in _directly(setup, noun, verb, subject, json.dumps(said))]
    return list(answer["tickets"])


def ask_daemon(setup: app.Setup, path: str, said: Mapping[str, Json]) -> Any:
    """What the daemon that runs answers. Raises NotRunning where none does, Rejected with its reason."""
    try:
        token = Secret(setup.token_file.read_text())
    except OSError as error:
        raise NotRunning(f"no daemon has left its token: {error}") from None
    return call(setup.socket, token, path, said)


def _directly(setup: app.Setup, noun: str, verb: str, subject: str, said: str) -> list[Ticket]:
    order = _order(noun, verb, subject, said)
    with store_of(setup) as store:
        store.hold()
        store.migrate()
        now = store.now()
        with store.write() as connection:
            desk = order.desk(connection, kept_terms(setup, connection, now), now)
            if isinstance(order, orders.OnIncident):
                return order.carry_out(desk, subject)
            if isinstance(order, orders.OnTicket):
                return [order.carry_out(desk, int(subject))]
            assert isinstance(order, orders.Open)
            return [order.carry_out(desk)]


def _order(noun: str, verb: str, subject: str, said: str) -> orders.Order:
    """Raises Refused if it cannot be understood."""
    table: Mapping[str, type[orders.Order]] = orders.ON_INCIDENT if noun == "incident" else orders.ON_TICKET
    try:
        return (table[verb] if subject else orders.Open).model_validate_json(said)
    except ValidationError as error:
        raise Refused(orders.complaint(error)) from None


def kept_terms(setup: app.Setup, connection: Connection, now: datetime) -> Terms:
    """As tickets go by them: each keeps what it was promised."""
    return replace(setup.terms, policy=keeping.as_kept(connection, setup.terms.policy, now))


def setup_of(options: argparse.Namespace) -> app.Setup:
    return app.read(config_file(options.config), os.environ, options.chance, credentials=False)


@contextmanager
def store_of(setup: app.Setup) -> Iterator[Store]:
    store = Store(setup.config.store, SystemClock())
    missing = Problem(str(store.path or setup.config.path), 0, "there is no database yet.", "Start `heliograph run`.")
    if store.path is not None and not store.path.exists():
        raise ConfigError([missing])
    try:
        yield store
    except (OperationalError, ProgrammingError):
        raise ConfigError([missing]) from None
    finally:
        store.close()


def _ticket(connection: Connection, one: Ticket) -> dict[str, Json]:
    """With when each of its clocks that go on is due."""
    found = tickets.clocks_of(connection, one.id)
    clocks = {str(clock.goal): clock for clock in found if clock.state in (ClockState.RUNNING, ClockState.PAUSED)}
    due = {
        goal: clock.deadline.isoformat() if clock.deadline else None
        for goal, clock in clocks.items()
    }  # fmt: skip
    said = ticket_said(one)
    return {name: said[name] for name in _LISTED} | {"due": due}


def _incident(one: Incident) -> dict[str, Json]:
    return {
        "id": one.id, "severity": one.severity, "state": one.state.value, "title": one.title,
        "location": one.location, "opened_at": one.opened_at.isoformat(), "rule": one.rule,
    }  # fmt: skip


def _show(title: str, rows: list[dict[str, Json]], options: argparse.Namespace) -> None:
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    if not rows:
        print(f"no {title.lower()}")
        return
    show(rows[0], [[_cell(value) for value in row.values()] for row in rows], title)


def _cell(value: Json) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {due[:16] + 'Z' if isinstance(due, str) else 'none'}" for name, due in value.items())
    return str(value)
