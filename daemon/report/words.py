"""How people are told things: instants, lengths of time, clocks, and the lines of a ticket's log."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from daemon.model import Clock, ClockState, Event, EventKind, Json
from daemon.secret import redact

Tone: TypeAlias = Literal["good", "near", "late", "calm", "plain"]
_LONGEST_JSON = 20_000
_NEAR = 0.75
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def length(seconds: float) -> str:
    """`2 h 10 min`: the two largest units; rounded down."""
    left = int(abs(seconds))
    parts: list[str] = []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count or (parts and left):
            parts.append(f"{count} {unit}")
        if len(parts) == 2 or (parts and size == 60):
            break
    return " ".join(part for part in parts if not part.startswith("0 ")) or "0 s"


def when(instant: datetime, now: datetime) -> str:
    """`14:30 UTC`, with the day where it is not today's."""
    utc = instant.astimezone(UTC)
    day = "" if utc.date() == now.astimezone(UTC).date() else f"{utc:%a} {utc.day} {utc:%b} "
    return f"{day}{utc:%H:%M} UTC"


def relative(instant: datetime, now: datetime) -> str:
    seconds = (instant - now).total_seconds()
    if abs(seconds) < 1:
        return "now"
    return f"in {length(seconds)}" if seconds > 0 else f"{length(seconds)} ago"


def who(actor: str) -> str:
    """`person:asha` → asha, `rule:sentry/new` → rule sentry/new, the clock and nobody → Heliograph."""
    kind, _, name = actor.partition(":")
    if kind == "person":
        return name
    return f"{kind} {name}" if name else "Heliograph"


def link(url: object) -> str:
    """`url` if a browser may follow it, else nothing: a vendor's text is never a script."""
    text = url if isinstance(url, str) else ""
    return text if urlsplit(text).scheme in ("http", "https") else ""


def pretty(value: Json) -> str:
    text = redact(json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True))
    return text if len(text) <= _LONGEST_JSON else text[:_LONGEST_JSON] + "\n…"


@dataclass(frozen=True, slots=True)
class Bar:
    """A clock as a person reads it: how much is used, and what that means in words (never in colour alone)."""

    goal: str
    cycle: int
    tone: Tone
    state: str
    """`running`, `paused`, `met`, `missed`, `cancelled`."""
    share: float
    """Of the promised time, used; above 1 when missed."""
    says: str
    deadline: datetime | None
    marks: tuple[float, ...]
    """Shares at which a warning is due."""


def bar(clock: Clock, now: datetime) -> Bar:
    share = _share(clock, now)
    state = _state(clock)
    marks = sorted(
        {int(one.name[:-1]) / 100 for one in clock.thresholds if one.name[:-1].isdigit() and "%" in one.name}
    )
    return Bar(
        clock.goal, clock.cycle, _tone(clock, state, share), state, share, _says(clock, state, now), clock.deadline,
        tuple(mark for mark in marks if mark < 1),
    )  # fmt: skip


def _state(clock: Clock) -> str:
    if clock.breached_at is not None:
        return "missed"
    return "met" if clock.state is ClockState.STOPPED else str(clock.state)


def _tone(clock: Clock, state: str, share: float) -> Tone:
    if state == "missed":
        return "late"
    if state == "met":
        return "good"
    if clock.state is not ClockState.RUNNING:
        return "calm"
    return "near" if share >= _NEAR else "plain"


def _share(clock: Clock, now: datetime) -> float:
    if clock.target:
        return clock.consumed / clock.target
    if clock.deadline is None or clock.deadline <= clock.started_at:
        return 0.0
    return ((clock.stopped_at or now) - clock.started_at) / (clock.deadline - clock.started_at)


def _says(clock: Clock, state: str, now: datetime) -> str:
    going = clock.state in (ClockState.RUNNING, ClockState.PAUSED)
    if state == "missed":
        by = (clock.stopped_at or now) - clock.breached_at if clock.breached_at else timedelta(0)
        return f"missed{', still owed,' if going else ''} by {length(by.total_seconds())}"
    if not going:
        return f"met after {length(clock.consumed)}" if state == "met" else state
    left = f"{length(clock.target - clock.consumed)} left" if clock.target else ""
    if not left:
        return relative(clock.deadline, now) if clock.deadline else "nothing promised"
    return f"paused, {left}" if clock.state is ClockState.PAUSED else left


@dataclass(frozen=True, slots=True)
class Line:
    """One line of what happened on a ticket."""

    at: datetime
    actor: str
    title: str
    text: str = ""
    tone: Tone = "plain"
    note: bool = False
    """Among ourselves, not for the client."""
    url: str = ""


