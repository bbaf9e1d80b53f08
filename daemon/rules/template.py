"""Templates in titles and locations: `{path}` is replaced by what the signal says there, `?` where it says nothing."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from daemon.model import Json
from daemon.rules.paths import Fields, Path, parse_path, values_at

_HOLE = re.compile(r"\{([^{}]*)\}")
_LONGEST_VALUE = 120


@dataclass(frozen=True, slots=True)
class Template:
    """Literal text and paths by turns; `cap` is the most characters that it renders."""

    parts: tuple[str | Path, ...]
    cap: int = 200

    def render(self, fields: Fields) -> str:
        text = "".join(part if isinstance(part, str) else _shown(part, fields) for part in self.parts).strip()
        return text if len(text) <= self.cap else text[: self.cap - 1] + "…"


def parse_template(text: str, cap: int = 200) -> Template:
    """Raises ValueError on a brace that does not close, or on a bad path."""
    pieces = _HOLE.split(text)
    if any(brace in literal for literal in pieces[::2] for brace in "{}"):
        raise ValueError("a brace is not closed; {path} stands for a field of the signal")
    parts = tuple(parse_path(piece) if odd % 2 else piece for odd, piece in enumerate(pieces))
    return Template(parts, cap)


def clean(text: str) -> str:
    """Without what could move a cursor, forge a line or turn the direction of writing."""
    if text.isascii() and text.isprintable():
        return text
    spaced = "".join(" " if c.isspace() else c for c in text)
    return "".join(c for c in spaced if unicodedata.category(c)[0] != "C")


def _shown(path: Path, fields: Fields) -> str:
    found = [_plain(value) for value in values_at(path)(fields) if value is not None]
    text = clean(", ".join(found)) if found else "?"
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def _plain(value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else "{…}" if isinstance(value, dict) else str(value)
