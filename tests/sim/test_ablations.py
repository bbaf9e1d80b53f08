"""The simulation sees: with one safeguard taken away, it fails within a few seeds. So each safeguard is needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from daemon.contract import Action
from daemon.errors import Ambiguous, Temporary
from daemon.log import Once
from daemon.model import Delivery, FactKind, Polarity, Receipt
from daemon.worker import Step
from tests.sim.campaign import first_broken, folder
from tests.sim.faults import CrashingStore
from tests.sim.vendors import Pager, Tracker, signal
from tests.sim.world import MINUTE, NOON, SECOND, SOURCE, Worker, World

SEEDS = range(1_000, 1_040)


class NoOverlap(World):
    """Each scan begins where the last one ended."""

    overlap = timedelta(0)


class NoUniqueSignals(World):
    """The database lets a signal be kept twice."""

    def _new_store(self) -> CrashingStore:
        store = super()._new_store()
        with store._writing.begin() as connection:
            (made,) = connection.execute(text("select sql from sqlite_master where name = 'signals'")).scalars()
            if "UNIQUE" in made:
                _drop_unique(connection, str(made))
        return store


def _drop_unique(connection: Any, made: str) -> None:
    """SQLite cannot drop a table's constraint: the empty table is made anew without it."""
    lines = [line.rstrip().rstrip(",") for line in made.splitlines()]
    kept = [line for line in lines[1:-1] if "UNIQUE" not in line and line.strip()]
    connection.execute(text("drop table signals"))
    connection.execute(text(lines[0] + ",\n".join(kept) + ")"))


@dataclass
class Unstable:
    """Each attempt under a key of its own, so that nobody can know it again."""

    action: Any
    attempts: int = 0

    def probe(self) -> None: ...

    def deliver(self, delivery: Delivery) -> Receipt:
        self.attempts += 1
        receipt: Receipt = self.action.deliver(replace(delivery, key=f"{delivery.key}#{self.attempts}"))
        return receipt


class UnstablePageKey(World):
    def new_send(self, role: str, action: Action, holder: str, once: Once) -> Step:
        return super().new_send(role, Unstable(action) if role == "page" else action, holder, once)


@dataclass
class Blind:
    """Takes deliveries, and cannot be asked what became of one."""

    action: Any

    def probe(self) -> None: ...

    def deliver(self, delivery: Delivery) -> Receipt:
        receipt: Receipt = self.action.deliver(delivery)
        return receipt


class NoLookUpInJira(World):
    def new_send(self, role: str, action: Action, holder: str, once: Once) -> Step:
        return super().new_send(role, Blind(action) if isinstance(action, Tracker) else action, holder, once)


class NoOutbox(World):
    """What is owed is kept in memory alone: it dies with the process. No later scan brings it up again, since its
    signals are known already."""

    def _crashed(self, worker: Worker, where: str) -> None:
        on, self.faults.on = self.faults.on, False
        with self.store.write() as connection:
            connection.execute(text("delete from deliveries where state in ('pending', 'sending')"))
        self.faults.on = on
        super()._crashed(worker, where)


class NeitherOutboxNorOverlap(NoOutbox):
    """What dies with the process is neither owed nor read again."""

    overlap = timedelta(0)


BROKEN_BY: dict[type[World], Callable[[str], bool]] = {
    NoOverlap: lambda told: "signal" in told,
    NoUniqueSignals: lambda told: "is kept 2 times" in told or "is kept 3 times" in told,
    UnstablePageKey: lambda told: "page" in told,
    NoLookUpInJira: lambda told: "defect" in told and "is there 2 times" in told,
    NoOutbox: lambda told: "page" in told or "is there 0 times" in told,
    NeitherOutboxNorOverlap: lambda told: "signal" in told or "is there 0 times" in told,
}


@pytest.mark.parametrize("kind", BROKEN_BY, ids=lambda kind: kind.__name__)
def test_without_this_safeguard_the_simulation_fails(kind: type[World]) -> None:
    verdict = first_broken(SEEDS, kind)
    assert verdict is not None, f"{kind.__name__} is never missed in {len(SEEDS)} seeds"
    assert any(BROKEN_BY[kind](problem) for problem in verdict.problems), str(verdict)


class LosesTheFirstAnswer(Pager):
    """The first request is processed and its answer lost; the next is told to wait a minute."""

    requests = 0

    def deliver(self, delivery: Delivery) -> Receipt:
        if delivery.verb != "open":
            return super().deliver(delivery)
        self.requests += 1
        if self.requests == 2:
            raise Temporary("rate_limited", after=MINUTE)
        receipt = super().deliver(delivery)
        if self.requests == 1:
            raise Ambiguous("answer lost")
        return receipt


class AnswerLost(World):
    """One signal, whose page's answer is lost; half a minute later somebody resolves the page."""

    pager_type = LosesTheFirstAnswer

    def _plan_trouble(self) -> None:
        self.watcher.show(signal(SOURCE, 1, "a", "fatal", NOON, Polarity.BROKEN), NOON)
        self._plan(NOON + 30 * SECOND, self._resolve_the_page, "somebody resolves the page")

    def _resolve_the_page(self) -> None:
        (page,) = self.pager.pages
        self.pager.person(page, FactKind.RESOLVED)


class AnswerLostAndNoLookUp(AnswerLost):
    def new_send(self, role: str, action: Action, holder: str, once: Once) -> Step:
        return super().new_send(role, Blind(action) if isinstance(action, Pager) else action, holder, once)


@pytest.mark.parametrize(("pages", "kind"), [(1, AnswerLost), (2, AnswerLostAndNoLookUp)])
def test_only_the_look_up_keeps_a_page_from_being_doubled_once_a_person_resolved_it(
    pages: int, kind: type[World]
) -> None:
    with folder() as within:
        world = kind(1, within)
        world.run_without_faults(5 * MINUTE)
        found = [page for page in world.pager.pages if page.key.startswith("hg:")]
        world.close()
    assert pages == len(found)
