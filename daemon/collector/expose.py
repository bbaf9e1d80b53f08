"""Values → metrics as the library writes them; the labels of which there may be many are held to their number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any
from typing import cast as cast_to

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.samples import Exemplar

from daemon import catalogue
from daemon.catalogue import OTHER, Figure, Key
from daemon.store.tallies import Example, Standing

_EARLIEST = frozenset({catalogue.OLDEST, catalogue.NEXT_DEADLINE})
_OF_ONE = frozenset({catalogue.TARGET, catalogue.CLIENT})
"""Figures that say something of one client: there is nothing to say of several."""


@dataclass(frozen=True, slots=True)
class Folds:
    """Which values of a label stand for themselves; a label that is not here has no limit."""

    kept: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def key(self, figure: Figure, key: Key) -> Key:
        if not any(label in self.kept for label in figure.labels):
            return key
        return tuple(self._value(label, value) for label, value in zip(figure.labels, key, strict=True))

    def _value(self, label: str, value: str) -> str:
        return value if label not in self.kept or value in self.kept[label] else OTHER

    def values(self, figure: Figure, values: Mapping[Key, float]) -> Mapping[Key, float]:
        if not any(label in self.kept for label in figure.labels):
            return values
        found: dict[Key, float] = {}
        together: Callable[[float, float], float] = min if figure in _EARLIEST else lambda a, b: a + b
        for key, value in values.items():
            to = self.key(figure, key)
            if to == key or figure not in _OF_ONE:
                found[to] = together(found[to], value) if to in found else value
        return found

    def standing(self, figure: Figure, series: Mapping[Key, Standing]) -> Mapping[Key, Standing]:
        if not any(label in self.kept for label in figure.labels):
            return series
        found: dict[Key, Standing] = {}
        for key, one in series.items():
            to = self.key(figure, key)
            found[to] = found[to] + one if to in found else one
        return found


def first_come(configured: Iterable[str], heard_of: Iterable[str], at_most: int) -> tuple[frozenset[str], int]:
    """Whose label value stands for itself, and how many do not: the first of whom anything was counted, so that none
    ever changes places with another and makes a counter fall."""
    every = tuple(dict.fromkeys((*heard_of, *configured)))
    return frozenset(every[:at_most]), max(0, len(every) - at_most)


def gauge(figure: Figure, values: Mapping[Key, float]) -> Metric:
    family: Any = GaugeMetricFamily(figure.base, figure.help, labels=figure.labels)
    for key, value in sorted(values.items()):
        family.add_metric(key, value)
    return cast_to(Metric, family)


def info(figure: Figure, values: Mapping[Key, float]) -> Metric:
    family = InfoMetricFamily(figure.base, figure.help, labels=figure.labels)
    for key in sorted(values):
        family.add_metric(key, {})
    return family


def counter(figure: Figure, series: Mapping[Key, Standing]) -> Metric:
    family = CounterMetricFamily(figure.base, figure.help, labels=figure.labels)
    for key, one in sorted(series.items()):
        family.add_metric(key, one.value, exemplar=_exemplar(one.example))
    return family


def histogram(figure: Figure, series: Mapping[Key, Standing]) -> Metric:
    family = HistogramMetricFamily(figure.base, figure.help, labels=figure.labels)
    bounds = [*(str(float(bound)) for bound in figure.buckets), "+Inf"]
    for key, one in sorted(series.items()):
        reached = accumulate(one.buckets.get(bound, 0) for bound in bounds)
        buckets: Any = [
            (bound, many, _exemplar(one.examples.get(bound))) for bound, many in zip(bounds, reached, strict=True)
        ]
        family.add_metric(key, buckets, one.total)
    return family


def _exemplar(example: Example | None) -> Exemplar | None:
    if example is None:
        return None
    return Exemplar({"ticket": str(example.ticket)}, example.seen, example.at.timestamp())
