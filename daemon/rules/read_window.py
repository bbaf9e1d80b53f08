"""`window:` of a rule: which kind it is, what that kind may say, and what is meant where it says nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from daemon.marked_yaml import Mark, MarkedList, MarkedMap
from daemon.model import Json
from daemon.rules.model import (
    Absent,
    Aggregate,
    Change,
    Count,
    Distinct,
    Drop,
    FirstSeen,
    Ratio,
    Sequence,
    Spike,
    Step,
    Weight,
    Window,
)
from daemon.rules.paths import Path, parse_path
from daemon.rules.read_condition import condition
from daemon.rules.reader import (
    Mistake,
    Parser,
    Reader,
    duration,
    flag,
    mark_of,
    named,
    nearest,
    one_of,
    path_text,
    plain,
    several,
    text,
    whole,
    word,
)

MOST_COUNTED = 10_000
"""Windows keep every signal that they count."""

MOST_BASELINES = 10_000
"""How many times `within` a baseline may be."""

COMPARISONS = ("gt", "gte", "lt", "lte")
LEARN = timedelta(days=7)


def _path(reader: Reader, value: Json, mark: Mark) -> Path:
    return parse_path(path_text(reader, value, mark))


def _number(reader: Reader, value: Json, mark: Mark) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Mistake(f"this is a number, not {named(value)}.")
    return value


def _positive(reader: Reader, value: Json, mark: Mark) -> float:
    number = _number(reader, value, mark)
    if number <= 0:
        raise Mistake(f"this is a number above 0, not {named(value)}.")
    return number


def _length(reader: Reader, value: Json, mark: Mark) -> timedelta:
    length: timedelta = duration(reader, value, mark)
    if not length:
        raise Mistake("this length of time is none at all.")
    return length


def _counted(reader: Reader, value: Json, mark: Mark) -> int:
    count: int = whole(1)(reader, value, mark)
    if count > MOST_COUNTED:
        raise Mistake(f"a window counts to {MOST_COUNTED} at most.")
    return count


def _expected(reader: Reader, value: Json, mark: Mark) -> tuple[tuple[Json, ...], ...]:
    """Groups: a value each where there is one part, else a list in the order of `group_by`."""
    if not isinstance(value, MarkedList) or not value:
        raise Mistake(f"'expect' is a list of groups, not {named(value)}.")
    return tuple(tuple(plain(one)) if isinstance(one, MarkedList) else (plain(one),) for one in value)


def step(reader: Reader, value: Json, mark: Mark) -> Step:
    """A rule's id; or a map of `rule` or `not`, and `by`."""
    if isinstance(value, str):
        return Step(text(reader, value, mark))
    said = reader.table(value, mark, STEP, "a step")
    if ("rule" in said) is ("not" in said):
        raise Mistake("a step names one rule, by 'rule' or by 'not'.", mark=mark)
    return Step(said.get("rule") or said["not"], "not" in said, said.get("by", {}))


def _by(reader: Reader, value: Json, mark: Mark) -> Mapping[str, str]:
    if not isinstance(value, MarkedMap):
        raise Mistake(f"'by' is a map from a part of the group to a path, not {named(value)}.")
    return {str(name): path_text(reader, path, value.value_mark(name)) for name, path in value.items()}


def _aggregate(said: Mapping[str, Any]) -> Aggregate:
    function = next(name for name in FUNCTIONS if name in said)
    comparison = next(name for name in COMPARISONS if name in said)
    return Aggregate(
        function=function,  # type: ignore[arg-type]  # a key of FUNCTIONS
        path=said[function],
        comparison=comparison,  # type: ignore[arg-type]  # one of COMPARISONS
        bound=said[comparison],
        within=said["within"],
        percentile=said.get("p", 0.0),
        at_least=said.get("at_least", 1),
    )


def _ratio(said: Mapping[str, Any]) -> Ratio:
    comparison = next(name for name in COMPARISONS if name in said)
    at_least = said.get("at_least", 1)
    return Ratio(said["ratio"], comparison, said[comparison], said["within"], at_least)  # type: ignore[arg-type]


