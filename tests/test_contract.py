"""The contract's small types."""

from datetime import timedelta

import pytest

from daemon.contract import parse_duration, write_duration
from daemon.secret import Secret, redact


@pytest.mark.parametrize("text", ["30s", "15m", "4h", "30d"])
def test_a_duration_is_written_as_it_was_read(text: str) -> None:
    """Reading and writing are each other's inverse."""
    assert text == write_duration(parse_duration(text))


@pytest.mark.parametrize("text", ["10x", "", "-1m", "1h30m", 5, None])
def test_what_is_no_length_of_time_is_refused(text: object) -> None:
    """The message says what would do."""
    with pytest.raises(ValueError, match="such as 30s"):
        parse_duration(text)


def test_ninety_minutes_are_written_in_minutes() -> None:
    """The largest unit that divides."""
    assert "90m" == write_duration(timedelta(minutes=90))


def test_a_secret_never_prints() -> None:
    """Neither its repr nor text that holds it shows it."""
    secret = Secret("hunter2-hunter2")

    assert "hunter2" not in f"{secret} {secret!r}"
    assert "token=***" == redact("token=hunter2-hunter2")
