"""SLA overview: are we about to break a promise, to whom, and when? Below it, how well promises were kept."""

from __future__ import annotations

from daemon import catalogue
from dashboards.source.frame import Board, Row
from dashboards.source.panels import (
    ANY_IS_NEAR,
    ANY_IS_WRONG,
    GOALS,
    KEPT,
    MINUTE,
    NEAR,
    QUIET,
    SEV,
    SEVERITIES,
    SKY,
    SOON,
    WELL,
    WRONG,
    Column,
    Panel,
    Place,
    Query,
    heat,
    lines,
    number,
    ranked,
    rows,
)
from dashboards.source.queries import (
    DAY as A_DAY,
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
    with_client,
)

CLIENT_LINK = "/d/heliograph-client?var-client=${__data.fields.Client}&${datasource:queryparam}&${job:queryparam}"
CLOCKS = {"running": WELL, "off_hours": SKY, "paused": QUIET, "breached": WRONG}
_EACH = ("client", "sev", "goal")
_PROMISE = [
    Column("client", "Client", link=CLIENT_LINK),
    Column("tier", "Contract"),
    Column("sev", "Sev"),
    Column("goal", "Promise"),
]


def board() -> Board:
    return Board(
        uid="heliograph-sla",
        title="Heliograph / SLA overview",
        says="Are we about to break a promise, to whom, and when? Then: how well were they kept.",
        rows=[
            Row("Now", _now()),
            Row("The last hours", _hours()),
            Row("Compliance", _kept()),
            Row("The daemon", _daemon()),
        ],
    )


def _now() -> list[Panel]:
    running, overdue = (total(now(catalogue.CLOCKS, f'state="{state}"'), *_EACH) for state in ("running", "breached"))
    return [
        number(
            Place("Next promise due in", "Until the earliest deadline of a clock that runs and is not missed. It "
                  "goes on falling when the daemon stands still.", "dtdurations", 5, none="no clock runs"),
            Query(due()), steps=SOON, loud=True,
        ),
        number(
            Place("Due within the hour", "Clients and severities with a deadline less than an hour away.", width=3),
            Query(f"count(({due(*_EACH)}) < 3600) or vector(0)"), steps=ANY_IS_NEAR, loud=True,
        ),
        number(
            Place("Missed and still open", "Clocks past their deadline that nobody has stopped.", width=3),
            Query(total(now(catalogue.CLOCKS, 'state="breached"'))), steps=ANY_IS_WRONG, loud=True,
        ),
        number(
            Place("Missed in 24 hours", "Promises missed in the last day, less what was taken back since.", width=3),
            Query(f"clamp_min({missed(A_DAY)}, 0)"), steps=((None, WELL), (0.5, WRONG)), loud=True, decimals=0,
        ),
        number(
            Place("Open Sev 1", "Tickets of severity 1 that are not resolved.", width=3),
            Query(total(now(catalogue.TICKETS, 'sev="1"', 'state!="resolved"'))), steps=ANY_IS_WRONG, loud=True,
        ),
        number(
            Place("Nobody has them", "Unresolved tickets without an assignee.", width=3),
            Query(total(now(catalogue.UNASSIGNED))), steps=ANY_IS_NEAR, loud=True,
        ),
        number(
            Place("Clocks looked at", "How long ago the daemon last looked at its clocks. Past five minutes all of "
                  "this page may be out of date.", "s", 4, none="no daemon"),
            Query(age(most(now(catalogue.TICK)))), steps=((None, WELL), (MINUTE, NEAR), (5 * MINUTE, WRONG)),
            loud=True, absent=WRONG, decimals=0,
        ),
        rows(
            Place("Who is next, and when", "Every earliest deadline of a client, severity and promise, the nearest "
                  "first.", width=14, height=9, none="no clock runs"),
            [*_PROMISE, Column("A", "Left", "dtdurations", SOON), Column("B", "Due (UTC)", "dateTimeAsIso"),
             Column("C", "Running", "short", decimals=0)], Query(with_client(due(*_EACH))),
            Query(with_client(f"{least(of(catalogue.NEXT_DEADLINE), *_EACH)} * 1000")),
            Query(with_client(f"{running} > 0")), by="Left",
        ),
        rows(
            Place("Missed, and not stopped", "Clocks past their deadline. The client is still waiting.", width=10,
                  height=9, none="nothing is overdue"),
            [*_PROMISE, Column("A", "Clocks", "short", ANY_IS_WRONG, 0)], Query(with_client(f"{overdue} > 0")),
            by="Clocks", falling=True,
        ),
    ]  # fmt: skip


