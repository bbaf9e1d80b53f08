"""Alerts and recording rules ask for what there is, say what to do, and ring when they should."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from daemon.__main__ import parser
from tests.dashboards.files import ALERTS, DASHBOARDS, PROMETHEUS, RULES, recorded, rules, said_by
from tests.dashboards.promql import OTHERS, labels_named, metrics_used, selectors, unknown
from tests.house.tree import ROOT

TESTS = PROMETHEUS / "tests.yml"
GROUPS: list[dict[str, Any]] = yaml.safe_load(TESTS.read_text())["tests"]
RECORD_NAME = re.compile(r"(job|source|sev|(client(_sev)?(_goal)?(_kind)?)):heliograph_[a-z_]+:[a-z0-9_]+")
FIRING = re.compile(r'ALERTS\{alertname="(\w+)".*severity="(\w+)"')


def named(rule: dict[str, Any]) -> str:
    return str(rule.get("alert") or rule["record"])


def bases(expr: str) -> set[str]:
    """The series of the daemon that it comes to in the end, by way of what is recorded."""
    exprs = {rule["record"]: rule["expr"] for rule in rules(RULES)}
    used = metrics_used(expr)
    return set().union(*(bases(exprs[name]) if name in exprs else {name} for name in used))


def fired() -> set[tuple[str, str]]:
    """Alert and severity of everything that some test expects to ring."""
    found = set()
    for group in GROUPS:
        for test in group.get("alert_rule_test", ()):
            found |= {(test["alertname"], one["exp_labels"]["severity"]) for one in test.get("exp_alerts", ())}
        for test in group.get("promql_expr_test", ()):
            found |= {pair for one in test.get("exp_samples", ()) for pair in FIRING.findall(one["labels"])}
    return found


def anchors(page: str) -> list[str]:
    """Of its third headings, as a renderer of Markdown makes them."""
    return [title.lower().replace(" ", "-") for title in re.findall(r"^### (.+)$", page, re.MULTILINE)]


def unknown_commands(text: str) -> list[str]:
    """What follows `heliograph` in running text, as far as the command line's own words should go."""
    return [f"heliograph {said}" for said in re.findall(r"heliograph ((?:[a-z-]+ ?)+)", text) if not _is_one(said)]


def _is_one(said: str) -> bool:
    at = parser()
    for word in said.split():
        groups = [one for one in at._actions if isinstance(one, argparse._SubParsersAction)]
        if not groups:
            return True
        if word not in groups[0].choices:
            return False
        at = groups[0].choices[word]
    return not any(isinstance(one, argparse._SubParsersAction) for one in at._actions)


@pytest.mark.parametrize("rule", [*rules(RULES), *rules(ALERTS)], ids=named)
def test_a_rule_asks_only_for_figures_labels_and_states_that_there_are(rule: dict[str, Any]) -> None:
    """A renamed one would leave it silent."""
    assert [] == unknown(str(rule["expr"]), recorded())


@pytest.mark.parametrize("alert", rules(ALERTS), ids=named)
def test_an_alert_says_how_urgent_it_is_what_is_wrong_and_what_to_do(alert: dict[str, Any]) -> None:
    """`sev` is a ticket's severity: an alert that set it would hide it."""
    labels, notes = alert["labels"], alert["annotations"]

    assert re.fullmatch(r"Heliograph([A-Z][a-z]+\d?)+", alert["alert"])
    assert labels["severity"] in {"critical", "warning"}
    assert {"severity", "job"} >= set(labels)
    assert {"summary", "description", "runbook_url"} == set(notes)
    assert [] == unknown_commands(notes["description"])


def test_every_alert_has_its_place_in_the_runbook() -> None:
    """And every place its alert; the address leads there."""
    at = {alert["annotations"]["runbook_url"] for alert in rules(ALERTS)}
    base = "{{ $externalLabels.runbook_base }}docs/alerts.md#"
    places = anchors((ROOT / "docs/alerts.md").read_text())

    assert at == {base + place for place in places}
    assert {alert["alert"].lower() for alert in rules(ALERTS)} == set(places)
    assert len(places) == len(set(places))


@pytest.mark.parametrize("name", sorted(recorded()))
def test_a_recorded_name_says_level_metric_and_operation(name: str) -> None:
    assert RECORD_NAME.fullmatch(name)


def test_every_recorded_series_is_tested() -> None:
    asked = {
        name for group in GROUPS for test in group.get("promql_expr_test", ()) for name in metrics_used(test["expr"])
    }

    assert set() == recorded() - asked


def test_every_alert_rings_in_a_test() -> None:
    """At each of its severities."""
    assert {(alert["alert"], alert["labels"]["severity"]) for alert in rules(ALERTS)} == fired()


def test_no_alert_rings_while_all_is_well() -> None:
    """The first group plays every series that an alert reads, and expects silence."""
    well = GROUPS[0]
    played = {name for series in well["input_series"] for name in metrics_used(series["series"])}
    read = set().union(*(bases(str(alert["expr"])) for alert in rules(ALERTS)))

    assert set() == read - played
    assert [{"expr": "ALERTS", "eval_time": "60m"}] == well["promql_expr_test"]


