"""Draws dashboards as pictures, from their JSON and what a Prometheus answers to their queries.

    python -m dashboards.source.render --prometheus http://127.0.0.1:9090 --into pictures dashboards/grafana/sla.json

It is no Grafana: it shows that queries find what panels are to show, and what a dashboard says, not how Grafana would
draw it.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from dashboards.source.ask import Asker, Json
from dashboards.source.draw import FAINT, INK, RULE, Look, draw

COLUMNS = 24
CELL = 0.36
"""Inches of a row of the grid."""
WIDE = 15.0
_HEAD, _AIR, _TITLE = 0.62, 0.06, 0.28
_LEGEND = {"timeseries": 0.58, "state-timeline": 0.5, "heatmap": 0.3}
"""What a kind of panel needs below its axes for times and names."""
_AFTER = {"heatmap": 0.4}
"""And right of them."""
_BESIDE = {"timeseries": 0.62, "state-timeline": 0.85, "heatmap": 0.72}


def picture(board: Json, asker: Asker, dots: int = 100) -> Figure:
    """The whole dashboard, on its grid."""
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"])
    high = _HEAD + rows * CELL + 0.1
    figure = Figure(figsize=(WIDE, high), dpi=dots, facecolor="#f7f8fa")
    now = datetime.fromtimestamp(asker.end, UTC)
    about = ", ".join([f"the last {board['time']['from'].removeprefix('now-')}", f"{now:%Y-%m-%d %H:%M} UTC",
                       *(f"{name} {value}" for name, value in asker.chosen.items())])  # fmt: skip
    figure.text(0.008, 1 - 0.3 / high, board["title"], fontsize=15, fontweight="bold", color=INK, va="center")
    figure.text(0.992, 1 - 0.3 / high, about, fontsize=9.5, color=FAINT, va="center", ha="right")
    for panel in board["panels"]:
        _place(figure, board, panel, asker)
    return figure


def _place(figure: Figure, board: Json, panel: Json, asker: Asker) -> None:
    grid = panel["gridPos"]
    wide, high = figure.get_size_inches()
    x, y = grid["x"] / COLUMNS * wide, high - _HEAD - (grid["y"] + grid["h"]) * CELL
    w, h = grid["w"] / COLUMNS * wide, grid["h"] * CELL
    title = asker.filled(panel["title"])
    if panel["type"] == "row":
        figure.text(
            (x + 0.12) / wide, (y + h / 2) / high, title, fontsize=11, fontweight="bold", color=INK, va="center"
        )
        return
    card = FancyBboxPatch(
        ((x + _AIR) / wide, (y + _AIR) / high), (w - 2 * _AIR) / wide, (h - 2 * _AIR) / high,
        boxstyle="square,pad=0", facecolor="white", edgecolor=RULE, lw=0.8, transform=figure.transFigure, zorder=-1,
    )  # fmt: skip
    figure.add_artist(card)
    figure.text((x + 0.16) / wide, (y + h - 0.2) / high, title, fontsize=9, fontweight="bold", color=INK, va="center")
    if "timeFrom" in panel:
        last = f"last {panel['timeFrom']}"
        figure.text((x + w - 0.2) / wide, (y + h - 0.2) / high, last, fontsize=8, color=FAINT, va="center", ha="right")
    kind = panel["type"]
    below, beside = _LEGEND.get(kind, 0.1), _BESIDE.get(kind, 0.16)
    calcs = panel["options"].get("legend", {}).get("calcs") if kind == "timeseries" else None
    below += 0.3 if calcs else 0.0
    left, bottom = x + beside, y + _AIR + below
    width, height = w - beside - _AFTER.get(kind, 0.2), h - 2 * _AIR - below - _TITLE
    axes = figure.add_axes((left / wide, bottom / high, width / wide, height / high))
    span = asker.span(board, panel, panel["targets"][0])
    draw(Look(panel, asker.panel(board, panel), span, axes, width, height))


def save(board: Json, asker: Asker, path: Path, dots: int = 100) -> None:
    mpl.rcParams["font.family"] = "DejaVu Sans"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure = picture(board, asker, dots)
    figure.savefig(path, metadata={"Software": None}, pil_kwargs={"optimize": True})


def main() -> None:
    read = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    read.add_argument("dashboards", nargs="+", type=Path)
    read.add_argument("--prometheus", required=True, help="its address")
    read.add_argument("--into", type=Path, default=Path(), help="the folder for the pictures")
    read.add_argument("--at", type=datetime.fromisoformat, help="what is called now; by default, now")
    read.add_argument("--client", default="", help="one client; by default, all")
    read.add_argument("--scrape", type=float, default=15, help="how many seconds apart the samples are")
    given = read.parse_args()
    asker = Asker(given.prometheus, 0, lambda since: given.scrape, {"client": given.client} if given.client else {})
    asker.end = given.at.timestamp() if given.at else asker.clock()
    for path in given.dashboards:
        save(json.loads(path.read_text()), asker, given.into / f"{path.stem}.png")


if __name__ == "__main__":
    main()
