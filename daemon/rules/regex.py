"""Regular expressions on RE2, whose running time is linear in the text: no pattern can hang the daemon."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import re2  # type: ignore[import-untyped,import-not-found,unused-ignore]

_SET_MEMORY = 256 << 20
"""An upper bound: RE2 takes what its states need."""
_PROBE = r"\A\x00\z"


def _options(memory: int = 8 << 20) -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = memory
    return options


_OPTIONS = _options()
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
    searched = compiled(pattern)

    def found(text: str) -> bool:
        try:
            return searched.search(text) is not None
        except UnicodeEncodeError:  # a lone surrogate, which JSON may carry and UTF-8 may not
            return searched.search(whole_characters(text)) is not None

    return found


def compiled(pattern: str) -> Any:
    """RE2's object, which is used as one of `re`. Raises ValueError with RE2's reason."""
    try:
        return re2.compile(pattern, _OPTIONS)
    except re2.error as error:
        reason = error.args[0]
        raise ValueError(reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)) from error


def whole_characters(text: str) -> str:
    """With U+FFFD in place of each lone surrogate."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class TextSet:
    """Which of many patterns are found in a text, in one pass whatever their number."""

    def __init__(self, patterns: Sequence[str]) -> None:
        """Raises ValueError if they are too much for one set."""
        self._set = re2.Set.SearchSet(_options(_SET_MEMORY))
        try:
            for pattern in (*patterns, _PROBE):
                self._set.Add(pattern)
            self._set.Compile()
        except re2.error as error:
            raise ValueError("RE2 takes no such set") from error
        self._probe = len(patterns)
        if self._probe not in (self._set.Match("\x00") or ()):  # so RE2 tells of a set beyond its memory
            raise ValueError("the set is beyond RE2's memory")

    def __call__(self, text: str) -> list[int]:
        """Their numbers, in no order."""
        try:
            found: list[int] = self._set.Match(text) or []
        except UnicodeEncodeError:
            found = self._set.Match(whole_characters(text)) or []
        if found and text == "\x00":
            found.remove(self._probe)
        return found


def as_pattern(operator: str, operand: str) -> str:
    """What RE2 looks for where an operator on text, folded already, is asked for."""
    if operator == "re":
        return operand
    if operator == "glob":
        return from_glob(operand)
    opens, closes = (r"\A" if operator == "startswith" else ""), (r"\z" if operator == "endswith" else "")
    return opens + re.escape(operand) + closes


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
