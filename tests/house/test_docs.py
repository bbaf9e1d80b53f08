"""The docs say what the code does: tables are made from it, commands exist, links lead somewhere."""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
from collections.abc import Iterable
from dataclasses import fields
from datetime import timedelta
from importlib import import_module
from pathlib import Path

import pytest

from daemon import marked_yaml
from daemon.__main__ import main, parser
from daemon.catalogue import FIGURES
from daemon.config.schema import File
from daemon.contract import Duration, Settings
from daemon.errors import ConfigError
from daemon.log import KEYS as LOG_KEYS
from daemon.rules import read_condition, read_policy, read_rule, read_test, read_window
from daemon.rules.model import RuleTest
from daemon.rules.policy import FIELDS, GROUP
from daemon.sla import policy
from docs.generate import DOCS, renew, table
from tests.house.tree import ROOT, tracked

PAGES = [path for path in tracked("*.md") if path.name != "CHANGELOG.md"]
CONFIGURATION, RULES, POLICY, METRICS, OPERATIONS = (
    (DOCS / f"{name}.md").read_text() for name in ("configuration", "rules", "policy", "metrics", "operations")
)
DASHBOARDS = tracked("dashboards")
SETTINGS = ("File", "Portal", "Metrics", "ReportErrors", "Heartbeat", "Traces", "SourceCommon", "ActionCommon",
            "SeverityMeaning", "Class", "Team", "Person", "Site")  # fmt: skip
POLICY_TABLES = ("calendar", "contract", "row", "step", "change", "train", "client")
SLIPS = """
calendars: {site: {tz: UTC, weekly: {mon: ["09:00-17:00"]}, zz: 1}}
release_train: {zz: 1}
contracts:
  gold:
    zz: 1
    goals: {response: {1: {zz: 1}}, resolution: {1: {zz: 1}}, update: {1: {zz: 1}}}
    escalation: {default: [{zz: 1}]}
    severity_change: {zz: 1}
    reopen: {zz: 1}
clients: {acme: {zz: 1}}
"""
"""A key that there is not in every table of the policy: the reader's answers list those that there are."""
RULE_KEYS = {
    "rule": set(read_rule.RULE),
    "window": {key for kind in read_window.KINDS.values() for key in kind.keys},
    "step": set(read_window.STEP),
    "raise": set(read_rule.RAISE),
    "clear": set(read_rule.CLEAR),
    "modifier": set(read_condition.MODIFIERS),
    "test": {one.name for one in fields(RuleTest)} - {"line"},
    "given": set(read_test.GIVEN),
    "expect": set(read_test.EXPECT),
}
POLICY_KEYS = {
    "file": set(read_policy.KEYS),
    "problem": set(read_policy.PROBLEM),
    "maintenance": set(read_policy.MAINTENANCE),
    "inhibition": set(read_policy.INHIBITION),
    "selector": {*FIELDS, f"{GROUP}PART"},
}
TABLE_OF = {"calendar": "calendar", "contract": "contract", "a": "step", "release_train": "train", "client": "client"}
SIDES = {"SourceSettings": "source", "ActionSettings": "action"}
COMMAND = re.compile(r"^\s*(?:\$ )?(make|heliograph) ([a-z][^\n`#|]*)|`(make|heliograph) ([a-z][^`\n]*)`", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)]*)?\)|(?:src|srcset)=\"(?!https?:)([^\"]+)\"")


def commands(text: str) -> set[tuple[str, str]]:
    """(`make` or `heliograph`, the words after it) of every command that a page shows."""
    found = (match.groups() for match in COMMAND.finditer(text))
    return {(a or c, (b or d).strip()) for a, b, c, d in found}


def dead_links(page: Path, text: str) -> list[str]:
    targets = [a or b for a, b in LINK.findall(text)]
    return [f"{page}: {target}" for target in targets if not (ROOT / page.parent / target).exists()]


def unknown_targets(text: str) -> list[str]:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    return sorted(words for tool, words in commands(text) if tool == "make" and words.split()[0] not in targets)


