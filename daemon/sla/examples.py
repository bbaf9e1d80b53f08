"""Worked examples of promises, in YAML: what happened to a ticket, and what its clocks must say. Pure.

- name: An urgent ticket on Christmas Eve
  client: acme                        (or contract: gold)
  severity: 1
  opened: 2026-12-24T16:30            (by the client's wall, or with Z or an offset)
  events: [{at: 2026-12-24T16:40, do: reply}, {after: 5h, do: resolve}]
  expect: {response: {due: 2026-12-24T16:45, verdict: met}, resolution: {verdict: missed, warned: [50%, breach]}}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from daemon.errors import ConfigError
from daemon.marked_yaml import Mark, MarkedList, MarkedMap
from daemon.model import GOALS, Event, EventKind, Goal
from daemon.sla import reader as read
from daemon.sla.calendar import instant, seconds, zone
from daemon.sla.clocks import cycles
from daemon.sla.cycle import Cycle
from daemon.sla.policy import Policy
from daemon.sla.promise import Contract
from daemon.sla.reader import Reader

VERDICTS = ("met", "missed", "running", "paused", "cancelled", "none")
_FAR = timedelta(days=4000)
_REP = {"public": True, "human": True, "by": "rep"}
_DO: Mapping[str, tuple[EventKind, Mapping[str, Any]]] = {
    "reply": (EventKind.MESSAGE, _REP),
    "note": (EventKind.MESSAGE, {**_REP, "public": False}),
    "auto_reply": (EventKind.MESSAGE, {**_REP, "human": False}),
    "client_writes": (EventKind.MESSAGE, {**_REP, "by": "client"}),
    "acknowledge": (EventKind.ACKNOWLEDGED, {"via": "example"}),
    "wait": (EventKind.STATE, {"to": "awaiting_client"}),
    "resume": (EventKind.STATE, {"to": "in_progress"}),
    "await_quick_fix": (EventKind.STATE, {"to": "awaiting_fix", "kind": "quick_fix"}),
    "await_release": (EventKind.STATE, {"to": "awaiting_fix", "kind": "minor_release"}),
    "severity": (EventKind.SEVERITY, {}),
    "resolve": (EventKind.RESOLVED, _REP),
    "reopen": (EventKind.REOPENED, {}),
    "close": (EventKind.CLOSED, {}),
    "cancel": (EventKind.CANCELLED, {}),
    "request_rca": (EventKind.RCA, {"to": "requested"}),
    "share_rca": (EventKind.RCA, {"to": "shared"}),
}
DO = tuple(_DO)
KEYS = ("name", "client", "contract", "severity", "opened", "origin", "events", "until", "expect")
EVENT_KEYS = ("at", "after", "do", "to")
EXPECT_KEYS = ("due", "verdict", "used", "cycle", "warned")


@dataclass(frozen=True, slots=True)
class Expected:
    """What one goal's clock must say. Only what is set is looked at."""

    goal: Goal
    mark: Mark
    cycle: int | None = None
    """Which of its cycles; None is the last."""
    due: datetime | None = None
    verdict: str | None = None
    used: int | None = None
    warned: tuple[str, ...] | None = None
    """All that was warned of, in order."""


