"""All that an integration must be. `type: x` in config.yaml is the file `integrations/x.py`.

That file defines, by these fixed names, what it can be (nothing is inherited but the settings' strictness):

    SourceSettings(Settings), source(name: str, settings: SourceSettings) -> Source
    ActionSettings(Settings), action(settings: ActionSettings) -> Action
    feed(settings: ActionSettings) -> Feed            if something comes back
    recorded(name: str, document: Json) -> Iterable[Signal | Unreadable] | None
    recorded_lines(name: str, lines: Iterable[str]) -> Iterable[Signal | Unreadable] | None
                                                      if it reads what was recorded of its vendor: see `Recording`

An integration makes calls and translates: interval, threads, total deadline, retry, back-off, cursors, leases and
metrics are the daemon's. The vendor client's own retry is switched off. Nothing happens at import; the vendor's
library is imported inside the functions that make the client.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Protocol, TypeAlias, runtime_checkable

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema

from daemon.model import Cursor, Delivery, Fact, Json, Receipt, Shift, Signal
from daemon.secret import redact

_DURATION = re.compile(r"(\d+)(s|m|h|d)")
_UNIT = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(text: object) -> timedelta:
    """`30s`, `15m`, `4h`, `30d`. Raises ValueError with a hint."""
    if isinstance(text, timedelta):
        return text
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"'{text}' is not a length of time, such as 30s, 15m, 4h or 30d")
    return timedelta(seconds=int(match[1]) * _UNIT[match[2]])


def write_duration(length: timedelta) -> str:
    """The shortest form that `parse_duration` reads back."""
    seconds = int(length.total_seconds())
    unit = next(u for u in ("d", "h", "m", "s") if seconds % _UNIT[u] == 0 or u == "s")
    return f"{seconds // _UNIT[unit]}{unit}"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(write_duration),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]+[smhd]$"}),
]


def _web_address(text: str) -> str:
    if not text.startswith(("https://", "http://")):
        raise ValueError("must begin with https:// or http://")
    return text


WebAddress = Annotated[str, AfterValidator(_web_address)]
"""A URL in settings: where a vendor is."""


class Settings(BaseModel):
    """Frozen, strict: an unknown key is a mistake. Give every field a `description`; give a Secret's field
    `json_schema_extra={"get": "where to make one", "scopes": "what it must be allowed"}`."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, strict=False)


Unreadable: TypeAlias = tuple[str, str]
"""A record that could not be read: (reason, the raw record, cut to a few kB)."""

MISSHAPEN = (KeyError, TypeError, ValueError, AttributeError, OverflowError)
"""What translating a record raises whose shape is not the vendor's."""


def unreadable(error: Exception, record: Json) -> Unreadable:
    """What is put aside of a record that raised `error`; without the secrets that we know."""
    raw = record if isinstance(record, str) else json.dumps(record, default=str)
    return f"{type(error).__name__}: {error}", redact(raw[:4_000])


@dataclass(frozen=True, slots=True)
class Batch:
    """One poll's worth. `next` is stored in the transaction that stores the signals."""

    signals: tuple[Signal, ...]
    next: Cursor
    more: bool = False
    """More waits: poll again at once."""
    watermark: datetime | None = None
    """Everything that happened before this has been seen; None while a scan is not complete."""
    quarantined: tuple[Unreadable, ...] = ()
    """They never stop the rest."""


@dataclass(frozen=True, slots=True)
class Facts:
    facts: tuple[Fact, ...]
    next: Cursor
    more: bool = False


@runtime_checkable
class Source(Protocol):
    """Keeps no memory: the daemon hands the cursor in, and stores the next one with the signals."""

    def probe(self) -> None:
        """Raises if the account cannot be used, naming the missing scope."""
        ...

    def poll(self, since: Cursor | None, now: datetime) -> Batch:
        """One bounded piece of a scan: at most a page or a few. Raises Temporary or Permanent (reading has no
        Ambiguous). An incomplete answer is a failure, not a short answer."""
        ...


@runtime_checkable
class Action(Protocol):
    """Doing the same delivery twice has the effect of once.

    `Delivery.body` carries plain words, the same for every vendor; each action takes what it can show:
    `title`, `summary` (plain text), `severity` (1-4), `class`, `location`, `team`, `incident` (its id), `client`,
    `runbook`, `url` (our own page of it), `source`, `began_at`, `opened_at`, `due` (ISO, UTC), `labels` (list),
    `details` (map), `note` (with update and close), `ticket`, `goal`, `threshold` (with warnings).
    Only `title`, `severity` and `incident` are always there.
    """

    def probe(self) -> None: ...

    def deliver(self, delivery: Delivery) -> Receipt:
        """Raises Temporary, Ambiguous or Permanent."""
        ...


@runtime_checkable
class Findable(Protocol):
    """An action that can be asked what became of a delivery whose answer was lost."""

    def find(self, delivery: Delivery) -> Receipt | None:
        """None only if it is certain that the delivery had no effect; if that cannot be said yet, raise Temporary."""
        ...


@runtime_checkable
class Feed(Protocol):
    """What comes back: acknowledged, noted, resolved, replied, status changed, called, mailed."""

    def poll(self, since: Cursor | None, now: datetime) -> Facts: ...


@runtime_checkable
class OnCall(Protocol):
    """An action that knows who is on call."""

    def on_call(self, now: datetime) -> tuple[Shift, ...]: ...


@runtime_checkable
class Pushed(Protocol):
    """A source that is also pushed to, at `/hooks/<name>`."""

    def receive(self, headers: Any, body: bytes, now: datetime) -> tuple[Signal, ...]:
        """Signals of one push. Raises Permanent("signature") if it is not from whom it says; no secret, no route."""
        ...


@dataclass(frozen=True, slots=True)
class Recording:
    """How an integration reads what was recorded of its vendor: answers, messages, files. Offline and without settings
    but the defaults; by the translation that polls use, so that ids, kinds, fields, polarity and times are the same.

    A reader takes the name that the signals' source is to have. It answers None for what it does not know as its own,
    and raises nothing: a record that it cannot read comes as Unreadable, in its place. Each document is read as the
    first answer of a source that knew nothing.
    """

    document: Callable[[str, Json], Iterable[Signal | Unreadable] | None]
    """Of one parsed document, as `http.parse` gives it: a file, or a line of it."""
    lines: Callable[[str, Iterable[str]], Iterable[Signal | Unreadable] | None] | None = None
    """Of lines of text that are not JSON. The first of `lines` is taken before it answers, the others as it reads."""


@dataclass(frozen=True, slots=True)
class Example:
    """A signal as rules see it, from which a new rule can begin."""

    fields: Mapping[str, Json]
    match: tuple[str, Json]
    """A field of it, and the value that would be worth a rule."""
    near: Json
    """Another value of that field, which is not."""
    group_by: str
    """The field that tells one trouble from another."""


__all__ = [
    "MISSHAPEN",
    "Action",
    "Batch",
    "Duration",
    "Example",
    "Facts",
    "Feed",
    "Findable",
    "OnCall",
    "Pushed",
    "Recording",
    "Settings",
    "Source",
    "Unreadable",
    "WebAddress",
    "parse_duration",
    "unreadable",
    "write_duration",
]
