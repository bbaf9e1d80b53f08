"""Where episodes begin and end. Pure, and the same in whatever order the evidence came."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from daemon.store.incidents import Proof


@dataclass(frozen=True, slots=True)
class Episode:
    proofs: tuple[Proof, ...]
    """In event time; what says that it recovered comes last."""
    over_at: datetime | None = None
    """None while it goes on."""

    @property
    def began_at(self) -> datetime:
        return self.proofs[0].at

    @property
    def recovered(self) -> bool:
        """Whether it was said that it is over; else it was quiet for long enough."""
        return self.proofs[-1].recovered

    @property
    def fired(self) -> list[Proof]:
        return [proof for proof in self.proofs if proof.fired]

    def holds(self, at: datetime) -> bool:
        return self.began_at <= at and (self.over_at is None or at <= self.over_at)


@dataclass(frozen=True, slots=True)
class Division:
    episodes: tuple[Episode, ...]
    look_at: datetime | None
    """The first end by quiet that is not certain yet: once the sources are read so far, look again."""


def divide(
    proofs: Iterable[Proof],
    quiet_for: timedelta | None,
    read_to: datetime | None,
    rests_on: Callable[[str], timedelta],
) -> Division:
    """The episodes of what was heard of one key.

    One begins with a proof that has fired, and what that rests on: as far back as `rests_on` says of its rule. It ends
    with the first recovery, or with a gap of `quiet_for` once the sources are read past the gap (`read_to`; None: they
    are not). Until then something may still come that bridges it, so it goes on.
    """
    found: list[Episode] = []
    unsure: list[datetime] = []
    before: list[Proof] = []
    on: list[Proof] = []
    for proof in sorted(proofs, key=lambda each: (each.at, each.recovered, each.signal)):
        quiet_at = _quiet_at(on, quiet_for)
        if quiet_at is not None and quiet_at < proof.at:
            if proof.recovered or _is_read(quiet_at, read_to):
                found.append(Episode(tuple(on), quiet_at))
                on = []
            else:
                unsure.append(quiet_at)
        if on:
            on.append(proof)
        elif proof.recovered and found and found[-1].over_at == proof.at:
            found[-1] = Episode((*found[-1].proofs, proof), proof.at)  # of one instant, none is the first to say so
        elif not proof.recovered:
            before.append(proof)
            if proof.fired:
                on, before = _begun(before, proof, rests_on(proof.rule)), []
        if on and proof.recovered:
            found.append(Episode(tuple(on), proof.at))
            on = []
    return _ended(found, on, _quiet_at(on, quiet_for), read_to, unsure)


def _ended(
    found: Sequence[Episode], on: Sequence[Proof], quiet_at: datetime | None, read_to: datetime | None,
    unsure: Sequence[datetime],
) -> Division:  # fmt: skip
    """With the last one, which may go on."""
    over = quiet_at is not None and _is_read(quiet_at, read_to)
    last = (Episode(tuple(on), quiet_at if over else None),) if on else ()
    looks = [*unsure, *([] if quiet_at is None or over else [quiet_at])]
    return Division((*found, *last), min(looks, default=None))


def _begun(heard: Sequence[Proof], by: Proof, rests_on: timedelta) -> list[Proof]:
    return [one for one in heard if one is by or (one.rule == by.rule and by.at - one.at <= rests_on)]


def _quiet_at(on: Sequence[Proof], quiet_for: timedelta | None) -> datetime | None:
    return on[-1].at + quiet_for if on and quiet_for is not None else None


def _is_read(at: datetime, read_to: datetime | None) -> bool:
    return read_to is not None and at <= read_to
