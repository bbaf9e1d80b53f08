"""`heliograph explain`: what rules did with the signals of an incident, and why it opened."""

from __future__ import annotations

import argparse
import json
from typing import TypeAlias

from rich.text import Text

from daemon.cli.author import tree
from daemon.cli.desk import setup_of, store_of
from daemon.cli.show import console, plain, show
from daemon.errors import ConfigError, Problem
from daemon.model import Incident
from daemon.report.reasons import reason
from daemon.rules.explain import explained
from daemon.store import episodes, incidents, windows
from daemon.store.episodes import Kept
from daemon.store.windows import Judgement

Part: TypeAlias = tuple[Kept, list[tuple[str, str]]]
"""An episode, and source and id of each signal that is evidence of it."""

_INSTANT = "%Y-%m-%d %H:%M:%S"
_MOST_SHOWN = 5


def explain(options: argparse.Namespace) -> int:
    """0; 2 if there is no such incident."""
    with store_of(setup_of(options)) as store, store.read() as connection:
        incident = incidents.get(connection, options.incident)
        if incident is None:
            raise ConfigError([Problem(options.incident, 0, "there is no such incident.", "See: incident list.")])
        judged = windows.judged(connection, incident.key)
        lived, rests_on = episodes.of(connection, incident.id), incidents.proofs(connection, incident.id, 1)
        rows = {one.signal for one in judged if one.signal}.union(proof.signal for proof in rests_on)
        ids = windows.signal_ids(connection, list(rows))
    parts = [(each, [ids[proof.signal] for proof, of in rests_on.items() if of == each.episode]) for each in lived]
    if options.json:
        print(json.dumps(_document(incident, parts, judged, ids), indent=2, ensure_ascii=False))
    else:
        _tell(incident, parts, judged, ids)
    return 0


def _row(episode: Kept, evidence: list[tuple[str, str]]) -> tuple[str, ...]:
    shown = [" ".join(each) for each in evidence[:_MOST_SHOWN]]
    more = [f"and {len(evidence) - _MOST_SHOWN} more"] if len(evidence) > _MOST_SHOWN else []
    over = f"{episode.over_at:{_INSTANT}}" if episode.over_at else "it goes on"
    return str(episode.episode), f"{episode.began_at:{_INSTANT}}", over, ", ".join([*shown, *more]) or "no signal"


def _document(
    incident: Incident, parts: list[Part], judged: list[Judgement], ids: dict[int, tuple[str, str]]
) -> dict[str, object]:
    return {
        "incident": incident.id,
        "key": incident.key,
        "held": incident.held,
        "episodes": [
            {
                "episode": each.episode,
                "began_at": each.began_at.isoformat(),
                "over_at": each.over_at and each.over_at.isoformat(),
                "evidence": [{"source": source, "signal": id} for source, id in evidence],
            }
            for each, evidence in parts
        ],
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


def _tell(incident: Incident, parts: list[Part], judged: list[Judgement], ids: dict[int, tuple[str, str]]) -> None:
    screen = console()
    screen.print(Text.assemble((f"{incident.id}  ", "bold"), plain(incident.title)))
    if incident.held:
        screen.print(plain(f"Nothing of it is set going: {incident.held['why']}"))
    show(("episode", "began (UTC)", "over", "evidence"), [_row(*part) for part in parts])
    screen.print()
    rows = [
        (
            f"{one.recorded_at:{_INSTANT}}",
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
