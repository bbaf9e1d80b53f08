"""What config.yaml can say, and what the daemon is given of it.

The settings classes make the tables of docs/configuration.md; `Config` is the whole, read and checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from daemon.contract import Duration, Settings, WebAddress
from daemon.model import Role, Severity
from daemon.rules.paths import parse_path
from daemon.secret import Secret
from daemon.sla.policy import Policy

SEVERITIES: tuple[Severity, ...] = (1, 2, 3, 4)
_LISTEN = re.compile(r"(\[[0-9a-fA-F:.]+\]|[\w.-]+):([0-9]{1,5})")
_SHORTEST = timedelta(seconds=1)


def _address(text: str) -> str:
    match = _LISTEN.fullmatch(text)
    if match is None or int(match[2]) > 65_535:
        raise ValueError(f"'{text}' is not an address to listen at, such as 127.0.0.1:8080 or [::1]:8080")
    return text


def _not_at_once(length: timedelta) -> timedelta:
    if length < _SHORTEST:
        raise ValueError("must be at least 1s")
    return length


Listen = Annotated[str, AfterValidator(_address)]
Every = Annotated[
    Duration, AfterValidator(_not_at_once), WithJsonSchema({"type": "string", "pattern": "^[0-9]+[smhd]$"})
]


OneOrMore = Annotated[tuple[str, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)]


def _paths(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        parse_path(text)
    return texts


class _Listener(Settings):
    listen: Listen

    @property
    def host(self) -> str:
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """0 takes any that is free."""
        return int(self.listen.rpartition(":")[2])


class Portal(_Listener):
    listen: Listen = Field("127.0.0.1:8080", description="Where the pages are served.")
    url: WebAddress = Field(
        default_factory=lambda data: f"http://{data.get('listen', '')}",
        description="What people reach the pages by, for links in pages and defects; none: where they are served.",
    )


class Metrics(_Listener):
    listen: Listen = Field("127.0.0.1:9464", description="Where `/metrics`, `/healthz` and `/readyz` are served.")
    token: Secret | None = Field(
        None,
        description="Who shows it as a bearer token sees `/metrics`. Neither this nor a password set: everybody does.",
        json_schema_extra={"get": "openssl rand -hex 32, and give Prometheus the same", "scopes": "none"},
    )
    user: str = Field("prometheus", description="The user of `password`.", pattern="^[^:]+$")
    password: Secret | None = Field(
        None,
        description="Who shows it with `user`, by HTTP's basic authentication, sees `/metrics` too.",
        json_schema_extra={"get": "openssl rand -hex 32, and give Prometheus the same", "scopes": "none"},
    )
    certificate: str | None = Field(None, description="A file, PEM: with it and `key` the port speaks TLS.")
    key: str | None = Field(None, description="The certificate's private key, a file without a passphrase.")
    client_ca: str | None = Field(
        None, description="A file, PEM: only who has a certificate that was signed by one of these is answered at all."
    )
    clients_at_most: int = Field(
        200, ge=0, description="How many values the label `client` may have; those past it stand together as `other`."
    )
    rules_at_most: int = Field(500, ge=0, description="The same of the label `rule`.")

    @property
    def is_protected(self) -> bool:
        return any((self.token, self.password, self.client_ca))


class ReportErrors(Settings):
    sentry_dsn: Secret = Field(
        description="Where the daemon's own errors are sent; not set: nowhere.",
        json_schema_extra={"get": "Sentry: Settings, Projects, Client Keys (DSN)", "scopes": "none"},
    )


class Heartbeat(Settings):
    url: Secret = Field(
        description="Called for as long as all is well, so that somebody else notices when it is not.",
        json_schema_extra={"get": "your dead man's switch: healthchecks.io, PagerDuty, …", "scopes": "none"},
    )
    every: Every = Field(timedelta(minutes=1), description="How often.")


class Traces(Settings):
    enabled: bool = Field(
        False,
        description="Whether spans are sent to an OpenTelemetry collector. "
        "Where to, OpenTelemetry's own variables say: `OTEL_EXPORTER_OTLP_ENDPOINT`, …",
    )


class SourceCommon(Settings):
    """What every source has; the rest is its type's own (docs/integrations)."""

    type: str = Field(description="What it is: the name of a file of `integrations/`.")
    enabled: bool = Field(True, description="Whether it is read. One that is off needs no credentials.")
    every: Every = Field(timedelta(minutes=1), description="How long after one poll the next begins.")
    keep: Literal["wanted", "all"] = Field(
        "wanted", description="Which signals are stored: those that a rule wanted, or all, for replay."
    )


