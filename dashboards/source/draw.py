"""Draws one panel of a dashboard from Prometheus' answers: what its JSON asks for, with no Grafana."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from textwrap import shorten
from typing import Any, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from dashboards.source.ask import Json, Series, Span
from dashboards.source.panels import DAY, GREEN, NEAR, PURPLE, SKY, WELL, WRONG, YELLOW
from dashboards.source.tables import Cell, table_of
from dashboards.source.units import written

PALETTE = (WELL, NEAR, GREEN, PURPLE, SKY, WRONG, YELLOW, "#332288", "#88CCEE", "#882255", "#44AA99", "#999933")
INK, FAINT, RULE = "#24292e", "#6a737d", "#e4e7eb"
_SMALL = 7.5

_TICKS = (60, 300, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 432000, 604800)
_POWERS = (0.1, 1, 10, 60, 600, 3600, 21600, 86400, 432000, 2592000)
"""Lengths of time that a scale of powers names, in seconds."""

Draw: TypeAlias = Callable[["Look"], None]


@dataclass(frozen=True)
class Look:
    """A panel, what its queries found, and where it is drawn."""

    panel: Json
    found: Sequence[Series]
    span: Span
    axes: Axes
    width: float
    height: float
    """In inches, of the part below the title."""

    @property
    def defaults(self) -> Json:
        defaults: Json = self.panel["fieldConfig"]["defaults"]
        return defaults

    @property
    def unit(self) -> str:
        return str(self.defaults.get("unit", "short"))

    def words(self, value: float) -> str:
        return written(value, self.unit, self.defaults.get("decimals"))

    def colour_of(self, value: float) -> str:
        return threshold(self.defaults.get("thresholds", {}).get("steps", ()), value)


def threshold(steps: Sequence[Json], value: float) -> str:
    reached = [step["color"] for step in steps if step["value"] is None or value >= step["value"]]
    return str(reached[-1]) if reached else INK


def draw(look: Look) -> None:
    look.axes.set_axis_off()
    if not look.found:
        nothing(look)
        return
    _KINDS[look.panel["type"]](look)


def nothing(look: Look) -> None:
    """Nothing was found, and the panel says what that means. A loud one keeps its warning colour."""
    loud = look.panel["options"].get("colorMode") == "background_solid"
    special = [one["options"]["result"] for one in look.defaults.get("mappings", ()) if one["type"] == "special"]
    colour = special[0]["color"] if special else FAINT
    if loud:
        look.axes.set_facecolor(colour)
        look.axes.set_axis_on()
        look.axes.set(xticks=[], yticks=[])
        _frameless(look.axes)
    said = look.defaults.get("noValue", "no data")
    look.axes.text(0.5, 0.5, said, ha="center", va="center", color="white" if loud else colour, fontsize=11,
                   transform=look.axes.transAxes)  # fmt: skip


def _stat(look: Look) -> None:
    one = look.found[0]
    names = look.panel["options"]["textMode"] == "name"
    said, colour = (one.legend if names else look.words(one.last)), look.colour_of(one.last)
    loud = look.panel["options"]["colorMode"] == "background_solid"
    if loud:
        look.axes.set_axis_on()
        look.axes.set_facecolor(colour)
        look.axes.set(xticks=[], yticks=[])
        _frameless(look.axes)
    size = min(24, 72 * look.width / (0.66 * max(len(said), 3)), 72 * look.height * 0.55)
    look.axes.text(0.5, 0.5, said, ha="center", va="center", fontsize=size, fontweight="bold",
                   color="white" if loud else colour, transform=look.axes.transAxes)  # fmt: skip


def _timeseries(look: Look) -> None:
    axes, custom = look.axes, look.defaults["custom"]
    axes.set_axis_on()
    colours = _colours(look)
    bars, stacked = custom["drawStyle"] == "bars", custom.get("stacking", {}).get("mode") == "normal"
    instants = look.span.instants()
    times = np.array(instants)
    wide = look.span.step * 0.8
    below = np.zeros(len(instants))
    for one in look.found:
        at = dict(one.points)
        values = np.array([at.get(instant, math.nan) for instant in instants])
        colour = colours[one.legend]
        if bars:
            shown = np.nan_to_num(values)
            axes.bar(times, shown, wide, bottom=below if stacked else None, color=colour, zorder=2)
            below = below + shown if stacked else below
        elif stacked:
            shown = np.nan_to_num(values)
            edges, low, high = np.append(times, times[-1] + look.span.step), _held(below), _held(below + shown)
            axes.fill_between(edges, low, high, color=colour, alpha=0.75, lw=0, zorder=2, step="post")
            below = below + shown
        else:
            axes.plot(times, values, color=colour, lw=1.4, zorder=3, marker="." if len(one.points) < 5 else "", ms=5)
    _scale(look)
    _threshold_lines(look)
    _over_time(axes, look.span)
    _legend(look, colours)


def _held(values: Any) -> Any:
    """A step holds until the next one, and so does the last."""
    return np.append(values, values[-1])


def _scale(look: Look) -> None:
    """The panel's own ends; `short` counts in whole numbers."""
    low, high = look.axes.get_ylim()
    if look.defaults["custom"].get("scaleDistribution", {}).get("type") == "log":
        _logarithmic(look)
        return
    low = look.defaults.get("min", low)
    high = look.defaults.get("max", max(high, low + (1 if look.unit == "short" else 1e-9)))
    look.axes.set_ylim(low, low + (high - low) * (1.0 if "max" in look.defaults else 1.05))
    decimals = look.defaults.get("decimals")
    look.axes.yaxis.set_major_locator(MaxNLocator(4, integer=look.unit == "short"))
    if look.unit == "s":
        look.axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 1.5, 2, 3, 6, 10]))
        look.axes.set_yticks(_round_lengths(*look.axes.get_ylim()))
    look.axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: written(value, look.unit, decimals)))


