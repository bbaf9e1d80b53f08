"""`heliograph sla coverage`: which site has the queue in each hour of a week, and what is promised while none has."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cached_property
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from rich.text import Text

from daemon.cli.desk import setup_of
from daemon.cli.show import console, plain, show
from daemon.cli.sla import said, week
from daemon.cli.sla.files import written
from daemon.clock import SystemClock
from daemon.config.schema import Config
from daemon.errors import ConfigError, Problem
from daemon.model import Json
from daemon.sla.calendar import Calendar, seconds, zone
from daemon.sla.coverage import Shift, Uncovered, gaps, handovers, shifts, uncovered
from daemon.sla.duty import on_duty
from daemon.sla.reader import Wrong

_WEEK = re.compile(r"([0-9]{4})-W([0-9]{2})")


@dataclass(frozen=True)
class Week:
    name: str
    start: datetime
    sites: Mapping[str, Calendar]

    @cached_property
    def shifts(self) -> list[Shift]:
        return shifts(self.sites, self.start, self.end)

    @property
    def end(self) -> datetime:
        return self.start + week.DAYS * week.DAY

    @cached_property
    def gaps(self) -> list[Shift]:
        return gaps(self.shifts)

    @property
    def unstaffed(self) -> int:
        return sum(_seconds(gap.length) for gap in self.gaps)

    def tz(self, site: str | None) -> ZoneInfo:
        """The site's own; UTC for one that has none."""
        hours = self.sites[site].site if site else None
        return hours.zone_at(seconds(self.start)) if hours else zone("UTC")

    def then(self, gap: Shift) -> tuple[str | None, datetime | None]:
        """Which site ends a gap, and when: perhaps only in a later week."""
        duty = on_duty(self.sites, gap.start)
        return duty.next_owner, duty.next_at


def coverage(options: argparse.Namespace) -> int:
    """0; with --strict 1 if promised time counts while nobody is on duty; 2 if there are no sites, or no such week."""
    config = setup_of(options).config
    asked = _asked(options, config)
    found = list(uncovered(config.policy.promised(asked.start, asked.end), asked.gaps))
    if options.picture:
        title = f"Who has the queue in {asked.name} (UTC)"
        written(options.picture, week.picture(asked.shifts, asked.sites, title))
    if options.json:
        print(json.dumps(_document(asked, found), indent=2))
    else:
        _tell(asked, found)
    return 1 if found and options.strict else 0


def _asked(options: argparse.Namespace, config: Config) -> Week:
    if not config.sites:
        raise ConfigError([Problem(str(config.path), 0, "there are no sites.", "Name them, and when each is open.")])
    now = SystemClock().now()
    name = options.week or f"{now.isocalendar().year}-W{now.isocalendar().week:02}"
    sites = {site: config.policy.calendars[entry.calendar] for site, entry in config.sites.items()}
    return Week(name, said.option("--week", monday, name), sites)


def monday(text: Any) -> datetime:
    match = _WEEK.fullmatch(text)
    try:
        day = datetime.fromisocalendar(int(match[1]), int(match[2]), 1).date() if match else None
    except ValueError:
        day = None
    if day is None:
        raise Wrong(f"'{text}' is no week.", "Write it as 2026-W49: the year has 52 of them, or 53.")
    return datetime.combine(day, time(), UTC)


def _document(asked: Week, found: Iterable[Uncovered]) -> dict[str, Json]:
    return {
        "week": asked.name, "start": said.iso(asked.start), "end": said.iso(asked.end),
        "sites": {site: {"calendar": calendar.name, "timezone": asked.tz(site).key}
                  for site, calendar in asked.sites.items()},
        "shifts": [{"owner": one.owner, "start": said.iso(one.start), "end": said.iso(one.end)}
                   for one in asked.shifts],
        "handovers": [{"at": said.iso(after.start), "from": before.owner, "to": after.owner,
                       "at_local": said.iso_local(after.start, asked.tz(after.owner))}
                      for before, after in handovers(asked.shifts)],
        "gaps": [_gap(asked, one) for one in asked.gaps],
        "unstaffed_seconds": asked.unstaffed,
        "uncovered": [{"contract": one.contract.version, "goal": one.goal, "severity": one.severity,
                       "calendar": one.calendar.name, "seconds": one.seconds} for one in found],
    }  # fmt: skip


def _gap(asked: Week, gap: Shift) -> dict[str, Json]:
    site, at = asked.then(gap)
    return {"start": said.iso(gap.start), "end": said.iso(gap.end), "seconds": _seconds(gap.length), "then": site,
            "then_at": said.iso(at), "then_at_local": said.iso_local(at, asked.tz(site))}  # fmt: skip


def _tell(asked: Week, found: Sequence[Uncovered]) -> None:
    screen = console()
    screen.print(Text.assemble((f"Who has the queue in {asked.name}", "bold"), ", by UTC"))
    screen.print()
    for line in week.drawn(asked.shifts, asked.sites):
        screen.print(line)
    for says in _clock_changes(asked):
        screen.print(plain(says))
    if rows := [_handover(asked, *pair) for pair in handovers(asked.shifts)]:
        screen.print()
        show(("handover (UTC)", "from", "to", "there"), rows)
    if asked.gaps:
        screen.print()
        show(("nobody from (UTC)", "until (UTC)", "for", "then", "there"), [_hole(asked, gap) for gap in asked.gaps])
    screen.print()
    screen.print(plain(f"Somebody is there {_share(asked)} of the week; nobody for {said.length(asked.unstaffed)}."))
    for says in _promises(found):
        screen.print(Text.assemble(("! ", "yellow"), plain(says)))


def _handover(asked: Week, before: Shift, after: Shift) -> list[str | None]:
    return [said.utc(after.start), before.owner, after.owner, said.local(after.start, asked.tz(after.owner))]


def _hole(asked: Week, gap: Shift) -> list[str]:
    site, at = asked.then(gap)
    goes_on = " …" if at is not None and at > gap.end else ""
    cells = [said.utc(gap.start), said.utc(gap.end) + goes_on, said.length(_seconds(gap.length)) + goes_on]
    return [*cells, site or "nobody ever", said.local(at, asked.tz(site))]


def _share(asked: Week) -> str:
    return f"{1 - asked.unstaffed / _seconds(asked.end - asked.start):.1%}"


def _clock_changes(asked: Week) -> Iterator[str]:
    """Where the wall of a site is put forward or back in that week."""
    for site in asked.sites:
        tz = asked.tz(site)
        before, after = (at.astimezone(tz).utcoffset() for at in (asked.start, asked.end))
        if before is not None and after is not None and before != after:
            hours = said.length(abs(_seconds(after - before)))
            yield f"{site} puts its clocks {'forward' if after > before else 'back'} by {hours} in this week."


def _promises(found: Iterable[Uncovered]) -> Iterator[str]:
    """One line for each contract and calendar."""
    ordered = sorted(found, key=_by)
    for (version, calendar), group in groupby(ordered, key=_by):
        rows = list(group)
        severities: dict[str, list[str]] = {}
        for row in rows:
            severities.setdefault(row.goal, []).append(str(row.severity))
        what = "; ".join(f"{goal} at severity {', '.join(at)}" for goal, at in severities.items())
        yield f"{version} counts {calendar} for {said.length(rows[0].seconds)} while nobody is there: {what}."


def _by(one: Uncovered) -> tuple[str, str]:
    return one.contract.version, one.calendar.name


def _seconds(length: timedelta) -> int:
    return int(length.total_seconds())
