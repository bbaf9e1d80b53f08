"""What the terminal shows while a story plays: what arrives, what opens, who is paged, what is filed, what runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from sqlalchemy.exc import OperationalError

from daemon.cli.outcome import outcome
from daemon.cli.show import plain
from daemon.portal.views import TicketRow, ticket_rows
from daemon.report.words import Bar
from daemon.sla.policy import Policy
from daemon.store import tickets
from daemon.store.engine import Store

_ROWS = 6
_WIDE, _NARROW = 24, 14
_COLOURS = {"good": "green", "near": "yellow", "late": "red", "calm": "cyan", "plain": "white"}


@dataclass
class Screen:
    title: str
    lasts: timedelta
    addresses: Mapping[str, str]
    store: Store
    policy: Policy
    now: Callable[[], datetime]
    began_at: datetime | None = None

    def begin(self) -> None:
        self.began_at = self.now()

    def picture(self, lab: Mapping[str, Any], log: Sequence[str]) -> RenderableType:
        now = self.now()
        try:
            with self.store.read() as connection:
                found = outcome(connection)
                rows = ticket_rows(connection, self.policy, tickets.recent(connection), now)
        except OperationalError:  # no tables yet: the daemon has just been started
            return Group(self._head(now), *map(plain, log))
        return Group(
            self._head(now), _signals(found, lab), _incidents(found), _pages(lab), _defects(lab), _clocks(rows),
            *(Text.assemble((plain(line).plain, "dim"), no_wrap=True) for line in log),
        )  # fmt: skip

    def _head(self, now: datetime) -> RenderableType:
        spent = now - self.began_at if self.began_at else timedelta(0)
        played = Text(" the story is over; Ctrl-C ends the demonstration" if spent >= self.lasts else "")
        where = "  ".join(f"{name} {address}" for name, address in self.addresses.items())
        line = Table.grid(padding=(0, 1))
        line.add_row(
            ProgressBar(self.lasts.total_seconds(), min(spent, self.lasts).total_seconds(), width=_WIDE),
            Text(f"{min(spent, self.lasts).total_seconds():.0f} of {self.lasts.total_seconds():.0f} s"), played,
        )  # fmt: skip
        return Group(Text(self.title, style="bold"), line, Text(where, style="dim"))


def _signals(found: Mapping[str, Any], lab: Mapping[str, Any]) -> Table:
    kept = found["signals"]
    title = f"Signals: {lab['sent']} sent, {found['unwanted']} that no rule wants, {len(kept)} kept"
    rows = ((_clock(one["recorded_at"]), one["source"], one["polarity"], one["id"]) for one in kept)
    return _table(title, ("at", "source", "polarity", "id"), rows)


def _incidents(found: Mapping[str, Any]) -> Table:
    rows = (
        (_clock(one["opened_at"]), f"Sev {one['severity']}", one["state"], one["title"]) for one in found["incidents"]
    )
    return _table("Incidents", ("opened", "severity", "state", "title"), rows)


def _pages(lab: Mapping[str, Any]) -> Table:
    rows = (
        (_clock(one["opened_at"]), one["status"], one["acknowledged_by"] or "", one["title"]) for one in lab["pages"]
    )
    return _table("Pages", ("out", "status", "taken by", "title"), rows)


def _defects(lab: Mapping[str, Any]) -> Table:
    rows = ((one["key"], one["duedate"] or "", one["priority"] or "", one["summary"]) for one in lab["defects"])
    return _table("Defects", ("key", "due", "priority", "summary"), rows)


def _clocks(rows: Sequence[TicketRow]) -> Table:
    table = _table("Clocks", ("ticket", "client", "state", "goal", "", "reads"), ())
    for row in sorted(rows, key=lambda one: (one.finished, one.due)):
        for bar in row.bars:
            table.add_row(
                str(row.ticket.id), row.ticket.client, row.ticket.state, bar.goal, _drawn(bar),
                Text(bar.says, style=_COLOURS[bar.tone]),
            )  # fmt: skip
    return table


def _drawn(bar: Bar) -> ProgressBar:
    colour = _COLOURS[bar.tone]
    return ProgressBar(
        1.0, min(bar.share, 1.0), width=_NARROW, complete_style=colour, finished_style=colour, style="grey23"
    )


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(
        *columns, title=title, title_justify="left", title_style="bold", box=None, header_style="dim", expand=True
    )
    for column in table.columns:
        column.no_wrap = True
    table.columns[-1].ratio = 1  # what is too long is cut there
    for row in list(rows)[-_ROWS:]:
        table.add_row(*map(plain, row))
    return table


def _clock(iso: str) -> str:
    return f"{datetime.fromisoformat(iso):%H:%M:%S}"
