"""Incidents and rules: what is broken, how fast it is seen and mended, and which rule only makes noise."""

from __future__ import annotations

from daemon import catalogue
from dashboards.source.frame import Board, Row
from dashboards.source.panels import (
    ANY_IS_NEAR,
    ANY_IS_WRONG,
    HOUR,
    MINUTE,
    NEAR,
    QUIET,
    SEV,
    SEVERITIES,
    WELL,
    WRONG,
    Column,
    Panel,
    Place,
    Query,
    lines,
    number,
    ranked,
    rows,
)
from dashboards.source.queries import MONTH, WEEK, grew, now, quantile, total

NOISY = ((None, WELL), (0.2, NEAR), (0.5, WRONG))


def board() -> Board:
    return Board(
        uid="heliograph-rules",
        title="Heliograph / Incidents and rules",
        says="What is broken, how fast it is seen and mended, and which rule only makes noise.",
        since="now-30d",
        picks=("sev",),
        refresh="5m",
        rows=[Row("Now", _now()), Row("Noise", _noise()), Row("How fast", _fast()), Row("What happened", _happened())],
    )


def ratio(over: str, *by: str) -> str:
    """False alarms of a rule's tickets."""
    alarms, tickets = (
        total(grew(catalogue.RULE_FALSE_ALARMS, over), *by),
        total(grew(catalogue.RULE_TICKETS, over), *by),
    )
    return f"{alarms} / ({tickets} > 0)"


def _now() -> list[Panel]:
    return [
        number(
            Place("Open incidents", "Not cleared and not ended.", width=4),
            Query(total(now(catalogue.INCIDENTS, 'state="open"'))), steps=((None, WELL), (1, NEAR)), loud=True,
        ),
        number(
            Place("Of them Sev 1", "Open incidents of severity 1.", width=4),
            Query(total(now(catalogue.INCIDENTS, 'state="open"', 'sev="1"'))), steps=ANY_IS_WRONG, loud=True,
        ),
        number(
            Place("False alarms", "Of thirty days' tickets of rules, those that somebody cancelled as a false alarm.",
                  "percentunit", 4, none="no tickets"),
            Query(ratio(MONTH)), steps=NOISY, decimals=1,
        ),
        number(
            Place("Seen within", "The detection gap: nine tenths of thirty days' incidents were opened this soon "
                  "after the trouble began, by the vendor's clock.", "s", 4, none="no incidents"),
            Query(quantile(0.9, catalogue.DETECTION, MONTH)), steps=((None, WELL), (5 * MINUTE, NEAR), (HOUR, WRONG)),
        ),
        number(
            Place("Answered within", "Time to acknowledge (MTTA): half of thirty days' tickets, by the wall clock.",
                  "s", 4, none="no tickets"),
            Query(quantile(0.5, catalogue.RESPONSE, MONTH)),
        ),
        number(
            Place("Resolved within", "Time to resolve (MTTR): half of thirty days' tickets, by the wall clock.", "s",
                  4, none="no tickets"),
            Query(quantile(0.5, catalogue.RESOLUTION, MONTH)),
        ),
    ]  # fmt: skip


def _noise() -> list[Panel]:
    matches, incidents = (
        total(grew(catalogue.RULE_MATCHES, MONTH), "rule"),
        total(grew(catalogue.RULE_INCIDENTS, MONTH), "rule"),
    )
    columns = [
        Column("rule", "Rule"),
        Column("A", "Matches", decimals=0),
        Column("B", "Incidents", decimals=0),
        Column("C", "Matches per incident", decimals=1),
        Column("D", "Tickets", decimals=0),
        Column("E", "False alarms", decimals=0),
        Column("F", "False alarm ratio", "percentunit", NOISY, 0),
        Column("G", "Forgotten by windows", steps=ANY_IS_NEAR, decimals=0),
    ]
    return [
        rows(
            Place("Noise per rule", "Thirty days. Many false alarms: raise its threshold, or hold it in shadow. Many "
                  "matches an incident: it groups well. Forgotten by windows: a cap bit, and it may have missed "
                  "something.", width=24, height=10),
            columns, Query(matches), Query(incidents), Query(f"{matches} / ({incidents} > 0)"),
            Query(total(grew(catalogue.RULE_TICKETS, MONTH), "rule")),
            Query(total(grew(catalogue.RULE_FALSE_ALARMS, MONTH), "rule")), Query(ratio(MONTH, "rule")),
            Query(total(grew(catalogue.RULE_STATE_DROPPED, MONTH), "rule")), by="False alarm ratio", falling=True,
        ),
    ]  # fmt: skip


def _fast() -> list[Panel]:
    halves = (
        Place("Answered within (MTTA)", "By severity, over the seven days before: half of the tickets.", "s", 12),
        Place("Resolved within (MTTR)", "By severity, over the seven days before: half of the tickets.", "s", 12),
    )
    tails = (
        Place(
            "Answered within, at worst", "By severity, over the seven days before: nine tenths of the tickets.", "s", 12
        ),
        Place(
            "Resolved within, at worst", "By severity, over the seven days before: nine tenths of the tickets.", "s", 12
        ),
    )
    figures = (catalogue.RESPONSE, catalogue.RESOLUTION)
    return [
        lines(place, Query(quantile(share, figure, WEEK, "sev"), SEV, exemplar=True), colours=SEVERITIES,
              calcs=("lastNotNull", "max"))
        for share, places in ((0.5, halves), (0.9, tails))
        for place, figure in zip(places, figures, strict=True)
    ] + [
        lines(
            Place("Detection gap", "From when the trouble began, by the vendor's clock, until the incident was "
                  "opened; over the seven days before.", "s", 12),
            Query(quantile(0.5, catalogue.DETECTION, WEEK, "origin"), "{{origin}}, half"),
            Query(quantile(0.9, catalogue.DETECTION, WEEK, "origin"), "{{origin}}, nine tenths"),
            calcs=("lastNotNull", "max"),
        ),
        ranked(
            Place("Resolved within, by origin", "Thirty days, half of the tickets: what is seen by which source "
                  "takes how long.", "s", 12),
            Query(f"sort_desc({quantile(0.5, catalogue.RESOLUTION, MONTH, 'origin')})", "{{origin}}"),
        ),
    ]  # fmt: skip


def _happened() -> list[Panel]:
    return [
        lines(
            Place("Incidents opened by day", "Anew or again, by what saw them.", width=8),
            Query(total(grew(catalogue.EPISODES), "origin"), "{{origin}}"), bars=True, stacked=True, daily=True,
        ),
        lines(
            Place("Incidents by severity", "Open ones.", width=8),
            Query(total(now(catalogue.INCIDENTS, 'state="open"'), "sev"), SEV), stacked=True, colours=SEVERITIES,
        ),
        lines(
            Place("Incidents by state", "Cleared: the trouble is over, and the time until it counts as ended runs.",
                  width=8),
            Query(total(now(catalogue.INCIDENTS), "state"), "{{state}}"), stacked=True,
            colours={"open": WRONG, "cleared": QUIET},
        ),
        lines(
            Place("Matches by rule and day", "Signals that a rule's conditions hold for.", width=12),
            Query(f"topk(10, {total(grew(catalogue.RULE_MATCHES), 'rule')})", "{{rule}}"), bars=True, stacked=True,
            daily=True,
        ),
        lines(
            Place("Incidents by rule and day", "Times that the rule opened one.", width=12),
            Query(f"topk(10, {total(grew(catalogue.RULE_INCIDENTS), 'rule')})", "{{rule}}"), bars=True, stacked=True,
            daily=True,
        ),
    ]  # fmt: skip
