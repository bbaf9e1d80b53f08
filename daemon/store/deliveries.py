"""The outbox. A row is owed from the moment it commits beside the incident, until the outside has answered.

pending → sending → done | dead
    ↖———————┘ (try again)          pending → cancelled (no longer due, and never left)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, bindparam, exists, func, or_, select, update

from daemon.model import Delivery, Json, Receipt
from daemon.store import rows
from daemon.store.columns import Instant
from daemon.store.engine import insert_new
from daemon.store.schema import deliveries

_WAITING = ("pending", "sending")


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this holder may send until its lease ends."""

    id: int
    delivery: Delivery
    incident: str
    ticket: int | None
    attempts: int
    """This one counted."""
    doubtful: bool
    """An earlier attempt may have had its effect: find before sending."""
    attempted_at: datetime | None
    """When the earlier attempt began."""
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Owed:
    """A delivery to be put in the outbox."""

    delivery: Delivery
    incident: str
    severity: int
    ticket: int | None = None
    not_before: datetime | None = None
    """It waits until then, and holds no other back meanwhile."""


def owe(connection: Connection, delivery: Delivery, incident: str, severity: int, now: datetime,
        ticket: int | None = None) -> bool:  # fmt: skip
    """Puts a delivery in the outbox; False if the same is there."""
    return owe_all(connection, [Owed(delivery, incident, severity, ticket)], now) == 1


def owe_all(connection: Connection, owed: Sequence[Owed], now: datetime) -> int:
    """How many were not there yet."""
    rows_ = [
        {
            "role": one.delivery.role, "verb": one.delivery.verb, "key": one.delivery.key,
            "sequence": one.delivery.sequence, "body": dict(one.delivery.body), "incident": one.incident,
            "ticket": one.ticket, "severity": one.severity, "state": "pending", "attempts": 0,
            "due_at": one.not_before or now, "doubtful": False, "created_at": now, "not_before": one.not_before,
        }
        for one in owed
    ]  # fmt: skip
    return connection.execute(insert_new(connection, deliveries), rows_).rowcount if rows_ else 0


def claim(connection: Connection, role: str, holder: str, now: datetime, lease: timedelta) -> Claimed | None:
    """Takes the most urgent due delivery of `role` whose earlier ones for the same incident are done.

    What an earlier holder let lapse is doubtful: it may have been sent. The row that this commits is the durable
    "about to send".
    """
    row = connection.execute(_NEXT, {"of_role": role, "now": now}).one_or_none()
    if row is None:
        return None
    taken = connection.execute(
        update(deliveries)
        .where(deliveries.c.id == row.id, deliveries.c.attempts == row.attempts, deliveries.c.state == row.state)
        .values(
            state="sending", attempts=row.attempts + 1, holder=holder, lease_until=now + lease, started_at=now,
            doubtful=row.doubtful or row.state == "sending",
        )
    ).rowcount  # fmt: skip
    if not taken:
        return None
    return Claimed(
        id=row.id, delivery=rows.delivery(row), incident=row.incident, ticket=row.ticket, attempts=row.attempts + 1,
        doubtful=row.doubtful or row.state == "sending", attempted_at=row.started_at, created_at=row.created_at,
    )  # fmt: skip


def _next() -> Any:
    earlier = deliveries.alias("earlier")
    blocked = exists().where(
        earlier.c.role == deliveries.c.role,
        earlier.c.incident == deliveries.c.incident,
        earlier.c.id < deliveries.c.id,
        earlier.c.state.in_(_WAITING),
        or_(earlier.c.not_before.is_(None), earlier.c.not_before <= bindparam("now", type_=Instant)),
    )
    free = or_(
        and_(deliveries.c.state == "pending", deliveries.c.due_at <= bindparam("now", type_=Instant)),
        and_(deliveries.c.state == "sending", deliveries.c.lease_until <= bindparam("now", type_=Instant)),
    )
    return (
        select(deliveries)
        .where(deliveries.c.role == bindparam("of_role"), deliveries.c.state.in_(_WAITING), free, ~blocked)
        .order_by(deliveries.c.severity, deliveries.c.id)
        .limit(1)
    )


