"""`contracts:` → the versions of each contract, oldest first.

gold:
  - effective_from: 2026-07-01T00:00:00Z        (a contract of one version may be a map instead of a list)
    goals: {response: {1: {target: 15m, calendar: 24x7}, 2: …, 3: …, 4: null}, resolution: …, update: …}
    escalation: {default: [{at: 75%, notify: [assignee]}, {before: 30m, …}, {at: breach, then: [page]}]}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from daemon.errors import ConfigError
from daemon.marked_yaml import Mark, MarkedList, MarkedMap, dump, parse, plain
from daemon.model import GOALS, INTERNAL, Goal, Severity
from daemon.sla import reader as read
from daemon.sla.calendar import Calendar, zone
from daemon.sla.promise import BREACH, Alarm, Contract, Promise
from daemon.sla.reader import Reader, Wrong
from daemon.sla.targets import BusinessDays, By, ReleaseTrain

SEVERITIES: tuple[Severity, ...] = (1, 2, 3, 4)
_KEYS = (
    "effective_from", "goals", "escalation", "severity_change", "reopen", "start", "on_recovery",
    "acknowledgement_counts",
    "remind_after_days",
)  # fmt: skip
_ROW_KEYS: dict[Goal, tuple[str, ...]] = {
    "response": ("target", "business_days", "by", "calendar"),
    "resolution": ("target", "business_days", "by", "calendar", "pausable", "code_fix"),
    "update": ("every", "calendar"),
    "rca": ("target", "business_days", "by", "calendar"),
}
_PERCENT = re.compile(r"([0-9]{1,3})%")
_LONGEST_REOPEN = 365


@dataclass(frozen=True, slots=True)
class Mention:
    """A name that an escalation uses and that something else must define."""

    kind: str
    """`notify` or `then`."""
    name: str
    mark: Mark


@dataclass(slots=True)
class Setting:
    """What contracts are read with."""

    reader: Reader
    calendars: Mapping[str, Calendar | None]
    train: ReleaseTrain | None
    mentions: list[Mention] = field(default_factory=list)
    train_table: MarkedMap | None = None
    """What the train was read from."""


def read_contracts(setting: Setting, value: MarkedMap | None) -> dict[str, tuple[Contract, ...]]:
    """Each contract that is named; those without a usable version are there, empty, and were reported."""
    found: dict[str, tuple[Contract, ...]] = {}
    for key, body in (value or {}).items():
        name, mark = str(key), value.value_mark(key) if value else Mark("", 0, 0)
        if "@" in name:
            setting.reader.report(mark, f"contract '{name}': a name holds no '@', which begins its version.")
        versions = _versions(setting, name, body, mark)
        found[name] = tuple(sorted(versions, key=lambda contract: contract.version if contract.since else ""))
    return found


def _versions(setting: Setting, name: str, body: Any, mark: Mark) -> list[Contract]:
    if not isinstance(body, MarkedList):
        contract = _contract(setting, name, body, mark)
        return [contract] if contract else []
    if not body:
        setting.reader.report(mark, f"contract '{name}' has no version.")
    found: dict[str, Contract] = {}
    for index, item in enumerate(body):
        contract = _contract(setting, name, item, body.item_mark(index))
        if contract and contract.version in found:
            hint = "Give each its own effective_from."
            setting.reader.report(
                body.item_mark(index), f"contract '{name}' has two versions from one instant on.", hint
            )
        elif contract:
            found[contract.version] = contract
    return list(found.values())


def _contract(setting: Setting, name: str, body: Any, mark: Mark) -> Contract | None:
    reader, what = setting.reader, f"contract '{name}'"
    table = reader.table(body, mark, what, _KEYS)
    if table is None:
        return None
    since: datetime | None = reader.get(table, "effective_from", read.moment, None)
    contract = Contract(
        name,
        version_name(name, since),
        since,
        _goals(setting, what, table),
        _alarms(setting, what, table),
        start=reader.get(table, "start", read.choice("recorded", "began"), "recorded"),
        on_recovery=reader.get(
            table, "on_recovery", read.choice("resolve", "keep"), "resolve" if name == INTERNAL else "keep"
        ),
        acknowledgement_counts=reader.get(table, "acknowledgement_counts", read.flag, name == INTERNAL),
        remind_after=timedelta(days=reader.get(table, "remind_after_days", read.whole(0, _LONGEST_REOPEN), 3)),
        text=_text(setting, table),
    )
    return _with_changes(reader, what, table, contract)


def _text(setting: Setting, table: MarkedMap) -> str:
    aboard = {} if setting.train_table is None else {"release_train": setting.train_table}
    return dump({"contract": table} | (aboard if "release_train" in str(plain(table.get("goals"))) else {}))


def read_kept(text: str, version: str, calendars: Mapping[str, Calendar]) -> Contract:
    """The contract of that `text`, counting by today's calendars. Raises ConfigError if it cannot be used any more."""
    reader = Reader()
    parts = parse(text, f"contract {version} as it was kept")
    table = parts.get("release_train")
    train = None if table is None else read_train(reader, table, table.mark)
    setting = Setting(reader, calendars, train, train_table=table)
    contract = _contract(setting, version.partition("@")[0], parts["contract"], parts["contract"].mark)
    if contract is None or reader.problems:
        raise ConfigError(reader.problems)
    return replace(contract, version=version)


