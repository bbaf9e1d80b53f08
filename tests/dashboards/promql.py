"""What a query of PromQL asks for: read by a parser, so that no name in a string or a label is taken for a metric."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from promql_parser import (
    AggregateExpr,
    BinaryExpr,
    Expr,
    MatchOp,
    MatrixSelector,
    VectorSelector,
    parse,
    walk,
)

from daemon.catalogue import FIGURES, SEVERITIES, Figure
from daemon.collector import standing
from daemon.model import GOALS

OF_TARGETS = frozenset({"job", "instance", "pod", "le"})
"""Labels that no figure has of its own: of who is scraped, and of buckets."""
OTHERS = {
    "up": (),
    "scrape_duration_seconds": (),
    "scrape_samples_scraped": (),
    "ALERTS": ("alertname", "alertstate", "severity"),
}
"""Series that Prometheus makes itself."""
CLOSED: dict[str, tuple[str, ...]] = {
    "sev": SEVERITIES, "from_sev": SEVERITIES, "to_sev": SEVERITIES, "goal": GOALS,
    "operation": ("open", "update", "close", "find"), "label": ("client", "rule"),
}  # fmt: skip
"""Label → all that it can be, whichever figure has it."""
CLOSED_OF: dict[tuple[str, str], tuple[str, ...]] = {
    ("tickets", "state"): tuple(standing.TICKET_STATES),
    ("sla_clocks", "state"): tuple(standing.CLOCK_STATES),
    ("incidents", "state"): tuple(standing.INCIDENT_STATES),
    ("defects", "state"): tuple(standing.DEFECT_STATES),
    ("defects", "kind"): tuple(standing.DEFECT_KINDS),
    ("rcas", "state"): tuple(standing.RCA_STATES),
    ("sla_corrections", "kind"): ("decision", "breach"),
}
BY_SERIES: dict[str, Figure] = {series: figure for figure in FIGURES for series in figure.series}
_OPERATORS = ((MatchOp.Equal, "="), (MatchOp.NotEqual, "!="), (MatchOp.Re, "=~"), (MatchOp.NotRe, "!~"))
_INTERVAL = re.compile(r"\$\{?__(?:rate_interval|interval|range)\}?|\$interval\b")


@dataclass(frozen=True, slots=True)
class Selector:
    name: str
    matchers: tuple[tuple[str, str, str], ...]
    """Label, operator, value."""


def read(expr: str) -> Expr:
    """Grafana's lengths of time stand for five minutes. Raises ValueError."""
    tree: Expr = parse(_INTERVAL.sub("5m", expr))
    return tree


def nodes(expr: str) -> list[Expr]:
    found: list[Expr] = []

    def keep(node: Expr) -> bool:
        found.append(node)
        return True

    walk(read(expr), keep)
    return found


def selectors(expr: str) -> list[Selector]:
    found = []
    for node in nodes(expr):
        vector = node.vector_selector if isinstance(node, MatrixSelector) else node
        if isinstance(vector, VectorSelector):
            found.append(_selector(vector))
    return list(dict.fromkeys(found))


def metrics_used(expr: str) -> set[str]:
    """Every series that a query reads, a histogram's parts and recorded ones among them."""
    return {one.name for one in selectors(expr)}


def labels_named(expr: str) -> set[str]:
    """By which it groups or joins."""
    found: set[str] = set()
    for node in nodes(expr):
        if isinstance(node, AggregateExpr) and node.modifier is not None:
            found |= set(node.modifier.labels)
        if isinstance(node, BinaryExpr) and node.modifier is not None:
            found |= set(node.modifier.matching.labels if node.modifier.matching else ())
            found |= set(node.modifier.group_labels or ())
    return found


def unknown(expr: str, recorded: frozenset[str]) -> list[str]:
    """Metrics, labels and values in it that there are not; `recorded` are the names of recording rules."""
    everywhere = {label for figure in FIGURES for label in figure.labels} | OF_TARGETS
    found = [f"label {name}" for name in sorted(labels_named(expr) - everywhere)]
    for one in selectors(expr):
        found += _unknown_in(one, recorded)
    return found


def _unknown_in(one: Selector, recorded: frozenset[str]) -> Iterator[str]:
    figure = BY_SERIES.get(one.name)
    if figure is None and one.name not in OTHERS and one.name not in recorded:
        yield f"metric {one.name}"
        return
    known = set(figure.labels if figure else OTHERS.get(one.name, one.name.partition(":")[0].split("_")))
    for label, operator, value in one.matchers:
        if label not in known | OF_TARGETS:
            yield f"label {label} of {one.name}"
        allowed = CLOSED_OF.get((figure.name if figure else "", label)) or CLOSED.get(label)
        if allowed and "$" not in value:
            yield from (f"{label}={part} of {one.name}" for part in _parts(operator, value) if part not in allowed)


def _parts(operator: str, value: str) -> list[str]:
    return [part for part in value.split("|") if part not in (".*", ".+")] if "~" in operator else [value]


def _selector(node: VectorSelector) -> Selector:
    return Selector(node.name or "", tuple((one.name, _sign(one.op), one.value) for one in node.matchers.matchers))


def _sign(operator: MatchOp) -> str:
    return next(sign for known, sign in _OPERATORS if known == operator)