def test_replicas_never_count_twice() -> None:
    """Whatever is read of the store is brought to one for all of them, or tells of one."""
    of_one = {"HeliographInstanceDown", "HeliographStoreUnreadable", "HeliographConfigReloadFailed"}
    loose = {
        named(rule)
        for rule in [*rules(RULES), *rules(ALERTS)]
        if metrics_used(str(rule["expr"])) - recorded() - set(OTHERS)
        and not {"instance", "pod"} <= labels_named(str(rule["expr"]))
    }

    assert of_one - {"HeliographInstanceDown"} == loose


def test_the_job_that_is_scraped_is_the_one_that_is_missed() -> None:
    """HeliographDown looks for it by name."""
    jobs = [job["job_name"] for job in yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]]
    asked = {
        value
        for alert in rules(ALERTS)
        for one in selectors(str(alert["expr"]))
        for label, _, value in one.matchers
        if label == "job"
    }

    assert {"heliograph"} == asked & set(jobs) == asked


def test_promtool_takes_the_configuration_and_the_rules() -> None:
    assert 0 == said_by("promtool", "check", "config", "prometheus.yml")[0]
    assert 0 == said_by("promtool", "check", "rules", "rules.yml", "alerts.yml")[0]


def test_every_rule_does_what_its_tests_say() -> None:
    """`promtool test rules`."""
    code, said = said_by("promtool", "test", "rules", "tests.yml")

    assert (0, True) == (code, "SUCCESS" in said), said


def test_a_test_of_a_rule_can_fail(tmp_path: Path) -> None:
    """With a window moved, promtool says so: a green run is no accident."""
    written = yaml.safe_load(TESTS.read_text())
    chosen = [group for group in GROUPS if "forgot something" in group["name"]]
    moved = ALERTS.read_text().replace("offset 1h))", "offset 2h))")
    assert (1, True) == (len(chosen), moved != ALERTS.read_text())
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(written | {"tests": chosen}))
    (tmp_path / "rules.yml").write_text(RULES.read_text())
    (tmp_path / "alerts.yml").write_text(moved)

    code, said = said_by("promtool", "test", "rules", tmp_path / "tests.yml")

    assert (1, True) == (code, "aws/noise" in said), said


def test_amtool_takes_the_example() -> None:
    code, said = said_by("amtool", "check-config", DASHBOARDS / "alertmanager/example.yml")

    assert 0 == code, said


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ("severity=critical alertname=HeliographDown", "page"),
        ("severity=warning alertname=HeliographSlaBreach client=globex", "chat"),
        ("severity=critical alertname=HeliographSev1Breach client=acme", "acme,page"),
        ("severity=warning alertname=HeliographSlaBreach client=acme", "acme,chat"),
        ("severity=critical alertname=HeliographDown client=acme", "page"),
        ("alertname=SomethingElse", "chat"),
    ],
)
def test_an_alert_goes_to_whom_the_example_says(labels: str, receivers: str) -> None:
    example = DASHBOARDS / "alertmanager/example.yml"
    code, said = said_by("amtool", "config", "routes", "test", "--config.file", example, *labels.split())

    assert (0, True) == (code, receivers in said.splitlines()), said


def test_what_the_example_inhibits_has_names_that_exist() -> None:
    """By alert, and by the labels that must be equal."""
    example = yaml.safe_load((DASHBOARDS / "alertmanager/example.yml").read_text())
    names = [alert["alert"] for alert in rules(ALERTS)]
    matchers = [
        one for rule in example["inhibit_rules"] for side in ("source", "target") for one in _alerts(rule, side)
    ]

    assert [] == [one for one in matchers if not any(re.fullmatch(one, name) for name in names)]
    assert 4 == len(matchers)


def _alerts(rule: dict[str, Any], side: str) -> Iterable[str]:
    return (match for one in rule[f"{side}_matchers"] for match in re.findall(r'alertname=~?"(.+)"', one))


def test_these_lints_can_fail() -> None:
    """Each of them finds what it is made to find."""
    expr = (
        'rate(heliograph_tea_total[$__rate_interval]) + on (pot) heliograph_tickets{state=~"new|old", sev="5", x="1"}'
    )

    assert {"heliograph_tea_total", "heliograph_tickets"} == metrics_used(expr)
    assert [
        "label pot", "metric heliograph_tea_total", "state=old of heliograph_tickets", "sev=5 of heliograph_tickets",
        "label x of heliograph_tickets",
    ] == unknown(expr, frozenset())  # fmt: skip
    assert ["goal=tea of client_goal:x:y"] == unknown('client_goal:x:y{goal="tea"}', frozenset({"client_goal:x:y"}))
    assert [] == unknown('sum by (client) (heliograph_tickets{client=~"$client", state!="resolved"})', frozenset())
    assert ["heliograph brew tea"] == unknown_commands("Try heliograph brew tea, or heliograph ticket list.")
    assert ["a-b"] == anchors("## No\n### A b\n")
