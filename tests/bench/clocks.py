"""Clocks at scale (P5): a look at nothing due, many that fall due at once, and all of them worked out again.

Open tickets are made in SQL, all with the log of a real one. Time is told: what is measured is work.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from prometheus_client import CollectorRegistry
from sqlalchemy import text

from daemon.clock import ToldClock
from daemon.desk.terms import Terms
from daemon.marked_yaml import parse as parse_yaml
from daemon.metrics import Metrics
from daemon.pipeline.clocks import Clocks
from daemon.sla.policy import parse
from daemon.store.engine import Store
from daemon.worker import Idle

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
LOOKS = 200
CONTRACTS = """
gold:
  effective_from: 2026-01-01T00:00:00Z
  goals:
    response: {1: {target: 15m, calendar: 24x7}, 2: {target: 1h, calendar: hours}, 3: null, 4: null}
    resolution: {1: {target: 4h, calendar: 24x7}, 2: {target: 12h, calendar: hours}, 3: null, 4: null}
  escalation: {default: [{at: 50%, notify: [assignee]}, {at: breach, notify: [chain], then: [page]}]}
"""
CALENDARS = "hours: {tz: Europe/London, weekly: {mon-fri: ['09:00-17:30']}}"


@dataclass(frozen=True)
class Size:
    """How many tickets, of two clocks each."""

    idle: tuple[int, ...]
    at_once: int
    again: int


WHOLE = Size((1_000, 100_000, 1_000_000), 10_000, 50_000)
QUICK = Size((50, 500), 100, 100)


def bench(folder: Path, size: Size, told: Callable[[], None]) -> dict[str, Any]:
    """Seconds. `idle`: of a look, by how many tickets are open. `at once`: until so many that fell due together were
    handled, the 99th of a hundred, and all. `again`: until all clocks of open tickets were worked out anew."""
    idle = {}
    for open_ in size.idle:
        with _world(folder, open_) as (store, clocks):
            idle[str(open_)] = _look(store, clocks)
        told()
    with _world(folder, size.at_once) as (store, clocks):
        late = _fall_due(store, clocks)
    told()
    with _world(folder, size.again) as (store, clocks):
        anew = _work_out_again(store, clocks)
    told()
    least, most = str(size.idle[0]), str(size.idle[-1])
    return {
        "idle": idle,
        "at once": late,
        "again": {"tickets": size.again, "seconds": anew},
        f"idle at {most} / {least}": {"median": idle[most] / idle[least]},
        "p99 lateness / 5 s": {"median": late["p99"] / 5},
        "again / 60 s for 100,000 clocks": {"median": anew * (100_000 / (2 * size.again)) / 60},
    }


def _look(store: Store, clocks: Clocks) -> float:
    """Of a step that finds nothing due."""
    each = []
    for _ in range(LOOKS):
        began = time.perf_counter()
        outcome = clocks.step(START + timedelta(minutes=1))
        each.append(time.perf_counter() - began)
        assert isinstance(outcome, Idle)
    return median(each)


def _fall_due(store: Store, clocks: Clocks) -> dict[str, float]:
    """All are half way to their response at one instant: each is warned of, and owes a warning."""
    now = START + timedelta(minutes=30)
    with store.read() as connection:
        waiting = total = _due(connection, now)
    began, p99 = time.perf_counter(), 0.0
    while waiting:
        clocks.step(now)
        with store.read() as connection:
            waiting = _due(connection, now)
        if not p99 and waiting <= total // 100:
            p99 = time.perf_counter() - began
    return {"tickets": total, "p99": p99, "seconds": time.perf_counter() - began}


def _work_out_again(store: Store, clocks: Clocks) -> float:
    """As after a change of calendars: every open ticket is looked at."""
    with store.write() as connection:
        connection.execute(text("update clocks set next_at = :at"), {"at": _stamp(START)})
    began = time.perf_counter()
    while not isinstance(clocks.step(START + timedelta(minutes=1)), Idle):
        pass
    return time.perf_counter() - began


def _due(connection: Any, now: datetime) -> int:
    found: int = connection.execute(
        text("select count(distinct ticket) from clocks where next_at <= :now"), {"now": _stamp(now)}
    ).scalar_one()
    return found


@contextmanager
def _world(folder: Path, size: int) -> Iterator[tuple[Store, Clocks]]:
    path = folder / f"clocks-{size}.db"
    store = Store(f"sqlite:///{path}", ToldClock(START))
    store.migrate()
    seed(store, size)
    policy = parse(parse_yaml(CALENDARS, "c.yaml"), parse_yaml(CONTRACTS, "c.yaml"), None)
    terms = Terms(
        policy, {1: ("ticket", "page"), 2: ("ticket",), 3: ("ticket",), 4: ("ticket",)}, {},
        frozenset({"page", "warning"}), random.Random(1),
    )  # fmt: skip
    yield store, Clocks(store, lambda: terms, Metrics(CollectorRegistry()))
    store.close()
    for left in folder.glob(f"{path.name}*"):
        left.unlink()


_NUMBERS = "with recursive n(i) as (select 1 union all select i + 1 from n where i < :size)"
_SEED = r"""
insert into incidents (id, key, rule, title, severity, state, episode, opened_at, began_at, last_signal_at,
    class, location, team, "group", runbook, origin, page, roles, sources)
select 'i' || i, 'k' || i, 'r', 'Trouble ' || i, 2, 'open', 1, :at, :at, :at,
    'availability', '', '', '{}', '', 'sentry', 1, '[]', '[]' from n;

insert into tickets (id, incident, client, episode, severity, severity_by_person, state, title, origin, contract,
    opened_at, version)
select i, 'i' || i, 'acme', 1, 2, 0, 'new', 'Trouble ' || i, 'sentry', 'gold@2026-01-01T00:00:00Z', :at, 1 from n;

insert into events (ticket, sequence, kind, effective_at, recorded_at, actor, body)
select i, 1, 'opened', :at, :at, 'rule:r', '{"severity"\:2,"title"\:"Trouble","origin"\:"sentry"}' from n;

insert into clocks (ticket, goal, cycle, severity, state, started_at, target, consumed, deadline, next_at)
select i, 'response', 1, 2, 'running', :at, 3600, 0, :at + 3600000000, :at + 1800000000 from n;

insert into clocks (ticket, goal, cycle, severity, state, started_at, target, consumed, deadline, next_at)
select i, 'resolution', 1, 2, 'running', :at, 43200, 0, :at + 43200000000, :at + 21600000000 from n;
"""
"""Of the policy above; each statement stands by itself."""


def seed(store: Store, size: int) -> None:
    with store.write() as connection:
        for statement in filter(None, map(str.strip, _SEED.split(";"))):
            head, query = statement.split("\nselect ")
            connection.execute(text(f"{head} {_NUMBERS} select {query}"), {"size": size, "at": _stamp(START)})


def _stamp(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
