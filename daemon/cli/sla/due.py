"""`heliograph sla due`: when a ticket would be due if it were reported now, or at another time."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from rich.text import Text

from daemon.cli.desk import setup_of
from daemon.cli.show import console, plain, show
from daemon.cli.sla import said
from daemon.clock import SystemClock
from daemon.model import Json, Severity, Threshold
from daemon.sla.calendar import zone
from daemon.sla.forecast import Forecast, forecast
from daemon.sla.policy import Policy
from daemon.sla.promise import Contract
from daemon.sla.reader import moment_in

AFTER_A_WORD = "*"


@dataclass(frozen=True, slots=True)
class Asked:
    whose: str
    contract: Contract
    severity: Severity
    at: datetime
    tz: ZoneInfo
    code_fix: bool


def due(options: argparse.Namespace) -> int:
    """0, also where nothing is promised; 2 if there is no such client, contract or instant."""
    asked = _asked(options, setup_of(options).config.policy)
    found = forecast(asked.contract, asked.severity, asked.at, code_fix=asked.code_fix)
    wanted = [one for one in found if options.goal in (None, one.goal)]
    if options.json:
        print(json.dumps(_document(asked, wanted), indent=2))
    else:
        _tell(asked, wanted)
    return 0


def _asked(options: argparse.Namespace, policy: Policy) -> Asked:
    tz = zone("UTC")
    if options.client:
        client = said.chosen("--client", options.client, policy.clients, "client")
        tz, name = zone(client.timezone), client.contract
    else:
        name = said.chosen("--contract", options.contract, {one: one for one in policy.contracts}, "contract")
    at = said.option("--at", moment_in(tz), options.at) if options.at else SystemClock().now().replace(microsecond=0)
    whose = options.client or f"a client of {name}"
    return Asked(whose, policy.in_force(name, at), options.severity, at, tz, options.code_fix)


def _document(asked: Asked, found: Iterable[Forecast]) -> dict[str, Json]:
    return {
        "for": asked.whose, "contract": asked.contract.version, "severity": asked.severity, "at": said.iso(asked.at),
        "at_local": said.iso_local(asked.at, asked.tz), "timezone": asked.tz.key,
        "goals": [_goal(asked, one) for one in found],
    }  # fmt: skip


def _goal(asked: Asked, one: Forecast) -> dict[str, Json]:
    if one.promise is None:
        return {"goal": one.goal, "due": None}
    warnings = [
        {"name": warning.name, "at": said.iso(warning.at), "at_local": said.iso_local(warning.at, asked.tz),
         "notify": list(warning.notify), "then": list(warning.then)}
        for warning in one.warnings
    ]  # fmt: skip
    return {
        "goal": one.goal, "due": said.iso(one.due), "due_local": said.iso_local(one.due, asked.tz),
        "target": said.target(one.promise, on_train=one.on_train), "calendar": one.promise.calendar.name,
        "counted_seconds": one.counted, "warnings": warnings,
    }  # fmt: skip


def _tell(asked: Asked, found: list[Forecast]) -> None:
    screen = console()
    head = (f"{asked.whose}, severity {asked.severity}", "bold")
    screen.print(Text.assemble(head, f", reported {_both(asked.at, asked.tz)}, by contract {asked.contract.version}"))
    screen.print()
    there = () if asked.tz.key == "UTC" else (asked.tz.key,)
    show(("goal", "due (UTC)", *there, "target", "calendar", "counted"), [_row(asked, one) for one in found])
    if any(one.goal == "update" and one.promise for one in found):
        screen.print(Text(f"{AFTER_A_WORD} after a public word at the instant of the report", "dim"))
    told = [(one.goal, warning) for one in found for warning in one.warnings]
    if told:
        screen.print()
        show(("warning", "", "at (UTC)", *there, "tells", "then"), _warnings(asked, told))


def _both(at: datetime, tz: ZoneInfo) -> str:
    return f"{said.utc(at)} UTC" + ("" if tz.key == "UTC" else f" ({said.local(at, tz)})")


def _row(asked: Asked, one: Forecast) -> list[Text]:
    if one.promise is None:
        return [plain(one.goal), Text("nothing is promised", "dim")]
    there = [] if asked.tz.key == "UTC" else [said.local(one.due, asked.tz)]
    cells = [said.utc(one.due), *there, said.target(one.promise, on_train=one.on_train), one.promise.calendar.name]
    mark = AFTER_A_WORD if one.goal == "update" else ""
    return [Text(one.goal + mark), Text(cells[0], "bold"), *map(plain, cells[1:]), plain(_counted(asked.at, one))]


def _counted(at: datetime, one: Forecast) -> str:
    elapsed = int((one.due - at).total_seconds()) if one.due else 0
    counted = said.length(one.counted)
    return counted if elapsed == one.counted else f"{counted} of {said.length(elapsed)}"


def _warnings(asked: Asked, told: Iterable[tuple[str, Threshold]]) -> list[list[str]]:
    return [
        [goal, warning.name, said.utc(warning.at),
         *([] if asked.tz.key == "UTC" else [said.local(warning.at, asked.tz)]),
         ", ".join(warning.notify), ", ".join(warning.then)]
        for goal, warning in told
    ]  # fmt: skip