def _logarithmic(look: Look) -> None:
    look.axes.set_yscale("log")
    low, high = look.axes.get_ylim()
    low = max(low, high / 20_000)
    look.axes.set_ylim(low, high)
    fit = [one for one in _POWERS if low <= one <= high]
    look.axes.set_yticks(fit[:: max(1, len(fit) // 5)])
    look.axes.yaxis.set_minor_locator(NullLocator())
    look.axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: written(value, look.unit)))


def _round_lengths(low: float, high: float) -> list[float]:
    """Ticks of a length of time, at whole minutes, hours or days."""
    nice = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200,
            14400, 21600, 43200, 86400, 172800, 432000, 864000, 2592000)  # fmt: skip
    step = next((one for one in nice if (high - low) / one <= 5), nice[-1])
    return [step * number for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _threshold_lines(look: Look) -> None:
    if look.defaults["custom"].get("thresholdsStyle", {}).get("mode") != "dashed":
        return
    low, high = look.axes.get_ylim()
    for step in look.defaults["thresholds"]["steps"]:
        if step["value"] is not None and low < step["value"] < high:
            look.axes.axhline(step["value"], color=step["color"], lw=0.9, ls=(0, (5, 3)), zorder=1)


def _over_time(axes: Axes, span: Span) -> None:
    """Seconds since 1970, with the time or the day under the ticks."""
    low, high, spread = span.begin, span.end, span.end - span.begin
    step = next((one for one in _TICKS if spread / one <= 6 and (one >= DAY or spread < 2 * DAY)), _TICKS[-1])
    axes.set_xticks([step * number for number in range(math.ceil(low / step), math.floor(high / step) + 1)])
    style = "%H:%M" if step < DAY else "%d %b"
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: datetime.fromtimestamp(at, UTC).strftime(style)))
    air = max(span.step * 0.6, spread * 0.01)
    axes.set_xlim(low - air, high + air)
    axes.tick_params(labelsize=_SMALL, colors=FAINT, length=2)
    axes.grid(axis="y", color=RULE, lw=0.7, zorder=0)
    _frameless(axes)


