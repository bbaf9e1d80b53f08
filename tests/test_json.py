"""What vendors send is read as strictly as by the standard parser, and no value changes on the way."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon import http
from daemon.model import Json

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(_VALUES, st.booleans())
def test_whatever_json_can_say_is_read_as_the_standard_parser_reads_it(value: Json, ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii).replace(r"\u0000", "")

    assert repr(json.loads(text)) == repr(http.parse(text)) == repr(http.parse(text.encode()))


@pytest.mark.parametrize(
    "text", ["18446744073709551616", "-9223372036854775809", "1" * 30, "1e-400", "-0", "-0.0", '{"a": 1, "a": 2}']
)
def test_a_number_beyond_a_machine_word_stays_what_it_is(text: str) -> None:
    assert repr(json.loads(text)) == repr(http.parse(text))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (r'"a\u0000b"', "a\ufffdb"),
        (r'{"\ud800": "\ud83d"}', {"\ufffd": "\ufffd"}),
        (r'"\ud83d\ude00"', "\U0001f600"),
        ('{"a": 1}'.encode("utf-16"), {"a": 1}),
    ],
)
def test_what_no_database_can_hold_is_replaced(text: str | bytes, read: Json) -> None:
    assert read == http.parse(text)


_BROKEN = ("NaN", "-Infinity", "1e999", "[1,]", "01", '{"a": 1} x', '"\x01"', '"\\x"', b'"\xff"', "", "[" * 5_000)


@pytest.mark.parametrize("text", [*_BROKEN, "9" * 5_000])
def test_what_is_not_json_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        http.parse(text)

    assert str(caught.value)
