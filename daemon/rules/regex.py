"""Regular expressions on RE2, whose running time is linear in the text: no pattern can hang the daemon."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

import re2  # type: ignore[import-untyped,import-not-found,unused-ignore]

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False


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
            return compiled.search(text.encode("utf-8", "replace").decode()) is not None

    return found


def from_glob(glob: str) -> str:
    """The pattern of a whole text in which `*` stands for anything and `?` for one character."""
    pieces = {"*": ".*", "?": "."}
    return r"(?s)\A" + "".join(pieces.get(c) or re.escape(c) for c in glob) + r"\z"