def _colours(look: Look) -> dict[str, str]:
    """Of overrides, else of the palette in the order of the names."""
    fixed: dict[str, str] = {}
    for one in look.panel["fieldConfig"]["overrides"]:
        for each in one["properties"]:
            if each["id"] == "color":
                fixed[one["matcher"]["options"]] = each["value"]["fixedColor"]
    free = sorted({one.legend for one in look.found} - fixed.keys())
    return fixed | {name: PALETTE[number % len(PALETTE)] for number, name in enumerate(free)}


_CALCS: dict[str, tuple[str, Callable[[Sequence[float]], float]]] = {
    "lastNotNull": ("last", lambda values: values[-1]),
    "max": ("max", max),
    "min": ("min", min),
}


def _legend(look: Look, colours: Mapping[str, str]) -> None:
    """Below, in as many lines as it takes; two of them at most, unless it is a table of numbers."""
    calcs = look.panel["options"]["legend"]["calcs"]
    names = [one.legend + _numbers(look, one, calcs) for one in look.found]
    hues = [colours[one.legend] for one in look.found]
    limit = int(look.width / 0.062)
    x, line, most = 0, 0, 4 if calcs else 2
    for number, (whole, hue) in enumerate(zip(names, hues, strict=True)):
        name = whole if len(whole) <= limit - 4 else whole[: limit - 5] + "…"
        if x and x + len(name) + 4 > limit:
            x, line = 0, line + 1
        if line >= most:
            _small(look, x, line - 1, f"and {len(names) - number} more", FAINT, right=True)
            break
        _small(look, x, line, "■", hue)
        _small(look, x + 2, line, name, INK)
        x += len(name) + 4


def _numbers(look: Look, one: Series, calcs: Sequence[str]) -> str:
    values = [value for _, value in one.points if not math.isnan(value)]
    if not values or not calcs:
        return ""
    return " (" + ", ".join(f"{_CALCS[calc][0]} {look.words(_CALCS[calc][1](values))}" for calc in calcs) + ")"


def _small(look: Look, x: float, line: int, text: str, colour: str, right: bool = False) -> None:
    box = look.axes.get_position()
    figure = look.axes.get_figure(root=True)
    assert figure is not None
    wide, high = figure.get_size_inches()
    left = box.x0 + (look.width / wide if right else x * 0.062 / wide)
    under = box.y0 - (0.34 + line * 0.15) / high
    figure.text(left, under, text, fontsize=_SMALL, color=colour, va="center", ha="right" if right else "left")


def _table(look: Look) -> None:
    columns, lines = table_of(look.panel, look.found)
    room = max(1, int(look.height / 0.235) - 1)
    axes = look.axes
    axes.set(xlim=(0, 1), ylim=(room + 1, 0))
    shown = lines[:room] if len(lines) <= room else lines[: room - 1]
    lefts, ends = _spread(columns, shown)
    for number, column in enumerate(columns):
        _text(axes, lefts[number], ends[number], 0.5, Cell(column.title, INK, column.number), bold=True)
    axes.axhline(1, color=FAINT, lw=0.8)
    for row, line in enumerate(shown):
        if row:
            axes.axhline(row + 1, color=RULE, lw=0.6)
        for number, cell in enumerate(line):
            _text(axes, lefts[number], ends[number], row + 1.5, cell)
    if len(shown) < len(lines):
        axes.text(0, len(shown) + 1.5, f"and {len(lines) - len(shown)} more", fontsize=8, color=FAINT, va="center")


def _spread(columns: Sequence[Any], lines: Sequence[Sequence[Cell]]) -> tuple[list[float], list[float]]:
    """Where each column begins and ends, by its longest text."""
    needs = [
        max([len(column.title), *(len(line[number].text) for line in lines)]) + 3
        for number, column in enumerate(columns)
    ]
    ends = np.cumsum(needs) / sum(needs)
    return [0.0, *map(float, ends[:-1])], list(map(float, ends))


