"""What a rule file says, as frozen values. Engine and tests run on these; nothing here reads YAML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, TypeAlias

from daemon.model import Json, Polarity, Severity
from daemon.rules.conditions import Condition
from daemon.rules.paths import Path
from daemon.rules.template import Template

Stage: TypeAlias = Literal["live", "shadow"]

NOWHERE = Template(())


@dataclass(frozen=True, slots=True)
class Names:
    """What rules may name: handed in by the application, from configuration."""

    sources: Mapping[str, str] = field(default_factory=dict)
    """Configured name → type."""
    types: frozenset[str] = frozenset()
    """Every source type that there is, configured or not."""
    severities: frozenset[int] = frozenset({1, 2, 3, 4})
    classes: frozenset[str] = frozenset({"availability", "performance", "security", "defect", "abuse"})
    teams: frozenset[str] = frozenset()
    clients: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    """Of actions, and `ticket`."""
    kinds: frozenset[str] = frozenset()
    """Streams; empty: any is taken."""
    recovering: frozenset[str] = frozenset()
    """Source types whose signals say when an object has recovered."""


@dataclass(frozen=True, slots=True)
class Window:
    """Fires when any `within` of event time (both ends counted) holds `count`."""

    count: int
    within: timedelta
    of: Literal["signals", "count_delta"] = "signals"


@dataclass(frozen=True, slots=True)
class Raise:
    to: Severity
    condition: Condition


@dataclass(frozen=True, slots=True)
class Clients:
    """Whom an incident hits: nobody but ourselves, everybody, these, or whom the signal names."""

    kind: Literal["none", "all", "names", "from"] = "none"
    names: tuple[str, ...] = ()
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class Clear:
    """When the trouble counts as over; whichever comes first. All unset: only when people resolve its tickets."""

    quiet_for: timedelta | None = None
    recovery: bool = False
    """A `recovered` signal of the rule's sources with the same group."""
    match: Condition | None = None
    """A signal of the same group for which this holds, and not the rule itself."""


@dataclass(frozen=True, slots=True)
class Given:
    """One entry of a test: a signal, played `repeat` times."""

    fields: Mapping[str, Json]
    source: str
    type: str
    kind: str
    at: timedelta | None = None
    """When it happens, from the start of the test; None: when the one before it did."""
    repeat: int = 1
    every: timedelta = timedelta(0)
    late: timedelta = timedelta(0)
    """How long after it happened it arrives."""
    polarity: Polarity = Polarity.NONE
    id: str | None = None
    """The signal's id; None: one of its own for each repeat."""
    count_delta: int = 1


@dataclass(frozen=True, slots=True)
class Expect:
    """What must have come of a test; None: the test does not say. With several incidents, each must be so."""

    incidents: int = 1
    severity: Severity | None = None
    at: timedelta | None = None
    """When the first one opened, from the start of the test."""
    page: bool | None = None
    defect: bool | None = None
    cleared: timedelta | bool | None = None
    """Whether it cleared, or when."""
    location: str | None = None
    title: str | None = None
    team: str | None = None
    clients: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class RuleTest:
    it: str
    given: tuple[Given, ...]
    expect: Expect
    """`nothing` is no incidents."""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """One file. `id` is its path under the rules folder, without the suffix."""

    id: str
    title: Template
    sources: tuple[str, ...]
    """Configured names or types."""
    condition: Condition
    severity: Severity
    class_: str
    exception: Condition | None = None
    kinds: tuple[str, ...] = ()
    """Empty: every stream of its sources."""
    group_by: tuple[str, ...] = ()
    window: Window | None = None
    raises: tuple[Raise, ...] = ()
    location: Template = NOWHERE
    team: str = ""
    """Empty: the configuration's own choice."""
    clients: Clients = Clients()
    clear: Clear = Clear(quiet_for=timedelta(hours=1))
    reopen_within: timedelta = timedelta(hours=1)
    then: tuple[str, ...] | None = None
    """Roles, in place of what the severity and the class set going."""
    stage: Stage = "live"
    silent: bool = False
    """A building block: opens nothing."""
    runbook: str = ""
    tests: tuple[RuleTest, ...] = ()
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class RuleSet:
    rules: tuple[Rule, ...]
    hash: str
    """Of every file's name and bytes."""

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.rules)

    @property
    def by_id(self) -> Mapping[str, Rule]:
        return {rule.id: rule for rule in self.rules}