def _trailing(said: Mapping[str, Any]) -> tuple[timedelta, timedelta, int, Weight]:
    return said["within"], said["baseline"], said["floor"], said.get("of", "signals")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of window: its keys, those that it needs beside the one that names it, and how it is made."""

    keys: Mapping[str, Parser]
    needs: tuple[str, ...]
    make: Callable[[Mapping[str, Any]], Window]
    compares: bool = False
    """It takes exactly one of the comparisons."""


STEP: Mapping[str, Parser] = {"rule": text, "not": text, "by": _by}
FUNCTIONS: Mapping[str, Parser] = dict.fromkeys(("sum", "avg", "min", "max", "percentile"), _path)
_COMPARED: Mapping[str, Parser] = {
    **dict.fromkeys(COMPARISONS, _number), "within": _length, "at_least": _counted,
}  # fmt: skip
_OF = word("thing to count", lambda _: ("signals", "count_delta"))
_TRAILING: Mapping[str, Parser] = {"within": _length, "baseline": _length, "floor": whole(1), "of": _OF}

KINDS: Mapping[str, Kind] = {
    "count": Kind(
        {"count": _counted, "within": _length, "of": _OF},
        ("within",),
        lambda said: Count(said["count"], said["within"], said.get("of", "signals")),
    ),
    "distinct": Kind(
        {"distinct": _path, "count": _counted, "within": _length},
        ("count", "within"),
        lambda said: Distinct(said["distinct"], said["count"], said["within"]),
    ),
    **{
        name: Kind({name: _path, **_COMPARED}, ("within",), _aggregate, compares=True)
        for name in FUNCTIONS
        if name != "percentile"
    },
    "percentile": Kind({"percentile": _path, "p": _positive, **_COMPARED}, ("p", "within"), _aggregate, compares=True),
    "spike": Kind(
        {"spike": _positive, **_TRAILING},
        ("within", "baseline", "floor"),
        lambda said: Spike(said["spike"], *_trailing(said)),
    ),
    "drop": Kind(
        {"drop": _number, **_TRAILING},
        ("within", "baseline", "floor"),
        lambda said: Drop(said["drop"], *_trailing(said)),
    ),
    "absent": Kind(
        {"absent": _length, "expect": _expected},
        (),
        lambda said: Absent(said["absent"], said.get("expect", ())),
    ),
    "first_seen": Kind(
        {"first_seen": _path, "within": _length, "learn": duration},
        ("within",),
        lambda said: FirstSeen(said["first_seen"], said["within"], said.get("learn", LEARN)),
    ),
    "change": Kind(
        {"change": _path, "within": _length},
        ("within",),
        lambda said: Change(said["change"], said["within"]),
    ),
    "ratio": Kind({"ratio": condition, **_COMPARED}, ("within",), _ratio, compares=True),
    "sequence": Kind(
        {"sequence": several(step), "within": _length, "ordered": flag},
        ("within",),
        lambda said: Sequence(said["sequence"], said["within"], said.get("ordered", True)),
    ),
}
"""By the key that names the kind. `distinct` stands before `count` where both are written."""

_NAMING = ("distinct", *(name for name in KINDS if name not in ("distinct", "count")), "count")


def window(reader: Reader, value: Json, mark: Mark) -> Window | None:
    """The window, or None with what is wrong in the reader."""
    if not isinstance(value, MarkedMap):
        raise Mistake(f"a window is a map of keys, not {named(value)}.", one_of("Its kinds are", KINDS))
    name = next((name for name in _NAMING if name in value), None)
    if name is None:
        near = next((hint for key in value if (hint := nearest(key, KINDS))), "")
        raise Mistake("this window is of no kind.", near or one_of("It has one of", KINDS))
    kind, before = KINDS[name], len(reader.problems)
    said = reader.table(value, mark, kind.keys, f"a window of kind '{name}'", *kind.needs)
    if kind.compares and sum(each in value for each in COMPARISONS) != 1:
        reader.report(mark_of(value, mark), f"'{name}' needs one of {', '.join(COMPARISONS)}.")
    _check(reader, value, said)
    return kind.make(said) if len(reader.problems) == before else None


def _check(reader: Reader, value: MarkedMap, said: Mapping[str, Any]) -> None:
    baseline, within = said.get("baseline"), said.get("within")
    if baseline and within and not within <= baseline <= within * MOST_BASELINES:
        reader.report(value.value_mark("baseline"), f"'baseline' is 1 to {MOST_BASELINES} times 'within'.")
    if said.get("p", 0) > 100:
        reader.report(value.value_mark("p"), f"a percentile is at most 100, not {said['p']}.")
    steps = said.get("sequence", ())
    if steps and all(each.negated for each in steps):
        reader.report(value.value_mark("sequence"), "a sequence needs a step that is not negated.")
