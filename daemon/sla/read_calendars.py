"""`calendars:` → calendars by name.

24x7: {always: true}                                              (there without being written)
lon:  {tz: Europe/London, weekly: {mon-fri: ["09:00-17:00"]}, holidays: [2026-12-25]}
fts:  {union: [hyd, lon]}
hyd:                                                              (versions: a change is told before it comes)
  - {tz: Asia/Kolkata, weekly: {mon-fri: ["09:00-18:00"]}}
  - {effective_from: 2026-07-01T00:00:00Z, tz: Asia/Kolkata, weekly: {mon-fri: ["10:00-19:00"]}}
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from daemon.marked_yaml import Mark, MarkedList, MarkedMap
from daemon.sla import reader as read
from daemon.sla.calendar import Always, Calendar, HolidayScope, Hours, Union, Weekly, Window, zone
from daemon.sla.reader import Reader, Wrong
from daemon.sla.versions import one_after_another

ALWAYS = "24x7"
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SITE = ("tz", "weekly", "holidays", "holiday_scope", "overrides")
_EVER = datetime(1, 1, 1, tzinfo=UTC)
_DAY = 24 * 60
_WEEK = 7 * _DAY

_Spans = list[tuple[int, int, Mark]]


def read_calendars(reader: Reader, value: MarkedMap | None) -> dict[str, Calendar | None]:
    """Each calendar that is named; None for one that cannot be used, and was reported."""
    found: dict[str, Hours | None] = {ALWAYS: Always()}
    unions: dict[str, MarkedMap] = {}
    for key, body in (value or {}).items():
        name, mark = str(key), value.value_mark(key) if value else Mark("", 0, 0)
        if isinstance(body, MarkedList):
            found[name] = _versions(reader, name, body, mark)
            continue
        table = reader.map(body, mark, f"calendar '{name}'")
        if table is not None and "union" in table:
            reader.table(table, mark, f"calendar '{name}'", ["union"])
            unions[name] = table
        else:
            found[name] = None if table is None else _hours(reader, name, table)
    _keep_always(reader, value)
    known = [*found, *unions]
    for name in unions:
        _join(reader, name, unions, found, known, ())
    return {name: None if hours is None else Calendar(name, hours) for name, hours in found.items()}


def _keep_always(reader: Reader, value: MarkedMap | None) -> None:
    if value is not None and ALWAYS in value and value[ALWAYS] != {"always": True}:
        reader.report(value.key_mark(ALWAYS), f"calendar '{ALWAYS}' is always open.", "Give another one another name.")


def _versions(reader: Reader, name: str, body: MarkedList, mark: Mark) -> Hours | None:
    """The first may go without `effective_from`; it is in force before the second, whatever it says."""
    what = f"calendar '{name}'"
    if not body:
        reader.report(mark, f"{what} has no version.")
    found: list[tuple[datetime, Hours | None]] = []
    for index, item in enumerate(body):
        place = body.item_mark(index)
        table = reader.map(item, place, what)
        if table is None:
            return None
        if "union" in table:
            hint = "Give versions to the calendars in it: it follows them."
            reader.report(table.key_mark("union"), f"{what}: a version cannot be a union.", hint)
            return None
        if index and "effective_from" not in table:
            reader.report(table.mark, f"{what}: each version after the first needs 'effective_from'.")
        since = reader.get(table, "effective_from", read.moment, _EVER)
        if found and since <= found[-1][0] and "effective_from" in table:
            hint = "Oldest first, each with an instant of its own."
            reader.report(table.value_mark("effective_from"), f"{what}: its versions are not in order.", hint)
        found.append((since, _hours(reader, name, table, "effective_from")))
    usable = [(since, hours) for since, hours in found if hours is not None]
    return one_after_another(usable[0][1], usable[1:]) if usable and len(usable) == len(body) else None


def _hours(reader: Reader, name: str, table: MarkedMap, *also: str) -> Hours | None:
    """`also`: what else its table may hold."""
    what = f"calendar '{name}'"
    if "always" in table:
        reader.table(table, table.mark, what, ["always", *also])
        return Always() if reader.need(table, "always", _true, what) else None
    return _site(reader, what, table, *also)


def _true(value: Any) -> bool:
    if value is not True:
        raise Wrong(f"always is true or not there, not {read.named(value)}.")
    return True


def _site(reader: Reader, what: str, table: MarkedMap, *also: str) -> Weekly | None:
    reader.table(table, table.mark, what, [*_SITE, *also])
    tz = reader.need(table, "tz", read.zone_name, what)
    weekly = _weekly(reader, what, table)
    scope: HolidayScope = reader.get(table, "holiday_scope", read.choice("date", "opening_day"), "date")
    holidays, overrides = _holidays(reader, what, table), _overrides(reader, what, table)
    if tz is None or not weekly:
        return None
    return Weekly(zone(tz), weekly, holidays, scope, overrides)


def _weekly(reader: Reader, what: str, table: MarkedMap) -> dict[int, tuple[Window, ...]]:
    if "weekly" not in table:
        reader.report(table.mark, f"{what} needs 'weekly', such as {{mon-fri: [\"09:00-17:00\"]}}.")
        return {}
    mark = table.value_mark("weekly")
    rows = reader.map(table["weekly"], mark, f"weekly of {what}")
    if rows is None:
        return {}
    spans: _Spans = []
    written = 0
    for key, value in rows.items():
        days = reader.attempt(weekdays, key, rows.key_mark(key)) or ()
        windows = reader.each(value, rows.value_mark(key), "opening hours", read.window)
        written += len(value) if isinstance(value, list) else 1
        spans += [(day * _DAY + a, day * _DAY + b, rows.key_mark(key)) for day in days for a, b in windows]
    if not written:
        reader.report(mark, f"{what} never opens: nothing promised on it would ever be due.")
    _refuse_overlap(reader, what, spans, _WEEK)
    weekly: dict[int, tuple[Window, ...]] = {}
    for a, b, _ in sorted(spans, key=lambda span: span[:2]):
        weekly[a // _DAY] = (*weekly.get(a // _DAY, ()), (a % _DAY, b - a // _DAY * _DAY))
    return weekly


def weekdays(key: Any) -> tuple[int, ...]:
    """`mon`, or `sun-thu`: a range may go over the end of the week."""
    first, dash, last = str(key).partition("-")
    for word in (first, last) if dash else (first,):
        if word not in _DAYS:
            raise Wrong(f"'{key}' names no days.", read.nearest(word, _DAYS) or "Write mon, or mon-fri.")
    start, end = _DAYS.index(first), _DAYS.index(last if dash else first)
    return tuple((start + i) % 7 for i in range((end - start) % 7 + 1))


def _refuse_overlap(reader: Reader, what: str, spans: _Spans, period: int) -> None:
    """Hours counted twice are a slip of the pen: also across midnight, and from Sunday to Monday."""
    ordered = sorted(spans, key=lambda span: span[:2])
    again = [(a + period, b + period, mark) for a, b, mark in ordered[:1]] if period else []
    for (_, closes, _), (opens, _, mark) in zip(ordered, [*ordered[1:], *again], strict=False):
        if opens < closes:
            reader.report(mark, f"{what} has opening hours that overlap at {_wall(opens)}.")


def _wall(minute: int) -> str:
    return f"{minute % _DAY // 60:02}:{minute % 60:02}"


def _holidays(reader: Reader, what: str, table: MarkedMap) -> frozenset[date]:
    """A list of dates, or the same under `dates:`."""
    name = f"holidays of {what}"
    value = table.get("holidays")
    if isinstance(value, MarkedMap):
        reader.table(value, table.value_mark("holidays"), name, ["dates"])
        return frozenset(reader.entries(value, "dates", name, read.calendar_date))
    return frozenset(reader.entries(table, "holidays", name, read.calendar_date))


def _overrides(reader: Reader, what: str, table: MarkedMap) -> dict[date, tuple[Window, ...]]:
    if "overrides" not in table:
        return {}
    rows = reader.map(table["overrides"], table.value_mark("overrides"), f"overrides of {what}")
    found: dict[date, tuple[Window, ...]] = {}
    for key, value in (rows or {}).items():
        mark = rows.key_mark(key) if rows else table.mark
        day = reader.attempt(read.calendar_date, key, mark)
        windows = reader.each(value, mark, "opening hours", read.window)
        _refuse_overlap(reader, what, [(a, b, mark) for a, b in windows], 0)
        if day is not None:
            found[day] = tuple(sorted(windows))
    return found


def _join(
    reader: Reader,
    name: str,
    unions: Mapping[str, MarkedMap],
    found: dict[str, Hours | None],
    known: list[str],
    path: tuple[str, ...],
) -> Hours | None:
    """Works a union out, and first the unions in it."""
    if name in found:
        return found[name]
    table = unions[name]
    if name in path:
        circle = " → ".join((*path[path.index(name) :], name))
        reader.report(table.value_mark("union"), f"calendar '{name}' contains itself: {circle}.")
        return None
    names = reader.entries(
        table, "union", f"union of calendar '{name}'", read.one_of({k: k for k in known}, "calendar")
    )
    members = [_join(reader, member, unions, found, known, (*path, name)) for member in names]
    usable = tuple(member for member in members if member is not None)
    if table["union"] == []:
        reader.report(table.value_mark("union"), f"calendar '{name}' never opens: its union is empty.")
    found[name] = Union(usable) if usable and len(usable) == len(members) else None
    return found[name]
