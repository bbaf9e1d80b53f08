"""Signals → matches → what they mean. Matching is pure; what it moves is written in the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from sqlalchemy import Connection

from daemon.desk import opening
from daemon.model import SHADOW_KEY, Incident, Json, Signal
from daemon.pipeline.open import SHADOW, Detection, opening_again, opening_of
from daemon.rules import windows as window_of
from daemon.rules.engine import Engine, Match
from daemon.rules.explain import explain
from daemon.rules.model import Rule, Window
from daemon.rules.model import Sequence as Steps
from daemon.rules.windows import LATENESS, Entry, Firing, Verdict
from daemon.rules.windows.state import MICROSECOND, State, document_of, instant, stamp, state_of
from daemon.store import incidents, polls, signals, windows
from daemon.store.incidents import Proof
from daemon.store.windows import Judgement, Kept

_RECOVERED = "recovered"
"""Stands where a window's rule does, in the row that remembers recoveries for what is still on its way."""

_MOST_RECOVERIES = 200


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


def detect(
    connection: Connection, detection: Detection, engine: Engine, wanted: Sequence[Wanted], now: datetime
) -> Detected:
    """Keeps what is new and lets it open, join, clear."""
    done = Detecting(connection, detection, engine, now)
    new = signals.keep_many(connection, [each.signal for each in wanted if not each.matches], now)
    heard = [each for each in wanted if each.matches]
    done.load([match for each in heard for match in each.matches])
    for each in heard:
        row = signals.keep(connection, each.signal, now)
        if row is None:
            continue
        new += 1
        for match in each.matches:
            done.hear(match, each.signal, row)
    done.flush()
    return Detected(new, done.dropped)


@dataclass(frozen=True, slots=True)
class Detected:
    new: int
    """Signals that had not been seen before."""
    dropped: Mapping[str, int]
    """By rule: what its windows forgot because a cap bit."""


class _Moved(NamedTuple):
    """Of a window whose state is to be written."""

    group: Mapping[str, Json]
    due: int | None


