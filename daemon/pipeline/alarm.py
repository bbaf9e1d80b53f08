"""What is wrong with the daemon itself becomes an incident of its own, for ourselves, like any other."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection

from daemon.desk import hearing
from daemon.desk.opening import Opening
from daemon.desk.terms import Terms
from daemon.errors import ConfigError, Failure, Permanent
from daemon.model import DAEMON, IncidentState, Role
from daemon.store import incidents, polls
from daemon.store.incidents import Proof

UNREAD_FOR = timedelta(minutes=15)
"""How long a source may fail in ways that pass before somebody must know: nothing is detected meanwhile."""

_SEVERITY = 2


def source_failed(connection: Connection, terms: Terms, source: str, failure: Failure, now: datetime) -> None:
    """Opens once it will not pass by itself, or has not for too long."""
    since = polls.failing_since(connection, source) or now
    if isinstance(failure, Permanent) or now - since >= UNREAD_FOR:
        _open(connection, terms, "daemon/source-unread", source, f"Source {source} cannot be read: {failure}", now)


def source_answers(connection: Connection, terms: Terms, source: str, now: datetime) -> None:
    _over(connection, terms, "daemon/source-unread", source, f"source {source} answers again", now)


def undeliverable(connection: Connection, terms: Terms, role: Role, key: str, failure: Failure, now: datetime) -> None:
    """Something that we owed the outside never will arrive as it stands."""
    _open(connection, terms, "daemon/undeliverable", role, f"{role} {key} was refused: {failure}", now)


def not_reloaded(connection: Connection, terms: Terms, error: ConfigError, now: datetime) -> None:
    """The files say something else than what runs."""
    first, more = error.problems[0], len(error.problems) - 1
    title = f"The new configuration was refused: {first}" + (f" (and {more} more)" if more else "")
    _open(connection, terms, "daemon/not-reloaded", "configuration", title, now)


def reloaded(connection: Connection, terms: Terms, now: datetime) -> None:
    _over(connection, terms, "daemon/not-reloaded", "configuration", "what the files say is what runs", now)


def _open(connection: Connection, terms: Terms, what: str, subject: str, title: str, now: datetime) -> None:
    hearing.open_or_join(
        connection,
        terms,
        Opening(
            key=_key(what, subject), rule=what, title=title, severity=_SEVERITY, at=now, began_at=now,
            group={"subject": subject}, origin=DAEMON,
        ),
        hearing.Nothing(),
        now,
    )  # fmt: skip


def _over(connection: Connection, terms: Terms, what: str, subject: str, why: str, now: datetime) -> None:
    standing = incidents.standing(connection, _key(what, subject))
    if standing is not None and standing.state is IncidentState.OPEN:
        said = Proof(0, what, now, fired=False, recovered=True)
        hearing.over(connection, terms, standing.key, said, hearing.Nothing(), now, why)


def _key(what: str, subject: str) -> str:
    return f"{what}|{subject}"
