"""The clock of a report on the root cause: from the request until it is shared, whatever the ticket's state."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from daemon.marked_yaml import parse as parse_yaml
from daemon.model import Clock, ClockState, Event, EventKind
from daemon.sla.clocks import fold
from daemon.sla.policy import parse

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
CONTRACT = """
gold:
  goals:
    resolution: {1: {target: 4h, calendar: 24x7}, 2: {target: 12h, calendar: 24x7}, 3: null, 4: null}
    rca: {1: {target: 48h, calendar: 24x7}, 2: {target: 96h, calendar: 24x7}, 3: null, 4: null}
"""


def clocks(*told: tuple[float, EventKind, dict[str, Any]], hours: float = 200) -> list[Clock]:
    """Those of the report, so many hours after noon; each event is (hours after noon, kind, body)."""
    contract = parse(None, parse_yaml(CONTRACT, "contracts.yaml"), None).contracts["gold"][0]
    opened = (0.0, EventKind.OPENED, {"severity": 2})
    events = [
        Event(1, sequence, kind, NOON + after * HOUR, NOON + after * HOUR, "person:asha", body)
        for sequence, (after, kind, body) in enumerate([opened, *told], 1)
    ]
    return [clock for clock in fold(contract, events, NOON + hours * HOUR) if clock.goal == "rca"]


ASKED: tuple[EventKind, dict[str, Any]] = (EventKind.RCA, {"to": "requested"})
SHARED: tuple[EventKind, dict[str, Any]] = (EventKind.RCA, {"to": "shared"})


def test_nothing_runs_before_it_is_asked_for() -> None:
    assert [] == clocks((1, EventKind.RESOLVED, {}))


def test_it_runs_on_after_the_ticket_is_closed() -> None:
    """It is due four days after the request."""
    (clock,) = clocks((1, EventKind.RESOLVED, {}), (2, *ASKED), (3, EventKind.CLOSED, {}), hours=4)

    assert (ClockState.RUNNING, NOON + 98 * HOUR) == (clock.state, clock.deadline)


def test_sharing_stops_it_and_the_next_request_is_another_cycle() -> None:
    kept, missed = clocks((2, *ASKED), (50, *SHARED), (60, *ASKED))

    assert (ClockState.STOPPED, None) == (kept.state, kept.breached_at)
    assert (2, NOON + 156 * HOUR) == (missed.cycle, missed.breached_at)


def test_waiting_for_the_client_does_not_hold_it_and_a_raise_does_not_restart_the_promise() -> None:
    """The old promise caps the new one."""
    (clock,) = clocks(
        (2, *ASKED), (3, EventKind.STATE, {"to": "awaiting_client"}), (90, EventKind.SEVERITY, {"to": 1}), hours=91
    )

    assert NOON + 98 * HOUR == clock.deadline


def test_a_cancelled_ticket_owes_no_report() -> None:
    (clock,) = clocks((2, *ASKED), (3, EventKind.CANCELLED, {}))

    assert (ClockState.CANCELLED, None) == (clock.state, clock.breached_at)
