"""Writes `dashboards/grafana/*.json` anew: `make dashboards`. A test fails when they are out of date."""

from __future__ import annotations

from pathlib import Path

from dashboards.source import client, duty, health, rules, sla

FOLDER = Path(__file__).parents[1] / "grafana"
BOARDS = {"sla": sla, "client": client, "queue": duty, "rules": rules, "daemon": health}
"""File → what is in it."""


def written() -> dict[str, str]:
    """File name → its text."""
    return {f"{name}.json": module.board().written() for name, module in BOARDS.items()}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, text in written().items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
