"""Windows of every kind: what fires them, what does not, and that the order of arrival changes nothing."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.model import Json
from daemon.rules.conditions import Any
from daemon.rules.model import (
    Absent,
    Aggregate,
    Change,
    Count,
    Distinct,
    Drop,
    FirstSeen,
    Ratio,
    Spike,
    Step,
    Window,
)
from daemon.rules.model import Sequence as Steps
from daemon.rules.paths import parse_path
from daemon.rules.windows import LATENESS, Entry, Firing, Mover, Pane, Verdict, advance, begin, settle, silence
from daemon.rules.windows.document import document_of, state_of
from daemon.rules.windows.run import MOST_KEPT
from daemon.rules.windows.state import State, microseconds, stamp, without

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PATH = parse_path("x")


def at(minute: float) -> datetime:
    return NOON + minute * MINUTE


def heard(*told: tuple[float, Json], severity: int = 4) -> list[Entry]:
    """(minute, value); ids are 1, 2, 3 …"""
    return [Entry(stamp(at(minute)), number, severity, value) for number, (minute, value) in enumerate(told, 1)]


def play(
    window: Window, entries: Iterable[Entry], read_to: float | None = 10_000, begun: State | None = None
) -> tuple[list[Firing], list[datetime]]:
    """All that the window, moved as the daemon does, says of the entries, its state read back each time."""
    mover = Mover(window)
    pane, verdicts = mover.pane(document_of(window, begun or State())), list[Verdict | None]()
    for entry in entries:
        verdicts.append(mover.move(pane, *entry))
        pane = mover.pane(json.loads(json.dumps(mover.document(pane))))
    if read_to is not None:
        verdicts.append(mover.settle(pane, stamp(at(read_to))))
    said = [verdict for verdict in verdicts if verdict is not None]
    firings = [firing for verdict in said for firing in verdict.firings]
    return firings, [when for verdict in said for when, _ in verdict.recovered]


def minutes(firings: Sequence[Firing]) -> list[float]:
    return [(firing.at - NOON) / MINUTE for firing in firings]


def evidence(firings: Sequence[Firing]) -> set[int]:
    return {id for firing in firings for id in firing.ids}


def test_a_count_fires_with_the_signal_that_completes_it() -> None:
    """Both ends of `within` count, and every signal of the span is evidence."""
    window = Count(3, 5 * MINUTE)

    fired, _ = play(window, heard((0, 1), (1, 1), (5, 1)), None)
    assert ([5], {1, 2, 3}) == (minutes(fired), evidence(fired))
    assert ([], []) == play(window, heard((0, 1), (1, 1), (5.1, 1)), None)


def test_a_count_may_be_of_what_the_vendor_counted() -> None:
    """One signal may say that ten happened."""
    assert [1] == minutes(play(Count(10, 5 * MINUTE, "count_delta"), heard((0, 3), (1, 7)), None)[0])


def test_the_severity_is_the_worst_of_the_span() -> None:
    """Whichever signal completes it."""
    first, second = heard((0, 1), (1, 1))
    (fired,), _ = play(Count(2, 5 * MINUTE), [first._replace(severity=1), second], None)

    assert 1 == fired.severity


def test_a_distinct_counts_values_and_not_signals() -> None:
    """The same one again adds nothing; a number is not its text, nor true a one."""
    window = Distinct(PATH, 3, 10 * MINUTE)

    assert [3] == minutes(play(window, heard((0, "a"), (1, "a"), (2, "b"), (3, "c")), None)[0])
    assert [2] == minutes(play(window, heard((0, 1), (1, "1"), (2, True)), None)[0])
    assert [] == play(window, heard((0, "a"), (1, "b"), (11, "c")), None)[0]


@pytest.mark.parametrize(
    ("function", "comparison", "bound", "fires"),
    [
        ("sum", "gte", 60, [2]), ("sum", "gt", 60, []), ("max", "gt", 25, [2]), ("min", "lt", 15, [0, 1, 2]),
        ("avg", "gte", 20, [2]), ("avg", "lt", 15, [0]), ("percentile", "gte", 20, [1, 2]),
    ],
)  # fmt: skip
def test_numbers_are_taken_together(function: str, comparison: str, bound: float, fires: list[float]) -> None:
    """Of the numbers 10, 20, 30, a minute apart, up to each of them."""
    window = Aggregate(function, PATH, comparison, bound, 5 * MINUTE, percentile=75)  # type: ignore[arg-type]

    assert fires == minutes(play(window, heard((0, 10), (1, 20), (2, 30)))[0])


def test_a_ratio_waits_for_enough_signals() -> None:
    """Half of two is not yet half."""
    window = Ratio(Any(()), "gte", 0.5, 10 * MINUTE, at_least=4)

    assert [3] == minutes(play(window, heard((0, True), (1, False), (2, True), (3, False)))[0])


def test_a_spike_is_measured_against_the_time_before() -> None:
    """Ten in five minutes, where it had been one a minute; and none as long as nothing is known."""
    window, quiet = Spike(2, 5 * MINUTE, 60 * MINUTE, 8), [(minute, 1) for minute in range(60)]
    burst = [(60 + n / 4, 1) for n in range(12)]

    assert minutes(play(window, heard(*quiet, *burst))[0])
    assert minutes(play(window, heard(*quiet, *burst), 63)[0])
    assert [] == play(window, heard(*quiet))[0]
    assert [] == play(window, heard(*burst))[0]


def test_a_spike_may_be_of_what_the_vendor_counted() -> None:
    """One signal a minute stands for one event, then for ten; as signals go, nothing has changed."""
    told = [*((minute, 1) for minute in range(60)), *((60 + n, 10) for n in range(5)), (65, 0)]

    assert [61, 62, 63, 64] == minutes(play(Spike(2, 5 * MINUTE, 60 * MINUTE, 20, "count_delta"), heard(*told))[0])
    assert [] == play(Spike(2, 5 * MINUTE, 60 * MINUTE, 4), heard(*((minute, 1) for minute, _ in told)))[0]


def test_what_is_long_past_still_weighs_what_it_did() -> None:
    """Ten events every five minutes for four hours; twelve are no spike, whatever is remembered of them one by one."""
    window, usual = Spike(2, 4 * MINUTE, 240 * MINUTE, 5, "count_delta"), [(5 * n, 10) for n in range(60)]

    assert {} == play_settling(window, heard(*usual, (300, 12)))[0]
    assert [300] == [(when - NOON) / MINUTE for when, _ in play_settling(window, heard(*usual, (300, 25)))[0]]


def test_a_drop_may_be_of_what_the_vendor_counted() -> None:
    """As many signals as before, which stand for less."""
    window = Drop(0.5, 10 * MINUTE, 60 * MINUTE, 50, "count_delta")
    told = [*((minute, 10) for minute in range(60)), *((60 + n, 1) for n in range(20))]

    fired, _ = play(window, heard(*told), 75)
    assert 60 < minutes(fired)[0] <= 70


def test_a_drop_is_seen_without_any_signal_and_ends_with_the_next_ones() -> None:
    """Sixty a quarter of an hour, then nothing."""
    window = Drop(0.5, 10 * MINUTE, 60 * MINUTE, 5)
    steady, back = [(minute, 1) for minute in range(60)], [(90 + n / 2, 1) for n in range(40)]

    fired, _ = play(window, heard(*steady), 75)
    assert 60 < minutes(fired)[0] <= 70
    _, recovered = play(window, heard(*steady, *back), 110)
    assert at(90) < recovered[0] <= at(100)


def test_a_silence_fires_once_and_is_over_when_it_is_broken() -> None:
    """At the instant at which it had been long enough, whenever that is noticed."""
    window = Absent(30 * MINUTE)

    assert ([30], []) == (minutes(play(window, heard((0, 1)), 300)[0]), play(window, heard((0, 1)), 300)[1])
    fired, recovered = play(window, heard((0, 1), (20, 1), (60, 1)), 80)
    assert ([50], [at(60)]) == (minutes(fired), recovered)
    assert [] == play(window, heard((0, 1)), 29)[0]


def test_what_is_expected_is_missed_though_it_was_never_heard() -> None:
    """From the time at which it was first expected."""
    assert [30] == minutes(play(Absent(30 * MINUTE), [], 31, begin(Absent(30 * MINUTE), NOON))[0])


def test_a_first_value_counts_once_its_group_is_known() -> None:
    """While it is learned everything is new; what was long unseen is new again."""
    window = FirstSeen(PATH, 100 * MINUTE, 10 * MINUTE)

    told = heard((0, "a"), (5, "b"), (12, "a"), (13, "c"), (14, "c"), (120, "b"))
    assert [13, 120] == minutes(play(window, told)[0])


def test_a_change_is_from_the_signal_before() -> None:
    """Both are evidence; after a long silence there is nothing to compare with."""
    window = Change(PATH, 60 * MINUTE)

    fired, _ = play(window, heard((0, "1.0"), (1, "1.0"), (2, "1.1"), (100, "1.2")))
    assert ([2], {2, 3}) == (minutes(fired), evidence(fired))


def steps(*negated: bool, ordered: bool = True) -> Steps:
    return Steps(tuple(Step(f"s{n}", each) for n, each in enumerate(negated)), 15 * MINUTE, ordered)


def test_a_sequence_is_in_order_and_in_time() -> None:
    """B before A is none; nor is A and B too far apart."""
    assert [5] == minutes(play(steps(False, False), heard((0, 0), (5, 1)))[0])
    assert [] == play(steps(False, False), heard((0, 1), (5, 0)))[0]
    assert [] == play(steps(False, False), heard((0, 0), (16, 1)))[0]
    assert [5] == minutes(play(steps(False, False, ordered=False), heard((0, 1), (5, 0)))[0])


def test_what_must_not_follow_is_waited_for() -> None:
    """A and no B within fifteen minutes: certain at the fifteenth."""
    window = steps(False, True)

    assert [] == play(window, heard((0, 0)), 14)[0]
    assert [15] == minutes(play(window, heard((0, 0)), 15.1)[0])
    assert [] == play(window, heard((0, 0), (14, 1)), 60)[0]


def test_what_must_not_come_between_forbids_the_sequence() -> None:
    """And what comes before the first step forbids it where it stands first."""
    between, before = steps(False, True, False), steps(True, False)

    assert [9] == minutes(play(between, heard((0, 0), (9, 2)))[0])
    assert [] == play(between, heard((0, 0), (4, 1), (9, 2)))[0]
    assert [] == play(before, heard((0, 0), (9, 1)))[0]
    assert [9] == minutes(play(before, heard((9, 1), (12, 0)))[0])


def test_the_same_signal_again_and_one_too_late_change_nothing() -> None:
    """Seeing it twice is harmless."""
    window, (first, second) = Count(2, 5 * MINUTE), heard((0, 1), (500, 1))
    state = advance(window, State(), second).state

    for entry in (second, first):
        again = advance(window, state, entry)
        assert (state, False) == (again.state, again.counted)


def test_what_is_kept_is_bounded_and_what_is_lost_is_told() -> None:
    """However much comes at once."""
    window, state, dropped = Aggregate("sum", PATH, "gte", 1e9, 60 * MINUTE), State(), 0
    for entry in heard(*((n / 1000, 1) for n in range(MOST_KEPT + 50))):
        verdict = advance(window, state, entry)
        state, dropped = verdict.state, dropped + verdict.dropped

    assert (MOST_KEPT, 50) == (len(state.entries), dropped)


KINDS: list[tuple[Window, st.SearchStrategy[Json]]] = [
    (Count(3, 5 * MINUTE), st.just(1)),
    (Distinct(PATH, 3, 8 * MINUTE), st.sampled_from("abcd")),
    (Aggregate("sum", PATH, "gte", 12, 6 * MINUTE), st.integers(0, 5)),
    (Aggregate("max", PATH, "gt", 4, 6 * MINUTE), st.integers(0, 5)),
    (Aggregate("avg", PATH, "gt", 3, 6 * MINUTE, at_least=2), st.integers(0, 5)),
    (Aggregate("percentile", PATH, "lte", 1, 6 * MINUTE, 50, 2), st.integers(0, 5)),
    (Ratio(Any(()), "gte", 0.6, 6 * MINUTE, 3), st.booleans()),
    (Spike(2, 4 * MINUTE, 20 * MINUTE, 3), st.just(1)),
    (Drop(0.5, 4 * MINUTE, 20 * MINUTE, 2), st.just(1)),
    (Count(5, 5 * MINUTE, "count_delta"), st.integers(0, 3)),
    (Spike(2, 4 * MINUTE, 20 * MINUTE, 6, "count_delta"), st.integers(0, 5)),
    (Drop(0.5, 4 * MINUTE, 20 * MINUTE, 4, "count_delta"), st.integers(0, 5)),
    (Absent(7 * MINUTE), st.just(1)),
    (FirstSeen(PATH, 20 * MINUTE, 5 * MINUTE), st.sampled_from("abc")),
    (Change(PATH, 10 * MINUTE), st.sampled_from("ab")),
    (steps(False, False), st.integers(0, 1)),
    (steps(False, True, False), st.integers(0, 2)),
    (steps(False, True), st.integers(0, 1)),
    (steps(False, False, ordered=False), st.integers(0, 1)),
    (steps(False, True, ordered=False), st.integers(0, 1)),
]


def outcome(window: Window, entries: Sequence[Entry], lateness: int, rng: random.Random) -> object:
    """What comes of the entries if each arrives up to `lateness` minutes late, and the sources are read as they do."""
    arriving = sorted(entries, key=lambda entry: (entry.at + rng.randint(0, lateness) * 60_000_000, rng.random()))
    state, firings, over = State(), list[Firing](), set[tuple[datetime, int | None]]()
    for place, entry in enumerate(arriving):
        verdict = advance(window, state, entry)
        firings += verdict.firings
        over |= set(verdict.recovered)
        state = state_of(window, json.loads(json.dumps(document_of(window, verdict.state))))
        still = min((later.at for later in arriving[place + 1 :]), default=entry.at)
        verdict = settle(window, state, NOON + timedelta(microseconds=still - 1 - stamp(NOON)))
        firings += verdict.firings
        over |= set(verdict.recovered)
        state = verdict.state
    verdict = settle(window, state, at(10_000))
    firings += verdict.firings
    over |= set(verdict.recovered)
    completed = {(when, by) for firing in firings for when, by in firing.completed}
    return evidence(firings), {when for when, _ in completed}, over


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_the_order_of_arrival_changes_nothing(data: st.DataObject) -> None:
    """The same evidence, the same instants at which there was enough, the same ends of silences."""
    window, values = data.draw(st.sampled_from(KINDS))
    told = data.draw(st.lists(st.tuples(st.integers(0, 45), values), min_size=1, max_size=25))
    entries = heard(*sorted(told, key=lambda each: each[0]))
    rng = random.Random(data.draw(st.integers(0, 1000)))

    assert outcome(window, entries, 0, random.Random(0)) == outcome(window, entries, 30, rng)


WEIGHED: list[Count | Spike | Drop] = [
    Count(5, 5 * MINUTE), Spike(2, 4 * MINUTE, 20 * MINUTE, 6), Drop(0.5, 4 * MINUTE, 20 * MINUTE, 3),
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(WEIGHED), st.lists(st.tuples(st.integers(0, 120), st.integers(0, 5)), max_size=25))
def test_one_signal_that_stands_for_five_is_five_at_once(
    window: Count | Spike | Drop, told: list[tuple[int, int]]
) -> None:
    """What fires, when, how much it came to, and when it is over."""
    told.sort()
    ones = [(minute, 1) for minute, weight in told for _ in range(weight)]

    weighed = play_settling(replace(window, of="count_delta"), heard(*told))
    assert play_settling(window, heard(*ones)) == weighed


def play_settling(
    window: Window, entries: Sequence[Entry]
) -> tuple[dict[tuple[datetime, datetime], float], list[datetime]]:
    """As if the sources were read minute by minute. When it had enough, and how much that was; when that was over."""
    mover, waiting = Mover(window), list(entries)
    pane, enough, over = mover.pane(), dict[tuple[datetime, datetime], float](), list[datetime]()
    for minute in range(400):
        verdicts = []
        while waiting and waiting[0].at <= stamp(at(minute)):
            verdicts.append(mover.move(pane, *waiting.pop(0)))
        verdicts.append(mover.settle(pane, stamp(at(minute + 0.5))))
        for verdict in filter(None, verdicts):
            enough |= {(fired.at, fired.first_at): fired.total for fired in verdict.firings}
            over += [when for when, _ in verdict.recovered]
    return enough, over


MOVED: list[tuple[Window, st.SearchStrategy[Json]]] = [
    (Count(3, 5 * MINUTE), st.just(1)),
    (Count(1, 5 * MINUTE), st.just(1)),
    (Count(4, 5 * MINUTE, "count_delta"), st.integers(-1, 3)),
    (Distinct(PATH, 3, 8 * MINUTE), st.sampled_from([1, "1", True, [1], {"a": 1}])),
    (Aggregate("sum", PATH, "gt", 5, 6 * MINUTE), st.sampled_from([-2, 0.1, 0.2, 3, 1e16])),
    (Aggregate("sum", PATH, "gte", 6, 6 * MINUTE), st.sampled_from([-3, 3])),
    (Aggregate("min", PATH, "lt", 1, 6 * MINUTE), st.integers(0, 40)),
    (Aggregate("avg", PATH, "gt", 3, 6 * MINUTE, at_least=2), st.integers(0, 5)),
    (Ratio(Any(()), "gte", 0.6, 6 * MINUTE, 3), st.booleans()),
    (Spike(2, 4 * MINUTE, 20 * MINUTE, 3), st.just(1)),
    (Spike(1, 4 * MINUTE, 20 * MINUTE, 1), st.just(1)),
    (Spike(2, 4 * MINUTE, 20 * MINUTE, 6, "count_delta"), st.integers(0, 5)),
    (Drop(0.5, 4 * MINUTE, 20 * MINUTE, 2), st.just(1)),
    (steps(False, True, ordered=False), st.integers(0, 1)),
]


def same(window: Window, expected: Verdict, told: Verdict, mover: Mover, pane: Pane) -> None:
    """Of the reference, and of what is moved in place: word for word, the state but for what a spike has folded."""
    assert expected._replace(state=State()) == told._replace(state=State())
    assert expected.due == mover.due(pane)
    assert folded(window, expected.state) == folded(window, mover.state(pane))


def folded(window: Window, state: State) -> State:
    if not isinstance(window, Spike) or not state.entries:
        return state
    newest, within = max(state.entries[-1].at, state.settled or 0), microseconds(window.within)
    settled = state.entries[0].at if state.settled is None else state.settled
    horizon = min(newest - within - microseconds(LATENESS), settled - within)
    return without(silence.folded(window, state, horizon), horizon)


@pytest.mark.parametrize(("window", "values"), MOVED, ids=lambda each: str(each)[:30])
@settings(max_examples=100, deadline=None)
@given(st.data())
def test_what_is_moved_in_place_says_the_same(
    window: Window, values: st.SearchStrategy[Json], data: st.DataObject
) -> None:
    """Whether signals come in order, at one instant, late, twice, or too late, and through restarts."""
    steps = st.sampled_from([0, 0.5, 1, 2, 5, 30, -1, -3, -7, -80])
    told = data.draw(st.lists(st.tuples(steps, st.sampled_from("nnnnssrt"), values), min_size=1, max_size=60))
    mover, state, minute, done = Mover(window, tidied=6), State(), 0.0, list[Entry]()
    pane = mover.pane()
    for number, (step, what, value) in enumerate(told, 1):
        done.append(
            done[-1] if what == "t" and done else Entry(stamp(at(minute + step)), number, 1 + number % 4, value)
        )
        minute = max(minute, minute + step)
        expected = advance(window, state, done[-1])
        same(window, expected, mover.move(pane, *done[-1]) or mover.quiet(pane, done[-1].at), mover, pane)
        state = expected.state
        if what == "s":
            mark = at(minute + number % 5 - 3)
            expected = settle(window, state, mark)
            same(window, expected, mover.settle(pane, stamp(mark)) or mover.quiet(pane), mover, pane)
            state = expected.state
        if what == "r":
            state = state_of(window, json.loads(json.dumps(document_of(window, state))))
            pane = mover.pane(json.loads(json.dumps(mover.document(pane))))


@given(st.data())
def test_what_is_stored_is_read_back(data: st.DataObject) -> None:
    """Whatever its numbers and values are; none becomes another of equal worth."""
    numbers, values = st.integers(-(2**60), 2**60), st.sampled_from([1, 1.0, True, "1", None, [1, {"a": 2}], 10**20])
    entry = st.builds(Entry, numbers, numbers, st.integers(1, 4), values)
    entries = sorted(data.draw(st.lists(entry, max_size=20)), key=lambda entry: entry.at)
    state = State(tuple(entries), data.draw(st.none() | numbers), data.draw(st.none() | numbers), {"a": [1]})
    window = Distinct(PATH, 3, MINUTE)

    assert repr(state) == repr(state_of(window, json.loads(json.dumps(document_of(window, state)))))


@pytest.mark.parametrize("window", [Count(3, 5 * MINUTE), Distinct(PATH, 3, 5 * MINUTE), Absent(5 * MINUTE)])
def test_what_earlier_releases_stored_is_still_read(window: Window) -> None:
    """Then a window was a list of lists."""
    entries = [[stamp(NOON), 7, 2, "a"], [stamp(at(1)), 9, 4, "b"]]
    name = {Count: "Count", Distinct: "Distinct x", Absent: "Absent"}[type(window)]
    document = {"of": name, "state": [entries, None, stamp(NOON), {"last": 5}]}
    expected = State(tuple(map(Entry._make, entries)), None, stamp(NOON), {"last": 5})

    assert expected == state_of(window, document)
    if isinstance(window, Distinct | Absent):
        assert expected == Mover(window).state(Mover(window).pane(document))


def test_a_count_takes_few_bytes_of_the_store() -> None:
    """Twenty-two signals to the microsecond, about three minutes apart."""
    window, chance, mover = Count(500, 70 * MINUTE), random.Random(1), Mover(Count(500, 70 * MINUTE))
    pane = mover.pane()
    for number in range(22):
        mover.move(pane, stamp(NOON) + number * 190_000_000 + chance.randrange(60_000_000), number * 1000, 3, 1)

    assert len(json.dumps(mover.document(pane), separators=(",", ":"))) <= 200
    assert 22 == len(state_of(window, mover.document(pane)).entries)


def test_a_window_that_looks_at_something_else_begins_anew() -> None:
    """What it remembered is no answer to what it now asks; a new bound changes nothing."""
    seen = advance(FirstSeen(PATH, 20 * MINUTE, MINUTE), State(), heard((0, "a"))[0]).state
    document = document_of(FirstSeen(PATH, 20 * MINUTE, MINUTE), seen)

    assert seen == state_of(FirstSeen(PATH, 90 * MINUTE, MINUTE), document)
    assert State() == state_of(FirstSeen(parse_path("y"), 20 * MINUTE, MINUTE), document)
    assert State() == state_of(Spike(2, MINUTE, 5 * MINUTE, 1), document)


@pytest.mark.parametrize("window", WEIGHED)
def test_events_are_no_signals(window: Count | Spike | Drop) -> None:
    """A baseline of signals would make every number of events a spike."""
    seen = advance(window, State(), heard((0, 1))[0]).state

    assert seen == state_of(window, document_of(window, seen))
    assert State() == state_of(replace(window, of="count_delta"), document_of(window, seen))
