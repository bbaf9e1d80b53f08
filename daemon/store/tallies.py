"""What the counters and histograms have reached: running sums, which only grow, moved in the transaction of what they
count. So a scrape costs the same however much has happened, replicas agree, and no restart or trim loses any."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Insert, func, select
from sqlalchemy.dialects import postgresql, sqlite

from daemon.catalogue import Figure, Key
from daemon.store.schema import tallies

MICRO = 1_000_000
"""Sums are kept as whole millionths of the figure's unit, so that they are exact."""
_VALUE, _SUM, _BEYOND = "", "sum", "+Inf"


@dataclass(frozen=True, slots=True)
class Tally:
    """One more in a figure, or one thing that a histogram has seen."""

    figure: Figure
    labels: Key
    seen: float = 1.0
    """In the figure's unit: a histogram's observation; 1 of a counter."""
    ticket: int | None = None
    """An example of it."""


@dataclass(frozen=True, slots=True)
class Example:
    """The latest ticket that moved a series."""

    ticket: int
    seen: float
    at: datetime


@dataclass(slots=True)
class Standing:
    """What one series of a figure has reached; of a histogram, what each bucket holds by itself."""

    value: int = 0
    example: Example | None = None
    total: float = 0.0
    """A histogram's sum."""
    buckets: dict[str, int] = field(default_factory=dict)
    """By bound, as `bound_of` writes it."""
    examples: dict[str, Example] = field(default_factory=dict)

    def __add__(self, other: Standing) -> Standing:
        together = self.buckets.keys() | other.buckets.keys()
        return Standing(
            self.value + other.value,
            self.example or other.example,
            self.total + other.total,
            {bound: self.buckets.get(bound, 0) + other.buckets.get(bound, 0) for bound in together},
            other.examples | self.examples,
        )


def add(connection: Connection, some: Iterable[Tally], now: datetime) -> None:
    """Adds them up, in the transaction of what they tell of; nothing if there are none."""
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for one in some:
        labels = json.dumps(one.labels, ensure_ascii=False)
        for part, value in _parts(one):
            row = rows.setdefault((one.figure.name, labels, part), {"value": 0, "ticket": None, "seen": None})
            row["value"] += value
            if one.ticket is not None and part != _SUM:
                row |= {"ticket": one.ticket, "seen": round(one.seen * MICRO)}
    if rows:
        keys = ("figure", "labels", "part")
        connection.execute(
            _more(connection.dialect.name),
            [dict(zip(keys, key, strict=True)) | row | {"at": now} for key, row in sorted(rows.items())],
        )


def _parts(one: Tally) -> Iterator[tuple[str, int]]:
    if not one.figure.buckets:
        yield _VALUE, round(one.seen)
        return
    yield bound_of(one.figure, one.seen), 1
    yield _SUM, round(one.seen * MICRO)


def bound_of(figure: Figure, seen: float) -> str:
    """The bucket that an observation is in: its upper bound, which belongs to it."""
    return next((str(float(bound)) for bound in figure.buckets if seen <= bound), _BEYOND)


@cache
def _more(dialect: str) -> Insert:
    """Made once: building a statement costs more than running it."""
    new = sqlite.insert(tallies) if dialect == "sqlite" else postgresql.insert(tallies)
    newer = {name: func.coalesce(new.excluded[name], tallies.c[name]) for name in ("ticket", "seen")}
    return new.on_conflict_do_update(
        index_elements=["figure", "labels", "part"],
        set_={"value": tallies.c.value + new.excluded.value, "at": new.excluded.at, **newer},
    ).inline()


def standing(connection: Connection) -> dict[str, dict[Key, Standing]]:
    """By figure and labels; both in the order in which they first moved."""
    found: dict[str, dict[Key, Standing]] = {}
    for row in connection.execute(select(tallies).order_by(tallies.c.row)):
        series = found.setdefault(row.figure, {}).setdefault(tuple(json.loads(row.labels)), Standing())
        example = None if row.ticket is None else Example(row.ticket, (row.seen or 0) / MICRO, row.at)
        if row.part == _VALUE:
            series.value, series.example = row.value, example
        elif row.part == _SUM:
            series.total = row.value / MICRO
        else:
            series.buckets[row.part] = row.value
            if example is not None:
                series.examples[row.part] = example
    return found
