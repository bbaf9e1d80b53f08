"""What the desk is given: who is promised what, and what a severity or class sets going."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from daemon.desk.staff import Staff
from daemon.model import Role, Severity
from daemon.sla.policy import Policy

TICKET = "ticket"
"""Stands in `then` beside the roles of actions: opening a ticket needs no action."""


@dataclass(frozen=True, slots=True)
class Terms:
    policy: Policy
    severities: Mapping[Severity, tuple[Role, ...]]
    """What each severity sets going."""
    classes: Mapping[str, tuple[Role, ...]]
    """What a class adds."""
    roles: frozenset[Role]
    """Roles of the actions that are on; what is owed to another is not recorded."""
    random: random.Random
    """For the ids of incidents."""
    portal: str = ""
    """Where a person finds our pages, with no slash at the end."""
    staff: Staff = field(default_factory=Staff)

    def set_going(self, severity: Severity, class_: str, own: tuple[Role, ...] | None) -> tuple[Role, ...]:
        """The roles that an incident calls for, in order; a rule's own `then` replaces both."""
        wanted = own if own is not None else (*self.severities[severity], *self.classes.get(class_, ()))
        return tuple(dict.fromkeys(role for role in wanted if role in self.roles))

    def opens_tickets(self, severity: Severity, own: tuple[Role, ...] | None) -> bool:
        return TICKET in (own if own is not None else self.severities[severity])