def _text(axes: Axes, left: float, end: float, y: float, cell: Cell, bold: bool = False) -> None:
    x, side = (end - 0.012, "right") if cell.number else (left, "left")
    axes.text(x, y, cell.text, ha=side, va="center", fontsize=8.3, color=cell.colour,
              fontweight="bold" if bold or cell.colour != INK else "normal")  # fmt: skip


def _bargauge(look: Look) -> None:
    axes = look.axes
    values = [one.last for one in look.found]
    low = float(look.defaults.get("min", min(values)))
    high = look.defaults.get("max", max([*values, low + 1e-9]))
    high = high if high > low else low + 1
    count = max(len(values), 4)
    axes.set(xlim=(-0.62, 1.32), ylim=(count - 0.4, -0.6))
    for place, one in enumerate(look.found):
        part = min(max((one.last - low) / (high - low), 0.0), 1.0)
        axes.barh(place, 1, 0.62, color="#f1f3f5", zorder=1)
        axes.barh(place, part, 0.62, color=look.colour_of(one.last), zorder=2)
        axes.text(
            -0.03, place, shorten(one.legend, 26, placeholder="…"), ha="right", va="center", fontsize=8, color=INK
        )
        axes.text(1.03, place, look.words(one.last), ha="left", va="center", fontsize=8.3, fontweight="bold",
                  color=look.colour_of(one.last))  # fmt: skip


def _timeline(look: Look) -> None:
    axes = look.axes
    axes.set_axis_on()
    meaning = {value: one for each in look.defaults["mappings"] for value, one in each["options"].items()}
    for lane, one in enumerate(look.found):
        for begin, end, value in _runs(one, look.span.step):
            colour = meaning[f"{value:.0f}"]["color"]
            axes.barh(lane, end - begin, 0.8, left=begin, color=colour, lw=0)
    axes.set_yticks(range(len(look.found)), [one.legend for one in look.found])
    axes.invert_yaxis()
    _over_time(axes, look.span)
    axes.grid(visible=False)
    axes.tick_params(axis="y", labelsize=8.5, colors=INK, length=0)
    x = 0
    for one in meaning.values():
        _small(look, x, 0, "■", one["color"])
        _small(look, x + 2, 0, one["text"], INK)
        x += len(one["text"]) + 5


def _runs(one: Series, step: float) -> Iterator[tuple[float, float, float]]:
    """(Begin, end, value) of each stretch of one value."""
    for value, points in groupby(one.points, key=lambda point: point[1]):
        instants = [at for at, _ in points]
        yield instants[0], instants[-1] + step, value


def _heatmap(look: Look) -> None:
    """Buckets count all up to their bound; a cell is what is between two bounds."""
    axes = look.axes
    axes.set_axis_on()
    ordered = sorted(look.found, key=lambda one: float(one.labels["le"]))
    instants = look.span.instants()
    upto = np.array([[dict(one.points).get(at, 0.0) for at in instants] for one in ordered])
    cells = np.clip(np.diff(upto, axis=0, prepend=0.0), 0, None)
    shown = np.where(cells > 0.05, cells, np.nan)
    mesh = axes.pcolormesh(instants, range(len(ordered)), shown, cmap="Blues", vmin=0, shading="nearest",
                           edgecolors="white", linewidth=0.6)  # fmt: skip
    names = ["more" if one.labels["le"] == "+Inf" else written(float(one.labels["le"]), look.unit) for one in ordered]
    axes.set_yticks(range(len(ordered)), [f"≤ {name}" if name != "more" else name for name in names])
    _over_time(axes, look.span)
    axes.grid(visible=False)
    bar = axes.figure.colorbar(mesh, ax=axes, pad=0.01, fraction=0.03)
    bar.ax.tick_params(labelsize=_SMALL, colors=FAINT, length=2)
    bar.outline.set_visible(False)


def _frameless(axes: Axes) -> None:
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)


_KINDS: dict[str, Draw] = {
    "stat": _stat,
    "timeseries": _timeseries,
    "table": _table,
    "bargauge": _bargauge,
    "state-timeline": _timeline,
    "heatmap": _heatmap,
}
