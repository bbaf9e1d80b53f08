"""A Sigma rule over signals → a rule of ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sigma.conditions import ConditionFieldEqualsValueExpression, ConditionValueExpression
from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaError
from sigma.rule import SigmaLogSource, SigmaRule
from sigma.rule.detection import SigmaDetection, SigmaDetectionItem
from sigma.rule.logsource import EmptyLogSource

from daemon.errors import Problem
from daemon.rules.conditions import All, Condition
from daemon.rules.conditions import Any as AnyOf
from daemon.rules.model import Names, Rule
from daemon.rules.sigma.complaints import KEYS, NO_SEARCHES, complaint
from daemon.rules.sigma.documents import Document, Way
from daemon.rules.sigma.patterns import POLICY
from daemon.rules.sigma.translate import Unusable, condition
from daemon.rules.sigma_terms import UNSAID, SigmaTerms
from daemon.rules.template import Template, clean


def read_signals(
    document: Document, parsed: SigmaRule, id: str, names: Names, terms: SigmaTerms, filters: Sequence[Condition] = ()
) -> tuple[Rule | None, list[Problem]]:
    """The rule, or what is wrong with it. `filters` must hold too."""
    problems = [*complaints(document, parsed.errors, "detection")]
    sources: tuple[str, ...] = ()
    if not isinstance(parsed.logsource, EmptyLogSource):
        sources = _sources(document, parsed.logsource, names, terms, problems)
    found = None if problems else _condition(document, parsed, problems)
    if problems or found is None:
        return None, problems
    whole = All((found, *filters)) if filters else found
    return make(document, parsed, id, terms, sources=sources, condition=whole, group_by=terms.group_by), []


def complaints(document: Document, errors: Sequence[SigmaError], key: str) -> Iterator[Problem]:
    """What pySigma found; of the searches under the key every line that is wrong, where pySigma stops at the first."""
    lines = list(searches(document, key))
    yield from lines
    for error in errors:
        if not lines or KEYS.get(type(error).__name__, ("detection",))[0] not in NO_SEARCHES:
            yield complaint(document, error)


def searches(document: Document, key: str) -> Iterator[Problem]:
    """Every line that is wrong of the searches under the key."""
    found = document.value.get(key)
    for name, definition in found.items() if isinstance(found, dict) else ():
        if name not in NO_SEARCHES[key]:
            yield from _definition(document, (key, name), definition)


def _definition(document: Document, way: Way, definition: Any) -> Iterator[Problem]:
    if isinstance(definition, list) and any(isinstance(part, dict | list) for part in definition):
        for number, part in enumerate(definition):
            yield from _definition(document, (*way, number), part)
    elif isinstance(definition, dict) and definition:
        for key, value in definition.items():
            yield from _line(document, (*way, key), key, value)
    else:
        try:
            SigmaDetection.from_definition(definition, policy=POLICY)
        except SigmaError as error:
            yield complaint(document, error, *way)


def _line(document: Document, way: Way, key: Any, value: Any) -> Iterator[Problem]:
    """Whether pySigma takes it, and the engine."""
    if any(isinstance(each, dict | list) for each in (value if isinstance(value, list) else [value])):
        yield document.mark(*way).problem("a value is a text, a number, true, false or null, or a list of those.")
        return
    try:
        item = SigmaDetectionItem.from_mapping(key if key is None else str(key), value, policy=POLICY)
        for one in item.value:
            condition(_as_node(item.field, one))
    except SigmaError as error:
        yield complaint(document, error, *way)
    except Unusable as why:
        yield document.mark(*way).problem(why.message, why.hint)
    except (AttributeError, TypeError, ValueError) as error:
        yield document.mark(*way).problem(f"this value cannot be used with '{key}': {error}.")


def _as_node(field: str | None, value: Any) -> Any:
    return ConditionFieldEqualsValueExpression(field, value) if field else ConditionValueExpression(value)


def _sources(
    document: Document, logsource: SigmaLogSource, names: Names, terms: SigmaTerms, problems: list[Problem]
) -> tuple[str, ...]:
    name = "/".join(part for part in (logsource.product, logsource.service, logsource.category) if part)
    found, known = terms.logsources.get(name, ()), {*names.sources, *names.types}
    unknown = [source for source in found if source not in known]
    if not found or unknown:
        what = f"there is no source '{unknown[0]}' for" if unknown else "nothing says which source is"
        problems.append(document.mark("logsource").problem(f"{what} the log source '{name}'.", _hint(name, terms)))
    return found


def _hint(name: str, terms: SigmaTerms) -> str:
    """With the source of a log source that differs in what else it names, never with that of another service."""
    parts = set(name.split("/"))
    for other, sources in terms.logsources.items():
        if parts > set(other.split("/")):
            return f"Write it in config.yaml: sigma: {{logsources: {{{name}: {', '.join(sources)}}}}}."
    said = f"Write it in config.yaml: sigma: {{logsources: {{{name}: SOURCE}}}}"
    return f"{said}, with the name or type of the source that it is."


def _condition(document: Document, parsed: SigmaRule, problems: list[Problem]) -> Condition | None:
    """Any of the rule's conditions; it mostly has one."""
    found = []
    several = isinstance(document.value["detection"]["condition"], list)
    for number, each in enumerate(parsed.detection.parsed_condition):
        way: Way = ("detection", "condition", number) if several else ("detection", "condition")
        try:
            found.append(condition(each.parsed))
        except SigmaError as error:
            problems.append(complaint(document, error, *way))
        except Unusable as why:
            problems.append(document.mark(*way).problem(why.message, why.hint))
    return found[0] if len(found) == 1 else AnyOf(tuple(found))


def make(document: Document, parsed: SigmaRule | SigmaCorrelationRule, id: str, terms: SigmaTerms, **more: Any) -> Rule:
    """The rule with all that the two kinds of it have in common; `more` is the rest."""
    sigma_id = str(parsed.id) if parsed.id else ""
    level = parsed.level.name.lower() if parsed.level else UNSAID
    live = terms.live & {id, sigma_id}
    return Rule(
        id=id,
        title=Template((clean(parsed.title).strip(),)),
        severity=terms.levels[level],
        class_=terms.class_,
        clear=terms.clear,
        clients=terms.clients,
        stage="live" if live else terms.stage,
        team=terms.team,
        runbook=_runbook(parsed),
        false_positives=tuple(clean(str(each)).strip() for each in parsed.falsepositives or ()),
        origin="sigma",
        sigma_id=sigma_id,
        file=document.file,
        line=document.mark().line,
        **more,
    )


def _runbook(parsed: SigmaRule | SigmaCorrelationRule) -> str:
    """What the rule says of itself, and where it says to read on."""
    references = "".join(f"\n- {each}" for each in parsed.references or ())
    parts = [(parsed.description or "").strip(), f"References:{references}" if references else ""]
    return "\n\n".join(part for part in parts if part)
