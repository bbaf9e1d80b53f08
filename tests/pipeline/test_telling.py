"""What the pipeline tells, and what it does not: nothing that was undone, and no storm line by line."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from daemon import trace
from daemon.desk.opening import Opening
from daemon.errors import Permanent, Temporary
from daemon.model import FactKind
from daemon.trace import Span
from tests.pipeline.doubles import NOON, SECOND, Holding, World, recovered, rule, signal


def told(caplog: pytest.LogCaptureFixture, least: int = logging.INFO) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= least]


def about(caplog: pytest.LogCaptureFixture, message: str) -> list[dict[str, object]]:
    return [vars(record) for record in caplog.records if record.getMessage().startswith(message)]


@pytest.fixture(autouse=True)
def listening(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "heliograph")


@pytest.fixture
def spans() -> Iterator[list[Span]]:
    """What is traced."""
    taken: list[Span] = []
    trace.export_to(taken.append)
    yield taken
    trace.export_to(None)


def test_what_is_rolled_back_was_never_told(world: World, spans: list[Span], caplog: pytest.LogCaptureFixture) -> None:
    """The first of a batch opens an incident; the second breaks the transaction. Then it is tried again, and told."""
    batch = (signal("1"), signal("2", SECOND, project="cart"))
    broken = [True]

    def hold(opening: Opening) -> None:
        if broken and "cart" in opening.key:
            raise RuntimeError("it broke")

    world.hold = Holding(hold)
    world.source.say(*batch)
    with pytest.raises(RuntimeError):
        world.run(world.collect())

    assert ([], [], []) == (told(caplog, logging.DEBUG), spans, world.incidents())

    broken.clear()
    world.until(NOON + 61 * SECOND)
    world.hear(*batch)

    assert 2 == told(caplog).count("incident opened")
    assert 2 == [span.name for span in spans].count("incident")


def test_what_no_signal_opened_has_no_match(world: World, spans: list[Span]) -> None:
    """The daemon says it about itself."""
    world.source.fail(Permanent("auth", "HTTP 401"))
    world.run(world.collect())

    assert ["incident", "ticket"] == [span.name for span in spans]


def test_a_flood_of_joins_writes_no_line_each(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A thousand signals of one trouble are one opening; each is told at debug."""
    world.hear(*(signal(str(n), n * SECOND) for n in range(1_000)))

    assert ["incident opened", "ticket opened", "delivery owed"] == told(caplog)
    assert 999 == told(caplog, logging.DEBUG).count("signal joined")


def test_a_flood_of_failures_writes_a_line_for_each_delivery(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The first is a warning, for the vendor is broken. Of each other delivery its own first is told, and no later."""
    world.hear(signal("1"), signal("2", project="cart"))
    world.actions["page"].failures = [Temporary("unreachable", "nobody is there") for _ in range(20)]
    for _ in range(5):
        world.run(world.send())
        world.after(300 * SECOND)

    failures = about(caplog, "delivery will be tried again")
    levels = [(line["levelname"], line["attempt"]) for line in failures if line["levelname"] != "DEBUG"]
    assert [("WARNING", 1), ("INFO", 1)] == levels
    assert 8 < len(failures)
    assert {"unreachable"} == {line["reason"] for line in failures}


def test_each_refusal_is_a_warning(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody will try again: a person must look."""
    world.hear(signal("1"), signal("2", project="cart"))
    world.actions["page"].failures = [Permanent("auth", "HTTP 401"), Permanent("auth", "HTTP 401")]
    world.run(world.send())

    refused = about(caplog, "delivery refused: auth: HTTP 401")
    paged = {incident.id for incident in world.incidents() if incident.origin == "sentry"}
    assert [("WARNING", "auth"), ("WARNING", "auth")] == [(line["levelname"], line["reason"]) for line in refused]
    assert paged == {line["incident"] for line in refused}


def test_a_signal_that_waits_in_a_window_is_told_by_its_own_name(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """There is no incident yet, so no id of one."""
    world.rules = [rule("window: {count: 3, within: 5m}\n")]
    world.hear(signal("1"))

    (line,) = about(caplog, "signal below")
    assert ("DEBUG", "sentry", "1", "down", "") == tuple(
        line[key] for key in ("levelname", "source", "signal", "rule", "incident")
    )


def test_what_is_held_is_told_to_be_held(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.hold = Holding(lambda _: {"by": "silence", "id": "3", "why": "the racks move"})
    world.hear(signal("1"))

    assert ["incident opened, and held"] == told(caplog)
    assert ["silence"] == [line["why"] for line in about(caplog, "incident opened")]


def test_a_page_that_is_no_longer_due_is_told_to_be_cancelled(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """It recovered before the page left: the opening is taken back, and the log says so under the incident's id."""
    world.rules = [rule("clear: recovery\n")]
    world.hear(signal("1"))
    world.hear(recovered("2", SECOND))

    assert [world.incident.id] == [line["incident"] for line in about(caplog, "delivery cancelled")]


def test_an_acknowledgement_names_who_and_which_page(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.hear(signal("1"))
    world.run(world.send())
    key = f"hg:{world.incident.id}:1"
    world.heard.say(FactKind.ACKNOWLEDGED, "f1", key, NOON)
    world.run(world.track())

    (heard,) = about(caplog, "page acknowledged")
    (taken,) = about(caplog, "ticket acknowledged")
    assert (world.incident.id, key, "asha") == (heard["incident"], heard["delivery"], heard["actor"])
    assert (world.incident.id, 1, "person:asha") == (taken["incident"], taken["ticket"], taken["actor"])
