"""The figures of the store, for Prometheus: one consistent look at each scrape.

Counters and histograms are the store's tallies, so none ever falls and a scrape does not grow dearer with history;
gauges are counted from the rows that are open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import chain

from prometheus_client.core import Metric
from prometheus_client.registry import Collector as Registrable
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from daemon import catalogue
from daemon.catalogue import FIGURES, PROCESS, Figure, Key
from daemon.clock import Clock
from daemon.collector import expose, promised, standing
from daemon.collector.expose import Folds
from daemon.collector.known import Known, zeros
from daemon.store import tallies
from daemon.store.engine import Store
from daemon.store.tallies import Standing

_LOOK = (catalogue.COLLECT_SECONDS, catalogue.COLLECTED)
OURS = tuple(figure for figure in FIGURES if figure not in PROCESS)


class Collector(Registrable):
    """Register it. `known` is what is configured when a scrape comes."""

    def __init__(self, store: Store, clock: Clock, known: Callable[[], Known]) -> None:
        self._store = store
        self._clock = clock
        self._known = known

    def describe(self) -> Iterable[Metric]:
        """What there may be, without a look: so a scrape can ask for some of it by name."""
        return [_metric(figure, {}, {}) for figure in OURS]

    def collect(self) -> Iterator[Metric]:
        """A database that cannot be read hides no other figure: the scrape says so and goes on."""
        began = self._clock.monotonic()
        try:
            now = self._store.now()
            with self._store.read() as connection:
                found = list(_look(connection, self._known(), now))
        except SQLAlchemyError:
            found = []
        took = self._clock.monotonic() - began
        yield from found
        for figure, value in zip(_LOOK, (took, float(bool(found))), strict=True):
            yield expose.gauge(figure, {(): value})


def _look(connection: Connection, known: Known, now: datetime) -> Iterator[Metric]:
    counted = tallies.standing(connection)
    folds, capped = _folds(known, counted)
    reached: dict[Figure, dict[Key, Standing]] = {
        figure: {key: Standing() for key in keys} | counted.get(figure.name, {})  # what moves stands over its zero
        for figure, keys in zeros(known, now)
    }
    for figure, series in reached.items():
        yield _metric(figure, {}, folds.standing(figure, series))
    gauges = chain(
        standing.of_tickets(connection, known),
        standing.of_clocks(connection, known, now),
        standing.of_defects(connection),
        standing.of_incidents(connection),
        standing.of_sources(connection, known.sources),
        standing.of_outbox(connection, known.roles, now),
        standing.of_handovers(connection, now),
        promised.of_policy(known, now),
        promised.of_train(known, now),
        promised.of_sites(known, now),
    )
    for figure, values in gauges:
        yield _metric(figure, folds.values(figure, values), {})
    yield expose.gauge(catalogue.CAPPED, {(label,): float(many) for label, many in capped.items()})


def _folds(known: Known, counted: Mapping[str, Mapping[Key, Standing]]) -> tuple[Folds, dict[str, int]]:
    limits = {
        "client": (known.terms.policy.clients, catalogue.OPENED, known.clients_at_most),
        "rule": (known.rules, catalogue.RULE_INCIDENTS, known.rules_at_most),
    }
    kept, capped = {}, {}
    for label, (configured, figure, at_most) in limits.items():
        heard_of = (key[0] for key in counted.get(figure.name, ()))
        names, capped[label] = expose.first_come(configured, heard_of, at_most)
        if capped[label]:
            kept[label] = names
    return Folds(kept), capped


def _metric(figure: Figure, values: Mapping[Key, float], series: Mapping[Key, Standing]) -> Metric:
    if figure.kind == "histogram":
        return expose.histogram(figure, series)
    if figure.kind == "counter":
        return expose.counter(figure, series)
    return (expose.info if figure.kind == "info" else expose.gauge)(figure, values)
