"""What the rules of these tests may name."""

from __future__ import annotations

from daemon.rules.model import Names

NAMES = Names(
    sources={"sentry": "sentry", "cloudtrail-eu": "cloudtrail"},
    types=frozenset({"sentry", "datadog", "cloudtrail"}),
    teams=frozenset({"devops", "web"}),
    clients=frozenset({"acme", "globex"}),
    roles=frozenset({"ticket", "page", "defect"}),
    kinds=frozenset({"sentry.issue", "datadog.monitor", "datadog.event", "aws.cloudtrail"}),
    recovering=frozenset({"sentry", "datadog"}),
)
