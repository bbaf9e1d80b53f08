"""Who works where, and who is told: people, sites, teams and the chain of command."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from daemon.sla.calendar import Calendar
from daemon.sla.duty import Duty, on_duty

ASSIGNEE, SHIFT_LEAD, TEAM_LEAD, CHAIN = "assignee", "shift_lead", "team_lead", "chain"
POSTS = frozenset({ASSIGNEE, SHIFT_LEAD, TEAM_LEAD, CHAIN})
"""Whom a warning may name beside people and the posts of `chain`: the ticket's own person, the lead of the site that
owns the queue, the lead of the ticket's team, and all of the chain of command."""


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    email: str
    pagerduty_user: str = ""
    hours: Calendar | None = None
    """When they work; None is always."""

    def is_at_work(self, at: datetime) -> bool:
        return self.hours is None or self.hours.is_open(at)

    def next_at_work(self, at: datetime) -> datetime | None:
        """When their hours begin again; None if they never end."""
        return None if self.hours is None else self.hours.next_opening(at)


@dataclass(frozen=True, slots=True)
class Site:
    name: str
    calendar: Calendar
    shift_lead: str = ""


@dataclass(frozen=True, slots=True)
class Team:
    name: str
    lead: str = ""
    sites: tuple[str, ...] = ()
    """Where it works; empty is wherever anybody does."""


@dataclass(frozen=True, slots=True)
class Staff:
    people: Mapping[str, Person] = field(default_factory=dict)
    sites: Mapping[str, Site] = field(default_factory=dict)
    teams: Mapping[str, Team] = field(default_factory=dict)
    chain: Mapping[str, str] = field(default_factory=dict)
    """Posts, from the first to be told to the last, and who holds each."""

    def duty(self, at: datetime, team: str = "") -> Duty:
        """Which site owns the queue; of the sites at which `team` works, where it says some."""
        places = self.teams[team].sites if team in self.teams else ()
        return on_duty({name: site.calendar for name, site in self.sites.items() if not places or name in places}, at)

    def named(self, pagerduty_user: str) -> str | None:
        """Who of ours that is in PagerDuty."""
        found = (one.name for one in self.people.values() if pagerduty_user and one.pagerduty_user == pagerduty_user)
        return next(found, None)

    def shift_lead(self, at: datetime) -> str:
        """Of the site that owns the queue; in a gap, of the one that opens next."""
        duty = self.duty(at)
        site = self.sites.get(duty.owner or duty.next_owner or "")
        return site.shift_lead if site is not None else ""

    def told(self, posts: Iterable[str], at: datetime, assignee: str = "", team: str = "") -> tuple[Person, ...]:
        """The people behind the posts, each once, in order. A post that nobody holds is left out: where that leaves
        nobody, it is the shift lead and all of the chain."""
        names = [name for post in posts for name in self._holders(post, at, assignee, team) if name in self.people]
        fallback = (self.shift_lead(at), *self.chain.values())
        return tuple(self.people[name] for name in dict.fromkeys(names or fallback) if name in self.people)

    def _holders(self, post: str, at: datetime, assignee: str, team: str) -> Iterator[str]:
        if post == ASSIGNEE:
            yield assignee or self.shift_lead(at)
        elif post == SHIFT_LEAD:
            yield self.shift_lead(at)
        elif post == TEAM_LEAD:
            yield self.teams[team].lead if team in self.teams else ""
        elif post == CHAIN:
            yield from (self.shift_lead(at), *self.chain.values())
        else:
            yield self.chain.get(post, post)
