"""`heliograph explain`: what rules did with the signals of an incident, and why it opened."""

from __future__ import annotations

import argparse
import json

from rich.text import Text

from daemon.cli.author import tree
from daemon.cli.desk import setup_of, store_of
from daemon.cli.show import console, plain, show
from daemon.errors import ConfigError, Problem
from daemon.model import Incident
from daemon.report.reasons import reason
from daemon.rules.explain import explained
from daemon.store import incidents, windows
from daemon.store.windows import Judgement


def explain(options: argparse.Namespace) -> int:
    """0; 2 if there is no such incident."""
    with store_of(setup_of(options)) as store, store.read() as connection:
        incident = incidents.get(connection, options.incident)
        if incident is None:
            raise ConfigError([Problem(options.incident, 0, "there is no such incident.", "See: incident list.")])
        judged = windows.judged(connection, incident.key)
        ids = windows.signal_ids(connection, [one.signal for one in judged if one.signal])
    if options.json:
        print(json.dumps(_document(incident, judged, ids), indent=2, ensure_ascii=False))
    else:
        _tell(incident, judged, ids)
    return 0


def _document(incident: Incident, judged: list[Judgement], ids: dict[int, tuple[str, str]]) -> dict[str, object]:
    return {
        "incident": incident.id,
        "key": incident.key,
        "held": incident.held,
        "decisions": [
            {
                "at": one.recorded_at.isoformat(),
                "rule": one.rule,
                "source": ids.get(one.signal or 0, (None, None))[0],
                "signal": ids.get(one.signal or 0, (None, None))[1],
                "outcome": one.outcome,
                "why": reason(one),
                "incident": one.incident,
                "detail": one.detail,
            }
            for one in judged
        ],
    }


def _tell(incident: Incident, judged: list[Judgement], ids: dict[int, tuple[str, str]]) -> None:
    screen = console()
    screen.print(Text.assemble((f"{incident.id}  ", "bold"), plain(incident.title)))
    if incident.held:
        screen.print(plain(f"Nothing of it is set going: {incident.held['why']}"))
    rows = [
        (
            f"{one.recorded_at:%Y-%m-%d %H:%M:%S}",
            one.rule,
            " ".join(ids[one.signal]) if one.signal in ids else "a silence",
            reason(one),
        )
        for one in judged
    ]
    show(("recorded (UTC)", "rule", "signal", "what it did"), rows)
    for one in judged:
        if "explained" in one.detail:
            screen.print(tree(explained(one.detail["explained"])))