def refused(text: str) -> list[str]:
    """The `heliograph` commands of a page that the command line does not take; one alone may lack its arguments."""
    shown = sorted(words for tool, words in commands(text) if tool == "heliograph")
    said = {words: shlex.split(words.partition(" > ")[0], comments=True) for words in shown}
    return [f"heliograph {words}" for words in shown if not taken(said[words])]


def taken(words: list[str]) -> bool:
    """Whether the command line would run it. What it needs beside may be left out in prose."""
    at = parser()
    while groups := [one for one in at._actions if isinstance(one, argparse._SubParsersAction)]:
        if not words:
            return True
        if words[0] not in groups[0].choices:
            return words[0] in {"ticket", "incident"} and len(words) == 1
        at, words = groups[0].choices[words[0]], words[1:]
    known = {option for action in at._actions for option in action.option_strings}
    takes_words = any(not action.option_strings for action in at._actions)
    options = [word for word in words if word.startswith("--")]
    return set(options) <= known and (takes_words or len(options) > 0 or not words)


def commands_of(at: argparse.ArgumentParser, said: str = "heliograph") -> set[str]:
    """Every command that can be run, in full."""
    groups = [one for one in at._actions if isinstance(one, argparse._SubParsersAction)]
    if not groups:
        return {said}
    inner = (commands_of(one, f"{said} {name}") for name, one in groups[0].choices.items())
    return set().union(*inner)


def first_cells(text: str, head: str) -> set[str]:
    """The code in the first cells of the table whose first line begins with `head`."""
    body = text[text.index(head) :].partition("\n\n")[0]
    return {code for row in body.splitlines()[2:] for code in re.findall(r"`([^`]+)`", row.split(" | ")[0])}


def keys(page: str, table_of: str) -> set[str]:
    """What the hand-written table under `<!-- keys: NAME -->` documents."""
    return first_cells(page[page.index(f"<!-- keys: {table_of} -->") :], "|")


def sections(text: str) -> dict[str, str]:
    """The top-level keys of a configuration, each with its text."""
    return {part.partition(":")[0]: part for part in re.split(r"^(?=[a-z_]+:)", text, flags=re.MULTILINE)}