@dataclass
class Detecting:
    """What one transaction detects. Windows are read once and written once."""

    connection: Connection
    detection: Detection
    engine: Engine
    now: datetime
    dropped: dict[str, int] = field(default_factory=dict)
    _states: dict[tuple[str, str], State] = field(default_factory=dict)
    _moved: dict[tuple[str, str], _Moved] = field(default_factory=dict)
    _recovering: dict[tuple[str, str], Kept] = field(default_factory=dict)
    _judged: list[Judgement] = field(default_factory=list)

    @cached_property
    def watermarks(self) -> Mapping[str, datetime | None]:
        return polls.watermarks(self.connection)

    def read_to(self, sources: Iterable[str]) -> datetime | None:
        """Up to when all of these have been read; None while one fails, or if there is none."""
        marks = [self.watermarks.get(name) for name in sources]
        known = [mark for mark in marks if mark is not None]
        return min(known) if known and len(known) == len(marks) else None

    def load(self, matches: Iterable[Match]) -> None:
        keys = dict.fromkeys((match.rule.id, match.key) for match in matches if match.rule.window is not None)
        for key, kept in windows.get(self.connection, list(keys)).items():
            self._states[key] = state_of(self._window(key[0]), kept.state)

    def flush(self) -> None:
        moved = [self._kept(rule, key, to) for (rule, key), to in self._moved.items()]
        windows.put(self.connection, [*moved, *self._recovering.values()])
        windows.judge(self.connection, self._judged)
        self._moved.clear()
        self._recovering.clear()
        self._judged.clear()

    def hear(self, match: Match, signal: Signal, row: int) -> None:
        """One rule's match on a signal of its own."""
        if match.recovered:
            self._recovered(match, row, signal.at, f"{signal.type} says so")
        elif match.rule.window is None:
            began = min(signal.began_at or signal.at, signal.at)
            fired = Firing(signal.at, (row,), match.severity, began, ((signal.at, row),), 1)
            self._fire(match, signal, row, fired)
        else:
            self._move(match, signal, row, stamp(signal.at), self.engine.seen(match.rule, signal))

    def _move(self, match: Match, signal: Signal | None, row: int, at: int, value: Json) -> None:
        """Moves the rule's window for this group by one signal."""
        if value is None:
            self._judge(match, row, "below", {"why": "the signal has not what the window looks at"})
            return
        before = self._state(match)
        verdict = self.engine.mover(match.rule.id).advance(before, Entry(at, row, match.severity, value))
        self._keep(match.rule, match.key, match.group, before, verdict)
        if verdict.counted:
            self._apply(match, signal, row, verdict)
            if not verdict.firings:
                self._joined(match, row, instant(at), verdict)
        else:
            self._judge(match, row, "uncounted", {"why": "it came too late, twice, or weighs nothing"})

    def _window(self, rule: str) -> Window:
        window = self.engine.rules[rule].window
        assert window is not None
        return window

    def _state(self, match: Match) -> State:
        key = (match.rule.id, match.key)
        if key not in self._states:
            kept = windows.get(self.connection, [key]).get(key)
            self._states[key] = state_of(self._window(match.rule.id), kept.state if kept else None)
        return self._states[key]

    def _keep(self, rule: Rule, key: str, group: Mapping[str, Json], before: State, verdict: Verdict) -> None:
        if verdict.dropped:
            self.dropped[rule.id] = self.dropped.get(rule.id, 0) + verdict.dropped
        self._states[rule.id, key] = verdict.state
        if verdict.state is not before:
            self._moved[rule.id, key] = _Moved(group, verdict.due)

    def _kept(self, rule: str, key: str, moved: _Moved) -> Kept:
        """Written once, however often it moved."""
        state = self._states[rule, key]
        newest = state.entries[-1].at if state.entries else state.settled or 0
        due = None if moved.due is None else instant(moved.due)
        return Kept(rule, key, document_of(self._window(rule), state), instant(newest), moved.group, due)

    def _apply(self, match: Match, signal: Signal | None, row: int, verdict: Verdict) -> None:
        """Lets what a window says happen, in event time."""
        for fired in verdict.firings:
            self._fire(match, signal, row, fired)

    def _joined(self, match: Match, row: int, at: datetime, verdict: Verdict) -> None:
        """A signal by which its window has not enough: evidence of what is open already, where the kind says so."""
        told = {"count": verdict.total, "of": verdict.needed}
        joins = window_of.joins(match.rule.window) and not match.rule.silent
        standing = incidents.latest(self.connection, match.incident) if joins else None
        proof = Proof(row, match.rule.id, at, match.severity, fired=False)
        if standing is None or not opening.prolong(self.connection, standing, proof, match.rule.clear.quiet_for):
            waits = verdict.due is not None
            self._judge(match, row, "waiting" if waits else "below", {} if waits else told)
            return
        self._judge(match, row, "joined", told, standing.id)

    def _join_later(self, match: Match, fired: Firing) -> None:
        """What had not enough by itself, and happened after what now has: it came too early to join."""
        standing = incidents.standing(self.connection, match.incident)
        if standing is None or not window_of.joins(match.rule.window):
            return
        known = set(fired.ids)
        for entry in self._state(match).entries:
            if instant(entry.at) > fired.first_at and entry.id not in known:
                proof = Proof(entry.id, match.rule.id, instant(entry.at), entry.severity, fired=False)
                opening.prolong(self.connection, standing, proof, match.rule.clear.quiet_for)

    def _fire(self, match: Match, signal: Signal | None, row: int, fired: Firing) -> None:
        """The rule has enough: rules over it see that, and unless it is silent an incident opens or goes on."""
        for at, by in fired.completed:
            for rule, number in self.engine.over.get(match.rule.id, ()):
                self._feed(rule, number, match, signal if by == row else None, by, at)
        if match.rule.silent:
            self._judge(match, row, "silent", {"count": fired.total})
            return
        worst = replace(match, severity=min(fired.severity, match.severity))
        self._open(worst, signal, row, fired)
        self._join_later(match, fired)

    def _feed(self, rule: Rule, number: int, match: Match, signal: Signal | None, by: int | None, at: datetime) -> None:
        if signal is None and by:
            signal = signals.by_row(self.connection, [by]).get(by)
        if signal is None:
            over = self.engine.silence(rule.id, {part: match.group.get(part) for part in rule.group_by})
        else:
            over = self.engine.word_over(rule.id, number, signal)
        value = number if isinstance(rule.window, Steps) else self.engine.seen(rule, signal) if signal else 1
        self._move(over, signal, by or 0, stamp(at), value)

    def _open(self, match: Match, signal: Signal | None, row: int, fired: Firing) -> None:
        proofs = self._proofs(match, signal, row, fired)
        told = opening_of(self.detection, match, signal, fired.at, fired.first_at, proofs)
        incident, outcome = opening.open_or_join(self.connection, self.detection.terms, self._held(told), self.now)
        detail: dict[str, Json] = {"count": fired.total} if match.rule.window else {}
        if outcome in ("opened", "reopened") and signal is not None and not match.rule.over:
            detail["explained"] = explain(match.rule, signal).to_json()
        held = incident.held
        if held is not None and outcome != "old":
            detail |= {"held": dict(held), "would": outcome}
            outcome_ = "shadow" if held.get("by") == "shadow" else "held"
        else:
            outcome_ = outcome
        self._judge(match, row, outcome_, detail, incident.id)
        if match.rule.clear.recovery or match.rule.clear.match:
            self._was_over(match, fired.at)

    def _proofs(self, match: Match, signal: Signal | None, row: int, fired: Firing) -> tuple[Proof, ...]:
        """Every signal that the firing rests on; those by which it came to have enough have fired."""
        if fired.ids == (row,) and signal is not None:
            return (Proof(row, match.rule.id, signal.at, match.severity),)
        rests_on = [id for id in fired.ids if id > 0]
        at = signals.instants(self.connection, rests_on)
        enough = {by for _, by in fired.completed}
        return tuple(Proof(id, match.rule.id, at[id], match.severity, fired=id in enough) for id in rests_on)

    def _held(self, told: opening.Opening) -> opening.Opening:
        if told.key.startswith(SHADOW_KEY):
            return replace(told, held=SHADOW)
        return replace(told, held=self.detection.hold(self.connection, told, self.now))

    def _recovered(self, match: Match, row: int, at: datetime, why: str) -> None:
        proof = Proof(row, match.rule.id, at, match.severity, fired=False, recovered=True)
        ended = opening.over(
            self.connection, self.detection.terms, match.incident, proof,
            self.read_to(self.detection.watched(match.rule.sources)), self.retell, self.now,
        )  # fmt: skip
        self._remember(match, proof)
        self._judge(match, row, "recovered" if ended else "nothing_open", {"why": why}, ended.id if ended else None)

    def _remember(self, match: Match, proof: Proof) -> None:
        """For what happened before and is still on its way."""
        kept = self._recoveries(match)
        known = [*(kept.state if kept else ()), [proof.signal, stamp(proof.at), proof.rule]]
        newest = max(at for _, at, _ in known)
        oldest = newest - LATENESS // MICROSECOND
        recent = sorted((each for each in known if each[1] >= oldest), key=lambda each: (each[1], each[0]))
        key = (_RECOVERED, match.incident)
        self._recovering[key] = Kept(*key, recent[-_MOST_RECOVERIES:], instant(newest), {})

    def _recoveries(self, match: Match) -> Kept | None:
        key = (_RECOVERED, match.incident)
        return self._recovering.get(key) or windows.get(self.connection, [key]).get(key)

    def _was_over(self, match: Match, at: datetime) -> None:
        """What happened may be known to have recovered since."""
        kept = self._recoveries(match)
        later = [each for each in (kept.state if kept else ()) if each[1] >= stamp(at)]
        if later:
            row, when, rule = later[0]
            proof = Proof(row, rule, instant(when), match.severity, fired=False, recovered=True)
            opening.over(self.connection, self.detection.terms, match.incident, proof, None, self.retell, self.now)

    def retell(self, incident: Incident, proof: Proof | None) -> opening.Opening:
        """What a signal that is evidence of an incident means, said again: an episode began with it. The incident keeps
        its key, whatever became of its rule."""
        proofs = () if proof is None else (proof,)
        told = opening_again(self.connection, incident, proofs)
        rule = self.engine.rules.get(proof.rule) if proof else None
        if proof is not None and rule is not None and not rule.over:
            signal = signals.by_row(self.connection, [proof.signal])[proof.signal]
            anew = opening_of(self.detection, self.engine.word(rule.id, signal), signal, proof.at, proof.at, proofs)
            worst = min(anew.severity, proof.severity)
            told = replace(anew, key=incident.key, group=incident.group, severity=worst)
        return self._held(told)

    def settle(self, kept: Kept) -> bool:
        """Lets a window say what has become certain. Whether it moved."""
        rule = self.engine.rules.get(kept.rule)
        if rule is None or rule.window is None:
            windows.forget(self.connection, kept.rule, kept.key)
            return True
        mark = self.read_to(self.detection.watched(rule.sources))
        if mark is None or kept.due_at is None or mark <= kept.due_at:
            return False
        before = state_of(rule.window, kept.state)
        verdict = self.engine.mover(rule.id).settle(before, mark)
        self._keep(rule, kept.key, kept.group, before, verdict)
        for fired in verdict.firings:
            self._fire(*self._told_by(rule, kept, fired), fired)
        for at, by in verdict.recovered:
            self._recovered(self.engine.silence(rule.id, kept.group), by or 0, at, "it is heard again")
        return verdict.state is not before

    def _told_by(self, rule: Rule, kept: Kept, fired: Firing) -> tuple[Match, Signal | None, int]:
        """The rule's word on the signal by which it has enough; on the group where that is a silence."""
        row = next((by for _, by in fired.completed if by), 0)
        signal = signals.by_row(self.connection, [row]).get(row) if row else None
        if signal is None:
            return self.engine.silence(rule.id, kept.group), None, 0
        match = self.engine.word(rule.id, signal)
        return replace(match, group=kept.group, key=kept.key), signal, row

    def _judge(
        self, match: Match, row: int, outcome: str, detail: Mapping[str, Json], incident: str | None = None
    ) -> None:
        self._judged.append(Judgement(row or None, match.rule.id, match.incident, outcome, incident, detail, self.now))