_NEXT = _next()
"""Built once: senders ask often."""
_WAS_OWED = select(deliveries.c.id).where(
    deliveries.c.role == bindparam("of_role"), deliveries.c.key == bindparam("asked"), deliveries.c.verb == "open",
    deliveries.c.state != "cancelled",
)  # fmt: skip

_CANCEL_UNSENT = (
    update(deliveries)
    .where(deliveries.c.incident == bindparam("of_incident"), deliveries.c.role == bindparam("of_role"))
    .where(deliveries.c.key == bindparam("asked"), deliveries.c.verb == "open", deliveries.c.state == "pending")
    .where(deliveries.c.started_at.is_(None))
    .values(state="cancelled", finished_at=bindparam("finished_at"), reason="overtaken")
)


def next_due(connection: Connection, role: str) -> datetime | None:
    """When a delivery of `role` may next be claimed."""
    waiting = deliveries.c.role == role
    pending = select(func.min(deliveries.c.due_at)).where(waiting, deliveries.c.state == "pending")
    lapsed = select(func.min(deliveries.c.lease_until)).where(waiting, deliveries.c.state == "sending")
    found = [connection.execute(query).scalar_one() for query in (pending, lapsed)]
    return min((instant for instant in found if instant is not None), default=None)


def finish(
    connection: Connection, claimed: Claimed, holder: str, state: str, now: datetime,
    receipt: Receipt | None = None, reason: str | None = None,
) -> bool:  # fmt: skip
    """Records how an attempt ended (`done`, `dead`, `cancelled`). False if the lease was lost to another holder."""
    values: dict[str, Any] = {"state": state, "finished_at": now, "reason": reason, "holder": None}
    if receipt is not None:
        values["receipt"] = asdict(receipt)
    return _settle(connection, claimed, holder, values)


def postpone(
    connection: Connection, claimed: Claimed, holder: str, until: datetime, reason: str, doubtful: bool,
    started_at: datetime | None,
) -> bool:  # fmt: skip
    """Gives a delivery back to be tried at `until`. `started_at` is of the attempt that is doubtful."""
    values = {
        "state": "pending", "due_at": until, "reason": reason, "doubtful": doubtful, "holder": None,
        "started_at": started_at,
    }  # fmt: skip
    return _settle(connection, claimed, holder, values)


def _settle(connection: Connection, claimed: Claimed, holder: str, values: Mapping[str, Any]) -> bool:
    return (
        connection.execute(
            update(deliveries)
            .where(deliveries.c.id == claimed.id, deliveries.c.state == "sending")
            .where(deliveries.c.attempts == claimed.attempts, deliveries.c.holder == holder)
            .values(**values, lease_until=None)
        ).rowcount
        == 1
    )


def cancel_unsent(connection: Connection, incident: str, role: str, key: str, now: datetime) -> bool:
    """Takes back an opening that never left: nothing outside knows of it. False if it left, or may have."""
    asked = {"of_incident": incident, "of_role": role, "asked": key, "finished_at": now}
    return connection.execute(_CANCEL_UNSENT, asked).rowcount > 0


def receipt_of(connection: Connection, role: str, key: str) -> Json:
    """The receipt of the opening under `key`, once there is one."""
    found = select(deliveries.c.receipt).where(
        deliveries.c.role == role, deliveries.c.key == key, deliveries.c.verb == "open"
    )
    return connection.execute(found).scalar_one_or_none()


def incident_of(connection: Connection, role: str, key: str) -> str | None:
    """The incident that the opening under `key` was for."""
    found = select(deliveries.c.incident).where(deliveries.c.role == role, deliveries.c.key == key).limit(1)
    return connection.execute(found).scalar_one_or_none()


def was_owed(connection: Connection, role: str, key: str) -> bool:
    """Whether an opening under `key` is owed or was sent (and not taken back)."""
    return connection.execute(_WAS_OWED, {"of_role": role, "asked": key}).first() is not None


def release(connection: Connection, now: datetime) -> None:
    """Lets every claim lapse: for when whoever held one is known to be gone. What was being sent is doubtful."""
    connection.execute(update(deliveries).where(deliveries.c.state == "sending").values(lease_until=now))
