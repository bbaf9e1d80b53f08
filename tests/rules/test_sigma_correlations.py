"""Sigma correlations as another would run them: pySigma's SQLite backend finds the same, instant by instant.

That backend names each instant at which an event of a correlation stands and its condition holds; we, each at which a
rule has enough. What is one question of two is brought together first:

- it names all instants at which a condition still holds, we those of a signal that counts: one with the field where
  a field is looked at, and one of the last rule where order matters;
- groups and values that differ in their case alone are one to it and two to us.
"""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sigma.backends import sqlite
from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule

from daemon.model import Signal
from daemon.rules.compile import Program
from daemon.rules.engine import Engine, Match
from daemon.rules.load import load
from daemon.rules.model import Aggregate, Distinct, Names, Rule, RuleSet
from daemon.rules.model import Sequence as Steps
from daemon.rules.windows import Entry, Pane, Verdict
from daemon.rules.windows.state import stamp

OWN = Path(__file__).parent / "sigma-correlations"
RECORDED = Path(__file__).resolve().parents[3] / "shared" / "data" / "stratus" / "docs" / "detonation-logs"
NAMES = Names(types=frozenset({"cloudtrail"}))
FAR = 4_000_000_000
"""Seconds since 1970, long after everything: what must not happen has not happened by then."""
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

Event = dict[str, Any]
Found = set[tuple[tuple[str, ...], int]]
"""Values of the group, and microseconds since 1970."""


@pytest.mark.parametrize("file", sorted(OWN.glob("*.yml")), ids=lambda file: file.stem)
def test_correlations_hold_when_sqlite_says_so(file: Path, tmp_path: Path) -> None:
    """In events made up for them."""
    expected, found = _found_by_both(file, list(_made_up(random.Random(file.stem))), tmp_path)

    assert expected == found
    assert expected, "a comparison of nothing with nothing"


@pytest.mark.parametrize("file", sorted(OWN.glob("*.yml")), ids=lambda file: file.stem)
def test_the_order_of_arrival_changes_no_correlation(file: Path, tmp_path: Path) -> None:
    """Of what is not too late."""
    chance = random.Random(file.stem)
    events = list(_made_up(chance))
    _, expected = _found_by_both(file, events, tmp_path)

    together = [events[start : start + 20] for start in range(0, len(events), 20)]
    shuffled = [event for part in together for event in chance.sample(part, len(part))]

    assert expected == _found_by_both(file, shuffled, tmp_path)[1]


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded attacks are not here")
@pytest.mark.parametrize("file", sorted(OWN.glob("*.yml")), ids=lambda file: file.stem)
def test_correlations_hold_in_recorded_attacks_when_sqlite_says_so(file: Path, tmp_path: Path) -> None:
    """All of the attacks as one trail."""
    expected, found = _found_by_both(file, list(_recorded()), tmp_path)

    assert expected == found


def _made_up(chance: random.Random) -> Iterator[Event]:
    at = NOON
    for _ in range(250):
        at += timedelta(seconds=chance.choice([0, 1, 20, 60, 180]))
        who = chance.choice(["arn:a", "arn:b", "arn:c", None])
        yield {
            "eventTime": at,
            "eventName": chance.choice(
                ["ListUsers", "DescribeHosts", "GetObject", "GetUser", "PutRole", "StopLogging"]
            ),
            "awsRegion": chance.choice(["eu-west-1", "us-east-1"]),
            "recipientAccountId": chance.choice(["111122223333", "444455556666"]),
            "sourceIPAddress": chance.choice(["arn:a", "203.0.113.9", "203.0.113.10"]),
            "userIdentity": {"arn": who} if who else {},
            "additionalEventData": {"bytesTransferredOut": chance.choice([0, 100, 350, "500", 800.5, None, "many"])},
        }


def _recorded() -> Iterator[Event]:
    """In the order of their times, which are whole seconds."""
    events = [event for file in sorted(RECORDED.glob("*.json")) for event in json.loads(file.read_text())]
    for event in sorted(events, key=lambda event: str(event["eventTime"])):
        yield {**event, "eventTime": datetime.fromisoformat(event["eventTime"])}


def _found_by_sqlite(file: Path, events: Sequence[Event]) -> Found:
    rules = SigmaCollection.from_yaml(file.read_text())
    backend: Any = sqlite.sqliteBackend(  # type: ignore[attr-defined,no-untyped-call]
        event_id_field="number", timestamp_format="unix_us", observation_end=FAR
    )
    *_, query = backend.convert(rules)
    correlation = rules.rules[-1]
    assert isinstance(correlation, SigmaCorrelationRule)
    names = {name for rule in rules.rules for name in _fields(backend, rule)}
    with sqlite3.connect(":memory:") as base:
        columns = {name: backend.escape_and_quote_field(name) for name in sorted(names)}
        made = "".join(f", {column} COLLATE NOCASE" for column in columns.values())
        base.execute(f"CREATE TABLE logs (number INTEGER, timestamp INTEGER{made})")
        rows = [
            (number, stamp(event["eventTime"]), *(_at(event, name) for name in columns))
            for number, event in enumerate(events)
        ]
        base.executemany(f"INSERT INTO logs VALUES ({', '.join('?' * (2 + len(columns)))})", rows)
        found = base.execute(f"SELECT group_keys, occurrence_time FROM ({query})").fetchall()
    group = correlation.group_by or []
    return {(tuple(json.loads(keys)[part] for part in group), round(time * 1_000_000)) for keys, time in found}


