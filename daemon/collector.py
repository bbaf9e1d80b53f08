"""The figures of tickets, clocks, sources and the outbox, for Prometheus: computed from the store at each scrape.

Counters count rows that are never trimmed, and label them by what was so when it happened, so that none ever falls.
Labels are configured names, states and severities; no ticket, no text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any, TypeAlias
from typing import cast as cast_to

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector as Registrable
from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Connection,
    and_,
    case,
    cast,
    func,
    literal,
    select,
    type_coerce,
)
from sqlalchemy.exc import SQLAlchemyError

from daemon.clock import Clock
from daemon.model import EventKind, IncidentState, TicketState
from daemon.store.engine import Store
from daemon.store.incidents import not_in_shadow
from daemon.store.schema import clocks, decisions, deliveries, events, incidents, polls, tickets, warnings

Key: TypeAlias = tuple[str, ...]
Values: TypeAlias = dict[Key, float]

SEVERITIES = ("1", "2", "3", "4")
GOALS = ("response", "resolution")
TICKET_STATES = [state.value for state in TicketState if state not in (TicketState.CLOSED, TicketState.CANCELLED)]
_OWED = [state for state in TICKET_STATES if state != TicketState.RESOLVED.value]
INCIDENT_STATES = [state.value for state in IncidentState if state is not IncidentState.ENDED]
CLOCK_STATES = ("running", "paused", "breached")

RESPONSE_SECONDS = (60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
RESOLUTION_SECONDS = (900, 1800, 3600, 7200, 14400, 28800, 43200, 86400, 172800, 432000, 604800, 1209600, 3628800)
LAG_SECONDS = (0.1, 0.5, 1, 2, 5, 15, 60, 300)
_MICROSECONDS = 1_000_000
_ONE: ColumnElement[Any] = literal(1)

C, G, H = CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric: its kind, its name after `heliograph_`, what it says, and its labels."""

    kind: Callable[..., Any]
    name: str
    help: str
    labels: Key = ()

    def family(self) -> Any:
        return self.kind(f"heliograph_{self.name}", self.help, labels=self.labels)

    def __call__(self, values: Mapping[Key, float]) -> Metric:
        family = self.family()
        for key, value in sorted(values.items()):
            family.add_metric(key, value)
        return cast_to(Metric, family)


_CLIENT = ("client", "sev")
_GOAL = (*_CLIENT, "goal")

TICKETS = Figure(G, "tickets", "Not closed, by state.", (*_CLIENT, "state"))
OLDEST = Figure(G, "ticket_oldest_opened_timestamp_seconds", "When the oldest unresolved was opened.", _CLIENT)
OPENED = Figure(C, "tickets_opened", "Opened.", (*_CLIENT, "origin"))
CLOSED = Figure(C, "tickets_closed", "Closed, the client having validated.", _CLIENT)
REOPENED = Figure(C, "tickets_reopened", "Resolved, and then opened again.", _CLIENT)
SEVERITY_CHANGES = Figure(C, "severity_changes", "Raised or lowered.", ("client", "from_sev", "to_sev"))
CLOCKS = Figure(G, "sla_clocks", "Clocks that have not stopped.", (*_GOAL, "state"))
NEXT_DEADLINE = Figure(G, "sla_next_deadline_timestamp_seconds", "The earliest of running clocks, none missed.", _GOAL)
DECISIONS = Figure(C, "sla_decisions", "Promises kept or missed.", _GOAL)
BREACHES = Figure(C, "sla_breaches", "Promises missed.", _GOAL)
CORRECTIONS = Figure(C, "sla_corrections", "Decisions and breaches that were taken back.", (*_GOAL, "kind"))
WARNINGS = Figure(C, "sla_warnings", "Thresholds crossed.", (*_GOAL, "threshold"))
LAG = Figure(H, "sla_timer_lag_seconds", "From a threshold's falling due until it was handled.")
RESPONSE = Figure(H, "ticket_response_seconds", "From the report to the first response.", ("sev", "origin"))
RESOLUTION = Figure(
    H, "ticket_resolution_seconds", "From the report to each resolve: opened again, it counts again.", ("sev", "origin")
)
INCIDENTS = Figure(G, "incidents", "Not ended, by state.", ("sev", "state"))
EPISODES = Figure(C, "incident_episodes", "Times that incidents opened, anew or again.", ("origin",))
LAST_SUCCESS = Figure(
    G, "source_last_success_timestamp_seconds", "The last poll that succeeded; 0 before the first.", ("source",)
)
WATERMARK = Figure(G, "source_watermark_timestamp_seconds", "All that happened before it has been seen.", ("source",))
OUTBOX = Figure(G, "outbox_messages", "Owed to the outside and not delivered.", ("target",))
OUTBOX_OLDEST = Figure(G, "outbox_oldest_timestamp_seconds", "Since when the oldest of them is owed.", ("target",))
GIVEN_UP = Figure(C, "outbox_given_up", "Refused for good by the outside.", ("target",))
COLLECT_SECONDS = Figure(G, "ticket_collect_duration_seconds", "What this look at the store cost.")
COLLECTED = Figure(G, "ticket_collect_success", "Whether the store could be read.")

