"""One run: a real store and the real steps of two workers, between vendors that fail, under a clock that is told.

A run has three parts. Things break and recover while requests fail, answers get lost and processes die; then the
faults stop; then, after a quiet time in which all that is owed must get done, the verdict.
"""

from __future__ import annotations

import json
import logging
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from prometheus_client import CollectorRegistry

from daemon.clock import ToldClock
from daemon.contract import Action
from daemon.desk import commands
from daemon.desk.desk import Desk
from daemon.desk.terms import Terms
from daemon.log import Once
from daemon.marked_yaml import parse as parse_yaml
from daemon.metrics import Metrics
from daemon.model import FINISHED, FactKind, Polarity
from daemon.pipeline.clocks import Clocks
from daemon.pipeline.collect import Collect
from daemon.pipeline.open import Detection
from daemon.pipeline.receive import Receive
from daemon.pipeline.send import Send
from daemon.pipeline.settle import Settle
from daemon.pipeline.track import Track
from daemon.pipeline.turn import Turn
from daemon.rules.engine import Engine
from daemon.rules.load import load_text
from daemon.rules.model import Names
from daemon.sla.policy import parse as parse_policy
from daemon.store import deliveries, polls, tickets
from daemon.store.engine import Store
from daemon.worker import Idle, Step
from tests.sim.faults import Crash, CrashingStore, Faults
from tests.sim.vendors import OVERLAP, Pager, Postman, Tracker, Watcher, signal

T = TypeVar("T")

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
TROUBLE = 12 * MINUTE
QUIET = 20 * MINUTE
SOURCE = "sentry"
SOURCE_EVERY, FEED_EVERY = 2 * MINUTE, 2 * MINUTE
_LONGEST_NAP = 5 * MINUTE
_CALLS_WITHIN_CALLS = 1

NAMES = Names(
    sources={SOURCE: "sentry"}, types=frozenset({"sentry"}), teams=frozenset(), clients=frozenset({"acme", "globex"}),
    roles=frozenset({"ticket", "page", "defect"}), kinds=frozenset({"sentry.issue"}),
    recovering=frozenset({"sentry"}),
)  # fmt: skip

DOWN = """
title: '{project} is down'
source: sentry
match: {level: fatal}
severity: 1
class: defect
group_by: [project]
clients: [acme, globex]
clear: recovery
"""
NOISY = """
title: '{project} is noisy'
source: sentry
match: {level: warning}
severity: 1
class: availability
group_by: [project]
window: {count: 2, within: 10m}
clients: [acme]
clear: {quiet_for: 3m}
"""
CONTRACTS = """
contracts:
  gold:
    - effective_from: 2026-01-01T00:00:00Z
      goals:
        response: {1: {target: 10m, calendar: 24x7}, 2: null, 3: null, 4: null}
        resolution: {1: {target: 20m, calendar: 24x7}, 2: null, 3: null, 4: null}
      escalation:
        default:
          - {at: 50%, notify: [assignee]}
          - {at: breach, notify: [assignee], then: [page]}
  quick:
    - effective_from: 2026-01-01T00:00:00Z
      acknowledgement_counts: true
      on_recovery: resolve
      goals:
        response: {1: {target: 15m, calendar: 24x7}, 2: null, 3: null, 4: null}
        resolution: {1: {target: 4h, calendar: 24x7}, 2: null, 3: null, 4: null}
clients:
  acme: {contract: gold}
  globex: {contract: quick}
"""

_parts = parse_yaml(CONTRACTS, "config.yaml")
POLICY = parse_policy(None, _parts["contracts"], _parts["clients"])
RULES = [load_text(id, text, f"rules/{id}.yaml", NAMES) for id, text in (("down", DOWN), ("noisy", NOISY))]


def template(folder: Path) -> Path:
    """A migrated database, made once and copied for each run."""
    path = folder / "template.db"
    if not path.exists():
        store = Store(f"sqlite:///{path}", ToldClock(NOON))
        store.migrate()
        store.close()
    return path


@dataclass
class Worker:
    """One process's steps, and when each next has something to do."""

    holder: str
    steps: Sequence[Step]
    due: dict[str, datetime] = field(default_factory=dict)


