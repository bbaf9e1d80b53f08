"""Between rows and nouns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, RowMapping

from daemon.model import (
    Clock,
    ClockState,
    Delivery,
    Event,
    EventKind,
    Fix,
    Incident,
    IncidentState,
    Polarity,
    Rca,
    Signal,
    Ticket,
    TicketState,
    Workaround,
)


def signal(row: Row[tuple[object, ...]]) -> Signal:
    r = row._mapping
    return Signal(
        source=r["source"], type=r["type"], kind=r["kind"], id=r["id"], at=r["at"], fields=r["fields"],
        polarity=Polarity(r["polarity"]), count=r["count"], count_delta=r["count_delta"], began_at=r["began_at"],
        url=r["url"],
    )  # fmt: skip


def incident(row: Row[tuple[object, ...]]) -> Incident:
    return incident_of(row._mapping)


def incident_of(r: Mapping[str, Any] | RowMapping) -> Incident:
    return Incident(
        id=r["id"], key=r["key"], rule=r["rule"], title=r["title"], severity=r["severity"],
        state=IncidentState(r["state"]), episode=r["episode"], opened_at=r["opened_at"], began_at=r["began_at"],
        last_signal_at=r["last_signal_at"], class_=r["class"], location=r["location"], team=r["team"],
        group=r["group"], runbook=r["runbook"], origin=r["origin"], cleared_at=r["cleared_at"],
        ended_at=r["ended_at"], page=r["page"], held=r["held"],
    )  # fmt: skip


def ticket(row: Row[tuple[object, ...]]) -> Ticket:
    r = row._mapping
    return Ticket(
        id=r["id"], incident=r["incident"], client=r["client"], severity=r["severity"], state=TicketState(r["state"]),
        title=r["title"], origin=r["origin"], contract=r["contract"], opened_at=r["opened_at"], version=r["version"],
        assignee=r["assignee"], team=r["team"], site=r["site"], reporter=r["reporter"],
        workaround=Workaround(r["workaround"]), fix=Fix(r["fix"]) if r["fix"] else None, informed=r["informed"],
        rca=Rca(r["rca"]), resolved_at=r["resolved_at"], merged_into=r["merged_into"],
        defect=r["defect"],
    )  # fmt: skip


def event(row: Row[tuple[object, ...]]) -> Event:
    r = row._mapping
    return Event(
        ticket=r["ticket"], sequence=r["sequence"], kind=EventKind(r["kind"]), effective_at=r["effective_at"],
        recorded_at=r["recorded_at"], actor=r["actor"], body=r["body"], source_id=r["source_id"],
    )  # fmt: skip


def clock(row: Row[tuple[object, ...]]) -> Clock:
    r = row._mapping
    return Clock(
        ticket=r["ticket"], goal=r["goal"], cycle=r["cycle"], severity=r["severity"], state=ClockState(r["state"]),
        started_at=r["started_at"], target=r["target"], consumed=r["consumed"], deadline=r["deadline"],
        stopped_at=r["stopped_at"], breached_at=r["breached_at"], decided_at=r["decided_at"], next_at=r["next_at"],
    )  # fmt: skip


def delivery(row: Row[tuple[object, ...]]) -> Delivery:
    r = row._mapping
    return Delivery(role=r["role"], verb=r["verb"], key=r["key"], sequence=r["sequence"], body=r["body"])
