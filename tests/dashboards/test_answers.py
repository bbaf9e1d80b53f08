"""A month at the desk, in a real Prometheus: every panel finds something, and what its legend names is there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from matplotlib import image
from prometheus_client import start_http_server
from prometheus_client.parser import text_string_to_metric_families

from daemon.catalogue import PROCESS
from daemon.model import FINISHED
from dashboards.source.ask import Asker, Json, Refused, Series, legend
from dashboards.source.render import save
from tests.dashboards.boards import BOARDS, Target, all_targets, variables
from tests.dashboards.history import JOB, apart, month_in_prometheus, scraping
from tests.dashboards.month import END, Month
from tests.dashboards.processes import until
from tests.dashboards.promql import selectors

EMPTY = {
    "daemon: Calls that are left: A": "none of the month's vendors says how many calls it still takes",
    "daemon: Forgotten by windows: A": "no window of the month was so full that a cap bit",
}
"""What finds nothing in this month, and why it may."""


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Month, str]]:
    with month_in_prometheus(tmp_path_factory.mktemp("month")) as (month, url):
        yield month, url


@pytest.fixture
def url(stand: tuple[Month, str]) -> str:
    return stand[1]


def asker(url: str, board: str = "") -> Asker:
    return Asker(url, END.timestamp(), apart, {"client": "acme"} if board == "client" else {})


def nothing_wrong(target: Target, url: str) -> list[str]:
    """What is wrong with what a query finds; nothing if all is well."""
    ask = asker(url, target.board)
    try:
        found = ask.target(BOARDS[target.board], target.panel, target.target)
    except Refused as refused:
        return [f"{target.id}: {refused}"]
    wrong = [f"{target.id}: {said}" for said in ask.said]
    if bool(found) is (target.id in EMPTY):
        wrong.append(f"{target.id}: finds {'something' if found else 'nothing'}")
    for one in found:
        if missing := target.legend_labels - one.labels.keys():
            wrong.append(f"{target.id}: its legend names {', '.join(sorted(missing))}, of which there is none")
            break
    if target.target.get("format") == "table" and (strange := shown_besides(target.panel, found)):
        wrong.append(f"{target.id}: Grafana would show {strange} too")
    twice = [name for name, many in Counter(one.legend for one in found).items() if many > 1]
    if twice and target.target.get("format") != "table":
        wrong.append(f"{target.id}: several lines are called {twice[0]}")
    return wrong


def shown_besides(panel: Json, found: list[Series]) -> list[str]:
    """Labels that are no column: a table shows what nobody hides."""
    organize = next(one["options"] for one in panel["transformations"] if one["id"] == "organize")
    columns = {*organize["indexByName"], *organize["excludeByName"]}
    return sorted({label for one in found for label in one.labels} - columns)


def test_every_query_of_every_panel_finds_something(url: str) -> None:
    """With no warning, labels that the legend names, and a name for each line."""
    assert [] == [wrong for target in all_targets() for wrong in nothing_wrong(target, url)]


def test_every_variable_has_values(url: str) -> None:
    """Those of the figures that the daemon shows."""
    asked = {one["name"]: asker(url).variable(one) for one in variables(BOARDS["sla"])[1:]}

    assert [JOB] == asked["job"]
    assert {"acme", "globex", "initech", "umbrella"} <= set(asked["client"])
    assert ["1", "2", "3", "4"] == asked["sev"]
    for name, board in BOARDS.items():
        assert [] == [(name, one["name"]) for one in variables(board)[1:] if not asker(url).variable(one)]


def test_the_marks_of_missed_promises_are_those_of_the_store(stand: tuple[Month, str]) -> None:
    """As many as the daemon counted in the month, within what `increase` makes of a fraction."""
    month, url = stand
    expr = BOARDS["sla"]["annotations"]["list"][0]["expr"]
    ask = asker(url)
    board = {"time": {"from": "now-30d"}}
    found = ask.target(board, {"interval": "1d"}, {"expr": expr, "refId": "A", "legendFormat": "{{client}}"})
    missed = sum(1 for row in month.world.rows("decisions") if row["kind"] == "breach")

    assert 20 < missed
    assert missed == pytest.approx(sum(value for one in found for _, value in one.points), rel=0.15)


def test_compliance_is_that_of_the_store(stand: tuple[Month, str]) -> None:
    """The stat of thirty days, against the rows that a report is made of."""
    month, url = stand
    kinds = Counter(row["kind"] for row in month.world.counted())
    decided = kinds["decision"] - kinds["decision_withdrawn"]
    missed = kinds["breach"] - kinds["breach_withdrawn"]

    assert 1 - missed / decided == pytest.approx(shown(url, "Kept in 30 days"), abs=0.01)
    assert missed == pytest.approx(shown(url, "Missed in 30 days"), abs=1)
    assert decided == pytest.approx(shown(url, "Decided in 30 days"), rel=0.01)


def shown(url: str, title: str) -> float:
    """The number of a panel of the overview."""
    (panel,) = [panel for panel in BOARDS["sla"]["panels"] if panel["title"] == title]
    (found,) = asker(url).panel(BOARDS["sla"], panel)
    return found.last


def test_the_top_row_is_what_the_store_says(stand: tuple[Month, str]) -> None:
    """The next deadline, whether anything is overdue, and what nobody has."""
    month, url = stand
    going = [row for row in month.world.rows("clocks") if row["state"] in ("running", "paused")]
    kept = [row for row in going if row["state"] == "running" and row["breached_at"] is None]
    ahead = [row["deadline"] for row in kept if row["deadline"] is not None]
    open_ = [one for one in month.world.tickets() if one.state not in FINISHED]

    assert (min(ahead) - END).total_seconds() == pytest.approx(shown(url, "Next promise due in"), abs=1)
    assert sum(row["breached_at"] is not None for row in going) == shown(url, "Missed and still open")
    assert sum(one.severity == 1 for one in open_) == shown(url, "Open Sev 1")
    assert sum(not one.assignee for one in open_) == shown(url, "Nobody has them")


def test_two_replicas_do_not_count_twice(stand: tuple[Month, str], tmp_path: Path) -> None:
    """A real Prometheus scrapes two exporters on one store, and gets all that they show; figures of the store are the
    same by both as by one."""
    month, _ = stand
    with serving(month) as first, serving(month) as second, scraping(tmp_path, [first, second]) as url:
        assert until(lambda: 2 == len(Asker(url, now(url)).found('up{job="heliograph"} == 1')))
        ask = Asker(url, now(url))
        shown = {one.labels["__name__"] for one in ask.found('{__name__=~"heliograph_.+"}')}
        assert said_by(first) == shown
        gauges = [target for target in all_targets() if target.target.get("instant") and of_the_store(target.expr)]
        assert 15 < len(gauges)
        assert [] == [target.id for target in gauges if not same(ask, target.expr, first)]


@contextmanager
def serving(month: Month) -> Iterator[str]:
    """Where one of its replicas shows its figures."""
    server, thread = start_http_server(0, addr="127.0.0.1", registry=month.registry)
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def now(url: str) -> float:
    return Asker(url, 0).clock()


def said_by(target: str) -> set[str]:
    """Names of the series of one scrape."""
    text = requests.get(f"http://{target}/metrics", timeout=60).text
    return {
        sample.name
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("heliograph_")
    }


def of_the_store(expr: str) -> bool:
    """Gauges of the store alone: no clock, no window, and nothing of a process."""
    names = {one.name for one in selectors(expr)}
    process = {series for figure in PROCESS for series in figure.series}
    return not ({"up"} | process) & names and not re.search(r"time\(\)|\[", expr)


def same(ask: Asker, expr: str, instance: str) -> bool:
    """Whether the answer is the same by one replica as by both."""
    one = ask.filled(expr.replace('job=~"$job"', f'job=~"$job", instance="{instance}"'))
    return values(ask, ask.filled(expr)) == values(ask, one) != {}


def values(ask: Asker, expr: str) -> dict[str, float]:
    return {legend("", one.labels): one.last for one in ask.found(expr)}


def test_a_dashboard_is_drawn(url: str, tmp_path: Path) -> None:
    """Small, and not blank: every quarter of the picture has ink."""
    save(BOARDS["queue"], asker(url), tmp_path / "queue.png", dots=40)
    drawn: Any = image.imread(tmp_path / "queue.png")[..., :3]
    high, wide = drawn.shape[:2]
    quarters = [
        part
        for half in (drawn[: high // 2], drawn[high // 2 :])
        for part in (half[:, : wide // 2], half[:, wide // 2 :])
    ]

    assert 500 < wide < 700
    assert [] == [number for number, part in enumerate(quarters) if part.std() < 0.05]


def test_a_query_that_finds_nothing_is_told(url: str) -> None:
    """So are a label that is not there, and lines of one name."""
    panel = {"title": "Tea", "type": "timeseries"}

    def of(expr: str, legend: str) -> str:
        target = {"expr": expr, "refId": "A", "legendFormat": legend}
        return " ".join(nothing_wrong(Target("sla", panel, target), url))

    assert "finds nothing" in of('heliograph_tea{job=~"$job"}', "tea")
    assert "its legend names colour" in of('sum by (sev) (heliograph_tickets{job=~"$job"})', "{{colour}}")
    assert "several lines" in of('sum by (sev) (heliograph_tickets{job=~"$job"})', "tickets")
    assert "parse error" in of("sum by (", "tea")
