"""Sigma rules: what becomes of each part of one, and what is said of what cannot be run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from daemon.errors import ConfigError
from daemon.model import Signal
from daemon.rules.check import warnings
from daemon.rules.compile import Program
from daemon.rules.engine import Engine
from daemon.rules.load import load
from daemon.rules.model import NEVER, Aggregate, Clear, Clients, Count, Distinct, Names, Rule, RuleSet, Sequence, Step
from daemon.rules.paths import parse_path
from daemon.rules.sigma.read import File, read_rules
from daemon.rules.sigma_terms import SigmaTerms

HERE = Path(__file__).parent
BAD = sorted((HERE / "bad-sigma").glob("*.yml"))
NAMES = Names(sources={"trail": "cloudtrail"}, types=frozenset({"cloudtrail", "vpcflow"}))
FIVE = timedelta(minutes=5)
BASE = """\
title: A sign-in failed
id: 5f3a2c0e-3f43-4b0e-9d9e-9f5c2f0f3b11
name: failed
level: high
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventName: ConsoleLogin, responseElements.ConsoleLogin: Failure}
  condition: selection
"""
OTHER = BASE.replace("failed", "passed").replace("3b11", "3b12").replace("Failure", "Success")
FILTER = """\
title: Not the robots
logsource: {product: aws}
filter:
  rules: [failed]
  robots: {userAgent|contains: robot}
  condition: not robots
"""
CORRELATION = """\
title: Many failed
level: critical
correlation:
  type: {type}
  rules: [{rules}]
  timespan: 5m
{more}"""


def loaded(folder: Path, files: dict[str, str], terms: SigmaTerms | None = None) -> RuleSet:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(text)
    return load(folder, NAMES, sigma=terms)


def correlation(kind: str, more: str, rules: str = "failed") -> str:
    return CORRELATION.format(type=kind, rules=rules, more="".join(f"  {line}\n" for line in more.splitlines()))


def correlated(folder: Path, kind: str, more: str, rules: str = "failed") -> Rule:
    files = {"failed.yml": BASE, "passed.yml": OTHER, "many.yml": correlation(kind, more, rules)}
    return loaded(folder, files).by_id["many"]


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_mistake_in_a_sigma_rule_is_told_with_its_line(path: Path, tmp_path: Path) -> None:
    """Each bad file ends in what must be said of it, word for word."""
    lines = path.read_text().splitlines(keepends=True)
    shown = f"{tmp_path.name}/{path.name}"
    expected = [shown + line[3:].rstrip() for line in lines if line.startswith("#! ")]

    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, {path.name: "".join(line for line in lines if not line.startswith("#! "))})

    told = [str(problem).replace(f"in {tmp_path.name}/", "in rules/") for problem in caught.value.problems]
    assert expected == told
    assert all(problem.column for problem in caught.value.problems if "already a rule" not in problem.message)


def test_a_pattern_that_cannot_run_is_told_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """By the mistake: RE2 itself writes nothing beside it."""
    with pytest.raises(ConfigError):
        loaded(tmp_path, {"a.yml": BASE.replace("eventName: Console", "eventName|re: 'a(?!b)', x: Console")})

    assert ("", "") == tuple(capfd.readouterr())


ODD: tuple[Any, ...] = (
    None,
    1,
    1.5,
    True,
    "",
    "*",
    "%a%",
    [],
    {},
    [None],
    [[1]],
    [{}],
    {"a": 1},
    {1: 2},
    {"a": {"b": 1}},
)


def _with(value: Any, odd: Any) -> Iterator[Any]:
    """The same with something odd in the place of each of its parts."""
    yield odd
    for key, part in value.items() if isinstance(value, dict) else ():
        yield from ({**value, key: other} for other in _with(part, odd))
    for number, part in enumerate(value if isinstance(value, list) else ()):
        yield from ([*value[:number], other, *value[number + 1 :]] for other in _with(part, odd))


@pytest.mark.parametrize(
    "text", [BASE, FILTER, correlation("value_count", "condition: {gte: 3, field: a}\naliases: {u: {failed: x}}")]
)
def test_nothing_that_stands_in_a_rule_is_more_than_a_mistake(text: str, tmp_path: Path) -> None:
    """Whatever is written in the place of whatever: a rule, or problems with their place."""
    for odd in ODD:
        for number, value in enumerate(_with(yaml.safe_load(text), odd)):
            file = File(f"{number}", f"{BASE}---\n{yaml.safe_dump(value)}", "rules/x.yml")
            rules, problems = read_rules([file], NAMES, SigmaTerms())

            assert rules or problems
            assert all(problem.line for problem in problems)


def test_mistakes_of_both_languages_are_told_at_once(tmp_path: Path) -> None:
    """One start, one list."""
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, {"a.yaml": "title: 1\n", "b.yml": BASE.replace("high", "awful"), "c.yml": "detection: [\n"})

    assert ["a.yaml", "b.yml", "c.yml"] == sorted({Path(problem.file).name for problem in caught.value.problems})


def test_each_part_of_a_rule_has_its_place(tmp_path: Path) -> None:
    """Title as literal text, level as severity, the rest as runbook."""
    text = BASE.replace("A sign-in failed", "'A {sign-in} failed'") + (
        "description: |\n  Somebody guesses.\nreferences: [https://a.example, https://b.example]\n"
        "falsepositives: [A tired person]\n"
    )
    rule = loaded(tmp_path, {"sign/in.yml": text}).by_id["sign/in"]

    assert "A {sign-in} failed" == rule.title.render({"sign-in": "x"})
    assert ("sigma", "5f3a2c0e-3f43-4b0e-9d9e-9f5c2f0f3b11", 2) == (rule.origin, rule.sigma_id, rule.severity)
    assert ("cloudtrail",) == rule.sources
    assert "Somebody guesses.\n\nReferences:\n- https://a.example\n- https://b.example" == rule.runbook
    assert ("A tired person",) == rule.false_positives
    assert (f"{tmp_path.name}/sign/in.yml", 1) == (rule.file, rule.line)


def test_a_rule_is_shadow_and_grouped_by_account_until_told_otherwise(tmp_path: Path) -> None:
    """Somebody else's rules page nobody on their first day."""
    rule = loaded(tmp_path, {"a.yml": BASE}).by_id["a"]

    assert ("shadow", ("recipientAccountId",), "security", "") == (rule.stage, rule.group_by, rule.class_, rule.team)
    assert (Clear(quiet_for=timedelta(hours=1)), Clients()) == (rule.clear, rule.clients)


