"""The figures of the daemon's own activity, counted as it happens. What the store knows is `collector/`'s.

Whatever labels are known in advance stand at 0 from the start (`declare_…`), since a rate misses the first step of a
new series.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, disable_created_metrics

from daemon import catalogue
from daemon.catalogue import OTHER, Figure

POLL_REASONS = ("auth", "bad_answer", "not_found", "rate_limited", "server_error", "timeout", "tls", "unreachable")
"""Why a poll fails, as `http.py` and the integrations say it."""
REQUEST_REASONS = (*POLL_REASONS, "conflict", "invalid")
DROP_REASONS = ("unwanted", "unreadable")
OPERATIONS = ("open", "update", "close", "find")
"""A delivery's verbs, and asking what became of one."""

_PLAIN = re.compile(r"[a-z][a-z0-9_]{0,39}")


class Metrics:
    """Counts into `registry`. Sources, roles and rules are configured names, so labels are bounded."""

    def __init__(self, registry: CollectorRegistry, rules_at_most: int = 500) -> None:
        # Else every counter brings a second series that nobody reads.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry
        self._rules_at_most = rules_at_most
        self._rules: set[str] = set()
        self._info(catalogue.BUILD).info(
            {
                "version": _version("heliograph"),
                "revision": os.environ.get("HELIOGRAPH_REVISION", ""),
                "tzdata": _version("tzdata"),
            }
        )
        self._config = self._info(catalogue.CONFIG)
        self._config.info({"hash": ""})
        self._reload_worked = self._gauge(catalogue.RELOAD_WORKED)
        self._reloaded_at = self._gauge(catalogue.RELOADED_AT)
        self._tick = self._gauge(catalogue.TICK)
        self._polls = self._counter(catalogue.POLLS)
        self._poll_failures = self._counter(catalogue.POLL_FAILURES)
        self._poll_seconds = self._histogram(catalogue.POLL_SECONDS)
        self._events = self._counter(catalogue.EVENTS)
        self._dropped = self._counter(catalogue.EVENTS_DROPPED)
        self._remaining = self._gauge(catalogue.RATE_LIMIT_REMAINING)
        self._matches = self._counter(catalogue.RULE_MATCHES)
        self._windows_capped = self._counter(catalogue.RULE_STATE_DROPPED)
        self._requests = self._counter(catalogue.REQUESTS)
        self._request_failures = self._counter(catalogue.REQUEST_FAILURES)
        self._request_seconds = self._histogram(catalogue.REQUEST_SECONDS)
        self._spans_dropped = self._counter(catalogue.SPANS_DROPPED)

    def _counter(self, figure: Figure) -> Counter:
        return Counter(figure.base, figure.help, figure.labels, registry=self._registry)

    def _gauge(self, figure: Figure) -> Gauge:
        return Gauge(figure.base, figure.help, figure.labels, registry=self._registry)

    def _histogram(self, figure: Figure) -> Histogram:
        return Histogram(figure.base, figure.help, figure.labels, buckets=figure.buckets, registry=self._registry)

    def _info(self, figure: Figure) -> Info:
        return Info(figure.base, figure.help, registry=self._registry)

    def reloaded(self, now: datetime, hash: str) -> None:
        """Configuration, policy and rules were taken."""
        self._reload_worked.set(1)
        self._reloaded_at.set(now.timestamp())
        self._config.info({"hash": hash[:12]})

    def not_reloaded(self) -> None:
        """They were refused: what ran runs on."""
        self._reload_worked.set(0)

    def declare_source(self, name: str) -> None:
        """Shows a source at 0 before its first poll."""
        for by_source in (self._polls, self._events):
            by_source.labels(name)
        self._poll_seconds.labels(name)
        for reason in POLL_REASONS:
            self._poll_failures.labels(name, reason)
        for reason in DROP_REASONS:
            self._dropped.labels(name, reason)

    def declare_role(self, role: str) -> None:
        """Shows an action's role at 0 before its first delivery."""
        for operation in OPERATIONS:
            self._requests.labels(role, operation)
            self._request_seconds.labels(role, operation)
            for reason in REQUEST_REASONS:
                self._request_failures.labels(role, operation, reason)

    def declare_rules(self, rules: Iterable[str]) -> None:
        """Shows rules at 0 before they match: at the start, and when they are taken anew."""
        for label in map(self._rule, rules):
            self._matches.labels(label)
            self._windows_capped.labels(label)

    def _rule(self, rule: str) -> str:
        """As a label: the first so many stand for themselves."""
        if len(self._rules) < self._rules_at_most:
            self._rules.add(rule)
        return rule if rule in self._rules else OTHER

    @contextmanager
    def polled(self, source: str) -> Iterator[None]:
        """Around a poll, whether it succeeds or not."""
        self._polls.labels(source).inc()
        with self._poll_seconds.labels(source).time():
            yield

    def poll_failed(self, source: str, reason: str) -> None:
        self._poll_failures.labels(source, _bounded(reason)).inc()

    def allowed(self, source: str, remaining: int | None) -> None:
        """How many more calls the vendor takes, where it said so."""
        if remaining is not None:
            self._remaining.labels(source).set(remaining)

    def collected(self, source: str, wanted: int, unwanted: int) -> None:
        """What a poll brought: signals that some rule wanted, and the others."""
        self._events.labels(source).inc(wanted + unwanted)
        self._dropped.labels(source, "unwanted").inc(unwanted)

    def dropped(self, source: str, reason: str) -> None:
        """A record that could not be read."""
        self._events.labels(source).inc()
        self._dropped.labels(source, _bounded(reason, otherwise="unreadable")).inc()

    def matched(self, signals: Mapping[str, int]) -> None:
        """How many new signals, by rule."""
        for rule, many in signals.items():
            self._matches.labels(self._rule(rule)).inc(many)

    def windows_capped(self, dropped: Mapping[str, int]) -> None:
        """By rule."""
        for rule, many in dropped.items():
            self._windows_capped.labels(self._rule(rule)).inc(many)

    @contextmanager
    def requested(self, role: str, verb: str) -> Iterator[None]:
        """Around a delivery or a look-up, whether it succeeds or not."""
        self._requests.labels(role, verb).inc()
        with self._request_seconds.labels(role, verb).time():
            yield

    def request_failed(self, role: str, verb: str, reason: str) -> None:
        self._request_failures.labels(role, verb, _bounded(reason)).inc()

    def spans_dropped(self, many: int) -> None:
        self._spans_dropped.inc(many)

    def ticked(self, now: datetime) -> None:
        """The step that looks at clocks has run: this standing still is the sign that deadlines go unseen."""
        self._tick.set(now.timestamp())


def _bounded(reason: str, otherwise: str = "other") -> str:
    """A reason as a label: a short plain word, never a vendor's text."""
    return reason if _PLAIN.fullmatch(reason) else otherwise


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:  # unpacked, not installed
        return "unknown"
