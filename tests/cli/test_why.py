"""`heliograph explain`: what rules did, and why."""

from __future__ import annotations

import json

import pytest

from daemon import app
from daemon.__main__ import main
from tests.cli.conftest import down


def test_an_incident_is_explained_with_what_its_rule_saw(
    daemon: app.Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line for each decision, and each condition of the opening with its value."""
    down(daemon, "shop")
    assert 0 == main(["incident", "list", "--json"])
    (incident,) = json.loads(capsys.readouterr().out)

    assert 0 == main(["explain", incident["id"]])
    said = capsys.readouterr().out
    assert "opened it" in said
    assert "✓ status: down  saw down" in said

    assert 0 == main(["explain", incident["id"], "--json"])
    told = json.loads(capsys.readouterr().out)
    (decision,) = told["decisions"]
    assert ("down", "hook", "shop-1", "opened") == tuple(decision[k] for k in ("rule", "source", "signal", "outcome"))
    (episode,) = told["episodes"]
    assert (1, None, [{"source": "hook", "signal": "shop-1"}]) == tuple(
        episode[k] for k in ("episode", "over_at", "evidence")
    )
    assert "it goes on" in said


def test_an_unknown_incident_ends_with_two(daemon: app.Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["explain", "nowhere"])
    assert "there is no such incident" in capsys.readouterr().err
