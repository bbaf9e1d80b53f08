"""Hits over time, a row for each rule: as bars for a terminal, and as an SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from xml.sax.saxutils import escape

_BARS = " ▁▂▃▄▅▆▇█"
_LABEL, _WIDTH, _ROW, _TOP = 300, 1000, 34, 28
_INK, _BAR, _LINE = "#57606a", "#0969da", "#d0d7de"


@dataclass(frozen=True, slots=True)
class Histogram:
    """Hits in equal spans of time."""

    start: datetime
    end: datetime
    counts: Mapping[str, Sequence[int]]
    """Row → hits in each span; all rows have as many spans."""

    @property
    def most(self) -> int:
        return max((max(row) for row in self.counts.values()), default=0)


def histogram(hits: Mapping[str, Sequence[datetime]], spans: int) -> Histogram | None:
    """None if there is no hit at all."""
    every = [at for row in hits.values() for at in row]
    if not every:
        return None
    start, end = min(every), max(every)
    length = max((end - start) / spans, timedelta(microseconds=1))
    counts = {name: [0] * spans for name in hits}
    for name, row in hits.items():
        for at in row:
            counts[name][min(spans - 1, int((at - start) / length))] += 1
    return Histogram(start, end, counts)


def bars(row: Sequence[int]) -> str:
    """Each row to its own scale; a single hit always shows."""
    most, steps = max(row, default=0), len(_BARS) - 1
    return "".join(_BARS[-(-count * steps // most)] if count else " " for count in row)


def svg(of: Histogram, title: str) -> str:
    height = _TOP + _ROW * len(of.counts) + 30
    rows = "".join(_row(name, row, number) for number, (name, row) in enumerate(of.counts.items()))
    base = height - 10
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LABEL + _WIDTH + 20} {height}"'
        f' font-family="system-ui, sans-serif" font-size="13" fill="{_INK}" role="img">\n'
        f"<title>{escape(title)}</title>\n{rows}"
        f'<text x="{_LABEL}" y="{base}">{of.start:%Y-%m-%d %H:%M}</text>\n'
        f'<text x="{_LABEL + _WIDTH}" y="{base}" text-anchor="end">{of.end:%Y-%m-%d %H:%M} UTC</text>\n</svg>\n'
    )


def _row(name: str, row: Sequence[int], number: int) -> str:
    """Each to its own scale, with its total."""
    base, wide, most = _TOP + _ROW * (number + 1) - 6, _WIDTH / max(len(row), 1), max(row, default=0)
    drawn = "".join(
        f'<rect x="{_LABEL + place * wide:.1f}" y="{base - (high := max(2.0, (_ROW - 10) * count / most)):.1f}"'
        f' width="{max(1.0, wide - 1):.1f}" height="{high:.1f}" fill="{_BAR}"/>'
        for place, count in enumerate(row)
        if count
    )
    line = f'<line x1="{_LABEL}" x2="{_LABEL + _WIDTH}" y1="{base}" y2="{base}" stroke="{_LINE}"/>'
    label = f'<text x="{_LABEL - 10}" y="{base - 4}" text-anchor="end">{escape(name)} · {sum(row)}</text>'
    return f"<g><title>{escape(name)}: {sum(row)} hits</title>{label}{line}{drawn}</g>\n"