def test_what_sigma_does_not_say_is_the_configurations(tmp_path: Path) -> None:
    """All of it."""
    terms = SigmaTerms(
        levels={"high": 4}, logsources={"aws/cloudtrail": ("trail",)}, group_by=("a", "b"), clear=Clear(),
        clients=Clients("all"), stage="live", class_="abuse", team="devops",
    )  # fmt: skip
    rule = loaded(tmp_path, {"a.yml": BASE}, terms).by_id["a"]

    assert (4, ("trail",), ("a", "b")) == (rule.severity, rule.sources, rule.group_by)
    assert (Clear(), Clients("all")) == (rule.clear, rule.clients)
    assert ("live", "abuse", "devops") == (rule.stage, rule.class_, rule.team)


@pytest.mark.parametrize("name", ["failed", "5f3a2c0e-3f43-4b0e-9d9e-9f5c2f0f3b11"])
def test_one_rule_can_be_promoted(tmp_path: Path, name: str) -> None:
    """By its path or by Sigma's id; its neighbour stays in shadow."""
    rules = loaded(tmp_path, {"failed.yml": BASE, "passed.yml": OTHER}, SigmaTerms(live=frozenset({name})))

    assert {"failed": "live", "passed": "shadow"} == {rule.id: rule.stage for rule in rules}


def test_a_rule_without_a_level_is_medium(tmp_path: Path) -> None:
    """Sigma asks for none."""
    assert 3 == loaded(tmp_path, {"a.yml": BASE.replace("level: high\n", "")}).by_id["a"].severity


def test_sigma_rules_are_not_asked_for_tests(tmp_path: Path) -> None:
    """Their language has no place for them."""
    assert [] == warnings(loaded(tmp_path, {"a.yml": BASE}))


def test_documents_of_one_file_are_told_apart(tmp_path: Path) -> None:
    """By name, else by number."""
    text = f"{BASE}---\n{OTHER.replace('name: passed', '')}---\n{correlation('event_count', 'condition: {gte: 9}')}"
    rules = loaded(tmp_path, {"sign-in.yml": text})

    assert ["sign-in/2", "sign-in/3", "sign-in/failed"] == [rule.id for rule in rules]
    assert (Step("sign-in/failed"),) == rules.by_id["sign-in/3"].over


SHARED = """\
action: global
title: A sign-in
id: 5f3a2c0e-3f43-4b0e-9d9e-9f5c2f0f3b13
level: high
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventName: ConsoleLogin}
  condition: selection and result
---
detection:
  result: {responseElements.ConsoleLogin: Failure}
---
name: passed
detection:
  result: {responseElements.ConsoleLogin: Success}
---
action: repeat
title: A sign-in from somewhere
detection:
  result: {responseElements.ConsoleLogin: [Success, Sure]}
"""


