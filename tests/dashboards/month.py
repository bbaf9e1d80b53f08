"""A month at the desk, in told time: troubles by chance through the real pipeline, people who answer early or late, and
a scrape of the real registry every so often."""

from __future__ import annotations

import heapq
import itertools
import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry
from sqlalchemy import func, select

from daemon.clock import ToldClock
from daemon.collector import Collector, Known
from daemon.desk import aftermath, commands, handover, triage
from daemon.desk.desk import Desk, Refused
from daemon.desk.intake import Report, open_ticket
from daemon.errors import Permanent, Temporary
from daemon.log import Once
from daemon.model import FINISHED, Fix, Json, Polarity, Severity, Signal, Ticket, TicketState
from daemon.pipeline.collect import Collect
from daemon.pipeline.hand_over import HandOver
from daemon.pipeline.remind import Remind
from daemon.pipeline.settle import Settle
from daemon.pipeline.turn import Turn
from daemon.rules.engine import Engine
from daemon.store import handovers, tickets
from daemon.store.engine import Store
from daemon.store.schema import deliveries
from daemon.worker import Step, directly
from tests.dashboards import scene
from tests.pipeline.doubles import HOUR, MINUTE, SECOND, Taker, Told, World

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
"""A Monday."""
END = datetime(2026, 4, 1, 14, 15, tzinfo=UTC)
DAY, SOON, BAD_DAY = timedelta(days=1), 15 * SECOND, 11 * HOUR
SCRAPES = ((60 * DAY, 3 * HOUR), (3 * DAY, HOUR), (DAY, 15 * MINUTE))
"""How far apart they are from so long before the end on. A daemon is scraped far more often; this is enough to see."""

_OWED = select(func.min(deliveries.c.due_at)).where(deliveries.c.state == "pending")
Deed = Callable[[], object]
Act = Callable[[Desk], object]

_ANSWER = {1: 4 * MINUTE, 2: 18 * MINUTE, 3: 70 * MINUTE, 4: 4 * HOUR}
_REPAIR = {1: 65 * MINUTE, 2: 200 * MINUTE, 3: 11 * HOUR, 4: 24 * HOUR}
"""By severity, what half of the tickets take at most."""
_NOISE = {"datadog/disk-full": 0.35, "cloudtrail/console-bruteforce": 0.6, "datadog/monitor-alert": 0.12}
"""Which part of a rule's tickets turns out a false alarm."""


class _Measuring(ToldClock):
    """The instant is told; what a look at the store costs is measured."""

    def monotonic(self) -> float:
        return time.perf_counter()


