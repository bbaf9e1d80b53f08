"""A report as what it says, whatever it is written as: a title, tiles, sections of text, tables and a chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from daemon.report.markdown import plain, table
from daemon.report.words import Tone


@dataclass(frozen=True, slots=True)
class Tile:
    label: str
    value: str
    says: str = ""
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True)
class Table:
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: frozenset[int] = frozenset()
    """Columns of figures."""
    sums: frozenset[int] = frozenset()
    """Rows that sum others."""
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    heading: str
    text: Sequence[str] = ()
    tables: Sequence[Table] = ()
    chart: Markup = field(default_factory=Markup)
    """An SVG that shows what a table says too."""


@dataclass(frozen=True, slots=True)
class Page:
    title: str
    lead: Sequence[str]
    tiles: Sequence[Tile]
    sections: Sequence[Section]


def as_markdown(page: Page) -> str:
    parts = [f"# {plain(page.title)}", *(plain(line) for line in page.lead)]
    if page.tiles:
        parts.append(table(("", "", ""), [(one.label, one.value, one.says) for one in page.tiles], frozenset({1})))
    for section in page.sections:
        parts += [f"## {plain(section.heading)}", *(plain(line) for line in section.text)]
        for one in section.tables:
            parts += [f"**{plain(one.caption)}**"] if one.caption else []
            parts.append(table(one.head, one.rows, one.right))
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def as_html(page: Page) -> str:
    """One file that needs no other: its styles and charts are in it, it runs no script and loads nothing."""
    return environment().get_template("page.html").render(page=page)


@cache
def environment() -> Environment:
    return Environment(
        loader=PackageLoader("daemon.report", "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
