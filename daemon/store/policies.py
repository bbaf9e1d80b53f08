"""Every version of contracts and calendars that was in force, and the clocks to be looked at anew when one changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from sqlalchemy import Connection, delete, insert, select, update

from daemon.store.schema import policies, refolds

What: TypeAlias = Literal["contract", "calendar", "tzdata"]


@dataclass(frozen=True, slots=True)
class Kept:
    """One text of a contract's version, one state of a calendar, or one release of the zones."""

    what: What
    name: str
    number: int
    """1, 2, 3 … among those of one name, in the order in which they were first seen."""
    hash: str
    content: str
    since: datetime
    """When it was first seen."""


def kept(connection: Connection) -> list[Kept]:
    """In the order in which they were first seen."""
    found = connection.execute(select(policies).order_by(policies.c.what, policies.c.name, policies.c.number))
    return [Kept(**row._mapping) for row in found]


def keep(connection: Connection, new: Iterable[Kept]) -> None:
    rows = [asdict(one) for one in new]
    if rows:
        connection.execute(insert(policies), rows)


@dataclass(frozen=True, slots=True)
class Refold:
    """The clocks of all open tickets are gone through once more, by number."""

    why: str
    after: int
    """Up to this ticket it is done."""
    done: int
    """Tickets so far."""


def ask_refold(connection: Connection, why: str) -> None:
    """From the first ticket on, whatever was under way."""
    connection.execute(delete(refolds))
    connection.execute(insert(refolds).values(only=1, why=why, after=0, done=0))


def refold(connection: Connection) -> Refold | None:
    row = connection.execute(select(refolds.c.why, refolds.c.after, refolds.c.done)).one_or_none()
    return None if row is None else Refold(row.why, row.after, row.done)


def refolded(connection: Connection, after: int, done: int) -> None:
    connection.execute(update(refolds).values(after=after, done=done))


def end_refold(connection: Connection) -> None:
    connection.execute(delete(refolds))
