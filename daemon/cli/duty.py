"""`heliograph duty` and `heliograph handover`: who has the queue, who is on call, and what was handed over."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from datetime import datetime
from typing import Any

from daemon import app
from daemon.cli.desk import ask_daemon, setup_of, store_of
from daemon.cli.show import console, plain, show
from daemon.desk import orders
from daemon.desk.desk import Refused
from daemon.portal.client import NotRunning, Rejected
from daemon.portal.local import handover_said
from daemon.sla.duty import Duty
from daemon.store import handovers
from daemon.store.handovers import Handover, Rota


def duty(options: argparse.Namespace) -> int:
    """0 if a site owns the queue, 1 in a gap."""
    setup = setup_of(options)
    with store_of(setup) as store, store.read() as connection:
        now = store.now()
        rotas = handovers.rotas(connection)
    found = setup.terms.staff.duty(now)
    if options.json:
        print(json.dumps(_duty_said(setup, found, rotas, now), indent=2))
        return 0 if found.owner else 1
    lead = setup.terms.staff.shift_lead(now)
    console().print(plain(_queue(found) + (f" Shift lead: {lead}." if lead else "")))
    for rota in rotas:
        age = int((now - rota.seen_at).total_seconds() // 60)
        rows = [(one.policy, one.level, one.person, _at(one.until)) for one in rota.shifts]
        show(("for", "level", "who", "until (UTC)"), rows, f"\nOn call, as {rota.role} said {age} min ago")
    if not rotas:
        print("Who is on call is not known: no pager has been asked yet.")
    return 0 if found.owner else 1


def list_handovers(options: argparse.Namespace) -> int:
    with store_of(setup_of(options)) as store, store.read() as connection:
        found = handovers.recent(connection)
    if options.json:
        print(json.dumps([handover_said(one) for one in found], indent=2))
    elif found:
        rows = [
            (
                one.id,
                _at(one.at),
                one.from_site,
                one.to_site,
                len(one.tickets),
                _name(one.acknowledged_by) or "-",
                one.note,
            )
            for one in found
        ]
        show(("handover", "at (UTC)", "from", "to", "tickets", "taken by", "note"), rows)
    else:
        print("no handovers")
    return 0


def show_handover(options: argparse.Namespace) -> int:
    """1 if there is none of this number."""
    with store_of(setup_of(options)) as store, store.read() as connection:
        found = handovers.get(connection, options.handover)
    if found is None:
        print(f"there is no handover {options.handover}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(handover_said(found), indent=2))
        return 0
    _show(found)
    return 0


def act(options: argparse.Namespace) -> int:
    """0 if it was done, 1 if it was refused; the reason goes to stderr."""
    said: dict[str, Any] = {"actor": options.actor or getpass.getuser()}
    if "text" in options:
        said["text"] = options.text
    try:
        changed = _perform(setup_of(options), options.verb, options.handover, said)
    except (Rejected, Refused) as reason:
        print(reason, file=sys.stderr)
        return 1
    taken = f", taken by {_name(changed['acknowledged_by'])}" if changed["acknowledged_by"] else ""
    line = f"handover {changed['id']} from {changed['from'] or 'nobody'} to {changed['to']}{taken}"
    print(json.dumps(changed, indent=2) if options.json else plain(line))
    return 0


def _perform(setup: app.Setup, verb: str, number: int, said: dict[str, Any]) -> dict[str, Any]:
    try:
        answer = ask_daemon(setup, f"/handovers/{number}/{verb}", said)
    except NotRunning:
        return handover_said(_directly(setup, verb, number, said))
    return dict(answer["handover"])


def _directly(setup: app.Setup, verb: str, number: int, said: dict[str, Any]) -> Handover:
    order = orders.ON_HANDOVER[verb].model_validate(said)
    with store_of(setup) as store:
        store.hold()
        store.migrate()
        now = store.now()
        with store.write() as connection:
            return order.carry_out(order.desk(connection, setup.terms, now), number)


def _show(found: Handover) -> None:
    console().print(plain(f"{found.from_site or 'Nobody'} → {found.to_site}, {_at(found.at)} UTC"), style="bold")
    taken = f"taken by {_name(found.acknowledged_by)} at {_at(found.acknowledged_at)}" if found.acknowledged_at else ""
    console().print(plain(taken or "not taken yet: `heliograph handover acknowledge`"))
    if found.note:
        console().print(plain(f"{_name(found.noted_by)}: {found.note}"))
    columns = ("ticket", "client", "severity", "state", "title", "assignee", "goal", "due")
    show(columns, [[str(one.get(name) or "") for name in columns] for one in found.tickets], "\nOpen then")


def _queue(found: Duty) -> str:
    then = f" {found.next_owner} opens next, at {_at(found.next_at)} UTC." if found.next_owner else ""
    return (f"{found.owner} has the queue." if found.owner else "No site is open.") + then


def _duty_said(setup: app.Setup, found: Duty, rotas: list[Rota], now: datetime) -> dict[str, Any]:
    return {
        "owner": found.owner, "next_owner": found.next_owner, "next_at": found.next_at and found.next_at.isoformat(),
        "shift_lead": setup.terms.staff.shift_lead(now) or None,
        "on_call": [
            {
                "role": rota.role, "seen_at": rota.seen_at.isoformat(), "person": one.person, "user": one.user,
                "policy": one.policy, "level": one.level, "until": one.until and one.until.isoformat(),
            }
            for rota in rotas
            for one in rota.shifts
        ],
    }  # fmt: skip


def _name(actor: str) -> str:
    return actor.partition(":")[2]


def _at(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d %H:%M}" if instant else ""
