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
    (decision,) = json.loads(capsys.readouterr().out)["decisions"]
    assert ("down", "hook", "shop-1", "opened") == tuple(decision[k] for k in ("rule", "source", "signal", "outcome"))


def test_an_unknown_incident_ends_with_two(daemon: app.Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["explain", "nowhere"])
    assert "there is no such incident" in capsys.readouterr().err
