"""How a command shows a table: what a vendor or a client wrote is text, never a terminal's or rich's own language."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

_PIPED_WIDTH = 200
"""Columns where no terminal shows it."""


def plain(text: object) -> Text:
    """Without markup, and without characters that steer a terminal."""
    return Text("".join(one if one.isprintable() else " " for one in str(text)))


def console() -> Console:
    """Of stdout; wide where it is piped."""
    return Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)


def show(columns: Iterable[str], rows: Iterable[Sequence[object]], title: str | None = None) -> None:
    """`rows` hold anything; a `Text` keeps its style."""
    table = Table(*columns, title=title, title_justify="left", box=None, header_style="dim")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else plain(cell) for cell in row))
    console().print(table)
