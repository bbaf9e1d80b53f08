"""The streams of Datadog that are searched: events, logs, security signals. Each is a window of time; what it holds is
known by its id, so that the same row read twice is one signal.

A row has attributes within attributes. Rules see both side by side by Datadog's own names; where both have a name, the
outer one holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol
from urllib.parse import quote

from daemon.model import Json, Signal
from integrations._datadog import Api, Part, Whose, instant, named, whole


class Searched(Protocol):
    @property
    def row(self) -> str:
        """What Datadog calls its rows, as their `type`."""
        ...

    @property
    def scope(self) -> str:
        """What the application key must be allowed."""
        ...

    def ask(self, api: Api, part: Part) -> Json: ...

    def signal(self, whose: Whose, row: Json) -> Signal:
        """Raises one of `contract.MISSHAPEN` for a row that cannot be read."""
        ...


class Events:
    """`datadog.event`: without polarity. A monitor's change of state is one, too."""

    row = "event"
    scope = "events_read"

    def __init__(self, query: str = "*") -> None:
        self._query = query

    def ask(self, api: Api, part: Part) -> Json:
        return api.events(self._query, part)

    def signal(self, whose: Whose, row: Json) -> Signal:
        fields = _fields(row, "attributes")
        if fields.get("monitor_id") is not None:
            fields["monitor_id"] = whole(fields["monitor_id"])
        place = f"/event/explorer?query={quote('@evt.id:' + row['id'])}"
        return _signal(whose, "datadog.event", named(row["id"]), fields, place)


class Logs:
    """`datadog.log`: without polarity."""

    row = "log"
    scope = "logs_read_data"

    def __init__(self, query: str = "*", indexes: Sequence[str] = ("*",)) -> None:
        self._query = query
        self._indexes = indexes

    def ask(self, api: Api, part: Part) -> Json:
        return api.logs(self._query, self._indexes, part)

    def signal(self, whose: Whose, row: Json) -> Signal:
        place = f"/logs?event={quote(row['id'])}"
        return _signal(whose, "datadog.log", named(row["id"]), _fields(row, "attributes"), place)


class SecuritySignals:
    """`datadog.security_signal`: without polarity. Its `status` is its severity, which may rise while more comes in:
    each severity that it was seen with is a signal of its own.
    """

    row = "signal"
    scope = "security_monitoring_signals_read"

    def __init__(self, query: str = "*") -> None:
        self._query = query

    def ask(self, api: Api, part: Part) -> Json:
        return api.security_signals(self._query, part)

    def signal(self, whose: Whose, row: Json) -> Signal:
        """Datadog gives its attributes as `custom`; answers to searches were seen that give them as `attributes`."""
        key = named(row["id"])
        fields = {**_fields(row, "attributes", "custom"), "id": key}
        status = fields.get("status")
        place = f"/security?event={quote(key)}"
        return _signal(whose, "datadog.security_signal", f"{key}:{status}" if status else key, fields, place)


def _fields(row: Json, *inner: str) -> dict[str, Json]:
    said = row["attributes"]
    own = {name: value for key in inner for name, value in dict(said.get(key) or {}).items()}
    return {**own, **{name: value for name, value in said.items() if name not in inner}}


def _signal(whose: Whose, kind: str, id: str, fields: Mapping[str, Json], place: str) -> Signal:
    return Signal(
        source=whose.source,
        type="datadog",
        kind=kind,
        id=id,
        at=instant(fields["timestamp"]),
        fields=fields,
        url=whose.app + place,
    )
