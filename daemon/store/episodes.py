"""When each episode of an incident began and was over, in event time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, or_, select, update

from daemon.store.schema import episodes

_OF = select(episodes).where(episodes.c.incident == bindparam("asked")).order_by(episodes.c.episode)
_REACHING = _OF.where(or_(episodes.c.over_at.is_(None), episodes.c.over_at >= bindparam("since")))
_FORGET = delete(episodes).where(episodes.c.incident == bindparam("asked"), episodes.c.episode >= bindparam("first"))
_ADD = insert(episodes)


@dataclass(frozen=True, slots=True)
class Kept:
    """One episode."""

    episode: int
    began_at: datetime
    over_at: datetime | None = None
    said_at: datetime | None = None
    """Where no signal is evidence that it began, but a silence, or the daemon about itself: when that was."""
    over_by_word: bool = False
    """No signal is evidence of its end: a person, a source that is heard again, or the daemon about itself."""


def reaching(connection: Connection, incident: str, since: datetime) -> list[Kept]:
    """Those that were not over before `since`, in order."""
    return _kept(connection.execute(_REACHING, {"asked": incident, "since": since}))


def of(connection: Connection, incident: str) -> list[Kept]:
    """All of them, in order."""
    return _kept(connection.execute(_OF, {"asked": incident}))


def _kept(rows: Iterable[Row[Any]]) -> list[Kept]:
    return [Kept(row.episode, row.began_at, row.over_at, row.said_at, row.over_by_word) for row in rows]


def replace(connection: Connection, incident: str, first: int, kept: Sequence[Kept]) -> None:
    """Puts these in the place of the `first` and all after it."""
    connection.execute(_FORGET, {"asked": incident, "first": first})
    add(connection, incident, kept)


def add(connection: Connection, incident: str, kept: Sequence[Kept]) -> None:
    connection.execute(_ADD, [{"incident": incident, **asdict(each)} for each in kept])


def end(connection: Connection, incident: str, at: datetime) -> None:
    """Ends the one that goes on, if one does, though no signal says so."""
    connection.execute(
        update(episodes)
        .where(episodes.c.incident == incident, episodes.c.over_at.is_(None))
        .values(over_at=at, over_by_word=True)
    )
