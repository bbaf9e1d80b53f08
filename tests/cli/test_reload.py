"""Configuration, policy and rules taken anew: the whole set, or none of it."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from daemon import app
from daemon.model import Incident
from daemon.pipeline.reload import Reload
from daemon.store import incidents
from tests.cli.conftest import CONFIG, RULE, SECRET, down

ROOT = Path(__file__).parents[2]

CLIENT = """
contracts:
  gold:
    goals:
      response: {1: {target: 15m, calendar: 24x7}, 2: null, 3: null, 4: null}
clients: {acme: {contract: gold}}
"""


@dataclass
class Desk:
    daemon: app.Daemon
    reload: Reload
    folder: Path

    def write(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(exist_ok=True)
        (self.folder / name).write_text(text)

    def step(self) -> None:
        self.reload.step(self.daemon.store.now())

    def incidents(self) -> list[Incident]:
        with self.daemon.store.read() as connection:
            return incidents.recent(connection)

    def refused(self) -> list[Incident]:
        return [one for one in self.incidents() if one.rule == "daemon/not-reloaded"]

    def figure(self, name: str, **labels: str) -> float | None:
        return self.daemon.registry.get_sample_value(f"heliograph_config_{name}", labels or None)


@pytest.fixture
def desk(daemon: app.Daemon, folder: Path) -> Desk:
    """A daemon whose files have been looked at once."""

    def read() -> app.Setup:
        return app.read(folder / "config.yaml", {"HOOK_SECRET": SECRET}, daemon.chance)

    one = Desk(daemon, daemon.reload(read), folder)
    one.step()
    return one


def test_a_changed_rule_is_taken_and_its_open_incident_keeps_its_key(desk: Desk) -> None:
    """The same trouble joins it still."""
    down(desk.daemon, "shop")
    desk.write("rules/down.yaml", RULE.replace("is down", "has fallen").replace("severity: 1", "severity: 2"))
    desk.step()
    before = [one.key for one in desk.incidents()]
    down(desk.daemon, "shop")
    down(desk.daemon, "bank")
    after = {one.title: one.key for one in desk.incidents()}

    assert ["bank has fallen", "shop is down"] == sorted(after)
    assert before == [after["shop is down"]]


def test_a_bad_set_is_refused_whole_and_told_until_a_good_one_comes(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    """Its good half too; the next good set clears the incident."""
    before = desk.daemon.setup
    desk.write("policy/lists.yaml", "lists: {offices: [192.0.2.0/24]}\n")
    desk.write("rules/down.yaml", RULE.replace("severity: 1", "severity: 9"))
    with caplog.at_level(logging.ERROR):
        desk.step()
        desk.step()

    assert before is desk.daemon.setup
    assert 1 == sum("rules/down.yaml:6:11: there is no severity '9'." in line for line in caplog.messages)
    assert [("open", "daemon/not-reloaded|configuration")] == [(one.state, one.key) for one in desk.refused()]
    assert 0 == desk.figure("last_reload_successful")

    desk.write("rules/down.yaml", RULE)
    desk.step()

    assert ["offices"] == list(desk.daemon.setup.rule_policy.lists)
    assert [] == [one for one in desk.refused() if one.state == "open"]
    assert 1 == desk.figure("last_reload_successful")
    assert 1 == desk.figure("info", hash=app.digest(desk.daemon.setup.config)[:12])


def test_what_stands_on_connections_needs_a_restart(desk: Desk) -> None:
    """It is named, and nothing of the set is taken."""
    before = desk.daemon.setup
    desk.write("config.yaml", CONFIG.replace("{type: webhook,", "{type: webhook, keep: all,"))
    desk.step()
    (refused,) = desk.refused()

    assert before is desk.daemon.setup
    assert "'sources' changed, which needs a restart." in refused.title


def test_asked_it_reads_again_what_looks_the_same(desk: Desk) -> None:
    """A variable may have changed."""
    before = desk.daemon.setup
    desk.step()
    assert before is desk.daemon.setup
    desk.reload.ask()
    desk.step()

    assert before is not desk.daemon.setup


@contextmanager
def running(folder: Path) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "HOOK_SECRET": SECRET}
    with subprocess.Popen(
        [sys.executable, "-m", "daemon", "run"], cwd=folder, env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def heard(process: subprocess.Popen[str], words: str) -> bool:
    """Whether the process says so before it ends."""
    assert process.stdout is not None
    return any(words in line for line in process.stdout)


def test_a_running_daemon_takes_good_edits_and_refuses_bad_ones(folder: Path) -> None:
    """At SIGHUP, and without it."""
    with running(folder) as process:
        assert heard(process, "figures at")
        (folder / "rules/down.yaml").write_text(RULE.replace("severity: 1", "severity: 2"))
        process.send_signal(signal.SIGHUP)
        assert heard(process, "taken anew")
        (folder / "rules/down.yaml").write_text(RULE.replace("severity: 1", "severity: 9"))
        assert heard(process, "rules/down.yaml:6:11: there is no severity '9'.")
        (folder / "rules/down.yaml").write_text(RULE)
        assert heard(process, "taken anew")
        process.send_signal(signal.SIGTERM)
        assert heard(process, "stopping")
        assert 0 == process.wait(60)


def test_a_contract_that_is_gone_is_kept_for_its_tickets(desk: Desk) -> None:
    """Their clocks follow what was promised, whatever is written now."""
    desk.write("config.yaml", CONFIG + CLIENT)
    desk.write("rules/down.yaml", RULE + "clients: all\n")
    desk.step()
    down(desk.daemon, "shop")
    desk.write("rules/down.yaml", RULE)
    desk.write("config.yaml", CONFIG)
    desk.step()
    policy = desk.daemon.setup.terms.policy

    assert ([], False) == (desk.refused(), "acme" in policy.clients)
    assert 900 == policy.pinned("gold@first").goals["response"][1].target  # type: ignore[union-attr]
