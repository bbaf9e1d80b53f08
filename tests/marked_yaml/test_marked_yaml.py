"""YAML as we read it: what its values are, where they stand, and what is refused."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import pytest

from daemon.errors import ConfigError
from daemon.marked_yaml import (
    DEEPEST,
    LARGEST,
    Mark,
    MarkedStr,
    dump,
    load,
    mark_of,
    named,
    nearest,
    one_of,
    parse,
    plain,
)


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, "a.yaml")
    return str(caught.value)


SCALARS: dict[str, Any] = {
    "no": "no",
    "on": "on",
    "Yes": "Yes",
    "12:30": "12:30",
    "2026-07-01": "2026-07-01",
    "2026-07-01T00:00:00Z": "2026-07-01T00:00:00Z",
    "1_000": "1_000",
    "0b11": "0b11",
    "1.2.3": "1.2.3",
    "+1-555": "+1-555",
    "=": "=",
    "nope": "nope",
    "true": True,
    "False": False,
    "~": None,
    "null": None,
    "": None,
    "12": 12,
    "-3": -3,
    "0": 0,
    "0o17": 15,
    "0x1F": 31,
    "1.5": 1.5,
    "1e3": 1000.0,
    ".5": 0.5,
    "-.inf": -math.inf,
    "'12'": "12",
    '"no"': "no",
    "'007'": "007",
    '"a\\tb"': "a\tb",
}


@pytest.mark.parametrize("written", SCALARS, ids=repr)
def test_scalars_are_those_of_the_core_schema(written: str) -> None:
    """Of YAML 1.2: no sexagesimal times, no `no` for false, no dates."""
    found = parse(f"a: {written}", "a.yaml")["a"]

    assert (type(SCALARS[written]) is str, SCALARS[written]) == (isinstance(found, str), found)


def test_not_a_number_is_a_number() -> None:
    """`.nan` is a float that no comparison accepts, so whoever checks a range refuses it."""
    assert math.isnan(parse("a: .nan", "a.yaml")["a"])


def test_values_know_where_they_stand() -> None:
    """Texts and containers by themselves, keys and other values by what holds them; all from 1."""
    found = parse("a: 1\nb:\n  - x\n  - 2\n", "a.yaml")

    assert Mark("a.yaml", 1, 1) == found.mark == found.key_mark("a")
    assert Mark("a.yaml", 1, 4) == found.value_mark("a")
    assert Mark("a.yaml", 3, 3) == found["b"].mark
    assert Mark("a.yaml", 3, 5) == found["b"][0].mark == found["b"].item_mark(0)
    assert Mark("a.yaml", 4, 5) == found["b"].item_mark(1)


def test_marked_values_are_plain_ones() -> None:
    """They equal and hash as what they hold."""
    found = parse("a: {b: [x, 2, true, null]}\n1: y\n", "a.yaml")

    assert {"a": {"b": ["x", 2, True, None]}, 1: "y"} == found
    assert {"y": True} == {found[1]: True}


def test_an_empty_file_is_nothing() -> None:
    """And so is one of comments; an empty document is not an error, its reader says what is missing."""
    assert [None, None, None] == [parse(text, "a.yaml") for text in ("", "# only this\n", "---\n")]


REFUSED = {
    "a: 1\nb: 2\na: 3": "a.yaml:3:1: 'a' is there twice; first on line 1.",
    "1: x\n1: y": "a.yaml:2:1: '1' is there twice; first on line 1.",
    "a: &x 1": "a.yaml:1:4: an anchor (&x) has no place here. Write the value out where it is used.",
    "a: *x": "a.yaml:1:4: an alias (*x) has no place here. Write the value out.",
    "a: !!python/object 1": "a.yaml:1:4: a tag (tag:yaml.org,2002:python/object) has no place here.",
    "a: !Ref b": "a.yaml:1:4: a tag (!Ref) has no place here.",
    "%YAML 1.1\n---\na: 1": "a.yaml:1:1: a directive (%…) has no place here.",
    "a: 1\n---\nb: 2": "a.yaml:2:1: a second document (---) in one file.",
    "<<: {a: 1}": "a.yaml:1:1: a merge key (<<) has no place here. Write the values out.",
    "true: 1": "a.yaml:1:1: a key must be a word or a whole number. Put it in quotes if it is meant as text.",
    "~: 1": "a.yaml:1:1: a key must be a word or a whole number. Put it in quotes if it is meant as text.",
    "1.5: 1": "a.yaml:1:1: a key must be a word or a whole number. Put it in quotes if it is meant as text.",
    "? [a]\n: b": "a.yaml:1:3: a key must be a word or a whole number. Put it in quotes if it is meant as text.",
    "account: 007": "a.yaml:1:10: '007' is a number that would lose its leading zero. Put it in quotes.",
    f"a: {'9' * 101}": "a.yaml:1:4: a number of 101 digits. Put it in quotes if it is meant as text.",
    "a: [1, 2\nb: 3": "a.yaml:1:4: a '[' that is not closed. Close it with ']', or put a ',' between its items.",
    "a: {b: 1\nc: 2": "a.yaml:1:4: a '{' that is not closed. Close it with '}', or put a ',' between its entries.",
    "a: 'x\nb: 1": "a.yaml:1:4: a quotation mark that is not closed.",
    "a:\n\tc: d": "a.yaml:2:1: a tab in the indentation. Use spaces.",
    "a: b: c": "a.yaml:1:5: a ':' that cannot stand here. Put the text in quotes, or check the indentation.",
    "a: 1\n b: 2": "a.yaml:2:3: a ':' that cannot stand here. Put the text in quotes, or check the indentation.",
    "a: 1\nb\nc: 2": "a.yaml:3:1: a line without ':'. Write 'name: value'; put text that goes on in quotes.",
    "- a\nb: c": "a.yaml:2:1: the indentation does not fit the list above. Items of one list begin in one column.",
    " a: 1\nb: 2": "a.yaml:2:1: text after the end of the value. Check the indentation and the brackets.",
    "a: -": "a.yaml:1:4: a '-' that cannot stand here. Begin the list on a line of its own.",
    "a: @x": "a.yaml:1:4: a value cannot begin with '@'. Put it in quotes.",
    "a: `x`": "a.yaml:1:4: a value cannot begin with '`'. Put it in quotes.",
    "a: *": "a.yaml:1:4: a value cannot begin with '*'. Put it in quotes.",
    'a: "\\q"': "a.yaml:1:5: an unknown escape (\\) in double quotes. Use single quotes, or write \\\\.",
    "a: \x07": "a.yaml:1:4: the character U+0007, which cannot be printed.",
    "\ufeffa: 1": "a.yaml:1:1: a byte-order mark. Save the file as UTF-8 without one.",
    "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1): f"a.yaml:1:51: is nested deeper than {DEEPEST} levels.",
    "#" * (LARGEST + 1): "a.yaml: is larger than 1000 kB.",
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: repr(text[:30]))
def test_what_is_refused_is_told_with_its_place(text: str) -> None:
    """In words that need no knowledge of YAML's grammar."""
    assert REFUSED[text] == refusal(text)


