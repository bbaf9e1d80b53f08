"""`heliograph silence`, with a daemon that runs and without one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from daemon import app
from daemon.__main__ import main
from daemon.cli.serve import serving
from daemon.desk import silences as desk
from daemon.desk.desk import Refused

ADD = ("silence", "add", "--rule", "do*", "--group", "name=shop", "--for", "2h", "--reason", "The racks move.")


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(arguments)
    written = capsys.readouterr()
    return code, written.out + written.err


@pytest.fixture(params=["running", "stopped"])
def office(daemon: app.Daemon, request: pytest.FixtureRequest) -> Iterator[app.Daemon]:
    if request.param == "stopped":
        daemon.close()
        yield daemon
        return
    with serving(daemon, list, list, lambda: None):
        yield daemon


@pytest.mark.usefixtures("office")
def test_a_silence_is_added_and_ended_by_somebody(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = told(capsys, *ADD, "--as", "asha", "--json")
    added = json.loads(said)

    assert 0 == code
    assert (1, {"rule": ["do*"], "group.name": ["shop"]}, "asha", "The racks move.") == (
        added["id"], added["hold"], added["owner"], added["reason"],
    )  # fmt: skip
    assert 0 == told(capsys, "silence", "end", "1", "--as", "ben")[0]
    assert (1, "silence 1 is over already\n") == told(capsys, "silence", "end", "1")
    assert (1, "there is no silence 9\n") == told(capsys, "silence", "end", "9")


@pytest.mark.usefixtures("office")
@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"do*": "dwon"}, (2, "no rule is called 'dwon'. Did you mean 'down'?\n")),
        ({"2h": "a while"}, (2, "'a while' is not a length of time, such as 30s, 15m, 4h or 30d.\n")),
        ({"name=shop": "shop"}, (2, "--group takes part=value, such as service=checkout, not 'shop'.\n")),
        ({"2h": "31d"}, (1, "a silence lasts at most 30 days, and more than no time\n")),
        ({"The racks move.": " "}, (1, "say why: whoever misses the incidents will ask\n")),
    ],
)
def test_a_silence_that_makes_no_sense_is_refused(
    capsys: pytest.CaptureFixture[str], changes: dict[str, str], answer: tuple[int, str]
) -> None:
    assert answer == told(capsys, *(changes.get(word, word) for word in ADD))


def test_a_silence_holds_until_it_ends(daemon: app.Daemon) -> None:
    """Then it is not listed any more."""
    now = daemon.store.now()
    with daemon.store.write() as connection:
        added = desk.add(connection, {"rule": ["down"]}, "asha", "why", timedelta(hours=2), now)
        (standing,) = desk.standing(connection, now)

        assert ("1", "asha", now, now + timedelta(hours=2)) == (
            standing.id, standing.owner, standing.begins, standing.ends,
        )  # fmt: skip
        assert standing.selector.means({"rule": "down"})
        assert [] == desk.standing(connection, added.ends)
        desk.expire(connection, added.id, "ben", now + timedelta(hours=1))
        assert [] == desk.standing(connection, now + timedelta(hours=1))


def test_nothing_is_silenced_by_a_slip(daemon: app.Daemon) -> None:
    """Everything, or a field that is not there, is never meant."""
    now = daemon.store.now()
    with daemon.store.write() as connection:
        slips: list[dict[str, list[str]]] = [{}, {"rule": []}, {"rule": [""]}, {"ruel": ["x"]}]
        for selector in slips:
            with pytest.raises(Refused):
                desk.add(connection, selector, "asha", "why", timedelta(hours=2), now)


def test_silences_are_listed_for_people(daemon: app.Daemon, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.close()
    assert (0, "no silences\n") == told(capsys, "silence", "list")
    told(capsys, *ADD, "--as", "asha")

    assert "asha" in told(capsys, "silence", "list")[1]
    assert 1 == len(json.loads(told(capsys, "silence", "list", "--json")[1]))
