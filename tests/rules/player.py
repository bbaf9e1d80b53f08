"""A small reference of what the pipeline does with matches: enough to run the tests that rules carry, without a store.

Quiet is measured by arrival, and a clearing counts from the instant at which the trouble was over.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from daemon.model import Json
from daemon.rules.engine import Engine, Match
from daemon.rules.model import Count, Names, Rule, RuleTest
from daemon.rules.testing import Arrival, Observed, ObservedIncident, arrivals
from daemon.rules.window import advance, weight

START = datetime(2026, 7, 1, 12, tzinfo=UTC)
NAMES = Names(
    types=frozenset({"sentry", "datadog", "cloudtrail"}),
    roles=frozenset({"ticket", "page", "defect"}),
    recovering=frozenset({"sentry", "datadog"}),
)


@dataclass
class _Incident:
    rule: Rule
    observed: ObservedIncident
    last: datetime
    cleared: datetime | None = None


class Player:
    def __init__(self, rules: list[Rule]) -> None:
        self._engine = Engine(rules)
        self._windows: dict[str, Json] = {}
        self._standing: dict[str, _Incident] = {}
        self.incidents: list[_Incident] = []

    def play(self, arrival: Arrival) -> None:
        self.quiet(arrival.at)
        for match in self._engine.match(arrival.signal):
            if match.recovered:
                self._recover(match, arrival)
            elif self._fires(match, arrival):
                self._open(match, arrival)

    def quiet(self, now: datetime) -> None:
        for incident in self._standing.values():
            quiet = incident.rule.clear.quiet_for
            if incident.cleared is None and quiet is not None and incident.last + quiet < now:
                incident.cleared = incident.last + quiet

    def _fires(self, match: Match, arrival: Arrival) -> bool:
        window, signal = match.rule.window, arrival.signal
        if not isinstance(window, Count):
            return True
        before = self._windows.get(match.key)
        verdict = advance(window, before, signal.at, signal.id, weight(window, signal), match.severity)
        self._windows[match.key] = verdict.state
        self._severity = verdict.severity
        standing = self._standing.get(match.key)
        return verdict.fired or (standing is not None and standing.cleared is None)

    def _open(self, match: Match, arrival: Arrival) -> None:
        severity = match.severity if match.rule.window is None else min(match.severity, self._severity or 4)
        standing = self._standing.get(match.key)
        if standing is None or (standing.cleared and arrival.at - standing.cleared > match.rule.reopen_within):
            standing = _Incident(match.rule, _observed(match, arrival.at - START), arrival.signal.at)
            self._standing[match.key] = standing
            self.incidents.append(standing)
        standing.cleared = None
        standing.last = max(standing.last, arrival.signal.at)
        standing.observed = replace(standing.observed, severity=min(standing.observed.severity, severity))

    def _recover(self, match: Match, arrival: Arrival) -> None:
        standing = self._standing.get(match.key)
        if standing is not None and standing.cleared is None and standing.last <= arrival.signal.at:
            standing.cleared = arrival.signal.at


def _observed(match: Match, at: timedelta) -> ObservedIncident:
    clients = match.clients if isinstance(match.clients, tuple) else ("all",)
    return ObservedIncident(match.severity, at, match.title, match.location, match.rule.team, clients)


def observe(rule: Rule, test: RuleTest) -> Observed:
    """What comes of one test under its rule alone."""
    player = Player([rule])
    for arrival in arrivals(test, START):
        player.play(arrival)
    player.quiet(START + timedelta(days=3650))
    return Observed(
        tuple(
            replace(each.observed, cleared=None if each.cleared is None else each.cleared - START)
            for each in player.incidents
        )
    )
