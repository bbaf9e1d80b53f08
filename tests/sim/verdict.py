"""What must hold at the end of a run (E1 to E5 in the docs), each breach of it as one sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select

from daemon.model import Polarity, Signal
from daemon.sla import clocks as sla
from daemon.store import polls, schema, tickets
from tests.sim.vendors import LATEST
from tests.sim.world import SOURCE, World

Rows = list[Row[Any]]


def judge(world: World) -> list[str]:
    """Every promise that the run broke; none if it kept them all."""
    return [
        *world.problems,
        *passed_over(world),
        *_signals(world),
        *_incidents(world),
        *_pages(world),
        *_defects(world),
        *_owed(world),
        *_clocks(world),
    ]


def rows(world: World, table: str) -> Rows:
    with world.store.read() as connection:
        return list(connection.execute(select(schema.metadata.tables[table])))


def passed_over(world: World) -> Iterator[str]:
    """Signals that must have shown by the end of the last complete scan, and were not recorded with its cursor."""
    with world.store.read() as connection:
        cursor = connection.execute(select(schema.polls.c.cursor).where(schema.polls.c.name == SOURCE)).scalar()
        mark = polls.watermarks(connection).get(SOURCE)
        kept = set(connection.execute(select(schema.signals.c.id)).scalars())
    marks = [datetime.fromisoformat(cursor["until"]) - LATEST] if cursor and "until" in cursor else []
    if mark is not None:
        marks.append(mark)
    for each in world.watcher.shown:
        if marks and each.signal.at <= max(marks) and each.signal.id not in kept:
            yield f"the cursor has passed signal {each.signal.id}, which is not recorded"


def _signals(world: World) -> Iterator[str]:
    """E1: each wanted signal is kept once, and each that says broken is evidence of one incident, of its key."""
    kept = Counter(row.id for row in rows(world, "signals"))
    ids = {row.row: row.id for row in rows(world, "signals")}
    keys = {row.id: row.key for row in rows(world, "incidents")}
    evidence: dict[str, list[str]] = {}
    for row in rows(world, "evidence"):
        evidence.setdefault(ids[row.signal], []).append(keys[row.incident])
    for signal in (each.signal for each in world.watcher.shown):
        if kept[signal.id] != 1:
            yield f"signal {signal.id} is kept {kept[signal.id]} times"
        found = evidence.get(signal.id, [])
        if _opens(signal) and len(found) != 1:
            yield f"signal {signal.id} is evidence of {len(found)} incidents"
        if any(signal.fields["project"] not in key for key in found):
            yield f"signal {signal.id} is evidence of another's incident: {found}"


def _opens(signal: Signal) -> bool:
    return signal.fields["level"] == "fatal" and signal.polarity is Polarity.BROKEN


def _incidents(world: World) -> Iterator[str]:
    """E1: one standing incident for each key."""
    standing = Counter(row.key for row in rows(world, "incidents") if row.state != "ended")
    for key, many in standing.items():
        if many > 1:
            yield f"{key} has {many} incidents that have not ended"


def _pages(world: World) -> Iterator[str]:
    """E2: one page for each opening that went out, in its incident's state; none for what nobody owed."""
    pages = Counter(page.key for page in world.pager.pages)
    owed = {row.key: row.state for row in rows(world, "deliveries") if (row.role, row.verb) == ("page", "open")}
    for key, state in owed.items():
        if pages[key] != (1 if state == "done" else 0):
            yield f"page {key} ({state}) is there {pages[key]} times"
    for key in pages.keys() - owed.keys():
        yield f"page {key} was never owed"
    yield from _page_states(world)


def _page_states(world: World) -> Iterator[str]:
    now_paged = {f"hg:{row.id}:{row.page}": row.state for row in rows(world, "incidents")}
    for page in world.pager.pages:
        if not page.key.startswith("hg:"):
            continue
        state = now_paged.get(page.key, "superseded")
        if state != "open" and not page.resolved:
            yield f"page {page.key} is open, and its incident {state}"
        if state == "open" and page.resolved and not page.by_person:
            yield f"page {page.key} is resolved, and its incident open"
    paged = {page.key for page in world.pager.pages}
    for key, state in now_paged.items():
        if state == "open" and key not in paged:
            yield f"incident of {key} is open, and nobody was paged"


def _defects(world: World) -> Iterator[str]:
    """E3: one issue for each incident that calls for one."""
    issues = Counter(issue.label for issue in world.tracker.issues)
    called_for = {f"hg-{row.id}" for row in rows(world, "incidents") if row.rule == "down"}
    for label in sorted(called_for | issues.keys()):
        if issues[label] != (label in called_for):
            yield f"defect {label} is there {issues[label]} times"


def _owed(world: World) -> Iterator[str]:
    """E5: all that was owed was done, or is not due any more."""
    for row in rows(world, "deliveries"):
        if row.state not in ("done", "cancelled"):
            yield f"{row.role} {row.verb} {row.key} is still {row.state}: {row.reason}"
        if row.role == "warning" and row.key not in world.postman.taken:
            yield f"warning {row.key} never went out"


def _clocks(world: World) -> Iterator[str]:
    """E4: the clocks kept are those of a fresh fold, and each threshold that has passed was told of once."""
    now = world.clock.now()
    warned = Counter((row.ticket, row.goal, row.cycle, row.arming, row.threshold) for row in rows(world, "warnings"))
    due = set()
    with world.store.read() as connection:
        for ticket in tickets.recent(connection):
            log = tickets.log(connection, ticket.id)
            kept = tickets.clocks_of(connection, ticket.id)
            folded = sla.fold(world.terms.policy.pinned(ticket.contract), log, now)
            if [_steady(clock) for clock in kept] != sorted(_steady(clock) for clock in folded):
                yield f"the clocks of ticket {ticket.id} are not those of its log"
            due |= {
                (ticket.id, clock.goal, clock.cycle, threshold.arming, threshold.name)
                for clock in folded
                for threshold in clock.thresholds
                if threshold.at is not None and threshold.at <= now
            }
    for key in sorted(due | warned.keys()):
        if warned[key] != (key in due):
            yield f"warning {key} was recorded {warned[key]} times, where it was {'' if key in due else 'not '}due"


def _steady(clock: Any) -> tuple[str, ...]:
    """What of a clock does not change by the mere passing of time."""
    told = asdict(clock)
    running = told["state"] == "running"
    return tuple(
        f"{name}={value}"
        for name, value in told.items()
        if name != "thresholds" and not (running and name == "consumed")
    )
