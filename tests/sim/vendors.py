"""Vendors in memory, with the semantics that make them hard: late and repeated, asynchronous, not idempotent."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from daemon.contract import Batch, Facts
from daemon.model import Cursor, Delivery, Fact, FactKind, Polarity, Receipt, Signal
from tests.sim.faults import Faults

Now = Callable[[], datetime]

LATEST = timedelta(minutes=6)
"""A signal shows at most so long after it happened."""
OVERLAP = timedelta(minutes=8)
"""How far back each scan looks again."""
_PAGE = 3

FIND_LAG = timedelta(seconds=10)
"""How long PagerDuty hides a page from a look-up."""
SEARCH_LAG = timedelta(seconds=60)
"""How long Jira's index hides an issue from a search."""
LEFT_ALONE = timedelta(seconds=15)
"""Nobody touches a page before."""


@dataclass(frozen=True)
class Shown:
    """A signal, and when the vendor's API begins to show it."""

    signal: Signal
    visible_at: datetime


@dataclass
class Watcher:
    """Where things break: polled by pages of a frozen window, and pushing the same signals by webhook."""

    name: str
    faults: Faults
    overlap: timedelta = OVERLAP
    shown: list[Shown] = field(default_factory=list)

    def probe(self) -> None: ...

    def show(self, signal: Signal, visible_at: datetime) -> None:
        self.shown.append(Shown(signal, visible_at))

    def poll(self, since: Cursor | None, now: datetime) -> Batch:
        return self.faults.answer(lambda: self._scan(since, now), writes=False)

    def _scan(self, since: Cursor | None, now: datetime) -> Batch:
        scan = since if since and "after" in since else self._next_scan(since, now)
        start, end = _instant(scan["start"]), _instant(scan["end"])
        found = self._found(start, end, tuple(scan["after"]), now)
        page = tuple(found[:_PAGE])
        if len(found) > _PAGE:
            return Batch(page, {**scan, "after": list(_place(page[-1]))}, more=True)
        return Batch(page, {"until": scan["end"]}, watermark=end - LATEST)

    def _found(self, start: datetime, end: datetime, after: tuple[str, str], now: datetime) -> list[Signal]:
        visible = (each.signal for each in self.shown if each.visible_at <= now)
        return sorted((s for s in visible if start <= s.at <= end and _place(s) > after), key=_place)

    def _next_scan(self, since: Cursor | None, now: datetime) -> dict[str, Any]:
        begin = _instant(since["until"]) if since else now
        return {"start": (begin - self.overlap).isoformat(), "end": now.isoformat(), "after": ["", ""]}

    def receive(self, headers: Mapping[str, str], body: bytes, now: datetime) -> tuple[Signal, ...]:
        wanted = json.loads(body)["id"]
        return tuple(each.signal for each in self.shown if each.signal.id == wanted)[:1]


def _place(signal: Signal) -> tuple[str, str]:
    return signal.at.isoformat(), signal.id


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


@dataclass
class Page:
    key: str
    incident: str
    opened_at: datetime
    resolved: bool = False
    by_person: bool = False


@dataclass
class Pager:
    """PagerDuty: a trigger joins the open page of its key; after a resolve it opens a NEW one."""

    faults: Faults
    now: Now
    pages: list[Page] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    settle: timedelta = 2 * FIND_LAG

    def probe(self) -> None: ...

    def deliver(self, delivery: Delivery) -> Receipt:
        return self.faults.answer(lambda: self._take(delivery), writes=True)

    def find(self, delivery: Delivery) -> Receipt | None:
        return self.faults.answer(lambda: self._look_up(delivery), writes=False)

    def poll(self, since: Cursor | None, now: datetime) -> Facts:
        """From a little before where the last reading stopped: facts come twice."""
        begin = max(0, since["n"] - 2) if since else 0
        return self.faults.answer(lambda: Facts(tuple(self.facts[begin:]), {"n": len(self.facts)}), writes=False)

    def person(self, page: Page, kind: FactKind) -> None:
        """Somebody acknowledges or resolves the page."""
        if page.resolved or self.now() - page.opened_at < LEFT_ALONE:
            return
        if kind is FactKind.RESOLVED:
            page.resolved = page.by_person = True
        self.facts.append(Fact(kind, f"f{len(self.facts)}", page.key, self.now(), actor="pagerduty:PXASHA1"))

    def _take(self, delivery: Delivery) -> Receipt:
        unresolved = [page for page in self.pages if page.key == delivery.key and not page.resolved]
        if delivery.verb == "close":
            for page in unresolved:
                page.resolved = True
        elif delivery.verb == "open" and not unresolved:
            self.pages.append(Page(delivery.key, str(delivery.body["incident"]), self.now()))
        return Receipt(delivery.key)

    def _look_up(self, delivery: Delivery) -> Receipt | None:
        seen = [page for page in self.pages if page.key == delivery.key and page.opened_at + FIND_LAG <= self.now()]
        if delivery.verb == "close":
            return Receipt(delivery.key) if seen and all(page.resolved for page in seen) else None
        return Receipt(delivery.key) if seen else None


@dataclass
class Issue:
    label: str
    created_at: datetime


@dataclass
class Tracker:
    """Jira: each create makes an issue; a search by label sees it only once the index has caught up."""

    faults: Faults
    now: Now
    issues: list[Issue] = field(default_factory=list)
    settle: timedelta = SEARCH_LAG + timedelta(seconds=30)

    def probe(self) -> None: ...

    def deliver(self, delivery: Delivery) -> Receipt:
        return self.faults.answer(lambda: self._create(delivery), writes=True)

    def find(self, delivery: Delivery) -> Receipt | None:
        return self.faults.answer(lambda: self._search(delivery), writes=False)

    def _create(self, delivery: Delivery) -> Receipt:
        self.issues.append(Issue(delivery.key, self.now()))
        return Receipt(f"ENG-{len(self.issues)}")

    def _search(self, delivery: Delivery) -> Receipt | None:
        for number, issue in enumerate(self.issues, 1):
            if issue.label == delivery.key and issue.created_at + SEARCH_LAG <= self.now():
                return Receipt(f"ENG-{number}")
        return None


@dataclass
class Postman:
    """Mail: taken or not, and nobody can be asked."""

    faults: Faults
    taken: list[str] = field(default_factory=list)

    def probe(self) -> None: ...

    def deliver(self, delivery: Delivery) -> Receipt:
        return self.faults.answer(lambda: self._take(delivery), writes=True)

    def _take(self, delivery: Delivery) -> Receipt:
        self.taken.append(delivery.key)
        return Receipt(delivery.key)


def signal(source: str, number: int, project: str, level: str, at: datetime, polarity: Polarity) -> Signal:
    fields = {"project": project, "level": level}
    return Signal(source, "sentry", "sentry.issue", f"s{number:03d}", at, fields, polarity)
