"""Traces of the pipeline, for OpenTelemetry: nothing, until `export_to` says where spans go (`daemon/otel.py`).

One trace for each episode of an incident. Every id is derived from what it names, so none is stored, and replicas and
restarts agree. A span is recorded once it is over and what it tells has committed; none is ever open.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

Value: TypeAlias = str | int | bool


@dataclass(frozen=True, slots=True)
class Ids:
    """As W3C Trace Context has them: 16 and 8 bytes, in hex."""

    trace: str
    span: str


@dataclass(frozen=True, slots=True)
class Span:
    """What was done, from when to when."""

    name: str
    start: datetime
    end: datetime
    ids: Ids
    parent: Ids | None = None
    link: Ids | None = None
    """What brought it about, in another trace."""
    outbound: bool = False
    """Whether it is a call to the outside."""
    error: str = ""
    """Why it failed, in a short word; empty if it did not."""
    attributes: Mapping[str, Value] = field(default_factory=dict)


Exporter: TypeAlias = Callable[[Span], None]
"""Takes a span and returns at once, whatever becomes of it."""

_exporter: Exporter | None = None


def export_to(exporter: Exporter | None) -> None:
    """Where spans go from now on; None: nowhere."""
    global _exporter  # noqa: PLW0603 - one for the process, as the root of all loggers is
    _exporter = exporter


def is_on() -> bool:
    return _exporter is not None


def record(span: Span) -> None:
    if _exporter is not None:
        _exporter(span)


def of_episode(incident: str, episode: int) -> Ids:
    """The root of an episode's trace: the incident, as it opened."""
    return _root("incident", incident, str(episode))


def of_poll(source: str, at: datetime) -> Ids:
    """The one span of the trace of a poll, or of a push, that was recorded at `at`."""
    return _root("poll", source, at.isoformat())


def under(parent: Ids, *name: str) -> Ids:
    """A child's; `name` tells it from the others of its trace."""
    return Ids(parent.trace, _hex(8, parent.trace, *name))


def _root(*name: str) -> Ids:
    return Ids(_hex(16, *name), _hex(8, "root", *name))


def _hex(size: int, *name: str) -> str:
    """Never all zeros in practice, which would name nothing: one in 2⁶⁴."""
    return hashlib.blake2b("\0".join(name).encode(), digest_size=size).hexdigest()
