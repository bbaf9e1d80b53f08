"""Signals → matches → what they mean. Matching is pure; what it moves is written in the caller's transaction."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property

from sqlalchemy import Connection

from daemon.desk import hearing, opening
from daemon.desk.telling import tell
from daemon.model import SHADOW_KEY, Incident, Json, Signal
from daemon.pipeline.open import SHADOW, Detection, opening_again, opening_of
from daemon.pipeline.sift import Wanted, thinned
from daemon.pipeline.waiting import Waiting
from daemon.rules import windows as window_of
from daemon.rules.engine import Engine, Match
from daemon.rules.explain import explain
from daemon.rules.model import Rule
from daemon.rules.model import Sequence as Steps
from daemon.rules.windows import LATENESS, Firing, Pane, Verdict
from daemon.rules.windows.state import MICROSECOND, instant, stamp
from daemon.store import incidents, polls, signals, windows
from daemon.store.incidents import Proof
from daemon.store.windows import Judgement, Kept
from daemon.trace import Ids

log = logging.getLogger("heliograph.detect")

_RECOVERED = "recovered"
"""Stands where a window's rule does, in the row that remembers recoveries for what is still on its way."""

_MOST_RECOVERIES = 200

_EARLIEST, _LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def detect(
    connection: Connection, detection: Detection, engine: Engine, wanted: Sequence[Wanted], now: datetime,
    brought_by: Ids | None = None,
) -> Detected:  # fmt: skip
    """Keeps what is new and lets it open, join, clear. `brought_by`: the poll or the push, in a trace of its own."""
    done = Detecting(connection, detection, engine, now, brought_by=brought_by)
    new = signals.keep_many(connection, [each.signal for each in wanted if not each.matches], now)
    heard = done.thin([each for each in wanted if each.matches])
    for each, row in zip(heard, done.take(heard), strict=True):
        if row is not None:
            new += 1
            done.hear(each, row)
    done.flush()
    return Detected(new, done.matched, done.dropped, done.spared)


@dataclass(frozen=True, slots=True)
class Detected:
    new: int
    """Signals that had not been seen before."""
    matched: Mapping[str, int]
    """How many of them, by rule."""
    dropped: Mapping[str, int]
    """By rule: what its windows forgot because a cap bit."""
    spared: int = 0
    """Beats that were neither kept nor heard: they change no silence."""


