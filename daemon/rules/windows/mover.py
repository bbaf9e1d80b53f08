"""Moves made ready for a rule, in place. By far the most signals are newer than all before, and leave their window
without enough: that is told by a number or two. Of the others `run` is asked, and shown the spans they belong to; both
ways say the same."""

from __future__ import annotations

import sys
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import TypeAlias

from daemon.model import Json
from daemon.rules.model import Aggregate, Count, Distinct, Ratio, Spike, Window
from daemon.rules.windows import run, silence, trailing
from daemon.rules.windows.document import document_of, read, state_of, written
from daemon.rules.windows.pane import NEVER, Pane, columns_of, fill, id_of, mark, place_in
from daemon.rules.windows.state import LATENESS, Entry, State, Verdict, entries, instant, microseconds

Move: TypeAlias = Callable[[Pane, int, int, int, Json], Verdict | None]
"""By a signal: when it happened, its id and severity, and what the kind looks at. None: it is counted, nothing fires,
nothing is forgotten early, and if the window waits at all, it is due by `at` at the latest."""

_NOTHING = State()

_TIDIED = 128
"""Numbers that a pane grows by before it is looked through for what can be forgotten."""


class Mover:
    """Moves the windows of one rule, of whatever group. Holds no state; safe in several threads."""

    def __init__(self, window: Window, tidied: int = _TIDIED) -> None:
        self.window = window
        self._tidied = tidied
        self._needed = trailing.needed(window)
        self.waits = run.waits(window)
        weighed = isinstance(window, Spike) and window.of != "signals"
        self._in_place = isinstance(window, Count | Distinct | Aggregate | Ratio | Spike) and not weighed
        self._valued = not (isinstance(window, Spike) or (isinstance(window, Count) and window.of == "signals"))
        self._floor = max(1, window.floor) if isinstance(window, Spike) and not weighed else 0
        self.move: Move = self._by_run
        if isinstance(window, Count | Distinct | Aggregate | Ratio | Spike) and not weighed:
            self._within = microseconds(window.within)
            self._kept = self._within + microseconds(LATENESS)
            self._longest = 2 * run.most_kept(window)
            self.move = self._plainly(sys.maxsize) if self.waits else self._hear
        if isinstance(window, Count | Distinct | Aggregate) and not self.waits:
            self._total = trailing.total(window)
            self._most = trailing.most(window)
            self._enough = trailing.enough(window)
        match window:
            case Distinct(count=count) | Count(count=count, of="signals") if count > 1:
                self.move = self._plainly(2 * (count - 1))

    def pane(self, document: Json = None) -> Pane:
        """What is stored of a group, ready to be moved; of none, what a group begins with."""
        pane = Pane("q")
        pane.full = self._tidied
        pane.rest, pane.settled = _NOTHING, NEVER
        if self._valued:
            pane.values = []
        if document is not None:
            self._read(pane, document)
        return pane

    def _read(self, pane: Pane, document: Json) -> None:
        if not self._in_place:
            pane.rest = state_of(self.window, document)
            return
        columns, pane.rest = read(self.window, document)
        pane.settled = NEVER if pane.rest.settled is None else pane.rest.settled
        fill(pane, columns, valued=self._valued)

    def document(self, pane: Pane) -> Json:
        """What is to be stored of it."""
        if not self._in_place:
            return document_of(self.window, pane.rest)
        self._forget_old(pane)
        return written(self.window, columns_of(pane, 0, len(pane) // 2, valued=self._valued), self._rest(pane))

    def state(self, pane: Pane) -> State:
        """What the pane has come to; it stays as it is."""
        if not self._in_place:
            return pane.rest
        state = self._part(pane, 0, len(pane) // 2)
        return run.trimmed(self.window, state, max(pane[-2], pane.settled)) if pane else state

    def newest(self, pane: Pane) -> int:
        """When the newest signal happened that it holds, else up to when it is settled; 0 if there is neither."""
        if pane:
            return pane[-2]
        rest = self._rest(pane) if self._in_place else pane.rest
        return rest.entries[-1].at if rest.entries else rest.settled or 0

    def due(self, pane: Pane) -> int | None:
        """As a verdict's."""
        if pane:
            return pane[2 * place_in(pane, pane.settled + 1)] if self.waits and pane[-2] > pane.settled else None
        return None if self._in_place else run.due(self.window, pane.rest)

    def quiet(self, pane: Pane, at: int | None = None) -> Verdict:
        """The verdict that None stands for, of a signal that happened at `at` or of settling."""
        if self.waits or at is None:
            return Verdict(_NOTHING, due=self.due(pane), needed=0 if at is None else self._needed)
        return Verdict(_NOTHING, (), (), None, self._reached(pane, at), self._needed)

    def _reached(self, pane: Pane, at: int) -> float:
        """How far the spans with the signal that happened at `at` have come."""
        if at < pane[-2]:
            return run.reached(self.window, self._around(pane, at), at)
        first = place_in(pane, at - self._within)
        if not self._valued:
            return len(pane) // 2 - first
        return max(0.0, self._total(pane.values[first:]) or 0.0)

    def settle(self, pane: Pane, upto: int) -> Verdict | None:
        """As `run.settle`, all that happened before `upto` (microseconds) being known. None: it has nothing to say."""
        few, settled = 2 * self._floor, pane.settled
        if (
            few
            and pane
            and settled < upto - 1
            and (len(pane) < few or pane[-few] <= settled - self._within or self._is_still(pane, upto))
        ):
            pane.settled = upto - 1
            return None
        verdict = run.settle(self.window, self.state(pane), instant(upto))
        if not self._in_place:
            pane.rest = verdict.state
        elif verdict.counted:
            pane.settled = upto - 1
        return verdict if not self._in_place else verdict._replace(due=self.due(pane))

    def _is_still(self, pane: Pane, upto: int) -> bool:
        """Whether no span that is not settled yet has reached a spike's floor."""
        floor, settled, ats = self._floor, pane.settled, pane[::2]
        first, last = max(floor - 1, bisect_right(ats, settled)), bisect_left(ats, upto)
        spans = zip(ats[first - floor + 1 :], ats[first:last], strict=False)
        return all(end - begin > self._within for begin, end in spans)

    def _plainly(self, few: int) -> Move:
        """The newest signal, with less than `few` numbers in its span before it: it is added, and that is all."""
        within, valued, otherwise = self._within, self._valued, self._hear

        def move(pane: Pane, at: int, id: int, severity: int, value: Json) -> Verdict | None:
            size = len(pane)
            if size < pane.full and at > pane.settled and (
                not size or (at > pane[-2] and (size < few or pane[-few] < at - within))
            ):  # fmt: skip
                pane.fromlist([at, id << 3 | severity])
                if valued:
                    pane.values.append(value)
                return None
            return otherwise(pane, at, id, severity, value)

        return move

    def _hear(self, pane: Pane, at: int, id: int, severity: int, value: Json) -> Verdict | None:
        """Wherever it belongs: if not even all that shares a span with it is enough, that is all."""
        if len(pane) >= pane.full:
            self._tidy(pane)
        place = self._place(pane, at, id)
        if place is None or not self._stays_below(pane, at, place, value):
            return self._judged(pane, Entry(at, id, severity, value))
        self._put(pane, place, at, mark(id, severity), value)
        return None if len(pane) <= self._longest else self._capped(pane, self.quiet(pane, at))

    def _place(self, pane: Pane, at: int, id: int) -> int | None:
        """Where it belongs; None if it is too late, or not the first of its instant and may have been here before."""
        if at <= pane.settled:
            return None
        if not pane or at > pane[-2] or (at == pane[-2] and id > id_of(pane[-1])):
            return len(pane) // 2
        if not self.waits and at < pane[-2] - self._kept:
            return None
        place = place_in(pane, at)
        return None if pane[2 * place] == at else place

    def _stays_below(self, pane: Pane, at: int, place: int, value: Json) -> bool:
        if self.waits:
            return True
        first = place_in(pane, at - self._within)
        last = place if 2 * place == len(pane) else place_in(pane, at + self._within + 1)
        if not self._valued:
            return not self._enough(last - first + 1)
        if isinstance(self.window, Count) and value <= 0:
            return False
        return not self._enough(self._most([*pane.values[first:last], value]) or 0.0)

    def _judged(self, pane: Pane, entry: Entry) -> Verdict:
        """By `run`, shown what it looks at."""
        if not self.waits and pane and entry.at < pane[-2] - self._kept:
            return Verdict(_NOTHING, counted=False, needed=self._needed)
        around = self._around(pane, entry.at)
        verdict = run.advance(self.window, around, entry)
        if not verdict.counted:
            return verdict._replace(due=self.due(pane))
        place = place_in(pane, entry.at) + bisect_right(around.between(entry.at, entry.at), entry)
        self._put(pane, place, entry.at, mark(entry.id, entry.severity), entry.value)
        return self._capped(pane, verdict)

    def _capped(self, pane: Pane, verdict: Verdict) -> Verdict:
        """Without the oldest, if there are too many."""
        dropped = max(0, len(pane) - self._longest) // 2
        self._forget(pane, dropped)
        return verdict._replace(due=self.due(pane), dropped=dropped) if self.waits or dropped else verdict

    def _around(self, pane: Pane, at: int) -> State:
        """What shares a span with a signal that happens at `at`."""
        return self._part(pane, place_in(pane, at - self._within), place_in(pane, at + self._within + 1))

    def _part(self, pane: Pane, first: int, last: int) -> State:
        ats, ids, severities, values = columns_of(pane, first, last, valued=self._valued)
        _, settled, since, memory = self._rest(pane)
        return State(entries(ats, ids, severities, values or [1] * len(ats)), settled, since, memory)

    def _rest(self, pane: Pane) -> State:
        """All but the entries."""
        _, _, since, memory = pane.rest
        if isinstance(self.window, Spike) and pane:
            since = pane[0] if since is None else min(since, pane[0])
        return State((), None if pane.settled == NEVER else pane.settled, since, memory)

    def _put(self, pane: Pane, place: int, at: int, mark: int, value: Json) -> None:
        pane.insert(2 * place, mark)
        pane.insert(2 * place, at)
        if self._valued:
            pane.values.insert(place, value)

    def _forget(self, pane: Pane, oldest: int) -> None:
        del pane[: 2 * oldest]
        if self._valued:
            del pane.values[:oldest]

    def _tidy(self, pane: Pane) -> None:
        self._forget_old(pane)
        pane.full = min(self._longest, len(pane) + self._tidied)

    def _forget_old(self, pane: Pane) -> None:
        """What `run` would forget."""
        horizon = self._horizon(pane) if pane else 0
        if not pane or pane[0] >= horizon:
            return
        old = place_in(pane, horizon)
        if isinstance(self.window, Spike):
            if len(pane) < self._longest and not silence.worth(old, pane.rest):
                return
            pane.rest = silence.folded(self.window, self._part(pane, 0, old), horizon)._replace(entries=())
        self._forget(pane, old)

    def _horizon(self, pane: Pane) -> int:
        newest, settled = pane[-2], pane.settled
        if not self.waits:
            return newest - self._kept
        return min(max(newest, settled) - self._kept, (pane[0] if settled == NEVER else settled) - self._within)

    def _by_run(self, pane: Pane, at: int, id: int, severity: int, value: Json) -> Verdict:
        verdict = run.advance(self.window, pane.rest, Entry(at, id, severity, value))
        pane.rest = verdict.state
        return verdict
