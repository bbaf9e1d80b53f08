"""What of the desk's doings is tallied for Prometheus, under the labels that were true when it happened. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from daemon import catalogue
from daemon.catalogue import Figure, Key
from daemon.desk import counting
from daemon.desk.staff import POSTS
from daemon.desk.terms import Terms
from daemon.model import DAEMON, SHADOW_KEY, Clock, Event, EventKind, Incident, Ticket
from daemon.store.tallies import Tally
from daemon.store.tickets import Counted, Warned

PERSON = "person"
"""The level of a warning that names somebody: people are no labels."""

_COUNTED = {
    counting.DECISION: catalogue.DECISIONS,
    counting.BREACH: catalogue.BREACHES,
    counting.EXCUSED: catalogue.EXCUSED,
}
_COUNTS = {EventKind.CLOSED: catalogue.CLOSED, EventKind.REOPENED: catalogue.REOPENED}


def of_event(ticket: Ticket, event: Event) -> Iterator[Tally]:
    """Of what happened to a ticket that stood so before."""

    def one(figure: Figure, *labels: object, seen: float = 1) -> Tally:
        return Tally(figure, tuple(map(str, labels)), seen, ticket.id)

    if event.kind is EventKind.OPENED:
        yield one(catalogue.OPENED, ticket.client, ticket.severity, ticket.origin)
    elif event.kind in _COUNTS:
        yield one(_COUNTS[event.kind], ticket.client, ticket.severity)
    elif event.kind is EventKind.SEVERITY:
        yield one(catalogue.SEVERITY_CHANGES, ticket.client, ticket.severity, event.body["to"])
    elif event.kind is EventKind.RESOLVED:
        took = _seconds(ticket.opened_at, event.effective_at)
        yield one(catalogue.RESOLUTION, ticket.severity, ticket.origin, seen=took)


def of_counts(ticket: Ticket, entries: Iterable[Counted], clocks: Sequence[Clock]) -> Iterator[Tally]:
    by_cycle = {(clock.goal, clock.cycle): clock for clock in clocks}
    for entry in entries:
        labels = (entry.client, str(entry.severity), entry.goal)
        if counting.is_withdrawal(entry):
            yield Tally(catalogue.CORRECTIONS, (*labels, counting.what(entry)), ticket=ticket.id)
        elif entry.kind in _COUNTED:
            yield Tally(_COUNTED[entry.kind], labels, ticket=ticket.id)
        else:
            yield from _stopped(ticket, labels, by_cycle[entry.goal, entry.cycle])


def _stopped(ticket: Ticket, labels: Key, clock: Clock) -> Iterator[Tally]:
    if clock.target:
        yield Tally(catalogue.CONSUMED, labels, clock.consumed / clock.target, ticket.id)
    if (clock.goal, clock.cycle) == ("response", 1) and clock.stopped_at is not None:
        took = _seconds(ticket.opened_at, clock.stopped_at)
        yield Tally(catalogue.RESPONSE, (str(clock.severity), ticket.origin), took, ticket.id)


def of_warnings(terms: Terms, warned: Mapping[Warned, Sequence[str]], now: datetime) -> Iterator[Tally]:
    """Of thresholds that were crossed, each with the posts that it tells."""
    for one, posts in warned.items():
        labels = (one.client, str(one.severity), one.goal, one.threshold)
        yield Tally(catalogue.WARNINGS, labels, ticket=one.ticket)
        yield Tally(catalogue.LAG, (), _seconds(one.due_at, now), one.ticket)
        for level in dict.fromkeys(level_of(terms, post) for post in posts):
            yield Tally(catalogue.ESCALATIONS, (str(one.severity), level), ticket=one.ticket)


def level_of(terms: Terms, post: str) -> str:
    return post if post in levels(terms) else PERSON


def levels(terms: Terms) -> tuple[str, ...]:
    return (*sorted(POSTS), *terms.staff.chain, PERSON)


def of_opening(incident: Incident, now: datetime) -> Iterator[Tally]:
    """Of an incident that opened, anew or again; nothing of a rule that is tried out in shadow."""
    if incident.key.startswith(SHADOW_KEY):
        return
    yield Tally(catalogue.EPISODES, (incident.origin,))
    if incident.rule:
        yield Tally(catalogue.RULE_INCIDENTS, (incident.rule,))
    if incident.rule and incident.origin != DAEMON:
        yield Tally(catalogue.DETECTION, (incident.origin,), _seconds(incident.began_at, now))


def of_ticket(incident: Incident, ticket: int) -> Iterator[Tally]:
    """Of a ticket that was opened for an incident. Several rules may share one: it counts for the rule that opened it,
    as its false alarms do, so that those are a part of these."""
    if incident.rule:
        yield Tally(catalogue.RULE_TICKETS, (incident.rule,), ticket=ticket)


def of_false_alarm(incident: Incident, ticket: int) -> Iterator[Tally]:
    if incident.rule:
        yield Tally(catalogue.RULE_FALSE_ALARMS, (incident.rule,), ticket=ticket)


def _seconds(start: datetime, end: datetime) -> float:
    return max(0.0, (end - start).total_seconds())
