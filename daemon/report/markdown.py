"""Markdown from text that anybody may have written: a title, a name, a reason says nothing but itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_MARKS = re.compile(r"([\\`*_\[\]|#~!])")
_BEGINS = re.compile(r"^(\d*)([-+=.)])(?=\s|$)|^()([-=]{2,})")
"""What would begin a list, or underline a heading."""


def plain(text: object) -> str:
    """One line of it, escaped: no markup of Markdown, no HTML, no comment."""
    line = " ".join("".join(one if one.isprintable() else " " for one in str(text)).split())
    return _BEGINS.sub(_escape, _MARKS.sub(r"\\\1", line.translate(_ENTITIES)))


def _escape(found: re.Match[str]) -> str:
    number, mark, _, rule = found.groups()
    return f"{number or ''}\\{mark or rule}"


def table(head: Sequence[str], rows: Iterable[Sequence[object]], right: frozenset[int] = frozenset()) -> str:
    """`right`: columns of figures."""
    ruler = ["---:" if place in right else "---" for place in range(len(head))]
    lines = [[plain(cell) for cell in head], ruler, *([plain(cell) for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
