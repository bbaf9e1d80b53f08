"""Logs: one line for each thing said, for people or for machines, in which no known secret shows.

Loggers are the standard library's, all named `heliograph.…`. What libraries say is let through from warnings on.
What a line speaks of is said apart from its words: `log.info("ticket opened", extra=about(incident=id, ticket=7))`.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from datetime import UTC, datetime
from typing import Literal, TextIO, TypeAlias, TypedDict, Unpack

from daemon.secret import redact

Format: TypeAlias = Literal["plain", "json"]
Level: TypeAlias = Literal["debug", "info", "warning", "error"]

ROOT = "heliograph"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_BARE = re.compile(r"[^\s\"'=]+")
"""A value that stands in a plain line without quotes."""


class About(TypedDict, total=False):
    """What a line speaks of; docs/operations.md says what each is. Never a text of a client's: no title, no message."""

    incident: str
    episode: int
    trace: str
    ticket: int
    client: str
    severity: int
    rule: str
    source: str
    signal: str
    state: str
    actor: str
    goal: str
    cycle: int
    threshold: str
    role: str
    verb: str
    delivery: str
    attempt: int
    reason: str
    receipt: str
    url: str
    silence: int
    handover: int
    new: int
    unwanted: int
    lost: int
    tickets: int
    why: str


KEYS = tuple(About.__annotations__)
"""In the order in which a line has them. Any other that a library says is left out."""


def about(**said: Unpack[About]) -> About:
    """For `extra`: mypy knows the keys."""
    return said


def configure(level: Level = "info", format: Format = "plain", stream: TextIO | None = None) -> None:
    """Sends everything to `stream` (standard error if None). Once more replaces what was configured before."""
    handler = _Ours(stream or sys.stderr)
    handler.setFormatter(_Json() if format == "json" else _Plain())
    root = logging.getLogger()
    for before in [one for one in root.handlers if isinstance(one, _Ours)]:
        root.removeHandler(before)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger(ROOT).setLevel(level.upper())


class Once:
    """Says once that something broke and once that it works again, however often it is told of either."""

    def __init__(self) -> None:
        self._broken: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def broke(
        self, log: logging.Logger, key: str, fmt: str, *args: object, extra: About | None = None,
        again: int = logging.DEBUG,
    ) -> None:  # fmt: skip
        """A warning the first time; at the level `again` as long as it stays broken."""
        with self._lock:
            new = (log.name, key) not in self._broken
            self._broken.add((log.name, key))
        log.log(logging.WARNING if new else again, fmt, *args, extra=extra)

    def recovered(
        self, log: logging.Logger, key: str, fmt: str, *args: object, extra: About | None = None
    ) -> None:  # fmt: skip
        with self._lock:
            if (log.name, key) not in self._broken:
                return
            self._broken.remove((log.name, key))
        log.info(fmt, *args, extra=extra)


class _Ours(logging.StreamHandler[TextIO]):
    """Known by its class, so that handlers of others are left alone."""


class _Plain(logging.Formatter):
    """`2026-11-23T14:37:02Z warning send: page is refused incident=3k9x0a7c2m`; a traceback follows on lines of its
    own."""

    def format(self, record: logging.LogRecord) -> str:
        message = _on_one_line(redact(record.getMessage()))
        said = "".join(f" {key}={_quoted(value)}" for key, value in _about(record).items())
        line = f"{_instant(record)} {record.levelname.lower()} {_short(record.name)}: {message}{said}"
        traceback = _traceback(self, record)
        return f"{line}\n{traceback}" if traceback else line


class _Json(logging.Formatter):
    """One object on one line: at, level, logger, message, thread (the step that spoke), what it is about, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        said = {
            "at": _instant(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
            "thread": record.threadName,
            **_about(record),
            "traceback": _traceback(self, record),
        }
        return json.dumps({name: value for name, value in said.items() if value != ""}, ensure_ascii=False)


def _about(record: logging.LogRecord) -> dict[str, str | int]:
    """What was said apart: texts without secrets, and numbers; nothing of what is not known."""
    said = {key: getattr(record, key, None) for key in KEYS}
    plain = {
        key: value if isinstance(value, int) else redact(str(value)) for key, value in said.items() if value is not None
    }
    return {key: value for key, value in plain.items() if value != ""}


def _on_one_line(text: str) -> str:
    """What came from outside cannot make a line of its own, nor move the terminal's cursor."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def _quoted(value: str | int) -> str:
    """So that no value can be taken for two."""
    text = str(value)
    bare = isinstance(value, int) or _BARE.fullmatch(text)
    return _on_one_line(text if bare else json.dumps(text, ensure_ascii=False))


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return redact(formatter.formatException(record.exc_info)) if record.exc_info else ""


def _instant(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _short(name: str) -> str:
    return name.removeprefix(f"{ROOT}.")
