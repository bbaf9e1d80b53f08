"""The nouns: Signal → Incident → Ticket → Delivery → Receipt. Frozen values, no behaviour that needs the outside.

Every instant is an aware UTC datetime. Severity is an integer from 1 (urgent) to 4 (low).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, NamedTuple, TypeAlias

Json: TypeAlias = Any
"""What JSON can say: None, bool, int, float, str, and lists and string-keyed maps of these."""

Cursor: TypeAlias = Json
"""Where a source stopped reading. Opaque: only the integration that made it reads it."""

Severity: TypeAlias = int
Goal: TypeAlias = Literal["response", "resolution", "update", "rca"]
GOALS: tuple[Goal, ...] = ("response", "resolution", "update", "rca")

Verb: TypeAlias = Literal["open", "update", "close"]
Role: TypeAlias = str
"""What a delivery is for (`page`, `defect`, `warning`): the name of an entry of `actions:` in config.yaml."""

INTERNAL = "internal"
UNASSIGNED = "unassigned"
BUILT_IN_CLIENTS = (INTERNAL, UNASSIGNED)

DAEMON = "daemon"
"""The origin of what is wrong with ourselves."""

SHADOW_KEY = "shadow:"
"""Begins the key of what a rule in shadow would have opened."""
PROBLEM_KEY = "problem:"
"""Begins the key of an incident that several rules share."""


class Polarity(StrEnum):
    """Whether a signal says that something broke, that it recovered, or neither."""

    BROKEN = "broken"
    RECOVERED = "recovered"
    NONE = "none"


class Signal(NamedTuple):
    """What a source said. `(source, id)` names it for ever: seeing it twice is harmless.

    A tuple, since a frozen dataclass takes four times as long to make, and most signals are made to be sifted out.
    """

    source: str
    """The configured name, `cloudtrail-eu`."""
    type: str
    """The integration's, `cloudtrail`."""
    kind: str
    """The stream, `aws.cloudtrail`, `sentry.issue`, `datadog.monitor`."""
    id: str
    at: datetime
    """When it happened, by the vendor's clock (event time)."""
    fields: Mapping[str, Json]
    """The vendor's own names."""
    polarity: Polarity = Polarity.NONE
    count: int | None = None  # type: ignore[assignment]  # nobody counts a signal's parts
    """The vendor's running total, where it keeps one."""
    count_delta: int = 1
    """How many happened since the signal before it of the same object."""
    began_at: datetime | None = None
    """When the vendor says the trouble started, where that is before `at`."""
    url: str | None = None
    """Where a person can look at it."""


class IncidentState(StrEnum):
    OPEN = "open"
    CLEARED = "cleared"
    """The trouble is gone, but tickets are still owed an answer. A new signal opens the next episode."""
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Incident:
    """What rules say a group of signals means. At most one that has not ended for each `key`."""

    id: str
    key: str
    """Rule and group, or `ticket:<id>` for one that a person's ticket made."""
    rule: str
    """The rule's id (its path under `rules/`), or `` for a person's."""
    title: str
    severity: Severity
    state: IncidentState
    episode: int
    opened_at: datetime
    """When the opening of this episode was recorded."""
    began_at: datetime
    """When the trouble began by the vendor's clock."""
    last_signal_at: datetime
    class_: str = "availability"
    location: str = ""
    team: str = ""
    group: Mapping[str, Json] = field(default_factory=dict)
    runbook: str = ""
    origin: str = "manual"
    cleared_at: datetime | None = None
    ended_at: datetime | None = None
    page: int = 0
    """The n of the latest page's key; 0 before the first."""
    held: Mapping[str, Json] | None = None
    """Why nothing of it is set going: `by` (shadow, silence, maintenance, inhibition), `id`, `why`, `until`."""


class TicketState(StrEnum):
    NEW = "new"
    IN_PROGRESS = "in_progress"
    AWAITING_CLIENT = "awaiting_client"
    AWAITING_FIX = "awaiting_fix"
    RESOLVED = "resolved"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class Workaround(StrEnum):
    """A way for the client to go on working while the fix is made."""

    NONE = "none"
    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    """By the client. Allows the severity to be lowered, and forces nothing."""
    REJECTED = "rejected"


class Fix(StrEnum):
    """How the code fix that a ticket waits for comes."""

    QUICK = "quick_fix"
    """Installed by itself, for severity 1, and for 2 where no work-around is accepted."""
    MINOR_RELEASE = "minor_release"
    """Ships with the next release."""


class Rca(StrEnum):
    """The report on the root cause, which the client may ask for."""

    NONE = "none"
    REQUESTED = "requested"
    SHARED = "shared"


FINISHED = frozenset({TicketState.RESOLVED, TicketState.CLOSED, TicketState.CANCELLED})
"""Ticket states in which nothing more is owed but the client's own word."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What we owe one client for one incident."""

    id: int
    incident: str
    client: str
    severity: Severity
    state: TicketState
    title: str
    origin: str
    """A source type, or `portal`, `email`, `hotline`, `manual`."""
    contract: str
    """The contract version pinned when it was reported: `gold@2026-07-01T00:00:00Z`."""
    opened_at: datetime
    version: int = 1
    """Grows with each event; the compare-and-set of a change."""
    assignee: str = ""
    """One of `people`; empty until somebody takes it."""
    team: str = ""
    site: str = ""
    reporter: str = ""
    """Who asked for it, where a person did."""
    workaround: Workaround = Workaround.NONE
    fix: Fix | None = None
    """What it waits for, or waited for last."""
    informed: bool = False
    """Whether the client was told that the quick fix comes: without it none is deployed."""
    rca: Rca = Rca.NONE
    resolved_at: datetime | None = None
    """The last time. From there on a client may reject what was delivered, for so long as the contract says."""
    merged_into: int | None = None
    defect: str | None = None
    """The key of the defect that was filed or named for it."""


