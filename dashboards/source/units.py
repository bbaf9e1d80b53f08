"""Values in words, about as Grafana writes them in the units that our panels use."""

from __future__ import annotations

import math
from datetime import UTC, datetime

_LENGTHS = ((86400, "days"), (3600, "hours"), (60, "min"), (1, "s"), (0.001, "ms"))
_DURATION = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def written(value: float, unit: str, decimals: int | None = None) -> str:
    if math.isnan(value):
        return "NaN"
    if unit == "percentunit":
        return f"{_number(100 * value, decimals)} %"
    if unit == "s":
        return _length(value, decimals)
    if unit == "dtdurations":
        return _duration(value)
    if unit == "dateTimeAsIso":
        return datetime.fromtimestamp(value / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return _short(value, decimals)


def _number(value: float, decimals: int | None) -> str:
    """Without decimals said: as many as tell it apart, at most three digits."""
    value = round(value, 6) + 0.0
    if decimals is not None:
        return f"{value:.{decimals}f}"
    if value == int(value):
        return str(int(value))
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _short(value: float, decimals: int | None) -> str:
    if abs(value) >= 1000:
        return f"{_number(value / 1000, decimals)} K"
    return _number(value, decimals)


def _length(seconds: float, decimals: int | None) -> str:
    """In the largest unit that it fills."""
    for size, name in _LENGTHS:
        if abs(seconds) >= size:
            said = _number(seconds / size, decimals)
            return f"{said} {name.removesuffix('s') if said == '1' and len(name) > 3 else name}"
    return "0 s"


def _duration(seconds: float) -> str:
    """The two largest parts."""
    left, parts = abs(int(seconds)), list[str]()
    for size, name in _DURATION:
        if left >= size:
            parts.append(f"{left // size} {name}")
            left %= size
    said = " ".join(parts[:2]) or "0 s"
    return f"{said} ago" if seconds < 0 else said