@dataclass
class Detecting:
    """What one transaction detects. It is the only one that writes, so what it has read once it knows: windows are read
    once, and written when `flush` says so."""

    connection: Connection
    detection: Detection
    engine: Engine
    now: datetime
    matched: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    spared: int = 0
    brought_by: Ids | None = None
    _hearing: Signal | None = None
    """The one that is being heard, for the log."""
    _panes: dict[tuple[str, str], Pane] = field(default_factory=dict)
    _moved: dict[tuple[str, str], Mapping[str, Json]] = field(default_factory=dict)
    """Windows that have moved, each with its group."""
    _unwritten: dict[tuple[str, str], Mapping[str, Json]] = field(default_factory=dict)
    """Those that moved, and are put aside to be written."""
    _waiting: Waiting | None = None
    """All that wait, for who asks again and again; None: nobody has asked."""
    _recovering: dict[tuple[str, str], Kept] = field(default_factory=dict)
    _judged: list[Judgement] = field(default_factory=list)
    _happened: dict[int, datetime] = field(default_factory=dict)
    """When signals did, by their rows."""
    _unheard_of: set[str] = field(default_factory=set)
    """Keys of which there is no incident at all."""
    _soonest: datetime = field(default=_EARLIEST)
    """Nothing that waits has anything to say before this instant of event time."""
    _has_moved: bool = True
    """Something did since that was asked: it may be later."""
    _clears: datetime | None = None
    """When the first open incident clears by quiet; None: to be asked."""
    _none_is_held: bool = False

    @cached_property
    def watermarks(self) -> Mapping[str, datetime | None]:
        return polls.watermarks(self.connection)

    def read_to(self, sources: Iterable[str]) -> datetime | None:
        """Up to when all of these have been read; None while one fails, or if there is none."""
        marks = [self.watermarks.get(name) for name in sources]
        known = [mark for mark in marks if mark is not None]
        return min(known) if known and len(known) == len(marks) else None

    def thin(self, wanted: Sequence[Wanted]) -> list[Wanted]:
        """Without the beats that would change nothing. They count as matched."""
        self._load(match for each in wanted if each.beat for match in each.matches)
        told, spared = thinned(wanted, lambda match: self.engine.mover(match.rule.id).state(self._pane(match)))
        self.spared += len(spared)
        for each in spared:
            self._count(each)
        return told

    def take(self, wanted: Sequence[Wanted]) -> list[int | None]:
        """Keeps them, and reads the windows that they will move. The row of each; None of what was seen before."""
        new = signals.keep(self.connection, [each.signal for each in wanted], self.now)
        rows = [new.pop((each.signal.source, each.signal.id), None) for each in wanted]
        self._load(match for each, row in zip(wanted, rows, strict=True) if row is not None for match in each.matches)
        return rows

    def _load(self, matches: Iterable[Match]) -> None:
        windowed = ((match.rule.id, match.key) for match in matches if match.rule.window is not None)
        keys = [key for key in dict.fromkeys(windowed) if key not in self._panes]
        known = windows.get(self.connection, keys)
        for key in keys:
            self._panes[key] = self._pane_of(key[0], known.get(key))

    def next_due(self, before: datetime) -> datetime | None:
        """When, in event time, the first of what waits has something to say; None if that is not before `before`."""
        if self._soonest < before and self._has_moved:
            self._clears = self._clears or incidents.next_clear(self.connection) or _LATEST
            due = self._all_waiting().next_due()
            self._soonest = self._clears if due is None else min(instant(due), self._clears)
            self._has_moved = False
        return self._soonest if self._soonest < before else None

    def due(self, mark: datetime) -> list[Kept]:
        """Windows that have something to say once all of their sources are read up to `mark`."""
        if self._waiting is None:
            return windows.due(self.connection, mark)
        return self._all_waiting().due(stamp(mark))

    def _all_waiting(self) -> Waiting:
        if self._waiting is None:
            self._write_windows()
            self._waiting = Waiting(windows.due(self.connection, _LATEST))
        self._put_aside()
        return self._waiting

    def touched(self) -> None:
        """An incident may have changed, and with it when it clears and whether it is held."""
        self._soonest, self._has_moved, self._clears, self._none_is_held = _EARLIEST, True, None, False

    def quiet(self) -> list[Incident]:
        """Open incidents that have been quiet for long enough, as far as the sources are read."""
        mark = max((mark for mark in self.watermarks.values() if mark is not None), default=_EARLIEST)
        if self._clears is not None and mark < self._clears:
            return []
        return [incident for incident, _ in incidents.quiet(self.connection, self.watermarks)]

    def held(self) -> list[Incident]:
        """Open incidents of which nothing is set going yet."""
        found = [] if self._none_is_held else incidents.held(self.connection)
        self._none_is_held = not found
        return found

    def flush(self) -> None:
        self._write_windows()
        windows.judge(self.connection, self._judged)
        self._judged.clear()

    def _put_aside(self) -> None:
        """What has moved waits for something else now, and is still to be written."""
        if self._waiting is not None:
            for (rule, key), group in self._moved.items():
                self._waiting.move((rule, key), group, self.engine.mover(rule).due(self._panes[rule, key]))
        self._unwritten |= self._moved
        self._moved.clear()

    def _write_windows(self) -> None:
        self._put_aside()
        moved = [self._kept(rule, key, group) for (rule, key), group in self._unwritten.items()]
        windows.put(self.connection, [*moved, *self._recovering.values()])
        self._unwritten.clear()
        self._recovering.clear()

    def hear(self, wanted: Wanted, row: int) -> None:
        """What each rule that matched makes of a new signal."""
        self._hearing = wanted.signal
        self._happened[row] = wanted.signal.at
        self._count(wanted)
        for match in wanted.matches:
            self._hear(match, wanted.signal, row)

    def _count(self, wanted: Wanted) -> None:
        for match in wanted.matches:
            self.matched[match.rule.id] = self.matched.get(match.rule.id, 0) + 1

    def _hear(self, match: Match, signal: Signal, row: int) -> None:
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
        mover, pane = self.engine.mover(match.rule.id), self._pane(match)
        verdict = mover.move(pane, at, row, match.severity, value) or mover.quiet(pane, at)
        self._keep(match.rule, match.key, match.group, verdict)
        if verdict.counted:
            self._apply(match, signal, row, verdict)
            if not verdict.firings:
                self._joined(match, row, instant(at), verdict)
        else:
            self._judge(match, row, "uncounted", {"why": "it came too late, twice, or weighs nothing"})

    def _pane_of(self, rule: str, kept: Kept | None) -> Pane:
        return self.engine.mover(rule).pane(kept.state if kept else None)

    def _pane(self, match: Match) -> Pane:
        return self._pane_at(match.rule.id, match.key)

    def _pane_at(self, rule: str, group: str, kept: Kept | None = None) -> Pane:
        """`kept`: what is known of it; what waits in memory is known without its state."""
        key = (rule, group)
        if key not in self._panes:
            whole = kept if kept and kept.state is not None else windows.get(self.connection, [key]).get(key)
            self._panes[key] = self._pane_of(rule, whole)
        return self._panes[key]

    def _keep(self, rule: Rule, key: str, group: Mapping[str, Json], verdict: Verdict) -> None:
        if verdict.dropped:
            self.dropped[rule.id] = self.dropped.get(rule.id, 0) + verdict.dropped
        if verdict.counted:
            self._moved[rule.id, key] = group
            due = _LATEST if verdict.due is None else instant(verdict.due)
            self._soonest, self._has_moved = min(self._soonest, due), True

    def _kept(self, rule: str, key: str, group: Mapping[str, Json]) -> Kept:
        """Written once, however often it moved."""
        mover, pane = self.engine.mover(rule), self._panes[rule, key]
        due, newest = mover.due(pane), instant(mover.newest(pane))
        return Kept(rule, key, mover.document(pane), newest, group, None if due is None else instant(due))

    def _apply(self, match: Match, signal: Signal | None, row: int, verdict: Verdict) -> None:
        """Lets what a window says happen, in event time."""
        for fired in verdict.firings:
            self._fire(match, signal, row, fired)

    def _joined(self, match: Match, row: int, at: datetime, verdict: Verdict) -> None:
        """A signal by which its window has not enough: evidence of what is open already, where the kind says so."""
        told = {"count": verdict.total, "of": verdict.needed}
        joins = window_of.joins(match.rule.window) and not match.rule.silent
        standing = self._latest(match.incident) if joins else None
        proof = Proof(row, match.rule.id, at, match.severity, fired=False)
        if standing is None or not self._prolong(standing, [proof]):
            waits = verdict.due is not None
            self._judge(match, row, "waiting" if waits else "below", {} if waits else told)
            return
        self.touched()
        self._judge(match, row, "joined", told, standing.id)

    def _latest(self, key: str) -> Incident | None:
        if key in self._unheard_of:
            return None
        found = incidents.latest(self.connection, key)
        if found is None:
            self._unheard_of.add(key)
        return found

    def _join_later(self, match: Match, fired: Firing) -> None:
        """What had not enough by itself, and happened after what now has: it came too early to join."""
        joins = window_of.joins(match.rule.window)
        standing = incidents.standing(self.connection, match.incident) if joins else None
        if standing is None:
            return
        known, first = set(fired.ids), stamp(fired.first_at)
        later = [
            Proof(entry.id, match.rule.id, instant(entry.at), entry.severity, fired=False)
            for entry in self.engine.mover(match.rule.id).state(self._pane(match)).entries
            if entry.id not in known and entry.at > first
        ]
        if later:
            self._prolong(standing, later)

    def _prolong(self, incident: Incident, proofs: Sequence[Proof]) -> bool:
        return hearing.prolong(self.connection, self.detection.terms, incident, proofs, self, self.now)

    def _fire(self, match: Match, signal: Signal | None, row: int, fired: Firing) -> None:
        """The rule has enough: rules over it see that, and unless it is silent an incident opens or goes on."""
        for at, by in fired.completed:
            for rule, number in self.engine.over.get(match.rule.id, ()):
                self._feed(rule, number, match, signal if by == row else None, by, at)
        if match.rule.silent:
            self._judge(match, row, "silent", {"count": fired.total})
            return
        worst = match._replace(severity=min(fired.severity, match.severity))
        self._open(worst, signal, row, fired)
        self._join_later(match, fired)

    def _feed(self, rule: Rule, number: int, match: Match, signal: Signal | None, by: int | None, at: datetime) -> None:
        if signal is None and by:
            signal = signals.by_row(self.connection, [by]).get(by)
        if signal is None:
            over = self.engine.silence(rule.id, {part: match.group.get(part) for part in rule.group_by})
            value: Json = number if isinstance(rule.window, Steps) else 1
        else:
            over = self.engine.word_over(rule.id, number, signal)
            value = self.engine.weighs(over, number, signal)
        self._move(over, signal, by or 0, stamp(at), value)

    def _open(self, match: Match, signal: Signal | None, row: int, fired: Firing) -> None:
        proofs = self._proofs(match, signal, row, fired)
        told = opening_of(self.detection, match, signal, fired.at, fired.first_at, proofs, self.brought_by)
        incident, outcome = hearing.open_or_join(
            self.connection, self.detection.terms, self._held(told), self, self.now
        )
        self._unheard_of.discard(told.key)
        self.touched()
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

    def _proofs(self, match: Match, signal: Signal | None, row: int, fired: Firing) -> tuple[Proof, ...]:
        """Every signal that the firing rests on; those by which it came to have enough have fired."""
        if fired.ids == (row,) and signal is not None:
            return (Proof(row, match.rule.id, signal.at, match.severity),)
        rests_on = [id for id in fired.ids if id > 0]
        at = self._happened
        at |= signals.instants(self.connection, [id for id in rests_on if id not in at])
        enough = {by for _, by in fired.completed}
        return tuple(Proof(id, match.rule.id, at[id], match.severity, fired=id in enough) for id in rests_on)

    def _held(self, told: opening.Opening) -> opening.Opening:
        if told.key.startswith(SHADOW_KEY):
            return replace(told, held=SHADOW)
        return replace(told, held=self.detection.hold(self.connection, told, self.now))

    def _recovered(self, match: Match, row: int, at: datetime, why: str) -> None:
        proof = Proof(row, match.rule.id, at, match.severity, fired=False, recovered=True)
        said = hearing.RECOVERED if row else why
        ended = hearing.over(self.connection, self.detection.terms, match.incident, proof, self, self.now, said)
        self.touched()
        if row:
            self._remember(match, proof)
        self._judge(match, row, "recovered" if ended else "nothing_open", {"why": why}, ended.id if ended else None)

    def _remember(self, match: Match, proof: Proof) -> None:
        """For what happened before and is still on its way."""
        kept = self._recoveries(match.incident)
        known = [*(kept.state if kept else ()), [proof.signal, stamp(proof.at), proof.rule]]
        newest = max(at for _, at, _ in known)
        oldest = newest - LATENESS // MICROSECOND
        recent = sorted((each for each in known if each[1] >= oldest), key=lambda each: (each[1], each[0]))
        key = (_RECOVERED, match.incident)
        self._recovering[key] = Kept(*key, recent[-_MOST_RECOVERIES:], instant(newest), {})

    def _recoveries(self, incident: str) -> Kept | None:
        key = (_RECOVERED, incident)
        return self._recovering.get(key) or windows.get(self.connection, [key]).get(key)

    def recoveries(self, key: str) -> Sequence[Proof]:
        """What said of late that the trouble of `key` is gone."""
        kept = self._recoveries(key)
        known = kept.state if kept else ()
        return [Proof(row, rule, instant(at), fired=False, recovered=True) for row, at, rule in known if row]

    def rests_on(self, rule: str) -> timedelta:
        """How far back a firing of the rule looks."""
        known = self.engine.rules.get(rule)
        length: timedelta = getattr(known.window, "within", timedelta(0)) if known else timedelta(0)
        return length

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
            self._has_moved = True
            if self._waiting is not None:
                self._waiting.move((kept.rule, kept.key), kept.group, None)
            return True
        mark = self.read_to(self.detection.watched(rule.sources))
        if mark is None or kept.due_at is None or mark <= kept.due_at:
            return False
        mover, pane = self.engine.mover(rule.id), self._pane_at(rule.id, kept.key, kept)
        verdict = mover.settle(pane, stamp(mark)) or mover.quiet(pane)
        self._keep(rule, kept.key, kept.group, verdict)
        for fired in verdict.firings:
            self._fire(*self._told_by(rule, kept, fired), fired)
        for at, by in verdict.recovered:
            self._recovered(self.engine.silence(rule.id, kept.group), by or 0, at, "it is heard again")
        return verdict.counted

    def _told_by(self, rule: Rule, kept: Kept, fired: Firing) -> tuple[Match, Signal | None, int]:
        """The rule's word on the signal by which it has enough; on the group where that is a silence."""
        row = next((by for _, by in fired.completed if by), 0)
        signal = signals.by_row(self.connection, [row]).get(row) if row else None
        if signal is None:
            return self.engine.silence(rule.id, kept.group), None, 0
        match = self.engine.word(rule.id, signal)
        return match._replace(group=kept.group, key=kept.key), signal, row

    def _judge(
        self, match: Match, row: int, outcome: str, detail: Mapping[str, Json], incident: str | None = None
    ) -> None:
        self._judged.append(Judgement(row or None, match.rule.id, match.incident, outcome, incident, detail, self.now))
        heard = self._hearing
        tell(
            self.connection, log, logging.DEBUG, f"signal {outcome}", rule=match.rule.id, incident=incident or "",
            source=heard.source if heard else "", signal=heard.id if heard else "",
        )  # fmt: skip
