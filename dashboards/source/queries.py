"""Pieces of PromQL over the catalogue's figures: a name or a label that there is not cannot be written.

Every selector carries the dashboard's variables. Replicas on one database all show the same figures of the store, so
those are taken once, whatever the replicas are called. That is done before a long `increase`, not after: a replica that
was replaced meanwhile then leaves no hole in the window.
"""

from __future__ import annotations

from daemon import catalogue
from daemon.catalogue import PROCESS, Figure

RATE = "$__rate_interval"
MONTH, WEEK, DAY = "30d", "7d", "1d"
_REPLICA = "instance, pod"
_STEP = "15m"
"""How finely a long window is looked at."""
_VARIABLES = ("client", "sev")


def of(figure: Figure, *only: str, part: str = "") -> str:
    """Its series, as the dashboard's variables and matchers like `state="breached"` pick them."""
    named = {match.partition("=")[0].rstrip("!") for match in only}
    if strange := named - {*figure.labels, "le"}:
        raise ValueError(f"{figure.exposed} has no label {strange}")
    variables = [f'{label}=~"${label}"' for label in ("job", *_VARIABLES) if label in ("job", *figure.labels)]
    return f"{figure.exposed}{part}{{{', '.join([*variables, *only])}}}"


def now(figure: Figure, *only: str) -> str:
    """How things stand. Of the store once; of a process for each replica."""
    return of(figure, *only) if figure in PROCESS else _once(of(figure, *only))


def grew(figure: Figure, over: str = RATE, *only: str, part: str = "") -> str:
    """By how much a counter, or a part of a histogram, grew over a window."""
    series = of(figure, *only, part=part)
    if figure in PROCESS:
        return f"increase({series}[{over}])"
    return _once(f"increase({series}[{over}])") if over == RATE else f"increase({_once(series)}[{over}:{_STEP}])"


def happened(figure: Figure, *by: str) -> str:
    """How often in each interval, of those that happened at all."""
    return f"{total(grew(figure), *by)} > 0"


def total(vector: str, *by: str) -> str:
    return f"sum by ({', '.join(by)}) ({vector})" if by else f"sum({vector})"


def least(vector: str, *by: str) -> str:
    return f"min by ({', '.join(by)}) ({vector})" if by else f"min({vector})"


def most(vector: str, *by: str) -> str:
    return f"max by ({', '.join(by)}) ({vector})" if by else f"max({vector})"


def quantile(share: float, figure: Figure, over: str, *by: str) -> str:
    """What that part of the observations is at most; nothing, rather than NaN, where there was none."""
    return f"histogram_quantile({share}, {total(grew(figure, over, part='_bucket'), 'le', *by)}) > 0"


def decided(over: str, *by: str) -> str:
    """Promises kept or missed, less what was taken back since."""
    return _corrected(catalogue.DECISIONS, "decision", over, *by)


def missed(over: str, *by: str) -> str:
    return _corrected(catalogue.BREACHES, "breach", over, *by)


def compliance(over: str, *by: str) -> str:
    """From 0 to 1. Where no promise fell due there is none, rather than 0 / 0."""
    return f"1 - ({missed(over, *by)}) / ({decided(over, *by)} > 0)"


def due(*by: str) -> str:
    """Seconds until the next deadline. An instant less the time: it goes on falling when the daemon stands still."""
    return f"{least(of(catalogue.NEXT_DEADLINE), *by)} - time()"


def with_client(vector: str) -> str:
    """Joined with the client's contract, where it has one; `vector` has the label `client`."""
    info = f"max by (client, tier) ({of(catalogue.CLIENT)})"
    return f"(({vector}) * on (client) group_left (tier) {info}) or (({vector}) unless on (client) {info})"


def age(instant: str) -> str:
    return f"time() - {instant}"


def _once(vector: str) -> str:
    return f"max without ({_REPLICA}) ({vector})"


def _corrected(figure: Figure, kind: str, over: str, *by: str) -> str:
    back = total(grew(catalogue.CORRECTIONS, over, f'kind="{kind}"'), *by)
    return f"{total(grew(figure, over), *by)} - {back}"