def _fields(backend: Any, rule: Any) -> Iterator[str]:
    if not isinstance(rule, SigmaCorrelationRule):
        yield from backend.required_fields(rule)
        return
    aliases = rule.aliases.aliases
    yield from (part for part in rule.group_by or () if part not in aliases)
    yield from (name for alias in aliases.values() for name in alias.mapping.values())
    if measured := getattr(rule.condition, "fieldref", None):
        yield measured


def _counting(last: Rule, rules: RuleSet, events: Sequence[Event]) -> Found | None:
    """By what the last rule can come to have enough for us, as groups and instants; None if time alone does it."""
    if any(step.negated for step in last.over):
        return None
    steps = last.over[-1:] if isinstance(last.window, Steps) and last.window.ordered else last.over
    return {
        (tuple(str(_at(event, step.by.get(part) or part)) for part in last.group_by), stamp(event["eventTime"]))
        for step in steps
        for event in events
        if Program([rules.by_id[step.rule].condition]).holding(event) and _counts(last, event)
    }


def _counts(last: Rule, event: Event) -> bool:
    """Whether it has what the window looks at."""
    if isinstance(last.window, Aggregate):
        return _is_number(_at(event, str(last.window.path)))
    return not isinstance(last.window, Distinct) or _at(event, str(last.window.path)) is not None


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _at(event: Event, name: str) -> Any:
    here: Any = event
    for part in name.split("."):
        here = here.get(part) if isinstance(here, dict) else None
    return json.dumps(here) if isinstance(here, dict | list | bool) else here


@dataclass
class _Run:
    """The engine and its windows, as the pipeline moves them."""

    engine: Engine
    signals: list[Signal] = field(default_factory=list)
    panes: dict[tuple[str, str], Pane] = field(default_factory=dict)
    groups: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    found: dict[str, Found] = field(default_factory=dict)

    def hear(self, signal: Signal) -> None:
        self.signals.append(signal)
        for match in self.engine.match(signal):
            self._fired(match.rule, len(self.signals) - 1, stamp(signal.at))

    def settle(self, mark: datetime) -> None:
        for (rule, key), pane in list(self.panes.items()):
            self._said(rule, key, self.engine.mover(rule).settle(pane, stamp(mark)))

    def _fired(self, rule: Rule, row: int, at: int) -> None:
        signal = self.signals[row]
        for over, number in self.engine.over.get(rule.id, ()):
            match = self.engine.word_over(over.id, number, signal)
            value = self.engine.weighs(match, number, signal)
            if value is not None:
                self._move(match, Entry(at, row, 4, value))

    def _move(self, match: Match, entry: Entry) -> None:
        self.groups[match.key] = match.group
        mover = self.engine.mover(match.rule.id)
        pane = self.panes.setdefault((match.rule.id, match.key), mover.pane())
        self._said(match.rule.id, match.key, mover.move(pane, *entry))

    def _said(self, rule: str, key: str, verdict: Verdict | None) -> None:
        for fired in verdict.firings if verdict else ():
            for at, by in fired.completed:
                group = tuple(str(value) for value in self.groups[key].values())
                self.found.setdefault(rule, set()).add((group, stamp(at)))
                assert by is not None
                self._fired(self.engine.rules[rule], by, stamp(at))


def _found_by_us(rules: RuleSet, last: Rule, events: Sequence[Event]) -> Found:
    run = _Run(Engine(rules))
    for number, event in enumerate(events):
        fields = {**event, "eventTime": event["eventTime"].isoformat()}
        run.hear(Signal("trail", "cloudtrail", "aws.cloudtrail", str(number), event["eventTime"], fields))
    run.settle(datetime.fromtimestamp(FAR, UTC))
    return run.found.get(last.id, set())


def _found_by_both(file: Path, events: Sequence[Event], folder: Path) -> tuple[Found, Found]:
    """What SQLite finds at instants that count for us, and what we find."""
    (folder / "rules.yml").write_text(file.read_text())
    rules = load(folder, NAMES)
    (last,) = (rule for rule in rules if rule.over and not rule.silent)
    counting = _counting(last, rules, events)
    expected = _found_by_sqlite(file, events)
    if counting is not None:
        expected &= counting
    return expected, _found_by_us(rules, last, events)
