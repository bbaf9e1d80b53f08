"""Every figure that the daemon keeps of its own activity, named once. What the store knows is `collector.py`'s.

Conventions: base units, an instant rather than an age, one counter for all and one for what failed. Whatever labels
are known in advance stand at 0 from the start (`declare_…`), since a rate misses the first step of a new series.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, disable_created_metrics

POLL_REASONS = ("auth", "bad_answer", "not_found", "rate_limited", "server_error", "timeout", "tls", "unreachable")
"""Why a poll fails, as `http.py` and the integrations say it."""
REQUEST_REASONS = (*POLL_REASONS, "conflict", "invalid")
DROP_REASONS = ("unwanted", "unreadable")
OPERATIONS = ("open", "update", "close", "find")
"""A delivery's verbs, and asking what became of one."""

_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25)
"""A call outside is cut off at 25 s."""
_PLAIN = re.compile(r"[a-z][a-z0-9_]{0,39}")


class Metrics:
    """Counts into `registry`. Sources and roles are configured names, so labels are bounded."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # Else every counter brings a second series that nobody reads.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        Info("heliograph_build", "The version that is running.", registry=registry).info(
            {"version": _version("heliograph"), "tzdata": _version("tzdata")}
        )
        self._declare_polls(registry)
        self._declare_requests(registry)
        self._tick = Gauge(
            "heliograph_scheduler_last_tick_timestamp_seconds", "When clocks were last looked at.", registry=registry
        )

        self._windows_capped = Counter(
            "heliograph_rule_state_dropped", "Signals or values that a rule's windows forgot because a cap bit.",
            ["rule"], registry=registry,
        )  # fmt: skip
        self._reload_worked = Gauge(
            "heliograph_config_last_reload_successful", "1 if the files' latest content is what runs, else 0.",
            registry=registry,
        )  # fmt: skip
        self._reloaded_at = Gauge(
            "heliograph_config_last_reload_success_timestamp_seconds", "When what runs was taken.", registry=registry
        )
        self._config = Info("heliograph_config", "The set that runs, by its content.", registry=registry)
        self._config.info({"hash": ""})

    def reloaded(self, now: datetime, hash: str) -> None:
        """Configuration, policy and rules were taken."""
        self._reload_worked.set(1)
        self._reloaded_at.set(now.timestamp())
        self._config.info({"hash": hash[:12]})

    def not_reloaded(self) -> None:
        """They were refused: what ran runs on."""
        self._reload_worked.set(0)

    def _declare_polls(self, registry: CollectorRegistry) -> None:
        by_source, by_reason = ["source"], ["source", "reason"]
        self._polls = Counter("heliograph_source_polls", "Polls made.", by_source, registry=registry)
        self._poll_failures = Counter(
            "heliograph_source_poll_failures", "Polls that failed.", by_reason, registry=registry
        )
        self._poll_seconds = Histogram(
            "heliograph_source_poll_duration_seconds", "How long polls took.", by_source, buckets=_SECONDS,
            registry=registry,
        )  # fmt: skip
        self._events = Counter("heliograph_source_events", "What sources said.", by_source, registry=registry)
        self._dropped = Counter(
            "heliograph_source_events_dropped",
            "What sources said and was not kept: no rule wanted it, or it could not be read.",
            by_reason,
            registry=registry,
        )

    def _declare_requests(self, registry: CollectorRegistry) -> None:
        by_operation = ["target", "operation"]
        self._requests = Counter(
            "heliograph_outbound_requests", "Deliveries tried, and look-ups.", by_operation, registry=registry
        )
        self._request_failures = Counter(
            "heliograph_outbound_request_failures", "Those that failed.", [*by_operation, "reason"], registry=registry
        )
        self._request_seconds = Histogram(
            "heliograph_outbound_request_duration_seconds", "How long they took.", by_operation, buckets=_SECONDS,
            registry=registry,
        )  # fmt: skip

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

    @contextmanager
    def polled(self, source: str) -> Iterator[None]:
        """Around a poll, whether it succeeds or not."""
        self._polls.labels(source).inc()
        with self._poll_seconds.labels(source).time():
            yield

    def poll_failed(self, source: str, reason: str) -> None:
        self._poll_failures.labels(source, _bounded(reason)).inc()

    def collected(self, source: str, wanted: int, unwanted: int) -> None:
        """What a poll brought: signals that some rule wanted, and the others."""
        self._events.labels(source).inc(wanted + unwanted)
        self._dropped.labels(source, "unwanted").inc(unwanted)

    def dropped(self, source: str, reason: str) -> None:
        """A record that could not be read."""
        self._events.labels(source).inc()
        self._dropped.labels(source, _bounded(reason, otherwise="unreadable")).inc()

    def windows_capped(self, dropped: Mapping[str, int]) -> None:
        """By rule; the rules bound the label."""
        for rule, many in dropped.items():
            self._windows_capped.labels(rule).inc(many)

    @contextmanager
    def requested(self, role: str, verb: str) -> Iterator[None]:
        """Around a delivery or a look-up, whether it succeeds or not."""
        self._requests.labels(role, verb).inc()
        with self._request_seconds.labels(role, verb).time():
            yield

    def request_failed(self, role: str, verb: str, reason: str) -> None:
        self._request_failures.labels(role, verb, _bounded(reason)).inc()

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
