"""From a rule's match to an incident, through the desk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from daemon.desk import opening
from daemon.desk.opening import Opening
from daemon.desk.terms import Terms
from daemon.model import BUILT_IN_CLIENTS, INTERNAL, IncidentState, Signal
from daemon.rules.engine import Match
from daemon.store import incidents


@dataclass(frozen=True, slots=True)
class Detection:
    """What opening an incident needs to know beside the match."""

    terms: Terms
    sources: Mapping[str, str]
    """Configured name → type, of the sources that are on."""
    default_team: str = ""

    def watched(self, match: Match) -> tuple[str, ...]:
        """The configured sources that the match's rule reads."""
        named = match.rule.sources
        return tuple(name for name, type in self.sources.items() if name in named or type in named)


def open_or_join(
    connection: Connection,
    detection: Detection,
    match: Match,
    signal: Signal,
    rows: tuple[int, ...],
    began_at: datetime,
    now: datetime,
) -> None:
    rule = match.rule
    clients = _everybody(detection) if match.clients == "all" else match.clients
    opening.open_or_join(
        connection,
        detection.terms,
        Opening(
            key=match.key, rule=rule.id, title=match.title, severity=match.severity, at=signal.at,
            began_at=min(began_at, signal.at), signals=rows, sources=detection.watched(match), clients=clients,
            class_=rule.class_, location=match.location, team=rule.team or detection.default_team,
            group=match.group, runbook=rule.runbook, origin=signal.type, then=rule.then,
            quiet_for=rule.clear.quiet_for, reopen_within=rule.reopen_within,
        ),
        now,
    )  # fmt: skip


def _everybody(detection: Detection) -> tuple[str, ...]:
    """Every client that was configured; ourselves as long as there is none."""
    return tuple(name for name in detection.terms.policy.clients if name not in BUILT_IN_CLIENTS) or (INTERNAL,)


def is_open(connection: Connection, key: str) -> bool:
    standing = incidents.standing(connection, key)
    return standing is not None and standing.state is IncidentState.OPEN


def recover(
    connection: Connection, detection: Detection, match: Match, signal: Signal, row: int, now: datetime
) -> None:
    """Clears the open incident of this group, unless it broke again after this was said."""
    standing = incidents.standing(connection, match.key)
    if standing is None or standing.state is not IncidentState.OPEN or signal.at < standing.last_signal_at:
        return
    incidents.link(connection, standing.id, (row,), standing.episode, match.rule.id, recovered=True)
    opening.clear(connection, detection.terms, standing, signal.at, f"{signal.type} says that it recovered", now)
