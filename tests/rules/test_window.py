"""The `count` window: event time, any order of arrival, bounded state."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.model import Json
from daemon.rules.model import Count
from daemon.rules.window import Verdict, advance, cap

START = datetime(2026, 7, 1, 12, tzinfo=UTC)
THREE = Count(3, timedelta(minutes=5))


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def feed(window: Count, *minutes: float) -> list[Verdict]:
    """A signal at each minute, in the order in which they arrive, named by its place."""
    state: Json = None
    verdicts = []
    for number, minute in enumerate(minutes):
        verdicts.append(advance(window, state, at(minute), str(number)))
        state = verdicts[-1].state
    return verdicts


def test_the_last_of_the_count_fires() -> None:
    """And names all that it rests on, and when that began."""
    before, nearly, verdict = feed(THREE, 0, 2, 4)

    assert (False, False, True) == (before.fired, nearly.fired, verdict.fired)
    assert (("0", "1", "2"), at(0), 3) == (verdict.ids, verdict.first_at, verdict.total)


def test_both_ends_belong_to_the_window() -> None:
    """Exactly five minutes apart is within five minutes; a microsecond more is not."""
    assert feed(THREE, 0, 2, 5)[-1].fired
    late = advance(THREE, feed(THREE, 0, 2)[-1].state, at(5) + timedelta(microseconds=1), "x")
    assert not late.fired


def test_a_late_signal_counts_when_it_happened() -> None:
    """The window is one of events, not of arrivals."""
    verdict = feed(THREE, 0, 30, 4, 2)[-1]

    assert (True, ("0", "3", "2")) == (verdict.fired, verdict.ids)


@pytest.mark.parametrize("order", list(permutations((0.0, 2.0, 4.0, 9.0))))
def test_order_of_arrival_changes_no_evidence(order: tuple[float, ...]) -> None:
    """In whichever order four signals arrive, the same three are what it rests on."""
    verdicts = feed(THREE, *order)
    evidence = {order[int(id)] for verdict in verdicts for id in verdict.ids}

    assert {0.0, 2.0, 4.0} == evidence


def test_a_signal_counts_once() -> None:
    """Seeing it twice is harmless."""
    state = advance(THREE, None, at(0), "a").state
    state = advance(THREE, state, at(1), "b").state

    assert Verdict(state) == advance(THREE, state, at(1), "b")


def test_what_weighs_nothing_changes_nothing() -> None:
    """A change of state without a new event is not an event."""
    assert Verdict(None) == advance(THREE, None, at(0), "a", weight=0)


def test_weights_are_added() -> None:
    """With `of: count_delta` one signal may stand for many events."""
    window = Count(100, timedelta(minutes=5), "count_delta")
    first = advance(window, None, at(0), "a", weight=60)
    verdict = advance(window, first.state, at(2), "b", weight=40)

    assert (False, True, 100) == (first.fired, verdict.fired, verdict.total)


def test_the_worst_severity_of_the_evidence_counts() -> None:
    """Not that of the signal that happened to fill the count."""
    state = advance(THREE, None, at(0), "a", severity=1).state
    state = advance(THREE, state, at(1), "b", severity=3).state

    assert 1 == advance(THREE, state, at(2), "c", severity=3).severity


def test_what_comes_too_late_is_left_out() -> None:
    """Lateness is bounded, so state is."""
    state = feed(THREE, 0)[-1].state

    assert Verdict(state) == advance(THREE, state, at(-66), "x", lateness=timedelta(hours=1))
    assert advance(THREE, state, at(-65), "x", lateness=timedelta(hours=1)).state != state


def test_state_is_json_and_bounded() -> None:
    """However much one group sends; what was forgotten is told for a metric."""
    verdicts = feed(THREE, *(number / 1000 for number in range(cap(THREE) + 5)))
    kept = verdicts[-1].state

    assert cap(THREE) == len(kept)
    assert 5 == sum(verdict.dropped for verdict in verdicts)
    assert kept == json.loads(json.dumps(kept))


def reference(window: Count, seen: list[tuple[int, str, int]], new: tuple[int, str, int]) -> tuple[bool, set[str]]:
    """Every stretch of `within` that begins at a signal and has the new one in it, tried one by one."""
    within = int(window.within.total_seconds())
    evidence: set[str] = set()
    for start, _, _ in seen:
        stretch = [one for one in seen if start <= one[0] <= start + within]
        if new in stretch and sum(weight for _, _, weight in stretch) >= window.count:
            evidence |= {name for _, name, _ in stretch}
    return bool(evidence), evidence


SIGNALS = st.lists(st.tuples(st.integers(0, 900), st.integers(0, 5)), max_size=25)


@settings(deadline=None)
@given(SIGNALS, st.integers(1, 12), st.integers(1, 400))
def test_it_agrees_with_trying_every_stretch(signals: list[tuple[int, int]], count: int, within: int) -> None:
    """The quick way and the slow way say the same at every signal, in any order of arrival."""
    window = Count(count, timedelta(seconds=within), "count_delta")
    state: Json = None
    seen: list[tuple[int, str, int]] = []
    for number, (second, weight) in enumerate(signals):
        verdict = advance(window, state, START + timedelta(seconds=second), str(number), weight)
        state = verdict.state
        if weight:
            seen.append((second, str(number), weight))
        expected = reference(window, seen, seen[-1]) if weight else (False, set())
        assert expected == (verdict.fired, set(verdict.ids))
