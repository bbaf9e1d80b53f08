"""Who is promised what: clients, the versions of their contracts, the calendars that these count by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from daemon.errors import ConfigError
from daemon.marked_yaml import Mark, MarkedMap
from daemon.model import BUILT_IN_CLIENTS, GOALS, INTERNAL, UNASSIGNED, Goal, Severity
from daemon.sla import reader as read
from daemon.sla.calendar import Always, Calendar
from daemon.sla.promise import BREACH, Alarm, Client, Contract, Promise
from daemon.sla.read_calendars import ALWAYS, read_calendars
from daemon.sla.read_contracts import SEVERITIES, Mention, Setting, read_contracts, read_train
from daemon.sla.reader import Reader

__all__ = ["Alarm", "Client", "Contract", "Mention", "Policy", "Promise", "parse"]

_CLIENT_KEYS = ("contract", "timezone", "support_emails", "hotline_numbers")
_MINUTE, _HOUR = 60, 3600
_BUILT_IN_TARGETS: dict[Goal, tuple[int, int, int, int]] = {
    "response": (15 * _MINUTE, 1 * _HOUR, 4 * _HOUR, 8 * _HOUR),
    "resolution": (4 * _HOUR, 12 * _HOUR, 40 * _HOUR, 80 * _HOUR),
}
"""What we promise ourselves, and a client that is not mapped yet, where the operator says nothing: around the clock."""


@dataclass(frozen=True, slots=True)
class Policy:
    """One reading of the policy, taken whole."""

    clients: Mapping[str, Client]
    """`internal` and `unassigned` among them."""
    contracts: Mapping[str, tuple[Contract, ...]]
    """Versions, oldest first."""
    calendars: Mapping[str, Calendar]
    mentions: tuple[Mention, ...] = ()
    """Names in escalations, for the configuration to hold against its people and actions."""
    kept: Mapping[str, Contract] = field(default_factory=dict)
    """Versions that are not written any more, or not so; tickets keep them."""

    def contract_for(self, client: str, at: datetime) -> Contract:
        """The version in force at `at`; before the first one, the first one. KeyError for a client that is not ours."""
        return self.in_force(self.clients[client].contract, at)

    def in_force(self, contract: str, at: datetime) -> Contract:
        """The version of a contract at `at`; before the first one, the first one. KeyError if there is none."""
        versions = self.contracts[contract]
        begun = [version for version in versions if version.since is None or version.since <= at]
        return begun[-1] if begun else versions[0]

    def promised(self, start: datetime, end: datetime) -> list[Contract]:
        """The versions in force at some time of [start, end) by which something is promised to a client."""
        names = sorted({client.contract for client in self.clients.values()})
        begins = {name: self.in_force(name, start) for name in names}
        return [
            version
            for name in names
            for version in self.contracts[name]
            if version == begins[name] or (version.since is not None and start < version.since < end)
        ]

    def pinned(self, version: str) -> Contract:
        """The version that a ticket keeps. LookupError if it is nowhere written down (see `missing`)."""
        if version in self.kept:
            return self.kept[version]
        for contract in self.contracts.get(version.partition("@")[0], ()):
            if contract.version == version:
                return contract
        for name in BUILT_IN_CLIENTS:
            if built_in_version(name) == version:
                return built_in(name, self.calendars[ALWAYS])
        raise LookupError(f"contract version {version} is not in the policy, and a ticket keeps it")

    def missing(self, versions: Iterable[str]) -> list[str]:
        """Those of the versions that tickets keep which this policy no longer has: it cannot be taken."""
        versions = set(versions) - self.kept.keys()
        kept = {contract.version for contracts in self.contracts.values() for contract in contracts}
        return sorted(versions - kept - {built_in_version(name) for name in BUILT_IN_CLIENTS})

    def with_calendars(self, calendars: Mapping[str, Calendar]) -> Policy:
        """The same promises, counted by these calendars wherever the name is the same."""
        contracts = {
            name: tuple(_counting_by(contract, calendars) for contract in versions)
            for name, versions in self.contracts.items()
        }
        return replace(self, contracts=contracts, calendars={**self.calendars, **calendars})


def _counting_by(contract: Contract, calendars: Mapping[str, Calendar]) -> Contract:
    def own(promise: Promise | None) -> Promise | None:
        calendar = None if promise is None else calendars.get(promise.calendar.name)
        return promise if promise is None or calendar is None else replace(promise, calendar=calendar)

    goals = {goal: {severity: own(row) for severity, row in rows.items()} for goal, rows in contract.goals.items()}
    return replace(contract, goals=goals)


def parse(
    calendars: MarkedMap | None,
    contracts: MarkedMap | None,
    clients: MarkedMap | None,
    release_train: MarkedMap | None = None,
) -> Policy:
    """The policy that an operator wrote. Raises ConfigError with everything that is wrong in it."""
    reader = Reader()
    train = None if release_train is None else read_train(reader, release_train, release_train.mark)
    found = read_calendars(reader, calendars)
    setting = Setting(reader, found, train, train_table=release_train)
    versions = read_contracts(setting, contracts)
    usable = {name: calendar for name, calendar in found.items() if calendar is not None}
    always = Calendar(ALWAYS, Always())
    for name in BUILT_IN_CLIENTS:
        versions.setdefault(name, (built_in(name, always),))
    policy = Policy(_clients(reader, clients, versions), versions, {ALWAYS: always} | usable, tuple(setting.mentions))
    if reader.problems:
        raise ConfigError(reader.problems)
    return policy


def _clients(reader: Reader, value: MarkedMap | None, contracts: Mapping[str, object]) -> dict[str, Client]:
    found = {name: Client(name, name) for name in BUILT_IN_CLIENTS}
    for key, body in (value or {}).items():
        mark = value.value_mark(key) if value else Mark("", 0, 0)
        client = _client(reader, str(key), body, mark, contracts)
        if client is not None:
            found[client.name] = client
    return found


def _client(reader: Reader, name: str, body: Any, mark: Mark, contracts: Mapping[str, object]) -> Client | None:
    what = f"client '{name}'"
    table = reader.table(body, mark, what, _CLIENT_KEYS)
    if table is None:
        return None
    names = {contract: contract for contract in contracts}
    contract = reader.need(table, "contract", read.one_of(names, "contract"), what)
    return Client(
        name,
        contract or UNASSIGNED,
        reader.get(table, "timezone", read.zone_name, "UTC"),
        tuple(reader.entries(table, "support_emails", f"support_emails of {what}", read.text)),
        tuple(reader.entries(table, "hotline_numbers", f"hotline_numbers of {what}", read.text)),
    )


def built_in_version(name: str) -> str:
    return f"{name}@built-in"


def built_in(name: str, always: Calendar) -> Contract:
    """The contract of a client that is there without being written."""
    goals: dict[Goal, dict[Severity, Promise | None]] = {
        goal: {
            severity: Promise(always, target, goal == "resolution" and severity != 1)
            for severity, target in zip(SEVERITIES, targets, strict=True)
        }
        for goal, targets in _BUILT_IN_TARGETS.items()
    }
    told = (Alarm("75%", percent=75, notify=("assignee",)), Alarm(BREACH, notify=("assignee",)))
    alarms = {(goal, severity): told for goal in GOALS for severity in SEVERITIES}
    contract = Contract(name, built_in_version(name), None, goals, alarms)
    return replace(contract, on_recovery="resolve", acknowledgement_counts=True) if name == INTERNAL else contract
