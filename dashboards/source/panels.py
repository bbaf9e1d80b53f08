"""The panels that the dashboards are made of, each with its title, what it says, its unit and its queries.

Colours are those of Okabe and Ito, which people who see few colours tell apart: blue is well, orange is near, vermilion
is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self, TypeAlias, TypeVar

from dashboards.source.sdk import (
    Builder,
    bargauge,
    common,
    common_models,
    dashboard,
    heatmap,
    heatmap_models,
    models,
    prometheus,
    prometheus_models,
    stat,
    statetimeline,
    table,
    timeseries,
)

WELL, NEAR, WRONG, QUIET = "#0072B2", "#E69F00", "#D55E00", "#7F7F7F"
SKY, GREEN, PURPLE, YELLOW = "#56B4E9", "#009E73", "#CC79A7", "#F0E442"
SEVERITIES = {"Sev 1": WRONG, "Sev 2": NEAR, "Sev 3": SKY, "Sev 4": QUIET}
SEV = "Sev {{sev}}"
GOALS = {"response": WELL, "resolution": NEAR, "update": GREEN, "rca": PURPLE}
STATES = {"new": WRONG, "in_progress": GREEN, "awaiting_client": SKY, "awaiting_fix": PURPLE, "resolved": "#C8CDD3"}
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0

PROMETHEUS = common_models.DataSourceRef(type_val="prometheus", uid="${datasource}")

Step: TypeAlias = tuple[float | None, str]
Steps: TypeAlias = Sequence[Step]
"""From which value which colour; the first from the least."""
Panel: TypeAlias = Builder[models.Panel]

ANY_IS_WRONG: Steps = ((None, WELL), (1, WRONG))
ANY_IS_NEAR: Steps = ((None, WELL), (1, NEAR))
SOON: Steps = ((None, WRONG), (15 * MINUTE, NEAR), (HOUR, WELL))
"""Seconds that are left."""
KEPT: Steps = ((None, WRONG), (0.95, NEAR), (0.99, WELL))
PLAIN: Steps = ((None, WELL),)


@dataclass(frozen=True, slots=True)
class Query:
    expr: str
    legend: str = ""
    exemplar: bool = False
    """Points that lead to a ticket."""


@dataclass(frozen=True, slots=True)
class Column:
    """Of a table. `field` is a label, or `A`, `B` … for what that query says."""

    field: str
    title: str
    unit: str = ""
    steps: Steps = ()
    decimals: int | None = None
    link: str = ""


class _Builder(Protocol):
    def title(self, title: str) -> Self: ...
    def description(self, description: str) -> Self: ...
    def datasource(self, datasource: common_models.DataSourceRef) -> Self: ...
    def span(self, w: int) -> Self: ...
    def height(self, h: int) -> Self: ...
    def unit(self, unit: str) -> Self: ...
    def thresholds(self, thresholds: Builder[models.ThresholdsConfig]) -> Self: ...
    def no_value(self, no_value: str) -> Self: ...
    def time_from(self, time_from: str) -> Self: ...
    def min(self, min_val: float) -> Self: ...
    def max(self, max_val: float) -> Self: ...


P = TypeVar("P", bound=_Builder)


@dataclass(frozen=True, slots=True)
class Place:
    """What every panel has. Widths are of 24, heights of Grafana's cells."""

    title: str
    says: str
    unit: str = "short"
    width: int = 6
    height: int = 8
    none: str = "no data"
    """Shown where the queries find nothing."""
    least: float | None = 0
    most: float | None = None
    """Of an axis or a bar; None is as the values are."""
    last: str = ""
    """Of so long a time, whatever the dashboard's is."""


