"""Signals → matches → what they mean. Matching is pure; what it moves is written in the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from daemon.model import Signal
from daemon.pipeline import open as opening
from daemon.pipeline.open import Detection
from daemon.rules.engine import Engine, Match
from daemon.rules.model import Count
from daemon.rules.window import Verdict, advance, weight
from daemon.store import incidents, signals


@dataclass(frozen=True, slots=True)
class Wanted:
    """A signal that some rule matched."""

    signal: Signal
    matches: tuple[Match, ...]


def sift(engine: Engine, batch: Iterable[Signal], keep_all: bool = False) -> tuple[list[Wanted], list[str]]:
    """The signals that a rule wants, and the ids that none does, each once. No database is touched."""
    wanted: list[Wanted] = []
    unwanted: dict[str, None] = {}
    for signal in batch:
        matches = engine.match(signal)
        if matches or keep_all:
            wanted.append(Wanted(signal, matches))
        if not matches:
            unwanted[signal.id] = None
    return wanted, list(unwanted)


def detect(connection: Connection, detection: Detection, wanted: Sequence[Wanted], now: datetime) -> int:
    """Keeps what is new and lets it open, join, clear. How many were new."""
    new = signals.keep_many(connection, [each.signal for each in wanted if not each.matches], now)
    for each in wanted:
        if not each.matches:
            continue
        row = signals.keep(connection, each.signal, now)
        if row is None:
            continue
        new += 1
        for match in each.matches:
            _apply(connection, detection, match, each.signal, row, now)
    return new


def _apply(connection: Connection, detection: Detection, match: Match, signal: Signal, row: int, now: datetime) -> None:
    if match.rule.silent or match.rule.stage != "live":
        return
    if match.recovered:
        opening.recover(connection, detection, match, signal, row, now)
    elif match.rule.window is None:
        opening.open_or_join(connection, detection, match, signal, (row,), signal.began_at or signal.at, now)
    else:
        _count(connection, detection, match, signal, row, now)


def _count(connection: Connection, detection: Detection, match: Match, signal: Signal, row: int, now: datetime) -> None:
    """Moves the rule's window for this group; while the incident stands open, every match is evidence of it."""
    verdict = _advance(connection, match, signal, row)
    if verdict.fired:
        rows = tuple(int(id) for id in verdict.ids)
        worst = replace(match, severity=verdict.severity or match.severity)
        opening.open_or_join(connection, detection, worst, signal, rows, verdict.first_at or signal.at, now)
    elif opening.is_open(connection, match.key):
        opening.open_or_join(connection, detection, match, signal, (row,), signal.at, now)


def _advance(connection: Connection, match: Match, signal: Signal, row: int) -> Verdict:
    window = match.rule.window
    if not isinstance(window, Count):
        raise TypeError(f"rule {match.rule.id} has no count window")
    before = signals.window(connection, match.rule.id, match.key)
    verdict = advance(window, before, signal.at, str(row), weight(window, signal), match.severity)
    if verdict.state != before:
        signals.save_window(connection, match.rule.id, match.key, verdict.state, signal.at)
    return verdict


def rests_on(connection: Connection, rule: str, row: int) -> bool:
    """Whether an incident of `rule` has this signal as evidence."""
    return incidents.has_evidence(connection, rule, row)
