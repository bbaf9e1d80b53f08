"""The dashboards are as their source makes them, in Grafana's own terms, and by our rules."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from daemon.catalogue import FIGURES
from dashboards.source import __main__ as source
from dashboards.source.sdk import JSONEncoder, models, register_default_plugins
from tests.dashboards.boards import BOARDS, FOLDER, Json, all_targets
from tests.dashboards.lint import covered, findings
from tests.dashboards.promql import metrics_used

NOT_SHOWN: dict[str, str] = {}
"""Figures that are on no dashboard, each with the reason."""


def through_grafanas_models(board: Json) -> Any:
    """What they do not know is lost on the way."""
    register_default_plugins()
    return json.loads(json.dumps(models.Dashboard.from_json(copy.deepcopy(board)), cls=JSONEncoder))


def test_the_files_are_as_their_source_makes_them() -> None:
    """`make dashboards` would change nothing, and leave none over."""
    committed = {path.name: path.read_text() for path in FOLDER.glob("*.json")}

    assert source.written() == committed, "out of date: run `make dashboards`"


@pytest.mark.parametrize("name", BOARDS)
def test_grafanas_own_models_know_every_key(name: str) -> None:
    """Of dashboards, panels, queries and options alike."""
    assert BOARDS[name] == through_grafanas_models(BOARDS[name])


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_keeps_the_rules(name: str) -> None:
    """Title, sentence, unit, legend, variables, windows, a place of its own; and no name or value that there is not."""
    assert [] == list(findings(name, BOARDS[name]))


def test_every_figure_of_the_catalogue_is_on_a_dashboard() -> None:
    """Or stands in a short list with the reason."""
    used = {name for target in all_targets() for name in metrics_used(target.expr)}

    assert sorted(NOT_SHOWN) == sorted(figure.exposed for figure in FIGURES if not used & set(figure.series))


BAD: dict[str, tuple[list[Any], Any]] = {
    "no fixed uid": (["uid"], ""),
    "not in UTC": (["timezone"], "browser"),
    "no link to the others": (["links"], []),
    "no marks of missed promises": (["annotations", "list"], []),
    "is there twice": (["panels", 2, "title"], "Next promise due in"),
    "lies over": (["panels", 2, "gridPos", "x"], 0),
    "hangs over the edge": (["panels", 2, "gridPos"], {"x": 22, "y": 900, "w": 4, "h": 1}),
    "no variable for the data source": (["templating", "list", 0, "type"], "custom"),
    "no variable job": (["templating", "list", 1, "name"], "task"),
    "client cannot be all": (["templating", "list", 2, "multi"], False),
    "sev is asked of other jobs": (["templating", "list", 3, "definition"], "label_values(heliograph_tickets, sev)"),
    "no title, or no sentence": (["panels", 1, "description"], "Due"),
    "not the chosen data source": (["panels", 1, "datasource"], {"type": "prometheus", "uid": "mine"}),
    "no unit": (["panels", 1, "fieldConfig", "defaults", "unit"], ""),
    "no query": (["panels", 1, "targets"], []),
    "asks for a range": (["panels", 1, "targets", 0, "instant"], False),
    "no legend": (["panels", 11, "targets", 0, "legendFormat"], ""),
    "unknown metric heliograph_tea": (["panels", 1, "targets", 0, "expr"], 'heliograph_tea{job=~"$job"}'),
    "unknown state=tea of heliograph_tickets": (
        ["panels", 1, "targets", 0, "expr"],
        'heliograph_tickets{job=~"$job", client=~"$client", sev=~"$sev", state="tea"}',
    ),
    "lacks client=~": (["panels", 1, "targets", 0, "expr"], 'heliograph_tickets{job=~"$job", sev=~"$sev"}'),
    "unknown label colour of heliograph_site_on_duty": (
        ["panels", 1, "targets", 0, "expr"],
        'heliograph_site_on_duty{job=~"$job", colour="red"}',
    ),
    "the window 5m": (["panels", 1, "targets", 0, "expr"], 'increase(heliograph_escalations_total{job=~"$job"}[5m])'),
    "irate skips": (["panels", 1, "targets", 0, "expr"], 'irate(up{job=~"$job"}[$__rate_interval])'),
    "since the beginning": (["panels", 1, "targets", 0, "expr"], 'heliograph_trace_spans_dropped_total{job=~"$job"}'),
    "exemplars are of ranges": (["panels", 1, "targets", 0, "exemplar"], True),
}


@pytest.mark.parametrize("finding", BAD)
def test_this_lint_can_fail(finding: str) -> None:
    """Each slip, put into the overview, is found and named; without it there is none."""
    board = copy.deepcopy(BOARDS["sla"])
    path, value = BAD[finding]
    at: Any = board
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value

    assert [finding] == [finding for each in [" ".join(findings("sla", board))] if finding in each]


def test_a_key_that_grafana_does_not_know_is_found() -> None:
    """In a panel, and within its options."""
    board = copy.deepcopy(BOARDS["sla"])
    board["panels"][1]["tea"] = True
    board["panels"][1]["options"]["tea"] = True

    assert BOARDS["sla"] == through_grafanas_models(board)


def test_a_panel_covers_its_cells() -> None:
    """From its corner, as wide and high as it is."""
    assert [(1, 2), (2, 2)] == covered({"x": 1, "y": 2, "w": 2, "h": 1})