def version_name(name: str, since: datetime | None) -> str:
    return f"{name}@{since:%Y-%m-%dT%H:%M:%SZ}" if since else f"{name}@first"


def _with_changes(reader: Reader, what: str, table: MarkedMap, contract: Contract) -> Contract:
    """What becomes of the clocks when the severity changes or the client rejects the fix."""
    if "severity_change" in table:
        mark = table.value_mark("severity_change")
        change = reader.table(table["severity_change"], mark, f"severity_change of {what}", ["lower", "raise"])
        if change is not None:
            lower = read.choice("carry", "restart", "proportional", "retroactive")
            contract = replace(
                contract,
                on_lower=reader.get(change, "lower", lower, "carry"),
                on_raise=reader.get(change, "raise", read.choice("restart_capped", "carry"), "restart_capped"),
            )
    if "reopen" in table:
        words = ["response", "resolution", "within_days"]
        reopen = reader.table(table["reopen"], table.value_mark("reopen"), f"reopen of {what}", words)
        if reopen is not None:
            contract = replace(
                contract,
                reopen_response=reader.get(reopen, "response", read.choice("new_cycle", "ignore"), "new_cycle"),
                reopen_resolution=reader.get(reopen, "resolution", read.choice("resume", "restart"), "resume"),
                reopen_within=timedelta(days=reader.get(reopen, "within_days", read.whole(0, _LONGEST_REOPEN), 14)),
            )
    return contract


def _goals(setting: Setting, what: str, table: MarkedMap) -> dict[Goal, dict[Severity, Promise | None]]:
    reader = setting.reader
    if "goals" not in table:
        reader.report(table.mark, f"{what} needs 'goals'.")
        return {}
    goals = reader.table(table["goals"], table.value_mark("goals"), f"goals of {what}", GOALS)
    found: dict[Goal, dict[Severity, Promise | None]] = {}
    for goal in GOALS:
        if goals is not None and goal in goals:
            found[goal] = _rows(setting, goal, goals[goal], goals.value_mark(goal), f"{goal} of {what}")
    if goals is not None and not goals:
        reader.report(goals.mark, f"{what} promises nothing.", f"Its goals are {', '.join(GOALS)}.")
    return found


