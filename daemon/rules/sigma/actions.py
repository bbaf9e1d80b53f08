"""`action`: what one document of a file means to those after it, as in pySigma's collections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from daemon.errors import Problem
from daemon.marked_yaml import named
from daemon.rules.reader import one_of
from daemon.rules.sigma.documents import Document


def acted(found: Sequence[Document], problems: list[Problem]) -> Iterator[tuple[int, Document]]:
    """The documents that are rules, correlations or filters, each with its number in the file."""
    shared: Document | None = None
    before: Document | None = None
    for number, document in enumerate(found, 1):
        match document.value.get("action"):
            case None if document.value.keys() & {"correlation", "filter"}:
                yield number, document
            case None:
                before = _under(document, shared) if shared else document
                yield number, before
            case "global":
                shared = before = _plain(document)
            case "reset":
                shared = None
            case "repeat" if before:
                before = _repeated(before, _plain(document))
                yield number, before
            case action:
                problems.append(_wrong(document, action))


def _wrong(document: Document, action: Any) -> Problem:
    if action == "repeat":
        return document.mark("action").problem("there is no document before this one to repeat.")
    hint = one_of("It is", ("global", "repeat", "reset"))
    return document.mark("action").problem(f"there is no action {named(action)}.", hint)


def _plain(document: Document) -> Document:
    return replace(document, value={key: value for key, value in document.value.items() if key != "action"})


def _under(document: Document, shared: Document) -> Document:
    """What is shared is said of it too, and stands where both say something."""
    return replace(document, value=_merged(document.value, shared.value), behind=(shared.node, *shared.behind))


def _repeated(before: Document, document: Document) -> Document:
    """The one before, with what this one says otherwise."""
    return replace(document, value=_merged(before.value, document.value), behind=(before.node, *before.behind))


def _merged(value: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Maps are merged, however deep; all else is replaced."""
    return value | {
        key: _merged(value[key], part) if isinstance(part, dict) and isinstance(value.get(key), dict) else part
        for key, part in over.items()
    }
