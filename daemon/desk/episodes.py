"""Which evidence belongs to which episode. Pure, and the same in whatever order the evidence came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from daemon.store.incidents import Proof


@dataclass
class Episode:
    proofs: list[Proof] = field(default_factory=list)
    over_at: datetime | None = None
    """None: it goes on."""
    recovered: bool = False
    """A signal said that it was over; else it was quiet for long enough."""

    @property
    def last_at(self) -> datetime:
        return max(proof.at for proof in self.proofs)


def divide(proofs: Sequence[Proof], quiet_for: timedelta | None, read_to: datetime | None) -> list[Episode]:
    """The episodes that the proofs, in event time, make up.

    A gap of `quiet_for` ends one once the sources are read past it (`read_to`; None: they are not): until then
    something may still come that bridges it. What has not fired opens nothing: after an end it stays with the episode
    before.
    """
    episodes = [Episode()]
    for proof in proofs:
        episode = episodes[-1]
        _quieten(episode, quiet_for, read_to, proof.at)
        if episode.over_at is not None and proof.fired and not proof.recovered:
            episode = Episode()
            episodes.append(episode)
        episode.proofs.append(proof)
        if proof.recovered and episode.over_at is None:
            episode.over_at, episode.recovered = proof.at, True
    _quieten(episodes[-1], quiet_for, read_to, None)
    return episodes


def _quieten(episode: Episode, quiet_for: timedelta | None, read_to: datetime | None, next_at: datetime | None) -> None:
    """Ends the episode if it was quiet for long enough before `next_at`, or since."""
    if quiet_for is None or read_to is None or episode.over_at is not None or not episode.proofs:
        return
    over_at = episode.proofs[-1].at + quiet_for
    if over_at <= read_to and (next_at is None or next_at > over_at):
        episode.over_at = over_at


def clears_at(proofs: Sequence[Proof], quiet_for: timedelta | None) -> datetime | None:
    """When the first run of evidence without a gap will have been quiet for long enough."""
    if quiet_for is None or not proofs:
        return None
    end: datetime = proofs[0].at
    for proof in proofs:
        if proof.at > end + quiet_for:
            break
        end = proof.at
    return end + quiet_for