def _rows(setting: Setting, goal: Goal, value: Any, mark: Mark, what: str) -> dict[Severity, Promise | None]:
    rows = setting.reader.table(value, mark, what, SEVERITIES)
    found: dict[Severity, Promise | None] = {}
    for severity in SEVERITIES if rows is not None else ():
        if rows is None or severity not in rows:
            hint = f"Write '{severity}: null' where nothing is promised."
            setting.reader.report(mark, f"{what} has no row for severity {severity}.", hint)
        elif rows[severity] is None:
            found[severity] = None
        else:
            row_mark = rows.value_mark(severity)
            found[severity] = _promise(
                setting, goal, severity, rows[severity], row_mark, f"{what}, severity {severity},"
            )
    return found


def _promise(setting: Setting, goal: Goal, severity: Severity, row: Any, mark: Mark, what: str) -> Promise | None:
    reader = setting.reader
    table = reader.table(row, mark, what, _ROW_KEYS[goal])
    if table is None:
        return None
    calendar = reader.need(table, "calendar", read.one_of(setting.calendars, "calendar"), what)
    target = _target(reader, goal, table, what)
    pausable = reader.get(table, "pausable", read.flag, severity != 1) if goal == "resolution" else goal == "update"
    train = _train(setting, table)
    if calendar is None or target is None:
        return None
    if isinstance(target, BusinessDays) and calendar.site is None:
        reader.report(mark, f"{what} counts business days: its calendar must be one site's, not '{calendar.name}'.")
        return None
    return Promise(calendar, target, pausable, train)


def _target(reader: Reader, goal: Goal, table: MarkedMap, what: str) -> int | BusinessDays | None:
    if goal == "update":
        return reader.need(table, "every", read.length, what)
    if ("target" in table) == ("business_days" in table):
        reader.report(table.mark, f"{what} needs 'target' or 'business_days', and not both.")
        return None
    if "target" in table:
        if "by" in table:
            reader.report(table.key_mark("by"), f"{what} has 'by', which goes with business_days only.")
        return reader.need(table, "target", read.length, what)
    days = reader.need(table, "business_days", read.whole(0, 366), what)
    by: By | None = reader.need(table, "by", _by, what)
    return None if days is None or by is None else BusinessDays(days, by)


def _by(value: Any) -> By:
    if value == "close":
        return "close"
    return "same_time" if value == "same_time" else read.wall_time(value)


def _train(setting: Setting, table: MarkedMap) -> ReleaseTrain | None:
    if not setting.reader.get(table, "code_fix", read.choice("release_train"), ""):
        return None
    if setting.train is None:
        setting.reader.report(table.value_mark("code_fix"), "there is no release train: 'release_train' is not set.")
    return setting.train


def read_train(reader: Reader, value: Any, mark: Mark) -> ReleaseTrain | None:
    """`{anchor: 2026-01-14T18:00, every_weeks: 6, freeze_days_before: 7, tz: America/Los_Angeles}`"""
    what = "release_train"
    table = reader.table(value, mark, what, ["anchor", "every_weeks", "freeze_days_before", "tz"])
    if table is None:
        return None
    anchor = reader.need(table, "anchor", _local, what)
    tz = reader.need(table, "tz", read.zone_name, what)
    weeks = reader.get(table, "every_weeks", read.whole(1, 52), 6)
    freeze = reader.get(table, "freeze_days_before", read.whole(0, 365), 0)
    return None if anchor is None or tz is None else ReleaseTrain(anchor, zone(tz), weeks, freeze)


def _local(value: Any) -> datetime:
    try:
        at = datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        at = None
    if at is None or at.tzinfo is not None:
        raise Wrong(f"{read.named(value)} is not a local date and time.", "Write it as 2026-01-14T18:00.")
    return at


def _alarms(setting: Setting, what: str, table: MarkedMap) -> dict[tuple[Goal, Severity], tuple[Alarm, ...]]:
    """Warnings by goal and severity: a goal's own list takes the place of the default one."""
    if "escalation" not in table:
        return {}
    mark = table.value_mark("escalation")
    lists = setting.reader.table(table["escalation"], mark, f"escalation of {what}", ["default", *GOALS])
    if lists is None:
        return {}
    read_lists = {key: _steps(setting, key, lists, f"escalation of {what}") for key in lists}
    return {
        (goal, severity): _merged(_of(goal, read_lists.get(goal, read_lists.get("default", []))), severity)
        for goal in GOALS
        for severity in SEVERITIES
    }