def with_examples(shipped: str, page: str) -> Iterable[str]:
    """The shipped configuration's sections, and in place of each the last example that a page gives of it."""
    examples = [sections(block) for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    merged = sections(shipped)
    for example in examples:
        merged |= {name: text for name, text in example.items() if name}
    return merged.values()


def policy_keys(slips: Path) -> dict[str, set[str]]:
    """Table → the keys that the reader of the policy says it has."""
    written = marked_yaml.load(slips)
    with pytest.raises(ConfigError) as error:
        policy.parse(written["calendars"], written["contracts"], written["clients"], written["release_train"])
    found: dict[str, set[str]] = {table_of: set() for table_of in POLICY_TABLES}
    for what, listed in re.findall(r": (.*) has no key 'zz'\. The keys are (.*)\.", str(error.value)):
        changed = what.partition(" of ")[0] if what.startswith(("severity_change", "reopen")) else ""
        table_of = "change" if changed else "row" if "severity" in what else TABLE_OF[what.split(" ")[0]]
        found[table_of] |= {f"{changed}.{key}".lstrip(".") for key in listed.split(", ")}
    return found


def exported() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Name → (type, labels) of every metric of the catalogue."""
    return {one.exposed: ("gauge" if one.kind == "info" else one.kind, one.labels) for one in FIGURES}


def documented_metrics(page: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    rows = re.findall(r"^\| `(heliograph_\w+)` \| (\w+) \| ([^|]*)\|", page, re.MULTILINE)
    return {name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def unknown_metrics(text: str) -> list[str]:
    """Names that look like metrics of ours and are none; a histogram's parts are its own, a colon is a rule's."""
    known = {name for one in FIGURES for name in (one.exposed, *one.series)}
    named = set(re.findall(r"(?<![\w:])heliograph_[a-z0-9_]+(?![\w:])", text))
    return sorted(named - known)


def missing_tables(page: str, module: str, classes: list[str]) -> list[str]:
    """The settings that an integration's page has no table of."""
    return [name for name in classes if f"<!-- table: {module}.{name} -->" not in page]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_the_tables_are_as_the_code_is(page: Path) -> None:
    """`make docs` would change nothing."""
    written = (ROOT / page).read_text()

    assert renew(written) == written, "out of date: run `make docs`"


@pytest.mark.parametrize("page", sorted(DOCS.glob("integrations/*.md")), ids=lambda page: page.stem)
def test_an_integrations_page_has_a_table_of_each_of_its_settings(page: Path) -> None:
    """Whatever the file can be, a source or an action, an operator finds what to write."""
    module = import_module(f"integrations.{page.stem}")
    classes = [name for name in SIDES if hasattr(module, name)]

    assert [] == missing_tables(page.read_text(), module.__name__, classes)


def test_a_default_length_of_time_is_written_as_config_takes_it() -> None:
    """`90s`, never `PT1M30S`."""

    class Lengths(Settings):
        short: Duration = timedelta(seconds=90)
        middle: Duration = timedelta(minutes=5)
        long: Duration = timedelta(days=2)

    assert ["`90s`", "`5m`", "`2d`"] == [row.split(" | ")[2] for row in table(Lengths).splitlines()[2:]]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_leads_somewhere(page: Path) -> None:
    """Inside the project; the outside is not ours to test."""
    assert [] == dead_links(page, (ROOT / page).read_text())


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_make_command_exists(page: Path) -> None:
    """A page shows only targets of the Makefile."""
    assert [] == unknown_targets((ROOT / page).read_text())


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_heliograph_command_parses(page: Path) -> None:
    """A page shows only commands that the command line takes, options and all."""
    assert [] == refused((ROOT / page).read_text())


def test_every_command_is_listed() -> None:
    """And none that does not exist: the tables are the command line's own list. Those of the desk have a page."""
    listed = [first_cells((ROOT / page).read_text(), "| command |") for page in ("README.md", "docs/tickets.md")]

    assert commands_of(parser()) == set().union(*listed)


def test_every_section_of_the_configuration_has_its_heading() -> None:
    """Of its page; the three single values stand in the first table."""
    headings = set(re.findall(r"^## ([a-z_]+)$", CONFIGURATION, re.MULTILINE))

    assert set(File.model_fields) - {"store", "rules", "policy"} == headings


@pytest.mark.parametrize("name", SETTINGS)
def test_every_settings_class_of_the_configuration_has_its_table(name: str) -> None:
    """Made from the code, so a new setting is in it."""
    assert f"<!-- table: daemon.config.schema.{name} -->" in CONFIGURATION


def test_the_examples_of_the_configuration_make_one_that_can_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each in the place of the shipped section; all of them together."""
    for variable in set(re.findall(r"\$([A-Z_]+)\b", CONFIGURATION)) - {"NAME"}:
        monkeypatch.setenv(variable, "https://example.com/" + 12 * "sham")
    shutil.copytree(ROOT / "rules", tmp_path / "rules")
    (tmp_path / "config.yaml").write_text("".join(with_examples((ROOT / "config.yaml").read_text(), CONFIGURATION)))

    status = main(["check", "--config", str(tmp_path / "config.yaml")])

    assert (0, "") == (status, capsys.readouterr().err)


@pytest.mark.parametrize("page", ["README.md", "docs/rules.md"])
def test_the_rule_that_a_page_shows_holds_its_tests(
    page: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Word for word as it is shown."""
    (shown,) = re.findall(r"```yaml\n(title:.*?)```", (ROOT / page).read_text(), re.DOTALL)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/shown.yaml").write_text(shown)
    shutil.copy(ROOT / "config.yaml", tmp_path)

    status = main(["rules", "test", "--config", str(tmp_path / "config.yaml")])

    assert (0, "1 rules, 2 tests: none failed\n") == (status, capsys.readouterr().out)


@pytest.mark.parametrize("table_of", POLICY_TABLES)
def test_every_key_of_calendars_contracts_and_clients_is_documented(table_of: str, tmp_path: Path) -> None:
    """And every documented one exists."""
    (tmp_path / "slips.yaml").write_text(SLIPS)

    assert policy_keys(tmp_path / "slips.yaml")[table_of] == keys(CONFIGURATION, table_of)


@pytest.mark.parametrize("table_of", sorted(RULE_KEYS))
def test_every_key_of_a_rule_is_documented(table_of: str) -> None:
    """And of its tests, its windows and its conditions; and every documented one exists."""
    assert RULE_KEYS[table_of] == keys(RULES, table_of)


@pytest.mark.parametrize("table_of", sorted(POLICY_KEYS))
def test_every_key_of_policy_is_documented(table_of: str) -> None:
    """And every documented one exists."""
    assert POLICY_KEYS[table_of] == keys(POLICY, table_of)


def test_the_policy_that_its_page_shows_can_be_used(tmp_path: Path) -> None:
    """All its examples together, with the shipped configuration and rules."""
    for name in ("config.yaml", "rules"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "policy").mkdir()
    for number, shown in enumerate(re.findall(r"```yaml\n(.*?)```", POLICY, re.DOTALL)):
        (tmp_path / f"policy/{number}.yaml").write_text(shown)

    assert 0 == main(["check", "--config", str(tmp_path / "config.yaml")])


def test_every_key_of_a_log_line_is_documented() -> None:
    """And every documented one exists."""
    everywhere = {"at", "level", "logger", "message", "thread", "traceback"}

    assert {*LOG_KEYS, *everywhere} == keys(OPERATIONS, "log")


def test_every_metric_is_documented_with_its_type_and_labels() -> None:
    """And every documented one exists."""
    assert exported() == documented_metrics(METRICS)


@pytest.mark.parametrize("file", DASHBOARDS, ids=str)
def test_a_dashboard_names_only_metrics_that_exist(file: Path) -> None:
    """Alerts too: a renamed metric would leave them silent."""
    assert [] == unknown_metrics((ROOT / file).read_text())


def test_the_queries_of_the_docs_name_only_metrics_that_exist() -> None:
    """In the page of metrics and all others."""
    assert [] == [f"{page}: {name}" for page in PAGES for name in unknown_metrics((ROOT / page).read_text())]


def test_these_lints_can_fail() -> None:
    """Each of them finds what it is made to find."""
    page = '```\nmake tea\n```\nUse `heliograph rules test X`. [a](nowhere.md) <img src="no.svg">\n'

    assert {("make", "tea"), ("heliograph", "rules test X")} == commands(page)
    assert ["tea"] == unknown_targets(page)
    assert ["heliograph run --fats"] == refused("`heliograph run --fats` and `heliograph ticket list`")
    assert {"heliograph a", "heliograph b"} == first_cells(
        "| command |\n| --- |\n| `heliograph a` |\n| `heliograph b` |", "| command |"
    )
    assert {"a", "b"} == keys("<!-- keys: x -->\n| key |\n| --- |\n| `a` `b` | 1 |\n\n| `c` |", "x")
    assert ["heliograph_tea_total"] == unknown_metrics("heliograph_tea_total - heliograph_tickets - a:heliograph_b:c")
    assert {"heliograph_tea": ("gauge", ("pot",))} == documented_metrics("| `heliograph_tea` | gauge | `pot` | Tea |")
    assert ["README.md: nowhere.md", "README.md: no.svg"] == dead_links(Path("README.md"), page)
    assert ["SourceSettings"] == missing_tables(page, "integrations.x", ["SourceSettings"])
    assert "old" not in renew("<!-- table: integrations.webhook.ActionSettings -->\nold\n<!-- end -->\n")
