"""Values by their text: what `loose` fields compare, as other tools do that see a record's raw JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from daemon.model import Json

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def scalar_text(value: Json) -> str | None:
    """A text as it is, `true` or `false`, a number's digits (a whole one without a point); None for all else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, int | float) else None


def text_of(value: Json) -> str | None:
    """A map or list as JSON without spaces, letters unescaped, in its own order; None for null.

    What nests deeper than the interpreter's stack has no text.
    """
    if isinstance(value, dict | list):
        try:
            return _encode(value)
        except RecursionError:
            return None
    return scalar_text(value)


def leaf_texts(fields: Mapping[str, Json]) -> Iterator[str]:
    """The text of every scalar anywhere in the fields; names are not among them."""
    left: list[Json] = [fields]
    while left:
        value = left.pop()
        if isinstance(value, Mapping):
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
        elif (text := scalar_text(value)) is not None:
            yield text
