"""A month as a page that a client reads: the same words in Markdown and in HTML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from markupsafe import Markup

from daemon.model import EventKind, Goal
from daemon.report.charts import Bar, bars, days
from daemon.report.month import Report, Share, Summary, Times
from daemon.report.page import Page, Section, Table, Tile
from daemon.report.story import Breach, Due
from daemon.report.words import Tone, length
from daemon.sla.calendar import zone

_GOOD, _NEAR = 0.99, 0.9
_SAID = {"response": "first response", "resolution": "resolution", "update": "updates", "rca": "root cause report"}


def month_page(report: Report) -> Page:
    summary = report.summary
    every = bool(report.clients)
    sections = [_by_client(report.clients)] if every else []
    sections += [
        _kept(summary), _times(summary), _missed(summary, every=every), _opened(summary), _open(summary, every=every),
        _actions(summary, every=every),
    ]  # fmt: skip
    who = "all clients" if summary.client == "all" and every else summary.client
    return Page(f"Service report for {who}, {report.month.title}", _lead(report), _tiles(summary), sections)


def per_cent(share: float | None) -> str:
    """Rounded down: 99.99 % is not all."""
    if share is None:
        return "–"
    tenths = int(share * 1000 + 1e-9)
    return f"{tenths // 10} %" if tenths % 10 == 0 else f"{tenths / 10:.1f} %"


def _lead(report: Report) -> list[str]:
    span = report.summary.span
    whose = "each client's own month and time zone; instants are UTC" if report.clients else f"times of {span.timezone}"
    lines = [f"Made on {report.made_at:%Y-%m-%d at %H:%M} UTC, in {whose}."]
    if not report.is_over:
        lines.append("The month is not over: these are its figures so far.")
    if report.summary.is_empty:
        lines.append("Nothing happened in it: no ticket was opened or open, and nothing was decided.")
    return lines


def _tiles(summary: Summary) -> list[Tile]:
    moved, share = summary.moved, summary.all
    excused = f", {share.excused} excused" if share.excused else ""
    tiles = [
        Tile("Kept", per_cent(share.kept), f"of {share.decisions} decided; {share.breaches} missed{excused}",
             _tone(share.kept)),
        Tile("Opened", str(moved[EventKind.OPENED]), _moves(moved)),
        Tile("Open at the end", str(len(summary.open)), _missing(summary)),
        Tile("First response", _length(summary.answered.mean), "on average"),
        Tile("Resolved in", _length(summary.resolved.mean), "on average"),
    ]  # fmt: skip
    return [] if summary.is_empty else tiles


def _moves(moved: Mapping[EventKind, int]) -> str:
    after = (EventKind.RESOLVED, EventKind.CLOSED, EventKind.REOPENED, EventKind.CANCELLED)
    return ", ".join(f"{moved[kind]} {kind.value}" for kind in after if moved[kind])


def _missing(summary: Summary) -> str:
    late = sum(any(due.missed for due in one.due) for one in summary.open)
    return f"{late} with a promise missed" if late else "none with a promise missed" if summary.open else ""


def _tone(share: float | None) -> Tone:
    if share is None:
        return "calm"
    return "good" if share >= _GOOD else "near" if share >= _NEAR else "late"


def _by_client(clients: Sequence[Summary]) -> Section:
    rows = [
        (one.client, one.span.timezone, str(one.all.decisions), str(one.all.breaches), str(one.all.excused),
         per_cent(one.all.kept), *(str(one.moved[kind]) for kind in (EventKind.OPENED, EventKind.RESOLVED)),
         str(len(one.open)))
        for one in clients
    ]  # fmt: skip
    head = ("client", "time zone", "decided", "missed", "excused", "kept", "opened", "resolved", "open")
    chart = bars("Kept, by client", [_bar(one.client, one.all) for one in clients])
    return Section("By client", (), (Table(head, rows, frozenset(range(2, 9))),), chart)


def _bar(label: str, share: Share) -> Bar:
    return Bar(label, share.kept, f"{per_cent(share.kept)} of {share.decisions}", _tone(share.kept))


def _kept(summary: Summary) -> Section:
    head = ("goal", "severity", "decided", "missed", "excused", "kept", "kept, if nothing were excused")
    rows = [row for goal in dict.fromkeys(goal for goal, _ in summary.shares) for row in _of_goal(summary, goal)]
    drawn = [
        _bar(f"{_SAID[goal]}, severity {severity}", share) for (goal, severity), share in summary.shares.items()
    ]  # fmt: skip
    sums = frozenset(place for place, row in enumerate(rows) if row[1] == "all")
    text = ("A promise is decided once: when it is met, or when it falls due. A breach that is excused is not counted"
            " as missed; it stands below with its reason.")  # fmt: skip
    if not rows:
        return Section("Promises kept", ("Nothing was decided.",))
    return Section(
        "Promises kept", (text,), (Table(head, rows, frozenset(range(1, 7)), sums),), bars("Promises kept", drawn)
    )


def _of_goal(summary: Summary, goal: Goal) -> list[tuple[str, ...]]:
    """By severity, and together where there are several."""
    shares = [(severity, share) for (of, severity), share in summary.shares.items() if of == goal]
    rows = [(_SAID[goal], str(severity), *_figures(share)) for severity, share in shares]
    return rows if len(rows) == 1 else [*rows, (_SAID[goal], "all", *_figures(summary.of_goal(goal)))]


def _figures(share: Share) -> tuple[str, ...]:
    return (
        str(share.decisions), str(share.breaches), str(share.excused), per_cent(share.kept),
        per_cent(share.kept_without_excuses),
    )  # fmt: skip


def _times(summary: Summary) -> Section:
    head = ("from the report to", "tickets", "mean", "median", "nine in ten within")
    named = (("the first response (MTTA)", summary.answered), ("resolution (MTTR)", summary.resolved))
    rows = [(name, *_lengths(times)) for name, times in named]
    text = ("By the wall clock: nights, weekends and waiting for the client count. Of tickets that were answered, or"
            " resolved for the last time, within the month.")  # fmt: skip
    table = Table(head, rows, frozenset(range(1, 5)))
    return Section("How long it took", (text,), (table,), _days(summary))


def _lengths(times: Times) -> tuple[str, ...]:
    return str(times.count), _length(times.mean), _length(times.median), _length(times.p90)


def _length(one: timedelta | None) -> str:
    return "–" if one is None else length(one.total_seconds())


def _days(summary: Summary) -> Markup:
    span, there = summary.span, zone(summary.span.timezone)
    opened = [one.reported_at for one in summary.stories if EventKind.OPENED in one.moved]
    resolved = [one.resolved_at for one in summary.stories if one.resolved_at and one.resolved_after is not None]
    first, last = span.start.astimezone(there).date(), (span.end - timedelta(seconds=1)).astimezone(there).date()
    month = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    counted = {
        name: Counter(at.astimezone(there).date() for at in instants)
        for name, instants in (("opened", opened), ("resolved", resolved))
    }
    return days("Tickets by day", counted, month)


def _missed(summary: Summary, *, every: bool) -> Section:
    if not summary.breaches:
        return Section("Promises missed", ("None.",))
    counted = [one for one in summary.breaches if one.excuse is None]
    excused = [one for one in summary.breaches if one.excuse is not None]
    head = ("ticket", *(("client",) * every), "title", "sev", "promise", "due", "late by", "it was then")
    tables = []
    if counted:
        rows = [_breach(one, summary, every=every) for one in counted]
        tables.append(Table(head, rows, frozenset({0}), caption=f"{len(rows)} missed, the latest first"))
    if excused:
        rows = [
            (*_breach(one, summary, every=every)[:-1], one.excuse.reason, one.excuse.approver)
            for one in excused
            if one.excuse is not None
        ]
        tables.append(Table((*head[:-1], "why", "approved by"), rows, frozenset({0}), caption=f"{len(rows)} excused"))
    return Section("Promises missed", (), tables)


def _breach(one: Breach, summary: Summary, *, every: bool) -> tuple[str, ...]:
    late = _length(one.late) + (" so far" if one.owed else "") if one.late else "not done any more"
    return (
        str(one.ticket), *((one.client,) * every), one.title, str(one.severity), _SAID[one.goal],
        _instant(one.due_at, summary.span.timezone), late, one.stood.replace("_", " "),
    )  # fmt: skip


def _opened(summary: Summary) -> Section:
    number = summary.moved[EventKind.OPENED]
    if not number:
        return Section("Tickets opened", ("None.",))
    named = (("class", summary.classes), ("location", summary.locations))
    tables = [
        Table((name, "tickets"), [(one or "not said", str(many)) for one, many in found.items()], frozenset({1}))
        for name, found in named
    ]
    drawn = [
        Bar(one or "not said", many / number, str(many)) for _, found in named for one, many in list(found.items())[:8]
    ]
    return Section("Tickets opened", (), tables, bars("Tickets opened, by class and by location", drawn))


def _open(summary: Summary, *, every: bool) -> Section:
    if not summary.open:
        return Section("Open at the end", ("None.",))
    head = ("ticket", *(("client",) * every), "title", "sev", "state", "opened", "still due")
    zone_name = summary.span.timezone
    rows = [
        (
            str(one.ticket.id), *((one.ticket.client,) * every), one.ticket.title, str(one.ticket.severity),
            one.ticket.state.replace("_", " "), _instant(one.reported_at, zone_name),
            "; ".join(_due(due, zone_name) for due in one.due) or "nothing",
        )
        for one in sorted(summary.open, key=lambda one: (one.ticket.severity, one.reported_at))
    ]  # fmt: skip
    return Section("Open at the end", (), (Table(head, rows, frozenset({0})),))


def _due(due: Due, timezone: str) -> str:
    if due.deadline is None:
        return f"{_SAID[due.goal]} waits" + (", missed" if due.missed else "")
    return f"{_SAID[due.goal]} {'missed, due' if due.missed else 'by'} {_instant(due.deadline, timezone)}"


def _actions(summary: Summary, *, every: bool) -> Section:
    if not summary.actions:
        return Section("Action items open", ("None.",))
    head = ("item", "ticket", *(("client",) * every), "what", "who", "by")
    rows = [
        (str(one.item), str(one.ticket), *((one.client,) * every), one.text, one.owner,
         one.due + (", overdue" if one.overdue else ""))
        for one in summary.actions
    ]  # fmt: skip
    return Section("Action items open", (), (Table(head, rows, frozenset({0, 1})),))


def _instant(at: datetime, timezone: str) -> str:
    local = at.astimezone(UTC if timezone == "UTC" else zone(timezone))
    return f"{local:%a} {local.day} {local:%b %H:%M}"
