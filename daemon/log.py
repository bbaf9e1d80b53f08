"""Logs: one line for each thing said, for people or for machines, in which no known secret shows.

Loggers are the standard library's, all named `heliograph.…`. What libraries say is let through from warnings on.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from datetime import UTC, datetime
from typing import Literal, TextIO, TypeAlias

from daemon.secret import redact

Format: TypeAlias = Literal["plain", "json"]
Level: TypeAlias = Literal["debug", "info", "warning", "error"]

ROOT = "heliograph"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


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

    def broke(self, log: logging.Logger, key: str, fmt: str, *args: object) -> None:
        with self._lock:
            new = (log.name, key) not in self._broken
            self._broken.add((log.name, key))
        log.log(logging.WARNING if new else logging.DEBUG, fmt, *args)

    def recovered(self, log: logging.Logger, key: str, fmt: str, *args: object) -> None:
        with self._lock:
            if (log.name, key) not in self._broken:
                return
            self._broken.remove((log.name, key))
        log.info(fmt, *args)


class _Ours(logging.StreamHandler[TextIO]):
    """Known by its class, so that handlers of others are left alone."""


class _Plain(logging.Formatter):
    """`2026-11-23T14:37:02Z warning send: page hg:7:1: timeout`; a traceback follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        line = f"{_instant(record)} {record.levelname.lower()} {_short(record.name)}: {_message(record)}"
        trace = _trace(self, record)
        return f"{line}\n{trace}" if trace else line


class _Json(logging.Formatter):
    """One object on one line: at, level, logger, message, thread (the step that spoke), trace."""

    def format(self, record: logging.LogRecord) -> str:
        said = {
            "at": _instant(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
            "thread": record.threadName,
            "trace": _trace(self, record),
        }
        return json.dumps({name: value for name, value in said.items() if value}, ensure_ascii=False)


def _message(record: logging.LogRecord) -> str:
    """On one line: what came from outside cannot make a line of its own, nor move the terminal's cursor."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], redact(record.getMessage()))


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return redact(formatter.formatException(record.exc_info)) if record.exc_info else ""


def _instant(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _short(name: str) -> str:
    return name.removeprefix(f"{ROOT}.")
