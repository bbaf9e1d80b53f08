"""What is logged, how it looks, and what never shows."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator

import pytest

from daemon import log
from daemon.log import Once, about
from daemon.secret import Secret

LOG = logging.getLogger("heliograph.test")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("heliograph")
    handlers, levels = list(root.handlers), (root.level, ours.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def lines(stream: io.StringIO) -> list[str]:
    """What was logged, without its instants."""
    return [re.sub(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", "", line) for line in stream.getvalue().splitlines()]


def test_a_plain_line_says_when_how_bad_who_and_what() -> None:
    """In this order, the instant in UTC."""
    stream = io.StringIO()
    log.configure(stream=stream)

    LOG.warning("page %s: %s", "hg:7:1", "timeout")

    assert ["warning test: page hg:7:1: timeout"] == lines(stream)
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", stream.getvalue())


def test_a_plain_message_stays_on_its_line() -> None:
    """A vendor's answer can forge no line and send no escape to the terminal."""
    stream = io.StringIO()
    log.configure(stream=stream)

    LOG.info("said %s", "a\nb\x1b[2J\u2028c")

    assert [r"info test: said a\nb\x1b[2J\u2028c"] == lines(stream)


def test_a_json_line_is_one_object() -> None:
    """Newlines and all; the thread is the step that spoke."""
    stream = io.StringIO()
    log.configure(format="json", stream=stream)

    LOG.error("two\nlines")

    said = json.loads(stream.getvalue())
    assert {"level": "error", "logger": "heliograph.test", "message": "two\nlines", "thread": "MainThread"} == {
        key: value for key, value in said.items() if key != "at"
    }


@pytest.mark.parametrize("format", ["plain", "json"])
def test_no_secret_shows(format: log.Format) -> None:
    """Not in a message, not in its arguments, not in a traceback, and not when JSON would escape it."""
    stream = io.StringIO()
    log.configure(format=format, stream=stream)
    secret = Secret('open "sesame"').reveal()

    LOG.info("with %s", secret, extra=about(signal=f"of {secret}", reason=secret))
    try:
        raise ValueError(secret)
    except ValueError:
        LOG.exception("it failed")

    assert "sesame" not in stream.getvalue()
    assert 4 == stream.getvalue().count("***")


def test_a_plain_line_ends_with_what_it_is_about() -> None:
    """In an order of ours, whatever the caller's; nothing of what is empty, and nothing that we do not know."""
    stream = io.StringIO()
    log.configure(stream=stream)

    LOG.info("ticket opened", extra=about(severity=1, ticket=7, incident="3k9x0a7c2m", rule=""))
    LOG.info("theirs", extra={"pool": 3})

    assert ["info test: ticket opened incident=3k9x0a7c2m ticket=7 severity=1", "info test: theirs"] == lines(stream)


def test_a_value_can_forge_no_other() -> None:
    """What a vendor calls a signal is quoted where it is no single word, and escaped where it would move the cursor."""
    stream = io.StringIO()
    log.configure(stream=stream)

    for said in ("a b", "x incident=y", 'a"b', "a=b", "a\nb", "\x1b[2J\u2028"):
        LOG.info("seen", extra=about(signal=said))

    assert [
        'info test: seen signal="a b"',
        'info test: seen signal="x incident=y"',
        'info test: seen signal="a\\"b"',
        'info test: seen signal="a=b"',
        'info test: seen signal="a\\nb"',
        'info test: seen signal="\\u001b[2J\\u2028"',
    ] == lines(stream)


def test_a_json_line_has_what_it_is_about_as_keys_of_its_own() -> None:
    """Numbers stay numbers; 0 is said."""
    stream = io.StringIO()
    log.configure(format="json", stream=stream)

    LOG.info("poll", extra=about(source="sentry", new=0, trace="ab", signal="a\nb") | {"pool": 3})

    said = json.loads(stream.getvalue())
    assert {"source": "sentry", "new": 0, "trace": "ab", "signal": "a\nb"} == {
        key: said[key] for key in said.keys() - {"at", "level", "logger", "message", "thread"}
    }


def test_a_traceback_stands_under_its_own_key() -> None:
    """`trace` is the id of a trace."""
    stream = io.StringIO()
    log.configure(format="json", stream=stream)

    try:
        raise ValueError("no")
    except ValueError:
        LOG.exception("it failed")

    said = json.loads(stream.getvalue())
    assert said["traceback"].endswith("ValueError: no")
    assert "trace" not in said


def test_the_level_is_ours_and_libraries_are_kept_quiet() -> None:
    """Debug of the daemon does not open the floodgates of its libraries."""
    stream = io.StringIO()
    log.configure(level="debug", stream=stream)

    LOG.debug("ours")
    logging.getLogger("urllib3").info("theirs")
    logging.getLogger("urllib3").warning("theirs, and it matters")

    assert ["debug test: ours", "warning urllib3: theirs, and it matters"] == lines(stream)


def test_configuring_again_replaces() -> None:
    """Nothing is said twice, and handlers of others stay."""
    first, second, other = io.StringIO(), io.StringIO(), logging.NullHandler()
    logging.getLogger().addHandler(other)
    log.configure(stream=first)
    log.configure(stream=second)

    LOG.info("here")

    assert ([], ["info test: here"]) == (lines(first), lines(second))
    assert other in logging.getLogger().handlers


def test_a_break_and_a_recovery_are_said_once_each() -> None:
    """However often they are told; a recovery of what never broke is no news."""
    stream = io.StringIO()
    log.configure(stream=stream)
    once = Once()

    once.recovered(LOG, "sentry", "%s answers again", "sentry")
    for attempt in range(3):
        once.broke(LOG, "sentry", "%s: timeout %d", "sentry", attempt)
    once.broke(LOG, "datadog", "datadog: refused")
    once.recovered(LOG, "sentry", "%s answers again", "sentry")
    once.recovered(LOG, "sentry", "%s answers again", "sentry")
    once.broke(LOG, "sentry", "sentry: refused")

    assert [
        "warning test: sentry: timeout 0",
        "warning test: datadog: refused",
        "info test: sentry answers again",
        "warning test: sentry: refused",
    ] == lines(stream)


def test_one_key_under_two_loggers_is_two_things() -> None:
    """The polls of `page` and its deliveries break apart from one another."""
    stream = io.StringIO()
    log.configure(stream=stream)
    once = Once()

    once.broke(LOG, "page", "polling broke")
    once.broke(logging.getLogger("heliograph.send"), "page", "sending broke")

    assert ["warning test: polling broke", "warning send: sending broke"] == lines(stream)
