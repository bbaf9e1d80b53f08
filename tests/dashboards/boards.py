"""The committed dashboards, taken apart: panels, queries and variables."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, TypeAlias

from tests.house.tree import ROOT

Json: TypeAlias = dict[str, Any]

FOLDER = ROOT / "dashboards/grafana"
BOARDS: dict[str, Json] = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
_LEGEND = re.compile(r"\{\{\s*(\w+)\s*\}\}")


@dataclass(frozen=True)
class Target:
    """One query of a panel."""

    board: str
    panel: Json
    target: Json

    @property
    def expr(self) -> str:
        return str(self.target["expr"])

    @property
    def id(self) -> str:
        return f"{self.board}: {self.panel['title']}: {self.target['refId']}"

    @property
    def legend_labels(self) -> set[str]:
        return set(_LEGEND.findall(self.target.get("legendFormat", "")))


def panels(board: Json) -> list[Json]:
    """Without the rows."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def targets(name: str, board: Json) -> list[Target]:
    return [Target(name, panel, target) for panel in panels(board) for target in panel["targets"]]


def variables(board: Json) -> list[Json]:
    found: list[Json] = board["templating"]["list"]
    return found


def all_targets() -> list[Target]:
    return [target for name, board in BOARDS.items() for target in targets(name, board)]
