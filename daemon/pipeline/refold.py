"""Goes through the clocks of open tickets once more after a calendar or the zones changed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from daemon.desk import ledger
from daemon.desk.terms import Terms
from daemon.log import about
from daemon.store import policies, tickets
from daemon.store.engine import Store
from daemon.worker import WORKED, Idle, Outcome

AT_ONCE = 200
EVERY = timedelta(seconds=10)
"""How often it looks whether a reload asked for it."""

log = logging.getLogger("heliograph.clocks")


@dataclass
class Refold:
    """One transaction a batch, by the tickets' numbers; where it stands is in the store, so a crash repeats little."""

    store: Store
    terms: Callable[[], Terms]
    at_once: int = AT_ONCE
    name: str = "refold"

    def step(self, now: datetime) -> Outcome:
        with self.store.read() as connection:
            if policies.refold(connection) is None:
                return Idle(now + EVERY)
        with self.store.write() as connection:
            asked = policies.refold(connection)
            if asked is None:
                return WORKED
            live = tickets.running(connection, asked.after, self.at_once)
            done = asked.done + len(live)
            if live:
                ledger.settle_all(connection, self.terms(), live, now)
                policies.refolded(connection, live[-1].id, done)
            else:
                policies.end_refold(connection)
        state = "under way" if live else "done"
        log.info("open clocks are counted anew", extra=about(state=state, why=asked.why, tickets=done))
        return WORKED