def number(
    place: Place, *queries: Query, steps: Steps = PLAIN, loud: bool = False, names: bool = False,
    decimals: int | None = None, absent: str = QUIET,
) -> Panel:  # fmt: skip
    """What is now, large. `loud` fills the panel with the threshold's colour; `names` shows what is, not how much;
    `absent` is the colour where the queries find nothing, which is never that of all being well."""
    panel = _placed(stat.Panel(), replace(place, height=4) if place.height == 8 else place, steps)
    panel.color_scheme(_by_thresholds()).reduce_options(_last())
    panel.color_mode(
        common_models.BigValueColorMode.BACKGROUND_SOLID if loud else common_models.BigValueColorMode.VALUE
    )
    panel.graph_mode(common_models.BigValueGraphMode.NONE)
    nothing = models.ValueMappingResult(text=place.none, color=absent, index=0)
    options = models.DashboardSpecialValueMapOptions(match=models.SpecialValueMatch.NULL, result=nothing)
    panel.mappings([models.SpecialValueMap(options=options)])
    panel.text_mode(common_models.BigValueTextMode.NAME if names else common_models.BigValueTextMode.AUTO)
    if decimals is not None:
        panel.decimals(decimals)
    for ref, query in _lettered(queries):
        panel.with_target(_target(ref, query, over_time=False))
    return panel


def lines(
    place: Place, *queries: Query, bars: bool = False, stacked: bool = False, steps: Steps = (),
    colours: Mapping[str, str] | None = None, daily: bool = False, log: bool = False, calcs: Iterable[str] = (),
) -> Panel:  # fmt: skip
    """Over time. `steps` draw dashed lines; `daily` takes one point a day, bars else one in five
    minutes at least, so that they do not overlap; `log` leaves room for small ones; `calcs` stand beside each name."""
    panel = _between(_placed(timeseries.Panel(), place, steps or PLAIN), place)
    panel.color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
    panel.draw_style(common_models.GraphDrawStyle.BARS if bars else common_models.GraphDrawStyle.LINE)
    panel.line_width(1 if bars else 2).fill_opacity(70 if bars else 25 if stacked else 0)
    panel.show_points(common_models.VisibilityMode.AUTO)
    panel.tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI))
    panel.legend(_legend(calcs))
    if log:
        scale = common.ScaleDistributionConfig().type(common_models.ScaleDistribution.LOG).log(10)
        panel.scale_distribution(scale)
    if stacked:
        panel.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL).group("A"))
    if steps:
        dashed = common.GraphThresholdsStyleConfig().mode(common_models.GraphThresholdsStyleMode.DASHED)
        panel.thresholds_style(dashed)
    if daily or bars:
        panel.interval("1d" if daily else "5m")
    for name, colour in (colours or {}).items():
        panel.override_by_name(name, [_fixed(colour)])
    for ref, query in _lettered(queries):
        panel.with_target(_target(ref, query))
    return panel


def rows(place: Place, columns: Sequence[Column], *queries: Query, by: str = "", falling: bool = False) -> Panel:
    """A table: one row for each set of labels, one column for each query and label that is named. `by` names the
    column that it is sorted by."""
    panel = _placed(table.Panel(), place, PLAIN)
    values = {ref: "Value" if len(queries) == 1 else f"Value #{ref}" for ref, _ in _lettered(queries)}
    if len(queries) > 1:
        panel.with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
    fields = [values.get(column.field, column.field) for column in columns]
    titles = {field: column.title for field, column in zip(fields, columns, strict=True)}
    order = {field: place for place, field in enumerate(fields)}
    hidden = {name: True for name in ("Time", *values.values()) if name not in fields}
    shown = {"excludeByName": hidden, "indexByName": order, "renameByName": titles}
    panel.with_transformation(models.DataTransformerConfig(id_val="organize", options=shown))
    for column in columns:
        if properties := list(_cell(column)):
            panel.override_by_name(column.title, properties)
    if by:
        panel.sort_by([common.TableSortByFieldState().display_name(by).desc(falling)])
    for ref, query in _lettered(queries):
        panel.with_target(_target(ref, query, over_time=False).format(prometheus_models.PromQueryFormat.TABLE))
    return panel


def ranked(place: Place, *queries: Query, steps: Steps = PLAIN, decimals: int | None = None) -> Panel:
    """One bar for each series, as it stands now."""
    panel = _between(_placed(bargauge.Panel(), place, steps), place)
    panel.color_scheme(_by_thresholds()).reduce_options(_last())
    panel.orientation(common_models.VizOrientation.HORIZONTAL).display_mode(common_models.BarGaugeDisplayMode.BASIC)
    panel.value_mode(common_models.BarGaugeValueMode.TEXT)
    if decimals is not None:
        panel.decimals(decimals)
    for ref, query in _lettered(queries):
        panel.with_target(_target(ref, query, over_time=False))
    return panel


