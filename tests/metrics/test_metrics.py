"""The daemon's figures of its own activity, read back as Prometheus would."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from daemon.metrics import OPERATIONS, POLL_REASONS, Metrics

Samples = dict[str, dict[tuple[str, ...], float]]


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Metrics:
    return Metrics(registry)


def exposed(registry: CollectorRegistry) -> Samples:
    """Sample name → label values, in the order of their names → value."""
    found: Samples = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def test_a_declared_source_stands_at_zero(metrics: Metrics, registry: CollectorRegistry) -> None:
    """A rate over the first failure is right, since the series was there before."""
    metrics.declare_source("shop")

    seen = exposed(registry)
    assert {("shop",): 0.0} == seen["heliograph_source_polls_total"]
    assert {(reason, "shop"): 0.0 for reason in POLL_REASONS} == seen["heliograph_source_poll_failures_total"]
    assert {("unwanted", "shop"): 0.0, ("unreadable", "shop"): 0.0} == seen["heliograph_source_events_dropped_total"]


def test_a_declared_role_stands_at_zero(metrics: Metrics, registry: CollectorRegistry) -> None:
    """Every verb and the look-up are there before the first delivery."""
    metrics.declare_role("page")

    assert {(operation, "page"): 0.0 for operation in OPERATIONS} == exposed(registry)[
        "heliograph_outbound_requests_total"
    ]


def test_a_poll_that_fails_counts_in_both(metrics: Metrics, registry: CollectorRegistry) -> None:
    """One counter for all polls and one for those that failed."""
    with pytest.raises(OSError, match="gone"), metrics.polled("shop"):
        raise OSError("gone")
    metrics.poll_failed("shop", "timeout")

    seen = exposed(registry)
    assert {("shop",): 1.0} == seen["heliograph_source_polls_total"]
    assert {("timeout", "shop"): 1.0} == seen["heliograph_source_poll_failures_total"]
    assert {("shop",): 1.0} == seen["heliograph_source_poll_duration_seconds_count"]


def test_what_is_dropped_is_counted_among_all(metrics: Metrics, registry: CollectorRegistry) -> None:
    """So that dropped / events is a share."""
    metrics.collected("shop", wanted=2, unwanted=3)
    metrics.dropped("shop", "unreadable")

    seen = exposed(registry)
    assert {("shop",): 6.0} == seen["heliograph_source_events_total"]
    assert {("unwanted", "shop"): 3.0, ("unreadable", "shop"): 1.0} == seen["heliograph_source_events_dropped_total"]


def test_a_delivery_that_fails_says_why(metrics: Metrics, registry: CollectorRegistry) -> None:
    """The reason is a label; requests count failed ones too."""
    with metrics.requested("page", "open"):
        pass
    metrics.request_failed("page", "open", "rate_limited")

    seen = exposed(registry)
    assert {("open", "page"): 1.0} == seen["heliograph_outbound_requests_total"]
    assert {("open", "rate_limited", "page"): 1.0} == seen["heliograph_outbound_request_failures_total"]


@pytest.mark.parametrize("reason", ["no field `at` in record 17", "A" * 99, ""])
def test_a_vendors_text_is_no_label(metrics: Metrics, registry: CollectorRegistry, reason: str) -> None:
    """What is not a short plain word is `unreadable` or `other`, so the number of series stays bounded."""
    metrics.dropped("shop", reason)
    metrics.poll_failed("shop", reason)

    assert {("unreadable", "shop"): 1.0} == exposed(registry)["heliograph_source_events_dropped_total"]
    assert {("other", "shop"): 1.0} == exposed(registry)["heliograph_source_poll_failures_total"]


def test_a_tick_is_an_instant(metrics: Metrics, registry: CollectorRegistry) -> None:
    """Not an age: a frozen daemon still shows when it froze."""
    metrics.ticked(datetime(2026, 3, 2, 12, tzinfo=UTC))

    assert {(): 1772452800.0} == exposed(registry)["heliograph_scheduler_last_tick_timestamp_seconds"]


def test_the_version_is_shown(metrics: Metrics, registry: CollectorRegistry) -> None:
    """Beside that of the zones, which decide when business hours end; and no `_created` series at all."""
    seen = exposed(registry)

    assert [1.0] == list(seen["heliograph_build_info"].values())
    assert [] == [name for name in seen if name.endswith("_created")]


def test_what_a_vendor_allows_is_shown_once_it_says(metrics: Metrics, registry: CollectorRegistry) -> None:
    """One that never says has no series; what was said last stands."""
    metrics.allowed("shop", None)
    assert "heliograph_source_rate_limit_remaining" not in exposed(registry)
    metrics.allowed("shop", 12)
    metrics.allowed("shop", None)

    assert {("shop",): 12.0} == exposed(registry)["heliograph_source_rate_limit_remaining"]


def test_rules_past_the_cap_stand_together(registry: CollectorRegistry) -> None:
    """Those declared first keep their own label; one that is taken away and comes back has its own again."""
    metrics = Metrics(registry, rules_at_most=2)
    metrics.declare_rules(["a", "b", "c"])
    metrics.matched({"a": 1, "c": 2, "d": 3})
    metrics.windows_capped({"d": 1})

    seen = exposed(registry)
    assert {("a",): 1.0, ("b",): 0.0, ("other",): 5.0} == seen["heliograph_rule_matches_total"]
    assert {("a",): 0.0, ("b",): 0.0, ("other",): 1.0} == seen["heliograph_rule_state_dropped_total"]
