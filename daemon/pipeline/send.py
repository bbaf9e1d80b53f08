"""Sends what is owed: claim (the durable "about to send"), call, record.

An attempt whose answer was lost, or whose process died, is looked up before it is made again.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from daemon.catalogue import GIVEN_UP
from daemon.contract import Action, Findable
from daemon.desk import commands, owed
from daemon.desk.desk import Desk
from daemon.desk.opening import NOBODY
from daemon.desk.telling import Lasted, record, tell, traced
from daemon.desk.terms import Terms
from daemon.errors import Ambiguous, Failure, Permanent, Temporary
from daemon.log import About, Once, about
from daemon.metrics import Metrics
from daemon.model import IncidentState, Receipt
from daemon.pipeline import alarm
from daemon.pipeline.turn import DEADLINE, LEASE, LONGEST_WAIT, wait_after
from daemon.store import deliveries, incidents, tallies, tickets
from daemon.store.deliveries import Claimed
from daemon.store.engine import Store
from daemon.store.tallies import Tally
from daemon.worker import WORKED, Idle, Outcome, Outside

log = logging.getLogger("heliograph.send")

_FIRST_WAIT = timedelta(seconds=5)


@dataclass
class Send:
    """One worker for one role. Several may run: the claim lets one of them have each delivery."""

    role: str
    action: Action
    holder: str
    store: Store
    terms: Callable[[], Terms]
    outside: Outside
    metrics: Metrics
    random: random.Random
    once: Once

    @property
    def name(self) -> str:
        return f"send:{self.role}:{self.holder}"

    def step(self, now: datetime) -> Outcome:
        with self.store.write() as connection:
            claimed = deliveries.claim(connection, self.role, self.holder, now, LEASE)
            if claimed is None:
                return Idle(deliveries.next_due(connection, self.role))
            if self._no_longer_due(connection, claimed):
                deliveries.finish(connection, claimed, self.holder, "cancelled", now, reason="no longer due")
                tell(connection, log, logging.INFO, "delivery cancelled", **_about(claimed))
                return WORKED
        try:
            receipt = self._bring_about(claimed, now)
        except Failure as failure:
            self._failed(claimed, failure, now)
        else:
            self._done(claimed, receipt, now)
        return WORKED

    def _no_longer_due(self, connection: Connection, claimed: Claimed) -> bool:
        """A page that certainly never left, for an incident that is over: nobody is woken for it. Or a warning that
        waited for its reader's hours, and whose clock has stopped meanwhile."""
        if claimed.doubtful or claimed.delivery.verb != "open":
            return False
        if claimed.ticket and claimed.delivery.body.get("waited_for_hours"):
            return not tickets.is_live(connection, claimed.ticket, claimed.delivery.body["goal"])
        if self.role != owed.PAGE or claimed.ticket:
            return False
        incident = incidents.get(connection, claimed.incident)
        return incident is not None and incident.state is not IncidentState.OPEN

    def _bring_about(self, claimed: Claimed, now: datetime) -> Receipt:
        if claimed.doubtful and isinstance(self.action, Findable):
            found = self._find(self.action, claimed, now)
            if found is not None:
                return found
        with self.metrics.requested(self.role, claimed.delivery.verb):
            return self.outside(lambda: self.action.deliver(claimed.delivery), DEADLINE)

    def _find(self, action: Findable, claimed: Claimed, now: datetime) -> Receipt | None:
        """What became of the earlier attempt. Asked no sooner than the vendor's own search can know."""
        settle: timedelta = getattr(action, "settle", timedelta(0))
        waited = now - (claimed.attempted_at or claimed.created_at)
        if waited < settle:
            raise NotYet(settle - waited)
        with self.metrics.requested(self.role, "find"):
            return self.outside(lambda: action.find(claimed.delivery), DEADLINE)

    def _done(self, claimed: Claimed, receipt: Receipt, began_at: datetime) -> None:
        now = self.store.now()
        with self.store.write() as connection:
            finished = deliveries.finish(connection, claimed, self.holder, "done", now, receipt=receipt)
            if finished:
                said = About(**_about(claimed), receipt=receipt.id, url=receipt.url or "")
                tell(connection, log, logging.INFO, "delivery sent", _attempt(claimed, began_at, now), **said)
            if finished and self.role == owed.DEFECT and claimed.delivery.verb == "open":
                defect = {"key": receipt.id, "url": receipt.url, "due": claimed.delivery.body.get("due")}
                desk = Desk(connection, self.terms(), NOBODY, now, request=f"defect-{receipt.id}")
                commands.defect_filed(desk, claimed.incident, defect)
        self.once.recovered(log, self.role, "%s goes out again", self.role, extra=about(role=self.role))

    def _failed(self, claimed: Claimed, failure: Failure, began_at: datetime) -> None:
        now = self.store.now()
        with self.store.write() as connection:
            said = traced(connection, About(**_about(claimed), reason=failure.reason))
            recorded = self._record_failure(connection, claimed, failure, now)
        if isinstance(failure, NotYet):
            log.debug("delivery waits to be looked up", extra=said)
            return
        self.metrics.request_failed(self.role, claimed.delivery.verb, failure.reason)
        if recorded:
            record(_attempt(claimed, began_at, now, failure.reason), said)
            self._tell_failed(claimed, failure, said)

    def _record_failure(self, connection: Connection, claimed: Claimed, failure: Failure, now: datetime) -> bool:
        """False if the lease was lost to another holder."""
        if isinstance(failure, Permanent):
            recorded = deliveries.finish(connection, claimed, self.holder, "dead", now, reason=str(failure))
            if recorded:
                tallies.add(connection, [Tally(GIVEN_UP, (self.role,), ticket=claimed.ticket)], now)
                alarm.undeliverable(connection, self.terms(), self.role, claimed.delivery.key, failure, now)
            return recorded
        doubtful = claimed.doubtful or isinstance(failure, Ambiguous)
        # The attempt in doubt is the latest one that may have left: an ambiguous one now, else the earlier.
        started = now if isinstance(failure, Ambiguous) else claimed.attempted_at if doubtful else None
        until = now + self._wait(claimed, failure)
        return deliveries.postpone(connection, claimed, self.holder, until, str(failure), doubtful, started)

    def _tell_failed(self, claimed: Claimed, failure: Failure, said: About) -> None:
        """Each refusal is a warning, and what breaks a role. A delivery's own first failure is told, no later one."""
        refused = isinstance(failure, Permanent)
        again = logging.WARNING if refused else logging.INFO if claimed.attempts == 1 else logging.DEBUG
        words = "delivery refused: %s" if refused else "delivery will be tried again: %s"
        self.once.broke(log, self.role, words, failure, extra=said, again=again)

    def _wait(self, claimed: Claimed, failure: Failure) -> timedelta:
        if isinstance(failure, NotYet):
            return failure.after or _FIRST_WAIT
        return wait_after(failure, claimed.attempts - 1, _FIRST_WAIT, LONGEST_WAIT, self.random)


def _about(claimed: Claimed) -> About:
    delivery = claimed.delivery
    said = About(
        incident=claimed.incident, role=delivery.role, verb=delivery.verb, delivery=delivery.key,
        attempt=claimed.attempts,
    )  # fmt: skip
    return said if claimed.ticket is None else {**said, "ticket": claimed.ticket}


def _attempt(claimed: Claimed, began_at: datetime, now: datetime, reason: str = "") -> Lasted:
    delivery = claimed.delivery
    mark = f"{delivery.key} {delivery.verb} {claimed.attempts}"
    return Lasted(f"deliver {delivery.role}", began_at, now, mark, outbound=True, error=reason)


class NotYet(Temporary):
    """It is too early to ask what became of an attempt."""

    def __init__(self, after: timedelta) -> None:
        super().__init__("settling", "waiting until the vendor can be asked", after)
