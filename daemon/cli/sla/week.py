"""A week of shifts as a picture: a row a day, for a terminal and as SVG. Its days are those of UTC."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from rich.text import Text

from daemon.cli.sla import svg
from daemon.sla.coverage import Shift

DAY = timedelta(days=1)
DAYS = 7
NOBODY = "."

_CELLS = 48
"""A day's: half an hour each."""
_STYLES = ("bold blue", "bold green", "bold magenta", "bold yellow", "bold cyan", "bold red")
_LABEL, _WIDTH, _ROW, _TOP = 130, 960, 30, 34


def letters(sites: Iterable[str]) -> dict[str, str]:
    """A letter for each: one of its own name if that is free."""
    taken: dict[str, str] = {}
    for site in sites:
        own = [one for one in site.upper() if one.isalpha()]
        free = (one for one in (*own, *map(chr, range(ord("A"), ord("Z") + 1))) if one not in taken.values())
        taken[site] = next(free, "?")
    return taken


def drawn(shifts: Sequence[Shift], sites: Iterable[str]) -> Iterator[Text]:
    """Lines. A cell shows who has most of its half hour."""
    marks = letters(sites)
    styles = {site: _STYLES[number % len(_STYLES)] for number, site in enumerate(marks)}
    yield Text(" " * 11 + "".join(f"{hour:02}".ljust(6) for hour in range(0, 24, 3)), "dim")
    for number in range(DAYS):
        day = shifts[0].start + number * DAY
        row = Text(f"{day:%a %m-%d}  ")
        for owner in cells(shifts, day):
            row.append(NOBODY if owner is None else marks[owner], "red" if owner is None else styles[owner])
        yield row
    yield Text()
    legend = Text(" " * 11)
    for site, mark in marks.items():
        legend.append(mark, styles[site])
        legend.append(f" {site}   ")
    legend.append(NOBODY, "red")
    yield legend.append(" nobody")


def cells(shifts: Sequence[Shift], day: datetime) -> Iterator[str | None]:
    for number in range(_CELLS):
        start, end = day + number * DAY / _CELLS, day + (number + 1) * DAY / _CELLS
        yield max(shifts, key=lambda shift: min(shift.end, end) - max(shift.start, start)).owner


def picture(shifts: Sequence[Shift], sites: Iterable[str], title: str) -> str:
    colours = {site: svg.COLOURS[number % len(svg.COLOURS)] for number, site in enumerate(sites)}
    body = svg.text(_LABEL, 16, title)
    for number in range(DAYS):
        body += _day(shifts, shifts[0].start + number * DAY, _TOP + number * _ROW, colours)
    base = _TOP + DAYS * _ROW
    for hour in range(0, 25, 3):
        x = _LABEL + _WIDTH * hour / 24
        body += svg.line(x, _TOP, x, base) + svg.text(x, base + 16, f"{hour:02}", "middle")
    return svg.page(_LABEL + _WIDTH + 20, base + 52, title, body + _legend(colours, base + 28))


def _day(shifts: Sequence[Shift], day: datetime, y: float, colours: Mapping[str, str]) -> str:
    body = svg.text(_LABEL - 10, y + 18, f"{day:%a %Y-%m-%d}", "end")
    for shift in shifts:
        start, end = max(shift.start, day), min(shift.end, day + DAY)
        if start < end:
            says = f"{shift.owner or 'nobody'} {shift.start:%a %H:%M} to {shift.end:%a %H:%M} UTC"
            x, width = _LABEL + _WIDTH * ((start - day) / DAY), _WIDTH * ((end - start) / DAY)
            colour = svg.FAINT if shift.owner is None else colours[shift.owner]
            body += svg.rect(x, y + 3, width, _ROW - 6, colour, says)
    return body


def _legend(colours: Mapping[str, str], y: float) -> str:
    body, x = "", float(_LABEL)
    for name, colour in {**colours, "nobody": svg.FAINT}.items():
        body += svg.rect(x, y, 14, 14, colour, name) + svg.text(x + 20, y + 12, name)
        x += 44 + 8 * len(name)
    return body
