"""The docs say what the code does: tables are made from it, commands exist, links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import timedelta
from importlib import import_module
from pathlib import Path

import pytest

from daemon.contract import Duration, Settings
from docs.generate import DOCS, renew, table
from tests.house.tree import ROOT, tracked

PAGES = [path for path in tracked("*.md") if path.name != "CHANGELOG.md"]
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


def subcommand(words: str) -> tuple[str, ...]:
    """The leading plain words: `rules test rules/sentry` → `rules`, `test`."""
    kept = []
    for word in words.split()[:2]:
        if not re.fullmatch(r"[a-z]+", word):
            break
        kept.append(word)
    return tuple(kept)


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


def test_every_heliograph_command_exists() -> None:
    """A page shows only commands that the command line knows: each answers to --help."""
    shown = {
        subcommand(words) for page in PAGES for tool, words in commands((ROOT / page).read_text()) if tool != "make"
    }

    assert [] == [" ".join(words) for words in sorted(shown) if words and helps(words) != 0]


def helps(words: tuple[str, ...]) -> int:
    """The exit status of `heliograph WORDS --help`; the last word may be an argument of the one before."""
    command = [sys.executable, "-m", "daemon", *words, "--help"]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True).returncode


def test_these_lints_can_fail() -> None:
    """Each of them finds what it is made to find."""
    page = '```\nmake tea\n```\nUse `heliograph rules test X`. [a](nowhere.md) <img src="no.svg">\n'

    assert {("make", "tea"), ("heliograph", "rules test X")} == commands(page)
    assert ["tea"] == unknown_targets(page)
    assert ("rules", "test") == subcommand("rules test X")
    assert ["README.md: nowhere.md", "README.md: no.svg"] == dead_links(Path("README.md"), page)
    assert ["SourceSettings"] == missing_tables(page, "integrations.x", ["SourceSettings"])
    assert "old" not in renew("<!-- table: integrations.webhook.ActionSettings -->\nold\n<!-- end -->\n")
