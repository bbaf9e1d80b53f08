"""The folder of policy: what is taken, what is said of what is not, and what rules get of it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from daemon.errors import ConfigError
from daemon.rules.load import load
from daemon.rules.model import Clear
from daemon.rules.policy import Inhibition, Maintenance, Problem, RulePolicy, Selector
from daemon.rules.read_policy import load_policy, with_policy
from tests.rules.names import NAMES

BAD = sorted((Path(__file__).parent / "bad_policy").glob("*.yaml"))
RULE = """\
title: Checkout fails
source: sentry
match: {client|in_list: offices}
group_by: {service: tags.service}
severity: 2
problem: checkout-down
"""
POLICY = """\
lists: {offices: [10.0.0.0/8, 7]}
problems:
  checkout-down: {key: [service], class: availability, clear: {quiet_for: 30m}, team: web, reopen_within: 2h}
maintenance:
  - name: nightly-deploys
    hold: {location: aws/1234*, severity: [3, 4]}
    tz: Europe/Berlin
    days: [mon-wed, fri]
    between: "22:00-02:00"
    from: 2026-01-01
    until: 2026-12-31
    reason: Deploys.
  - {name: move, hold: all, begins: 2026-12-05T20:00:00Z, ends: 2026-12-06T02:00:00+01:00}
