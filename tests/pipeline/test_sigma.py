"""Sigma correlations through the store."""

from __future__ import annotations

from pathlib import Path

from daemon.rules.load import load
from daemon.rules.sigma_terms import SigmaTerms
from tests.pipeline.doubles import MINUTE, World, signal
from tests.rules.names import NAMES

RULES = """\
title: Any
name: any
logsource: {service: sentry}
detection:
  selection: {level: error}
  condition: selection
---
title: Two of one user
correlation:
  type: %s
  rules: [any]
  group-by: [user.id]
  timespan: 5m
%s"""


def test_a_signal_without_the_group_is_left_out(world: World, tmp_path: Path) -> None:
    """Nobody is not one somebody: two signals without a user are not two of one."""
    for kind, condition in (("event_count", "  condition: {gte: 2}\n"), ("temporal", "")):
        (tmp_path / f"{kind}.yml").write_text((RULES % (kind, condition)).replace("any", f"any_{kind}"))
    terms = SigmaTerms(logsources={"sentry": ("sentry",)}, stage="live", group_by=("project",))
    world.rules = list(load(tmp_path, NAMES, sigma=terms))

    world.hear(signal("a", level="error"), signal("b", MINUTE, level="error"))
    assert [] == world.incidents()

    world.hear(signal("c", 2 * MINUTE, level="error", user={"id": "7"}))
    world.hear(signal("d", 3 * MINUTE, level="error", user={"id": "7"}))
    assert ["event_count/2", "temporal/2"] == sorted(incident.rule for incident in world.incidents())
