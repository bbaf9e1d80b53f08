"""Values that config.yaml only names: `$NAME` of the environment anywhere, `{file: path}` for secrets.

A value is such a name whole or not at all: nothing is put together of pieces. `$$NAME` is the text `$NAME`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic.fields import FieldInfo

from daemon.marked_yaml import MarkedList, MarkedMap, named
from daemon.secret import Secret

_NAME = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
_SHORTEST = 6
"""A shorter one could not be masked in logs without masking innocent text (daemon/secret.py)."""

_HOW = "Write the name of an environment variable ($NAME) or of a file ({file: path})."


class Unavailable(Exception):
    """What a value names is not to be had, or it should have named something."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


@dataclass(frozen=True, slots=True)
class Outside:
    """Where named values come from."""

    environ: Mapping[str, str]
    folder: Path

    def expanded(self, value: Any) -> Any:
        """The same, plain, with what it names in place of the names. Raises Unavailable."""
        if isinstance(value, MarkedMap):
            return {str(key): self.expanded(part) for key, part in value.items()}
        if isinstance(value, MarkedList):
            return [self.expanded(part) for part in value]
        if not isinstance(value, str):
            return value
        if name := variable(value):
            return self._variable(name)
        return str(value[1:] if value.startswith("$$") else value)

    def secret(self, value: Any) -> Any:
        """The secret that is named, or the list or map of them; None of nothing. Raises Unavailable."""
        if value is None:
            return None
        if isinstance(value, MarkedList):
            return [self.secret(part) for part in value]
        if isinstance(value, MarkedMap) and set(value) != {"file"}:
            return {str(key): self.secret(part) for key, part in value.items()}
        return Secret(_long_enough(self._named(value), value))

    def _named(self, value: Any) -> str:
        if isinstance(value, MarkedMap):
            return self._file(value["file"])
        if isinstance(value, str) and (name := variable(value)):
            return self._variable(name)
        raise Unavailable("a secret does not stand in this file.", _HOW)

    def _variable(self, name: str) -> str:
        if not (value := self.environ.get(name)):
            raise Unavailable(f"{name} is not set in the environment.")
        return value

    def _file(self, path: Any) -> str:
        if not isinstance(path, str):
            raise Unavailable(f"the path of a file is a text, not {named(path)}.")
        try:
            text = (self.folder / path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise Unavailable(f"the file '{path}' cannot be read: {error.strerror}.") from None
        except UnicodeDecodeError:
            raise Unavailable(f"the file '{path}' is not text.") from None
        if not text:
            raise Unavailable(f"the file '{path}' is empty.")
        return text


def variable(value: Any) -> str:
    """The name of the variable that stands for a value; empty if it says itself."""
    match = _NAME.fullmatch(value) if isinstance(value, str) else None
    return match[1] if match else ""


def names_any(value: Any) -> bool:
    """Whether any part of it is a variable."""
    if isinstance(value, dict):
        return any(map(names_any, value.values()))
    if isinstance(value, list):
        return any(map(names_any, value))
    return bool(variable(value))


def is_secret(field: FieldInfo) -> bool:
    return _holds_secret(field.annotation)


def _holds_secret(annotation: Any) -> bool:
    return annotation is Secret or any(_holds_secret(part) for part in get_args(annotation))


def where_to_get(field: FieldInfo) -> str:
    """What the settings class says of its secret (see `daemon.contract.Settings`), as a hint."""
    extra = field.json_schema_extra
    if not isinstance(extra, dict) or "get" not in extra:
        return ""
    scopes = str(extra.get("scopes", "none"))
    allowed = "" if scopes.startswith("none") else f" It must be allowed: {scopes}."
    return f"Get one: {extra['get']}.{allowed}"


def _long_enough(text: str, value: Any) -> str:
    if len(text) < _SHORTEST:
        raise Unavailable(f"what {_shown(value)} holds is too short to be a secret: {_SHORTEST} characters at least.")
    return text


def _shown(value: Any) -> str:
    return f"the file '{value['file']}'" if isinstance(value, MarkedMap) else str(value)
