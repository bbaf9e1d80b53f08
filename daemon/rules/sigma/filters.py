"""A Sigma filter: what must hold beside what some rules say, written apart from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sigma.exceptions import SigmaError
from sigma.filters import SigmaFilter
from sigma.rule import SigmaRule

from daemon.errors import Problem
from daemon.rules.conditions import Condition
from daemon.rules.reader import nearest
from daemon.rules.sigma.complaints import complaint
from daemon.rules.sigma.documents import Document
from daemon.rules.sigma.patterns import POLICY
from daemon.rules.sigma.rules import complaints
from daemon.rules.sigma.translate import Unusable, condition


@dataclass(frozen=True, slots=True)
class Filter:
    """One as pySigma read it."""

    document: Document
    parsed: SigmaFilter
    condition: Condition

    def applies_to(self, rule: SigmaRule) -> bool:
        """By its log source, and unless it is of any rule by the rule's name or id."""
        rules = self.parsed.filter.rules
        if rule.logsource not in self.parsed.logsource:
            return False
        return isinstance(rules, str) or any(each.reference in {str(rule.id), rule.name} for each in rules)

    def strangers(self, known: Mapping[str, str]) -> Iterator[Problem]:
        """Rules that it names and that there are not."""
        rules = self.parsed.filter.rules
        for each in () if isinstance(rules, str) else rules:
            if each.reference not in known:
                hint = nearest(each.reference, known) or "A filter refers to a rule by its 'name' or its 'id'."
                mark = self.document.mark("filter", "rules")
                yield mark.problem(f"there is no Sigma rule '{each.reference}'.", hint)


def read_filter(document: Document) -> tuple[Filter | None, list[Problem]]:
    """The filter, or what is wrong with it."""
    try:
        parsed = SigmaFilter.from_dict(document.value, collect_errors=True, policy=POLICY)
    except SigmaError as error:
        return None, [complaint(document, error)]
    if problems := list(complaints(document, parsed.errors, "filter")):
        return None, problems
    try:
        return Filter(document, parsed, condition(parsed.filter.parsed_condition[0].parsed)), []
    except SigmaError as error:
        return None, [complaint(document, error, "filter", "condition")]
    except Unusable as why:
        return None, [document.mark("filter", "condition").problem(why.message, why.hint)]
