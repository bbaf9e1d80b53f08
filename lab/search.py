"""The part of the vendors' search syntaxes that they have in common: words, `key:value`, lists, negation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

_TERM = re.compile(
    r"""(?P<no>!|-(?=\D)|NOT\s+)?
        (?:(?P<key>[\w.@/-]+):)?
        (?P<value>"[^"]*"|\[[^\]]*\]|\([^)]*\)|\S+)""",
    re.VERBOSE,
)
_BETWEEN = re.compile(r"\s+OR\s+|\s*,\s*")


@dataclass(frozen=True, slots=True)
class Term:
    """`values` are alternatives; `key` is empty for a word by itself."""

    key: str
    values: tuple[str, ...]
    negated: bool = False

    def meets(self, *actual: str) -> bool:
        """Whether any of the actual values is one of those asked for, `*` standing for anything, in any case."""
        hit = any(fnmatchcase(one.lower(), value.lower()) for one in actual for value in self.values)
        return hit != self.negated

    def within(self, *texts: str) -> bool:
        """Whether a word that is asked for occurs in one of the texts."""
        hit = any(value.strip("*").lower() in text.lower() for text in texts for value in self.values)
        return hit != self.negated


def alternatives(query: str) -> Iterator[list[Term]]:
    """The terms between the query's outermost OR; all of one alternative must be met."""
    parts = [""]
    for part in re.split(r"""("[^"]*"|\([^)]*\)|\[[^\]]*\]|\s+OR\s+)""", query):
        if part.strip() == "OR":
            parts.append("")
        else:
            parts[-1] += part
    return (list(terms(part)) for part in parts)


def terms(query: str) -> Iterator[Term]:
    """All must be met."""
    for match in _TERM.finditer(query):
        value = match["value"]
        if value in ("AND", "*") and not match["key"]:
            continue
        inner = value[1:-1] if value[0] + value[-1] in ("[]", "()") else value
        values = tuple(one.strip().strip('"') for one in _BETWEEN.split(inner))
        yield Term(match["key"] or "", values, bool(match["no"]))
