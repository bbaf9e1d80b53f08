"""What rules did with signals, and why, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from daemon.model import Json
from daemon.store.windows import Judgement

Detail = Mapping[str, Json]


def reason(judged: Judgement) -> str:
    """One line for a person."""
    return _WORDS[judged.outcome](judged.detail)


def _number(value: Json) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _counted(detail: Detail) -> str:
    if "of" in detail:
        return f", with {_number(detail['count'])} where {_number(detail['of'])} are needed"
    return f", with {_number(detail['count'])}" if "count" in detail else ""


def _held(detail: Detail) -> str:
    return str(detail.get("held", {}).get("why", "something holds it"))


_WORDS: Mapping[str, Callable[[Detail], str]] = {
    "opened": lambda detail: f"opened it{_counted(detail)}",
    "reopened": lambda detail: f"opened it again{_counted(detail)}",
    "joined": lambda detail: f"joined it{_counted(detail)}",
    "old": lambda detail: "happened before the trouble was last over: evidence, and no more",
    "below": lambda detail: f"not enough: {detail['why']}" if "why" in detail else f"not enough{_counted(detail)}",
    "waiting": lambda detail: "waits until its sources have been read further",
    "uncounted": lambda detail: f"not counted: {detail['why']}",
    "silent": lambda detail: f"fired{_counted(detail)}; by itself it opens nothing",
    "shadow": lambda detail: f"in shadow: would have {detail['would']} it{_counted(detail)}",
    "held": lambda detail: f"would have {detail['would']} it; {_held(detail)}",
    "recovered": lambda detail: f"ended it: {detail['why']}",
    "nothing_open": lambda detail: "says that it is over, and nothing was open",
}
"""By outcome, as `daemon/pipeline/detect.py` records them."""

OUTCOMES = frozenset(_WORDS)
