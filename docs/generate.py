"""Writes the settings tables in docs/ anew from the code: `make docs`. A test fails when they are out of date.

A page holds its words by hand, and between `<!-- table: NAME -->` and `<!-- end -->` what this makes of NAME:
a settings class, as `integrations.sentry.SourceSettings`; after `<!-- metrics: NAME -->` a section of the catalogue.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from datetime import timedelta
from importlib import import_module
from inspect import get_annotations
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from daemon.catalogue import SECTIONS, Figure
from daemon.contract import write_duration

DOCS = Path(__file__).parent
_TABLE = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
_FIGURES = re.compile(r"(<!-- metrics: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
_WORDS = {"string": "text", "integer": "number", "number": "number", "boolean": "true or false", "object": "map"}


def main() -> None:
    sys.path.insert(0, str(DOCS.parent))
    for page in sorted(DOCS.rglob("*.md")):
        written = page.read_text()
        if (fresh := renew(written)) != written:
            page.write_text(fresh)
            print(f"wrote {page.relative_to(DOCS.parent)}")


def renew(page: str) -> str:
    """The page with each of its tables as the code would have it."""
    page = _TABLE.sub(lambda match: f"{match[1]}{table(settings(match[2]))}{match[3]}", page)
    return _FIGURES.sub(lambda match: f"{match[1]}{figures(SECTIONS[match[2]])}{match[3]}", page)


def figures(some: Iterable[Figure]) -> str:
    lines = ["| metric | type | labels | meaning |", "| --- | --- | --- | --- |"]
    for one in some:
        kind = "gauge" if one.kind == "info" else one.kind
        labels = " ".join(f"`{label}`" for label in one.labels)
        lines.append(_row(f"`{one.exposed}`", kind, labels, one.help))
    return "\n".join(lines) + "\n"


def settings(name: str) -> type[BaseModel]:
    module, _, attribute = name.rpartition(".")
    found = getattr(import_module(module), attribute)
    if not (isinstance(found, type) and issubclass(found, BaseModel)):
        raise TypeError(f"{name} is no settings class")
    return found


def table(model: type[BaseModel]) -> str:
    lines = ["| setting | what it takes | default | what it is for |", "| --- | --- | --- | --- |"]
    return "\n".join([*lines, *rows(model)]) + "\n"


def rows(model: type[BaseModel]) -> Iterator[str]:
    schema = model.model_json_schema(mode="validation", by_alias=True)
    own = (name for name in get_annotations(model) if name in model.model_fields)
    for name in dict.fromkeys([*own, *model.model_fields]):  # what it inherits comes last
        field = model.model_fields[name]
        key = field.alias or name
        shape = schema["properties"][key]
        kind = takes(shape, schema)
        yield _row(f"`{key}`", _secret(kind) if _credential(field) else kind, default(shape, field), meant(field))


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def takes(shape: dict[str, Any], schema: dict[str, Any]) -> str:
    """The kind of value, in an operator's words."""
    if "$ref" in shape:
        return takes(schema["$defs"][shape["$ref"].rpartition("/")[2]], schema)
    if "enum" in shape or "const" in shape:
        return " or ".join(f"`{choice}`" for choice in shape.get("enum", [shape.get("const")]))
    if "anyOf" in shape:
        kinds = dict.fromkeys(takes(one, schema) for one in shape["anyOf"] if one.get("type") != "null")
        return " or ".join(kinds)
    if "smhd" in shape.get("pattern", ""):
        return "length of time"
    if shape.get("type") == "array":
        return f"list of {takes(shape.get('items', {}), schema)}"
    values = shape.get("additionalProperties")
    return f"map of {takes(values, schema)}" if isinstance(values, dict) else _WORDS.get(shape.get("type", ""), "any")


def default(shape: dict[str, Any], field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    if isinstance(field.default, timedelta):
        return f"`{write_duration(field.default)}`"
    value = shape.get("default", PydanticUndefined)
    if value is PydanticUndefined or value is None or value in ([], {}, ""):
        return "none"
    return f"`{_plain(value)}`"


def _plain(value: Any) -> str:
    """As one would write it in YAML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_plain, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_plain(one)}' for key, one in value.items())}}}"
    return str(value)


def meant(field: FieldInfo) -> str:
    """The description, and for a credential where to make it and what it must be allowed."""
    extra = _credential(field)
    said = [field.description or ""]
    said += [f"Get it: {extra['get']}"] if extra else []
    said += [f"It must be allowed: {extra['scopes']}"] if extra.get("scopes", "none") != "none" else []
    return ". ".join(part.rstrip(".") for part in said if part)


def _credential(field: FieldInfo) -> dict[str, Any]:
    """What the settings class says of a secret (see `daemon.contract.Settings`); empty for any other field."""
    extra = field.json_schema_extra
    return dict(extra) if isinstance(extra, dict) and "get" in extra else {}


def _secret(kind: str) -> str:
    return kind.replace("text", "secret")


if __name__ == "__main__":
    main()
