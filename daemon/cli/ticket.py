"""`heliograph ticket show`: one ticket, with its clocks and its log."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime
from typing import Any

from daemon.cli.desk import setup_of, store_of
from daemon.cli.show import console, plain, show
from daemon.model import Clock, Event, Json, Ticket
from daemon.portal.local import ticket_said
from daemon.report import words
from daemon.store import tickets
from daemon.store.tickets import ActionItem


def show_ticket(options: argparse.Namespace) -> int:
    """1 if there is no such ticket."""
    with store_of(setup_of(options)) as store, store.read() as connection:
        now = store.now()
        ticket = tickets.get(connection, options.ticket)
        if ticket is None:
            print(f"there is no ticket {options.ticket}", file=sys.stderr)
            return 1
        log, clocks = tickets.log(connection, ticket.id), tickets.clocks_of(connection, ticket.id)
        links, actions = tickets.links_of(connection, ticket.id), tickets.actions_of(connection, ticket.id)
    if options.json:
        print(json.dumps(_as_json(ticket, clocks, log, links, actions), indent=2))
        return 0
    _head(ticket)
    bars = [words.bar(clock, now) for clock in clocks]
    stands = [(f"{bar.goal} {bar.cycle}", bar.says, _instant(bar.deadline)) for bar in bars]
    show(("clock", "stands", "due (UTC)"), stands)
    lines = words.in_order([words.line(event) for event in log])
    rows = [(_instant(line.at), line.actor, line.title, line.text) for line in lines]
    show(("at (UTC)", "who", "what", ""), rows, "\nWhat happened")
    if links:
        show(("ticket", "is"), [(other, how.replace("_", " ")) for other, how in links], "\nLinks")
    if actions:
        items = [(one.id, one.text, one.owner, one.due, "done" if one.done_at else "open") for one in actions]
        show(("item", "what", "who", "by", ""), items, "\nAction items")
    return 0


def _instant(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else ""


def _head(ticket: Ticket) -> None:
    console().print(plain(f"Ticket {ticket.id} of {ticket.client}: {ticket.title}"), style="bold")
    stands = {
        "severity": ticket.severity, "state": ticket.state.replace("_", " "), "assignee": ticket.assignee,
        "team": ticket.team, "site": ticket.site,
        "work-around": "" if ticket.workaround == "none" else ticket.workaround,
        "fix": (ticket.fix or "").replace("_", " "), "RCA": "" if ticket.rca == "none" else ticket.rca,
        "merged into": ticket.merged_into or "", "contract": ticket.contract, "incident": ticket.incident,
    }  # fmt: skip
    console().print(plain(", ".join(f"{name} {value}" for name, value in stands.items() if value) + "\n"))


def _as_json(
    ticket: Ticket, clocks: list[Clock], log: list[Event], links: list[tuple[int, str]], actions: list[ActionItem]
) -> dict[str, Any]:
    return ticket_said(ticket) | {
        "contract": ticket.contract,
        "clocks": [_clock(clock) for clock in clocks],
        "events": [_event(event) for event in log],
        "links": [{"ticket": other, "as": how} for other, how in links],
        "actions": [
            {"item": one.id, "text": one.text, "owner": one.owner, "due": one.due, "done": one.done_at is not None}
            for one in actions
        ],
    }


def _clock(clock: Clock) -> dict[str, Json]:
    instants = {
        "started_at": clock.started_at, "deadline": clock.deadline, "stopped_at": clock.stopped_at,
        "breached_at": clock.breached_at,
    }  # fmt: skip
    return {
        "goal": clock.goal, "cycle": clock.cycle, "severity": clock.severity, "state": clock.state.value,
        "target_seconds": clock.target, "consumed_seconds": clock.consumed,
    } | {name: at and at.isoformat() for name, at in instants.items()}  # fmt: skip


def _event(event: Event) -> dict[str, Json]:
    return {
        "sequence": event.sequence, "kind": event.kind.value, "effective_at": event.effective_at.isoformat(),
        "recorded_at": event.recorded_at.isoformat(), "actor": event.actor, "body": dict(event.body),
    }  # fmt: skip
