"""Sentry's cron monitors, simulated: environments that fail after so many failed check-ins, and the check-ins.

As the vendor's: an environment says `error` of whatever failed; a missed check-in does not move `lastCheckIn`; each
list is in the order asked for, or what fails comes first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from lab.server import Json
from lab.source import Versions, iso

_FAILED = ("missed", "timeout", "error")


@dataclass(slots=True)
class Cron:
    """One monitor. Readers see the version of each row that shows by now."""

    row: Json
    number: int
    environments: dict[str, Versions[Json]] = field(default_factory=dict)
    check_ins: list[tuple[datetime, Json]] = field(default_factory=list)
    """(when it shows, row), as they came."""

    def check_in(self, status: str, environment: str, at: datetime, visible_at: datetime, period: timedelta) -> None:
        versions = self.environments.setdefault(environment, Versions())
        self.check_ins.append((visible_at, self._check_in(status, environment, at)))
        before = versions.newest or self._environment(environment, at)
        versions.add({**before, **self._after(before, status, environment, at), **_next(at, period)}, visible_at)

    def _after(self, before: Json, status: str, environment: str, at: datetime) -> Json:
        """What a check-in changes; as many failures as the threshold says make an environment fail."""
        moved = {} if status == "missed" else {"lastCheckIn": iso(at)}
        if status == "ok":
            return {**moved, "status": "ok", "activeIncident": None}
        newest = [row for _, row in self.check_ins if row["environment"] == environment]
        run = newest[-(self.row["config"]["failure_issue_threshold"] or 1) :]
        enough = len(run) >= (self.row["config"]["failure_issue_threshold"] or 1)
        if before["status"] == "error" or not (enough and all(row["status"] in _FAILED for row in run)):
            return moved
        incident = {"startingTimestamp": run[0]["dateAdded"], "resolvingTimestamp": None, "brokenNotice": None}
        return {**moved, "status": "error", "activeIncident": incident}

    def _check_in(self, status: str, environment: str, at: datetime) -> Json:
        return {
            "id": str(UUID(int=self.number * 100_000 + len(self.check_ins))),
            "environment": environment,
            "status": status,
            "duration": 1200 if status in ("ok", "error") else None,
            "dateCreated": iso(at),
            "dateAdded": iso(at),
            "dateUpdated": iso(at),
            "dateInProgress": None,
            "dateClock": iso(at),
            "expectedTime": iso(at),
            "monitorConfig": self.row["config"],
        }

    def _environment(self, name: str, at: datetime) -> Json:
        return {
            "name": name,
            "status": "active",
            "isMuted": False,
            "dateCreated": iso(at),
            "lastCheckIn": None,
            "nextCheckIn": None,
            "nextCheckInLatest": None,
            "activeIncident": None,
        }

    def change(self, visible_at: datetime, **fields: Json) -> None:
        """Of every environment."""
        for versions in self.environments.values():
            versions.add({**(versions.newest or {}), **fields}, visible_at)

    def newest(self) -> list[Json]:
        return [row for versions in self.environments.values() if (row := versions.newest)]

    def shown(self, now: datetime, environments: set[str]) -> Json | None:
        """None while none of the environments asked for shows."""
        wanted = [one for name, one in self.environments.items() if not environments or name in environments]
        rows = [row for one in wanted if (row := one.seen(now))]
        return {**self.row, "environments": rows} if rows else None

    def check_ins_shown(self, now: datetime, environments: set[str]) -> list[Json]:
        """The newest first."""
        rows = [row for visible_at, row in self.check_ins if visible_at <= now]
        return [row for row in reversed(rows) if not environments or row["environment"] in environments]


def monitor(slug: str, number: int, project: Json, at: datetime, threshold: int) -> Json:
    return {
        "id": str(UUID(int=number)),
        "slug": slug,
        "name": slug,
        "status": "active",
        "isMuted": False,
        "isUpserting": False,
        "dateCreated": iso(at),
        "project": project,
        "owner": None,
        "config": {
            "schedule_type": "interval",
            "schedule": [1, "hour"],
            "checkin_margin": 5,
            "max_runtime": 30,
            "timezone": "UTC",
            "failure_issue_threshold": threshold,
            "recovery_threshold": 1,
            "alert_rule_id": None,
        },
    }


def order(row: Json, sort: str) -> tuple[bool, str]:
    fails = any(one["status"] == "error" for one in row["environments"])
    return (sort != "name" and not fails, row["name"])


def _next(at: datetime, period: timedelta) -> dict[str, Json]:
    return {"nextCheckIn": iso(at + period), "nextCheckInLatest": iso(at + period + timedelta(minutes=5))}