_TITLES = {
    EventKind.RESOLVED: "resolved it",
    EventKind.REOPENED: "opened it again",
    EventKind.CLOSED: "closed it",
    EventKind.RECOVERED: "saw it recover",
    EventKind.REMINDED: "asked for the client's validation",
    EventKind.INFORMED: "told the client that the quick fix comes",
    EventKind.DEPLOYED: "installed the fix",
    EventKind.LESSON: "learnt",
}
_TONES: dict[EventKind, Tone] = {
    EventKind.RESOLVED: "good",
    EventKind.CLOSED: "good",
    EventKind.RECOVERED: "good",
    EventKind.REOPENED: "near",
}


def line(event: Event) -> Line:
    body = event.body
    text = next((str(body[key]) for key in ("text", "reason", "why") if body.get(key)), "")
    return Line(
        event.effective_at, who(event.actor), _title(event), text, _TONES.get(event.kind, "plain"),
        note=event.kind is EventKind.MESSAGE and not body.get("public"), url=link(body.get("url")),
    )  # fmt: skip


def _title(event: Event) -> str:
    detailed = _DETAILED.get(event.kind)
    if detailed is not None:
        return detailed(event.body)
    return _TITLES.get(event.kind, event.kind.replace("_", " "))


def _message(body: Mapping[str, Json]) -> str:
    if body.get("by") == "client":
        return "wrote to us"
    return "wrote to the client" if body.get("public") else "noted"


def _moved(body: Mapping[str, Json]) -> str:
    why = body.get("kind") or body.get("what")
    return f"set it to {body.get('to')}{f' ({why})' if why else ''}".replace("_", " ")


def _defect(body: Mapping[str, Json]) -> str:
    return f"filed defect {body.get('key')}" + (f", due {_day(str(body['due']))}" if body.get("due") else "")


def _day(iso: str) -> str:
    """`Wed 25 Nov 12:36 UTC`; as it stands if it is no instant."""
    try:
        utc = datetime.fromisoformat(iso).astimezone(UTC)
    except ValueError:
        return iso
    return f"{utc:%a} {utc.day} {utc:%b} {utc:%H:%M} UTC"


def _acknowledged(body: Mapping[str, Json]) -> str:
    page = {"acknowledged": "acknowledged the page", "resolved": "resolved the page"}
    return page.get(str(body.get("via")), "acknowledged it")


def _assigned(body: Mapping[str, Json]) -> str:
    to = [str(body["assignee"])] if body.get("assignee") else []
    to += [f"{part} {body[part]}" for part in ("team", "site") if body.get(part)]
    return f"gave it to {' and '.join(to) or 'nobody'}"


def _workaround(body: Mapping[str, Json]) -> str:
    kind = f"{body['kind']} " if body.get("kind") else "the "
    return f"{body.get('to')} {'an ' if kind == 'interim ' else 'a ' if kind == 'permanent ' else ''}{kind}work-around"


def _cancelled(body: Mapping[str, Json]) -> str:
    if body.get("into"):
        return f"merged it into ticket {body['into']}"
    return f"cancelled it: {str(body.get('reason', '')).replace('_', ' ')}".removesuffix(": ")


def _action(body: Mapping[str, Json]) -> str:
    if body.get("done"):
        return f"did action item {body.get('item')}"
    return f"planned action item {body.get('item')} for {body.get('owner')} by {body.get('due')}"


_RELATED = {
    "duplicate_of": "repeats ticket", "duplicated_by": "is repeated by ticket", "follows": "follows ticket",
    "followed_by": "is followed by ticket", "relates": "relates to ticket",
}  # fmt: skip

_DETAILED: dict[EventKind, Callable[[Mapping[str, Json]], str]] = {
    EventKind.OPENED: lambda body: f"opened it with severity {body.get('severity')}",
    EventKind.MESSAGE: _message,
    EventKind.SEVERITY: lambda body: f"set the severity to {body.get('to')}",
    EventKind.STATE: _moved,
    EventKind.DEFECT: _defect,
    EventKind.ACKNOWLEDGED: _acknowledged,
    EventKind.ASSIGNED: _assigned,
    EventKind.LOOPED_IN: lambda body: f"asked {body.get('team')} to help",
    EventKind.WORKAROUND: _workaround,
    EventKind.CANCELLED: _cancelled,
    EventKind.CORRECTED: lambda body: f"took back the {body.get('kind')} of {body.get('goal')}: told late",
    EventKind.EXCUSED: lambda body: f"excused the breach of {body.get('goal')}, approved by {body.get('approver')}",
    EventKind.RCA: lambda body: f"{body.get('to')} the report on the root cause",
    EventKind.ACTION: _action,
    EventKind.LINKED: lambda body: f"linked it: it {_RELATED[body.get('as', 'relates')]} {body.get('ticket')}",
}


def in_order(lines: Iterable[Line]) -> Sequence[Line]:
    return sorted(lines, key=lambda one: one.at)
