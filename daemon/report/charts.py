"""Charts as SVG that stands in a page of ours: the page's own styles colour it, by day, by night and in print.

Each says its figures in words too: to whoever does not see it, and beside the bars.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from markupsafe import Markup, escape

from daemon.report.words import Tone

_WIDTH, _LABEL, _VALUE = 760, 190, 190
_ROW, _BAR = 30, 14


@dataclass(frozen=True, slots=True)
class Bar:
    label: str
    share: float | None
    """Of the whole width; None draws nothing."""
    says: str
    tone: Tone = "plain"


def bars(title: str, rows: Sequence[Bar]) -> Markup:
    """Horizontal bars, each with its label before and its figure behind."""
    if not rows:
        return Markup()
    told = "; ".join(f"{row.label}: {row.says}" for row in rows)
    drawn = Markup("").join(_bar(row, place) for place, row in enumerate(rows))
    return _svg(title, told, _ROW * len(rows) + 6, drawn)


def _bar(row: Bar, place: int) -> Markup:
    wide, middle = _WIDTH - _LABEL - _VALUE, place * _ROW + _ROW / 2 + 3
    full = _rect(_LABEL, middle - _BAR / 2, wide, _BAR, "track")
    share = min(1.0, row.share or 0.0)
    part = _rect(_LABEL, middle - _BAR / 2, max(2.0, wide * share), _BAR, row.tone) if share else Markup("")
    label = _text(_LABEL - 12, middle + 4.5, row.label, "end")
    return label + full + part + _text(_LABEL + wide + 12, middle + 4.5, row.says, "start", "figure")


_HIGH, _LEFT = 120, 34


def days(title: str, series: Mapping[str, Mapping[date, int]], month: Sequence[date]) -> Markup:
    """Two columns a day, side by side. `series`: name → how many on which day."""
    most = max((many for one in series.values() for many in one.values()), default=0)
    if not most:
        return Markup()
    told = "; ".join(
        f"{name}: " + (", ".join(f"{day.day} {day:%b} {many}" for day, many in sorted(one.items()) if many) or "none")
        for name, one in series.items()
    )
    tones: tuple[Tone, ...] = ("plain", "good")
    drawn = _scale(most) + Markup("").join(
        _columns([(one.get(day, 0), tone) for one, tone in zip(series.values(), tones, strict=False)], most, place,
                 len(month), day)
        for place, day in enumerate(month)
    )  # fmt: skip
    legend = Markup("").join(
        _rect(_LEFT + place * 120, _HIGH + 42, 11, 11, tone) + _text(_LEFT + place * 120 + 17, _HIGH + 52, name)
        for place, (name, tone) in enumerate(zip(series, tones, strict=False))
    )
    return _svg(title, told, _HIGH + 60, drawn + legend)


def _scale(most: int) -> Markup:
    line = Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>')
    top, base = 12, 12 + _HIGH
    return (
        line.format(_LEFT, _WIDTH, top, top) + line.format(_LEFT, _WIDTH, base, base)
        + _text(_LEFT - 8, top + 4.5, str(most), "end") + _text(_LEFT - 8, base + 4.5, "0", "end")
    )  # fmt: skip


def _columns(counts: Sequence[tuple[int, Tone]], most: int, place: int, many: int, day: date) -> Markup:
    step = (_WIDTH - _LEFT) / many
    wide = step * 0.36
    left, base = _LEFT + place * step + step * 0.12, 12 + _HIGH
    drawn = Markup("").join(
        _rect(left + number * (wide + 1), base - (high := _HIGH * count / most), wide, high, tone)
        for number, (count, tone) in enumerate(counts)
        if count
    )
    if place % 7 and place != many - 1:
        return drawn
    return drawn + _text(left + wide, base + 18, str(day.day), "middle")


def _rect(x: float, y: float, width: float, height: float, tone: str) -> Markup:
    return Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="2"/>').format(
        tone, x, y, width, height
    )


def _text(x: float, y: float, said: str, anchor: str = "start", kind: str = "label") -> Markup:
    short = said if len(said) <= 30 else said[:29] + "…"
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(kind, x, y, anchor, short)


def _svg(title: str, told: str, height: float, drawn: Markup) -> Markup:
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {:.0f}" role="img" aria-label="{}"><title>{}</title><desc>{}</desc>{}</svg>'
    ).format(_WIDTH, height, escape(title), title, told, drawn)
