"""The pictures of dashboards: words for values, rows of tables, and lengths of time, as Grafana has them."""

from __future__ import annotations

import pytest

from dashboards.source.ask import Asker, Json, Series, legend
from dashboards.source.draw import threshold
from dashboards.source.tables import INK, Cell, table_of
from dashboards.source.units import written

WORDS: list[tuple[float, str, int | None, str]] = [
    (0.97654, "percentunit", 1, "97.7 %"),
    (0.6, "percentunit", None, "60 %"),
    (5400, "s", None, "1.50 hours"),
    (3600, "s", None, "1 hour"),
    (0.0951, "s", None, "95.1 ms"),
    (-5400, "s", None, "-1.50 hours"),
    (97_200, "dtdurations", None, "1 d 3 h"),
    (-61, "dtdurations", None, "1 min 1 s ago"),
    (0, "dtdurations", None, "0 s"),
    (1775053628000, "dateTimeAsIso", None, "2026-04-01 14:27:08"),
    (1234, "short", None, "1.23 K"),
    (-0.0000001, "short", 0, "0"),
    (float("nan"), "s", None, "NaN"),
]
STEPS: list[Json] = [
    {"value": None, "color": "red"},
    {"value": 900, "color": "orange"},
    {"value": 3600, "color": "blue"},
]
TABLE: Json = {
    "targets": [{}, {}],
    "options": {"sortBy": [{"displayName": "Left", "desc": False}]},
    "transformations": [
        {"id": "merge", "options": {}},
        {
            "id": "organize",
            "options": {
                "indexByName": {"client": 0, "Value #A": 1, "Value #B": 2},
                "renameByName": {"client": "Client", "Value #A": "Left", "Value #B": "Clocks"},
            },
        },
    ],
    "fieldConfig": {
        "defaults": {"unit": "short"},
        "overrides": [
            {
                "matcher": {"id": "byName", "options": "Left"},
                "properties": [{"id": "unit", "value": "s"}, {"id": "thresholds", "value": {"steps": STEPS}}],
            }
        ],
    },
}


@pytest.mark.parametrize(("value", "unit", "decimals", "said"), WORDS)
def test_a_value_is_written_in_its_unit(value: float, unit: str, decimals: int | None, said: str) -> None:
    """In the largest part that it fills."""
    assert said == written(value, unit, decimals)


@pytest.mark.parametrize(("value", "colour"), [(-1, "red"), (899, "red"), (900, "orange"), (1e9, "blue")])
def test_a_threshold_is_reached_at_its_value(value: float, colour: str) -> None:
    assert colour == threshold(STEPS, value)


def test_a_table_joins_its_queries_by_their_labels() -> None:
    """A row for each client, the least first, and last whatever has nothing to be sorted by."""
    found = [
        Series({"client": "acme"}, ((0, 7200.0),), "A"),
        Series({"client": "globex"}, ((0, 60.0),), "A"),
        Series({"client": "acme"}, ((0, 2.0),), "B"),
        Series({"client": "initech"}, ((0, 1.0),), "B"),
    ]
    columns, rows = table_of(TABLE, found)

    assert ["Client", "Left", "Clocks"] == [column.title for column in columns]
    assert [
        [Cell("globex"), Cell("1 min", "red", True), Cell("", INK, True)],
        [Cell("acme"), Cell("2 hours", "blue", True), Cell("2", INK, True)],
        [Cell("initech"), Cell("", INK, True), Cell("1", INK, True)],
    ] == rows


def test_a_query_gets_its_variables_and_lengths_of_time() -> None:
    """What is not chosen is all. A rate looks back four samples at least."""
    ask = Asker("http://127.0.0.1:1", 0, chosen={"client": "acme"})
    expr = 'increase(x{job=~"$job", client=~"$client"}[$__rate_interval])'

    assert 'increase(x{job=~".+", client=~"acme"}[60s])' == ask.filled(expr, 15, 15)
    assert "[315s]" in ask.filled(expr, 300, 15)


def test_a_panel_asks_for_its_own_time_in_steps_that_do_not_overlap() -> None:
    """Its own time goes before the dashboard's, and what happened once is shown once."""
    ask, board = Asker("http://127.0.0.1:1", 100_000, lambda since: 60), {"time": {"from": "now-1h"}}

    assert 240 == ask.span(board, {}, {"expr": "rate(x[$__rate_interval])"}).step
    own = ask.span(board, {"timeFrom": "1d", "interval": "1h"}, {"expr": "x"})
    assert (3600, 97_200, 86_400) == (own.step, own.end, own.end - own.begin)


def test_a_legend_is_filled_in() -> None:
    """Without one, all labels tell a line from another."""
    labels = {"__name__": "x", "sev": "1", "client": "acme"}

    assert "acme: Sev 1" == legend("{{client}}: Sev {{ sev }}", labels)
    assert "client=acme, sev=1" == legend("", labels)
