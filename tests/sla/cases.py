"""Worked cases of promises against the daemon's own arithmetic: `python tests/sla/cases.py FILE`.

FILE holds `calendars` and `cases`; each case has an `id`, a `kind`, what is given, and what to `expect`. One line is
printed for each case and a count last; exit 1 if any differs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from daemon.errors import ConfigError
from daemon.marked_yaml import parse as parse_yaml
from daemon.model import Event, EventKind, Goal
from daemon.sla import calendar as zones
from daemon.sla.clocks import cycles
from daemon.sla.cycle import Cycle
from daemon.sla.duty import on_duty
from daemon.sla.policy import Contract, Policy, parse

Case = dict[str, Any]
Answer = dict[str, Any]

CLIENT, SITE = "client", "site"
LATER = timedelta(days=4000)
REP = {"public": True, "human": True, "by": "rep"}
MESSAGES = {
    "auto_reply": {"public": True, "human": False, "by": "rep"},
    "internal_note": {"public": False, "human": True, "by": "rep"},
    "client_message": {"public": True, "human": True, "by": "client"},
    "public_reply_by_rep": REP,
}
EVENTS: dict[str, tuple[EventKind, Answer]] = {
    "first_response": (EventKind.MESSAGE, REP),
    "pause": (EventKind.STATE, {"to": "awaiting_client"}),
    "resume": (EventKind.STATE, {"to": "in_progress"}),
    "resolve": (EventKind.RESOLVED, REP),
    "close": (EventKind.CLOSED, {}),
    "cancel": (EventKind.CANCELLED, {}),
    "reopen": (EventKind.REOPENED, {}),
    "severity": (EventKind.SEVERITY, {}),
    **{name: (EventKind.MESSAGE, body) for name, body in MESSAGES.items()},
}
CODES = {
    "never_opens": "never opens",
    "unknown_tz": "is not a time zone",
    "overlap": "overlap",
    "zero_length": "opens and closes at once",
    "union_cycle": "contains itself",
}
"""What a refused calendar's message says, by the case's code."""


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def shown(at: datetime | int | None) -> str | None:
    found = zones.instant(at) if isinstance(at, int) else at
    return None if found is None else found.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def hours(calendar: Case) -> Case:
    """A calendar of a case as an operator would write it: windows are `09:00-17:00`."""
    written = dict(calendar)
    for key in ("weekly", "overrides"):
        if key in written:
            rows = written[key].items()
            written[key] = {day: [f"{a}-{b}" for a, b in windows] for day, windows in rows}
    return written


def keyed(value: Any) -> Any:
    """The same with severities as numbers: JSON has no such keys."""
    if isinstance(value, dict):
        return {int(key) if str(key) in "1234" else key: keyed(item) for key, item in value.items()}
    return [keyed(item) for item in value] if isinstance(value, list) else value


def marked(value: Case | None) -> Any:
    return None if value is None else parse_yaml(yaml.safe_dump(keyed(value)), "case")


class Worked:
    """The cases of one file, and the calendars that they share."""

    def __init__(self, given: Case) -> None:
        self.calendars: Case = {name: hours(calendar) for name, calendar in given["calendars"].items()}
        self.cases: list[Case] = given["cases"]
        self.policy = self.read()

    def read(self, contracts: Case | None = None, train: Case | None = None) -> Policy:
        clients = {name: {"contract": name} for name in contracts or ()}
        return parse(marked(self.calendars), marked(contracts), marked(clients), marked(train))

    def calendar(self, name: str) -> zones.Calendar:
        return self.policy.calendars[name]

    def contract(self, goal: Goal, rows: Case, terms: Case | None = None) -> Contract:
        contracts = {CLIENT: {"goals": {goal: rows}, **(terms or {})}}
        return self.read(contracts).contracts[CLIENT][0]

    def answer(self, case: Case) -> Answer:
        if case["kind"] not in KINDS:
            return {"unsupported": case["kind"]}
        return KINDS[case["kind"]](self, case)


def opened(at: str, severity: int) -> Event:
    return Event(1, 1, EventKind.OPENED, moment(at), moment(at), "person:x", {"severity": severity})


def event(sequence: int, at: str, kind: EventKind, body: Mapping[str, Any]) -> Event:
    return Event(1, sequence, kind, moment(at), moment(at), "person:x", body)


def named(sequence: int, at: str, name: str, arg: Any = None) -> Event:
    kind, body = EVENTS[name]
    return event(sequence, at, kind, {"to": arg} if kind is EventKind.SEVERITY else body)


def paused(pauses: Iterable[list[str]]) -> list[tuple[str, str]]:
    return [(at, name) for pause in pauses for at, name in zip(pause, ("pause", "resume"), strict=False)]


def log(opening: Event, told: Iterable[tuple[str, str]]) -> list[Event]:
    return [opening, *(named(number, at, name) for number, (at, name) in enumerate(sorted(told), 2))]


def every_severity(row: Case) -> Case:
    return {str(severity): dict(row) for severity in (1, 2, 3, 4)}


def last(contract: Contract, events: list[Event], at: datetime) -> Cycle:
    return cycles(contract, events, at)[-1]


def deadline(worked: Worked, case: Case) -> Answer:
    return {"deadline": shown(worked.calendar(case["calendar"]).add(moment(case["start"]), case["target_s"]))}


def elapsed(worked: Worked, case: Case) -> Answer:
    calendar = worked.calendar(case["calendar"])
    return {"elapsed_s": calendar.open_time(moment(case["start"]), moment(case["end"]))}


def owner(worked: Worked, case: Case) -> Answer:
    duty = on_duty({name: worked.calendar(name) for name in case["sites"]}, moment(case["at"]))
    gap = None if duty.owner else {"site": duty.next_owner, "at": shown(duty.next_at)}
    return {
        "owner": duty.owner,
        "next_if_gap": gap,
        "next_handover": {"at": shown(duty.next_at), "to": duty.next_owner},
    }


def clock(worked: Worked, case: Case) -> Answer:
    contract = clock_contract(worked, case)
    events = [(one["at"], one["type"], one.get("arg")) for one in case["events"]]
    told = [(one, named(number, *one)) for number, one in enumerate(events, 2)]
    told.sort(key=lambda one: (one[1].effective_at, rank(one[0][1]), one[1].sequence))
    so_far, severity = [opened(case["start"], case["severity"])], case["severity"]
    timeline = [entry(contract, so_far, {"event": "opened", "at": case["start"], "severity": severity})]
    for (at, name, arg), one in told:
        so_far.append(one)
        severity = arg if name == "severity" else severity
        timeline.append(entry(contract, so_far, {"event": name, "arg": arg, "at": at, "severity": severity}))
    return {"timeline": timeline, "final": final(contract, so_far, case["expect"]["final"].get("as_of"))}


def clock_contract(worked: Worked, case: Case) -> Contract:
    goal: Goal = case["clock"]
    rows = {key: None if row is None else dict(row) for key, row in case["goal"].items()}
    for row in rows.values():
        if goal == "resolution" and row:
            row.setdefault("pausable", True)
        elif row:
            row.pop("pausable", None)
    again = [one["arg"] for one in case["events"] if one["type"] == "reopen" and one.get("arg")]
    reopen = {goal: again[0]} if again else {}
    change = {"lower": case["rules"]["on_lower"], "raise": case["rules"]["on_raise"]}
    return worked.contract(goal, rows, {"severity_change": change, "reopen": reopen})


def rank(name: str) -> int:
    return {"pause": 1, "severity": 2, "resume": 3, "reopen": 3}.get(name, 0)


def entry(contract: Contract, events: list[Event], told: Answer) -> Answer:
    at = moment(told["at"])
    cycle = last(contract, events, at)
    reading = {"consumed_s": cycle.used(zones.seconds(at)), "deadline": shown(cycle.deadline()), "paused": cycle.held}
    return told | reading


def final(contract: Contract, events: list[Event], as_of: str | None) -> Answer:
    at = moment(as_of) if as_of else events[-1].effective_at
    cycle = last(contract, events, at)
    unfinished = "cancelled" if cycle.cancelled else "met" if cycle.stopped is not None else "running"
    return {
        "as_of": as_of,
        "outcome": "breached" if cycle.breached is not None else unfinished,
        "breached_at": shown(cycle.breached),
        "breach_severity": cycle.breach_severity,
        "stopped_at": shown(cycle.stopped),
        "consumed_s": cycle.used(zones.seconds(at)),
    }


def cadence(worked: Worked, case: Case) -> Answer:
    contract = worked.contract("update", every_severity({"every": case["interval"], "calendar": case["calendar"]}))
    told = [(case["first_response"], "first_response"), *((at, "first_response") for at in case["public_updates"])]
    told += [(at, "internal_note") for at in case["internal_notes"]]
    told += [(at, "client_message") for at in case["client_messages"]] + paused(case["pauses"])
    told += [(case["stop"], "resolve")] if case.get("stop") else []
    events = log(opened(case["opened"], 2), told)
    words = {"first_response": "update", "resolve": "stop", "pause": "pause", "resume": "resume"}
    timeline = []
    for number, (at, name) in enumerate(sorted(told), 2):
        if name in words:
            due = last(contract, events[:number], moment(at)).deadline()
            timeline.append({"at": at, "event": words[name], "next_due": shown(due)})
    found = cycles(contract, events, moment(case["opened"]) + LATER)
    return {"timeline": timeline, "breaches": [shown(cycle.breached) for cycle in found if cycle.breached is not None]}


def warnings(worked: Worked, case: Case) -> Answer:
    names = [one.get("before") or f"{round(one['fraction'] * 100)}%" for one in case["thresholds"]]
    steps = [
        {"before" if "before" in one else "at": name, "notify": ["x"]}
        for one, name in zip(case["thresholds"], names, strict=True)
    ]
    rows = every_severity({"target": case["target"], "calendar": case["calendar"], "pausable": True})
    contract = worked.contract("resolution", rows, {"escalation": {"default": steps}})
    events = log(opened(case["start"], 2), paused(case["pauses"]))
    sounded = {one.alarm.name: one.at for one in last(contract, events, moment(case["start"]) + LATER).sounded}
    given = zip(case["thresholds"], names, strict=True)
    return {"fires": [{"threshold": one, "fires_at": shown(sounded.get(name))} for one, name in given]}


def business_days(worked: Worked, case: Case) -> Answer:
    row = {"business_days": case["business_days"], "by": case["at"], "calendar": case["calendar"], "pausable": True}
    events = log(opened(case["start"], 2), paused(case.get("pauses", [])))
    contract = worked.contract("resolution", every_severity(row))
    return {"deadline": shown(last(contract, events, events[-1].effective_at).deadline())}


def release_train(worked: Worked, case: Case) -> Answer:
    train = {key.removesuffix("_local"): value for key, value in case["train"].items()}
    row = {"target": "40h", "calendar": "24x7", "code_fix": "release_train"}
    contract = worked.read({CLIENT: {"goals": {"resolution": every_severity(row)}}}, train).contracts[CLIENT][0]
    at = case["defect_confirmed"]
    waits = event(2, at, EventKind.STATE, {"to": "awaiting_fix", "kind": "minor_release"})
    return {"deadline": shown(last(contract, [opened(at, 3), waits], moment(at)).deadline())}


def policy_change(worked: Worked, case: Case) -> Answer:
    given = case["given"]
    first = {"target": given["target_v1"], "calendar": given["calendar"]}
    second = first | {"target": given["policy_v2"]["target"]}
    versions = [{"goals": {"resolution": every_severity(row)}} for row in (first, second)]
    dated = versions[1] | {"effective_from": given["policy_v2"]["effective_from"]}
    policy = worked.read({CLIENT: [versions[0], dated]})
    contract = policy.pinned(policy.contract_for(CLIENT, moment(given["opened"])).version)
    due = last(contract, [opened(given["opened"], 2)], moment(given["opened"])).deadline()
    return {"deadline": shown(due), "policy_version": policy.contracts[CLIENT].index(contract) + 1}


def clock_skew(worked: Worked, case: Case) -> Answer:
    """What the sender says of the time is not even handed in."""
    given = case["given"]
    times = {key: value for key, value in given.items() if key not in ("target", "calendar") and "header" not in key}
    recorded = given.get("ingested_at") or max(times.values())
    contract = worked.contract("response", every_severity({"target": given["target"], "calendar": given["calendar"]}))
    opening = replace(opened(min(times.values()), 2), recorded_at=moment(recorded))
    cycle = last(contract, [opening], moment(recorded))
    return {"start": shown(cycle.started), "deadline": shown(cycle.deadline())}


def refused(calendar: Case) -> str:
    """Why a calendar is refused; empty if it is not."""
    try:
        Worked({"calendars": {SITE: calendar}, "cases": []})
    except ConfigError as error:
        return str(error)
    return ""


def validate_window(worked: Worked, case: Case) -> Answer:
    return {"valid": not refused({"tz": "UTC", "weekly": {"mon": [case["given"]["window"]]}})}


def validate_calendar(worked: Worked, case: Case) -> Answer:
    why = refused({"tz": "UTC", "weekly": {"mon": [["09:00", "17:00"]]}} | case["given"])
    code = case["expect"].get("code")
    return {"valid": not why, "code": code if code is None or CODES.get(code, code) in why else why}


def tzdata(worked: Worked, case: Case) -> Answer:
    """Which release's answer is right depends on the one that is installed: that of another is taken as read."""
    local = moment(case["given"]["local_open"])
    at = zones.wall_instant(local.date(), local.hour * 60 + local.minute, zones.zone(case["given"]["zone"]))
    ours = {f"utc_with_tzdata_{name}" for name in (zones.tzdata_version(), version("tzdata").replace(".", "_"))}
    expected: Answer = case["expect"]
    return expected | {key: shown(at) for key in expected if key in ours}


