"""Signals in, matches out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.model import INTERNAL, UNASSIGNED, Json, Polarity, Signal
from daemon.rules.engine import Engine, Match, incident_key
from daemon.rules.load import load_text
from daemon.rules.model import Clear, Raise, Rule
from daemon.rules.paths import parse_path, values_at
from daemon.rules.template import parse_template
from tests.rules.arbitrary import CONDITIONS, DOCUMENTS
from tests.rules.names import NAMES
from tests.rules.reference import holds

AT = datetime(2026, 7, 1, 12, tzinfo=UTC)


def rule(more: str = "", id: str = "x", source: str = "sentry") -> Rule:
    text = f"title: 'Broke: {{title}}'\nsource: {source}\nmatch: {{level: fatal}}\nseverity: 3\nclass: defect\n"
    return load_text(id, text + more, "rules/x.yaml", NAMES)


def signal(
    polarity: Polarity = Polarity.NONE, kind: str = "sentry.issue", source: str = "sentry", **fields: Json
) -> Signal:
    return Signal(source, NAMES.sources.get(source, source), kind, "s", AT, fields, polarity)


def match(rule: Rule, signal: Signal) -> Match:
    (found,) = Engine([rule]).match(signal)
    return found


def test_a_match_carries_what_an_incident_needs() -> None:
    """Key, title, location, severity, group."""
    told = rule("group_by: [id, project]\nlocation: sentry/{project}\n")
    found = match(told, signal(level="fatal", id="7", project="shop", title="KeyError"))

    assert ("Broke: KeyError", "sentry/shop", 3, False) == (
        found.title,
        found.location,
        found.severity,
        found.recovered,
    )
    assert {"id": "7", "project": "shop"} == found.group
    assert 'x {"id":"7","project":"shop"}' == found.key


def test_unless_takes_back() -> None:
    """An exception wins over the match."""
    engine = Engine([rule("unless: {env: test}\n")])

    assert 1 == len(engine.match(signal(level="fatal", env="prod")))
    assert () == engine.match(signal(level="fatal", env="test"))


def test_the_worst_raise_counts() -> None:
    """Whatever the order in which they are written."""
    raised = rule("raise: [{to: 1, match: {users|gte: 100}}, {to: 2, match: {users|gte: 10}}]\n")

    assert [3, 2, 1] == [match(raised, signal(level="fatal", users=users)).severity for users in (1, 10, 100)]


def test_source_names_and_types_both_lead_to_a_rule() -> None:
    """By type it reads every source of that type, by name that one."""
    by_type, by_name = rule(id="t", source="cloudtrail"), rule(id="n", source="cloudtrail-eu")
    engine = Engine([by_type, by_name, rule(id="both", source="[cloudtrail, cloudtrail-eu]")])
    other = Signal("cloudtrail-us", "cloudtrail", "aws.cloudtrail", "s", AT, {"level": "fatal"})

    found = engine.match(signal(source="cloudtrail-eu", level="fatal"))
    assert ["t", "both", "n"] == [one.rule.id for one in found]
    assert ["t", "both"] == [one.rule.id for one in engine.match(other)]


def test_a_kind_narrows() -> None:
    """A rule for monitors does not see events."""
    narrow = Engine([rule("kind: datadog.monitor\n", source="datadog")])

    assert 1 == len(narrow.match(signal(source="datadog", kind="datadog.monitor", level="fatal")))
    assert () == narrow.match(signal(source="datadog", kind="datadog.event", level="fatal"))


def test_recovery_speaks_to_its_group() -> None:
    """It need not look like the trouble, but must name the same object; and it opens nothing."""
    recovering = rule("group_by: [id]\nclear: recovery\n")
    opened = match(recovering, signal(Polarity.BROKEN, level="fatal", id="7"))
    over = match(recovering, signal(Polarity.RECOVERED, level="fatal", id="7"))
    other = match(recovering, signal(Polarity.RECOVERED, id="8"))

    assert (False, True, True) == (opened.recovered, over.recovered, other.recovered)
    assert opened.key == over.key != other.key
    assert () == Engine([recovering]).match(signal(Polarity.RECOVERED, level="fatal"))


def test_recovery_is_nothing_to_a_rule_that_waits_for_quiet() -> None:
    """Nor does it open an incident there."""
    assert () == Engine([rule("clear: {quiet_for: 5m}\n")]).match(signal(Polarity.RECOVERED, level="fatal"))


def test_a_match_can_clear() -> None:
    """A signal that is not the trouble itself."""
    cleared = rule("group_by: [id]\nclear: {match: {status: ignored}}\n")

    assert match(cleared, signal(id="7", status="ignored")).recovered
    assert not match(cleared, signal(id="7", status="ignored", level="fatal")).recovered


def test_clients_come_from_the_rule_or_the_signal() -> None:
    """None is ourselves; a signal that names nobody is nobody's yet."""
    named = rule("clients: {from: tags.tenant}\n")
    tagged = ["tenant:acme", "tenant:globex", "tenant:acme", "tenant:"]

    assert (INTERNAL,) == match(rule(), signal(level="fatal")).clients
    assert "all" == match(rule("clients: all\n"), signal(level="fatal")).clients
    assert ("acme", "globex") == match(rule("clients: [acme, globex]\n"), signal(level="fatal")).clients
    assert ("acme", "globex") == match(named, signal(level="fatal", tags=tagged)).clients
    assert (UNASSIGNED,) == match(named, signal(level="fatal")).clients
    assert (UNASSIGNED,) == match(named, signal(level="fatal", tags={"tenant": [None, True, {}]})).clients


