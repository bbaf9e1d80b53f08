"""A month for machines: as JSON, and as a sheet with a row for each ticket."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from daemon.report.month import Report, Share, Summary, Times
from daemon.report.story import MOVED, Breach, OpenAction, Story

COLUMNS = (
    "ticket", "client", "severity", "state", "class", "location", "title", "assignee", "reported_at",
    "first_response_at", "first_response_seconds", "resolved_at", "resolved_seconds", "reopened", "decided", "missed",
    "excused", "late_seconds",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""Where a cell begins with one of these a spreadsheet may take it for a formula, and run it."""


def as_csv(report: Report) -> str:
    """Instants are UTC; lengths are seconds by the wall clock, only of what came within the month."""
    written = io.StringIO()
    sheet = csv.writer(written, lineterminator="\r\n")
    sheet.writerow(COLUMNS)
    sheet.writerows([_cell(value) for value in _row(one)] for one in report.summary.stories)
    return written.getvalue()


def _row(one: Story) -> Sequence[Any]:
    ticket = one.ticket
    counted = [breach for breach in one.breaches if breach.excuse is None]
    excused = [breach for breach in one.breaches if breach.excuse is not None]
    late = max((breach.late for breach in counted), default=None)
    return (
        ticket.id, ticket.client, ticket.severity, ticket.state.value, one.class_, one.location, ticket.title,
        ticket.assignee, _at(one.reported_at), _at(one.answered_at), _seconds(one.answered_after), _at(one.resolved_at),
        _seconds(one.resolved_after), one.moved.get(MOVED[3], 0), len(one.decided), _goals(counted), _goals(excused),
        _seconds(late),
    )  # fmt: skip


def _goals(breaches: Iterable[Breach]) -> str:
    return " ".join(sorted(one.goal for one in breaches))


def _cell(value: Any) -> Any:
    """Text that a spreadsheet shows and does not run."""
    if value is None:
        return ""
    if isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA):
        return f"'{value}"
    return value


def as_json(report: Report) -> str:
    said = {
        "month": str(report.month),
        "made_at": _at(report.made_at),
        "over": report.is_over,
        **_summary(report.summary),
        "clients": [_summary(one) for one in report.clients],
    }
    return json.dumps(said, indent=2, ensure_ascii=False) + "\n"


def _summary(of: Summary) -> dict[str, Any]:
    return {
        "client": of.client,
        "timezone": of.span.timezone,
        "start": _at(of.span.start),
        "end": _at(of.span.end),
        "kept": _share(of.all),
        "goals": [
            {"goal": goal, "severity": severity, **_share(share)} for (goal, severity), share in of.shares.items()
        ],
        "first_response": _times(of.answered),
        "resolution": _times(of.resolved),
        "tickets": {kind.value: of.moved[kind] for kind in MOVED},
        "opened_by_class": dict(of.classes),
        "opened_by_location": dict(of.locations),
        "breaches": [_breach(one) for one in of.breaches],
        "open": [_open(one) for one in of.open],
        "actions_open": [_action(one) for one in of.actions],
    }


def _share(share: Share) -> dict[str, Any]:
    return {
        "decisions": share.decisions, "breaches": share.breaches, "excused": share.excused, "compliance": share.kept,
        "compliance_without_excuses": share.kept_without_excuses,
    }  # fmt: skip


def _times(times: Times) -> dict[str, Any]:
    return {
        "tickets": times.count, "mean_seconds": _seconds(times.mean), "median_seconds": _seconds(times.median),
        "p90_seconds": _seconds(times.p90),
    }  # fmt: skip


def _breach(one: Breach) -> dict[str, Any]:
    excuse = one.excuse and {"reason": one.excuse.reason, "approver": one.excuse.approver}
    return {
        "ticket": one.ticket, "client": one.client, "title": one.title, "goal": one.goal, "cycle": one.cycle,
        "severity": one.severity, "due_at": _at(one.due_at), "met_at": _at(one.met_at), "still_owed": one.owed,
        "late_seconds": _seconds(one.late), "state_when_due": one.stood.value, "excuse": excuse,
    }  # fmt: skip


def _open(one: Story) -> dict[str, Any]:
    return {
        "ticket": one.ticket.id, "client": one.ticket.client, "title": one.ticket.title,
        "severity": one.ticket.severity, "state": one.ticket.state.value, "reported_at": _at(one.reported_at),
        "due": [{"goal": due.goal, "deadline": _at(due.deadline), "missed": due.missed} for due in one.due],
    }  # fmt: skip


def _action(one: OpenAction) -> dict[str, Any]:
    return {
        "item": one.item, "ticket": one.ticket, "client": one.client, "text": one.text, "owner": one.owner,
        "due": one.due, "overdue": one.overdue,
    }  # fmt: skip


def _at(instant: datetime | None) -> str | None:
    return None if instant is None else f"{instant:%Y-%m-%dT%H:%M:%SZ}"


def _seconds(length: timedelta | None) -> int | None:
    return None if length is None else int(length.total_seconds())
