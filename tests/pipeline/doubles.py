"""A source, an action and a feed that are told what to say, and a world of real store, rules and desk around them."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from prometheus_client import CollectorRegistry
from sqlalchemy import Connection, select

from daemon.clock import ToldClock
from daemon.contract import Batch, Facts
from daemon.desk.desk import Desk
from daemon.desk.opening import Opening
from daemon.desk.terms import Terms
from daemon.errors import Ambiguous, Failure, Permanent
from daemon.log import Once
from daemon.marked_yaml import parse as parse_yaml
from daemon.metrics import Metrics
from daemon.model import Cursor, Delivery, Event, Fact, FactKind, Incident, Json, Polarity, Receipt, Signal, Ticket
from daemon.pipeline.clocks import Clocks
from daemon.pipeline.collect import Collect
from daemon.pipeline.open import FREE, Detection, Hold
from daemon.pipeline.receive import Receive
from daemon.pipeline.send import Send
from daemon.pipeline.settle import Settle
from daemon.pipeline.track import Track
from daemon.pipeline.turn import Turn
from daemon.rules.engine import Engine
from daemon.rules.load import load_text
from daemon.rules.model import Rule
from daemon.sla.policy import parse as parse_policy
from daemon.store import incidents, schema, tickets
from daemon.store.engine import Store
from daemon.worker import Step, directly, until_idle
from tests.rules.names import NAMES

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)

CONTRACTS = """
contracts:
  gold:
    - effective_from: 2026-01-01T00:00:00Z
      goals:
        response: {1: {target: 15m, calendar: 24x7}, 2: {target: 1h, calendar: 24x7}, 3: null, 4: null}
        resolution: {1: {target: 4h, calendar: 24x7}, 2: {target: 12h, calendar: 24x7}, 3: null, 4: null}
      escalation:
        default:
          - {at: 50%, notify: [assignee]}
          - {at: breach, notify: [assignee], then: [page]}
  quick:
    - effective_from: 2026-01-01T00:00:00Z
      acknowledgement_counts: true
      goals:
        response: {1: {target: 15m, calendar: 24x7}, 2: {target: 1h, calendar: 24x7}, 3: null, 4: null}
        resolution: {1: {target: 4h, calendar: 24x7}, 2: {target: 12h, calendar: 24x7}, 3: null, 4: null}
clients:
  acme: {contract: gold}
  globex: {contract: quick}