_Step = tuple[Alarm, frozenset[Severity]]


def _of(goal: Goal, steps: list[_Step]) -> list[_Step]:
    """Whether anybody has taken the page is a matter of the response alone."""
    return [step for step in steps if goal == "response" or step[0].unacknowledged is None]


def _steps(setting: Setting, key: str, lists: MarkedMap, what: str) -> list[_Step]:
    value, mark = lists[key], lists.value_mark(key)
    if not isinstance(value, MarkedList):
        setting.reader.report(mark, f"{what} is a list for each goal, not {read.named(value)}.")
        return []
    steps = (_step(setting, item, value.item_mark(index)) for index, item in enumerate(value))
    return [step for step in steps if step is not None]


def _step(setting: Setting, item: Any, mark: Mark) -> _Step | None:
    reader, what = setting.reader, "a step of an escalation"
    table = reader.table(
        item, mark, what, ["at", "before", "unacknowledged", "notify", "in_hours", "then", "only_severity"]
    )
    if table is None:
        return None
    when = [key for key in _WHEN if key in table]
    if len(when) != 1:
        reader.report(table.mark, f"{what} needs one of 'at', 'before' and 'unacknowledged'.")
        return None
    if "notify" not in table and "then" not in table:
        reader.report(table.mark, f"{what} needs 'notify' or 'then': nobody would hear of it.")
    only = reader.entries(table, "only_severity", "only_severity", read.whole(1, 4)) or SEVERITIES
    alarm = reader.need(table, when[0], _WHEN[when[0]], what)
    if alarm is None:
        return None
    notify = _names(setting, table, "notify")
    alarm = replace(alarm, then=_names(setting, table, "then"))
    wait = reader.get(table, "in_hours", read.flag, False)
    return (replace(alarm, in_hours=notify) if wait else replace(alarm, notify=notify)), frozenset(only)


def _names(setting: Setting, table: MarkedMap, kind: str) -> tuple[str, ...]:
    names = setting.reader.entries(table, kind, kind, read.text)
    value = table.get(kind)
    if isinstance(value, MarkedList):
        known = set(names)
        items = ((item, value.item_mark(index)) for index, item in enumerate(value))
        setting.mentions += [Mention(kind, str(item), mark) for item, mark in items if item in known]
    return tuple(dict.fromkeys(names))


def _at(value: Any) -> Alarm:
    if value == BREACH:
        return Alarm(BREACH)
    match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if match is None or not 1 <= int(match[1]) <= 100:
        raise Wrong(f"{read.named(value)} is no part of a target.", "Write a part such as 75%, or breach.")
    return Alarm(f"{int(match[1])}%", percent=int(match[1]))


def _before(value: Any) -> Alarm:
    return Alarm(str(value), before=read.length(value))


def _unacknowledged(value: Any) -> Alarm:
    return Alarm(f"unacknowledged {value}", unacknowledged=read.length(value))


_WHEN = {"at": _at, "before": _before, "unacknowledged": _unacknowledged}


def _merged(steps: list[_Step], severity: Severity) -> tuple[Alarm, ...]:
    """One warning for each name: steps at the same point are told together."""
    found: dict[str, Alarm] = {}
    for alarm, only in steps:
        if severity in only:
            found[alarm.name] = _together(found.get(alarm.name, alarm), alarm)
    return tuple(found.values())


def _together(one: Alarm, other: Alarm) -> Alarm:
    """Who is told at once needs no second word in their hours."""
    notify = tuple(dict.fromkeys((*one.notify, *other.notify)))
    in_hours = tuple(name for name in dict.fromkeys((*one.in_hours, *other.in_hours)) if name not in notify)
    return replace(one, notify=notify, in_hours=in_hours, then=tuple(dict.fromkeys((*one.then, *other.then))))
