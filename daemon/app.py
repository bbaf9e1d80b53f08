"""The only wiring: configuration → store → integrations → steps → servers.

`read` takes configuration, policy and rules as one set; `Daemon` makes of it the steps that a `Crew` runs in threads,
and that a simulation runs one after another under a clock that it tells.
"""

from __future__ import annotations

import hashlib
import logging
import os
import pkgutil
import random
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from prometheus_client import CollectorRegistry
from sqlalchemy import Connection
from sqlalchemy.engine import make_url

import integrations
from daemon.clock import Clock
from daemon.collector import Collector, Known
from daemon.config import load as configuration
from daemon.config.schema import ActionEntry, Config, SourceEntry
from daemon.contract import Action, Example, Feed, OnCall, Pushed, Recording, Settings, Source
from daemon.desk import keeping
from daemon.desk.staff import Person, Site, Staff, Team
from daemon.desk.terms import TICKET, Terms
from daemon.errors import ConfigError, Problem
from daemon.log import Once
from daemon.metrics import Metrics
from daemon.pipeline.clocks import Clocks
from daemon.pipeline.collect import Collect
from daemon.pipeline.hand_over import HandOver, ReadRota
from daemon.pipeline.heartbeat import Heartbeat
from daemon.pipeline.hold import ByPolicy
from daemon.pipeline.open import Detection
from daemon.pipeline.receive import Receive
from daemon.pipeline.refold import Refold
from daemon.pipeline.reload import Reload
from daemon.pipeline.remind import Remind
from daemon.pipeline.send import Send
from daemon.pipeline.settle import Settle
from daemon.pipeline.track import Track
from daemon.pipeline.trim import Trim
from daemon.pipeline.turn import Turn
from daemon.rules.engine import Engine
from daemon.rules.load import load as load_rules
from daemon.rules.load import rule_files
from daemon.rules.model import Clear as ClearWhen
from daemon.rules.model import Clients, Names, RuleSet
from daemon.rules.policy import RulePolicy
from daemon.rules.read_policy import load_policy, with_policy
from daemon.rules.sigma_terms import LEVELS, LOGSOURCES, SigmaTerms
from daemon.secret import Secret
from daemon.store import deliveries, polls, tickets
from daemon.store.engine import Store
from daemon.worker import Outside, Step

log = logging.getLogger("heliograph")

FEED_EVERY = timedelta(seconds=10)
ROTA_EVERY = timedelta(minutes=5)
SENDERS = 2
"""Workers for each role: one call that hangs does not hold the others back."""


class Kinds:
    """The files of `integrations/`: what each can be. Nothing of a vendor is imported until it is used."""

    def sources(self) -> dict[str, type[Settings]]:
        return self._settings("SourceSettings")

    def actions(self) -> dict[str, type[Settings]]:
        return self._settings("ActionSettings")

    def recovering(self) -> frozenset[str]:
        """Source types whose signals say when an object has recovered."""
        return frozenset(name for name, module in self.modules() if getattr(module, "RECOVERS", False))

    def _settings(self, attribute: str) -> dict[str, type[Settings]]:
        return {name: getattr(module, attribute) for name, module in self.modules() if hasattr(module, attribute)}

    def modules(self) -> Iterator[tuple[str, ModuleType]]:
        for found in pkgutil.iter_modules(integrations.__path__):
            yield found.name, integration(found.name)


def recordings() -> Mapping[str, Recording]:
    """By source type, what reads recordings of that vendor. The one that knows a document for its own answers: in this
    order, for a webhook's body may look like anything."""
    readers = {name: module for name, module in Kinds().modules() if hasattr(module, "recorded")}
    return {name: Recording(one.recorded, getattr(one, "recorded_lines", None)) for name, one in readers.items()}


def examples() -> Mapping[str, Example]:
    """By source type, a signal from which a new rule can begin."""
    return {name: module.EXAMPLE for name, module in Kinds().modules() if hasattr(module, "EXAMPLE")}


def integration(type: str) -> ModuleType:
    return import_module(f"integrations.{type}")


