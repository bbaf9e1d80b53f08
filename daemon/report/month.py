"""A month of what was promised: kept, missed and excused; how long it took; what is open. All from the store."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from daemon.model import GOALS, EventKind, Goal, Severity
from daemon.report.span import Month, Span
from daemon.report.story import MOVED, Breach, OpenAction, Story, story
from daemon.sla.policy import Policy
from daemon.store import reports


@dataclass(frozen=True, slots=True)
class Share:
    """How much of what was decided was kept."""

    decisions: int
    breaches: int
    """Those that are excused are not among them."""
    excused: int

    @property
    def kept(self) -> float | None:
        """1 less breaches by decisions; None where nothing was decided or missed. A clock that went on after it was
        met, and was missed then, is a breach without a decision of its own: at worst nothing was kept."""
        return self._kept(self.breaches)

    @property
    def kept_without_excuses(self) -> float | None:
        return self._kept(self.breaches + self.excused)

    def _kept(self, missed: int) -> float | None:
        if not self.decisions and not missed:
            return None
        return max(0.0, 1 - missed / max(self.decisions, 1))


@dataclass(frozen=True, slots=True)
class Times:
    """Lengths by the wall clock."""

    count: int
    mean: timedelta | None
    median: timedelta | None
    p90: timedelta | None
    """The shortest that nine in ten do not exceed."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Of one client, or of several together."""

    client: str
    span: Span
    shares: Mapping[tuple[Goal, Severity], Share]
    """Only where something was decided or missed."""
    answered: Times
    """From the report to the first response (MTTA), of tickets that had it within the month."""
    resolved: Times
    """From the report to the last time that it was resolved (MTTR), of tickets that were within the month."""
    moved: Mapping[EventKind, int]
    breaches: Sequence[Breach]
    """The latest first; those that are excused too."""
    classes: Mapping[str, int]
    """Of tickets that were opened."""
    locations: Mapping[str, int]
    stories: Sequence[Story]

    @property
    def open(self) -> Sequence[Story]:
        return [one for one in self.stories if one.is_open]

    @property
    def actions(self) -> Sequence[OpenAction]:
        return sorted((one for each in self.stories for one in each.actions), key=lambda one: (one.due, one.item))

    @property
    def is_empty(self) -> bool:
        return not self.stories

    def of_goal(self, goal: Goal) -> Share:
        return total(share for (of, _), share in self.shares.items() if of == goal)

    @property
    def all(self) -> Share:
        return total(self.shares.values())


@dataclass(frozen=True, slots=True)
class Report:
    month: Month
    made_at: datetime
    summary: Summary
    clients: Sequence[Summary]
    """Each by itself, where the report is on all of them; else empty."""

    @property
    def is_over(self) -> bool:
        return self.made_at >= self.summary.span.end


def total(shares: Iterable[Share]) -> Share:
    every = list(shares)
    return Share(*(sum(getattr(one, name) for one in every) for name in ("decisions", "breaches", "excused")))


def make(connection: Connection, policy: Policy, month: Month, client: str | None, now: datetime) -> Report:
    """Of one client, or of all of them where none is named: each by the clock of its own time zone."""
    names = [client] if client is not None else sorted({*policy.clients, *reports.clients(connection)})
    spans = {name: month.span(timezone_of(policy, name)) for name in names}
    whole = Span(min(one.start for one in spans.values()), max(one.end for one in spans.values()), "UTC")
    found: dict[str, list[Story]] = {name: [] for name in names}
    for one in reports.concerned(connection, whole.start, whole.end, client):
        span = spans[one.ticket.client]
        if one.log[0].effective_at < span.end and (told := story(policy, one, span, now)).is_told:
            found[one.ticket.client].append(told)
    if client is not None:
        return Report(month, now, summarise(client, spans[client], found[client]), ())
    each = [summarise(name, spans[name], stories) for name, stories in found.items() if stories]
    every = [told for stories in found.values() for told in stories]
    return Report(month, now, summarise("all", whole, every), each)


def timezone_of(policy: Policy, client: str) -> str:
    known = policy.clients.get(client)
    return "UTC" if known is None else known.timezone


def summarise(client: str, span: Span, stories: Sequence[Story]) -> Summary:
    opened = [one for one in stories if EventKind.OPENED in one.moved]
    breaches = [breach for one in stories for breach in one.breaches]
    return Summary(
        client=client,
        span=span,
        shares=_shares(stories),
        answered=times([one.answered_after for one in stories if one.answered_after is not None]),
        resolved=times([one.resolved_after for one in stories if one.resolved_after is not None]),
        moved={kind: sum(one.moved.get(kind, 0) for one in stories) for kind in MOVED},
        breaches=sorted(breaches, key=lambda one: (-one.late, one.ticket, one.goal, one.cycle)),
        classes=_most(one.class_ for one in opened),
        locations=_most(one.location for one in opened),
        stories=stories,
    )


def times(lengths: Sequence[timedelta]) -> Times:
    seconds = sorted(one.total_seconds() for one in lengths)
    if not seconds:
        return Times(0, None, None, None)
    ninth = seconds[-(-len(seconds) * 9 // 10) - 1]
    mean, median = statistics.fmean(seconds), statistics.median(seconds)
    return Times(len(seconds), *(timedelta(seconds=one) for one in (mean, median, ninth)))


def _shares(stories: Sequence[Story]) -> Mapping[tuple[Goal, Severity], Share]:
    decided = Counter(one for told in stories for one in told.decided)
    breaches = [one for told in stories for one in told.breaches]
    missed = Counter((one.goal, one.severity) for one in breaches if one.excuse is None)
    excused = Counter((one.goal, one.severity) for one in breaches if one.excuse is not None)
    keys = sorted({*decided, *missed, *excused}, key=lambda key: (GOALS.index(key[0]), key[1]))
    return {key: Share(decided[key], missed[key], excused[key]) for key in keys}


def _most(names: Iterable[str]) -> Mapping[str, int]:
    """The most frequent first."""
    return dict(sorted(Counter(names).items(), key=lambda pair: (-pair[1], pair[0])))