class World:
    """One seed's run. Its hooks (`watcher`, `pager`, `tracker`, `new_send`, `new_store`) are where an ablation cuts."""

    watcher_type: type[Watcher] = Watcher
    pager_type: type[Pager] = Pager
    tracker_type: type[Tracker] = Tracker
    overlap = OVERLAP

    def __init__(self, seed: int, folder: Path, told: Callable[[str], None] = lambda line: None) -> None:
        self._told = told
        self.faults = Faults(seed)
        self.chance = random.Random(seed + 1)
        self.clock = ToldClock(NOON)
        self.path = folder / f"{seed}.db"
        shutil.copyfile(template(folder), self.path)
        self.watcher = self.watcher_type(SOURCE, self.faults, self.overlap)
        self.pager = self.pager_type(self.faults, self.clock.now)
        self.tracker = self.tracker_type(self.faults, self.clock.now)
        self.postman = Postman(self.faults)
        self.actions: dict[str, Action] = {"page": self.pager, "defect": self.tracker, "warning": self.postman}
        self.terms = Terms(
            policy=POLICY, severities={1: ("ticket", "page"), 2: ("ticket",), 3: ("ticket",), 4: ("ticket",)},
            classes={"defect": ("defect",)}, roles=frozenset(self.actions), random=self.chance,
            portal="https://support.example.com",
        )  # fmt: skip
        self.engine = Engine(RULES)
        self.detection = Detection(self.terms, {SOURCE: "sentry"})
        self.metrics = Metrics(CollectorRegistry())
        self.problems: list[str] = []
        self._plans: list[tuple[datetime, int, Callable[[], None], str]] = []
        self._deep = 0
        self._born = 0
        self.crashes = 0
        self.store = self._new_store()
        self.workers = [self._worker(), self._worker()]
        self._plan_trouble()

    # the run

    def run(self) -> None:
        self._until(NOON + TROUBLE)
        self.faults.on = False
        self.tell("faults stop")
        self._until(NOON + TROUBLE + QUIET)

    def run_without_faults(self, length: timedelta) -> None:
        """For a scene that is told by its plans alone."""
        self.faults.on = False
        self._until(NOON + length)

    def close(self) -> None:
        self.store.close()
        for path in self.path.parent.glob(self.path.name + "*"):
            path.unlink()

    def tell(self, line: str) -> None:
        self._told(f"{self.clock.now():%H:%M:%S}  {line}")

    def _until(self, end: datetime) -> None:
        while self.clock.now() < end:
            self._play_plans()
            self._work()
            self.clock.tell(min(end, max(self._next(), self.clock.now() + SECOND)))
        for worker in self.workers:
            worker.due.clear()
        self._work()  # what is due at the very end too

    def _next(self) -> datetime:
        dues = [due for worker in self.workers for due in worker.due.values()]
        return min([*dues, *(plan[0] for plan in self._plans), self.clock.now() + _LONGEST_NAP])

    def _work(self) -> None:
        """Both workers' due steps, in an order by chance, until none is due."""
        while ready := self._ready():
            self._step(*self.chance.choice(ready))

    def _ready(self) -> list[tuple[Worker, Step]]:
        now = self.clock.now()
        return [(w, step) for w in self.workers for step in w.steps if w.due.get(step.name, now) <= now]

    def _step(self, worker: Worker, step: Step) -> None:
        now = self.clock.now()
        try:
            outcome = step.step(now)
        except Crash as crash:
            if self._deep:
                raise
            self._crashed(worker, f"{step.name} {crash}")
            return
        if isinstance(outcome, Idle):
            worker.due[step.name] = max(outcome.until or now + _LONGEST_NAP, now + SECOND)
        else:
            self.tell(f"{worker.holder} {step.name}")
            self._wake(step.name.rpartition(":")[0] if step.name.startswith("send") else "")

    def _wake(self, sent: str = "") -> None:
        """Something was recorded: what does not wait for a turn of its own looks again; of senders, after something
        was `sent`, those of that role."""
        waiting = ("collect", "track", "send") if sent else ("collect", "track")
        for worker in self.workers:
            worker.due = {
                name: due
                for name, due in worker.due.items()
                if name.startswith(waiting) and not (sent and name.startswith(sent))
            }

    # crashes

    def _crashed(self, worker: Worker, where: str) -> None:
        """The whole process dies, or one replica whose leases must lapse."""
        self.crashes += 1
        whole = self.chance.random() < 0.5
        self.tell(f"CRASH of {'the process' if whole else worker.holder}: {where}")
        if whole:
            self._reopen()
        else:
            self.workers[self.workers.index(worker)] = self._worker()
        self.check_cursor()

    def _reopen(self) -> None:
        self.store.close()
        self.store = self._new_store()
        on, self.faults.on = self.faults.on, False
        with self.store.write() as connection:
            polls.release(connection)
            deliveries.release(connection, self.store.now())
        self.faults.on = on
        self.workers = [self._worker(), self._worker()]

    # the outside

    def outside(self, call: Callable[[], T], deadline: timedelta) -> T:
        """An `Outside` in which processes die, time passes, and others work meanwhile."""
        if self.store.open_transactions:
            self.problems.append("a transaction is open across a call to the outside")
        self.faults.may_crash("before the call")
        self._time_passes()
        try:
            return call()
        finally:
            self._others_work()
            self._time_passes()
            self.faults.may_crash("after the call")

    def _time_passes(self) -> None:
        if self.faults.happens(self.faults.slow):
            self.clock.advance(self.chance.randint(1, 10) * SECOND)

    def _others_work(self) -> None:
        if self._deep >= _CALLS_WITHIN_CALLS or not self.faults.happens(self.faults.meanwhile):
            return
        self._deep += 1
        try:
            for _ in range(self.chance.randint(1, 4)):
                if ready := self._ready():
                    self._step(*self.chance.choice(ready))
            self._play_plans()
        finally:
            self._deep -= 1

    # what is made anew after a crash

    def _new_store(self) -> CrashingStore:
        return CrashingStore(f"sqlite:///{self.path}", self.clock, self.faults)

    def _worker(self) -> Worker:
        self._born += 1
        holder = f"w{self._born}"
        once = Once()
        log = logging.getLogger("heliograph.sim")

        def turn(name: str, every: timedelta) -> Turn:
            return Turn(name, every, holder, self.store, self.chance, once, log)

        collect = Collect(
            turn(SOURCE, SOURCE_EVERY), self.watcher, False, lambda: self.engine, lambda: self.detection,
            self.outside, self.metrics,
        )  # fmt: skip
        sends = [self.new_send(role, action, holder, once) for role, action in self.actions.items()]
        track = Track(turn("feed:page", FEED_EVERY), "page", self.pager, lambda: self.terms, self.outside, self.metrics)
        return Worker(
            holder,
            [
                collect,
                Settle(self.store, lambda: self.engine, lambda: self.detection),
                Clocks(self.store, lambda: self.terms, self.metrics),
                *sends,
                track,
            ],
        )

    def new_send(self, role: str, action: Action, holder: str, once: Once) -> Step:
        return Send(role, action, holder, self.store, lambda: self.terms, self.outside, self.metrics, self.chance, once)

    # the world's own doings

    def _plan(self, at: datetime, what: Callable[[], None], title: str) -> None:
        self._plans.append((at, len(self._plans), what, title))

    def _play_plans(self) -> None:
        due = sorted((plan for plan in self._plans if plan[0] <= self.clock.now()), key=lambda plan: plan[:2])
        for plan in due:
            if plan not in self._plans:
                continue
            self._plans.remove(plan)
            self.tell(plan[3])
            try:
                plan[2]()
            except Crash as crash:
                if self._deep:
                    raise
                self._crashed(self.workers[0], f"{plan[3]}: {crash}")

    def _plan_trouble(self) -> None:
        for number in range(self.chance.randint(4, 12)):
            self._plan_signal(number, NOON + self.chance.randint(0, 600) * SECOND)
        for _ in range(self.chance.randint(0, 4)):
            at = NOON + self.chance.randint(60, 900) * SECOND
            self._plan(at, self._somebody_at_a_page, "somebody looks at a page")
        for _ in range(self.chance.randint(0, 2)):
            at = NOON + self.chance.randint(120, 900) * SECOND
            self._plan(at, self._somebody_at_a_ticket, "somebody looks at a ticket")

    def _plan_signal(self, number: int, at: datetime) -> None:
        level, project = self.chance.choice(["fatal", "fatal", "warning"]), self.chance.choice("ab")
        recovers = level == "fatal" and self.chance.random() < 0.3
        polarity = Polarity.RECOVERED if recovers else Polarity.BROKEN
        said = signal(SOURCE, number, project, level, at, polarity)
        late = self.chance.choice([0, 0, self.chance.randint(1, 350)]) * SECOND
        self.watcher.show(said, at + late)
        if self.chance.random() < 0.5:
            pushed_at = at + self.chance.randint(0, 200) * SECOND
            for _ in range(self.chance.randint(1, 2)):
                self._plan(pushed_at, lambda: self._push(said.id), f"push of {said.id} ({project} {level} {polarity})")

    def _push(self, id: str) -> None:
        receive = Receive(
            SOURCE, self.watcher, False, self.store, lambda: self.engine, lambda: self.detection, self.metrics
        )
        receive({}, json.dumps({"id": id}).encode())
        self._wake()

    def _somebody_at_a_page(self) -> None:
        unresolved = [page for page in self.pager.pages if not page.resolved]
        if unresolved:
            kind = self.chance.choice([FactKind.ACKNOWLEDGED, FactKind.RESOLVED])
            self.pager.person(self.chance.choice(unresolved), kind)

    def _somebody_at_a_ticket(self) -> None:
        with self.store.read() as connection:
            unfinished = sorted(each.id for each in tickets.recent(connection) if each.state not in FINISHED)
        if not unfinished:
            return
        number, act = self.chance.choice(unfinished), self.chance.choice([commands.reply, commands.resolve])
        with self.store.write() as connection:
            act(Desk(connection, self.terms, "person:sam", self.clock.now()), number, "we are on it")
        self._wake()

    def check_cursor(self) -> None:
        """Looked at whenever something died: what the cursor has passed is recorded."""
        from tests.sim.verdict import passed_over

        self.problems += passed_over(self)
