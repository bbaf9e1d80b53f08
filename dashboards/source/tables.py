"""A table panel's rows: queries merged by their labels, columns picked, named and sorted as its transformations say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dashboards.source.ask import Json, Series
from dashboards.source.units import written

INK = "#24292e"


@dataclass(frozen=True, slots=True)
class Cell:
    text: str
    colour: str = INK
    number: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    field: str
    title: str
    number: bool


def table_of(panel: Json, found: Sequence[Series]) -> tuple[list[Column], list[list[Cell]]]:
    organize = next(one["options"] for one in panel["transformations"] if one["id"] == "organize")
    several = len(panel["targets"]) > 1
    order, titles = organize["indexByName"], organize["renameByName"]
    columns = [
        Column(field, titles[field], field.startswith("Value")) for field in sorted(order, key=order.__getitem__)
    ]
    merged: dict[tuple[tuple[str, str], ...], dict[str, str | float]] = {}
    for one in found:
        row = merged.setdefault(tuple(sorted(one.labels.items())), dict(one.labels))
        row[f"Value #{one.query}" if several else "Value"] = one.last
    rows = _sorted(_joined(list(merged.values())), panel, {title: field for field, title in titles.items()})
    return columns, [[_cell(panel, column, row.get(column.field)) for column in columns] for row in rows]


def _joined(rows: list[dict[str, str | float]]) -> list[dict[str, str | float]]:
    """As `merge` does: a row whose labels are all in another's, and whose values it has not, is one with it."""
    found: list[dict[str, str | float]] = []
    for row in sorted(rows, key=len, reverse=True):
        labels = {name: value for name, value in row.items() if not name.startswith("Value")}
        for other in found:
            same = all(other.get(name) == value for name, value in labels.items())
            if same and not any(name in other for name in row.keys() - labels.keys()):
                other.update(row)
                break
        else:
            found.append(dict(row))
    return found


def _sorted(
    rows: list[dict[str, str | float]], panel: Json, fields: dict[str, str]
) -> list[dict[str, str | float]]:  # fmt: skip
    for by in reversed(panel["options"].get("sortBy", [])):
        field = fields[by["displayName"]]
        have, lack = [row for row in rows if field in row], [row for row in rows if field not in row]
        rows = [*sorted(have, key=lambda row: _rank(row[field]), reverse=bool(by.get("desc"))), *lack]
    return rows


def _rank(of: str | float) -> tuple[str, float]:
    return (of, 0.0) if isinstance(of, str) else ("", of)


def _cell(panel: Json, column: Column, value: str | float | None) -> Cell:
    if value is None:
        return Cell("", number=column.number)
    if isinstance(value, str):
        return Cell(value)
    said = {"unit": panel["fieldConfig"]["defaults"].get("unit", "short")}
    for one in panel["fieldConfig"]["overrides"]:
        if one["matcher"]["options"] == column.title:
            said |= {each["id"]: each["value"] for each in one["properties"]}
    steps = said.get("thresholds", {"steps": []})["steps"]
    reached = [step["color"] for step in steps if step["value"] is None or value >= step["value"]]
    return Cell(written(value, said["unit"], said.get("decimals")), reached[-1] if reached else INK, True)
