"""What all dashboards share: variables, links, the marks of missed promises, and the grid."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from daemon import catalogue
from daemon.catalogue import Figure
from dashboards.source.panels import PROMETHEUS, WRONG, Panel
from dashboards.source.queries import grew, total
from dashboards.source.sdk import Builder, JSONEncoder, dashboard, models

TAG = "heliograph"
_ALL = models.VariableOption(text="All", value="$__all", selected=True)


@dataclass(frozen=True, slots=True)
class Row:
    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Board:
    uid: str
    title: str
    says: str
    rows: Sequence[Row]
    since: str = "now-24h"
    picks: tuple[str, ...] = ("client", "sev")
    """Which variables are shown. The others are there too, so that links carry them on and the marks heed them."""
    one_client: bool = False
    refresh: str = "1m"

    def written(self) -> str:
        """As the file has it."""
        return json.dumps(self._built(), cls=JSONEncoder, indent=2, ensure_ascii=False, sort_keys=True) + "\n"

    def _built(self) -> models.Dashboard:
        made = dashboard.Dashboard(self.title).uid(self.uid).description(self.says).tags([TAG]).timezone("utc")
        made.time(self.since, "now").refresh(self.refresh).tooltip(models.DashboardCursorSync.CROSSHAIR)
        made.week_start("monday").variables(self._variables()).link(_link()).annotations([_breaches()])
        made.version(1).editable()
        for row in self.rows:
            made.with_row(dashboard.Row(row.title))
            for panel in row.panels:
                made.with_panel(panel)
        built = made.build()
        for number, shown in enumerate(built.panels or (), 1):
            shown.id_val = number
        return built

    def _variables(self) -> list[Builder[models.VariableModel]]:
        datasource = dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
        client = _single_client() if self.one_client else _several("client", catalogue.TICKETS)
        picked = {"client": client, "sev": _several("sev", catalogue.TICKETS).label("Severity")}
        for name in picked.keys() - set(self.picks):
            picked[name].hide(models.VariableHide.HIDE_VARIABLE)
        return [datasource, _several("job", catalogue.BUILD), *picked.values()]


def _several(label: str, figure: Figure) -> dashboard.QueryVariable:
    """As many as one likes; all of them at first."""
    return _variable(label, figure).multi(True).include_all(True).all_value(".+").current(_ALL)


def _single_client() -> dashboard.QueryVariable:
    return _variable("client", catalogue.CLIENT).multi(False).include_all(False)


def _variable(label: str, figure: Figure) -> dashboard.QueryVariable:
    within = "" if label == "job" else '{job=~"$job"}'
    query = f"label_values({figure.exposed}{within}, {label})"
    made = dashboard.QueryVariable(label).label(label.capitalize()).datasource(PROMETHEUS)
    made.query({"query": query, "refId": f"variable-{label}"}).definition(query)
    return made.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(models.VariableSort.ALPHABETICAL_ASC)


def _link() -> dashboard.DashboardLink:
    made = dashboard.DashboardLink("Heliograph").type(models.DashboardLinkType.DASHBOARDS).tags([TAG])
    return made.include_vars(True).keep_time(True).as_dropdown(False).icon("external link").tooltip("Its dashboards")


def _breaches() -> dashboard.AnnotationQuery:
    """A mark where a promise was missed."""
    expr = f"{total(grew(catalogue.BREACHES), 'client', 'sev', 'goal')} > 0"
    made = dashboard.AnnotationQuery().name("Missed promises").datasource(PROMETHEUS).enable(True).hide(False)
    made.icon_color(WRONG).expr(expr).step("5m").title_format("{{client}}: a {{goal}} of Sev {{sev}} was missed")
    return made.tag_keys("client,sev,goal").text_format("Its deadline passed within the five minutes before.")