def test_documents_of_one_file_may_share_what_they_say(tmp_path: Path) -> None:
    """`action: global` is said of all after it, `repeat` of the one before it otherwise."""
    rules = loaded(tmp_path, {"sign-in.yml": SHARED})
    program = Program([rule.condition for rule in rules])

    def told(result: str) -> list[int]:
        return list(program.holding({"eventName": "ConsoleLogin", "responseElements": {"ConsoleLogin": result}}))

    assert ["sign-in/2", "sign-in/4", "sign-in/passed"] == [rule.id for rule in rules]
    assert ["A sign-in", "A sign-in from somewhere", "A sign-in"] == [rule.title.render({}) for rule in rules]
    assert ([0], [1, 2], [1]) == (told("Failure"), told("Success"), told("Sure"))


def test_what_was_shared_ends_with_a_reset(tmp_path: Path) -> None:
    """Those after it stand by themselves, and must say all."""
    text = f"{SHARED}---\naction: reset\n---\ndetection: {{a: {{b: c}}, condition: a}}\n"
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, {"sign-in.yml": text})

    assert {24} == {problem.line for problem in caught.value.problems}


def test_a_mistake_in_what_is_shared_is_told_at_its_line(tmp_path: Path) -> None:
    """Once for each rule that it spoils."""
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, {"sign-in.yml": SHARED.replace("eventName:", "eventName|contain:")})

    assert {7} == {problem.line for problem in caught.value.problems}


@pytest.mark.parametrize(
    ("rules", "held"),
    [("[failed]", {"failed"}), ("5f3a2c0e-3f43-4b0e-9d9e-9f5c2f0f3b11", {"failed"}), ("any", {"failed", "passed"})],
)
def test_a_filter_must_hold_beside_its_rules(rules: str, held: set[str], tmp_path: Path) -> None:
    """By name, by id or all of its log source; whether it is read before them or after."""
    for name in ("a", "z"):
        files = {f"{name}.yml": FILTER.replace("[failed]", rules), "failed.yml": BASE, "passed.yml": OTHER}
        found = loaded(tmp_path / name, {**files, "other.yml": OTHER_SOURCE})
        robot = {"eventName": "ConsoleLogin", "userAgent": "a Robot", "x": "y"}
        opened = set()
        for rule in found:
            result = "Failure" if rule.id == "failed" else "Success"
            said = {**robot, "responseElements": {"ConsoleLogin": result}}
            program = Program([rule.condition])
            assert [0] == program.holding({**said, "userAgent": "a person"})
            opened |= {rule.id} if program.holding(said) else set()

        assert {"failed", "passed", "other"} - held == opened


OTHER_SOURCE = """\
title: Of another log source
logsource: {service: cloudtrail}
detection: {selection: {x: y}, condition: selection}
"""


@pytest.mark.parametrize(
    ("kind", "said", "window"),
    [
        ("event_count", "{gte: 10}", Count(10, FIVE)),
        ("event_count", "{gt: 10}", Count(11, FIVE)),
        ("value_count", "{gte: 3, field: a.b}", Distinct(parse_path("a.b"), 3, FIVE)),
        ("value_sum", "{gt: 1.5, field: a}", Aggregate("sum", parse_path("a"), "gt", 1.5, FIVE)),
        ("value_avg", "{lt: 2, field: a}", Aggregate("avg", parse_path("a"), "lt", 2, FIVE)),
        (
            "value_median",
            "{gte: 2, field: a}",
            Aggregate("percentile", parse_path("a"), "gte", 2, FIVE, 50, interpolated=True),
        ),
        (
            "value_percentile",
            "{lte: 2, field: a, percentile: 95}",
            Aggregate("percentile", parse_path("a"), "lte", 2, FIVE, 95, interpolated=True),
        ),
    ],
)
def test_a_correlation_that_measures_is_a_window(kind: str, said: str, window: object, tmp_path: Path) -> None:
    """Over the firings of the rules that it names."""
    rule = correlated(tmp_path, kind, f"condition: {said}")

    assert window == rule.window
    assert ((Step("failed"),), NEVER, ("cloudtrail",), 1) == (rule.over, rule.condition, rule.sources, rule.severity)


@pytest.mark.parametrize(
    ("kind", "ordered"), [("temporal", False), ("temporal_ordered", True)], ids=["temporal", "ordered"]
)
def test_a_temporal_correlation_is_a_sequence(kind: str, ordered: bool, tmp_path: Path) -> None:
    """All of the rules, by name or by id."""
    rule = correlated(tmp_path, kind, "", "failed, 5f3a2c0e-3f43-4b0e-9d9e-9f5c2f0f3b12")

    assert Sequence((Step("failed"), Step("passed")), FIVE, ordered, strict=True) == rule.window


def test_a_rule_that_must_not_fire_is_a_negated_step(tmp_path: Path) -> None:
    """`a and not b`."""
    text = correlation("temporal", "condition: failed and not passed").replace("  rules: [failed]\n", "")
    rules = loaded(tmp_path, {"failed.yml": BASE, "passed.yml": OTHER, "many.yml": text})

    assert (Step("failed"), Step("passed", negated=True)) == rules.by_id["many"].over


