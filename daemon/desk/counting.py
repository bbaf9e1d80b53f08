"""What of a ticket's clocks is counted: decisions, breaches, and what is taken back. Pure.

A counter never falls. So what was counted stays, and what turns out not to have been so is counted a second time, as
withdrawn: the figures are the one less the other. A clock that runs on after it stopped has stopped once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from daemon.model import Clock, Goal, Ticket
from daemon.store.tickets import Counted

DECISION, BREACH, EXCUSED, STOP = "decision", "breach", "excused", "stop"
_WITHDRAWN = "_withdrawn"

Cycle = tuple[Goal, int]


def entries(ticket: Ticket, readings: Iterable[Clock], rows: Sequence[Counted], *, takes_back: bool) -> list[Counted]:
    """What must be counted so that the figures say what the clocks do. Nothing, if they do; and unless it `takes_back`,
    nothing for what they say no longer."""
    said = {
        (clock.goal, clock.cycle): {
            DECISION: clock.decided_at,
            BREACH: clock.breached_at,
            STOP: clock.stopped_at,
            "severity": clock.severity,
        }
        for clock in readings
    }
    found: list[Counted] = []
    for cycle in {**said, **{(row.goal, row.cycle): None for row in rows}}:
        mine = [row for row in rows if (row.goal, row.cycle) == cycle]
        found += _of_cycle(ticket, cycle, said.get(cycle, {}), mine, takes_back=takes_back)
    return found


def _of_cycle(
    ticket: Ticket, cycle: Cycle, said: Mapping[str, object], mine: Sequence[Counted], *, takes_back: bool
) -> list[Counted]:
    found: list[Counted] = []
    for kind in (DECISION, BREACH, STOP):
        stands, at = standing(mine, kind), said.get(kind)
        following = len(mine) + len(found) + 1
        if stands is None and isinstance(at, datetime):
            severity = said["severity"]
            assert isinstance(severity, int)
            found.append(Counted(*cycle, kind, following, ticket.client, severity, at))
        elif stands is not None and at is None and takes_back and kind != STOP:
            taken_back = Counted(*cycle, kind + _WITHDRAWN, following, stands.client, stands.severity, stands.at)
            found.append(taken_back)
    return found


def standing(rows: Iterable[Counted], kind: str) -> Counted | None:
    """The row of this kind that has not been taken back; of one cycle's rows, in order."""
    stands: Counted | None = None
    for row in rows:
        if row.kind == kind:
            stands = row
        elif row.kind == kind + _WITHDRAWN:
            stands = None
    return stands


def is_withdrawal(entry: Counted) -> bool:
    return entry.kind.endswith(_WITHDRAWN)


def what(entry: Counted) -> str:
    """`decision` or `breach`, whether it was counted or taken back."""
    return entry.kind.removesuffix(_WITHDRAWN)
