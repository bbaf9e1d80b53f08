"""Daemon health: can what the other dashboards say be believed?"""

from __future__ import annotations

from daemon import catalogue
from dashboards.source.frame import Board, Row
from dashboards.source.panels import (
    ANY_IS_NEAR,
    ANY_IS_WRONG,
    MINUTE,
    NEAR,
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
from dashboards.source.queries import DAY, age, grew, least, most, now, of, quantile, total

STALE = ((None, WELL), (5 * MINUTE, NEAR), (15 * MINUTE, WRONG))
BROKEN = ((None, WRONG), (1, WELL))


def board() -> Board:
    return Board(
        uid="heliograph-daemon",
        title="Heliograph / Daemon health",
        says="Can what the other dashboards say be believed? Sources, deliveries, clocks, replicas.",
        since="now-6h",
        picks=(),
        rows=[
            Row("Now", _now()),
            Row("Sources", _sources()),
            Row("Deliveries", _deliveries()),
            Row("Inside", _inside()),
        ],
    )


def _now() -> list[Panel]:
    return [
        number(
            Place("Clocks looked at", "How long ago. Standing still, deadlines go unseen.", "s", 4, none="no daemon"),
            Query(age(most(now(catalogue.TICK)))), steps=((None, WELL), (MINUTE, NEAR), (5 * MINUTE, WRONG)),
            loud=True, absent=WRONG, decimals=0,
        ),
        number(
            Place("Oldest good look", "The longest since any source was read.", "s", 4, none="no source"),
            Query(age(least(now(catalogue.LAST_SUCCESS)))), steps=STALE, loud=True, decimals=0,
        ),
        number(
            Place("Oldest undelivered", "How long the oldest page, defect or message has waited.", "s", 4,
                  none="all delivered"),
            Query(age(least(now(catalogue.OUTBOX_OLDEST)))), steps=STALE, loud=True, decimals=0,
        ),
        number(
            Place("Database", "1: every replica can read it.", width=4, none="no daemon"),
            Query(least(of(catalogue.COLLECTED))), steps=BROKEN, loud=True, absent=WRONG,
        ),
        number(
            Place("Configuration taken", "0: a replica refused what the files say, and runs what it ran.", width=4,
                  none="no daemon"),
            Query(least(now(catalogue.RELOAD_WORKED))), steps=BROKEN, loud=True, absent=WRONG,
        ),
        number(
            Place("Configurations running", "More than one: replicas disagree.", width=4, none="no daemon"),
            Query(f"count(count by (hash) ({of(catalogue.CONFIG)}))"), steps=((None, WELL), (2, NEAR)),
            loud=True, absent=WRONG,
        ),
        rows(
            Place("Replicas", "Version, revision, time zones' version, and the hash of configuration, policy and "
                  "rules. They should be alike.", width=24, height=5, none="no daemon"),
            [Column("instance", "Replica"), Column("version", "Version"), Column("revision", "Revision"),
             Column("tzdata", "Time zones"), Column("hash", "Configuration"),
             Column("B", "Taken (UTC)", "dateTimeAsIso")],
            Query(f"max by (instance, version, revision, tzdata, hash) ({of(catalogue.BUILD)} * on (job, instance) "
                  f"group_left (hash) {of(catalogue.CONFIG)})"),
            Query(f"{most(now(catalogue.RELOADED_AT), 'instance')} * 1000"), by="Replica",
        ),
    ]  # fmt: skip


def _sources() -> list[Panel]:
    failed, made = (total(grew(one), "source") for one in (catalogue.POLL_FAILURES, catalogue.POLLS))
    return [
        lines(
            Place("Since the last good look", "At each source. It saws between 0 and the poll's interval.", "s", 8),
            Query(age(now(catalogue.LAST_SUCCESS)), "{{source}}"), steps=STALE,
        ),
        lines(
            Place("Behind the world", "Until when all that happened has been seen. CloudTrail is late by nature.", "s",
                  8),
            Query(age(now(catalogue.WATERMARK)), "{{source}}"),
        ),
        lines(
            Place("Polls that failed", "As part of all.", "percentunit", 8, most=1),
            Query(f"{failed} / ({made} > 0)", "{{source}}"), steps=((None, WELL), (0.1, NEAR), (0.5, WRONG)),
        ),
        lines(
            Place("Why polls failed", "By source and reason.", width=8, none="none failed"),
            Query(f"{total(grew(catalogue.POLL_FAILURES), 'source', 'reason')} > 0", "{{source}}: {{reason}}"),
            bars=True, stacked=True,
        ),
        lines(
            Place("Length of polls", "The 95th percentile. A call is cut off at 25 s.", "s", 8),
            Query(quantile(0.95, catalogue.POLL_SECONDS, "$__rate_interval", "source"), "{{source}}"),
        ),
        lines(
            Place("Polls made", "In each interval. A line at 0 is a poller that stands still.", width=8),
            Query(made, "{{source}}"),
        ),
        lines(
            Place("What sources said", "Events in each interval.", width=8),
            Query(total(grew(catalogue.EVENTS), "source"), "{{source}}"), bars=True, stacked=True,
        ),
        lines(
            Place("Not kept", "Unwanted by every rule, or unreadable: what is unreadable is a bug or a change at the "
                  "vendor's.", width=8),
            Query(total(grew(catalogue.EVENTS_DROPPED), "source", "reason"), "{{source}}: {{reason}}"), bars=True,
            stacked=True,
        ),
        lines(
            Place("Calls that are left", "How many more the vendor takes before its limit resets. At 0 it answers "
                  "nobody, us among others.", width=8, none="no vendor says so"),
            Query(least(of(catalogue.RATE_LIMIT_REMAINING), "source"), "{{source}}"),
        ),
    ]  # fmt: skip


def _deliveries() -> list[Panel]:
    failed = total(grew(catalogue.REQUEST_FAILURES), "target", "reason")
    return [
        lines(
            Place("Undelivered", "Pages, defects and messages that are owed.", width=8),
            Query(total(now(catalogue.OUTBOX), "target"), "{{target}}"), stacked=True,
        ),
        lines(
            Place("Age of the oldest undelivered", "Absent where all is delivered.", "s", 8, none="all delivered"),
            Query(age(now(catalogue.OUTBOX_OLDEST)), "{{target}}"), steps=STALE,
        ),
        lines(
            Place("Given up", "Refused for good by the outside, in each interval: nobody was told.", width=8),
            Query(total(grew(catalogue.GIVEN_UP), "target"), "{{target}}"), bars=True, stacked=True,
        ),
        lines(
            Place("Requests", "Deliveries tried, and look-ups, in each interval.", width=8),
            Query(total(grew(catalogue.REQUESTS), "target", "operation"), "{{target}}: {{operation}}"), bars=True,
            stacked=True,
        ),
        lines(
            Place("Why requests failed", "By target and reason. They are tried again.", width=8, none="none failed"),
            Query(f"{failed} > 0", "{{target}}: {{reason}}"), bars=True, stacked=True,
        ),
        lines(
            Place("Length of requests", "The 95th percentile. A call is cut off at 25 s.", "s", 8),
            Query(quantile(0.95, catalogue.REQUEST_SECONDS, "$__rate_interval", "target"), "{{target}}"),
        ),
    ]  # fmt: skip


def _inside() -> list[Panel]:
    return [
        lines(
            Place("Lateness of the clocks", "From a threshold's falling due until it was handled, over the day "
                  "before.", "s", 8),
            Query(quantile(0.5, catalogue.LAG, DAY), "half"), Query(quantile(0.99, catalogue.LAG, DAY), "99 in 100"),
            steps=((None, WELL), (15, NEAR), (MINUTE, WRONG)),
        ),
        lines(
            Place("Cost of a scrape", "The look at the database, and all of it, at each replica.", "s", 8),
            Query(of(catalogue.COLLECT_SECONDS), "{{instance}}: database"),
            Query('scrape_duration_seconds{job=~"$job"}', "{{instance}}: all"),
        ),
        lines(
            Place("Samples of a scrape", "How many series the daemon shows.", width=8),
            Query('scrape_samples_scraped{job=~"$job"}', "{{instance}}"),
        ),
        ranked(
            Place("Names that stand together", "Values of a label beyond as many as the configuration allows. They "
                  "are all called `other` on these dashboards.", width=8),
            Query(most(now(catalogue.CAPPED), "label"), "{{label}}"), steps=ANY_IS_NEAR, decimals=0,
        ),
        lines(
            Place("Forgotten by windows", "A cap bit: a rule may have missed something.", width=8),
            Query(f"{total(grew(catalogue.RULE_STATE_DROPPED), 'rule')} > 0", "{{rule}}"), bars=True, stacked=True,
        ),
        lines(
            Place("Traces dropped", "Spans that the collector did not take.", width=8),
            Query(total(grew(catalogue.SPANS_DROPPED)), "spans"), bars=True, steps=ANY_IS_WRONG,
        ),
    ]  # fmt: skip