@dataclass(frozen=True)
class Setup:
    """Configuration, policy and rules: one set, taken whole or not at all."""

    config: Config
    rules: RuleSet
    engine: Engine
    terms: Terms
    rule_policy: RulePolicy = field(default_factory=RulePolicy)
    digest: str = ""
    """Of the files that it was read from."""

    @property
    def sources(self) -> dict[str, SourceEntry]:
        return {name: entry for name, entry in self.config.sources.items() if entry.enabled}

    @property
    def actions(self) -> dict[str, ActionEntry]:
        return {role: entry for role, entry in self.config.actions.items() if entry.enabled}

    @property
    def socket(self) -> Path:
        """Where the daemon's local API listens: beside the database's file, else beside the configuration."""
        return self._beside(".sock")

    @property
    def token_file(self) -> Path:
        """What a caller of the local API must know; this user alone can read it."""
        return self._beside(".token")

    def _beside(self, suffix: str) -> Path:
        url = make_url(self.config.store)
        base = Path(url.database) if url.get_backend_name() == "sqlite" and url.database else self.config.path
        return base.with_name(base.name + suffix)

    @property
    def live_rules(self) -> tuple[str, ...]:
        """Those of which an incident can come."""
        return tuple(rule.id for rule in self.rules if rule.stage == "live" and not rule.silent)

    @property
    def known(self) -> Known:
        """What figures there will be of."""
        sources = {name: entry.type for name, entry in self.sources.items()}
        most = self.config.metrics
        return Known(
            self.terms, sources, tuple(self.actions), self.live_rules, most.clients_at_most, most.rules_at_most
        )

    @property
    def detection(self) -> Detection:
        sources = {name: entry.type for name, entry in self.sources.items()}
        return Detection(self.terms, sources, hold=ByPolicy(self.rule_policy))


def read(path: Path, environ: Mapping[str, str], chance: random.Random, *, credentials: bool = True) -> Setup:
    """Raises ConfigError with every problem of the configuration, or else of the policy, or else of the rules.

    Without `credentials` no vendor can be called, and none of their secrets is needed.
    """
    kinds = Kinds()
    config = configuration.load(path, environ, kinds, credentials=credentials)
    content = digest(config)
    rules, policy = rules_of(config, kinds, config.rules)
    return Setup(config, rules, Engine(rules), terms(config, chance), policy, content)


def rules_of(config: Config, kinds: Kinds, folder: Path) -> tuple[RuleSet, RulePolicy]:
    """The rules of a folder, and the policy that they go by. Raises ConfigError with every problem of them."""
    known = names(config, kinds)
    policy = load_policy(config.rule_policy, known)
    return load_rules(folder, with_policy(known, policy), policy, sigma_terms(config)), policy


def digest(config: Config) -> str:
    """Of the files of the set, by what they hold now; one that is gone is as one that is empty."""
    found = hashlib.sha256()
    for path in (*config.files, *rule_files(config.rules), *rule_files(config.rule_policy)):
        try:
            content = path.read_bytes()
        except OSError:
            content = b""
        found.update(f"{os.path.relpath(path, config.path.parent)}\0{len(content)}\0".encode() + content)
    return found.hexdigest()


FIXED = ("store", "portal", "metrics", "report_errors", "heartbeat", "traces", "sources", "actions")
"""Parts of the configuration that connections, ports and threads stand on."""


def _refuse_what_needs_a_restart(old: Config, new: Config) -> None:
    changed = [part for part in FIXED if getattr(old, part) != getattr(new, part)]
    if changed:
        hint = "Restart the daemon to take it, or put it back."
        raise ConfigError(
            Problem(str(new.path), 0, f"'{part}' changed, which needs a restart.", hint) for part in changed
        )


def names(config: Config, kinds: Kinds) -> Names:
    """What rules may name."""
    return Names(
        sources={name: entry.type for name, entry in config.sources.items()},
        types=frozenset(kinds.sources()),
        severities=frozenset(config.severities),
        classes=Names().classes | frozenset(config.classes),
        teams=frozenset(config.teams),
        clients=frozenset(config.policy.clients),
        roles=frozenset({*config.actions, TICKET}),
        recovering=kinds.recovering(),
    )


