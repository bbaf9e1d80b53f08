"""The pure half of `heliograph rules test`: from a test to its signals, and from what came of them to a verdict.

The pipeline plays the signals; nothing here knows how.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from daemon.contract import write_duration
from daemon.model import Signal
from daemon.rules.model import Expect, RuleTest


@dataclass(frozen=True, slots=True)
class Arrival:
    """A signal, and when we come to see it."""

    at: datetime
    signal: Signal


@dataclass(frozen=True, slots=True)
class ObservedIncident:
    severity: int
    """The worst that it came to."""
    at: timedelta
    """When it opened, from the start of the test."""
    title: str = ""
    location: str = ""
    team: str = ""
    clients: tuple[str, ...] = ()
    page: bool = False
    defect: bool = False
    cleared: timedelta | None = None
    tickets: tuple[str, ...] = ()
    """The state of each."""
    due: tuple[tuple[str, timedelta], ...] = ()
    """Each goal of each ticket, and when it is due, from the start of the test."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What came of a test."""

    incidents: tuple[ObservedIncident, ...] = ()


def arrivals(test: RuleTest, start: datetime) -> list[Arrival]:
    """Every signal of the test, in the order in which they arrive."""
    return sorted(_played(test, start), key=lambda arrival: arrival.at)


def expand(test: RuleTest, start: datetime) -> list[Signal]:
    """The signals alone."""
    return [arrival.signal for arrival in arrivals(test, start)]


def _played(test: RuleTest, start: datetime) -> Iterator[Arrival]:
    at = start
    for number, given in enumerate(test.given):
        at = at if given.at is None else start + given.at
        for turn in range(given.repeat):
            at += given.every if turn else timedelta(0)
            signal = Signal(
                source=given.source,
                type=given.type,
                kind=given.kind,
                id=given.id or f"{number + 1}-{turn + 1}",
                at=at,
                fields=given.fields,
                polarity=given.polarity,
                count_delta=given.count_delta,
            )
            yield Arrival(at + given.late, signal)


def compare(expect: Expect, observed: Observed) -> list[str]:
    """What is not as expected, in words; empty if all is."""
    incidents = observed.incidents
    if len(incidents) != expect.incidents:
        return [f"expected {_counted(expect.incidents)}, saw {_counted(len(incidents))}"]
    failures = [failure for incident in incidents for failure in _differences(expect, incident)]
    if incidents and expect.at is not None and (first := min(each.at for each in incidents)) != expect.at:
        failures.append(f"expected the first at {write_duration(expect.at)}, saw it at {write_duration(first)}")
    return failures


def _differences(expect: Expect, incident: ObservedIncident) -> Iterator[str]:
    for name in ("severity", "page", "defect", "title", "location", "team", "clients"):
        wanted, seen = getattr(expect, name), getattr(incident, name)
        if wanted is not None and (sorted(wanted) != sorted(seen) if name == "clients" else wanted != seen):
            yield f"expected {name} {_shown(wanted)}, saw {_shown(seen)}"
    yield from _owed(expect, incident)
    wanted = expect.cleared
    seen = incident.cleared if isinstance(wanted, timedelta) else incident.cleared is not None
    if wanted is not None and wanted != seen:
        yield f"expected cleared {_shown(wanted)}, saw {_shown(seen)}"


def _owed(expect: Expect, incident: ObservedIncident) -> Iterator[str]:
    """What is not as expected of the tickets."""
    if expect.ticket is not None and {expect.ticket} != set(incident.tickets):
        yield f"expected ticket {expect.ticket}, saw {', '.join(incident.tickets) or 'none'}"
    for goal, wanted in (expect.due or {}).items():
        seen = {due for name, due in incident.due if name == goal}
        if seen != {wanted}:
            shown = ", ".join(map(write_duration, sorted(seen))) or "never"
            yield f"expected {goal} due {write_duration(wanted)}, saw {shown}"


def _shown(value: object) -> str:
    if isinstance(value, timedelta):
        return write_duration(value)
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "never"}[value]
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _counted(number: int) -> str:
    return "nothing" if number == 0 else "1 incident" if number == 1 else f"{number} incidents"