class EventKind(StrEnum):
    """The ticket log's words. A clock is a pure fold over these (`daemon/sla/clocks.py`)."""

    OPENED = "opened"
    """body: severity, title."""
    MESSAGE = "message"
    """body: text, public (bool), human (bool), by ("rep" | "client")."""
    ACKNOWLEDGED = "acknowledged"
    """The page was acknowledged. body: via."""
    ASSIGNED = "assigned"
    """body: those of assignee, team, site that change."""
    LOOPED_IN = "looped_in"
    """A team is asked to help. body: team, text."""
    STATE = "state"
    """body: to; with `awaiting_fix` kind (`quick_fix` | `minor_release`) and release; with `awaiting_client` what
    (`information` | `acceptance` | `slot`)."""
    SEVERITY = "severity"
    """body: to, reason."""
    WORKAROUND = "workaround"
    """body: to (`proposed` | `accepted` | `rejected`), kind (`interim` | `permanent`), text."""
    DEFECT = "defect"
    """A defect was filed, or named. body: key, url, due."""
    INFORMED = "informed"
    """The client knows that a quick fix comes."""
    DEPLOYED = "deployed"
    """The fix is installed. body: release."""
    RESOLVED = "resolved"
    REOPENED = "reopened"
    """body: reason."""
    CLOSED = "closed"
    CANCELLED = "cancelled"
    """body: reason (`duplicate` | `false_alarm` | `withdrawn`), text; into, where it was merged."""
    RECOVERED = "recovered"
    """The incident cleared. Stops nothing by itself."""
    CORRECTED = "corrected"
    """What was written down late took back what had been counted. body: goal, cycle, kind (`decision` | `breach`),
    was (its instant)."""
    EXCUSED = "excused"
    """A breach is taken out of the client's report. body: goal, cycle, reason, approver."""
    RCA = "rca"
    """body: to (`requested` | `shared`), text, url."""
    REMINDED = "reminded"
    """Somebody was asked to have the client validate what was delivered."""
    LESSON = "lesson"
    """body: text."""
    ACTION = "action"
    """An action item. body: item, and text, owner, due (a date) of a new one, or done."""
    LINKED = "linked"
    """body: ticket, as (`relates` | `duplicate_of` | `duplicated_by` | `follows` | `followed_by`)."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a ticket's append-only log."""

    ticket: int
    sequence: int
    """1, 2, 3 … in the order in which they were recorded."""
    kind: EventKind
    effective_at: datetime
    recorded_at: datetime
    actor: str
    """`rule:<id>`, `person:<name>`, `pagerduty:<user>`, `clock`."""
    body: Mapping[str, Json] = field(default_factory=dict)
    source_id: str | None = None
    """Idempotency key: the same one is recorded once for a ticket."""


class ClockState(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Threshold:
    """One warning of a clock's cycle: told once for each (ticket, goal, cycle, arming, name)."""

    name: str
    """As the policy writes it: `50%`, `30m`, `breach`."""
    arming: int
    at: datetime | None
    """When it is due as things stand; None while the clock is paused or after it stopped short of it."""
    notify: tuple[str, ...] = ()
    then: tuple[Role, ...] = ()
    in_hours: tuple[str, ...] = ()
    """Who is told once their own hours have begun."""


@dataclass(frozen=True, slots=True)
class Clock:
    """One cycle of one goal of one ticket, as its events up to now tell it. A cache: the log is the truth."""

    ticket: int
    goal: Goal
    cycle: int
    severity: Severity
    """The one that it runs by; after the decision, the one at the decision."""
    state: ClockState
    started_at: datetime
    target: int | None
    """SLA seconds; None where the target is an instant (release train)."""
    consumed: int
    """SLA seconds used up to `stopped_at`, the pause, or now."""
    deadline: datetime | None
    """None while paused, and when nothing is promised."""
    stopped_at: datetime | None = None
    breached_at: datetime | None = None
    """The deadline that was missed; never taken back by later events."""
    decided_at: datetime | None = None
    """First stop or deadline, whichever came first, once it has come."""
    thresholds: tuple[Threshold, ...] = ()
    next_at: datetime | None = None
    """The next instant at which a threshold or the deadline falls due; None if nothing will."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What we owe the outside. `key` is stable over retries; doing it twice has the effect of once."""

    role: Role
    verb: Verb
    key: str
    """Page: `hg:<incident>:<n>`. Defect: `hg-<incident>`. Warning: the warning's key."""
    sequence: int
    body: Mapping[str, Json]
    """Plain words for any vendor: see `contract.Action`."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the outside answered."""

    id: str
    url: str | None = None
    state: str = "accepted"


class FactKind(StrEnum):
    ACKNOWLEDGED = "acknowledged"
    NOTED = "noted"
    RESOLVED = "resolved"
    REPLIED = "replied"
    STATUS = "status"
    CALLED = "called"
    MAILED = "mailed"


@dataclass(frozen=True, slots=True)
class Fact:
    """What came back from outside about a delivery, or a call or mail that came in."""

    kind: FactKind
    id: str
    """Unique in its feed: applying it twice is harmless."""
    key: str
    """The key of the delivery that it speaks of."""
    at: datetime
    actor: str = ""
    text: str = ""
    fields: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shift:
    """One person on call."""

    person: str
    """As the pager calls them."""
    user: str
    """The pager's id of them."""
    policy: str
    """What they are on call for."""
    level: int
    """1 is paged first."""
    until: datetime | None
    """None: always."""
