"""The tests that rules carry: from what is given to signals, and from what came of them to a verdict."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from daemon.model import Polarity
from daemon.rules.load import load_text
from daemon.rules.model import Expect, RuleTest
from daemon.rules.testing import Observed, ObservedIncident, arrivals, compare, expand
from tests.rules.names import NAMES

START = datetime(2026, 7, 1, 12, tzinfo=UTC)
RULE = "title: x\nsource: sentry\nmatch: {level: fatal}\nseverity: 2\nclass: defect\nkind: sentry.issue\ntests:\n"
SEEN = ObservedIncident(
    severity=2, at=timedelta(seconds=90), title="Broke", location="shop", team="web", clients=("acme", "globex"),
    page=True, defect=False, cleared=timedelta(minutes=5),
)  # fmt: skip


def case(given: str) -> RuleTest:
    text = f"{RULE}  - it: works\n    given: {given}\n    expect: nothing\n"
    return load_text("x", text, "x.yaml", NAMES).tests[0]


def minutes(test: RuleTest) -> list[tuple[float, str]]:
    return [((one.at - START) / timedelta(minutes=1), one.id) for one in expand(test, START)]


def test_repeats_follow_one_another() -> None:
    """`repeat` and `every` stand beside the signal; each repeat is a signal of its own."""
    assert [(0, "1-1"), (2, "1-2"), (4, "1-3")] == minutes(case("[{signal: {a: 1}, repeat: 3, every: 2m}]"))


def test_an_entry_without_a_time_follows_the_one_before() -> None:
    """`at` counts from the start of the test."""
    given = "[{signal: {a: 1}, repeat: 2, every: 2m}, {signal: {a: 2}}, {signal: {a: 3}, at: 1m}, {signal: {a: 4}}]"

    assert [(0, "1-1"), (1, "3-1"), (1, "4-1"), (2, "1-2"), (2, "2-1")] == minutes(case(given))


def test_a_late_signal_arrives_after_it_happened() -> None:
    """Its place is that of its arrival, its time is its own."""
    played = arrivals(case("[{signal: {a: 1}, late: 9m, id: late}, {signal: {a: 2}, at: 5m, id: early}]"), START)

    assert ["early", "late"] == [one.signal.id for one in played]
    assert [START + timedelta(minutes=5), START] == [one.signal.at for one in played]
    assert START + timedelta(minutes=9) == played[1].at


def test_a_signal_is_as_it_is_given() -> None:
    """Kind, polarity, count and fields."""
    (signal,) = expand(case("[{signal: {a: 1}, polarity: recovered, count_delta: 5, source: cloudtrail-eu}]"), START)

    assert ("cloudtrail-eu", "cloudtrail", "sentry.issue") == (signal.source, signal.type, signal.kind)
    assert (Polarity.RECOVERED, 5, {"a": 1}) == (signal.polarity, signal.count_delta, signal.fields)


def test_what_is_as_expected_needs_no_word() -> None:
    """Nor does what the test does not speak of."""
    full = Expect(
        1, 2, at=timedelta(seconds=90), page=True, defect=False, cleared=True, location="shop", title="Broke",
        team="web", clients=("globex", "acme"),
    )  # fmt: skip

    assert [] == compare(full, Observed((SEEN,)))
    assert [] == compare(Expect(cleared=timedelta(minutes=5)), Observed((SEEN,)))
    assert [] == compare(Expect(incidents=0), Observed())


def test_every_difference_is_told() -> None:
    """In the words of the test."""
    wrong = Expect(
        1, 1, at=timedelta(minutes=1), page=False, defect=True, cleared=False, location="api", title="Broken",
        team="ops", clients=("acme",),
    )  # fmt: skip

    assert [
        "expected severity 1, saw 2",
        "expected page no, saw yes",
        "expected defect yes, saw no",
        "expected title Broken, saw Broke",
        "expected location api, saw shop",
        "expected team ops, saw web",
        "expected clients acme, saw acme, globex",
        "expected cleared no, saw yes",
        "expected the first at 1m, saw it at 90s",
    ] == compare(wrong, Observed((SEEN,)))


def test_when_it_cleared_is_told() -> None:
    """At another time, or never."""
    early = Expect(cleared=timedelta(minutes=1))
    never = ObservedIncident(2, timedelta(0))

    assert ["expected cleared 1m, saw 5m"] == compare(early, Observed((SEEN,)))
    assert ["expected cleared 1m, saw never"] == compare(early, Observed((never,)))


def test_a_wrong_number_of_incidents_says_enough() -> None:
    """What they are like matters only if there are as many as there should be."""
    assert ["expected nothing, saw 1 incident"] == compare(Expect(0), Observed((SEEN,)))
    assert ["expected 1 incident, saw 2 incidents"] == compare(Expect(1, 1), Observed((SEEN, SEEN)))