FIGURES = tuple(figure for figure in vars().values() if isinstance(figure, Figure))


class Collector(Registrable):
    """Register it; each scrape is one consistent look at the store.

    `clients`, `sources` and `roles` are what is configured now: each stands at 0 before anything happens to it.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        clients: Callable[[], Iterable[str]],
        sources: Callable[[], Iterable[str]],
        roles: Callable[[], Iterable[str]],
    ) -> None:
        self._store = store
        self._clock = clock
        self._clients = clients
        self._sources = sources
        self._roles = roles

    def describe(self) -> Iterable[Metric]:
        """What there may be, without a look: so a scrape can ask for some of it by name."""
        return [figure({}) for figure in FIGURES]

    def collect(self) -> Iterator[Metric]:
        """A database that cannot be read hides no other figure: the scrape says so and goes on."""
        began = self._clock.monotonic()
        try:
            with self._store.read() as connection:
                found = list(self._families(connection))
        except SQLAlchemyError:
            found = []
        yield from found
        took = self._clock.monotonic() - began
        yield COLLECT_SECONDS({(): took})
        yield COLLECTED({(): float(bool(found))})

    def _families(self, connection: Connection) -> Iterator[Metric]:
        clients = tuple(self._clients())
        yield from _tickets(connection, clients)
        yield from _log(connection, clients)
        yield from _clocks(connection, clients)
        yield from _counted(connection, clients)
        yield from _lengths(connection)
        yield from _incidents(connection)
        yield from _sources(connection, tuple(self._sources()))
        yield from _outbox(connection, tuple(self._roles()))


def _tickets(connection: Connection, clients: Sequence[str]) -> Iterator[Metric]:
    by = (tickets.c.client, tickets.c.severity, tickets.c.state)
    standing = _values(connection, by, tickets.c.state.in_(TICKET_STATES))
    yield TICKETS(_zeros(clients, SEVERITIES, TICKET_STATES) | standing)
    owed = tickets.c.state.in_(_OWED)
    yield OLDEST(_values(connection, by[:2], owed, of=tickets.c.opened_at, total=func.min))


def _log(connection: Connection, clients: Sequence[str]) -> Iterator[Metric]:
    """What the tickets' logs tell."""
    opened = _body(connection, events.c.body, "severity")
    yield OPENED(_logged(connection, (tickets.c.client, opened, tickets.c.origin), EventKind.OPENED))
    then = _severity_before(connection)
    for figure, kind in ((CLOSED, EventKind.CLOSED), (REOPENED, EventKind.REOPENED)):
        yield figure(_zeros(clients, SEVERITIES) | _logged(connection, (tickets.c.client, then), kind))
    to = _body(connection, events.c.body, "to")
    yield SEVERITY_CHANGES(_logged(connection, (tickets.c.client, then, to), EventKind.SEVERITY))