def _hours() -> list[Panel]:
    return [
        lines(
            Place("Time to the next deadline", "By client. A line that falls to 0 is a promise missed; one that jumps "
                  "up was kept.", "s", 8, least=None),
            Query(due("client"), "{{client}}"), steps=SOON, log=True,
        ),
        lines(
            Place("Clocks by state", "Off hours: it runs, outside its calendar's hours. Paused: we wait for the "
                  "client or a release.", width=8),
            Query(total(now(catalogue.CLOCKS), "state"), "{{state}}"), stacked=True, colours=CLOCKS,
        ),
        lines(
            Place("Open tickets by severity", "Not resolved.", width=8),
            Query(total(now(catalogue.TICKETS, 'state!="resolved"'), "sev"), SEV), stacked=True, colours=SEVERITIES,
        ),
        lines(
            Place("Warnings by threshold", "Each is somebody who was told that a promise is near. `breach` came too "
                  "late.", width=8),
            Query(happened(catalogue.WARNINGS, "threshold"), "{{threshold}}"), bars=True, stacked=True,
        ),
        lines(
            Place("Escalations by level", "Posts of the chain of command that warnings went to.", width=8),
            Query(happened(catalogue.ESCALATIONS, "level"), "{{level}}"), bars=True, stacked=True,
        ),
        lines(
            Place("Opened and closed", "Tickets in each interval; closed ones hang below the line.", width=8,
                  least=None),
            Query(total(grew(catalogue.OPENED)), "opened"), Query(f"- {total(grew(catalogue.CLOSED))}", "closed"),
            bars=True, colours={"opened": NEAR, "closed": WELL},
        ),
    ]  # fmt: skip


def _kept() -> list[Panel]:
    return [
        number(
            Place("Kept in 30 days", "Of all promises that were decided, less what was taken back. The contract's "
                  "month is `heliograph report`: this is a trend.", "percentunit", 4, none="none fell due"),
            Query(compliance(MONTH)), steps=KEPT, decimals=2,
        ),
        number(
            Place("Missed in 30 days", "Less what was taken back. Excused ones are among them.", width=4),
            Query(f"clamp_min({missed(MONTH)}, 0)"), decimals=0,
        ),
        number(
            Place("Decided in 30 days", "Promises kept or missed. A rate of few says little.", width=4),
            Query(decided(MONTH)), decimals=0,
        ),
        number(
            Place("Excused in 30 days", "Missed, and taken out of the client's report by somebody with a reason.",
                  width=4),
            Query(total(grew(catalogue.EXCUSED, MONTH))), decimals=0,
        ),
        number(
            Place("Taken back in 30 days", "Decisions and breaches corrected because something was told late.",
                  width=4),
            Query(total(grew(catalogue.CORRECTIONS, MONTH))), decimals=0,
        ),
        number(
            Place("Median time used", "Half of the clocks that stopped used at most this part of the promised time; "
                  "past 100 % a promise was missed.", "percentunit", 4),
            Query(quantile(0.5, catalogue.CONSUMED, MONTH)), decimals=0,
            steps=((None, WELL), (0.75, NEAR), (1, WRONG)),
        ),
        ranked(
            Place("Kept by client", "Thirty days, all promises together, the worst first.", "percentunit", 8, most=1),
            Query(f"sort({compliance(MONTH, 'client')})", "{{client}}"), steps=KEPT, decimals=1,
        ),
        lines(
            Place("Kept by client over time", "Each point looks back thirty days.", "percentunit", 8, least=None,
                  most=1, last=MONTH),
            Query(compliance(MONTH, "client"), "{{client}}"), steps=((None, WRONG), (0.95, NEAR), (0.99, WELL)),
        ),
        lines(
            Place("Kept by promise over time", "Each point looks back thirty days.", "percentunit", 8, least=None,
                  most=1, last=MONTH),
            Query(compliance(MONTH, "goal"), "{{goal}}"), colours=GOALS,
            steps=((None, WRONG), (0.95, NEAR), (0.99, WELL)),
        ),
        lines(
            Place("Missed by client and day", "Counted at the deadline.", width=12, none="none was missed",
                  last=MONTH),
            Query(happened(catalogue.BREACHES, "client"), "{{client}}", exemplar=True), bars=True, stacked=True,
            daily=True,
        ),
        heat(
            Place("How much of the promised time was used", "Clocks that stopped, by day. What creeps up towards 1 "
                  "will be missed next month; above 1 it was.", "percentunit", 12, last=MONTH),
            Query(total(grew(catalogue.CONSUMED, part="_bucket"), "le"), "{{le}}", exemplar=True),
        ),
    ]  # fmt: skip


def _daemon() -> list[Panel]:
    return [
        number(
            Place("Replicas up", "That Prometheus can scrape.", width=6, none="none"),
            Query('sum(up{job=~"$job"})'), steps=((None, WRONG), (1, WELL)), decimals=0,
        ),
        number(
            Place("Oldest good look at a source", "The longest since any source was read.", "s", 6),
            Query(age(least(now(catalogue.LAST_SUCCESS)))),
            steps=((None, WELL), (5 * MINUTE, NEAR), (15 * MINUTE, WRONG)), decimals=0,
        ),
        number(
            Place("Oldest undelivered", "How long the oldest page, defect or message has waited.", "s", 6,
                  none="all delivered"),
            Query(age(least(now(catalogue.OUTBOX_OLDEST)))),
            steps=((None, WELL), (5 * MINUTE, NEAR), (15 * MINUTE, WRONG)), decimals=0,
        ),
        number(
            Place("Late warnings", "The 99th percentile, in a day, of how long a threshold waited to be handled.", "s",
                  6, none="none fell due"),
            Query(quantile(0.99, catalogue.LAG, A_DAY)), steps=((None, WELL), (15, NEAR), (MINUTE, WRONG)),
        ),
    ]  # fmt: skip
