"""From a rule's word to an incident, through the desk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from daemon.desk.opening import Heard, Opening
from daemon.desk.terms import Terms
from daemon.model import BUILT_IN_CLIENTS, INTERNAL, Incident, Json, Signal
from daemon.rules.engine import Match
from daemon.store import incidents, tickets
from daemon.store.incidents import Proof
from daemon.trace import Ids

SHADOW: Mapping[str, Json] = {"by": "shadow", "why": "the rule runs in shadow"}


class Hold(Protocol):
    """Why nothing may be set going for an opening now: a silence, maintenance, an inhibition."""

    def __call__(self, connection: Connection, opening: Opening, now: datetime) -> Mapping[str, Json] | None: ...

    def hangs_on(self, connection: Connection, now: datetime) -> object:
        """What its answers hang on beside the opening: as long as this is equal, so are they."""
        ...


class Free:
    """A `Hold` that holds nothing."""

    def __call__(self, connection: Connection, opening: Opening, now: datetime) -> Mapping[str, Json] | None:
        return None

    def hangs_on(self, connection: Connection, now: datetime) -> None:
        return None


FREE = Free()


@dataclass(frozen=True, slots=True)
class Detection:
    """What opening an incident needs to know beside the match."""

    terms: Terms
    sources: Mapping[str, str]
    """Configured name → type, of the sources that are on."""
    default_team: str = ""
    hold: Hold = FREE

    def watched(self, named: Sequence[str]) -> tuple[str, ...]:
        """The configured sources of these names or types."""
        return tuple(name for name, type in self.sources.items() if name in named or type in named)


def opening_of(
    detection: Detection,
    match: Match,
    signal: Signal | None,
    at: datetime,
    began_at: datetime,
    proofs: tuple[Proof, ...] = (),
    brought_by: Ids | None = None,
) -> Opening:
    """What `match` opens at `at`; without a signal it is a silence that says so."""
    rule = match.rule
    return Opening(
        key=match.incident, rule=rule.id, title=match.title, severity=match.severity, at=at,
        began_at=min(began_at, at), proofs=proofs, sources=detection.watched(rule.sources),
        clients=_everybody(detection) if match.clients == "all" else match.clients,
        class_=rule.class_, location=match.location, team=rule.team or detection.default_team,
        group=match.group, runbook=rule.runbook, origin=signal.type if signal else _type(detection, match),
        then=rule.then, quiet_for=rule.clear.quiet_for, reopen_within=rule.reopen_within,
        heard=Heard(signal.source, signal.id, brought_by) if signal else None,
    )  # fmt: skip


def opening_again(connection: Connection, incident: Incident, proofs: tuple[Proof, ...] = ()) -> Opening:
    """What opens an incident again by what is known of itself: its rule may have changed, or be gone."""
    known = incidents.kept(connection, incident.id)
    hit = dict.fromkeys(ticket.client for ticket in tickets.of_incident(connection, incident.id))
    at = proofs[0].at if proofs else incident.last_signal_at
    return Opening(
        key=incident.key, rule=incident.rule, title=incident.title,
        severity=proofs[0].severity if proofs else incident.severity, at=at, began_at=min(incident.began_at, at),
        proofs=proofs, sources=tuple(known.sources), clients=tuple(hit) or (INTERNAL,),
        class_=incident.class_, location=incident.location, team=incident.team, group=incident.group,
        runbook=incident.runbook, origin=incident.origin, quiet_for=known.quiet_for,
    )  # fmt: skip


def _type(detection: Detection, match: Match) -> str:
    first = match.rule.sources[0] if match.rule.sources else ""
    return detection.sources.get(first, first)


def _everybody(detection: Detection) -> tuple[str, ...]:
    """Every client that was configured; ourselves as long as there is none."""
    return tuple(name for name in detection.terms.policy.clients if name not in BUILT_IN_CLIENTS) or (INTERNAL,)
