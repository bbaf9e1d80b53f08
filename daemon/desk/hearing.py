"""What is heard of an incident, in whatever order: it opens, goes on, parts into episodes, and is over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, Protocol, TypeAlias

from sqlalchemy import Connection

from daemon.desk import division
from daemon.desk import opening as life
from daemon.desk.division import Division
from daemon.desk.episodes import Episode
from daemon.desk.opening import Opening
from daemon.desk.terms import Terms
from daemon.model import Incident, IncidentState
from daemon.store import incidents
from daemon.store.incidents import Proof

RECOVERED = "a signal says that it recovered"

Outcome: TypeAlias = Literal["opened", "reopened", "joined", "old"]


class Records(division.Records, Protocol):
    """What is known beside the evidence."""

    def retell(self, incident: Incident, proof: Proof | None) -> Opening:
        """Says again what a signal that is evidence means: for an episode that turns out to be one of its own."""
        ...


class Nothing:
    """The records of what rests on no signal, like what is wrong with the daemon itself: it is said in order."""

    def read_to(self, sources: Iterable[str]) -> None:
        return None

    def recoveries(self, key: str) -> tuple[Proof, ...]:
        return ()

    def rests_on(self, rule: str) -> timedelta:
        return timedelta(0)

    def retell(self, incident: Incident, proof: Proof | None) -> Opening:
        return Opening(
            key=incident.key, rule=incident.rule, title=incident.title, severity=incident.severity,
            at=incident.last_signal_at, began_at=incident.began_at, group=incident.group, origin=incident.origin,
        )  # fmt: skip


def open_or_join(
    connection: Connection, terms: Terms, opening: Opening, records: Records, now: datetime
) -> tuple[Incident, Outcome]:
    """The incident that these signals are evidence of, opened, joined or reopened."""
    standing = incidents.standing(connection, opening.key) or _reopenable(connection, opening)
    said = opening.proofs
    if not any(proof.fired for proof in said):
        said += (Proof(0, opening.rule, opening.at, opening.severity),)
    if standing is None:
        incident = life.open_first(connection, terms, opening, min(proof.at for proof in said), now)
        life.set_going(connection, terms, incident, opening, now)
        return _weave(connection, terms, incident, said, records, now).incident, "opened"
    if _goes_on(connection, standing, said, opening.quiet_for, opening.at):
        incident = life.join(connection, standing, opening)
        life.set_going(connection, terms, incident, opening, now)
        return incident, "joined"
    woven = _weave(connection, terms, standing, said, records, now, opening)
    return woven.incident, woven.outcome


def look(connection: Connection, terms: Terms, incident: Incident, records: Records, now: datetime) -> bool:
    """Its sources have been read further: what was quiet may be over. Whether anything is otherwise now."""
    before = incidents.kept(connection, incident.id)
    _weave(connection, terms, incident, (), records, now)
    return incidents.kept(connection, incident.id) != before


def prolong(
    connection: Connection, terms: Terms, incident: Incident, proofs: Sequence[Proof], records: Records, now: datetime
) -> bool:
    """More signals of what is on already, or was when they happened: evidence, and no more. Whether any is."""
    if _goes_on(connection, incident, proofs, incidents.kept(connection, incident.id).quiet_for):
        return True
    return _weave(connection, terms, incident, proofs, records, now).placed


def over(
    connection: Connection, terms: Terms, key: str, proof: Proof, records: Records, now: datetime,
    why: str = RECOVERED,
) -> Incident | None:  # fmt: skip
    """It is said that the trouble of `key` is gone. None if none of it was there to be ended."""
    standing = incidents.latest(connection, key)
    if standing is None:
        return None
    woven = _weave(connection, terms, standing, (proof,), records, now, why=why)
    return woven.incident if woven.placed else None


def _goes_on(
    connection: Connection, incident: Incident, proofs: Sequence[Proof], quiet_for: timedelta | None,
    at: datetime | None = None,
) -> bool:  # fmt: skip
    """Links what happened within an episode that goes on, and nothing else: it moves neither end of any, and most
    signals are such. `at`: of an opening. Whether it is so."""
    kept = incidents.kept(connection, incident.id)
    last = max(kept.incident.last_signal_at, *(proof.at for proof in proofs))
    gap = kept.clear_at is not None and last > kept.clear_at
    if incident.state is not IncidentState.OPEN or gap or quiet_for != kept.quiet_for:
        return False
    new = incidents.unlinked(connection, incident.id, incident.episode, proofs)
    follows = all(proof.signal for proof in proofs) and (at is None or kept.told_at <= at <= last)
    late = [proof for proof in (new if follows else proofs) if proof.at < kept.told_at]
    if late and not _are_known(connection, incident, late, exactly=not follows):
        return False
    links = {proof: incident.episode for proof in new if proof.signal and proof.at >= kept.told_at}
    incidents.link(connection, incident.id, links)
    clear_at = None if quiet_for is None else last + quiet_for
    incidents.change(connection, incident.id, last_signal_at=last, clear_at=clear_at)
    return True


def _are_known(connection: Connection, incident: Incident, said: Sequence[Proof], *, exactly: bool) -> bool:
    """Whether to divide the evidence anew would find nothing new in these, or, `exactly`, none is told otherwise."""
    known = incidents.known(connection, incident.id, [proof.signal for proof in said])
    if exactly:
        return all(known.get(proof.signal) == proof for proof in said)
    return all(one is not None and one.fired >= proof.fired for proof in said for one in [known.get(proof.signal)])


def _reopenable(connection: Connection, opening: Opening) -> Incident | None:
    ended = incidents.latest_ended(connection, opening.key)
    if ended is None:
        return None
    over_at = incidents.over_at(connection, ended.id) or ended.ended_at
    return ended if over_at is not None and opening.at <= over_at + opening.reopen_within else None


@dataclass(frozen=True, slots=True)
class _Woven:
    incident: Incident
    outcome: Outcome
    placed: bool
    """Whether something of what was said is evidence, or ended an episode."""


def _weave(
    connection: Connection, terms: Terms, incident: Incident, said: Sequence[Proof], records: Records, now: datetime,
    opening: Opening | None = None, why: str = RECOVERED,
) -> _Woven:  # fmt: skip
    """Divides anew into episodes what can be reached by what was said, and follows with what people are told: of the
    last episode alone, and only if it is not the one that they were told of last."""
    if opening is not None:
        incidents.change(connection, incident.id, quiet_seconds=life.seconds(opening.quiet_for))
    kept = incidents.kept(connection, incident.id)
    found = division.write(connection, incident, kept, said, records)
    if found is None:
        return _Woven(incident, "old", False)
    last = found.episodes[-1]
    outcome: Outcome = "old"
    told = kept.told_at >= last.began_at
    here = opening if opening is not None and last.holds(opening.at) else None
    if incident.state is IncidentState.OPEN and not told:
        ended = found.told(kept.told_at)
        life.clear(connection, terms, incident, ended, why, now)
        incident = incidents.get(connection, incident.id) or incident
    if not told and (here or last.over_at is None):
        anew = [here] if here else _retold(incident, last, records)
        incident, outcome = life.next_episode(connection, incident, anew[0], found.number, last, now), "reopened"
        for each in anew:
            life.set_going(connection, terms, incident, each, now)
    elif here and incident.state is IncidentState.OPEN:
        incident, outcome = life.join(connection, incident, here), "joined"
        life.set_going(connection, terms, incident, here, now)
    return _Woven(_keep_up(connection, terms, incident, found, why, now), outcome, found.placed)


def _retold(incident: Incident, last: Episode, records: Records) -> list[Opening]:
    return [records.retell(incident, proof if proof.signal else None) for proof in last.fired]


def _keep_up(
    connection: Connection, terms: Terms, incident: Incident, found: Division, why: str, now: datetime
) -> Incident:
    """The incident has the times of its last episode, and is over if that is."""
    last = found.episodes[-1]
    same = found.number == incident.episode
    began_at = min(incident.began_at, last.began_at) if same else last.began_at
    signal_at = max([incident.last_signal_at, *(proof.at for proof in last.proofs if not proof.recovered)])
    incident = replace(incident, episode=found.number, began_at=began_at, last_signal_at=signal_at)
    incidents.change(
        connection, incident.id, episode=found.number, began_at=began_at, last_signal_at=signal_at,
        clear_at=found.look_at,
    )  # fmt: skip
    if incident.state is not IncidentState.OPEN:
        incidents.change(connection, incident.id, over_at=last.over_at)
    elif last.over_at is not None:
        life.clear(connection, terms, incident, last, why, now)
    return incidents.get(connection, incident.id) or incident