def ingest(worked: Worked, case: Case) -> Answer:
    contract = worked.contract("response", every_severity({"target": "1h", "calendar": "24x7"}))
    events = log(opened(case["given"]["opened"], 2), [(at, name) for at, name in case["given"]["events"]])
    return {"first_response": shown(last(contract, events, events[-1].effective_at).stopped)}


KINDS: dict[str, Callable[[Worked, Case], Answer]] = {
    one.__name__: one
    for one in (
        deadline, elapsed, owner, clock, cadence, warnings, business_days, release_train, policy_change, clock_skew,
        validate_window, validate_calendar, tzdata, ingest,
    )
}  # fmt: skip


def differences(expected: Any, actual: Any, path: str = "") -> list[str]:
    """What is expected and is not so; local times are there for people to read."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        keys = [key for key in expected if not key.endswith("local")]
        return [line for key in keys for line in differences(expected[key], actual.get(key), f"{path}.{key}")]
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        pairs = enumerate(zip(expected, actual, strict=True))
        return [line for i, (one, other) in pairs for line in differences(one, other, f"{path}[{i}]")]
    return [] if expected == actual else [f"{path.lstrip('.')}: expected {expected}, got {actual}"]


def run(file: Path) -> list[tuple[Case, list[str]]]:
    """Each case with what differs in it."""
    worked = Worked(json.loads(file.read_text(encoding="utf-8")))
    return [(case, differences(case["expect"], worked.answer(case))) for case in worked.cases]


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python tests/sla/cases.py FILE", file=sys.stderr)
        return 2
    results = run(Path(arguments[0]))
    for case, wrong in results:
        print(f"{'FAIL' if wrong else 'ok':4} {case['id']} {case['title']}")
        for line in wrong:
            print(f"         {line}")
    failed = sum(bool(wrong) for _, wrong in results)
    print(f"{len(results) - failed} of {len(results)} cases pass")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
