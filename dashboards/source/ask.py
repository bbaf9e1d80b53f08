"""Asks a Prometheus what a dashboard's panels ask, with the variables and the steps that Grafana would put in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import requests

Json: TypeAlias = dict[str, Any]
Labels: TypeAlias = dict[str, str]

_PATIENCE = 120
_POINTS = 300
"""Of a line. Grafana takes one for each pixel; a picture in a page needs fewer."""
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_STEPS = (15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


class Refused(Exception):
    """What Prometheus said of a query that it did not take."""


@dataclass(frozen=True, slots=True)
class Series:
    labels: Labels
    points: tuple[tuple[float, float], ...]
    """(Seconds since 1970, value). One point where an instant was asked for."""
    query: str = "A"
    legend: str = ""

    @property
    def last(self) -> float:
        return self.points[-1][1]


@dataclass(frozen=True, slots=True)
class Span:
    """What of time a panel shows, and how finely; in seconds."""

    begin: float
    end: float
    step: float

    def instants(self) -> list[float]:
        """Of its points, whether there is something at them or not."""
        return [self.begin + number * self.step for number in range(round((self.end - self.begin) / self.step) + 1)]


@dataclass
class Asker:
    """`end` is what Grafana calls now."""

    url: str
    end: float
    apart: Callable[[float], float] = lambda since: 15
    """How far apart the samples are that a panel of so many seconds takes, in seconds."""
    chosen: Mapping[str, str] = field(default_factory=dict)
    """Variables that are not `.+`."""
    said: list[str] = field(default_factory=list)
    """Warnings and infos of all queries so far."""

    def panel(self, board: Json, panel: Json) -> list[Series]:
        """All that its queries find, in their order."""
        return [series for target in panel["targets"] for series in self.target(board, panel, target)]

    def target(self, board: Json, panel: Json, target: Json) -> list[Series]:
        span = self.span(board, panel, target)
        expr = self.filled(target["expr"], span.step, self.apart(_since(board, panel)))
        if target.get("instant"):
            found = self._ask("query", query=expr, time=self.end)
        else:
            found = self._ask("query_range", query=expr, start=span.begin, end=span.end, step=span.step)
        return list(_series(found, target))

    def span(self, board: Json, panel: Json, target: Json) -> Span:
        since = _since(board, panel)
        step = _step(since, self.apart(since), panel, target["expr"])
        end = self.end // step * step
        return Span(end - since // step * step, end, step)

    def variable(self, one: Json) -> list[str]:
        """The values of a `label_values(…)`."""
        match = re.fullmatch(r"label_values\((.+), (\w+)\)", one["definition"])
        if match is None:
            raise Refused(f"{one['name']}: {one['definition']} is no label_values(metric, label)")
        selector = self.filled(match[1])
        found = self._ask("series", **{"match[]": selector, "end": self.end, "start": self.end - 86400})
        return sorted({one[match[2]] for one in found})

    def found(self, expr: str) -> list[Series]:
        """What a query finds now, as it stands."""
        return list(_series(self._ask("query", query=expr, time=self.end), {"refId": "A"}))

    def clock(self) -> float:
        """What Prometheus calls now, in seconds since 1970."""
        return float(self._ask("query", query="time()")[1])

    def filled(self, expr: str, step: float = 15, scrape: float = 15) -> str:
        """With variables and lengths of time put in."""
        rate = max(step + scrape, 4 * scrape)
        for name, value in (("__rate_interval", f"{rate:.0f}s"), ("__interval", f"{step:.0f}s"), *self.chosen.items()):
            expr = expr.replace(f"${name}", value)
        return re.sub(r"\$(job|client|sev)\b", ".+", expr)

    def _ask(self, what: str, **parameters: Any) -> Any:
        answer = requests.post(f"{self.url}/api/v1/{what}", data=parameters, timeout=_PATIENCE)
        said = answer.json()
        if said["status"] != "success":
            raise Refused(f"{said.get('error')}: {parameters.get('query')}")
        self.said += [*said.get("warnings", ()), *said.get("infos", ())]
        return said["data"]["result"] if what.startswith("query") else said["data"]


def _since(board: Json, panel: Json) -> float:
    """The panel's own time, or the dashboard's."""
    return lasting(panel.get("timeFrom") or board["time"]["from"].removeprefix("now-"))


def _step(since: float, scrape: float, panel: Json, expr: str) -> float:
    """No less than what a rate looks back on, or what happened once would be shown several times."""
    least = max(4 * scrape if "$__rate_interval" in expr else scrape, lasting(panel.get("interval", "0s")))
    return max(least, next(step for step in _STEPS if step >= min(since / _POINTS, _STEPS[-1])))


def lasting(written: str) -> float:
    """`30d` in seconds."""
    return float(written[:-1]) * _SECONDS[written[-1]]


def _series(found: list[Json], target: Json) -> Iterator[Series]:
    for one in found:
        labels = one["metric"]
        points = tuple((float(at), float(value)) for at, value in one.get("values") or [one["value"]])
        yield Series(labels, points, target["refId"], legend(target.get("legendFormat", ""), labels))


def legend(written: str, labels: Labels) -> str:
    """`{{client}}` filled in; without a legend, all labels."""
    if not written:
        return ", ".join(f"{name}={value}" for name, value in sorted(labels.items()) if name != "__name__")
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda match: labels.get(match[1], ""), written)
