"""Draws the pictures of docs/dashboards.md anew: `make dashboards`. A month is played first, which takes a minute."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from dashboards.source.ask import Asker
from dashboards.source.render import save
from tests.dashboards.boards import BOARDS
from tests.dashboards.history import apart, month_in_prometheus
from tests.dashboards.month import END
from tests.house.tree import ROOT

PICTURES = ROOT / "docs/dashboards"
CLIENT = "acme"


def main() -> None:
    with TemporaryDirectory() as folder, month_in_prometheus(Path(folder)) as (_, url):
        for name, board in BOARDS.items():
            chosen = {"client": CLIENT} if name == "client" else {}
            save(board, Asker(url, END.timestamp(), apart, chosen), PICTURES / f"{name}.png")


if __name__ == "__main__":
    main()
