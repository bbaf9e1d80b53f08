"""Which of the signals that were brought a rule wants, and which of those must be heard one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from daemon.model import Signal
from daemon.rules import windows
from daemon.rules.engine import Engine, Match
from daemon.rules.model import Absent
from daemon.rules.windows import State
from daemon.rules.windows.state import stamp


@dataclass(frozen=True, slots=True)
class Wanted:
    """A signal that some rule matched."""

    signal: Signal
    matches: tuple[Match, ...]
    beat: bool = False
    """No rule wants more of it than that its group was heard; it need not be kept if others say as much."""


def sift(engine: Engine, batch: Iterable[Signal], keep_all: bool = False) -> tuple[list[Wanted], list[str]]:
    """The signals that a rule wants, and the ids that none does, each once. No database is touched."""
    wanted: list[Wanted] = []
    unwanted: dict[str, None] = {}
    for signal in batch:
        matches = engine.match(signal)
        if matches or keep_all:
            wanted.append(Wanted(signal, matches, not keep_all and bool(matches) and all(map(_only_heard, matches))))
        if not matches:
            unwanted[signal.id] = None
    return wanted, list(unwanted)


def _only_heard(match: Match) -> bool:
    return isinstance(match.rule.window, Absent) and not match.recovered


def thinned(wanted: Sequence[Wanted], state: Callable[[Match], State]) -> tuple[list[Wanted], list[Wanted]]:
    """Those of one source's batch that must be heard, and the beats that would change nothing: each once, and none that
    any of its rules must hear. `state`: what the window of a beat's match remembers."""
    groups: dict[tuple[str, str], tuple[Match, dict[int, str]]] = {}
    for each in wanted:
        for match in each.matches if each.beat else ():
            _, ids = groups.setdefault((match.rule.id, match.key), (match, {}))
            ids[stamp(each.signal.at)] = each.signal.id
    telling = {id for match, ids in groups.values() for id in _telling(match, state(match), ids)}
    spared = {each.signal.id: each for each in wanted if each.beat and each.signal.id not in telling}
    return [each for each in wanted if each.signal.id not in spared], list(spared.values())


def _telling(match: Match, state: State, ids: dict[int, str]) -> Iterable[str]:
    assert isinstance(match.rule.window, Absent)
    return (ids[at] for at in windows.telling(match.rule.window, state, ids))
