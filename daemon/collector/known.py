"""What is configured now: whatever may get a figure stands at 0 before anything happens to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import product

from daemon import catalogue
from daemon.catalogue import SEVERITIES, Figure, Key
from daemon.desk import tallying
from daemon.desk.terms import Terms
from daemon.model import DAEMON
from daemon.sla.promise import Client, Contract

PEOPLES = ("portal", "email", "hotline", "manual")
"""Origins of what a person reports."""


@dataclass(frozen=True, slots=True)
class Known:
    terms: Terms
    sources: Mapping[str, str] = field(default_factory=dict)
    """Name → type."""
    roles: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    """Those of which an incident can come: not in shadow, not silent."""
    clients_at_most: int = 200
    rules_at_most: int = 500
    """How many values a label has before the rest stand together as `other`."""

    @property
    def types(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.sources.values()))

    @property
    def origins(self) -> tuple[str, ...]:
        return (*self.types, DAEMON, *PEOPLES)

    def contracts(self, now: datetime) -> Iterator[tuple[Client, Contract]]:
        """Each client, with what is in force for it."""
        for client in self.terms.policy.clients.values():
            yield client, self.terms.policy.in_force(client.contract, now)


def zeros(known: Known, now: datetime) -> Iterator[tuple[Figure, Iterable[Key]]]:
    """Of counters and histograms, every series that may come to be."""
    clients, rules = tuple(known.terms.policy.clients), [(rule,) for rule in known.rules]
    goals = [key for client, contract in known.contracts(now) for key in _promised(client.name, contract)]
    thresholds = [key for client, contract in known.contracts(now) for key in _thresholds(client.name, contract)]
    for figure in (catalogue.DECISIONS, catalogue.BREACHES, catalogue.EXCUSED, catalogue.CONSUMED):
        yield figure, goals
    yield catalogue.CORRECTIONS, [(*key, kind) for key in goals for kind in ("decision", "breach")]
    yield catalogue.WARNINGS, thresholds
    yield catalogue.ESCALATIONS, product(SEVERITIES, tallying.levels(known.terms))
    yield catalogue.LAG, [()]
    yield catalogue.OPENED, product(clients, SEVERITIES, known.origins)
    for figure in (catalogue.CLOSED, catalogue.REOPENED):
        yield figure, product(clients, SEVERITIES)
    changes = [pair for pair in product(SEVERITIES, SEVERITIES) if pair[0] != pair[1]]
    yield catalogue.SEVERITY_CHANGES, [(client, *pair) for client in clients for pair in changes]
    for figure in (catalogue.RESPONSE, catalogue.RESOLUTION):
        yield figure, product(SEVERITIES, known.origins)
    yield catalogue.EPISODES, [(origin,) for origin in known.origins]
    yield catalogue.DETECTION, [(origin,) for origin in known.types]
    for figure in (catalogue.RULE_INCIDENTS, catalogue.RULE_TICKETS, catalogue.RULE_FALSE_ALARMS):
        yield figure, rules
    yield catalogue.GIVEN_UP, [(role,) for role in known.roles]


def _promised(client: str, contract: Contract) -> Iterator[Key]:
    for goal, rows in contract.goals.items():
        yield from ((client, str(severity), goal) for severity, promise in rows.items() if promise is not None)


def _thresholds(client: str, contract: Contract) -> Iterator[Key]:
    kept = set(_promised(client, contract))
    for (goal, severity), alarms in contract.alarms.items():
        if (client, str(severity), goal) in kept:
            yield from ((client, str(severity), goal, alarm.name) for alarm in alarms)
