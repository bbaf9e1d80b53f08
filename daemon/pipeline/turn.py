"""What every poll of the outside shares, a source's or a feed's: the lease, the cursor, the wait after a failure."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from daemon.errors import Failure, Permanent, Temporary
from daemon.log import Once, about
from daemon.model import Cursor
from daemon.store import polls
from daemon.store.engine import Store
from daemon.worker import WORKED, Idle, Outcome

LEASE = timedelta(seconds=60)
DEADLINE = timedelta(seconds=25)
"""Less than half the lease: whoever lost it has long stopped."""

LONGEST_WAIT = timedelta(minutes=5)
_MOST_DOUBLINGS = 10


class Answer(Protocol):
    """What a poll brings: where to go on from, and whether at once."""

    @property
    def next(self) -> Cursor: ...

    @property
    def more(self) -> bool: ...

    @property
    def watermark(self) -> datetime | None: ...


Got = TypeVar("Got", bound=Answer)


@dataclass
class Turn:
    """Polls `name` whenever it is due and nobody else does."""

    name: str
    every: timedelta
    holder: str
    store: Store
    random: random.Random
    once: Once
    log: logging.Logger

    def step(
        self,
        now: datetime,
        poll: Callable[[Cursor | None, datetime], Got],
        record: Callable[[Connection, Got, datetime], None],
        failed: Callable[[Connection, Failure, datetime], None],
    ) -> Outcome:
        """Claims, polls, and records in one transaction the answer, what it means and the next cursor.

        A lease that was lost meanwhile makes the answer worthless: whoever has it now reads the same again.
        """
        with self.store.write() as connection:
            polls.declare(connection, self.name, now)
            claimed = polls.claim(connection, self.name, self.holder, now, LEASE)
            if claimed is None:
                return Idle(polls.due_at(connection, self.name))
        try:
            got = poll(claimed.cursor, claimed.as_of)
        except Failure as failure:
            self._fail(claimed, failure, failed)
        else:
            self._advance(got, record)
        return WORKED

    def _advance(self, got: Got, record: Callable[[Connection, Got, datetime], None]) -> None:
        now = self.store.now()
        with self.store.write() as connection:
            if not polls.holds(connection, self.name, self.holder, now):
                return
            record(connection, got, now)
            due = now if got.more else now + self.every
            polls.advance(connection, self.name, got.next, got.watermark, now, due)
        self.once.recovered(self.log, self.name, "%s answers again", self.name, extra=about(source=self.name))

    def _fail(
        self, claimed: polls.Poll, failure: Failure, failed: Callable[[Connection, Failure, datetime], None]
    ) -> None:
        now = self.store.now()
        wait = wait_after(failure, claimed.failures, self.every, LONGEST_WAIT, self.random)
        with self.store.write() as connection:
            if not polls.holds(connection, self.name, self.holder, now):
                return
            polls.fail(connection, self.name, failure.reason, now, now + wait)
            failed(connection, failure, now)
        said = about(source=self.name, reason=failure.reason)
        words = "%s: %s; trying again in %d s"
        self.once.broke(self.log, self.name, words, self.name, failure, wait.total_seconds(), extra=said)


def wait_after(failure: Failure, failures: int, first: timedelta, longest: timedelta, rng: random.Random) -> timedelta:
    """How long to wait after a failure that `failures` came before: doubling, with jitter, and never less than the
    vendor asked for."""
    if isinstance(failure, Permanent):
        return longest
    wait: timedelta = min(first * 2 ** min(failures, _MOST_DOUBLINGS), longest)
    asked = failure.after if isinstance(failure, Temporary) and failure.after else timedelta(0)
    return max(asked, (0.5 + rng.random() / 2) * wait)
