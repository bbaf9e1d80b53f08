"""What is still kept of a source's signals, read back: for backtests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection, RowMapping, select

from daemon.model import Polarity, Signal
from daemon.store.schema import signals

_AT_ONCE = 1_000


def since(connection: Connection, source: str, start: datetime) -> Iterator[Signal]:
    """Those that happened at `start` or later, by when they happened. Read as they are taken, never all at once."""
    wanted = (
        select(signals).where(signals.c.source == source, signals.c.at >= start).order_by(signals.c.at, signals.c.row)
    )
    rows = connection.execution_options(yield_per=_AT_ONCE).execute(wanted)
    yield from map(_signal, rows.mappings())


def _signal(row: RowMapping) -> Signal:
    return Signal(
        source=row["source"], type=row["type"], kind=row["kind"], id=row["id"], at=row["at"], fields=row["fields"],
        polarity=Polarity(row["polarity"]), count=row["count"], count_delta=row["count_delta"],
        began_at=row["began_at"], url=row["url"],
    )  # fmt: skip
