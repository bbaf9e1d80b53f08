"""Regular expressions on RE2, whose running time is linear in the text: no pattern can hang the daemon."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

import re2  # type: ignore[import-untyped,import-not-found,unused-ignore]

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_PIECE = re.compile(r"\\[*?\\]|.", re.DOTALL)
_SHAPES = {
    (False, False): "equals",
    (False, True): "startswith",
    (True, False): "endswith",
    (True, True): "contains",
}


@lru_cache(maxsize=4096)
def searcher(pattern: str) -> Callable[[str], bool]:
    """Whether the pattern is found anywhere in a text. Raises ValueError with RE2's reason."""
    try:
        compiled = re2.compile(pattern, _OPTIONS)
    except re2.error as error:
        reason = error.args[0]
        raise ValueError(reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)) from error

    def found(text: str) -> bool:
        try:
            return compiled.search(text) is not None
        except UnicodeEncodeError:  # a lone surrogate, which JSON may carry and UTF-8 may not
            return compiled.search(whole_characters(text)) is not None

    return found


def whole_characters(text: str) -> str:
    """With U+FFFD in place of each lone surrogate."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def from_glob(glob: str) -> str:
    """The pattern of a whole text in which `*` stands for anything and `?` for one character.

    A backslash before either, or before another backslash, makes it stand for itself.
    """
    wild = {"*": ".*", "?": "."}
    return r"(?s)\A" + "".join(wild.get(piece) or re.escape(_unescaped(piece)) for piece in _pieces(glob)) + r"\z"


def as_text_test(glob: str) -> tuple[str, str]:
    """The plainest operator that says the same as the glob, and its operand."""
    pieces = _pieces(glob)
    opens, closes = pieces[:1] == ["*"], pieces[1:] != [] and pieces[-1] == "*"
    inner = pieces[opens : len(pieces) - closes]
    if any(piece in {"*", "?"} for piece in inner):
        return "glob", glob
    shape = "contains" if pieces == ["*"] else _SHAPES[opens, closes]
    return shape, "".join(map(_unescaped, inner))


def _pieces(glob: str) -> list[str]:
    return _PIECE.findall(glob)


def _unescaped(piece: str) -> str:
    return piece[1:] if len(piece) == 2 else piece