def test_all_that_is_refused_is_told_at_once() -> None:
    """Reading goes on after a mistake, and a broken end does not hide what came before."""
    assert (
        "a.yaml:2:1: 'a' is there twice; first on line 1.\n"
        "a.yaml:3:4: an alias (*y) has no place here. Write the value out.\n"
        "a.yaml:4:4: a '[' that is not closed. Close it with ']', or put a ',' between its items."
    ) == refusal("a: 1\na: 2\nb: *y\nc: [1\nd: 2")


def test_depth_and_repetition_cost_no_more_than_their_length() -> None:
    """A million brackets end at the fiftieth; a bomb of aliases is refused, not unfolded."""
    bomb = "a: &a [x, x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]\n" for i in range(20)
    )

    assert f"a.yaml:1:51: is nested deeper than {DEEPEST} levels." == refusal("[" * 900_000)
    assert 61 == len(refusal(bomb).splitlines())


def test_a_file_is_read_and_named_as_told(tmp_path: Path) -> None:
    """`shown` is how its operator calls it."""
    (tmp_path / "x.yaml").write_text("é: 1\n")

    found = load(tmp_path / "x.yaml", shown="rules/x.yaml")

    assert ({"é": 1}, "rules/x.yaml") == (found, found.mark.file)


def test_a_file_that_cannot_be_read_is_a_problem_of_configuration(tmp_path: Path) -> None:
    """Absent, a folder, not text, or too large: told, never raised as it is."""
    (tmp_path / "latin.yaml").write_bytes(b"a: 1\nb: \xe9\n")
    (tmp_path / "large.yaml").write_bytes(b"#" * (LARGEST + 1))

    told = []
    for name in ("none.yaml", "", "latin.yaml", "large.yaml"):
        with pytest.raises(ConfigError) as caught:
            load(tmp_path / name, shown="f")
        told.append(str(caught.value))

    assert [
        "f: cannot be read: No such file or directory.",
        "f: cannot be read: Is a directory.",
        "f:2: is not UTF-8 text. Save the file as UTF-8.",
        "f: is larger than 1000 kB.",
    ] == told


def test_words_for_messages() -> None:
    """What readers of marked YAML share: the nearest word, the choice, and a value as an operator calls it."""
    assert "Did you mean 'group_by'?" == nearest("groupby", ["group_by", "match"])
    assert "" == nearest("xyz", ["group_by", "match"])
    assert "There is 1, 2." == one_of("There is", [1, 2])
    values: list[Any] = [None, {}, [], True, "x"]
    assert ["nothing", "a map", "a list", "'true'", "'x'"] == [named(value) for value in values]


def test_places_and_plain_values() -> None:
    """A number stands where what holds it says; without its marks a value is JSON."""
    found = parse("a: [x]\n1: 2\n", "a.yaml")
    elsewhere = Mark("a.yaml", 9, 9)

    assert (found["a"].mark, elsewhere) == (mark_of(found["a"], elsewhere), mark_of(found[1], elsewhere))
    assert {"a": ["x"], "1": 2} == plain(found)
    assert str is type(plain(found)["a"][0])


def test_a_copy_of_a_marked_text_is_the_same_and_marked() -> None:
    """`dataclasses.asdict` copies deeply."""
    text = MarkedStr("sentry", Mark("config.yaml", 3, 5))

    again = copy.deepcopy(text)
    assert ("sentry", text.mark) == (again, again.mark)


def test_what_is_dumped_is_read_back_the_same() -> None:
    """Numbers stay keys, and what looks like a time or a number but was text stays text."""
    value = parse("b: {1: '16:00', 2: null}\na: [yes, '1', 2026-01-01, 1.5, true]\n", "a.yaml")

    assert value == parse(dump(value), "b.yaml")
    assert dump(value) == dump(parse("a: [yes, '1', 2026-01-01, 1.5, true]\nb: {2: null, 1: '16:00'}\n", "c.yaml"))
