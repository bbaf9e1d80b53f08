"""What the policy says now: targets, contracts, the release train, and who is on duty."""

from __future__ import annotations

from datetime import datetime

from daemon import catalogue
from daemon.collector.known import Known
from daemon.collector.standing import Figures, Values
from daemon.sla.calendar import seconds
from daemon.sla.targets import ReleaseTrain


def of_policy(known: Known, now: datetime) -> Figures:
    targets, clients = Values(), Values()
    for client, contract in known.contracts(now):
        clients[client.name, contract.name, contract.version, client.timezone] = 1.0
        for goal, rows in contract.goals.items():
            for severity, promise in rows.items():
                if promise is not None and isinstance(promise.target, int):
                    targets[client.name, str(severity), goal] = float(promise.target)
    yield catalogue.TARGET, targets
    yield catalogue.CLIENT, clients


def of_train(known: Known, now: datetime) -> Figures:
    train = _train(known, now)
    if train is not None:
        leaves, freeze = train.boarding(seconds(now))
        yield catalogue.RELEASE_NEXT, {(): float(leaves)}
        yield catalogue.RELEASE_FREEZE, {(): float(freeze)}


def _train(known: Known, now: datetime) -> ReleaseTrain | None:
    """There is one for all contracts."""
    promises = (promise for _, contract in known.contracts(now) for rows in contract.goals.values()
                for promise in rows.values())  # fmt: skip
    return next((promise.train for promise in promises if promise is not None and promise.train is not None), None)


def of_sites(known: Known, now: datetime) -> Figures:
    staff = known.terms.staff
    owner = staff.duty(now).owner
    yield catalogue.ON_DUTY, {(name,): float(name == owner) for name in staff.sites}
