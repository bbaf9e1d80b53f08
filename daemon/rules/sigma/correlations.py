"""A Sigma correlation → a rule over rules. What our windows cannot say is a problem, never something near it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from sigma.correlations import (
    CorrelationConditionAND,
    CorrelationConditionNOT,
    SigmaCorrelationCondition,
    SigmaCorrelationRule,
    SigmaCorrelationType,
    SigmaExtendedCorrelationCondition,
    SigmaRuleReference,
)

from daemon.errors import Problem
from daemon.rules.model import NEVER, Aggregate, Comparison, Count, Distinct, Rule, Sequence, Step, Window
from daemon.rules.read_window import MOST_COUNTED
from daemon.rules.reader import nearest
from daemon.rules.sigma.complaints import complaint
from daemon.rules.sigma.documents import Document
from daemon.rules.sigma.rules import make
from daemon.rules.sigma.translate import Unusable, path, path_text
from daemon.rules.sigma_terms import SigmaTerms

_COMPARISONS: Mapping[str, Comparison] = {"GT": "gt", "GTE": "gte", "LT": "lt", "LTE": "lte"}
_FUNCTIONS: Mapping[SigmaCorrelationType, Literal["sum", "avg", "percentile"]] = {
    SigmaCorrelationType.VALUE_SUM: "sum",
    SigmaCorrelationType.VALUE_AVG: "avg",
    SigmaCorrelationType.VALUE_PERCENTILE: "percentile",
    SigmaCorrelationType.VALUE_MEDIAN: "percentile",
}
_IN_TIME = (SigmaCorrelationType.TEMPORAL, SigmaCorrelationType.TEMPORAL_ORDERED)


@dataclass(frozen=True, slots=True)
class Correlation:
    """One as pySigma read it, and the rules that there are to refer to: Sigma id or name → our id."""

    document: Document
    parsed: SigmaCorrelationRule
    id: str
    known: Mapping[str, str]

    def rule(self, terms: SigmaTerms) -> tuple[Rule | None, list[Problem]]:
        """The rule, or what is wrong with it."""
        problems = [complaint(self.document, error) for error in self.parsed.errors] or [
            *self._strangers(),
            *self._unreadable(),
        ]
        if problems:
            return None, problems
        try:
            return self._made(terms), []
        except Unusable as why:
            return None, [self.document.mark("correlation", "condition").problem(why.message, why.hint)]

    def references(self) -> list[str]:
        """What it stands on, as it names it."""
        if self.parsed.rules is not None:
            return [each.reference for each in self.parsed.rules]
        said = self.parsed.condition
        return said.get_referenced_rules() if isinstance(said, SigmaExtendedCorrelationCondition) else []

    def beneath(self) -> set[str]:
        """Our ids of what it stands on."""
        return {self.known[each] for each in self.references() if each in self.known}

    def _strangers(self) -> list[Problem]:
        aliased = {ref.reference for alias in self.parsed.aliases for ref in alias.mapping}
        listed = self.references()
        found = []
        for reference in dict.fromkeys([*listed, *sorted(aliased)]):
            if reference not in self.known:
                hint = nearest(reference, self.known) or "A correlation refers to a rule by its 'name' or its 'id'."
                mark = self.document.mark("correlation", "rules" if reference in listed else "aliases")
                found.append(mark.problem(f"there is no Sigma rule '{reference}'.", hint))
        return found

    def _unreadable(self) -> Iterator[Problem]:
        """Fields of the group that our paths cannot say."""
        aliases = self.parsed.aliases
        plain = [(("group-by",), part) for part in self.parsed.group_by or () if part not in aliases.aliases]
        aliased = [(("aliases", each.alias), field) for each in aliases for field in each.mapping.values()]
        for way, field in [*plain, *aliased]:
            try:
                path_text(field)
            except Unusable as why:
                yield self.document.mark("correlation", *way).problem(why.message, why.hint)

    def _made(self, terms: SigmaTerms) -> Rule:
        steps, window = self._window()
        parts = tuple(self.parsed.group_by or ())
        shown = {part: path_text(part) for part in parts if part not in self.parsed.aliases.aliases}
        return make(
            self.document,
            self.parsed,
            self.id,
            terms,
            sources=(),
            condition=NEVER,
            over=steps,
            window=window,
            group_by=parts,
            aliases={part: to for part, to in shown.items() if part != to},
        )

    @property
    def _within(self) -> timedelta:
        return timedelta(seconds=self.parsed.timespan.seconds)

    def _step(self, reference: str, *, negated: bool = False) -> Step:
        """Fields that have an alias are found by it; all others by their own name, whatever the rule groups by."""
        by = {part: path_text(part) for part in self.parsed.group_by or () if part not in self.parsed.aliases.aliases}
        for alias in self.parsed.aliases:
            for rule, field in alias.mapping.items():
                if self.known[rule.reference] == self.known[reference]:
                    by[alias.alias] = path_text(field)
        return Step(self.known[reference], negated, by)

    def _window(self) -> tuple[tuple[Step, ...], Window]:
        said = self.parsed.condition
        if self.parsed.type in _IN_TIME:
            steps = self._steps(said)
            ordered = self.parsed.type is SigmaCorrelationType.TEMPORAL_ORDERED
            return steps, Sequence(steps, self._within, ordered, strict=True)
        steps = tuple(map(self._step, dict.fromkeys(self.references())))
        if not isinstance(said, SigmaCorrelationCondition):
            raise Unusable("this correlation needs a condition such as {gte: 10}.")
        return steps, self._measured(said)

    def _measured(self, said: SigmaCorrelationCondition) -> Window:
        kind = self.parsed.type
        if kind is SigmaCorrelationType.EVENT_COUNT:
            return Count(_at_least(said), self._within)
        at = path(self._field(said))
        if kind is SigmaCorrelationType.VALUE_COUNT:
            return Distinct(at, _at_least(said), self._within)
        if said.op.name not in _COMPARISONS:
            raise Unusable(_untold(said), "Write gt, gte, lt or lte.")
        share = 50 if kind is SigmaCorrelationType.VALUE_MEDIAN else said.percentile
        if kind is SigmaCorrelationType.VALUE_PERCENTILE and not (share and 0 < share <= 100):
            raise Unusable("a percentile is above 0 and at most 100.", "Write percentile: 95 in the condition.")
        comparison, bound = _COMPARISONS[said.op.name], float(said.count)
        function = _FUNCTIONS[kind]
        among = function == "percentile"
        return Aggregate(function, at, comparison, bound, self._within, float(share or 0), interpolated=among)

    def _field(self, said: SigmaCorrelationCondition) -> str:
        fields = said.fieldref if isinstance(said.fieldref, list) else [said.fieldref]
        if len(fields) != 1 or not isinstance(fields[0], str):
            raise Unusable("one field is measured, not several.")
        if fields[0] in self.parsed.aliases.aliases:
            raise Unusable(f"the field '{fields[0]}' is an alias; a window reads one field of one name.")
        return fields[0]

    def _steps(self, said: Any) -> tuple[Step, ...]:
        if isinstance(said, SigmaExtendedCorrelationCondition):
            return self._extended(said)
        listed = self.references()
        count = said.count + (said.op.name == "GT")
        if said.op.name not in {"EQ", "GT", "GTE"} or count != len(listed):
            message = "a temporal correlation holds here when all of its rules have fired."
            raise Unusable(message, "Leave its condition out.")
        return tuple(map(self._step, listed))

    def _extended(self, said: SigmaExtendedCorrelationCondition) -> tuple[Step, ...]:
        """`a and b and not c`. In the order of `rules`, where both are there."""
        steps = [self._extended_step(part) for part in _together(said.parsed)]
        if all(step.negated for step in steps):
            raise Unusable("a correlation needs a rule that fires, not only ones that do not.")
        listed = [self.known[each] for each in self.references()]
        return tuple(sorted(steps, key=lambda step: listed.index(step.rule)))

    def _extended_step(self, part: Any) -> Step:
        if isinstance(part, SigmaRuleReference):
            return self._step(part.reference)
        if isinstance(part, CorrelationConditionNOT) and isinstance(part.args[0], SigmaRuleReference):
            return self._step(part.args[0].reference, negated=True)
        hint = "Write one correlation for each side of an 'or'."
        raise Unusable("of rules, only 'a and b and not c' can be said.", hint)


def _together(tree: Any) -> Iterator[Any]:
    """The parts of an 'and', however it is bracketed."""
    for part in tree.args if isinstance(tree, CorrelationConditionAND) else ():
        yield from _together(part)
    if not isinstance(tree, CorrelationConditionAND):
        yield tree


def _untold(said: SigmaCorrelationCondition) -> str:
    return f"'{said.op.name.lower()}' cannot be told while signals still come."


def _at_least(said: SigmaCorrelationCondition) -> int:
    """The count from which on the condition holds."""
    operator = said.op.name
    if operator not in {"GT", "GTE"}:
        hint = "Write gte, or a rule with a window of kind 'absent' or 'drop'."
        raise Unusable(_untold(said), hint)
    if not isinstance(said.count, int) or not 1 <= (count := said.count + (operator == "GT")) <= MOST_COUNTED:
        raise Unusable(f"a window counts whole numbers from 1 to {MOST_COUNTED}, not '{said.count}'.")
    return count
