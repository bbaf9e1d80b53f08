"""Tells of what happened, in the log and in traces, once it has committed: what is undone never happened."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Unpack

from sqlalchemy import Connection

from daemon import trace
from daemon.log import About
from daemon.store import incidents
from daemon.store.engine import once_committed
from daemon.trace import Ids, Span, Value

_UNTRACED = frozenset({"trace", "actor", "why"})
"""Of what a line is about, what is no attribute of a span: people are not named there."""


@dataclass(frozen=True, slots=True)
class Lasted:
    """A span of the trace of what is told."""

    name: str
    since: datetime
    until: datetime
    mark: str = ""
    """Tells it from others of its name in one episode."""
    root: bool = False
    outbound: bool = False
    error: str = ""
    link: Ids | None = None


def tell(
    connection: Connection, log: logging.Logger, level: int, message: str, *spans: Lasted, **about: Unpack[About]
) -> None:
    """One line about an incident, and the spans that it ends. `message` never holds a text from outside."""
    if not (log.isEnabledFor(level) or (spans and trace.is_on())):
        return
    said = traced(connection, about)

    def say() -> None:
        log.log(level, message, extra=said)
        for one in spans:
            record(one, said)

    once_committed(connection, say)


def traced(connection: Connection, about: About) -> About:
    """With the trace of its incident's episode, where there is one: of the current one if none is named."""
    if not trace.is_on() or not about.get("incident"):
        return about
    if "episode" not in about:
        incident = incidents.get(connection, about["incident"])
        about = {**about, "episode": incident.episode if incident else 1}
    return {**about, "trace": trace.of_episode(about["incident"], about["episode"]).trace}


def record(one: Lasted, said: About) -> None:
    """To be called once all of it has committed."""
    if not trace.is_on():
        return
    root = trace.of_episode(said["incident"], said["episode"])
    ids = root if one.root else trace.under(root, one.name, one.mark)
    parent = None if one.root else root
    trace.record(
        Span(one.name, one.since, one.until, ids, parent, one.link, one.outbound, one.error, attributes_of(said))
    )


def attributes_of(said: Mapping[str, object]) -> dict[str, Value]:
    """As OpenTelemetry names them."""
    return {
        f"heliograph.{key}": value
        for key, value in said.items()
        if key not in _UNTRACED and isinstance(value, (str, int)) and value != ""
    }
