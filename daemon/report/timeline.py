"""Clocks drawn along one line of time: as an SVG, and as characters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup

from daemon.report.words import Tone, length

_WIDTH, _LABEL, _VALUE, _ROW, _BAR = 760, 120, 170, 34, 12
_COLUMNS = 60
_SIGNS: dict[Tone, str] = {"plain": "█", "good": "█", "late": "▓", "calm": "░", "near": "█"}


@dataclass(frozen=True, slots=True)
class Stretch:
    start: datetime
    end: datetime
    tone: Tone


@dataclass(frozen=True, slots=True)
class Mark:
    """An instant that something was due at."""

    at: datetime
    missed: bool


@dataclass(frozen=True, slots=True)
class Row:
    label: str
    says: str
    stretches: Sequence[Stretch]
    marks: Sequence[Mark] = ()


@dataclass(frozen=True, slots=True)
class Timeline:
    start: datetime
    end: datetime
    rows: Sequence[Row]

    def place(self, at: datetime) -> float:
        """0 to 1; what is outside is at the edge."""
        whole = max(self.end - self.start, timedelta(seconds=1))
        return min(1.0, max(0.0, (at - self.start) / whole))


def as_text(of: Timeline, said: str) -> str:
    """In a block of code. `said`: the instants of both ends."""
    wide = max((len(row.label) for row in of.rows), default=0)
    lines = [f"{row.label:<{wide}}  {_signs(of, row)}  {row.says}" for row in of.rows]
    key = "█ runs   ▓ late   ░ waits, or the trouble itself   | due"
    return "\n".join([*lines, "", f"{'':<{wide}}  {said}", f"{'':<{wide}}  {key}"])


def _signs(of: Timeline, row: Row) -> str:
    drawn = ["·"] * _COLUMNS
    for one in row.stretches:
        first = min(_COLUMNS - 1, int(of.place(one.start) * _COLUMNS))
        last = max(first + 1, round(of.place(one.end) * _COLUMNS))
        drawn[first:last] = _SIGNS[one.tone] * (last - first)
    for mark in row.marks:
        if of.start <= mark.at <= of.end:
            drawn[min(_COLUMNS - 1, int(of.place(mark.at) * _COLUMNS))] = "|"
    return "".join(drawn)


def as_svg(of: Timeline, title: str, ticks: Sequence[tuple[datetime, str]]) -> Markup:
    """`ticks`: instants with how they are said."""
    height = _ROW * len(of.rows) + 30
    told = "; ".join(f"{row.label}: {row.says}" for row in of.rows)
    grid = Markup("").join(_tick(of, at, said, height - 24, ticks[-1][0]) for at, said in ticks)
    rows = Markup("").join(_row(of, row, place) for place, row in enumerate(of.rows))
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}"><title>{}</title><desc>{}</desc>{}{}</svg>'
    ).format(_WIDTH, height, title, title, told, grid, rows)


def ticks(of: Timeline, many: int = 2) -> list[datetime]:
    return [of.start + (of.end - of.start) * number / many for number in range(many + 1)]


def _x(of: Timeline, at: datetime) -> float:
    return _LABEL + of.place(at) * (_WIDTH - _LABEL - _VALUE)


def _tick(of: Timeline, at: datetime, said: str, base: float, last: datetime) -> Markup:
    x = _x(of, at)
    anchor = "start" if at == of.start else "end" if at == last else "middle"
    return Markup(
        '<line class="grid" x1="{0:.1f}" x2="{0:.1f}" y1="0" y2="{1:.1f}"/>'
        '<text x="{0:.1f}" y="{2:.1f}" text-anchor="{3}">{4}</text>'
    ).format(x, base, base + 18, anchor, said)


def _row(of: Timeline, row: Row, place: int) -> Markup:
    middle = place * _ROW + _ROW / 2
    drawn = Markup('<text x="{}" y="{:.1f}" text-anchor="end">{}</text>').format(_LABEL - 12, middle + 4.5, row.label)
    for one in row.stretches:
        left, right = _x(of, one.start), _x(of, one.end)
        drawn += Markup(
            '<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{}" rx="2"><title>{}</title></rect>'
        ).format(one.tone, left, middle - _BAR / 2, max(2.0, right - left), _BAR,
                 length((one.end - one.start).total_seconds()))  # fmt: skip
    for mark in row.marks:
        if of.start <= mark.at <= of.end:
            drawn += Markup('<line class="{}" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>').format(
                "late" if mark.missed else "mark", _x(of, mark.at), _x(of, mark.at), middle - 11, middle + 11
            )
    said = Markup('<text class="figure" x="{}" y="{:.1f}">{}</text>').format(
        _WIDTH - _VALUE + 12, middle + 4.5, row.says
    )
    return drawn + said
