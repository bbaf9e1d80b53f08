"""Files that hold what a vendor said: found, opened, told apart, and read by the integration that knows them."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TextIO

from daemon import http
from daemon.contract import Recording, Unreadable, unreadable
from daemon.model import Json, Signal

_SUFFIXES = frozenset({".json", ".jsonl", ".ndjson", ".log", ".gz"})
"""What is taken out of a folder; a file that is named is taken whatever it is called."""
_GIVES_UP = 1_000
"""Documents that nobody knows before a file is taken for nobody's."""
_GZIP = b"\x1f\x8b"


class Unknown(ValueError):
    """No integration knows what the file holds."""

    def __init__(self) -> None:
        super().__init__("no source knows what is in it")


def files(word: str) -> list[Path]:
    """Those that a file, a folder or a pattern stands for, in order; none if there is nothing."""
    path = Path(word)
    if path.is_dir():
        return sorted(one for one in path.rglob("*") if _is_recording(one, path))
    if path.exists():
        return [path]
    matching = Path(path.anchor).glob(str(path.relative_to(path.anchor)))
    return sorted(one for one in matching if one.is_file())


def _is_recording(file: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return file.suffix in _SUFFIXES and not hidden and file.is_file()


@dataclass(frozen=True, slots=True)
class Reader:
    """Knows every vendor's recordings."""

    recordings: Mapping[str, Recording]
    names: Mapping[str, str]
    """Type → the name that its signals' source is to have; one that is not here has its type's."""

    def read(self, path: Path) -> Iterator[Signal | Unreadable]:
        """Every record, as it comes. Raises OSError, or ValueError if it is no recording."""
        with _opened(path) as file:
            first = next((line for line in file if line.strip()), "")
            if first.lstrip()[:1] in ("{", "["):
                yield from self._json(first, file)
            elif first:
                yield from self._lines(first, file)

    def document(self, document: Json) -> Iterable[Signal | Unreadable] | None:
        """What the first integration that knows it reads in it."""
        for type, recording in self.recordings.items():
            found = recording.document(self._name(type), document)
            if found is not None:
                return found
        return None

    def _json(self, first: str, file: TextIO) -> Iterator[Signal | Unreadable]:
        """One document, or one in each line, of which any may be spoilt. Raises Unknown if none is known."""
        spoilt: list[Unreadable] = []
        is_known = False
        for text in _documents(first, file):
            found = self._text(text)
            if isinstance(found, ValueError):
                spoilt.append(unreadable(found, text))
            else:
                is_known = True
                yield from found
            if is_known:
                yield from spoilt
                spoilt = []
            elif len(spoilt) >= _GIVES_UP:
                break
        if not is_known:
            raise Unknown

    def _text(self, text: str) -> Iterable[Signal | Unreadable] | ValueError:
        """What is in a document, or why nobody can say."""
        try:
            found = self.document(http.parse(text))
        except ValueError as error:
            return error
        return Unknown() if found is None else found

    def _lines(self, first: str, file: TextIO) -> Iterable[Signal | Unreadable]:
        for type, recording in self.recordings.items():
            found = recording.lines(self._name(type), chain([first], file)) if recording.lines else None
            if found is not None:
                return found
        raise Unknown

    def _name(self, type: str) -> str:
        return self.names.get(type, type)


def _documents(first: str, file: TextIO) -> Iterable[str]:
    """The whole, if that is one document and its first line is none; else every line."""
    if _is_document(first):
        return chain([first], filter(str.strip, file))
    whole = first + file.read()
    return [whole] if _is_document(whole) else filter(str.strip, whole.splitlines())


def _is_document(text: str) -> bool:
    try:
        http.parse(text)
    except ValueError:
        return False
    return True


def _opened(path: Path) -> TextIO:
    with path.open("rb") as file:
        packed = file.read(len(_GZIP)) == _GZIP
    if packed:
        return gzip.open(path, "rt", encoding="utf-8", errors="replace")
    return path.open(encoding="utf-8", errors="replace")
