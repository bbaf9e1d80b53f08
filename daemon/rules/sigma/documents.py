"""The documents of a Sigma file, and where in it each part stands.

They are read by pySigma's own YAML loader: Sigma's files are YAML 1.1, with anchors, dates and several documents.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml
from sigma.exceptions import SigmaError
from sigma.rule.base import SigmaYAMLLoader, check_alias_expansion

from daemon.errors import ConfigError
from daemon.marked_yaml import LARGEST, Mark

Way: TypeAlias = tuple[str | int, ...]
"""Keys and places in lists, from the document's top."""
_ONCE = "A key stands once in its map: write its values as one list."


@dataclass(frozen=True, slots=True)
class Document:
    """One document: a map."""

    value: dict[str, Any]
    node: yaml.Node
    file: str
    behind: tuple[yaml.Node, ...] = ()
    """Where else parts of the value stand, nearest first."""

    def mark(self, *way: str | int) -> Mark:
        """Of the value there; of the last part of the way that there is."""
        _, node = max((_reached(node, way) for node in (self.node, *self.behind)), key=lambda reached: reached[0])
        return Mark(self.file, node.start_mark.line + 1, node.start_mark.column + 1)

    def numbers(self, key: str) -> Iterator[tuple[Mark, str]]:
        """Every whole number under the key, as it is written there."""
        left = [value for name, value in getattr(self.node, "value", ()) if name.value == key]
        while left:
            node = left.pop()
            if isinstance(node, yaml.MappingNode):
                left += [value for _, value in node.value]
            elif isinstance(node, yaml.SequenceNode):
                left += node.value
            elif node.tag == "tag:yaml.org,2002:int":
                yield Mark(self.file, node.start_mark.line + 1, node.start_mark.column + 1), node.value

    def says(self, key: str) -> bool:
        """Whether it has the key at its own top."""
        return _inner(self.node, key) is not None


def _reached(node: yaml.Node, way: Way) -> tuple[int, yaml.Node]:
    """How far the way leads, and where to."""
    for steps, part in enumerate(way):
        inner = _inner(node, part)
        if inner is None:
            return steps, node
        node = inner
    return len(way), node


def _inner(node: yaml.Node, part: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        found: yaml.Node | None = next((value for key, value in node.value if key.value == str(part)), None)
        return found
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        item: yaml.Node = node.value[part]
        return item
    return None


def documents(text: str, file: str) -> list[Document]:
    """Those that are not empty. Raises ConfigError where the file is not YAML or not maps."""
    if len(text) > LARGEST:
        raise ConfigError([Mark(file, 0, 0).problem(f"is larger than {LARGEST // 1000} kB.")])
    try:
        return list(_documents(text, file))
    except yaml.MarkedYAMLError as error:
        at = error.problem_mark or error.context_mark
        mark = Mark(file, at.line + 1, at.column + 1) if at else Mark(file, 1, 1)
        raise ConfigError([mark.problem(f"is not YAML: {error.problem}.")]) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError([Mark(file, 1, 1).problem(f"is not YAML: {error}.")]) from error


def _documents(text: str, file: str) -> Iterator[Document]:
    loader = SigmaYAMLLoader(text)
    try:
        while loader.check_node():
            node: Any = loader.get_node()
            mark = Mark(file, node.start_mark.line + 1, node.start_mark.column + 1)
            value = _value(loader, node, mark)
            if value is not None:
                yield Document(value, node, file)
    finally:
        loader.dispose()


def _value(loader: SigmaYAMLLoader, node: yaml.Node, mark: Mark) -> dict[str, Any] | None:
    try:
        value = loader.construct_document(node)
    except yaml.MarkedYAMLError:
        raise
    except yaml.YAMLError as error:  # pySigma's own, of a key that is there twice
        raise ConfigError([_repeated(node, mark).problem(f"{error}.", _ONCE)]) from error
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ConfigError([mark.problem("a Sigma document is a map of keys.")])
    try:
        check_alias_expansion(value)
    except SigmaError as error:
        raise ConfigError([mark.problem(f"{error}.")]) from error
    return value


def _repeated(node: yaml.Node, otherwise: Mark) -> Mark:
    """Where the first key stands that its map has already."""
    left = [node]
    while left:
        here = left.pop(0)
        if isinstance(here, yaml.MappingNode):
            seen = set()
            for key, value in here.value:
                if key.value in seen:
                    return Mark(otherwise.file, key.start_mark.line + 1, key.start_mark.column + 1)
                seen.add(key.value)
                left.append(value)
        elif isinstance(here, yaml.SequenceNode):
            left += here.value
    return otherwise
