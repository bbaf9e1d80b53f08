"""Recorded CloudTrail files, served by the simulated CloudTrail as if they had just happened.

A file holds an array of records, `{"Records": [...]}`, or one of either on each line; each may be gzip. A file is
shifted as a whole so that its last event is now: gaps stay as they are, and so does everything but `eventTime`.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from lab.cloudtrail import STORED, CloudTrail, read, shows
from lab.server import Json
from lab.source import iso

_LARGEST = 256 * 1024 * 1024
_GZIP = b"\x1f\x8b"
_NOW = timedelta(0)


@dataclass(frozen=True, slots=True)
class File:
    name: str
    """Relative to the folder."""
    records: tuple[Mapping[str, Json], ...]
    """Those that can be served."""
    problems: tuple[str, ...] = ()
    unshown: tuple[str, ...] = ()

    def shifted(self, last: datetime) -> Iterator[Mapping[str, Json]]:
        """The records, moved so that the last of them is at `last`."""
        by = last - max((read(record["eventTime"]) for record in self.records), default=last)
        for record in self.records:
            yield {**record, "eventTime": iso(read(record["eventTime"]) + by)}


@dataclass(frozen=True, slots=True)
class Recorded:
    files: tuple[File, ...]
    problems: tuple[str, ...]
    """What could not be read, as `file: why`, `file: line n: why` or `file: record n: why`."""
    unshown: tuple[str, ...]
    """As `problems`: what is sound, but LookupEvents would never show it."""

    def feed(self, vendor: CloudTrail, region: str | None = "us-east-1") -> int:
        """Puts all in, visible at once; the answer is how many.

        `region` is where they are looked up, whatever the records say; None: each in its own.
        """
        last = vendor.now().replace(microsecond=0)
        records = [record for file in self.files for record in file.shifted(last)]
        for record in records:
            vendor.put(record, late=_NOW, region=region)
        return len(records)


def load(folder: Path) -> Recorded:
    """All that is below the folder, hidden files apart; or a single file. Raises FileNotFoundError."""
    if not folder.exists():
        raise FileNotFoundError("there is no such folder")
    files = [_file(path, folder) for path in ([folder] if folder.is_file() else _below(folder))]
    return Recorded(
        files=tuple(file for file in files if file.records),
        problems=tuple(f"{file.name}: {why}" for file in files for why in file.problems),
        unshown=tuple(f"{file.name}: {why}" for file in files for why in file.unshown),
    )


def _below(folder: Path) -> list[Path]:
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [path for path in paths if not any(part.startswith(".") for part in path.relative_to(folder).parts)]


def _file(path: Path, folder: Path) -> File:
    name = path.name if path == folder else path.relative_to(folder).as_posix()
    try:
        entries, problems = _entries(_text(path))
    except (OSError, EOFError, zlib.error, ValueError) as error:
        return File(name, (), (f"cannot be read: {error}",))
    faults = {number: fault for number, entry in enumerate(entries, 1) if (fault := _fault(entry))}
    sound = {number: entry for number, entry in enumerate(entries, 1) if number not in faults}
    last = max((read(record["eventTime"]) for record in sound.values()), default=None)
    unshown = {number: why for number, record in sound.items() if last and (why := _unshown(record, last))}
    return File(
        name,
        tuple(record for number, record in sound.items() if number not in unshown),
        (*problems, *_numbered(faults)),
        tuple(_numbered(unshown)),
    )


def _numbered(whys: Mapping[int, str]) -> list[str]:
    return [f"record {number}: {why}" for number, why in whys.items()]


def _text(path: Path) -> str:
    """Raises OSError, EOFError, zlib.error or ValueError."""
    with path.open("rb") as file:
        zipped = file.peek(2)[:2] == _GZIP
        content = (gzip.GzipFile(fileobj=file) if zipped else file).read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError(f"more than {_LARGEST >> 20} MiB")
    return content.decode("utf-8-sig")


def _entries(text: str) -> tuple[list[Json], list[str]]:
    """What is in the place of a record, and the lines that are not JSON. Raises ValueError."""
    try:
        return _unwrapped(_parsed(text)), []
    except ValueError as error:
        entries, problems = _lines(text)
        if not entries:
            raise ValueError(f"not JSON: {error}") from None
        return entries, problems


def _lines(text: str) -> tuple[list[Json], list[str]]:
    entries: list[Json] = []
    problems = []
    for number, line in enumerate(text.split("\n"), 1):
        try:
            entries += _unwrapped(_parsed(line)) if line.strip() else []
        except ValueError as error:
            problems.append(f"line {number}: not JSON: {error}")
    return [entry for entry in entries if isinstance(entry, dict)], problems


def _parsed(text: str) -> Json:
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _unwrapped(whole: Json) -> list[Json]:
    if isinstance(whole, dict):
        records = whole.get("Records", [whole])
        return records if isinstance(records, list) else [records]
    return whole if isinstance(whole, list) else [whole]


def _fault(record: Json) -> str:
    """Why LookupEvents cannot show it; empty if it can."""
    if not isinstance(record, dict):
        return "not an object"
    missing = [name for name in ("eventID", "eventTime", "awsRegion") if not _is_text(record.get(name))]
    if missing:
        return f"without {' and '.join(missing)}"
    try:
        read(record["eventTime"])
    except ValueError as error:
        return str(error)
    return ""


def _unshown(record: Json, last: datetime) -> str:
    if not shows(record):
        return "no management event"
    old = last - read(record["eventTime"]) > STORED
    return f"more than {STORED.days} days before the file's last" if old else ""


def _is_text(value: Json) -> bool:
    return isinstance(value, str) and bool(value)
