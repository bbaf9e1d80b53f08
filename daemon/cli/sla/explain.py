"""`heliograph sla explain`: how the time of each of a ticket's clocks went, and why."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rich.text import Text

from daemon.cli.desk import kept_terms, setup_of, store_of
from daemon.cli.show import console, plain, show
from daemon.cli.sla import said, svg
from daemon.cli.sla.files import written
from daemon.model import Event, Json, Ticket
from daemon.report import words
from daemon.sla.calendar import instant, seconds
from daemon.sla.clocks import cycles
from daemon.sla.cycle import Cycle
from daemon.sla.segments import Kind, Segment, segments
from daemon.store import tickets

_CELLS = 72
_MARKS = {
    Kind.RUNNING: ("█", "bold blue"), Kind.OFF_HOURS: ("░", "dim"), Kind.PAUSED: ("·", "yellow"),
    Kind.ON_TRAIN: ("▒", "magenta"),
}  # fmt: skip
_OVERDUE = ("█", "bold red")
_COLOURS = {
    Kind.RUNNING: svg.COLOURS[0], Kind.OFF_HOURS: svg.FAINT, Kind.PAUSED: svg.COLOURS[3], Kind.ON_TRAIN: svg.COLOURS[2],
}  # fmt: skip
_LABEL, _WIDTH, _ROW, _TOP = 150, 900, 34, 40


@dataclass(frozen=True, slots=True)
class Told:
    """One cycle, and all that is said of it."""

    cycle: Cycle
    segments: Sequence[Segment]
    reasons: Sequence[str]
    """Why each segment begins, where something happened then."""

    @property
    def name(self) -> str:
        return f"{self.cycle.goal} {self.cycle.number}"

    @property
    def due(self) -> datetime | None:
        due = self.cycle.deadline() if self.cycle.live else self.cycle.last_due
        return None if due is None else instant(due)

    @property
    def used(self) -> int:
        return sum(one.counted for one in self.segments)

    @property
    def verdict(self) -> str:
        cycle = self.cycle
        if cycle.cancelled:
            return "cancelled"
        if cycle.breached is not None:
            return f"missed at {said.utc(instant(cycle.breached))}"
        if cycle.stopped is not None:
            return f"met at {said.utc(instant(cycle.stopped))}" if cycle.decided is not None else "nothing promised"
        return "paused" if cycle.since is None else "running"


def explain(options: argparse.Namespace) -> int:
    """0; 1 if there is no such ticket."""
    setup = setup_of(options)
    with store_of(setup) as store, store.read() as connection:
        now = store.now()
        ticket = tickets.get(connection, options.ticket)
        if ticket is None:
            print(f"there is no ticket {options.ticket}", file=sys.stderr)
            return 1
        log = tickets.log(connection, ticket.id)
        contract = kept_terms(setup, connection, now).policy.pinned(ticket.contract)
    found = [_told(cycle, log, now) for cycle in cycles(contract, log, now)]
    if options.picture:
        written(options.picture, picture(ticket, found))
    if options.json:
        print(json.dumps(_document(ticket, found), indent=2))
    else:
        _tell(ticket, found)
    return 0


def _told(cycle: Cycle, log: Sequence[Event], now: datetime) -> Told:
    parts = segments(cycle, now)
    return Told(cycle, parts, [_why(log, one.start) for one in parts])


def _why(log: Iterable[Event], at: datetime) -> str:
    """What happened in that second."""
    here = [words.line(event) for event in log if seconds(event.effective_at) == seconds(at)]
    return "; ".join(f"{line.actor} {line.title}" for line in here)


def _tell(ticket: Ticket, found: Sequence[Told]) -> None:
    screen = console()
    screen.print(Text.assemble((f"Ticket {ticket.id} of {ticket.client}", "bold"), f", by contract {ticket.contract}"))
    for told in found:
        screen.print()
        _clock(told)
    screen.print()
    legend = Text()
    for kind, (mark, style) in _MARKS.items():
        legend.append(f"{mark} ", style).append(f"{kind}   ")
    screen.print(legend.append(f"{_OVERDUE[0]} ", _OVERDUE[1]).append("past the deadline   ").append("▼ warned"))


def _clock(told: Told) -> None:
    screen, target = console(), told.cycle.target
    promised = f"{said.length(told.used)} used" + ("" if target is None else f" of {said.length(target)}")
    due = f", due {said.utc(told.due)} UTC" if told.due else ""
    screen.print(Text.assemble((told.name, "bold"), f": {told.verdict}, {promised}{due}"))
    if told.segments:
        for line in drawn(told):
            screen.print(line)
    rows = [
        (
            said.utc(one.start),
            said.utc(one.end),
            one.kind,
            one.calendar,
            one.severity or "",
            said.length(one.counted),
            why,
        )
        for one, why in zip(told.segments, told.reasons, strict=True)
    ]
    if rows:
        show(("from (UTC)", "until", "was", "calendar", "sev", "counted", "because"), rows)
    for one in told.cycle.sounded:
        screen.print(plain(f"  warned {one.alarm.name} at {said.utc(instant(one.at))} UTC: {_readers(one.alarm)}"))


def _readers(alarm: object) -> str:
    parts = (*getattr(alarm, "notify", ()), *getattr(alarm, "in_hours", ()), *getattr(alarm, "then", ()))
    return ", ".join(parts) or "nobody"


def drawn(told: Told) -> Iterable[Text]:
    """Where warnings came, and the time itself."""
    start, length = told.segments[0].start, told.segments[-1].end - told.segments[0].start
    cell = length / _CELLS or timedelta(seconds=1)
    warned = {min(_CELLS - 1, int((instant(one.at) - start) / cell)) for one in told.cycle.sounded}
    if warned:
        yield Text("".join("▼" if number in warned else " " for number in range(_CELLS)).rstrip(), "yellow")
    bar = Text()
    for number in range(_CELLS):
        at = start + number * cell
        segment = next((one for one in told.segments if one.start <= at < one.end), told.segments[-1])
        late = told.cycle.breached is not None and at > instant(told.cycle.breached)
        bar.append(*(_OVERDUE if late and segment.kind is Kind.RUNNING else _MARKS[segment.kind]))
    yield bar


def picture(ticket: Ticket, found: Sequence[Told]) -> str:
    """A row for each clock, all by one axis."""
    shown = [told for told in found if told.segments]
    title = f"How the clocks of ticket {ticket.id} went (UTC)"
    if not shown:
        return svg.page(_LABEL + _WIDTH + 20, _TOP, title, svg.text(10, 20, "no clock has run"))
    start = min(told.segments[0].start for told in shown)
    end = max(max(told.segments[-1].end, told.due or start) for told in shown)
    span = max((end - start).total_seconds(), 1)

    def x(at: datetime) -> float:
        return _LABEL + _WIDTH * (at - start).total_seconds() / span

    body = svg.text(10, 18, title)
    for row, told in enumerate(shown):
        y = _TOP + row * _ROW
        body += svg.text(10, y + 15, f"{told.name}: {told.verdict.split(' at ')[0]}")
        for one in told.segments:
            says = f"{one.kind} from {said.utc(one.start)} until {said.utc(one.end)}"
            body += svg.rect(x(one.start), y, x(one.end) - x(one.start), 20, _COLOURS[one.kind], says)
        if told.due is not None:
            body += svg.line(x(told.due), y - 4, x(told.due), y + 24, svg.LATE)
    base = _TOP + len(shown) * _ROW + 12
    body += svg.text(_LABEL, base, said.utc(start)) + svg.text(_LABEL + _WIDTH, base, said.utc(end), "end")
    for number, (kind, colour) in enumerate(_COLOURS.items()):
        body += svg.rect(_LABEL + number * 200, base + 14, 14, 14, colour, kind)
        body += svg.text(_LABEL + number * 200 + 20, base + 26, kind)
    return svg.page(_LABEL + _WIDTH + 20, base + 44, title, body)


def _document(ticket: Ticket, found: Sequence[Told]) -> dict[str, Json]:
    return {
        "ticket": ticket.id, "client": ticket.client, "contract": ticket.contract,
        "clocks": [_clock_said(told) for told in found],
    }  # fmt: skip


def _clock_said(told: Told) -> dict[str, Json]:
    cycle = told.cycle
    parts = zip(told.segments, told.reasons, strict=True)
    return {
        "goal": cycle.goal, "cycle": cycle.number, "severity": cycle.severity, "verdict": told.verdict,
        "target_seconds": cycle.target, "used_seconds": told.used, "due": said.iso(told.due),
        "segments": [
            {"was": one.kind.value, "start": said.iso(one.start), "end": said.iso(one.end), "calendar": one.calendar,
             "severity": one.severity, "counted_seconds": one.counted, "because": why}
            for one, why in parts
        ],
        "warnings": [{"name": one.alarm.name, "at": said.iso(instant(one.at))} for one in cycle.sounded],
    }  # fmt: skip
