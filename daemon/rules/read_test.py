"""`tests:` in a rule file: what is given, and what must come of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from daemon.marked_yaml import Mark, MarkedList, MarkedMap
from daemon.model import GOALS, Json, Polarity, TicketState
from daemon.rules.model import Expect, Given, RuleTest
from daemon.rules.reader import (
    Mistake,
    Parser,
    Reader,
    duration,
    flag,
    mark_of,
    named,
    nearest,
    plain,
    several,
    severity,
    text,
    whole,
    word,
)

NOTHING = Expect(incidents=0)
MOST_SIGNALS = 100_000


def read_tests(reader: Reader, value: Json, source: str, kind: str) -> tuple[RuleTest, ...]:
    """Every test whose lines could be read. `source` and `kind` are what a signal has that names none."""
    if not isinstance(value, MarkedList):
        reader.report(mark_of(value, Mark("", 0, 0)), f"'tests' is a list of tests, not {named(value)}.")
        return ()
    tests = [reader.attempt(_test(source, kind), each, mark_of(each, value.mark)) for each in value]
    return tuple(test for test in tests if test is not None)


def _test(source: str, kind: str) -> Parser:
    def parse(reader: Reader, value: Json, mark: Mark) -> RuleTest | None:
        parsers = TEST | {"given": several(_given(source, kind))}
        said = reader.table(value, mark, parsers, "a test", *_NEEDED)
        return RuleTest(**said, line=mark.line) if all(key in said for key in _NEEDED) else None

    return parse


def _given(source: str, kind: str) -> Parser:
    def parse(reader: Reader, value: Json, mark: Mark) -> Given | None:
        said = reader.table(value, mark, GIVEN, "an entry of 'given'", "signal")
        if "signal" not in said:
            return None
        fields, named_source = said.pop("signal"), said.pop("source", source)
        if not named_source:
            raise Mistake("this signal needs a 'source': the rule reads none of its own.", mark=mark)
        said.setdefault("kind", kind)
        if "polarity" in said:
            said["polarity"] = Polarity(said["polarity"])
        origin = reader.names.sources.get(named_source, named_source)
        return Given(fields=fields, source=named_source, type=origin, **said)

    return parse


def _signal(reader: Reader, value: Json, mark: Mark) -> Json:
    if not isinstance(value, MarkedMap):
        raise Mistake(f"a signal is a map of the vendor's fields, not {named(value)}.")
    return plain(value)


def _repeat(reader: Reader, value: Json, mark: Mark) -> int:
    times: int = whole(1)(reader, value, mark)
    if times > MOST_SIGNALS:
        raise Mistake(f"a test repeats a signal {MOST_SIGNALS} times at most.")
    return times


def _expect(reader: Reader, value: Json, mark: Mark) -> Expect:
    if value == "nothing":
        return NOTHING
    if isinstance(value, str):
        raise Mistake(f"a test cannot expect '{value}'.", nearest(value, ["nothing"]) or "Write nothing, or a map.")
    said = reader.table(value, mark, EXPECT, "'expect'")
    if isinstance(said.get("clients"), str):
        said["clients"] = (said["clients"],)
    return Expect(**said)


def _cleared(reader: Reader, value: Json, mark: Mark) -> bool | timedelta:
    return value if isinstance(value, bool) else _length(reader, value, mark)


def _length(reader: Reader, value: Json, mark: Mark) -> timedelta:
    found: timedelta = duration(reader, value, mark)
    return found


def _due(reader: Reader, value: Json, mark: Mark) -> dict[str, timedelta]:
    return reader.table(value, mark, dict.fromkeys(GOALS, duration), "'due'")


_NEEDED = ("it", "given", "expect")
TEST: dict[str, Parser] = {"it": text, "given": several(text), "expect": _expect, "until": duration}
"""A test's keys; what `given` takes follows the rule's own source."""

GIVEN: Mapping[str, Parser] = {
    "signal": _signal,
    "at": duration,
    "repeat": _repeat,
    "every": duration,
    "late": duration,
    "source": word("source or source type", lambda names: {*names.sources, *names.types}),
    "kind": text,
    "polarity": word("polarity", lambda _: list(Polarity)),
    "id": text,
    "count_delta": whole(0),
}
"""What stands beside a signal, never in it."""

EXPECT: Mapping[str, Parser] = {
    "incidents": whole(0),
    "severity": severity,
    "at": duration,
    "page": flag,
    "defect": flag,
    "cleared": _cleared,
    "location": text,
    "title": text,
    "team": text,
    "clients": several(text),
    "ticket": word("state of a ticket", lambda _: list(TicketState)),
    "due": _due,
}
