"""The rules that come with the program."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from daemon import app
from daemon.cli.rehearse import Stage, cast, stage
from daemon.rules import check
from daemon.rules.conditions import compile_condition
from daemon.rules.engine import opens
from daemon.rules.load import rule_files
from daemon.rules.model import Rule, RuleSet, RuleTest
from daemon.shipped import shipped as shipped_file
from tests.house.tree import ROOT

FOLDER = Path(__file__).parents[2] / "rules"


@cache
def setup() -> app.Setup:
    return app.read(shipped_file("config.yaml"), {}, random.Random(0), credentials=False)


def shipped() -> RuleSet:
    return setup().rules


@pytest.fixture(scope="module")
def play() -> Iterator[Stage]:
    with stage(setup().detection, frozenset(setup().config.actions)) as rehearsal:
        yield rehearsal


def cases() -> list[tuple[Rule, RuleTest]]:
    return [(rule, test) for rule in shipped() for test in rule.tests]


def test_every_file_is_a_rule_by_its_path() -> None:
    """What the folder holds is what is loaded."""
    expected = [path.relative_to(FOLDER).with_suffix("").as_posix() for path in rule_files(FOLDER)]

    assert expected == [rule.id for rule in shipped()]


def test_there_are_rules_for_every_source() -> None:
    """A new user sees something whichever vendor is switched on first."""
    assert {"sentry", "datadog", "cloudtrail", "vpcflow", "ecs"} == {rule.id.split("/")[0] for rule in shipped()}


@pytest.mark.parametrize(("rule", "case"), [pytest.param(r, t, id=f"{r.id}: {t.it}") for r, t in cases()])
def test_a_rule_does_what_it_says(play: Stage, rule: Rule, case: RuleTest) -> None:
    """Each test that a rule carries holds."""
    assert [] == play.play(cast(rule, shipped().by_id), case)


def test_every_rule_has_a_hit_a_near_miss_and_a_runbook() -> None:
    """`heliograph rules check` has nothing else to say about what we ship."""
    found = check.warnings(shipped())

    assert [] == [str(one) for one in found]


def test_the_page_on_flow_logs_names_the_rules_that_a_filter_blinds() -> None:
    """Those that no row of what was refused meets, among all that the rules are tried on."""
    rules = [rule for rule in shipped() if "vpcflow" in rule.sources]
    rows = [given.fields for rule in rules for test in rule.tests for given in test.given]
    left = [row for row in rows if row.get("action") == "REJECT"]
    blind = {rule.id for rule in rules if not any(map(compile_condition(opens(rule)), left))}
    page = (ROOT / "docs/integrations/vpcflow.md").read_text()
    (told,) = re.findall(r"With `filter: REJECT` these are blind:(.*?);", page, re.DOTALL)

    assert sorted(blind) == sorted(re.findall(r"`(vpcflow/[a-z-]+)`", told))


def test_the_sample_reads_what_the_rules_look_at() -> None:
    """Nobody who switches a source on is half blind."""
    sample = yaml.safe_load(shipped_file("config.yaml").read_text())

    assert "filter" not in sample["sources"]["flow"]


def test_every_rule_is_shown_at_each_of_its_severities() -> None:
    """No `raise` without a test in which it bites."""
    said = {rule.id: {rule.severity, *(each.to for each in rule.raises)} for rule in shipped()}
    shown = {rule.id: {test.expect.severity for test in rule.tests} for rule in shipped()}

    assert {} == {rule: left for rule, severities in said.items() if (left := severities - shown[rule])}
