"""A world whose clients live in several time zones, and an office at its desk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from daemon.desk import aftermath, commands, relations, triage
from daemon.desk.desk import Refused
from daemon.desk.intake import Report, open_ticket
from daemon.marked_yaml import parse as parse_yaml
from daemon.model import Fix, Ticket
from daemon.sla.policy import parse as parse_policy
from daemon.store import tickets
from tests.pipeline.doubles import HOUR, World, world_at

CONTRACTS = """
calendars:
  office: {tz: America/New_York, weekly: {mon-fri: ["09:00-17:00"]}}
contracts:
  gold:
    - effective_from: 2026-01-01T00:00:00Z
      goals:
        response:
          1: {target: 15m, calendar: 24x7}
          2: {target: 1h, calendar: 24x7}
          3: {target: 4h, calendar: office}
          4: {target: 8h, calendar: office}
        resolution:
          1: {target: 4h, calendar: 24x7, pausable: false}
          2: {target: 12h, calendar: 24x7}
          3: {target: 20h, calendar: office}
          4: null
        update: {1: {every: 2h, calendar: 24x7}, 2: {every: 8h, calendar: 24x7}, 3: null, 4: null}
        rca: {1: {target: 240h, calendar: 24x7}, 2: null, 3: null, 4: null}
      escalation: {default: [{at: 75%, notify: [assignee]}, {at: breach, notify: [assignee]}]}
clients:
  acme: {contract: gold, timezone: America/New_York}
  globex: {contract: gold, timezone: Asia/Kolkata}
"""


class Office:
    """The desk, one transaction a command; or several within one, each taken back alone where it is refused."""

    def __init__(self, world: World) -> None:
        self.world = world

    def do(self, command: Any, *arguments: Any, **more: Any) -> Any:
        keys = {name: more.pop(name) for name in ("at", "request") if name in more}
        actor = more.pop("actor", "person:asha")
        with self.world.store.write() as connection:
            return command(replace(self.world.desk(connection, actor), **keys), *arguments, **more)

    def open(self, client: str = "acme", severity: int = 2, title: str = "Carts are empty", **more: Any) -> Ticket:
        text = {name: more.pop(name) for name in ("text", "reporter", "class_", "location") if name in more}
        ticket: Ticket = self.do(open_ticket, Report(client, severity, title, **text), **more)
        return ticket

    def tick(self) -> None:
        """What has come due is counted."""
        self.world.run(self.world.clocks())


def zoned(world: World) -> None:
    parts = parse_yaml(CONTRACTS, "config.yaml")
    policy = parse_policy(parts["calendars"], parts["contracts"], parts["clients"])
    world.terms = replace(world.terms, policy=policy)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    for world in world_at(tmp_path):
        zoned(world)
        yield world


@pytest.fixture
def office(world: World) -> Office:
    return Office(world)


def busy(office: Office, chance: Any, days: int) -> None:
    """Tickets and what people do with them, by chance; what makes no sense is refused, as at any desk."""
    world = office.world
    for _ in range(days * 6):
        with world.store.write() as connection:
            for _ in range(8):
                world.after(HOUR * chance.random())
                at = world.clock.now() - HOUR * chance.random() if chance.random() < 0.3 else None
                desk = replace(world.desk(connection), at=at)
                with connection.begin_nested() as save:
                    try:
                        _something(desk, chance)
                    except Refused:
                        save.rollback()
        office.tick()


def _something(desk: Any, chance: Any) -> None:
    found = tickets.recent(desk.connection, 30)
    if not found or chance.random() < 0.3:
        report = Report(
            chance.choice(["acme", "globex", "unassigned"]), chance.randint(1, 4), "Carts are empty",
            class_=chance.choice(["availability", "security", "defect"]), location=chance.choice(["", "eu-west", "us"]),
        )  # fmt: skip
        open_ticket(desk, report)
        return
    number = chance.choice(found).id
    command, *arguments = chance.choice(_DEEDS)
    if command is aftermath.excuse:
        arguments = [chance.choice(["response", "resolution", "update"]), 1, "Their firewall.", "lena"]
    command(desk, number, *arguments)


_DEEDS: list[tuple[Any, ...]] = [
    (commands.reply, "We are on it."),
    (commands.reply, "We are on it."),
    (commands.acknowledge,),
    (commands.wait, "information", "Which carts?"),
    (commands.hear, "All of them."),
    (commands.await_fix, Fix.QUICK),
    (commands.resume,),
    (commands.resolve, "Repaired."),
    (commands.resolve, "Repaired."),
    (commands.resolve, "Repaired."),
    (commands.close,),
    (commands.close,),
    (commands.reopen, "They are empty again."),
    (commands.cancel, "false_alarm"),
    (triage.change_severity, 1, "It hurts more."),
    (triage.change_severity, 3, "It hurts less."),
    (aftermath.plan_action, "Alert on empty carts", "asha", date(2026, 3, 20)),
    (aftermath.finish_action, 1),
    (aftermath.excuse,),
    (relations.link, 1, "relates"),
]