def states(place: Place, *queries: Query, meaning: Mapping[str, tuple[str, str]]) -> Panel:
    """One lane for each series, in the colour of its value: value → (words, colour)."""
    panel = _placed(statetimeline.Panel(), place, PLAIN)
    results = {
        value: models.ValueMappingResult(text=words, color=colour, index=index)
        for index, (value, (words, colour)) in enumerate(meaning.items())
    }
    panel.mappings([models.ValueMap(options=results)]).color_scheme(_by_thresholds())
    panel.show_value(common_models.VisibilityMode.NEVER).row_height(0.85).merge_values(True)
    panel.legend(_legend(())).fill_opacity(85).line_width(0)
    for ref, query in _lettered(queries):
        panel.with_target(_target(ref, query))
    return panel


def heat(place: Place, query: Query) -> Panel:
    """A histogram's buckets over time, a column a day."""
    panel = _placed(heatmap.Panel(), place, ())
    panel.calculate(False).interval("1d").cell_gap(1)
    colour = heatmap.HeatmapColorOptions().mode(heatmap_models.HeatmapColorMode.SCHEME).scheme("Blues").steps(32)
    panel.color(colour).y_axis(heatmap.YAxisConfig().unit(place.unit))
    panel.rows_frame(heatmap.RowsHeatmapOptions().layout(common_models.HeatmapCellLayout.AUTO))
    panel.filter_values(heatmap.FilterValueRange().le(1e-9))
    panel.with_target(_target("A", query).format(prometheus_models.PromQueryFormat.HEATMAP))
    return panel


def _placed(panel: P, place: Place, steps: Steps) -> P:
    panel.title(place.title).description(place.says).datasource(PROMETHEUS)
    panel.span(place.width).height(place.height).no_value(place.none).unit(place.unit)
    if place.last:
        panel.time_from(place.last)
    return panel.thresholds(_thresholds(steps)) if steps else panel


def _between(panel: P, place: Place) -> P:
    if place.least is not None:
        panel.min(place.least)
    if place.most is not None:
        panel.max(place.most)
    return panel


def _target(ref: str, query: Query, over_time: bool = True) -> prometheus.Dataquery:
    made = prometheus.Dataquery().ref_id(ref).datasource(PROMETHEUS).expr(query.expr).legend_format(query.legend)
    made.editor_mode(prometheus_models.QueryEditorMode.CODE)
    made = made.range() if over_time else made.instant()
    return made.exemplar(True) if query.exemplar else made


def _lettered(queries: Sequence[Query]) -> list[tuple[str, Query]]:
    return [(chr(ord("A") + index), query) for index, query in enumerate(queries)]


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    made = [models.Threshold(value=value, color=colour) for value, colour in steps]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(made)


def _by_thresholds() -> dashboard.FieldColor:
    return dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS)


def _fixed(colour: str) -> models.DynamicConfigValue:
    return models.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour})


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields("")


def _legend(calcs: Iterable[str]) -> common.VizLegendOptions:
    shown = list(calcs)
    mode = common_models.LegendDisplayMode.TABLE if shown else common_models.LegendDisplayMode.LIST
    legend = common.VizLegendOptions().show_legend(True).display_mode(mode).calcs(shown)
    return legend.placement(common_models.LegendPlacement.BOTTOM)


def _cell(column: Column) -> Iterable[models.DynamicConfigValue]:
    if column.unit:
        yield models.DynamicConfigValue("unit", column.unit)
    if column.decimals is not None:
        yield models.DynamicConfigValue("decimals", column.decimals)
    if column.steps:
        steps = [{"value": value, "color": colour} for value, colour in column.steps]
        yield models.DynamicConfigValue("thresholds", {"mode": "absolute", "steps": steps})
        yield models.DynamicConfigValue("custom.cellOptions", {"type": "color-text"})
    if column.link:
        yield models.DynamicConfigValue("links", [{"title": f"Open {column.title.lower()}", "url": column.link}])
