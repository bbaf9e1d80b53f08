"""What a rule file says, as frozen values. Engine and tests run on these; nothing here reads YAML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, TypeAlias

from daemon.model import Json, Polarity, Severity
from daemon.rules.conditions import Any as AnyOf
from daemon.rules.conditions import Condition
from daemon.rules.paths import Path
from daemon.rules.template import Template

Stage: TypeAlias = Literal["live", "shadow"]

NOWHERE = Template(())
NEVER: Condition = AnyOf(())
"""The condition of a rule over other rules: it reads no signals itself."""


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
    problems: frozenset[str] = frozenset()
    """Of `policy/`."""
    lists: Mapping[str, tuple[Json, ...]] = field(default_factory=dict)
    """Of `policy/`: name → values, for `in_list`."""
    recovering: frozenset[str] = frozenset()
    """Source types whose signals say when an object has recovered."""


Comparison: TypeAlias = Literal["gt", "gte", "lt", "lte"]
Weight: TypeAlias = Literal["signals", "count_delta"]
"""What is counted: signals, or what each says that the vendor added since the last look."""


@dataclass(frozen=True, slots=True)
class Count:
    """Fires when any `within` of event time (both ends counted) holds `count`."""

    count: int
    within: timedelta
    of: Weight = "signals"


@dataclass(frozen=True, slots=True)
class Distinct:
    """Fires when any `within` holds `count` different values at `path`."""

    path: Path
    count: int
    within: timedelta


@dataclass(frozen=True, slots=True)
class Aggregate:
    """Fires when a function of the numbers at `path` within `within`, up to a signal, compares so with `bound`."""

    function: Literal["sum", "avg", "min", "max", "percentile"]
    path: Path
    comparison: Comparison
    bound: float
    within: timedelta
    percentile: float = 0.0
    """0 to 100, for `percentile`."""
    at_least: int = 1
    """Numbers there must be before any is compared."""
    interpolated: bool = False
    """Whether a percentile may lie between two of the numbers, as Sigma's do; else it is that of the nearest rank."""


@dataclass(frozen=True, slots=True)
class Spike:
    """Fires when the latest `within` holds `factor` times what one did on average in the `baseline` before it, and at
    least `floor`."""

    factor: float
    within: timedelta
    baseline: timedelta
    floor: int
    of: Weight = "signals"


@dataclass(frozen=True, slots=True)
class Drop:
    """Fires when the latest `within` holds at most `factor` times what one did on average in the `baseline` before it,
    where that was at least `floor`."""

    factor: float
    within: timedelta
    baseline: timedelta
    floor: int
    of: Weight = "signals"


@dataclass(frozen=True, slots=True)
class Absent:
    """Fires when a group that was seen, or is expected, has been silent for `length`."""

    length: timedelta
    expect: tuple[tuple[Json, ...], ...] = ()
    """Groups that must be heard of, seen or not: values in the order of `group_by`."""


@dataclass(frozen=True, slots=True)
class FirstSeen:
    """Fires on a value at `path` that the group has not shown for `within`, once the group is known for `learn`."""

    path: Path
    within: timedelta
    learn: timedelta


@dataclass(frozen=True, slots=True)
class Change:
    """Fires when the value at `path` is another than in the group's signal before, at most `within` ago."""

    path: Path
    within: timedelta


@dataclass(frozen=True, slots=True)
class Ratio:
    """Fires when the share of signals for which `condition` holds compares so with `bound` (0 to 1)."""

    condition: Condition
    comparison: Comparison
    bound: float
    within: timedelta
    at_least: int = 1
    """Signals there must be before any share is taken."""


@dataclass(frozen=True, slots=True)
class Step:
    """Another rule whose firing is this one's signal."""

    rule: str
    """Its id."""
    negated: bool = False
    by: Mapping[str, str] = field(default_factory=dict)
    """Name of a group's part → path in that rule's signals, where it differs."""


@dataclass(frozen=True, slots=True)
class Sequence:
    """Fires when every step that is not negated has fired within `within`, in order if `ordered`, and no negated one
    where it stands."""

    steps: tuple[Step, ...]
    within: timedelta
    ordered: bool = True
    strict: bool = False
    """As Sigma has it: what happens at one instant is in no order, and a negated step must not fire from any of the
    others on, until `within` has passed."""


Window: TypeAlias = Count | Distinct | Aggregate | Spike | Drop | Absent | FirstSeen | Change | Ratio | Sequence


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
    ticket: str | None = None
    """The state that every ticket of it ends in, if nobody touches it."""
    due: Mapping[str, timedelta] | None = None
    """Goal → when it is due on every ticket of it, from the start of the test."""


@dataclass(frozen=True, slots=True)
class RuleTest:
    it: str
    given: tuple[Given, ...]
    expect: Expect
    """`nothing` is no incidents."""
    line: int = 0
    until: timedelta | None = None
    """How long it is watched, from its start; None: until all that is quiet has cleared."""


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
    """Names of the group's parts: paths, or what `aliases` says is a path."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Name of a group's part → its path, where the two differ."""
    key: tuple[str, ...] | None = None
    """Names out of `group_by` that tell incidents apart; None: all of them."""
    window: Window | None = None
    over: tuple[Step, ...] = ()
    """Rules whose firings are what this one's window sees, in place of sources and a condition of its own."""
    problem: str = ""
    """What this rule is one sign of; rules of one problem share their incidents."""
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
    false_positives: tuple[str, ...] = ()
    """What looks like it and is not, for whoever is woken."""
    origin: Literal["heliograph", "sigma"] = "heliograph"
    """The language that the file is written in."""
    sigma_id: str = ""
    """A Sigma rule's own id, a UUID, if it has one."""
    tests: tuple[RuleTest, ...] = ()
    file: str = ""
    line: int = 0

    def path_of(self, part: str) -> str:
        """The path of one part of the group."""
        return self.aliases.get(part, part)


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
