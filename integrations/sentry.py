"""Sentry, one stream a source: issues here, cron monitors in `_sentry_crons`. Docs: docs.sentry.io/api/events.

A scan of issues reads all that were seen since the end of the scan before it, less the look-back, page by page. The
sort key moves while we read: an issue that happens again jumps to a page already read, and the next scan, which starts
earlier than this one ended, sees it. Resolving an issue does not make it "seen", so the unresolved ones that a scan did
not meet are asked for by id, the longest unasked first.

The cursor: `end` of the last complete scan; `from`, `to`, `page` of the running one; `known`: what we last saw of each
issue, as [count, last seen, state, turn, asked].
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from urllib.parse import quote

from pydantic import Field

from daemon.contract import MISSHAPEN, Batch, Duration, Example, Source, Unreadable, unreadable
from daemon.errors import Permanent, Temporary
from daemon.model import Cursor, Json, Polarity, Signal
from daemon.secret import Secret, redact
from integrations import _sentry_crons
from integrations._sentry import Account, Api, read, whole, written
from integrations._sentry_crons import Crons

RECOVERS = True
"""Its signals say when an object has recovered."""

_PAGE = 100
_ASKED_A_SCAN = 10
_KNOWN = 2_000
_POLARITY = {"unresolved": Polarity.BROKEN, "resolved": Polarity.RECOVERED}
_BULKY = ("stats", "project")
_ISSUE = {"id", "shortId", "status", "count", "lastSeen"}
_RESOLVED_IN = {"inNextRelease", "inRelease", "inCommit"}
_RELEASES = ("firstRelease", "lastRelease")
_RELEASES_A_PAGE = 20
_LOOKED_AT = 10
"""Rows of a recording by which it is known for Sentry's: one of them may be spoilt."""
_EPOCH = datetime(1970, 1, 1, 1, tzinfo=UTC)


EXAMPLE = Example(
    {"id": "9", "project": "billing", "level": "fatal", "status": "unresolved", "title": "Timeout"},
    ("level", "fatal"),
    "warning",
    "project",
)


class SourceSettings(Account):
    stream: Literal["issues", "crons"] = Field(
        "issues", description="What is read: `issues`, or `crons`, the monitors of scheduled jobs."
    )
    query: str = Field("", description="More of Sentry's own search syntax, to narrow what is read: `level:fatal`.")
    look_back: Duration = Field(
        timedelta(minutes=10), description="How much of the time already read is read again, for what shows late."
    )
    follow: Duration = Field(
        timedelta(days=2), description="How long a quiet unresolved issue is still asked after, to see it resolved."
    )
    releases: bool = Field(
        False,
        description="Whether a changed issue is asked for its `firstRelease` and `lastRelease`, which the list does not"
        " show: one call each, for the 20 of a page with the most new events.",
    )
    check_ins: bool = Field(
        True,
        description="With `crons`: whether the check-ins of a failing monitor are asked for, one call for each failure,"
        " to tell what was missed from what failed or timed out.",
    )


@dataclass(slots=True)
class _Known:
    """What we last saw of an issue."""

    count: int
    seen: str
    state: str
    turn: int = 0
    """Grows when the state changes and nothing else does, so that such a change has an id of its own."""
    asked: str = ""


@dataclass(frozen=True, slots=True)
class _Change:
    """A row, and what names what happened to it."""

    row: Mapping[str, Json]
    id: str
    count: int
    at: datetime