class ActionCommon(Settings):
    """What every action has; the rest is its type's own (docs/integrations)."""

    type: str = Field(description="What does it: the name of a file of `integrations/`.")
    enabled: bool = Field(True, description="Whether anything is sent. One that is off needs no credentials.")
    optional: bool = Field(
        False, description="Whether it may be off, or absent, while others are on and something calls for it."
    )


class SeverityMeaning(Settings):
    name: str = Field(min_length=1, description="What people call it.")
    means: str = Field(min_length=1, description="When it applies, in words that a client understands.")
    then: tuple[Role, ...] = Field(description="What it sets going: `ticket`, and roles of `actions`.")


class Class(Settings):
    then: tuple[Role, ...] = Field((), description="What it sets going beside what the severity does.")


class Team(Settings):
    lead: str | None = Field(None, description="One of `people`.")
    sites: tuple[str, ...] = Field((), description="Which of `sites` it works at.")


class Person(Settings):
    email: str = Field(pattern=r"^[^@\s]+@[^@\s]+$", description="Where they are written to.")
    pagerduty_user: str | None = Field(None, description="Their id in PagerDuty: `PXASHA1`.")
    hours: str | None = Field(None, description="When they work: one of `calendars`.")


class Site(Settings):
    calendar: str = Field(description="When it is open: one of `calendars`.")
    shift_lead: str | None = Field(None, description="One of `people`.")


class SigmaClear(Settings):
    quiet_for: Every = Field(description="After so long without a signal that the rule matches.")


class SigmaDefaults(Settings):
    """What Sigma rules do not say. None is needed."""

    group_by: Annotated[OneOrMore, AfterValidator(_paths)] = Field(
        ("recipientAccountId",), description="One incident for each value; a correlation has its own `group-by`."
    )
    clear: SigmaClear = Field(
        SigmaClear(quiet_for=timedelta(hours=1)), description="When the trouble is over: `{quiet_for: 1h}`."
    )
    clients: OneOrMore = Field(("none",), description="Whose tickets they open: `none`, `all`, or some of `clients`.")
    stage: Literal["shadow", "live"] = Field(
        "shadow", description="`shadow` records what they would open, and sends nothing."
    )
    class_: str = Field("security", alias="class", description="The class of their incidents.")
    team: str | None = Field(None, description="Who repairs: one of `teams`.")


Level = Literal["critical", "high", "medium", "low", "informational"]


class Sigma(Settings):
    """How rules in Sigma's language are run: docs/sigma.md."""

    levels: dict[Level, Annotated[int, Field(ge=1, le=4)]] = Field(
        {}, description="Severities of levels, where they are not `critical` 1, `high` 2, `medium` 3, all others 4."
    )
    logsources: dict[str, OneOrMore] = Field(
        {}, description="`product/service/category`, without what is not said → a source's name or type, or several."
    )
    defaults: SigmaDefaults = Field(
        default_factory=lambda: SigmaDefaults.model_validate({}), description="What Sigma rules do not say."
    )
    live: OneOrMore = Field(
        (), description="Rules, by path or by Sigma's id, that are live though `defaults` says `shadow`."
    )


