"""kill -9 in the middle of detecting: whoever comes next goes on exactly where the last commit was."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from daemon.model import Json
from tests.pipeline.doubles import World
from tests.pipeline.killed import BATCHES, play, world_of
from tests.pipeline.test_windows import told

ROOT = Path(__file__).parents[2]


def test_what_windows_remember_survives_a_kill(tmp_path: Path) -> None:
    """Killed five times, each time while the batch after the last that it told of is being worked on."""
    at_once, killed = tmp_path / "at_once", tmp_path / "killed"
    at_once.mkdir()
    killed.mkdir()
    with world_of(at_once) as world:
        assert [*range(1, BATCHES + 2)] == list(play(world))
        expected = _remembered(world)

    for number in (3, 4, 17, 31, 50):
        _kill_after(killed, number)
    with world_of(killed) as world:
        assert 50 <= next(iter(play(world)))
        assert [] != list(play(world))
        found = _remembered(world)

    assert expected == found
    assert {"burst", "spread", "more", "mute", "new", "fell"} == {key.split()[0] for key, *_ in expected["incidents"]}


def _kill_after(folder: Path, number: int) -> None:
    command = [sys.executable, "-m", "tests.pipeline.killed", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= number:
                process.kill()
                break


def _remembered(world: World) -> dict[str, Any]:
    """Windows, decisions, incidents with their evidence, and what was sent going, without what is named by chance."""
    ids = {row["row"]: row["id"] for row in world.rows("signals")}
    judged = world.rows("judgements")
    return {
        "windows": sorted(_text(row) for row in world.rows("windows")),
        "judged": [(ids.get(row["signal"]), row["rule"], row["key"], row["outcome"]) for row in judged],
        "incidents": told(world),
        "owed": world.deliveries(),
    }


def _text(row: dict[str, Json]) -> str:
    return json.dumps(row, sort_keys=True, default=str)
