"""What a dashboard must keep, as findings in words. Some are rules of Grafana's own linter; others are of our house."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from tests.dashboards.boards import Json, Target, panels, targets, variables
from tests.dashboards.promql import BY_SERIES, Selector, metrics_used, selectors, unknown

WIDTH = 24
ALIKE = ("job", "client", "sev")
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_COUNTING = re.compile(r"\b(rate|irate|increase|delta|resets|changes)\(")
_WINDOW = re.compile(r"\[([^\]]+)\]")
_LONG = {"1d:15m", "7d:15m", "30d:15m", "30d", "$__rate_interval"}
_COUNTS = ("_total", "_bucket", "_sum", "_count")


def findings(name: str, board: Json) -> Iterator[str]:
    yield from (f"{name}: {each}" for each in (*_of_board(board), *_of_grid(board), *_of_variables(board)))
    for panel in panels(board):
        yield from (f"{name}: {panel['title']}: {each}" for each in _of_panel(panel))
    for target in targets(name, board):
        yield from (f"{target.id}: {each}" for each in _of_target(target))


def _of_board(board: Json) -> Iterator[str]:
    if not re.fullmatch(r"heliograph-[a-z]+", board.get("uid", "")):
        yield "no fixed uid"
    if ("utc", 42, ["heliograph"]) != (board["timezone"], board["schemaVersion"], board["tags"]):
        yield "not in UTC, of another schema, or without the tag that links look for"
    if not any(link["type"] == "dashboards" and link["includeVars"] and link["keepTime"] for link in board["links"]):
        yield "no link to the others that keeps variables and time"
    if not any("heliograph_sla_breaches_total" in mark.get("expr", "") for mark in board["annotations"]["list"]):
        yield "no marks of missed promises"
    ids = Counter(panel["id"] for panel in board["panels"])
    titles = Counter(panel["title"] for panel in panels(board))
    yield from (f"{twice!r} is there twice" for twice, many in (ids + titles).items() if many > 1)


def _of_grid(board: Json) -> Iterator[str]:
    taken: dict[tuple[int, int], str] = {}
    for panel in board["panels"]:
        for spot in covered(panel["gridPos"]):
            if spot in taken:
                yield f"{panel['title']} lies over {taken[spot]}"
                break
            if spot[0] >= WIDTH:
                yield f"{panel['title']} hangs over the edge"
                break
            taken[spot] = panel["title"]


def covered(place: dict[str, int]) -> list[tuple[int, int]]:
    """The cells of the grid that a panel stands on."""
    columns, lines = range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
    return [(x, y) for x in columns for y in lines]


def _of_variables(board: Json) -> Iterator[str]:
    found = {one["name"]: one for one in variables(board)}
    if found.get("datasource", {}).get("type") != "datasource":
        yield "no variable for the data source"
    for name in ALIKE:
        one = found.get(name, {})
        if one.get("datasource") != _SOURCE or f", {name})" not in one.get("definition", ""):
            yield f"no variable {name}"
        elif not (one["multi"] and one["includeAll"]) and (board["uid"], name) != ("heliograph-client", "client"):
            yield f"{name} cannot be all or several"
        elif name != "job" and 'job=~"$job"' not in one["definition"]:
            yield f"{name} is asked of other jobs too"


def _of_panel(panel: Json) -> Iterator[str]:
    if not panel["title"] or not panel.get("description", "").endswith("."):
        yield "no title, or no sentence that describes it"
    if panel.get("datasource") != _SOURCE:
        yield "not the chosen data source"
    units = [panel["fieldConfig"]["defaults"].get("unit")] + [
        one["value"] for each in panel["fieldConfig"]["overrides"] for one in each["properties"] if one["id"] == "unit"
    ]
    if not all(units):
        yield "no unit"
    if not panel["targets"]:
        yield "no query"
    if len({target["refId"] for target in panel["targets"]}) < len(panel["targets"]):
        yield "two queries of one name"
    if panel["type"] in {"stat", "bargauge", "table"} and not all(target.get("instant") for target in panel["targets"]):
        yield "asks for a range, and shows one value"


def _of_target(target: Target) -> Iterator[str]:
    expr, one = target.expr, target.target
    if one.get("datasource") != _SOURCE:
        yield "not the chosen data source"
    if one.get("format") not in {"table", "heatmap"} and target.panel["type"] != "stat" and not one["legendFormat"]:
        yield "no legend"
    yield from (f"unknown {each}" for each in unknown(expr, frozenset()))
    for selector in selectors(expr):
        yield from _of_selector(selector)
    yield from (f"the window {each}" for each in _WINDOW.findall(expr) if each not in _LONG)
    if "irate(" in expr:
        yield "irate skips what happens between two points"
    for name in metrics_used(expr):
        if name.endswith(_COUNTS) and not _COUNTING.search(expr):
            yield f"{name} is shown as a count since the beginning"
    if one.get("exemplar") and not one.get("range"):
        yield "exemplars are of ranges"


def _of_selector(one: Selector) -> Iterator[str]:
    """Each carries the variables of the labels that it has."""
    figure = BY_SERIES.get(one.name)
    has = ("job", *(figure.labels if figure else ()))
    carried = {label for label, operator, value in one.matchers if (operator, value) == ("=~", f"${label}")}
    for label in ALIKE:
        if label in has and label not in carried:
            yield f'{one.name} lacks {label}=~"${label}"'
