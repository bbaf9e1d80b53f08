"""Queue and follow-the-sun: who has it now, what lies in it, what leaves when."""

from __future__ import annotations

from daemon import catalogue
from dashboards.source.frame import Board, Row
from dashboards.source.panels import (
    ANY_IS_NEAR,
    DAY,
    HOUR,
    NEAR,
    QUIET,
    SEV,
    SEVERITIES,
    SOON,
    STATES,
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
    states,
)
from dashboards.source.queries import MONTH, age, due, grew, least, most, now, of, total

_OPEN = now(catalogue.TICKETS, 'state!="resolved"')


def board() -> Board:
    return Board(
        uid="heliograph-queue",
        title="Heliograph / Queue and follow-the-sun",
        says="Who has the queue, what lies in it, and what is due next.",
        since="now-3d",
        rows=[Row("Now", _now()), Row("The sun", _sun()), Row("The queue", _queue()), Row("What follows", _after())],
    )


def _now() -> list[Panel]:
    leaves, freeze = most(now(catalogue.RELEASE_NEXT)), most(now(catalogue.RELEASE_FREEZE))
    return [
        number(
            Place("On duty", "The site that owns the queue now.", width=4, none="nobody: a gap"),
            Query(f"{most(now(catalogue.ON_DUTY), 'site')} == 1", "{{site}}"), names=True, absent=WRONG,
        ),
        number(
            Place("Nobody has them", "Unresolved tickets without an assignee.", width=4),
            Query(total(now(catalogue.UNASSIGNED))), steps=ANY_IS_NEAR, loud=True,
        ),
        number(
            Place("Handovers not read", "Of the last day, that the next site has not acknowledged.", width=4),
            Query(most(now(catalogue.HANDOVERS))), steps=ANY_IS_NEAR, loud=True,
        ),
        number(
            Place("Next promise due in", "Until the earliest deadline of a clock that runs and is not missed.",
                  "dtdurations", 4, none="no clock runs"),
            Query(due()), steps=SOON, loud=True,
        ),
        number(
            Place("Release leaves in", "The next minor release that a fix confirmed now can be in.", "dtdurations", 4,
                  none="no train"),
            Query(f"{leaves} - time()"),
        ),
        number(
            Place("To confirm a fix for it", "Until its freeze. What is confirmed later waits for the next one.",
                  "dtdurations", 4, none="no train"),
            Query(f"{freeze} - time()"), steps=((None, WRONG), (HOUR, NEAR), (DAY, WELL)),
        ),
    ]  # fmt: skip


def _sun() -> list[Panel]:
    return [
        states(
            Place("Sites on duty", "Who owned the queue when. A column without blue is a gap in the cover.", width=16,
                  height=7, none="no sites"),
            Query(most(now(catalogue.ON_DUTY), "site"), "{{site}}"),
            meaning={"1": ("on duty", WELL), "0": ("off", "#E8E8E8")},
        ),
        lines(
            Place("How long handovers lie", "They should fall to 0 soon after each change of site.", width=8,
                  height=7),
            Query(most(now(catalogue.HANDOVERS)), "not acknowledged"),
        ),
    ]  # fmt: skip


def _queue() -> list[Panel]:
    return [
        lines(
            Place("Open by state", "Everything not closed.", width=8),
            Query(total(now(catalogue.TICKETS), "state"), "{{state}}"), stacked=True, colours=STATES,
        ),
        lines(
            Place("Open by severity", "Not resolved.", width=8),
            Query(total(_OPEN, "sev"), SEV), stacked=True, colours=SEVERITIES,
        ),
        lines(
            Place("Without an assignee", "Unresolved tickets without an assignee.", width=8),
            Query(total(now(catalogue.UNASSIGNED), "sev"), SEV), stacked=True, colours=SEVERITIES,
        ),
        rows(
            Place("Deadlines next", "The earliest of each client, severity and promise.", width=10, height=9,
                  none="no clock runs"),
            [Column("client", "Client"), Column("sev", "Sev"), Column("goal", "Promise"),
             Column("A", "Left", "dtdurations", SOON), Column("B", "Due (UTC)", "dateTimeAsIso")],
            Query(due("client", "sev", "goal")),
            Query(f"{least(of(catalogue.NEXT_DEADLINE), 'client', 'sev', 'goal')} * 1000"), by="Left",
        ),
        lines(
            Place("Age of the oldest open ticket", "By severity.", "s", 7, 9),
            Query(age(least(of(catalogue.OLDEST), "sev")), SEV), colours=SEVERITIES,
        ),
        lines(
            Place("Opened and closed by day", "What is closed hangs below the line. A queue that opens more than it "
                  "closes grows.", width=7, height=9, least=None),
            Query(total(grew(catalogue.OPENED)), "opened"), Query(f"- {total(grew(catalogue.CLOSED))}", "closed"),
            bars=True, colours={"opened": NEAR, "closed": WELL}, daily=True,
        ),
    ]  # fmt: skip


def _after() -> list[Panel]:
    defects = total(now(catalogue.DEFECTS), "kind", "state")
    return [
        ranked(
            Place("Defects", "Filed for tickets that are not resolved. Past ETA: the resolution is overdue.", width=8,
                  none="none filed"),
            Query(f"sort_desc({defects} > 0)", "{{kind}}, {{state}}"), decimals=0,
        ),
        ranked(
            Place("Root causes", "Reports that clients asked for.", width=5),
            Query(most(now(catalogue.RCAS), "state"), "{{state}}"), decimals=0,
        ),
        ranked(
            Place("Severity changed", "Thirty days. What mostly goes up was judged too low at first.", width=5),
            Query(f"sort_desc({total(grew(catalogue.SEVERITY_CHANGES, MONTH), 'from_sev', 'to_sev')} > 0.5)",
                  "{{from_sev}} → {{to_sev}}"), decimals=0,
        ),
        ranked(
            Place("Opened again", "Thirty days, by severity: resolved or closed too early.", width=6),
            Query(total(grew(catalogue.REOPENED, MONTH), "sev"), SEV), steps=((None, QUIET), (0.5, NEAR)), decimals=0,
        ),
    ]  # fmt: skip