def test_what_a_signal_says_cannot_forge_a_line() -> None:
    """Titles go to terminals, tickets and pages."""
    found = match(rule(), signal(level="fatal", title="a\nb\x1b[31m\u202ec\u0000" + "x" * 500))

    assert "Broke: a b[31mc" + "x" * 111 + "…" == found.title
    assert "Broke: ?" == match(rule(), signal(level="fatal")).title
    assert "Broke: true, {…}, 5" == match(rule(), signal(level="fatal", title=[True, {"a": 1}, 5])).title
    assert "Broke:" == match(rule(), signal(level="fatal", title="")).title


def test_a_key_is_stable_and_short() -> None:
    """Its order is that of the names; a long one is cut and yet its own."""
    long, other = incident_key("r", {"a": "x" * 300}), incident_key("r", {"a": "x" * 299 + "y"})

    assert incident_key("r", {"a": 1, "b": 2}) == incident_key("r", {"b": 2, "a": 1})
    assert incident_key("r", {"a": 1}) != incident_key("r", {"a": "1"})
    assert "r" == incident_key("r", {})
    assert long != other
    assert max(len(long), len(other)) <= 264 + len("r")


RULES = st.builds(
    Rule,
    id=st.just(""),
    title=st.just(parse_template("x")),
    sources=st.just(("sentry",)),
    condition=CONDITIONS,
    severity=st.just(3),
    class_=st.just("defect"),
    exception=st.none() | CONDITIONS,
    kinds=st.sampled_from([(), ("sentry.issue",), ("sentry.event",)]),
    group_by=st.sampled_from([(), ("a",)]),
    raises=st.lists(st.builds(Raise, st.sampled_from([1, 2]), CONDITIONS), max_size=1).map(tuple),
    clear=st.builds(Clear, recovery=st.booleans(), match=st.none() | CONDITIONS),
)


@settings(deadline=None)
@given(st.lists(RULES, max_size=6), DOCUMENTS, st.sampled_from(Polarity))
def test_the_index_leaves_nothing_out(rules: list[Rule], fields: dict[str, Json], polarity: Polarity) -> None:
    """All rules in one engine say what each says alone."""
    named = [replace(rule, id=str(number)) for number, rule in enumerate(rules)]
    signal = Signal("sentry", "sentry", "sentry.issue", "s", AT, fields, polarity)
    alone = [(rule.id, *said) for rule in named if (said := _judged(rule, signal)) is not None]

    assert alone == [(found.rule.id, found.recovered, found.severity) for found in Engine(named).match(signal)]


def _judged(rule: Rule, signal: Signal) -> tuple[bool, int] | None:
    """Whether it recovers, and how bad, by the plainest evaluation."""
    if rule.kinds and signal.kind not in rule.kinds:
        return None
    fields, said = signal.fields, signal.polarity is Polarity.RECOVERED
    severity = min([rule.severity, *(each.to for each in rule.raises if holds(each.condition, fields))])
    excepted = rule.exception is not None and holds(rule.exception, fields)
    if not said and holds(rule.condition, fields) and not excepted:
        return False, severity
    cleared = rule.clear.match is not None and holds(rule.clear.match, fields)
    named = all(values_at(parse_path(text))(fields) for text in rule.group_by)
    return (True, severity) if ((said and rule.clear.recovery) or cleared) and named else None