def _logged(connection: Connection, by: Sequence[ColumnElement[Any]], kind: EventKind) -> Values:
    return _values(connection, by, events.c.kind == kind.value, events.c.ticket == tickets.c.id)


def _severity_before(connection: Connection) -> ColumnElement[int]:
    """The ticket's severity when the event of the query around it was recorded."""
    earlier = events.alias("earlier")
    said = [_body(connection, earlier.c.body, key) for key in ("to", "severity")]
    return (
        select(case((earlier.c.kind == EventKind.SEVERITY.value, said[0]), else_=said[1]))
        .where(earlier.c.ticket == events.c.ticket, earlier.c.sequence < events.c.sequence)
        .where(earlier.c.kind.in_((EventKind.OPENED.value, EventKind.SEVERITY.value)))
        .order_by(earlier.c.sequence.desc())
        .limit(1)
        .correlate(events)
        .scalar_subquery()
    )


def _body(connection: Connection, body: ColumnElement[Any], key: str) -> ColumnElement[int]:
    """A number in an event's JSON, which both databases keep as text and read in ways of their own."""
    sqlite = connection.dialect.name == "sqlite"
    document = type_coerce(body, JSON) if sqlite else cast(body, JSON)
    number: ColumnElement[int] = document[key].as_integer()
    return number


def _clocks(connection: Connection, clients: Sequence[str]) -> Iterator[Metric]:
    state = case((clocks.c.breached_at.is_not(None), "breached"), else_=clocks.c.state)
    by = (tickets.c.client, clocks.c.severity, clocks.c.goal)
    going = and_(clocks.c.state.in_(("running", "paused")), clocks.c.ticket == tickets.c.id)
    yield CLOCKS(_zeros(clients, SEVERITIES, GOALS, CLOCK_STATES) | _values(connection, (*by, state), going))
    ahead = and_(going, clocks.c.state == "running", clocks.c.breached_at.is_(None))
    yield NEXT_DEADLINE(_values(connection, by, ahead, of=clocks.c.deadline, total=func.min))


def _counted(connection: Connection, clients: Sequence[str]) -> Iterator[Metric]:
    by = (decisions.c.client, decisions.c.severity, decisions.c.goal)
    zeros = _zeros(clients, SEVERITIES, GOALS)
    for figure, kind in ((DECISIONS, "decision"), (BREACHES, "breach")):
        yield figure(zeros | _values(connection, by, decisions.c.kind == kind))
    withdrawn = _values(connection, (*by, decisions.c.kind), decisions.c.kind.like("%_withdrawn"))
    yield CORRECTIONS({(*key, kind.removesuffix("_withdrawn")): n for (*key, kind), n in withdrawn.items()})
    by = (warnings.c.client, warnings.c.severity, warnings.c.goal)
    yield WARNINGS(_values(connection, (*by, warnings.c.threshold)))


def _lengths(connection: Connection) -> Iterator[Metric]:
    """How long things took, by the clock on the wall."""
    answered = (clocks.c.ticket == tickets.c.id, clocks.c.goal == "response", clocks.c.state == "stopped")
    took = _between(tickets.c.opened_at, clocks.c.stopped_at)
    yield _histogram(connection, RESPONSE, RESPONSE_SECONDS, (clocks.c.severity, tickets.c.origin), took, *answered)
    resolved = (events.c.ticket == tickets.c.id, events.c.kind == EventKind.RESOLVED.value)
    took = _between(tickets.c.opened_at, events.c.recorded_at)
    by = (_severity_before(connection), tickets.c.origin)
    yield _histogram(connection, RESOLUTION, RESOLUTION_SECONDS, by, took, *resolved)
    yield _histogram(connection, LAG, LAG_SECONDS, (), _between(warnings.c.due_at, warnings.c.recorded_at))