"""
"""An acknowledgement answers globex, and does not answer acme."""


def terms() -> Terms:
    parts = parse_yaml(CONTRACTS, "config.yaml")
    return Terms(
        policy=parse_policy(None, parts["contracts"], parts["clients"]),
        severities={1: ("ticket", "page"), 2: ("ticket",), 3: ("ticket",), 4: ("ticket",)},
        classes={"defect": ("defect",)},
        roles=frozenset({"page", "defect", "warning"}),
        random=random.Random(1),
        portal="https://support.example.com",
    )


def rule(more: str = "", id: str = "down", severity: int = 1, clients: str = "[acme]") -> Rule:
    """Fatal is broken, one incident a project; it says when it has recovered."""
    text = (
        f"title: '{{project}} is down'\nsource: sentry\nmatch: {{level: fatal}}\nseverity: {severity}\n"
        f"group_by: [project]\nclients: {clients}\n"
    )
    more = more if "class:" in more else more + "class: availability\n"
    return load_text(id, text + more, f"rules/{id}.yaml", NAMES)


def signal(
    id: str, after: timedelta = timedelta(0), polarity: Polarity = Polarity.BROKEN, source: str = "sentry", **said: Json
) -> Signal:
    """Of the project `shop`, so long after noon."""
    fields = {"project": "shop", "level": "fatal"} | said
    return Signal(source, NAMES.sources[source], "sentry.issue", id, NOON + after, fields, polarity)


@dataclass
class Told:
    """A source that brings one batch, or fails once, for each thing that it is told. After that it brings nothing."""

    batches: list[Batch | Failure] = field(default_factory=list)
    asked: list[Cursor] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None
    """What happens while it is asked."""

    def say(self, *signals: Signal, watermark: datetime | None = None, more: bool = False) -> None:
        """The cursor counts what it was told."""
        self.batches.append(Batch(signals, {"n": len(self.batches) + len(self.asked) + 1}, more, watermark))

    def fail(self, failure: Failure) -> None:
        self.batches.append(failure)

    def probe(self) -> None: ...

    def poll(self, since: Cursor | None, now: datetime) -> Batch:
        self.asked.append(since)
        self.meanwhile()
        if not self.batches:
            return Batch((), since)
        batch = self.batches.pop(0)
        if isinstance(batch, Failure):
            raise batch
        return batch

    def receive(self, headers: Mapping[str, str], body: bytes, now: datetime) -> tuple[Signal, ...]:
        if headers.get("signature") != "right":
            raise Permanent("signature")
        return tuple(signal(id) for id in body.decode().split())


@dataclass
class Taker:
    """An action that keeps what it is given by key, as a vendor does, and fails as it is told."""

    failures: list[Failure] = field(default_factory=list)
    taken: list[Delivery] = field(default_factory=list)
    looked_up: int = 0
    settle: timedelta = timedelta(0)
    meanwhile: Callable[[], None] = lambda: None

    def probe(self) -> None: ...

    def deliver(self, delivery: Delivery) -> Receipt:
        self.meanwhile()
        failure = self.failures.pop(0) if self.failures else None
        if failure is None or (isinstance(failure, Ambiguous) and failure.reason == "answer lost"):
            self.taken.append(delivery)
        if failure is not None:
            raise failure
        return self._receipt(delivery)

    def find(self, delivery: Delivery) -> Receipt | None:
        self.looked_up += 1
        return self._receipt(delivery) if delivery in self.taken else None

    def _receipt(self, delivery: Delivery) -> Receipt:
        return Receipt(f"ENG-{len(self.taken)}", f"https://vendor.example/{delivery.key}")


@dataclass
class Heard:
    """A feed that brings the facts that it is told, again and again if they are told again."""

    facts: list[Fact] = field(default_factory=list)

    def say(self, kind: FactKind, id: str, key: str, at: datetime, text: str = "") -> None:
        self.facts.append(Fact(kind, id, key, at, actor="asha", text=text))

    def poll(self, since: Cursor | None, now: datetime) -> Facts:
        facts, self.facts = tuple(self.facts), []
        return Facts(facts, {"n": len(facts)})


@dataclass(frozen=True)
class Holding:
    """A hold that says what it is told to, and another thing each time for all that anyone knows."""

    says: Callable[[Opening], Mapping[str, Json] | None]

    def __call__(self, connection: Connection, opening: Opening, now: datetime) -> Mapping[str, Json] | None:
        return self.says(opening)

    def hangs_on(self, connection: Connection, now: datetime) -> object:
        return object()


@dataclass
class World:
    """One store, the steps on it, and looks into it."""

    store: Store
    clock: ToldClock
    rules: list[Rule] = field(default_factory=lambda: [rule()])
    source: Told = field(default_factory=Told)
    actions: dict[str, Taker] = field(default_factory=lambda: {role: Taker() for role in ("page", "defect", "warning")})
    heard: Heard = field(default_factory=Heard)
    sources: dict[str, str] = field(default_factory=lambda: {"sentry": "sentry"})
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self.terms = terms()
        self.metrics = Metrics(self.registry)
        self._once = Once()
        self.hold: Hold = FREE

    # the steps

    def collect(self, holder: str = "one", name: str = "sentry", source: Told | None = None) -> Collect:
        return Collect(
            self._turn(name, MINUTE, holder), source or self.source, False, lambda: Engine(self.rules),
            lambda: self.detection, directly, self.metrics,
        )  # fmt: skip

    def send(self, role: str = "page", holder: str = "one") -> Send:
        return Send(
            role, self.actions[role], holder, self.store, lambda: self.terms, directly, self.metrics,
            random.Random(1), self._once,
        )  # fmt: skip

    def track(self, role: str = "page") -> Track:
        turn = self._turn(f"feed:{role}", 10 * SECOND, "one")
        return Track(turn, role, self.heard, lambda: self.terms, directly, self.metrics)

    def clear(self) -> Settle:
        return Settle(self.store, lambda: Engine(self.rules), lambda: self.detection)

    def clocks(self) -> Clocks:
        return Clocks(self.store, lambda: self.terms, self.metrics)

    def receive(self) -> Receive:
        return Receive(
            "sentry", self.source, False, self.store, lambda: Engine(self.rules), lambda: self.detection, self.metrics
        )

    @property
    def detection(self) -> Detection:
        return Detection(self.terms, self.sources, hold=self.hold)

    def _turn(self, name: str, every: timedelta, holder: str) -> Turn:
        log = logging.getLogger("heliograph.test")
        return Turn(name, every, holder, self.store, random.Random(1), self._once, log)

    # what happens

    def run(self, *steps: Step) -> datetime | None:
        """Until they idle at this instant; when the first of them will have something to do."""
        return until_idle(steps, self.clock.now)

    def hear(self, *signals: Signal, watermark: datetime | None = None) -> None:
        """The source says so, and it is collected: a poll's interval later if it was asked just now."""
        self.source.say(*signals, watermark=watermark)
        due = self.run(self.collect())
        while self.source.batches:
            assert due is not None
            self.clock.tell(due)
            due = self.run(self.collect())

    def settle(self) -> None:
        self.run(self.clear())

    def until(self, at: datetime) -> None:
        """Time passes up to `at`, if it is not past it already."""
        self.clock.tell(max(at, self.clock.now()))

    def after(self, length: timedelta) -> None:
        self.clock.advance(length)

    def desk(self, connection: Connection, actor: str = "person:asha") -> Desk:
        """Where a person acts now."""
        return Desk(connection, self.terms, actor, self.clock.now())

    # looks

    def rows(self, table: str) -> list[dict[str, Any]]:
        found = schema.metadata.tables[table]
        with self.store.read() as connection:
            order = list(found.primary_key.columns)
            return [dict(row._mapping) for row in connection.execute(select(found).order_by(*order))]

    def counted(self) -> list[dict[str, Any]]:
        """Decisions, breaches and what was taken back; that clocks stopped is beside the point."""
        return [row for row in self.rows("decisions") if row["kind"] != "stop"]

    def deliveries(self, role: str = "page") -> list[tuple[str, str, str]]:
        """(verb, key, state) in the order in which they were owed; the key without the incident's own part."""
        return [
            (row["verb"], row["key"].replace(row["incident"], "<id>"), row["state"])
            for row in self.rows("deliveries")
            if row["role"] == role
        ]

    def incidents(self) -> list[Incident]:
        """In the order in which they were opened."""
        with self.store.read() as connection:
            return sorted(incidents.recent(connection), key=lambda each: (each.opened_at, each.key))

    @property
    def incident(self) -> Incident:
        (only,) = self.incidents()
        return only

    def tickets(self) -> list[Ticket]:
        with self.store.read() as connection:
            return sorted(tickets.recent(connection), key=lambda each: each.id)

    @property
    def ticket(self) -> Ticket:
        (only,) = self.tickets()
        return only

    def log(self, number: int = 1) -> list[Event]:
        with self.store.read() as connection:
            return tickets.log(connection, number)

    def clock_of(self, goal: str, number: int = 1) -> dict[str, Any]:
        """The latest cycle."""
        return [row for row in self.rows("clocks") if (row["ticket"], row["goal"]) == (number, goal)][-1]


def recovered(id: str, after: timedelta, **said: Json) -> Signal:
    return signal(id, after, Polarity.RECOVERED, **said)


def kinds(events: Iterable[Event]) -> list[str]:
    return [event.kind.value for event in events]


def world_at(path: Any) -> Iterator[World]:
    clock = ToldClock(NOON)
    store = Store(f"sqlite:///{path}/heliograph.db", clock)
    store.migrate()
    yield World(store, clock)
    store.close()
