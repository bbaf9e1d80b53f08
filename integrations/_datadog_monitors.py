"""Datadog's monitors, with the state of each of their groups: `datadog.monitor`, one signal for each change of state.

Monitors are states, so what is read is compared with what was known; a group that broke and recovered since the last
scan tells it by its time stamps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from daemon.contract import MISSHAPEN
from daemon.model import Json, Polarity, Signal
from integrations._datadog import Whose, instant, named, whole, written

SCOPE = "monitors_read"

_BROKEN = frozenset({"Alert", "Warn", "No Data"})
_BULKY = frozenset({"state", "options", "creator", "restricted_roles", "assets", "matching_downtimes"})
_GONE = "Gone"
"""Our own word for a group or monitor that two scans in a row did not meet: deleted, or its host retired."""


@dataclass(slots=True)
class _Known:
    """What we last saw of a monitor's group."""

    state: str
    stamp: int
    met: str


class Monitors:
    """One scan's look at them, from `start` to `to`; `end` is the end of the scan before.

    `known`: of each group that is not OK, or was not a short while ago, [state, its time stamp, end of the scan that
    last met it].
    """

    def __init__(self, whose: Whose, end: str, start: datetime, to: datetime, known: Mapping[str, Json]) -> None:
        self._whose = whose
        self._end = end
        self._start = start
        self._to = to
        self._known = {key: _Known(*values) for key, values in known.items()}

    @property
    def known(self) -> dict[str, Json]:
        return {key: [one.state, one.stamp, one.met] for key, one in self._known.items()}

    def changes(self, monitor: Json) -> Iterator[Signal]:
        """All of one monitor's, or none: a row that cannot be read leaves what is known as it was."""
        groups = (monitor.get("state") or {}).get("groups") or {"": {"status": monitor["overall_state"]}}
        read = [_Group(f"{whole(monitor['id'])}/{name}", name, one) for name, one in groups.items()]
        changes = [(group, *change) for group in read for change in self._change(group)]
        for group in read:
            self._remember(group)
        return iter([self._signal(monitor, group, state, at) for group, state, at in changes])

    def spoilt(self) -> None:
        """A row could not be read: whichever it was, it is not gone."""
        for one in self._known.values():
            one.met = written(self._to)

    def miss(self) -> Iterator[Signal]:
        """Forgets what is well; what two scans in a row did not meet is gone, which ends its trouble."""
        to, oldest = written(self._to), self._start.timestamp()
        for key, one in list(self._known.items()):
            if one.state == "OK" and one.stamp < oldest:
                del self._known[key]
            elif one.met not in (to, self._end):
                del self._known[key]
                if one.state != "OK":
                    number, _, name = key.partition("/")
                    yield self._signal({"id": number}, _Group(key, name, {"status": _GONE}), _GONE, None)

    def _change(self, group: _Group) -> Iterator[tuple[str, int | None]]:
        """(state, when) of what happened to a group since it was last met; a state it was met in is told once."""
        before = self._known.get(group.key)
        if group.state in _BROKEN:
            if before is None or before.state != group.state or group.again(before.stamp):
                yield group.state, group.stamp
        elif group.state == "OK":
            if before and before.state != "OK":
                yield "OK", group.stamp
            elif broke := group.broke_after(max(before.stamp if before else 0, int(self._start.timestamp()) - 1)):
                yield from (broke, ("OK", group.stamp))
        elif before and before.state != group.state:
            yield group.state, None

    def _signal(self, monitor: Json, group: _Group, state: str, at: int | None) -> Signal:
        stamp = int(self._to.timestamp()) if at is None else at
        own = {name: value for name, value in monitor.items() if name not in _BULKY}
        place = f"/monitors/{whole(monitor['id'])}" + (f"?group={quote(group.name)}" if group.name else "")
        return Signal(
            source=self._whose.source,
            type="datadog",
            kind="datadog.monitor",
            id=f"{group.key}:{state}:{stamp}",
            at=datetime.fromtimestamp(stamp, UTC),
            fields={**own, **group.said, "group": group.name, "status": state},
            polarity=_polarity(state),
            url=self._whose.app + place,
        )

    def _remember(self, group: _Group) -> None:
        before, stamp = self._known.get(group.key), group.stamp
        if before is None and group.state not in _BROKEN and (stamp or 0) < self._start.timestamp():
            return
        same = before is not None and before.state == group.state
        if before and same and not group.again(before.stamp):
            before.met = written(self._to)
        else:
            self._known[group.key] = _Known(group.state, stamp or int(self._to.timestamp()), written(self._to))


class _Group:
    """The state of one of a monitor's groups, as Datadog says it. A monitor without groups has one without a name."""

    def __init__(self, key: str, name: str, said: Mapping[str, Json]) -> None:
        self.key = key
        self.name = name
        self.said = {
            field: whole(value) if field.endswith("_ts") and value else value
            for field, value in said.items()
            if field != "name"
        }
        self.state: str = named(self.said["status"])
        self.resolved: int = self.said.get("last_resolved_ts") or 0
        self.triggered: int = self.said.get("last_triggered_ts") or 0
        self.no_data: int = self.said.get("last_nodata_ts") or 0

    @property
    def stamp(self) -> int | None:
        """When its state became what it is; None where Datadog does not say."""
        stamps = {"OK": self.resolved, "No Data": self.no_data or self.triggered}
        return stamps.get(self.state, self.triggered) or None

    def again(self, stamp: int) -> bool:
        """Whether it broke anew since `stamp`, in the same state. A time without data moves on by itself."""
        moved = self.stamp is not None and self.stamp > stamp
        return moved and (self.state != "No Data" or stamp < self.resolved)

    def broke_after(self, stamp: int) -> tuple[str, int] | None:
        """The trouble, now over, that began after `stamp`. Whether it was no more than a warning is not said."""
        broke = max(self.triggered, self.no_data)
        if not stamp < broke <= self.resolved:
            return None
        return "No Data" if broke == self.no_data else "Alert", broke


def _polarity(state: str) -> Polarity:
    if state in _BROKEN:
        return Polarity.BROKEN
    return Polarity.RECOVERED if state in ("OK", _GONE) else Polarity.NONE


def as_listed(row: Json) -> Json:
    """A monitor as the search shows it, in the shape that the list of monitors has."""
    if not isinstance(row, dict) or "status" not in row:
        return row
    said = {"status": row["status"], "last_triggered_ts": row.get("last_triggered_ts")}
    return {**row, "overall_state": row["status"], "state": {"groups": {"": said}}}


def moments(monitors: Iterable[Json]) -> Iterator[datetime]:
    """Every instant that these monitors tell of a change."""
    for monitor in monitors:
        with suppress(*MISSHAPEN):
            yield instant(monitor.get("overall_state_modified") or monitor["modified"])
        with suppress(*MISSHAPEN):
            for group in monitor["state"]["groups"].values():
                stamps = [value for name, value in group.items() if name.endswith("_ts") and value]
                yield from (datetime.fromtimestamp(whole(stamp), UTC) for stamp in stamps)
