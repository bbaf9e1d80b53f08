"""Silences: a person holds openings back for a while, says why, and is known by name. Every one of them ends."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from daemon.desk.desk import Refused
from daemon.desk.telling import tell
from daemon.rules.holds import Silence
from daemon.rules.policy import Selector
from daemon.rules.selectors import unknown_field
from daemon.store import silences
from daemon.store.silences import Kept

log = logging.getLogger("heliograph.desk")

LONGEST = timedelta(days=30)


def add(
    connection: Connection,
    selector: Mapping[str, Sequence[str]],
    owner: str,
    reason: str,
    lasts: timedelta,
    now: datetime,
) -> Kept:
    """From now on, for so long. Raises Refused."""
    if not any(selector.values()):
        raise Refused("say which incidents are meant: this would silence everything")
    for field, globs in selector.items():
        if (wrong := unknown_field(field)) is not None:
            raise Refused(" ".join(wrong))
        if not all(globs):
            raise Refused(f"'{field}' has an empty value, which nothing matches")
    if not owner.strip():
        raise Refused("say whose silence it is")
    if not reason.strip():
        raise Refused("say why: whoever misses the incidents will ask")
    if not timedelta(0) < lasts <= LONGEST:
        raise Refused(f"a silence lasts at most {LONGEST.days} days, and more than no time")
    added = silences.add(connection, selector, owner.strip(), reason.strip(), now, now + lasts, now)
    tell(connection, log, logging.INFO, "silence added", silence=added.id, actor=added.owner)
    return added


def expire(connection: Connection, id: int, actor: str, now: datetime) -> Kept:
    """Ends it before its time. Raises Refused."""
    if not silences.end(connection, id, actor, now):
        known = silences.get(connection, id)
        raise Refused(f"there is no silence {id}" if known is None else f"silence {id} is over already")
    ended = silences.get(connection, id)
    assert ended is not None
    tell(connection, log, logging.INFO, "silence ended", silence=id, actor=actor)
    return ended


def standing(connection: Connection, at: datetime) -> list[Silence]:
    """Those that hold or will, as `daemon.rules.holds` reads them."""
    return [_silence(kept) for kept in silences.unfinished(connection, at)]


def _silence(kept: Kept) -> Silence:
    selector = Selector({field: tuple(globs) for field, globs in kept.selector.items()})
    return Silence(str(kept.id), selector, kept.owner, kept.reason, kept.begins, kept.ends)
