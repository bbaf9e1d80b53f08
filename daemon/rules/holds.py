"""Whether an opening is held, by what, and until when. Pure: instants and what stands are handed in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import chain
from typing import Literal, TypeAlias

from daemon.rules.policy import Inhibition, Maintenance, RulePolicy, Selector
from daemon.sla.calendar import instant, wall_instant, zone

Span: TypeAlias = tuple[datetime, datetime]
"""From, and up to but without."""

_DAY = timedelta(days=1)
_BEHIND = 2
"""Days before today on which a window that is open now may have opened: overnight, in a zone that left a date out."""
_AHEAD = 15
"""Days within which any weekday comes twice: the first of them may fall into a gap of the clock."""
_LAST = date(9990, 1, 1).toordinal()
"""No window opens from then on: a day after the last that there is cannot be told."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What an opening is about."""

    fields: Mapping[str, str]
    """As selectors name them; what it has not is left out, or empty."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Made by a person while the daemon runs: openings that it selects are held from `begins` up to `ends`."""

    id: str
    selector: Selector
    owner: str
    reason: str
    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """An incident that is open."""

    incident: str
    subject: Subject


@dataclass(frozen=True, slots=True)
class Held:
    by: Literal["shadow", "silence", "maintenance", "inhibition"]
    id: str
    """The silence's id, or the name that `policy/` gives."""
    until: datetime | None
    """When it ends by itself, as things stand; None: that hangs on other incidents."""
    why: str
    """For people."""


def holding(
    subject: Subject,
    at: datetime,
    policy: RulePolicy,
    silences: Sequence[Silence],
    standing: Iterable[Standing],
    incident: str = "",
) -> Held | None:
    """What holds the opening at that instant: of silences, and then of windows, the one that ends last.

    `incident` is the subject's own, if it has one that is open: it never holds itself.
    """
    return (
        _silenced(subject, at, silences)
        or _in_maintenance(subject, at, policy.maintenance)
        or _inhibited(subject, policy.inhibitions, standing, incident)
    )


def next_change(at: datetime, policy: RulePolicy, silences: Sequence[Silence]) -> datetime | None:
    """The first instant after `at` at which a silence or a window begins or ends; None if none ever will.

    Inhibitions change when incidents open and clear, which their steps see.
    """
    edges = chain(
        ((silence.begins, silence.ends) for silence in silences),
        *(_spans_near(window, at) for window in policy.maintenance),
    )
    return min((edge for span in edges for edge in span if edge > at), default=None)


def maintenance_window(maintenance: Maintenance, at: datetime) -> Span | None:
    """The span that is open at that instant; of several that overlap, the one that ends last.

    A window belongs to the local day on which it opens. What the clock on the wall shows twice opens it the first time
    and closes it the last; what it never shows is the end of its gap. The dates may fall anywhere.
    """
    open_now = [span for span in _spans_near(maintenance, at) if span[0] <= at < span[1]]
    return max(open_now, key=lambda span: span[1], default=None)


def _silenced(subject: Subject, at: datetime, silences: Sequence[Silence]) -> Held | None:
    found = [one for one in silences if one.begins <= at < one.ends and one.selector.means(subject.fields)]
    if not found:
        return None
    last = max(found, key=lambda one: (one.ends, one.id))
    return Held("silence", last.id, last.ends, f"silenced by {last.owner} until {_said(last.ends)}: {last.reason}")


def _in_maintenance(subject: Subject, at: datetime, windows: Sequence[Maintenance]) -> Held | None:
    meant = [window for window in windows if window.hold.means(subject.fields)]
    found = [(span[1], window) for window in meant if (span := maintenance_window(window, at)) is not None]
    if not found:
        return None
    until, window = max(found, key=lambda one: (one[0], one[1].name))
    because = f": {window.reason}" if window.reason else ""
    return Held("maintenance", window.name, until, f"maintenance {window.name} until {_said(until)}{because}")


def _inhibited(
    subject: Subject, inhibitions: Sequence[Inhibition], standing: Iterable[Standing], incident: str
) -> Held | None:
    meant = [one for one in inhibitions if one.hold.means(subject.fields)]
    if not meant:
        return None
    others = [other for other in standing if other.incident != incident]
    for one in meant:
        for other in others:
            if _inhibits(one, other.subject, subject):
                why = f"inhibited by {one.name} while incident {other.incident} is open"
                return Held("inhibition", one.name, None, why)
    return None


def _inhibits(inhibition: Inhibition, other: Subject, subject: Subject) -> bool:
    """Two that both sides mean do not hold each other: which of them were held would hang on which came first."""
    if not inhibition.source.means(other.fields):
        return False
    if inhibition.source.means(subject.fields) and inhibition.hold.means(other.fields):
        return False
    return all(_same(name, other, subject) for name in inhibition.equal)


def _same(field: str, one: Subject, other: Subject) -> bool:
    """What neither has is not the same."""
    value = one.fields.get(field, "")
    return value != "" and value == other.fields.get(field, "")


def _spans_near(maintenance: Maintenance, at: datetime) -> Iterator[Span]:
    """Every span that may hold `at`, and at least the first after it."""
    if maintenance.begins is not None and maintenance.ends is not None:
        yield maintenance.begins, maintenance.ends
        return
    if maintenance.opens is None or maintenance.closes is None:
        return
    today = at.astimezone(zone(maintenance.tz)).date()
    start = max(today - _BEHIND * _DAY, maintenance.first or date.min).toordinal()
    for day in map(date.fromordinal, range(start, min(start + _BEHIND + _AHEAD, _LAST))):
        if day.weekday() in maintenance.days and day <= (maintenance.last or date.max):
            begin, end = _span(maintenance, day, maintenance.opens, maintenance.closes)
            if begin < end and begin.astimezone(zone(maintenance.tz)).date() == day:  # the zone may have left it out
                yield begin, end


def _span(maintenance: Maintenance, day: date, opens: time, closes: time) -> Span:
    tz = zone(maintenance.tz)
    closing_day = day + _DAY if closes <= opens else day
    return (
        instant(wall_instant(day, _minute(opens), tz)),
        instant(wall_instant(closing_day, _minute(closes), tz, last=True)),
    )


def _minute(wall: time) -> int:
    return wall.hour * 60 + wall.minute


def _said(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