@dataclass(slots=True)
class _Scan:
    """The cursor, read, and what the scan meets."""

    source: str
    start: datetime
    to: datetime
    page: str | None
    known: dict[str, _Known]
    signals: list[Signal] = field(default_factory=list)
    bad: list[Unreadable] = field(default_factory=list)

    def cursor(self, page: str | None) -> Json:
        known = {key: [one.count, one.seen, one.state, one.turn, one.asked] for key, one in self.known.items()}
        if page is None:
            return {"end": written(self.to), "known": known}
        return {"from": written(self.start), "to": written(self.to), "page": page, "known": known}

    def take(self, rows: Iterable[Json]) -> None:
        for row in rows:
            try:
                self.signals.extend(self._changes(row))
            except MISSHAPEN as error:
                self.bad.append(unreadable(error, row))

    def _changes(self, row: Json) -> list[Signal]:
        """What happened to the issue since we last saw it. Remembers the issue."""
        key, count, status = str(row["id"]), whole(row["count"]), row["status"]
        seen = row.get("lastSeen") or row.get("firstSeen") or ""
        state = "/".join(filter(None, (status, row.get("substatus"))))
        before = self.known.get(key)
        again = before is None or (before.count, before.seen) != (count, seen)
        if before and not again and before.state == state:
            before.asked = written(self.to)
            return []
        turn = 0 if again or before is None else before.turn + 1
        at = read(seen) if seen else self.to
        made = _Change(row, f"{key}:{state}:{seen}#{count}" + (f"~{turn}" if turn else ""), count, at)
        delta = _delta(before, count, row, self.start) if again else 0
        if status == "unresolved" and again:
            changes = [self._signal(made, status, at, delta)]
        elif status == "resolved" and again:  # events that came before it was resolved, and the resolving
            row_then = {**row, "substatus": _broke_as(before, row, self.start)}
            broke = _Change(row_then, f"{key}:unresolved:{seen}#{count}", count, at)
            changes = [self._signal(broke, "unresolved", at, delta), self._signal(made, status, self.to, 0)]
        else:
            changes = [self._signal(made, status, self.to, 0)]
        self.known[key] = _Known(count, seen, state, turn, written(self.to))
        return changes

    def _signal(self, change: _Change, status: str, at: datetime, delta: int) -> Signal:
        row = change.row
        return Signal(
            source=self.source,
            type="sentry",
            kind="sentry.issue",
            id=change.id,
            at=max(at, change.at),
            fields=_fields({**row, "status": status}, change.count),
            polarity=_POLARITY.get(status, Polarity.NONE),
            count=change.count,
            count_delta=delta,
            began_at=read(row["firstSeen"]) if row.get("firstSeen") else None,
            url=str(row["permalink"]) if row.get("permalink") else None,
        )


class Issues:
    """Organisation issues, as `sentry.issue`: one signal for each change of an issue's state, count or last event.

    An issue that is met resolved, with events that we did not know, tells both: that it broke and that it recovered.
    """

    def __init__(self, name: str, settings: SourceSettings) -> None:
        self._name = name
        self._settings = settings
        self._api = Api(settings, "issues", "event:read")

    def probe(self) -> None:
        self._api.page({"query": "", "limit": "1"})

    def poll(self, since: Cursor | None, now: datetime) -> Batch:
        scan = self._scan(since, now)
        try:
            rows, page = self._api.page(self._query(scan))
        except Permanent as error:
            if error.reason != "invalid" or not scan.page:
                raise
            return Batch((), scan.cursor(""))  # the page's token has expired: this scan starts anew
        scan.take(rows)
        if self._settings.releases:
            scan.signals = self._released(scan.signals)
        if page is None:
            self._ask(scan)
            self._forget(scan)
        return Batch(
            signals=tuple(sorted(scan.signals, key=lambda signal: (signal.at, signal.id))),
            next=scan.cursor(page),
            more=page is not None,
            watermark=None if page is not None else scan.to - self._settings.lateness,
            quarantined=tuple(scan.bad),
        )

    def _scan(self, since: Cursor | None, now: datetime) -> _Scan:
        cursor = since or {}
        known = {key: _Known(*values) for key, values in cursor.get("known", {}).items()}
        if "page" in cursor:
            return _Scan(self._name, read(cursor["from"]), read(cursor["to"]), cursor["page"], known)
        end = min(read(cursor["end"]), now) if "end" in cursor else now
        return _Scan(self._name, end - self._settings.look_back, now, None, known)

    def _query(self, scan: _Scan) -> dict[str, Any]:
        window = f"lastSeen:>={scan.start:%Y-%m-%dT%H:%M:%SZ}"
        return {
            "query": f"{window} {self._settings.query}".strip(),
            "project": self._settings.projects,
            "environment": self._settings.environments,
            "sort": "date",
            "limit": str(_PAGE),
            "cursor": scan.page or None,
        }

    def _ask(self, scan: _Scan) -> None:
        """Asks by id for unresolved issues that this scan did not meet."""
        quiet = [
            (one.asked, key)
            for key, one in scan.known.items()
            if one.state.startswith("unresolved") and one.asked < written(scan.to)
        ]
        for _, key in sorted(quiet)[:_ASKED_A_SCAN]:
            try:
                row = self._api.one(f"{quote(key, safe='')}/", {})
            except Permanent as error:
                if error.reason != "not_found":
                    raise
                del scan.known[key]  # deleted, or merged into another
                continue
            if not isinstance(row, dict) or str(row.get("id")) != key:
                raise Temporary("bad_answer", f"Sentry's answer is not issue {key}")
            scan.take([row])
            scan.known[key].asked = written(scan.to)

    def _released(self, signals: list[Signal]) -> list[Signal]:
        """Gives the broken issues with the most new events the releases that they began in and were last seen in."""
        broken = [signal for signal in signals if signal.polarity is Polarity.BROKEN]
        most = sorted(broken, key=lambda signal: signal.count_delta, reverse=True)[:_RELEASES_A_PAGE]
        found = {signal.id: self._releases(str(signal.fields["id"])) for signal in most}
        return [one._replace(fields={**one.fields, **found.get(one.id, {})}) for one in signals]

    def _releases(self, key: str) -> dict[str, Json]:
        try:
            row = self._api.one(f"{quote(key, safe='')}/", {"collapse": ["stats", "tags"]})
        except Permanent as error:
            if error.reason != "not_found":
                raise
            return {}  # deleted since it was listed
        if not isinstance(row, dict) or str(row.get("id")) != key:
            raise Temporary("bad_answer", f"Sentry's answer is not issue {key}")
        return {name: _release(row.get(name)) for name in _RELEASES}

    def _forget(self, scan: _Scan) -> None:
        oldest = written(scan.to - self._settings.follow)
        newest = sorted(scan.known.items(), key=lambda item: item[1].seen, reverse=True)[:_KNOWN]
        scan.known = {key: one for key, one in newest if one.seen >= oldest}