def sigma_terms(config: Config) -> SigmaTerms:
    """What Sigma rules do not say, as configured."""
    said = config.sigma
    defaults = said.defaults
    if defaults.clients in (("none",), ("all",)):
        clients = Clients("all" if defaults.clients == ("all",) else "none")
    else:
        clients = Clients("names", defaults.clients)
    return SigmaTerms(
        levels={**LEVELS, **{str(level): severity for level, severity in said.levels.items()}},
        logsources={**LOGSOURCES, **said.logsources},
        group_by=defaults.group_by,
        clear=ClearWhen(quiet_for=defaults.clear.quiet_for),
        clients=clients,
        stage=defaults.stage,
        live=frozenset(said.live),
        class_=defaults.class_,
        team=defaults.team or "",
    )


def terms(config: Config, chance: random.Random) -> Terms:
    return Terms(
        policy=config.policy,
        severities={level: severity.then for level, severity in config.severities.items()},
        classes={name: class_.then for name, class_ in config.classes.items()},
        roles=frozenset(role for role, entry in config.actions.items() if entry.enabled),
        random=chance,
        portal=config.portal.url.rstrip("/"),
        staff=staff(config),
    )


def staff(config: Config) -> Staff:
    calendars = config.policy.calendars
    people = {
        name: Person(name, one.email, one.pagerduty_user or "", calendars[one.hours] if one.hours else None)
        for name, one in config.people.items()
    }
    sites = {name: Site(name, calendars[one.calendar], one.shift_lead or "") for name, one in config.sites.items()}
    teams = {name: Team(name, one.lead or "", one.sites) for name, one in config.teams.items()}
    return Staff(people, sites, teams, config.chain)


