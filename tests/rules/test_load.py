"""The rules folder: what is taken, and what is said of what is not."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from daemon.errors import ConfigError
from daemon.model import Polarity
from daemon.rules.conditions import All, Field
from daemon.rules.load import load, load_text
from daemon.rules.model import Clear, Clients, Count, Drop, Expect, Rule, Spike
from daemon.rules.paths import parse_path
from tests.rules.names import NAMES

BAD = sorted((Path(__file__).parent / "bad").glob("*.yaml"))
GOOD = """\
title: Something broke in {project}
source: sentry
match: {level: fatal}
severity: 2
class: defect
"""


def rule(more: str = "", text: str = GOOD) -> Rule:
    return load_text("x", text + more, "rules/x.yaml", NAMES)


def problems(folder: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(folder, NAMES)
    return list(map(str, caught.value.problems))


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in BAD])
def test_a_mistake_is_told_with_its_line(path: Path) -> None:
    """Each bad file ends in what must be said of it, word for word."""
    lines = path.read_text().splitlines(keepends=True)
    expected = [f"{path.name}{line[3:].rstrip()}" for line in lines if line.startswith("#! ")]

    with pytest.raises(ConfigError) as caught:
        load_text("x", "".join(line for line in lines if not line.startswith("#! ")), path.name, NAMES)

    assert expected == list(map(str, caught.value.problems))


def test_a_short_rule_means_the_usual() -> None:
    """Five keys are enough."""
    short = rule()

    assert ("x", ("sentry",), 2, "defect") == (short.id, short.sources, short.severity, short.class_)
    assert All((Field(parse_path("level"), "equals", ("fatal",)),)) == short.condition
    assert Clear(quiet_for=timedelta(hours=1)) == short.clear
    assert (Clients("none"), "live", False, None, ()) == (
        short.clients, short.stage, short.silent, short.window, short.group_by,
    )  # fmt: skip


def test_what_is_written_is_what_is_meant() -> None:
    """Every key arrives where the engine reads it."""
    full = rule(
        "kind: sentry.issue\ngroup_by: id\nwindow: {count: 9, within: 5m, of: count_delta}\nteam: web\n"
        "clients: {from: tags.tenant}\nclear: {quiet_for: 10m, recovery: true}\nreopen_within: 2h\n"
        "then: [ticket, page]\nstage: shadow\nsilent: true\nrunbook: Look.\n"
    )

    assert (("sentry.issue",), ("id",), "web") == (full.kinds, full.group_by, full.team)
    assert Count(9, timedelta(minutes=5), "count_delta") == full.window
    assert Clients("from", path=parse_path("tags.tenant")) == full.clients
    assert Clear(timedelta(minutes=10), recovery=True) == full.clear
    assert (timedelta(hours=2), ("ticket", "page")) == (full.reopen_within, full.then)
    assert ("shadow", True, "Look.") == (full.stage, full.silent, full.runbook)


@pytest.mark.parametrize("kind", [Spike, Drop])
def test_a_baseline_is_of_signals_or_of_what_the_vendor_counted(kind: type[Spike | Drop]) -> None:
    """As it says; of signals where it does not."""
    words = f"{kind.__name__.lower()}: 4, within: 10m, baseline: 1h, floor: 9"

    assert kind(4, timedelta(minutes=10), timedelta(hours=1), 9) == rule(f"window: {{{words}}}\n").window
    assert "count_delta" == getattr(rule(f"window: {{{words}, of: count_delta}}\n").window, "of", None)


def test_an_object_that_recovers_needs_no_clear() -> None:
    """A rule grouped by `id`, on sources that tell of recovery, waits for that."""
    assert Clear(recovery=True) == rule("group_by: [id]\n").clear
    assert Clear(quiet_for=timedelta(hours=1)) == rule("group_by: [project]\n").clear
    mixed = rule("group_by: [id]\n", GOOD.replace("sentry", "[sentry, cloudtrail-eu]"))
    assert Clear(quiet_for=timedelta(hours=1)) == mixed.clear


def test_never_and_a_match_can_clear() -> None:
    """People alone, or a signal."""
    assert Clear() == rule("clear: never\n").clear
    matched = rule("clear: {match: {status: ignored}}\n").clear
    assert Clear(match=All((Field(parse_path("status"), "equals", ("ignored",)),))) == matched


def test_a_test_takes_source_and_kind_from_its_rule() -> None:
    """What is given says no more than it must."""
    text = (
        "kind: [sentry.issue]\ntests:\n  - it: works\n    given:\n      - {signal: {level: fatal}, at: 5s}\n"
        "      - {signal: {level: info}, source: cloudtrail-eu, kind: aws.cloudtrail, polarity: recovered}\n"
        "    expect: {severity: 2, clients: acme, cleared: 5m}\n"
    )
    test = rule(text).tests[0]
    first, second = test.given

    assert ("sentry", "sentry", "sentry.issue") == (first.source, first.type, first.kind)
    assert ("cloudtrail-eu", "cloudtrail", "aws.cloudtrail") == (second.source, second.type, second.kind)
    assert Polarity.RECOVERED is second.polarity
    assert Expect(severity=2, clients=("acme",), cleared=timedelta(minutes=5)) == test.expect


def test_the_path_is_the_id(tmp_path: Path) -> None:
    """A rule is called by where it stands; what begins with `_` or `.` is left alone."""
    for name in ("sentry/a.yaml", "b.yml", "_draft.yaml", ".c.yaml", "_old/d.yaml", "read.me"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(GOOD)

    assert ["b", "sentry/a"] == [rule.id for rule in load(tmp_path, NAMES)]
    assert f"{tmp_path.name}/sentry/a.yaml" == load(tmp_path, NAMES).by_id["sentry/a"].file


def test_every_problem_of_every_file_is_told(tmp_path: Path) -> None:
    """One start, one list; and no rule is taken while one is wrong."""
    (tmp_path / "a.yaml").write_text(GOOD.replace("severity: 2", "severity: 9"))
    (tmp_path / "b.yaml").write_text(GOOD)
    (tmp_path / "c.yaml").write_bytes(b"title: \xff\n")
    (tmp_path / "d.yaml").write_text(GOOD + "teem: web\nteam: nobody\n")
    folder = tmp_path.name

    assert [
        f"{folder}/a.yaml:4:11: there is no severity '9'. There is 1, 2, 3, 4.",
        f"{folder}/c.yaml:1: this file is not text in UTF-8.",
        f"{folder}/d.yaml:6:1: a rule has no key 'teem'. Did you mean 'team'?",
        f"{folder}/d.yaml:7:7: there is no team 'nobody'. There is devops, web.",
    ] == problems(tmp_path)


def test_two_files_cannot_be_one_rule(tmp_path: Path) -> None:
    """`a.yaml` beside `a.yml`."""
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "a.yml").write_text(GOOD)

    expected = f"{tmp_path.name}/a.yml:1: there is already a rule 'a', in {tmp_path.name}/a.yaml."
    assert [expected] == problems(tmp_path)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    """No rules at all is a mistake; an empty folder is a choice."""
    assert [f"{tmp_path / 'none'}: there is no such folder of rules."] == problems(tmp_path / "none")
    assert () == load(tmp_path, NAMES).rules


def test_the_hash_follows_names_and_bytes(tmp_path: Path) -> None:
    """Two replicas that show one hash run one set of rules."""
    (tmp_path / "a.yaml").write_text(GOOD)
    first = load(tmp_path, NAMES).hash
    again = load(tmp_path, NAMES).hash
    (tmp_path / "a.yaml").rename(tmp_path / "b.yaml")
    renamed = load(tmp_path, NAMES).hash
    (tmp_path / "b.yaml").write_text(GOOD + "# a word\n")

    assert first == again
    assert 3 == len({first, renamed, load(tmp_path, NAMES).hash})