def _broke_as(before: _Known | None, row: Json, start: datetime) -> str | None:
    """The substatus that an issue had, now resolved, when its newest events came; None where nothing tells it.

    Sentry shows none of a resolved issue. Events of one that was resolved made it regress, unless it was resolved in a
    release or commit: those of older releases leave such a one resolved.
    """
    if before is None:
        began = row.get("firstSeen")
        return "new" if began and read(began) >= start else None
    status, _, substatus = before.state.partition("/")
    if status == "resolved":
        return None if _RESOLVED_IN & (row.get("statusDetails") or {}).keys() else "regressed"
    return substatus or None if status == "unresolved" else None


def _delta(before: _Known | None, count: int, row: Json, start: datetime) -> int:
    """How many events are new. Of an issue met first, all if it began in this scan's window; else at least one."""
    if before:
        return max(count - before.count, 1)
    began = row.get("firstSeen")
    return count if began and read(began) >= start else 1


def _release(said: Json) -> Json:
    """Of a release what names it; the rest is long."""
    if not isinstance(said, dict):
        return None
    return {name: said.get(name) for name in ("version", "shortVersion", "dateCreated")}


def _fields(row: Mapping[str, Json], count: int) -> dict[str, Json]:
    """The vendor's, with `count` as a number and `project` as its slug."""
    kept = {name: value for name, value in row.items() if name not in _BULKY}
    kept |= {name: _release(row[name]) for name in _RELEASES if name in row}
    project = row.get("project") or {}
    return {**kept, "count": count, "userCount": whole(row.get("userCount") or 0), "project": project.get("slug")}


def source(name: str, settings: SourceSettings) -> Source:
    if settings.stream == "crons":
        return Crons(name, settings, check_ins=settings.check_ins)
    return Issues(name, settings)


def recorded(name: str, document: Json) -> Iterable[Signal | Unreadable] | None:
    """Of an issue, a cron monitor, or a list of them: read as if the newest event in it had just been seen."""
    rows = document if isinstance(document, list) else [document]
    if _sentry_crons.are(rows[:_LOOKED_AT]):
        return _sentry_crons.as_recorded(name, rows)
    if not any(isinstance(row, dict) and _ISSUE <= row.keys() for row in rows[:_LOOKED_AT]):
        return None
    read_at = max(_last_seen(rows), default=_EPOCH)
    scan = _Scan(name, read_at - SourceSettings.model_fields["look_back"].default, read_at, None, {})
    scan.take(rows)
    return [*scan.signals, *scan.bad]


def _last_seen(rows: Iterable[Json]) -> Iterator[datetime]:
    for row in rows:
        with suppress(*MISSHAPEN):
            yield read(row["lastSeen"])


def report_errors(dsn: Secret) -> None:
    """Sends what is logged as an error to the project of `dsn`: no values of variables, and no secret that we know."""
    import sentry_sdk

    def without_secrets(event: Any, hint: Any) -> Any:
        return json.loads(redact(json.dumps(event, default=str)))

    sentry_sdk.init(
        dsn=dsn.reveal(),
        before_send=without_secrets,
        include_local_variables=False,
        include_source_context=False,
        server_name="heliograph",
        max_breadcrumbs=0,
        auto_session_tracking=False,
        auto_enabling_integrations=False,
    )
