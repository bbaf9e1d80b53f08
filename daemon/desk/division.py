"""The episodes of an incident as they stand in the store, divided anew by what is said of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import Connection

from daemon.desk.episodes import Episode, divide
from daemon.model import Incident, IncidentState
from daemon.store import episodes, incidents
from daemon.store.episodes import Kept
from daemon.store.incidents import Proof


class Records(Protocol):
    """What is known beside the evidence, and decides with it where episodes begin and end."""

    def read_to(self, sources: Iterable[str]) -> datetime | None:
        """Up to when all of these have been read; None if one is not."""
        ...

    def recoveries(self, key: str) -> Sequence[Proof]:
        """What said of late that the trouble of `key` is gone, evidence or not."""
        ...

    def rests_on(self, rule: str) -> timedelta:
        """How far back a firing of the rule looks."""
        ...


@dataclass(frozen=True, slots=True)
class Division:
    episodes: tuple[Episode, ...]
    """Those that could have changed, to the last."""
    number: int
    """Of the last."""
    look_at: datetime | None
    placed: bool
    """Whether something of what was said is part of an episode."""

    def told(self, at: datetime) -> Episode:
        """The one in which that happened."""
        return next((each for each in reversed(self.episodes) if each.began_at <= at), self.episodes[0])


def write(
    connection: Connection, incident: Incident, known: incidents.Kept, said: Sequence[Proof], records: Records
) -> Division | None:
    """Writes which evidence is of which episode, and when each began and was over. None if there is none in reach.

    What was over before the first thing said is not touched: it would be divided as it is.
    """
    since = min([proof.at for proof in said] + ([known.clear_at] if known.clear_at else []))
    kept = episodes.reaching(connection, incident.id, since)
    if not kept and not any(proof.fired for proof in said):
        return None
    first = kept[0].episode if kept else incident.episode + 1
    standing = incidents.proofs(connection, incident.id, first)
    recoveries = [proof for proof in records.recoveries(incident.key) if proof.at >= since]
    heard = _heard(standing, [*_words(incident, kept), *said, *recoveries])
    read_to = _read_to(records.read_to(known.sources), kept, standing)
    quiet_for = known.quiet_for
    found = divide(heard, quiet_for, read_to, records.rests_on)
    if found.episodes and known.over_at and _is_over_for_good(incident, known, found.episodes[-1]):
        heard.append(_ended(incident, known.over_at))
        found = divide(heard, quiet_for, read_to, records.rests_on)
    if not found.episodes:
        return None
    _write(connection, incident.id, first, found.episodes, standing, kept)
    parts = {proof.signal or proof for each in found.episodes for proof in each.proofs}
    placed = any((proof.signal or proof) in parts for proof in said)
    return Division(found.episodes, first + len(found.episodes) - 1, found.look_at, placed)


def _heard(standing: Iterable[Proof], more: Iterable[Proof]) -> list[Proof]:
    """Each signal once, and what no signal says. What has fired stays so."""
    by_signal = {proof.signal: proof for proof in standing}
    words = [proof for proof in more if not proof.signal]
    for proof in more:
        known = by_signal.setdefault(proof.signal, proof) if proof.signal else proof
        if proof.fired and not known.fired:
            by_signal[proof.signal] = replace(known, fired=True)
    return [*by_signal.values(), *words]


def _words(incident: Incident, kept: Iterable[Kept]) -> Iterable[Proof]:
    """Beginnings and ends of which no signal is evidence."""
    for each in kept:
        if each.said_at is not None:
            yield Proof(0, incident.rule, each.said_at)
        if each.over_by_word and each.over_at is not None:
            yield _ended(incident, each.over_at)


def _ended(incident: Incident, at: datetime) -> Proof:
    return Proof(0, incident.rule, at, fired=False, recovered=True)


def _read_to(read_to: datetime | None, kept: Iterable[Kept], standing: Iterable[Proof]) -> datetime | None:
    """What was over by quiet was read so far, even if a source fails since."""
    recovered = {proof.at for proof in standing if proof.recovered}
    quiet = [each.over_at for each in kept if each.over_at and not each.over_by_word and each.over_at not in recovered]
    return max([*quiet, *([read_to] if read_to else [])], default=None)


def _is_over_for_good(incident: Incident, known: incidents.Kept, last: Episode) -> bool:
    """People were told that it is over, and what came since came later than it may: it begins nothing again."""
    told = last.over_at is None and known.told_at >= last.began_at
    return told and incident.state is not IncidentState.OPEN


def _write(
    connection: Connection, incident: str, first: int, found: Sequence[Episode], standing: Mapping[Proof, int],
    known: Sequence[Kept],
) -> None:  # fmt: skip
    numbers = {proof: number for number, each in enumerate(found, first) for proof in each.proofs if proof.signal}
    incidents.link(connection, incident, {p: number for p, number in numbers.items() if standing.get(p) != number})
    placed = {proof.signal for proof in numbers}
    incidents.unlink(connection, incident, [proof.signal for proof in standing if proof.signal not in placed])
    now = [_kept(number, each) for number, each in enumerate(found, first)]
    if now != list(known):
        episodes.replace(connection, incident, first, now)


def _kept(number: int, episode: Episode) -> Kept:
    said = next((proof.at for proof in episode.fired if not proof.signal), None)
    end = episode.proofs[-1]
    return Kept(number, episode.began_at, episode.over_at, said, end.recovered and not end.signal)