@dataclass(frozen=True, slots=True)
class Example:
    name: str
    mark: Mark
    contract: Contract
    tz: ZoneInfo
    log: tuple[Event, ...]
    until: datetime
    """As things stand then."""
    expected: tuple[Expected, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    mark: Mark
    what: str
    expected: str
    actual: str


def read_examples(document: Any, file: str, policy: Policy) -> list[Example]:
    """Raises ConfigError with all that is wrong in it."""
    reader = Reader()
    if not isinstance(document, MarkedList) or not document:
        reader.report(Mark(file, 1, 1), "this is no list of examples.", "Begin each with '- name:'.")
        raise ConfigError(reader.problems)
    found = [_example(reader, item, document.item_mark(index), policy) for index, item in enumerate(document)]
    if reader.problems:
        raise ConfigError(reader.problems)
    return [one for one in found if one is not None]


def _example(reader: Reader, item: Any, mark: Mark, policy: Policy) -> Example | None:
    table = reader.table(item, mark, "an example", KEYS)
    if table is None:
        return None
    name = reader.need(table, "name", read.text, "an example") or "an example"
    what = f"example '{name}'"
    whose = _whose(reader, table, what, policy)
    severity = reader.need(table, "severity", read.whole(1, 4), what)
    tz = zone(whose[1]) if whose else zone("UTC")
    opened = reader.need(table, "opened", read.moment_in(tz), what)
    expected = _expected(reader, table, what, tz)
    if whose is None or severity is None or opened is None:
        return None
    origin = reader.get(table, "origin", read.choice("manual", "portal", "email", "hotline"), "manual")
    opening = Event(0, 1, EventKind.OPENED, opened, opened, "example", {"severity": severity, "origin": origin})
    log = (opening, *_events(reader, table, what, tz, opened))
    until = reader.get(table, "until", read.moment_in(tz), opened + _FAR)
    return Example(name, mark, policy.in_force(whose[0], opened), tz, log, until, expected)


def _whose(reader: Reader, table: MarkedMap, what: str, policy: Policy) -> tuple[str, str] | None:
    """The contract's name, and the time zone."""
    if ("client" in table) == ("contract" in table):
        reader.report(table.mark, f"{what} needs 'client' or 'contract', and not both.")
        return None
    if "client" in table:
        client = reader.need(table, "client", read.one_of(policy.clients, "client"), what)
        return None if client is None else (client.contract, client.timezone)
    names = {name: name for name in policy.contracts}
    contract = reader.need(table, "contract", read.one_of(names, "contract"), what)
    return None if contract is None else (contract, "UTC")


def _events(reader: Reader, table: MarkedMap, what: str, tz: ZoneInfo, opened: datetime) -> Iterator[Event]:
    value = table.get("events", MarkedList(table.mark))
    if not isinstance(value, MarkedList):
        reader.report(table.value_mark("events"), f"events of {what} are a list, not {read.named(value)}.")
        return
    for index, item in enumerate(value):
        made = _event(reader, item, value.item_mark(index), tz, opened)
        if made is not None:
            yield Event(0, index + 2, made[1], made[0], made[0], "example", made[2])


def _event(
    reader: Reader, item: Any, mark: Mark, tz: ZoneInfo, opened: datetime
) -> tuple[datetime, EventKind, Mapping[str, Any]] | None:
    table = reader.table(item, mark, "an event", EVENT_KEYS)
    if table is None:
        return None
    if ("at" in table) == ("after" in table):
        reader.report(table.mark, "an event needs 'at' or 'after', and not both.", "`after` counts from the opening.")
        return None
    at = reader.need(table, "at", read.moment_in(tz), "an event") if "at" in table else None
    after = reader.need(table, "after", read.length, "an event") if "after" in table else None
    done = reader.need(table, "do", read.one_of(_DO, "thing to do"), "an event")
    if done is None or (at is None and after is None):
        return None
    kind, body = done
    to = _to(reader, table, kind)
    return at or opened + timedelta(seconds=after or 0), kind, body if to is None else {**body, "to": to}


def _to(reader: Reader, table: MarkedMap, kind: EventKind) -> int | None:
    if kind is EventKind.SEVERITY:
        return reader.need(table, "to", read.whole(1, 4), "a change of severity")
    if "to" in table:
        reader.report(table.key_mark("to"), "'to' goes with a change of severity only.")
    return None


def _expected(reader: Reader, table: MarkedMap, what: str, tz: ZoneInfo) -> tuple[Expected, ...]:
    if "expect" not in table:
        reader.report(table.mark, f"{what} needs 'expect': nothing would be tested.")
        return ()
    goals = reader.table(table["expect"], table.value_mark("expect"), f"expect of {what}", GOALS)
    if goals is None:
        return ()
    if not goals:
        reader.report(goals.mark, f"expect of {what} is empty: nothing would be tested.")
    rows = ((goal, reader.table(goals[goal], goals.value_mark(goal), goal, EXPECT_KEYS)) for goal in goals)
    return tuple(_of_goal(reader, goal, row, tz) for goal, row in rows if row is not None)


def _of_goal(reader: Reader, goal: Goal, row: MarkedMap, tz: ZoneInfo) -> Expected:
    if not row.keys() - {"cycle"}:
        reader.report(row.mark, f"nothing is expected of {goal}.", f"Its keys are {', '.join(EXPECT_KEYS)}.")
    warned = tuple(reader.entries(row, "warned", "warned", read.text)) if "warned" in row else None
    return Expected(
        goal,
        row.mark,
        reader.get(row, "cycle", read.whole(1, 10_000), None),
        reader.get(row, "due", read.moment_in(tz), None),
        reader.get(row, "verdict", read.choice(*VERDICTS), None),
        reader.get(row, "used", read.length, None),
        warned,
    )


def differences(example: Example) -> list[Difference]:
    """Where its clocks say something else than is expected."""
    found = cycles(example.contract, example.log, example.until)
    return [one for expected in example.expected for one in _of(example, found, expected)]


def _of(example: Example, found: Sequence[Cycle], expected: Expected) -> Iterator[Difference]:
    mine = [cycle for cycle in found if cycle.goal == expected.goal]
    wanted = [cycle for cycle in mine if expected.cycle in (None, cycle.number)][-1:]
    if not wanted:
        if expected.verdict != "none":
            yield Difference(expected.mark, f"{expected.goal}: clock", "one", f"{len(mine)} cycles")
        return
    said = _said(wanted[0], example.until)
    for name, value in (("due", expected.due), ("verdict", expected.verdict), ("used", expected.used),
                        ("warned", expected.warned)):  # fmt: skip
        if value is not None and value != said[name]:
            yield Difference(
                expected.mark, f"{expected.goal}: {name}", _shown(value, example.tz), _shown(said[name], example.tz)
            )


def _said(cycle: Cycle, until: datetime) -> dict[str, Any]:
    due = cycle.deadline() if cycle.live else cycle.last_due
    return {
        "due": None if due is None else instant(due),
        "verdict": _verdict(cycle),
        "used": cycle.used(seconds(until)),
        "warned": tuple(one.alarm.name for one in sorted(cycle.sounded, key=lambda one: one.at)),
    }


def _verdict(cycle: Cycle) -> str:
    if cycle.cancelled:
        return "cancelled"
    if cycle.breached is not None:
        return "missed"
    if not cycle.limits:
        return "none"
    if cycle.stopped is not None:
        return "met"
    return "paused" if cycle.since is None else "running"


def _shown(value: Any, tz: ZoneInfo) -> str:
    if isinstance(value, datetime):
        return value.astimezone(tz).isoformat(timespec="seconds")
    if isinstance(value, tuple):
        return ", ".join(value) or "nothing"
    return "nothing" if value is None else f"{value} s" if isinstance(value, int) else str(value)
