"""One client, to be printed or sent: what was promised, what is open, how it went."""

from __future__ import annotations

from daemon import catalogue
from dashboards.source.frame import Board, Row
from dashboards.source.panels import (
    ANY_IS_WRONG,
    GOALS,
    KEPT,
    NEAR,
    SEV,
    SEVERITIES,
    SOON,
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
from dashboards.source.queries import (
    MONTH,
    age,
    compliance,
    decided,
    due,
    grew,
    happened,
    least,
    missed,
    most,
    now,
    of,
    quantile,
    total,
)

_PROMISE = ("sev", "goal")


def board() -> Board:
    return Board(
        uid="heliograph-client",
        title="Heliograph / Client",
        says="One client: what was promised, what is open, how it went. Made to be printed: nothing is folded away.",
        since="now-30d",
        one_client=True,
        refresh="5m",
        rows=[Row("$client", _head()), Row("Promises", _promises()), Row("Thirty days", _month())],
    )


def _head() -> list[Panel]:
    open_ = total(now(catalogue.TICKETS, 'state!="resolved"'))
    overdue = total(now(catalogue.CLOCKS, 'state="breached"'))
    return [
        rows(
            Place("Contract", "What is in force: the contract, its version, and where the client's hours are counted.",
                  width=8, height=4, none="no contract"),
            [Column("tier", "Contract"), Column("policy", "Version"), Column("timezone", "Time zone")],
            Query(most(of(catalogue.CLIENT), "tier", "policy", "timezone")),
        ),
        number(
            Place("Next promise due in", "Until the earliest deadline of a clock that runs and is not missed.",
                  "dtdurations", 4, none="no clock runs"),
            Query(due()), steps=SOON,
        ),
        number(
            Place("Missed and still open", "Clocks past their deadline that nobody has stopped.", width=4),
            Query(overdue), steps=ANY_IS_WRONG,
        ),
        number(
            Place("Open tickets", "Not resolved.", width=4),
            Query(open_),
        ),
        number(
            Place("Kept in 30 days", "Of all promises that were decided. A trend: the contract's month is the "
                  "report's.", "percentunit", 4, none="none fell due"),
            Query(compliance(MONTH)), steps=KEPT, decimals=1,
        ),
    ]  # fmt: skip


def _promises() -> list[Panel]:
    columns = [
        Column("sev", "Sev"),
        Column("goal", "Promise"),
        Column("A", "Promised", "dtdurations"),
        Column("B", "Decided", "short", decimals=0),
        Column("C", "Missed", "short", ((None, WELL), (0.5, WRONG)), 0),
        Column("D", "Kept", "percentunit", KEPT, 1),
        Column("E", "Open clocks", "short", decimals=0),
        Column("F", "Next due in", "dtdurations", SOON),
    ]
    return [
        rows(
            Place("What was promised, and kept", "Targets are in seconds of the promise's calendar; none is shown "
                  "for one in business days. Counts are of thirty days, less what was taken back.", width=24,
                  height=11),
            columns, Query(most(of(catalogue.TARGET), *_PROMISE)), Query(decided(MONTH, *_PROMISE)),
            Query(f"clamp_min({missed(MONTH, *_PROMISE)}, 0)"), Query(compliance(MONTH, *_PROMISE)),
            Query(f"{total(now(catalogue.CLOCKS), *_PROMISE)} > 0"), Query(due(*_PROMISE)), by="Sev",
        ),
    ]  # fmt: skip


def _month() -> list[Panel]:
    return [
        lines(
            Place("Opened by day and severity", "Tickets.", width=12),
            Query(happened(catalogue.OPENED, "sev"), SEV, exemplar=True), bars=True, stacked=True, daily=True,
            colours=SEVERITIES,
        ),
        lines(
            Place("Missed by day and promise", "Counted at the deadline.", width=12),
            Query(happened(catalogue.BREACHES, "goal"), "{{goal}}", exemplar=True), colours=GOALS, bars=True,
            stacked=True, daily=True,
        ),
        lines(
            Place("Kept, looking back thirty days", "By promise.", "percentunit", 12, least=None, most=1),
            Query(compliance(MONTH, "goal"), "{{goal}}"), colours=GOALS,
            steps=((None, WRONG), (0.95, NEAR), (0.99, WELL)),
            calcs=("lastNotNull", "min"),
        ),
        lines(
            Place("Promised time used", "Half and nine tenths of the clocks that stopped in the seven days before "
                  "used at most this part.", "percentunit", 12),
            Query(quantile(0.5, catalogue.CONSUMED, "7d"), "half"),
            Query(quantile(0.9, catalogue.CONSUMED, "7d"), "nine tenths"), steps=((None, WELL), (1, WRONG)),
            calcs=("lastNotNull", "max"),
        ),
        ranked(
            Place("Opened by origin", "Thirty days: what saw it, or how it was reported.", width=6),
            Query(f"sort_desc({total(grew(catalogue.OPENED, MONTH), 'origin')} > 0.5)", "{{origin}}"), decimals=0,
        ),
        ranked(
            Place("What else happened", "Thirty days.", width=6),
            Query(total(grew(catalogue.CLOSED, MONTH)), "closed"),
            Query(total(grew(catalogue.REOPENED, MONTH)), "opened again"),
            Query(total(grew(catalogue.SEVERITY_CHANGES, MONTH)), "severity changed"),
            Query(total(grew(catalogue.EXCUSED, MONTH)), "breaches excused"),
            Query(total(grew(catalogue.CORRECTIONS, MONTH)), "decisions taken back"), decimals=0,
        ),
        lines(
            Place("Age of the oldest open ticket", "By severity; unresolved.", "s", 12),
            Query(age(least(of(catalogue.OLDEST), "sev")), SEV), colours=SEVERITIES,
        ),
    ]  # fmt: skip