@pytest.mark.parametrize("said", ["failed and (passed and not third)", "(failed and passed) and not third"])
def test_brackets_around_an_and_change_nothing(said: str, tmp_path: Path) -> None:
    """`a and (b and c)`."""
    files = {
        "failed.yml": BASE,
        "passed.yml": OTHER,
        "third.yml": OTHER.replace("passed", "third").replace("3b12", "3b13"),
        "many.yml": correlation("temporal", f"condition: {said}").replace("  rules: [failed]\n", ""),
    }

    assert (Step("failed"), Step("passed"), Step("third", negated=True)) == loaded(tmp_path, files).by_id["many"].over


@pytest.mark.parametrize("mark", ["", "{}", "[]", "[*]"])
def test_a_list_may_be_marked_in_a_field(mark: str, tmp_path: Path) -> None:
    """As several tools write it; any element may answer."""
    text = BASE.replace("responseElements.ConsoleLogin", f"'a.items{mark}.port'").replace("Failure", "22")
    condition = loaded(tmp_path, {"a.yml": text}).by_id["a"].condition

    assert [0] == Program([condition]).holding(
        {"eventName": "ConsoleLogin", "a": {"items": [{"port": 80}, {"port": 22}]}}
    )


@pytest.mark.parametrize("said", ["{product: aws, service: cloudtrail}", "{service: cloudtrail}"])
def test_cloudtrail_is_known_with_and_without_its_product(said: str, tmp_path: Path) -> None:
    """Older rules leave it out."""
    text = BASE.replace("{product: aws, service: cloudtrail}", said)

    assert ("cloudtrail",) == loaded(tmp_path, {"a.yml": text}).by_id["a"].sources


def test_aliases_say_where_each_rule_has_the_group(tmp_path: Path) -> None:
    """A field without an alias is found by its own name, whatever the rule itself is grouped by."""
    more = "group-by: [user, awsRegion]\naliases:\n  user:\n    failed: userIdentity.userName\n    passed: a.b"
    rule = correlated(tmp_path, "temporal", more, "failed, passed")
    first, second = rule.over

    assert ("user", "awsRegion") == rule.group_by
    assert {"user": "userIdentity.userName", "awsRegion": "awsRegion"} == first.by
    assert {"user": "a.b", "awsRegion": "awsRegion"} == second.by


def test_rules_of_a_correlation_open_nothing_unless_it_says_so(tmp_path: Path) -> None:
    """`generate: true`."""
    quiet = correlation("event_count", "condition: {gte: 2}")
    loud = correlation("event_count", "condition: {gte: 2}\ngenerate: true")

    def silent(text: str) -> list[str]:
        rules = loaded(tmp_path, {"failed.yml": BASE, "passed.yml": OTHER, "many.yml": text})
        return [rule.id for rule in rules if rule.silent]

    assert ["failed"] == silent(quiet)
    assert [] == silent(loud)


def test_a_time_frame_alone_says_nothing(tmp_path: Path) -> None:
    """It is no search, though it stands among them."""
    text = BASE.replace("  condition: selection", "  timeframe: 5m\n  condition: all of them")
    plain = BASE.replace("  condition: selection", "  condition: all of them")

    expected = loaded(tmp_path, {"a.yml": plain}).by_id["a"].condition
    assert expected == loaded(tmp_path, {"a.yml": text}).by_id["a"].condition


def test_no_sigma_rule_no_pysigma(tmp_path: Path) -> None:
    """A start is fast: the library is read when a file needs it."""
    (tmp_path / "a.yaml").write_text("title: A\nsource: cloudtrail\nmatch: {a: b}\nseverity: 2\nclass: security\n")
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from daemon.rules.load import load\nfrom daemon.rules.model import Names\n"
        f"load(Path({str(tmp_path)!r}), Names(types=frozenset({{'cloudtrail'}})))\n"
        "assert 'sigma' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=HERE.parents[1], timeout=60)


def test_a_sigma_rule_matches_in_the_engine_as_any_other(tmp_path: Path) -> None:
    """One incident for each account, under the rule's own title."""
    at = datetime(2026, 3, 2, 12, tzinfo=UTC)
    fields = {"eventName": "consolelogin", "responseElements": {"ConsoleLogin": "Failure"}, "recipientAccountId": "1"}
    signal = Signal("trail", "cloudtrail", "aws.cloudtrail", "1", at, fields)

    (match,) = Engine(loaded(tmp_path, {"failed.yml": BASE, "passed.yml": OTHER})).match(signal)

    assert ("failed", "A sign-in failed", 2) == (match.rule.id, match.title, match.severity)
    assert {"recipientAccountId": "1"} == match.group