class File(Settings):
    """The whole file. Each big part may stand in a file of its own: `clients: {file: clients.yaml}`."""

    store: str = Field(
        "sqlite:///heliograph.db", description="The database. Several replicas share one `postgresql+psycopg://…`."
    )
    rules: str = Field("rules", description="The folder of rules.")
    policy: str = Field(
        "policy", description="The folder of lists, problems, maintenance windows and inhibitions. It may be absent."
    )
    portal: Portal | None = Field(None, description="The pages.")
    metrics: Metrics | None = Field(None, description="The figures for Prometheus, and the health of the daemon.")
    report_errors: ReportErrors | None = Field(None, description="Where the daemon's own errors are sent.")
    heartbeat: Heartbeat | None = Field(None, description="Who notices when the daemon is silent.")
    traces: Traces | None = Field(None, description="Traces of the pipeline, for OpenTelemetry.")
    sources: dict[str, SourceCommon] = Field({}, description="What is watched, by names of your own.")
    actions: dict[Role, ActionCommon] = Field({}, description="What is done, by role: `page`, `defect`, `warning`, …")
    severities: dict[Severity, SeverityMeaning] = Field(description="What each of 1, 2, 3 and 4 means and sets going.")
    classes: dict[str, Class] = Field({}, description="What a class of incident sets going beside; names new ones.")
    teams: dict[str, Team] = Field({}, description="Who repairs.")
    people: dict[str, Person] = Field({}, description="Who is told.")
    sites: dict[str, Site] = Field({}, description="Where people work.")
    sigma: Sigma | None = Field(None, description="How rules in Sigma's language are run.")
    chain: dict[str, str] = Field({}, description="Posts that warnings may name, each held by one of `people`.")
    calendars: dict[str, Any] = Field({}, description="When a promise's clock counts.")
    release_train: dict[str, Any] | None = Field(None, description="When fixes that wait for a release are shipped.")
    contracts: dict[str, Any] = Field({}, description="What is promised.")
    clients: dict[str, Any] = Field({}, description="To whom.")


PARTS = ("sources", "actions", "severities", "classes", "teams", "people", "sites", "chain", "calendars",
         "release_train", "contracts", "clients")  # fmt: skip
"""Parts that may stand in a file of their own."""


@dataclass(frozen=True, slots=True)
class SourceEntry:
    name: str
    type: str
    enabled: bool
    every: timedelta
    keep: Literal["wanted", "all"]
    settings: Settings | None
    """Of the type's own class; None while it is off."""


@dataclass(frozen=True, slots=True)
class ActionEntry:
    role: Role
    type: str
    enabled: bool
    optional: bool
    settings: Settings | None
    """Of the type's own class; None while it is off."""


@dataclass(frozen=True, slots=True)
class Config:
    path: Path
    store: str = field(repr=False)
    """A database URL; a file in it is absolute."""
    rules: Path
    rule_policy: Path
    """The folder `policy/`, which may be absent; `policy` is what is promised."""
    policy: Policy
    portal: Portal
    metrics: Metrics
    report_errors: ReportErrors | None
    heartbeat: Heartbeat | None
    traces: Traces
    sources: Mapping[str, SourceEntry]
    actions: Mapping[Role, ActionEntry]
    severities: Mapping[Severity, SeverityMeaning]
    classes: Mapping[str, Class]
    teams: Mapping[str, Team]
    people: Mapping[str, Person]
    sites: Mapping[str, Site]
    chain: Mapping[str, str]
    sigma: Sigma
    notices: tuple[str, ...]
    """What an operator should be told at the start, though nothing is wrong."""
    files: tuple[Path, ...] = ()
    """It, and those that parts of it stand in."""

    @property
    def watch_only(self) -> bool:
        """Nothing is sent to anybody."""
        return not any(action.enabled for action in self.actions.values())

    def unmet(self, roles: Iterable[Role]) -> list[Role]:
        """Those of `roles` that somebody relies on and that are off, while other actions are on."""
        wanted = {} if self.watch_only else {role: self.actions[role] for role in roles if role in self.actions}
        return [role for role, action in wanted.items() if not action.enabled and not action.optional]
