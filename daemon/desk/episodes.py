"""Where an episode ends. Pure, and the same in whatever order its evidence came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from daemon.store.incidents import Proof


@dataclass(frozen=True, slots=True)
class End:
    """Where an episode ends."""

    at: datetime
    recovered: bool
    """A signal says so; else it was quiet for long enough."""
    after: tuple[Proof, ...]
    """What happened after it: to be told again."""


def end(proofs: Sequence[Proof], quiet_for: timedelta | None, read_to: datetime | None) -> End | None:
    """Where the episode of these proofs, in event time, ends; None while it goes on.

    A gap of `quiet_for` ends it once the sources are read past the gap (`read_to`; None: they are not): until then
    something may still come that bridges it.
    """
    for place in range(_first_fired(proofs), len(proofs)):
        proof = proofs[place]
        if proof.recovered:
            return End(proof.at, True, tuple(proofs[place + 1 :]))
        over_at = None if quiet_for is None else proof.at + quiet_for
        bridged = over_at is not None and place + 1 < len(proofs) and proofs[place + 1].at <= over_at
        if over_at is not None and read_to is not None and over_at <= read_to and not bridged:
            return End(over_at, False, tuple(proofs[place + 1 :]))
    return None


def clears_at(proofs: Sequence[Proof], quiet_for: timedelta | None) -> datetime | None:
    """When the first run of evidence without a gap will have been quiet for long enough."""
    if quiet_for is None or not proofs:
        return None
    begun = proofs[_first_fired(proofs) :]
    end: datetime = begun[0].at
    for proof in begun:
        if proof.at > end + quiet_for:
            break
        end = proof.at
    return end + quiet_for


def _first_fired(proofs: Sequence[Proof]) -> int:
    """Where the trouble begins: what stands before it was not enough, and gaps there are no quiet."""
    return next((place for place, proof in enumerate(proofs) if proof.fired), 0)