@dataclass
class Daemon:
    """What stands on one set: the store, the vendors, the steps."""

    setup: Setup
    clock: Clock
    chance: random.Random
    outside: Outside
    holder: str = "one"
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    once: Once = field(default_factory=Once)

    def __post_init__(self) -> None:
        self.store = Store(self.setup.config.store, self.clock)
        self.metrics = Metrics(self.registry, self.setup.config.metrics.rules_at_most)
        self._sources = {name: self._source(entry) for name, entry in self.setup.sources.items()}
        self._actions = {role: self._action(entry) for role, entry in self.setup.actions.items()}

    def open(self) -> None:
        """Takes the database, brings it up to date, and gives back what a daemon that died had claimed.

        Raises ConfigError if another daemon has it, or if a ticket rests on a contract that is gone.
        """
        self.store.hold()
        self.store.migrate()
        with self.store.write() as connection:
            self.setup = self._kept(connection, self.setup)
            if self.store.sqlite:  # nobody else can hold a lease: whoever did is dead
                polls.release(connection)
                deliveries.release(connection, self.store.now())
        for name in self._sources:
            self.metrics.declare_source(name)
        for role in self._actions:
            self.metrics.declare_role(role)
        self.metrics.declare_rules(rule.id for rule in self.setup.rules)
        self.registry.register(Collector(self.store, self.clock, lambda: self.setup.known))

    def close(self) -> None:
        self.store.close()

    def _kept(self, connection: Connection, setup: Setup) -> Setup:
        """The set as tickets go by it: each keeps what it was promised, and calendars change from now on."""
        policy = keeping.take(connection, setup.terms.policy, self.store.now())
        missing = policy.missing(tickets.contracts_kept(connection))
        if missing:
            raise ConfigError(
                Problem(str(setup.config.path), 0, f"tickets run by contract {version}, which is gone.", "Put it back.")
                for version in missing
            )
        return replace(setup, terms=replace(setup.terms, policy=policy))

    def steps(self) -> list[Step]:
        """Every step of the pipeline, in the order of the flow."""
        return [
            *(self._collect(name, source) for name, source in self._sources.items()),
            Settle(self.store, self._engine, self._detection),
            Clocks(self.store, self._terms, self.metrics),
            Refold(self.store, self._terms),
            *(self._send(role, action, n) for role, action in self._actions.items() for n in range(SENDERS)),
            *(self._track(role, feed) for role, feed in self._feeds()),
            HandOver(self.store, self._terms),
            Remind(self.store, self._terms),
            *(self._rota(role, one) for role, one in self._actions.items() if isinstance(one, OnCall)),
            Trim(self.store),
        ]

    def reload(self, read: Callable[[], Setup]) -> Reload:
        """The step that takes the files anew when they change; `read` gives what they say, or raises ConfigError."""

        def take() -> None:
            fresh = read()
            _refuse_what_needs_a_restart(self.setup.config, fresh.config)
            with self.store.write() as connection:
                fresh = self._kept(connection, fresh)
            self.setup = fresh
            self.metrics.declare_rules(rule.id for rule in fresh.rules)

        return Reload(lambda: digest(self.setup.config), take, self.store, self._terms, self.metrics, self.setup.digest)

    def heartbeat(self, well: Callable[[], bool]) -> list[Step]:
        """The step that tells a dead man's switch that all is well; none if no switch is configured."""
        switch = self.setup.config.heartbeat
        return [Heartbeat(switch.url, switch.every, well, self.outside, self.once)] if switch else []

    def hooks(self) -> dict[str, Receive]:
        """Pushed sources, by the name under `/hooks/`."""
        return {
            name: Receive(name, source, self._keeps_all(name), self.store, self._engine, self._detection, self.metrics)
            for name, source in self._sources.items()
            if isinstance(source, Pushed)
        }

    def probes(self) -> dict[str, Source | Action]:
        """Everything outside that can be tried, by its configured name."""
        return {**self._sources, **self._actions}

    def _source(self, entry: SourceEntry) -> Source:
        made: Source = integration(entry.type).source(entry.name, entry.settings)
        return made

    def _action(self, entry: ActionEntry) -> Action:
        made: Action = integration(entry.type).action(entry.settings)
        return made

    def _feeds(self) -> Iterator[tuple[str, Feed]]:
        for role, entry in self.setup.actions.items():
            make: Any = getattr(integration(entry.type), "feed", None)
            feed = make(entry.settings) if make else None
            if feed is not None:
                yield role, feed

    def _collect(self, name: str, source: Source) -> Step:
        turn = self._turn(name, self.setup.sources[name].every, "collect")
        return Collect(turn, source, self._keeps_all(name), self._engine, self._detection, self.outside, self.metrics)

    def _track(self, role: str, feed: Feed) -> Step:
        return Track(
            self._turn(f"feed:{role}", FEED_EVERY, "track"), role, feed, self._terms, self.outside, self.metrics
        )

    def _rota(self, role: str, pager: OnCall) -> Step:
        return ReadRota(self._turn(f"rota:{role}", ROTA_EVERY, "rota"), role, pager, self.outside, self.metrics)

    def _send(self, role: str, action: Action, number: int) -> Step:
        return Send(
            role, action, f"{self.holder}-{number}", self.store, self._terms, self.outside, self.metrics, self.chance,
            self.once,
        )  # fmt: skip

    def _turn(self, name: str, every: timedelta, room: str) -> Turn:
        logger = logging.getLogger(f"heliograph.{room}")
        return Turn(name, every, self.holder, self.store, self.chance, self.once, logger)

    def _keeps_all(self, name: str) -> bool:
        return self.setup.sources[name].keep == "all"

    def _engine(self) -> Engine:
        return self.setup.engine

    def _detection(self) -> Detection:
        return self.setup.detection

    def _terms(self) -> Terms:
        return self.setup.terms


def report_errors(config: Config) -> None:
    """From here on what the daemon logs as an error is sent to the Sentry project that is configured for it, if any."""
    if config.report_errors is not None:
        integration("sentry").report_errors(config.report_errors.sentry_dsn)


def tracing(config: Config, metrics: Metrics) -> AbstractContextManager[object]:
    """While it is open, spans are sent to the collector, if that is configured."""
    if not config.traces.enabled:
        return nullcontext()
    from daemon.otel import exporting

    return exporting(lost=metrics.spans_dropped)


def holder(chance: random.Random) -> str:
    """What leases of this process are held under."""
    return f"{os.getpid()}-{chance.getrandbits(32):08x}"


def new_token(path: Path) -> Secret:
    """A token for the local API, of this run, in a file that this user alone can read."""
    token = secrets.token_urlsafe(32)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(token)
    return Secret(token)
