"""Sentry's cron monitors, with the state of each of their environments. Docs: docs.sentry.io/api/crons.

Sentry shows an environment as failing, and not whether its job was missed, failed or timed out; that stands in its
check-ins, for which a failing environment is asked whenever it has moved. A poll asks for few: what is left over is met
again when the same page is read again, where what was told is known.

The cursor: `end` of the last complete scan; `to` and `page` of the running one; `known`: of each environment that was
told as failing, [state, stamp, mark, end of the scan that last met it].
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from daemon.contract import MISSHAPEN, Batch, Unreadable, unreadable
from daemon.errors import Permanent
from daemon.model import Cursor, Json, Polarity, Signal
from integrations._sentry import Account, Api, read, whole, written

_STATUS = {"ok": "ok", "active": "ok", "error": "error", "missed_checkin": "missed", "timeout": "timeout"}
"""What an environment is, in the words of its check-ins. New Sentrys say `error` of all that fails."""
_FAILED = frozenset({"missed", "timeout", "error"})
_POLARITY = {**dict.fromkeys(_FAILED, Polarity.BROKEN), "ok": Polarity.RECOVERED, "gone": Polarity.RECOVERED}
"""`gone` is our own word for what two scans in a row did not meet; `muted` and `disabled` mend nothing."""
_MONITOR = {"slug", "config", "environments"}
_CHECK_IN = ("id", "status", "duration", "dateAdded", "expectedTime")
_ASKED_A_POLL = 5
_TICK = timedelta(minutes=1)
"""Sentry judges once a minute what was missed or timed out."""
_MARGIN, _RUNTIME = 1, 30
"""Minutes: Sentry's own, where a monitor names none."""
_EPOCH = datetime(1970, 1, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class _Known:
    """What we last told of an environment that fails."""

    state: str
    stamp: str
    """When the newest check-in was added that it was told by."""
    mark: str
    """Moves with each check-in, missed ones too."""
    met: str


@dataclass(frozen=True, slots=True)
class _Environment:
    """One of a monitor's, read."""

    key: str
    name: str
    status: str
    quiet: str
    """`muted`, `disabled`, or empty."""
    mark: str
    monitor: Mapping[str, Json]
    said: Mapping[str, Json]

    @property
    def began_at(self) -> datetime | None:
        began = (self.said.get("activeIncident") or {}).get("startingTimestamp")
        return read(began) if began else None

    @property
    def checked_at(self) -> datetime | None:
        return read(self.said["lastCheckIn"]) if self.said.get("lastCheckIn") else None


@dataclass(frozen=True, slots=True)
class _Told:
    """What is told of an environment."""

    status: str
    at: datetime
    stamp: str
    check_in: Mapping[str, Json] | None = None
    failures: int | None = None
    """In a row, as far as a page of check-ins shows."""
    more: int = 1
    """Failures since it was told before."""


@dataclass(slots=True)
class _Scan:
    """The cursor, read, and what the scan meets."""

    source: str
    end: str
    to: datetime
    page: str
    known: dict[str, _Known]
    pages: str = ""
    """Where a person reads; empty where no account says it."""
    signals: list[Signal] = field(default_factory=list)
    bad: list[Unreadable] = field(default_factory=list)

    def cursor(self, page: str | None) -> Json:
        known = {key: [one.state, one.stamp, one.mark, one.met] for key, one in self.known.items()}
        if page is None:
            return {"end": written(self.to), "known": known}
        return {"end": self.end, "to": written(self.to), "page": page, "known": known}

    def spoilt(self, error: Exception, row: Json) -> None:
        self.bad.append(unreadable(error, row))
        for one in self.known.values():
            one.met = written(self.to)  # whichever it was, it is not gone

    def settle(self, one: _Environment) -> bool:
        """Tells what the monitor alone can say of it. False if it fails as it was not known to."""
        before = self.known.get(one.key)
        if before:
            before.met = written(self.to)
        if one.quiet:
            if before and before.state != one.quiet:
                before.state = one.quiet
                self._tell(one, _Told(one.quiet, self.to, written(self.to)))
        elif one.status in _FAILED:
            return before is not None and (before.state, before.mark) == ("failed", one.mark)
        elif before and one.status == "ok":
            del self.known[one.key]
            self._tell(one, _Told("ok", self.to, written(one.checked_at or self.to)))  # it began then, and ended later
        return True

    def fail(self, one: _Environment, check_ins: Iterable[Json] | None) -> None:
        """Tells that it fails. Without `check_ins`, by what the monitor says: that it fails, not that it does again."""
        before = self.known.get(one.key)
        again = before is not None and before.state == "failed"
        told = self._by_check_ins(one, before, check_ins or ())
        if told is None and not again:
            told = self._by_itself(one, muted=before is not None)
        stamp = told.stamp if told else before.stamp if before else ""
        self.known[one.key] = _Known("failed", stamp, one.mark, written(self.to))
        if told:
            self._tell(one, told)

    def _by_check_ins(self, one: _Environment, before: _Known | None, rows: Iterable[Json]) -> _Told | None:
        run = list(_in_a_row(one.name, rows))
        told_to = read(before.stamp) if before and before.stamp else None
        fresh = [row for row in run if told_to is None or read(row["dateAdded"]) > told_to]
        if not fresh:
            return None
        newest = fresh[0]
        at = min(_judged_at(newest, one.monitor), self.to)
        return _Told(newest["status"], at, written(read(newest["dateAdded"])), newest, len(run), len(fresh))

    def _by_itself(self, one: _Environment, muted: bool) -> _Told:
        """What was muted and fails still is told as of now, for its failure was told before."""
        stamps = [self.to] if muted else list(filter(None, (one.began_at, one.checked_at)))
        at = max(stamps, default=self.to)
        return _Told(one.status, at, written(at))

    def _tell(self, one: _Environment, told: _Told) -> None:
        self.signals.append(
            Signal(
                source=self.source,
                type="sentry",
                kind="sentry.cron",
                id=f"{one.key}:{told.status}:{told.stamp}",
                at=told.at,
                fields=_fields(one, told),
                polarity=_POLARITY.get(told.status, Polarity.NONE),
                count=told.failures,
                count_delta=told.more,
                began_at=one.began_at if told.status in _FAILED else None,
                url=self._link(one),
            )
        )

    def _link(self, one: _Environment) -> str | None:
        if not self.pages or "slug" not in one.monitor:
            return None
        place = f"crons/{one.monitor['project']}/{quote(one.monitor['slug'], safe='')}/"
        return f"{self.pages}/{place}?environment={quote(one.name, safe='')}"

    def miss(self) -> None:
        """What two scans in a row did not meet is gone, which ends its trouble."""
        for key, known in list(self.known.items()):
            if known.met in (written(self.to), self.end):
                continue
            del self.known[key]
            if known.state == "failed":
                number, _, name = key.partition("/")
                gone = _Environment(key, name, "gone", "", "", {"id": number}, {})
                self._tell(gone, _Told("gone", self.to, written(self.to)))


class Crons:
    """Cron monitors, as `sentry.cron`: one signal when an environment fails, fails again, is well again, is muted."""

    def __init__(self, name: str, settings: Account, *, check_ins: bool = True) -> None:
        self._name = name
        self._settings = settings
        self._check_ins = check_ins
        self._api = Api(settings, "monitors", "alerts:read")

    def probe(self) -> None:
        self._api.page({"per_page": "1"})

    def poll(self, since: Cursor | None, now: datetime) -> Batch:
        scan = self._scan(since or {}, now)
        try:
            rows, page = self._api.page(self._query(scan))
        except Permanent as error:
            if error.reason != "invalid" or not scan.page:
                raise
            return Batch((), scan.cursor(""), more=True)  # the page's token has expired: this scan starts anew
        if not self._take(scan, rows):
            page = scan.page
        if page is None:
            scan.miss()
        return Batch(
            signals=tuple(sorted(scan.signals, key=lambda signal: (signal.at, signal.id))),
            next=scan.cursor(page),
            more=page is not None,
            watermark=None if page is not None else scan.to - self._settings.lateness - _TICK,
            quarantined=tuple(scan.bad),
        )

    def _scan(self, cursor: Json, now: datetime) -> _Scan:
        known = {key: _Known(*values) for key, values in cursor.get("known", {}).items()}
        pages = self._api.pages
        if "page" in cursor:
            return _Scan(self._name, cursor["end"], read(cursor["to"]), cursor["page"], known, pages)
        return _Scan(self._name, cursor.get("end", ""), now, "", known, pages)

    def _query(self, scan: _Scan) -> dict[str, Any]:
        """By name, which stands still: Sentry's own order begins with what fails, and moves while we read."""
        return {
            "project": self._settings.projects,
            "environment": self._settings.environments,
            "sort": "name",
            "cursor": scan.page or None,
        }

    def _take(self, scan: _Scan, rows: Iterable[Json]) -> bool:
        """Whether the page is done; if not, as many check-ins were asked for as a poll may."""
        asked = 0
        for row in rows:
            try:
                failing = [one for one in _environments(row) if not scan.settle(one)]
            except MISSHAPEN as error:
                scan.spoilt(error, row)
                continue
            for one in failing:
                if asked == _ASKED_A_POLL:
                    return False
                asked += self._check_ins
                self._fail(scan, one, row)
        return True

    def _fail(self, scan: _Scan, one: _Environment, row: Json) -> None:
        check_ins = self._asked(one) if self._check_ins else None
        try:
            scan.fail(one, check_ins)
        except MISSHAPEN as error:
            scan.spoilt(error, {"monitor": row, "checkins": check_ins})
            scan.fail(one, None)

    def _asked(self, one: _Environment) -> list[Json]:
        """The newest page of its check-ins; none if the monitor was deleted since it was listed."""
        try:
            rows, _ = self._api.page({"environment": one.name}, f"{quote(one.monitor['slug'], safe='')}/checkins/")
        except Permanent as error:
            if error.reason != "not_found":
                raise
            return []
        return rows


def _environments(row: Json) -> list[_Environment]:
    """All of one monitor's, or none: raises for a row that cannot be read."""
    all = row["environments"]  # the vendor's schema has one, its answers a list
    return [_environment(row, said) for said in (all if isinstance(all, list) else [all])]


def _environment(row: Json, said: Json) -> _Environment:
    muted = bool(row.get("isMuted")) or bool(said.get("isMuted"))
    one = _Environment(
        key=f"{row['id']}/{said['name']}",
        name=said["name"],
        status=_STATUS.get(said["status"], said["status"]),
        quiet="disabled" if row["status"] == "disabled" else "muted" if muted else "",
        mark=f"{said.get('lastCheckIn')} {said.get('nextCheckIn')}",
        monitor={**row, "slug": str(row["slug"]), "project": (row.get("project") or {}).get("slug")},
        said=said,
    )
    _ = one.began_at, one.checked_at  # what cannot be read shows here
    return one


def _in_a_row(name: str, rows: Iterable[Json]) -> Iterator[Json]:
    """Failed check-ins of an environment, the newest first, back to the last that was well."""
    for row in rows:
        if row["environment"] != name:
            continue
        if row["status"] == "ok":
            return
        if row["status"] in _FAILED:
            yield row


def _judged_at(check_in: Json, monitor: Mapping[str, Json]) -> datetime:
    """When Sentry took it for failed: a margin after it was expected, so long after it began, or when it was told."""
    config = check_in.get("monitorConfig") or monitor.get("config") or {}
    added = read(check_in["dateAdded"])
    if check_in["status"] == "missed":
        expected = check_in.get("expectedTime")
        margin = timedelta(minutes=whole(config.get("checkin_margin") or _MARGIN))
        return max(added, (read(expected) if expected else added) + margin)
    if check_in["status"] == "timeout":
        return added + timedelta(minutes=whole(config.get("max_runtime") or _RUNTIME))
    return max(added, read(check_in.get("dateUpdated") or check_in["dateAdded"]))


def _fields(one: _Environment, told: _Told) -> dict[str, Json]:
    """The vendor's of the monitor and, over them, of its environment; the check-in by itself."""
    monitor = {name: value for name, value in one.monitor.items() if name != "environments"}
    said = {name: value for name, value in one.said.items() if name not in ("name", "dateCreated")}
    fields = {**monitor, **said, "environment": one.name, "status": told.status, "isMuted": one.quiet == "muted"}
    if told.check_in:
        fields["checkIn"] = {name: told.check_in.get(name) for name in _CHECK_IN}
    return fields


def are(rows: Iterable[Json]) -> bool:
    return any(isinstance(row, dict) and _MONITOR <= row.keys() for row in rows)


def as_recorded(name: str, rows: list[Json]) -> list[Signal | Unreadable]:
    """What fails in recorded monitors, by what they say themselves."""
    scan = _Scan(name, "", max(_moments(rows), default=_EPOCH), "", {})
    for row in rows:
        try:
            for one in _environments(row):
                if not scan.settle(one):
                    scan.fail(one, None)
        except MISSHAPEN as error:
            scan.spoilt(error, row)
    return [*scan.signals, *scan.bad]


def _moments(rows: Iterable[Json]) -> Iterator[datetime]:
    for row in rows:
        with suppress(*MISSHAPEN):
            yield from (at for one in _environments(row) for at in (one.began_at, one.checked_at) if at)
