"""Secrets are a type of their own: they never print, and whatever is logged is checked against them."""

from __future__ import annotations

from typing import Any

_known: set[str] = set()

MASK = "***"
_SHORTEST_MASKED = 6
"""Shorter values would mask innocent text; config refuses real secrets that short."""


class Secret:
    """A value that shows itself only to `reveal()`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        if len(value) >= _SHORTEST_MASKED:
            _known.add(value)

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, Secret) else cls(_text(value)),
            json_schema_input_schema=core_schema.str_schema(),
        )


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("must be a non-empty text: name an environment variable ($NAME) or a file ({file: path})")
    return value


def redact(text: str) -> str:
    """`text` with every secret that this process knows masked."""
    for value in sorted(_known, key=len, reverse=True):
        text = text.replace(value, MASK)
    return text
