"""A monitor of Datadog: its shape, its groups, and how its searches show it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from lab.search import Term
from lab.server import Json
from lab.source import iso

STATES = ("Alert", "Warn", "No Data", "Unknown", "Skipped", "Ignored", "OK")
"""Worst first: a monitor's overall state is the worst of its groups'."""
_STAMPS = {
    "Alert": "last_triggered_ts",
    "Warn": "last_triggered_ts",
    "No Data": "last_nodata_ts",
    "OK": "last_resolved_ts",
}


def new(id: int, name: str, at: datetime) -> Json:
    return {
        "id": id,
        "org_id": 1,
        "name": name,
        "type": "query alert",
        "query": "avg(last_5m):avg:lab.load{*} by {host} > 1",
        "message": f"{name}: look at it",
        "tags": [],
        "priority": None,
        "multi": False,
        "options": {"notify_no_data": False, "include_tags": True},
        "creator": {"email": "ann@example.com", "handle": "ann@example.com", "id": 1, "name": "Ann"},
        "created": iso(at),
        "modified": iso(at),
        "deleted": None,
        "overall_state": "OK",
        "overall_state_modified": iso(at),
        "state": {"groups": {}},
    }


def moved(row: Json, group: str, state: str, at: datetime) -> Json:
    """The monitor after a group's state was told."""
    second, before = int(at.timestamp()), row["state"]["groups"].get(group)
    one = {**(before or {"name": group}), "status": state, "last_notified_ts": second}
    if stamp := _STAMPS.get(state):
        again = before is not None and before["status"] == state
        one[stamp] = before.get(stamp, second) if again and before else second
    groups = {**row["state"]["groups"], group: one}
    worst = min((each["status"] for each in groups.values()), key=STATES.index)
    modified = row["overall_state_modified"] if worst == row["overall_state"] else iso(at)
    changed = {"overall_state": worst, "overall_state_modified": modified, "multi": set(groups) != {"*"}}
    return {**row, **changed, "state": {"groups": groups}}


def state_of(row: Json, group: str) -> str:
    """A group that was never told of was fine."""
    status: str = row["state"]["groups"].get(group, {}).get("status", "OK")
    return status


def group_tags(group: str) -> list[str]:
    return [] if group == "*" else group.split(",")


def with_groups(row: Json, asked: str) -> Json:
    """`asked`: `all`, or some of alert, warn, no data; nothing: no group is told."""
    states = {state.strip() for state in asked.lower().split(",")} - {""}
    groups = {
        name: one for name, one in row["state"]["groups"].items() if "all" in states or one["status"].lower() in states
    }
    return {**row, "state": {"groups": groups} if states else {}}


def found(row: Json) -> Json:
    """A monitor as its search shows it."""
    stamps = [one["last_triggered_ts"] for one in row["state"]["groups"].values() if "last_triggered_ts" in one]
    return {
        "id": row["id"],
        "org_id": row["org_id"],
        "name": row["name"],
        "status": row["overall_state"],
        "type": row["type"],
        "query": row["query"],
        "tags": row["tags"],
        "classification": "metric",
        "creator": {"handle": row["creator"]["handle"], "name": row["creator"]["name"]},
        "last_triggered_ts": max(stamps, default=None),
        "metrics": ["lab.load"],
        "notifications": [],
        "scopes": ["*"],
    }


def found_group(row: Json, group: Json) -> Json:
    """A group as its search shows it."""
    return {
        "monitor_id": row["id"],
        "monitor_name": row["name"],
        "group": group["name"],
        "group_tags": group_tags(group["name"]) or ["*"],
        "status": group["status"],
        "last_triggered_ts": group.get("last_triggered_ts"),
        "last_nodata_ts": group.get("last_nodata_ts", 0),
        "tags": row["tags"],
        "type": row["type"],
    }


def meets(row: Json, asked: Sequence[Term]) -> bool:
    return all(_meets_one(row, term) for term in asked)


def _meets_one(row: Json, term: Term) -> bool:
    if not term.key:
        return term.within(row.get("name") or row["monitor_name"])
    if term.key in ("tag", "monitor_tag"):
        return term.meets(*row["tags"])
    if term.key in ("group", "id", "status", "type", "name", "monitor_id"):
        names = {"id": row.get("id", row.get("monitor_id")), "name": row.get("name", row.get("monitor_name"))}
        return term.meets(str({**row, **names}.get(term.key, "")))
    return term.meets(*(tag.partition(":")[2] for tag in row["tags"] if tag.partition(":")[0] == term.key))


def counted(values: Iterable[str]) -> list[Json]:
    return [{"name": name, "count": count} for name, count in Counter(values).most_common()]
