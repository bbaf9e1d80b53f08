"""`heliograph sla preview`: which open tickets another configuration would move."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from daemon import app
from daemon.cli.desk import kept_terms, setup_of, store_of
from daemon.cli.show import console, plain, show
from daemon.cli.sla import said
from daemon.model import Clock, Goal, Ticket
from daemon.sla.clocks import fold
from daemon.sla.policy import Policy
from daemon.store import tickets

_MOST = 1_000_000


@dataclass(frozen=True, slots=True)
class Moved:
    ticket: Ticket
    goal: Goal
    cycle: int
    now: datetime | None
    """When it is due as things stand; None while it waits or where nothing is promised."""
    then: datetime | None


def preview(options: argparse.Namespace) -> int:
    """0 if NEW could be taken as it is, 1 if a ticket keeps a contract that NEW no longer has."""
    setup = setup_of(options)
    options.config = options.new
    fresh: app.Setup = setup_of(options)
    with store_of(setup) as store, store.read() as connection:
        old, new = (kept_terms(one, connection, store.now()).policy for one in (setup, fresh))
        gone = new.missing(tickets.contracts_kept(connection))
        moved = _moved(connection, store.now(), old, new, set(gone))
    if options.json:
        print(json.dumps({"missing": gone, "moved": [_said(one) for one in moved]}, indent=2))
    else:
        _tell(moved, gone)
    return 1 if gone else 0


def _moved(connection: Connection, at: datetime, old: Policy, new: Policy, gone: set[str]) -> list[Moved]:
    found: list[Moved] = []
    for ticket in tickets.unfinished(connection, _MOST):
        if ticket.contract in gone:
            continue
        log = tickets.log(connection, ticket.id)
        before = _due(fold(old.pinned(ticket.contract), log, at))
        after = _due(fold(new.pinned(ticket.contract), log, at))
        for key in before | after:
            if before.get(key) != after.get(key):
                found.append(Moved(ticket, *key, before.get(key), after.get(key)))
    return found


def _due(clocks: tuple[Clock, ...]) -> dict[tuple[Goal, int], datetime | None]:
    """Of those that have not been decided: what is decided no policy changes."""
    return {(one.goal, one.cycle): one.deadline for one in clocks if one.decided_at is None}


def _tell(moved: list[Moved], gone: list[str]) -> None:
    for version in gone:
        console().print(plain(f"tickets run by contract {version}, which is gone from it: it would be refused"))
    if not moved:
        print("no open ticket would move")
        return
    rows = [
        (
            one.ticket.id,
            one.ticket.client,
            one.ticket.severity,
            one.goal,
            said.utc(one.now),
            said.utc(one.then),
            _by(one),
        )
        for one in moved
    ]
    show(("ticket", "client", "severity", "goal", "due now (UTC)", "would be", "by"), rows)
    print(f"{len({one.ticket.id for one in moved})} open tickets would move; new contract versions are for new tickets")


def _by(one: Moved) -> str:
    if one.now is None or one.then is None:
        return ""
    seconds = int((one.then - one.now).total_seconds())
    return f"{'earlier' if seconds < 0 else 'later'} by {said.length(abs(seconds))}"


def _said(one: Moved) -> dict[str, object]:
    return {
        "ticket": one.ticket.id, "client": one.ticket.client, "severity": one.ticket.severity, "goal": one.goal,
        "cycle": one.cycle, "now": said.iso(one.now), "then": said.iso(one.then),
    }  # fmt: skip