def _incidents(connection: Connection) -> Iterator[Metric]:
    by = (incidents.c.severity, incidents.c.state)
    live = not_in_shadow()
    standing = _values(connection, by, incidents.c.state.in_(INCIDENT_STATES), live)
    yield INCIDENTS(_zeros(SEVERITIES, INCIDENT_STATES) | standing)
    yield EPISODES(_values(connection, (incidents.c.origin,), live, of=incidents.c.episode))


def _sources(connection: Connection, names: Sequence[str]) -> Iterator[Metric]:
    """Only what is configured: a source that was removed is not stale."""
    by, known = (polls.c.name,), polls.c.name.in_(names)
    succeeded = _values(connection, by, known, of=polls.c.succeeded_at, total=func.max)
    yield LAST_SUCCESS(_zeros(names) | succeeded)
    yield WATERMARK(_values(connection, by, known, of=polls.c.watermark, total=func.max))


def _outbox(connection: Connection, roles: Sequence[str]) -> Iterator[Metric]:
    by, waiting = (deliveries.c.role,), deliveries.c.state.in_(("pending", "sending"))
    yield OUTBOX(_zeros(roles) | _values(connection, by, waiting))
    yield OUTBOX_OLDEST(_values(connection, by, waiting, of=deliveries.c.created_at, total=func.min))
    yield GIVEN_UP(_zeros(roles) | _values(connection, by, deliveries.c.state == "dead"))


def _grouped(by: Sequence[ColumnElement[Any]], figure: ColumnElement[Any], where: Sequence[ColumnElement[bool]]) -> Any:
    """The rows as a table of `figure` and `by0`, `by1` …: PostgreSQL groups by names, not by terms with parameters."""
    keys = [column.label(f"by{number}") for number, column in enumerate(by)]
    return select(*keys, figure.label("figure")).where(*where).subquery()


def _values(
    connection: Connection,
    by: Sequence[ColumnElement[Any]],
    *where: ColumnElement[bool],
    of: ColumnElement[Any] = _ONE,
    total: Callable[[Any], Any] = func.sum,
) -> Values:
    """The `total` of each group of `by`, or the number of rows; an instant as seconds since 1970."""
    rows = _grouped(by, of, where)
    keys = [rows.c[f"by{number}"] for number in range(len(by))]
    found = connection.execute(select(*keys, total(rows.c.figure)).group_by(*keys))
    return {tuple(map(str, key)): _number(value) for *key, value in found if value is not None}


def _number(value: Any) -> float:
    return value.timestamp() if isinstance(value, datetime) else float(value)


def _between(start: ColumnElement[Any], end: ColumnElement[Any]) -> ColumnElement[int]:
    """Microseconds, as the database keeps instants."""
    return type_coerce(end, BigInteger) - type_coerce(start, BigInteger)


def _histogram(
    connection: Connection,
    figure: Figure,
    buckets: Sequence[float],
    by: Sequence[ColumnElement[Any]],
    took: ColumnElement[int],
    *where: ColumnElement[bool],
) -> Metric:
    """How many of each group of `by` took no longer than each of `buckets`, in seconds."""
    family = figure.family()
    rows = _grouped(by, took, where)
    keys = [rows.c[f"by{number}"] for number in range(len(by))]
    within = [func.sum(case((rows.c.figure <= int(bound * _MICROSECONDS), 1), else_=0)) for bound in buckets]
    query = select(*keys, func.count(), func.sum(rows.c.figure), *within).group_by(*keys)
    for row in connection.execute(query):
        key, (count, total, *counts) = row[: len(by)], row[len(by) :]
        bounds = [(str(float(bound)), float(n or 0)) for bound, n in zip(buckets, counts, strict=True)]
        seconds = float(total or 0) / _MICROSECONDS
        family.add_metric([str(label) for label in key], [*bounds, ("+Inf", float(count))], seconds)
    return cast_to(Metric, family)


def _zeros(*labels: Iterable[str]) -> Values:
    return dict.fromkeys(product(*labels), 0.0)
