"""Looks at the store as a scrape does."""

from __future__ import annotations

from typing import TypeAlias

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from daemon.clock import ToldClock
from daemon.collector import Collector, Known
from daemon.store.engine import Store
from tests.pipeline.doubles import NOON, terms

Samples: TypeAlias = dict[str, dict[tuple[str, ...], float]]


def registry_of(store: Store, known: Known) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(Collector(store, ToldClock(NOON), lambda: known))
    return registry


def scraped(store: Store, known: Known | None = None) -> Samples:
    """Sample name without the prefix → label values in the order of their names → value."""
    known = known or Known(terms(), {"shop": "sentry"}, ("page",), ("down",))
    found: Samples = {}
    for family in text_string_to_metric_families(generate_latest(registry_of(store, known)).decode()):
        for sample in family.samples:
            key = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name.removeprefix("heliograph_"), {})[key] = sample.value
    return found


def nonzero(samples: dict[tuple[str, ...], float]) -> dict[tuple[str, ...], float]:
    return {key: value for key, value in samples.items() if value}