inhibitions:
  - {name: deploys, while: {rule: ecs/failed}, hold: {rule: [sentry/*], group.service: shop}, equal: [location, team]}
"""


def policy(folder: Path, **files: str) -> RulePolicy:
    (folder / "policy").mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / "policy" / f"{name}.yaml").write_text(content)
    return load_policy(folder / "policy", NAMES)


def told(folder: Path, **files: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        policy(folder, **files)
    return list(map(str, caught.value.problems))


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in BAD])
def test_a_mistake_in_policy_is_told_with_its_line(path: Path, tmp_path: Path) -> None:
    """Each bad file ends in what must be said of it, word for word."""
    lines = path.read_text().splitlines(keepends=True)
    expected = [line[3:].rstrip() for line in lines if line.startswith("#! ")]
    content = "".join(line for line in lines if not line.startswith("#! "))

    assert expected == [line.replace(f"policy/{path.name}", "") for line in told(tmp_path, **{path.stem: content})]


def test_all_that_is_written_is_what_is_meant(tmp_path: Path) -> None:
    """Every key arrives where it is used."""
    read = policy(tmp_path, all=POLICY)
    nightly, move = read.maintenance
    checkout = Problem(
        "checkout-down", ("service",), "availability", Clear(timedelta(minutes=30)), timedelta(hours=2), "web"
    )

    assert {"offices": ("10.0.0.0/8", 7)} == read.lists
    assert {"checkout-down": checkout} == read.problems
    assert Maintenance(
        "nightly-deploys", Selector({"location": ("aws/1234*",), "severity": ("3", "4")}), "Europe/Berlin",
        frozenset({0, 1, 2, 4}), time(22), time(2), date(2026, 1, 1), date(2026, 12, 31), reason="Deploys.",
        file="policy/all.yaml", line=5,
    ) == nightly  # fmt: skip
    assert (Selector(), datetime(2026, 12, 5, 20, tzinfo=UTC), datetime(2026, 12, 6, 1, tzinfo=UTC)) == (
        move.hold, move.begins, move.ends,
    )  # fmt: skip
    assert (
        Inhibition(
            "deploys", Selector({"rule": ("ecs/failed",)}),
            Selector({"rule": ("sentry/*",), "group.service": ("shop",)}), ("location", "team"), "policy/all.yaml", 15,
        ),
    ) == read.inhibitions  # fmt: skip


def test_what_is_not_written_is_the_usual(tmp_path: Path) -> None:
    """A problem like a rule: an hour of quiet clears it, within an hour it reopens. A window opens on every day."""
    read = policy(
        tmp_path,
        a="problems: {p: {key: x, class: defect}}",
        b='maintenance: [{name: m, hold: all, between: "00:00-24:00"}]',
    )

    assert Problem("p", ("x",), "defect", Clear(timedelta(hours=1)), timedelta(hours=1)) == read.problems["p"]
    assert (frozenset(range(7)), time(0), time(0), "UTC") == (
        read.maintenance[0].days, read.maintenance[0].opens, read.maintenance[0].closes, read.maintenance[0].tz,
    )  # fmt: skip


def test_no_folder_and_no_words_are_no_policy(tmp_path: Path) -> None:
    """The folder is optional, and so is every line in it."""
    assert RulePolicy(hash=load_policy(tmp_path, NAMES).hash) == load_policy(tmp_path / "none", NAMES)
    assert RulePolicy() == load_policy_without_hash(tmp_path)


def load_policy_without_hash(folder: Path) -> RulePolicy:
    read = policy(folder, a="# nothing yet\n")
    return RulePolicy(read.lists, read.problems, read.maintenance, read.inhibitions)


def test_a_name_in_two_files_is_told_with_both_places(tmp_path: Path) -> None:
    """One would hide the other."""
    assert ["policy/b.yaml:2:3: there is already a list 'x', at policy/a.yaml:1."] == told(
        tmp_path, a="lists: {x: [1]}", b="lists:\n  x: [2]"
    )


def test_every_slip_of_every_file_is_told_at_once(tmp_path: Path) -> None:
    """A file that is no YAML does not hide what is wrong in the others."""
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy/c.yaml").write_bytes(b"lists: \xff\n")

    assert [
        "policy/a.yaml:1:12: a '[' that is not closed. Close it with ']', or put a ',' between its items.",
        "policy/b.yaml:1:12: this list is empty, so nothing could ever be in it.",
        "policy/c.yaml:1: is not UTF-8 text. Save the file as UTF-8.",
    ] == told(tmp_path, a="lists: {x: [1}\n", b="lists: {y: []}\n")


def test_a_problem_and_a_selector_may_name_what_another_file_defines(tmp_path: Path) -> None:
    """The order of the files does not matter."""
    read = policy(
        tmp_path,
        a="problems: {p: {key: x, class: defect, clear: {match: {state|in_list: states}}}}",
        b="lists: {states: [ok]}",
        c="inhibitions: [{name: i, while: {problem: q}, hold: {problem: p}}]",
        d="problems: {q: {key: x, class: defect}}",
    )

    assert ["p", "q"] == list(read.problems)


def test_rules_get_lists_and_problems(tmp_path: Path) -> None:
    """The problem owns what the rule does not say."""
    read = policy(tmp_path, all=POLICY.replace("ecs/failed", "checkout").replace("sentry/*", "check*"))
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/checkout.yaml").write_text(RULE)
    (rule,) = load(tmp_path / "rules", with_policy(NAMES, read), read)

    assert ("availability", "web", ("service",)) == (rule.class_, rule.team, rule.key)


def test_a_selector_that_waits_for_a_rule_in_vain_is_told(tmp_path: Path) -> None:
    """A renamed rule would silently end its inhibitions."""
    read = policy(tmp_path, all=POLICY.replace("ecs/failed", "chekout"))
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/checkout.yaml").write_text(RULE)

    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "rules", with_policy(NAMES, read), read)
    assert [
        "policy/all.yaml:15: deploys: no rule is called 'chekout'. Did you mean 'checkout'?",
        "policy/all.yaml:15: deploys: no rule is called 'sentry/*'. There is checkout.",
    ] == list(map(str, caught.value.problems))


def test_the_hash_of_policy_follows_names_and_bytes(tmp_path: Path) -> None:
    """Two replicas that show one hash hold the same."""
    hashes = [policy(tmp_path, a=text).hash for text in ("lists: {x: [1]}", "lists: {x: [1]}", "lists: {x: [2]}")]

    assert hashes[0] == hashes[1] != hashes[2]
