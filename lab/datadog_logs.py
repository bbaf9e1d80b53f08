"""Datadog's logs and security signals: the shape of one. They are searched as events are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from lab.datadog_events import Event
from lab.server import Json
from lab.source import iso

SEVERITIES = ("critical", "high", "medium", "low", "info")
_RESERVED = ("host", "service", "status")
"""What stands beside a log's own attributes."""


def log_of(
    id: str, at: datetime, message: str, tags: Iterable[str], visible_at: datetime, fields: Mapping[str, Json]
) -> Event:
    return Event(id, at, "", message, tuple(tags), visible_at, fields)


def signal_of(
    id: str,
    at: datetime,
    rule: str,
    severity: str,
    tags: Iterable[str],
    visible_at: datetime,
    fields: Mapping[str, Json],
) -> Event:
    workflow = {
        "rule": {"id": f"rule-{rule.lower().replace(' ', '-')}", "name": rule, "type": "log_detection"},
        "triage": {"state": "open"},
        "first_seen": iso(at),
        "last_seen": iso(at),
    }
    own = {"title": rule, "status": severity, "workflow": workflow, **fields}
    return Event(id, at, rule, f"{rule}: look at it", tuple(tags), visible_at, own)


def shown_log(log: Event) -> Json:
    """As the API gives it."""
    reserved = {name: log.fields[name] for name in _RESERVED if name in log.fields}
    own = {name: value for name, value in log.fields.items() if name not in (*_RESERVED, "index")}
    said = {"status": "info", **reserved, "message": log.text, "tags": list(log.tags), "timestamp": iso(log.at)}
    return {"id": log.id, "type": "log", "attributes": {"attributes": own, **said}}


def shown_signal(signal: Event) -> Json:
    said = {"message": signal.text, "tags": list(signal.tags), "timestamp": iso(signal.at)}
    return {"id": signal.id, "type": "signal", "attributes": {"custom": dict(signal.fields), **said}}