@dataclass
class Month:
    """Deeds in the order of their instants. `scrape` is called on the way, with the registry."""

    store: Store
    clock: ToldClock
    chance: random.Random
    scrape: Callable[[datetime, CollectorRegistry], None]
    world: World = field(init=False)
    registry: CollectorRegistry = field(init=False)

    def __post_init__(self) -> None:
        self._deeds: list[tuple[datetime, int, Deed]] = []
        self._planned: set[datetime] = set()
        self._order = itertools.count()
        self._seen = 0
        self.world = World(
            self.store, self.clock, scene.rules(), actions={role: Taker() for role in scene.ROLES},
            sources=scene.SOURCES,
        )  # fmt: skip
        self.world.terms = scene.terms()
        self.registry = self.world.registry
        rules = tuple(rule.id for rule in self.world.rules)
        known = Known(self.world.terms, scene.SOURCES, scene.ROLES, rules)
        self.registry.register(Collector(self.store, _Measuring(BEGIN), lambda: known))
        self.sources = {name: Told() for name in scene.SOURCES}
        self._engine = Engine(self.world.rules)
        self._collects = {name: self._collect(name) for name in self.sources}
        self._sends: list[Step] = [self.world.send(role) for role in scene.ROLES]
        self._inside: list[Step] = [
            Settle(self.store, lambda: self._engine, lambda: self.world.detection),
            self.world.clocks(),
        ]
        for name in scene.SOURCES:
            self.world.metrics.declare_source(name)
        for role in scene.ROLES:
            self.world.metrics.declare_role(role)
        self.world.metrics.declare_rules(rules)
        self.world.metrics.reloaded(BEGIN, "5f2c9a1be07d44")

    def _collect(self, name: str) -> Collect:
        turn = Turn(name, MINUTE, "one", self.store, self.chance, Once(), logging.getLogger("heliograph.month"))
        return Collect(
            turn, self.sources[name], False, lambda: self._engine, lambda: self.world.detection, directly,
            self.world.metrics,
        )  # fmt: skip

    def play(self) -> None:
        self._plan()
        while self._deeds and self._deeds[0][0] <= END:
            at, _, deed = heapq.heappop(self._deeds)
            self.clock.tell(at)
            deed()
            self._settle()
        self.clock.tell(END)
        self._settle()

    def at(self, at: datetime, deed: Deed) -> None:
        heapq.heappush(self._deeds, (max(at, self.clock.now()), next(self._order), deed))

    def after(self, length: timedelta, deed: Deed) -> None:
        self.at(self.clock.now() + length, deed)

    # what is known in advance

    def _plan(self) -> None:
        at = BEGIN
        while at <= END:
            self.at(at - SOON, self._look)
            self.at(at, lambda: self.scrape(self.clock.now(), self.registry))
            at += [every for since, every in SCRAPES if at >= END - since - 3 * HOUR][-1]
        for rule, every in (
            ("sentry/crash-loop", 40 * HOUR), ("sentry/error-burst", 26 * HOUR), ("datadog/monitor-alert", 11 * HOUR),
            ("datadog/disk-full", 19 * HOUR), ("cloudtrail/console-bruteforce", 30 * HOUR),
            ("cloudtrail/root-use", 60 * HOUR), ("", 9 * HOUR),
        ):  # fmt: skip
            for begins in self._by_chance(every):
                self.at(begins, partial(self._trouble, rule) if rule else self._reported)
        self.at(END - 12 * MINUTE, lambda: self.world.actions["page"].failures.extend([Temporary("timeout")] * 40))
        self.at(END - 3 * MINUTE, lambda: self._trouble("sentry/crash-loop"))
        self.at(END - 80 * MINUTE, self._forgotten)
        self.at(END - 50 * MINUTE, lambda: self._trouble("datadog/monitor-alert"))

    def _by_chance(self, every: timedelta) -> Iterator[datetime]:
        at = BEGIN + every * self.chance.expovariate(1)
        while at < END:
            yield at
            at += every * self.chance.expovariate(1)

    def _look(self) -> None:
        """Every source is polled, a moment before a scrape."""
        for name in self.sources:
            if self.chance.random() < 0.03 and self.clock.now() < END - HOUR:
                self.sources[name].fail(Temporary(self.chance.choice(["timeout", "rate_limited", "server_error"])))
            else:
                late = self.chance.random() * (20 if name == "cloudtrail-eu" else 2) * MINUTE
                self.sources[name].say(watermark=self.clock.now() - late)
            self._poll(name)
        if self.clock.now().minute > 45:
            self.world.run(HandOver(self.store, lambda: self.world.terms), Remind(self.store, lambda: self.world.terms))
            self._hand_over()

    # troubles

    def _trouble(self, rule: str) -> None:
        """What breaks, as its source tells it; now and then the vendor is slow, or something is told that no rule
        wants."""
        source, fields, many = self._said(rule)
        length = HOUR * self.chance.lognormvariate(0.5, 0.8)
        self._say(source, fields, Polarity.BROKEN, timedelta(0), many)
        self._say(source, {"level": "debug", "status": "ok"}, Polarity.NONE, 2 * MINUTE)
        if rule in {"sentry/crash-loop", "datadog/monitor-alert"}:
            self._say(source, fields, Polarity.RECOVERED, length)

    def _said(self, rule: str) -> tuple[str, dict[str, str], int]:
        name = self.chance.choice(["shop", "billing", "search", "mobile", "admin"])
        address = f"203.0.113.{self.chance.randint(1, 250)}"
        return {
            "sentry/crash-loop": ("sentry", {"project": name, "level": "fatal"}, 1),
            "sentry/error-burst": ("sentry", {"project": name, "level": "error"}, self.chance.randint(5, 30)),
            "datadog/monitor-alert": ("datadog", {"service": name, "status": "alert"}, 1),
            "datadog/disk-full": ("datadog", {"service": name, "status": "disk"}, 2),
            "cloudtrail/console-bruteforce": (
                "cloudtrail-eu", {"eventName": "ConsoleLogin", "address": address}, self.chance.randint(8, 60),
            ),
            "cloudtrail/root-use": ("cloudtrail-eu", {"user": "root", "address": address}, 1),
        }[rule]  # fmt: skip

    def _say(
        self, source: str, fields: dict[str, str], polarity: Polarity, later: timedelta, many: int = 1
    ) -> None:  # fmt: skip
        """So many times, in seconds. The source has it some time after it happened, and is polled then."""
        begins = self.clock.now() + later
        kind, said = scene.KINDS[source], dict[str, Json](fields)
        ids = [f"{source}-{next(self._order)}" for _ in range(many)]
        told = [
            Signal(source, scene.SOURCES[source], kind, id, begins + number * 5 * SECOND, said, polarity)
            for number, id in enumerate(ids)
        ]
        late = (5 * MINUTE if source == "cloudtrail-eu" else 20 * SECOND) * self.chance.lognormvariate(0, 0.6)

        def brought() -> None:
            self.sources[source].say(*told, watermark=told[-1].at)
            self._poll(source)

        self.at(told[-1].at + late, brought)

    def _poll(self, source: str) -> None:
        due = self.world.run(self._collects[source])
        if self.sources[source].batches and due is not None:
            self.at(due, lambda: self._poll(source) if self.sources[source].batches else None)

    def _reported(self) -> None:
        client = self.chance.choice(scene.CLIENTS)
        severity: Severity = self.chance.choices((1, 2, 3, 4), (1, 4, 6, 4))[0]
        origin = self.chance.choice(["portal", "portal", "email", "hotline"])
        self._do(lambda desk: open_ticket(desk, Report(client, severity, "Carts are empty", origin=origin)))

    def _forgotten(self) -> None:
        """A ticket that nobody takes: its response is missed, and its clock goes on."""
        with self.store.write() as connection:
            told = Report("acme", 2, "The invoices of March are empty", origin="portal")
            self._seen = open_ticket(self.world.desk(connection), told).id

    # people

    def _settle(self) -> None:
        """The steps that need no vendor's turn, and whoever takes the new tickets."""
        world = self.world
        for role in scene.ROLES:
            if self.chance.random() < 0.02:
                reason = self.chance.choice(["timeout", "rate_limited", "server_error"])
                world.actions[role].failures.append(Temporary(reason))
            elif self.chance.random() < 0.0008:
                world.actions[role].failures.append(Permanent("invalid"))
        dues = [world.run(step) for step in self._inside]
        with self.store.read() as connection:
            owed = connection.execute(_OWED).scalar_one()
        if owed is not None and owed <= self.clock.now():
            dues += [world.run(step) for step in self._sends]
        else:
            dues.append(owed)
        for due in dues:
            if due is not None and due > self.clock.now() and due not in self._planned:
                self._planned.add(due)
                self.at(due + 3 * SECOND * self.chance.random(), lambda: None)
        with self.store.read() as connection:
            new = [ticket for ticket in tickets.recent(connection, 20) if ticket.id > self._seen]
        for ticket in sorted(new, key=lambda each: each.id):
            self._seen = ticket.id
            self._take(ticket)

    def _take(self, ticket: Ticket) -> None:
        """How a ticket will go. Weekends are slower, and so are the last hours: something is to be seen."""
        number, severity = ticket.id, ticket.severity
        owner = self.world.terms.staff.duty(self.clock.now()).owner
        slow = (1.0 if owner else 1.4) * (3.0 if self.clock.now() > END - BAD_DAY else 1.0)
        answer = slow * _ANSWER[severity] * self.chance.lognormvariate(0, 0.55)
        repair = answer + slow * _REPAIR[severity] * self.chance.lognormvariate(0, 0.6)
        person = self.chance.choice(scene.SITES[owner or "london"])
        self.after(answer * 0.6, lambda: self._do(lambda desk: triage.assign(desk, number, person=person)))
        if self.chance.random() < _NOISE.get(self._rule_of(ticket), 0.04):
            self.after(answer, lambda: self._do(lambda desk: commands.cancel(desk, number, "false_alarm")))
            return
        self.after(answer, lambda: self._do(lambda desk: commands.reply(desk, number, "We are on it.")))
        self._on_the_way(number, severity, answer, repair)
        self.after(repair, lambda: self._mend(number, severity))
        self._afterwards(number, severity, repair)

    def _mend(self, number: int, severity: int, tries: int = 8) -> None:
        """It is resolved. What breaks again, and opens the ticket again, is seen to again."""
        self._do(lambda desk: commands.resume(desk, number))
        self._do(lambda desk: commands.resolve(desk, number, "It works again."))
        if tries:
            later = (_REPAIR[severity] + 2 * HOUR) * self.chance.lognormvariate(0, 0.4)
            self.after(later, lambda: self._look_again(number, severity, tries - 1))

    def _look_again(self, number: int, severity: int, tries: int) -> None:
        with self.store.read() as connection:
            ticket = tickets.get(connection, number)
        if ticket is not None and ticket.state not in FINISHED:
            self._do(lambda desk: commands.reply(desk, number, "We are on it again."))
            self._mend(number, severity, tries)
        elif tries and ticket is not None and ticket.state is TicketState.RESOLVED:
            self.after(12 * HOUR, lambda: self._look_again(number, severity, tries - 1))

    def _rule_of(self, ticket: Ticket) -> str:
        return next((one.rule for one in self.world.incidents() if one.id == ticket.incident), "")

    def _on_the_way(self, number: int, severity: int, answer: timedelta, repair: timedelta) -> None:
        """Waiting for the client or a fix, words to the client, another severity."""

        def between() -> timedelta:
            return answer + (repair - answer) * self.chance.random()

        every = {1: HOUR, 2: 6 * HOUR, 3: DAY, 4: DAY}[severity]
        for beat in range(1, min(40, int((repair - answer) / every / 0.8) + 1)):
            self._some(0.97, answer + beat * every * 0.8, lambda desk: commands.reply(desk, number, "Still on it."))
        asked = between()
        if severity > 1 and self.chance.random() < 0.3:
            self._some(1, asked, lambda desk: commands.wait(desk, number, "information", "Which carts?"))
            self._some(1, asked + 3 * HOUR * self.chance.random(), lambda desk: commands.hear(desk, number, "All."))
        fix = self.chance.choice([Fix.QUICK, Fix.MINOR_RELEASE])
        self._some(0.25, between(), lambda desk: commands.await_fix(desk, number, fix))
        to: Severity = 1 if severity == 2 else 3 if severity == 1 else 2
        self._some(0.1, between(), lambda desk: triage.change_severity(desk, number, to, "It turned out so."))

    def _afterwards(self, number: int, severity: int, repair: timedelta) -> None:
        self._some(0.97, repair + 40 * HOUR * self.chance.random(), lambda desk: commands.close(desk, number))
        if self.chance.random() < 0.08:
            self._some(1, repair + 30 * HOUR, lambda desk: commands.reopen(desk, number, "It is back."))
            self.after(repair + 34 * HOUR, lambda: self._mend(number, severity))
        if severity <= 2:
            asked = repair + 5 * HOUR
            if self.chance.random() < 0.35:
                self._some(1, asked, lambda desk: aftermath.request_rca(desk, number))
                written = asked + 130 * HOUR * self.chance.random()
                self._some(1, written, lambda desk: aftermath.share_rca(desk, number))
        self._some(0.15, repair + 10 * HOUR, lambda desk: aftermath.excuse(
            desk, number, "resolution", 1, "Their firewall.", "noor"))  # fmt: skip
        self._some(0.06, repair + 2 * HOUR, lambda desk: commands.reply(
            replace(desk, at=desk.now - repair), number, "By telephone."))  # fmt: skip

    def _some(self, part: float, later: timedelta, act: Act) -> None:
        if self.chance.random() < part:
            self.after(later, lambda: self._do(act))

    def _hand_over(self) -> None:
        """Whoever comes in reads what was handed over; most do so soon."""
        with self.store.read() as connection:
            unread = [one.id for one in handovers.recent(connection) if one.acknowledged_at is None]
        for number in unread[:1]:
            self._some(0.8, 40 * MINUTE * self.chance.random(), partial(handover.acknowledge, id=number))

    def _do(self, act: Act) -> None:
        """One command; what makes no sense by then is refused, as at any desk."""
        with self.store.write() as connection, connection.begin_nested() as save:
            try:
                act(self.world.desk(connection))
            except Refused:
                save.rollback()


@contextmanager
def played(folder: Path, scrape: Callable[[datetime, CollectorRegistry], None]) -> Iterator[Month]:
    """The month is over when this begins; its store stays open meanwhile."""
    clock = ToldClock(BEGIN)
    store = Store(f"sqlite:///{folder}/heliograph.db", clock)
    store.migrate()
    month = Month(store, clock, random.Random(5), scrape)
    logging.disable()  # what vendors refuse is told in the figures, and there is much of it
    try:
        month.play()
    finally:
        logging.disable(logging.NOTSET)
    yield month
    store.close()
