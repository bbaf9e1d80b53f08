"""What a Sigma rule does not say and a rule of ours does, as values that the application hands in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from daemon.model import Severity
from daemon.rules.model import Clear, Clients, Stage

LEVELS: Mapping[str, Severity] = {"critical": 1, "high": 2, "medium": 3, "low": 4, "informational": 4}
"""Every level that Sigma has."""
UNSAID = "medium"
"""The level of a rule that names none."""

LOGSOURCES: Mapping[str, tuple[str, ...]] = {
    "cloudtrail": ("cloudtrail",),
    "aws/cloudtrail": ("cloudtrail",),
    "aws/ecs": ("ecs",),
    "aws/vpcflow": ("vpcflow",),
}
"""Log source, its product, service and category joined by slashes → source types."""


@dataclass(frozen=True, slots=True)
class SigmaTerms:
    levels: Mapping[str, Severity] = field(default_factory=lambda: LEVELS)
    logsources: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: LOGSOURCES)
    """To configured names or types."""
    group_by: tuple[str, ...] = ("recipientAccountId",)
    """For rules over signals; a correlation has its own."""
    clear: Clear = field(default_factory=lambda: Clear(quiet_for=timedelta(hours=1)))
    clients: Clients = field(default_factory=Clients)
    stage: Stage = "shadow"
    live: frozenset[str] = frozenset()
    """Rules, by our id or by Sigma's, that are live whatever `stage` says."""
    class_: str = "security"
    team: str = ""
