"""Every figure for Prometheus, named once: what kind it is, what it says, its labels and its buckets.

`metrics.py` counts the daemon's own activity into these, `collector/` reads the others from the store at each scrape,
`docs/metrics.md` lists them. Base units, an instant rather than an age, one counter for all and one for what failed.
Labels are configured names, states and severities: no ticket, no person, no text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["counter", "gauge", "histogram", "info"]
Key: TypeAlias = tuple[str, ...]
"""Values of a figure's labels, in their order."""

PREFIX = "heliograph_"
SEVERITIES = ("1", "2", "3", "4")
OTHER = "other"
"""Stands for the values of a label beyond as many as the configuration allows."""


@dataclass(frozen=True, slots=True)
class Figure:
    kind: Kind
    name: str
    """After `heliograph_`, without `_total` or `_info`."""
    help: str
    labels: Key = ()
    buckets: tuple[float, ...] = ()

    @property
    def base(self) -> str:
        """As the library takes it."""
        return PREFIX + self.name

    @property
    def exposed(self) -> str:
        """As Prometheus names it; a histogram by what comes before `_bucket`."""
        return self.base + {"counter": "_total", "info": "_info"}.get(self.kind, "")

    @property
    def series(self) -> Key:
        """Every name that a query may use."""
        parts = ("_bucket", "_sum", "_count") if self.kind == "histogram" else ("",)
        return tuple(self.exposed + part for part in parts)


_CALL = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25)
"""A call outside is cut off at 25 s."""
_RATIO = (0.1, 0.25, 0.5, 0.75, 0.9, 1, 1.25, 1.5, 2, 5)
_RESPONSE = (60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
_RESOLUTION = (900, 1800, 3600, 7200, 14400, 28800, 43200, 86400, 172800, 432000, 604800, 1209600, 3628800)
_DETECTION = (15, 30, 60, 120, 300, 600, 900, 1800, 3600, 14400)
_LAG = (0.1, 0.5, 1, 2, 5, 15, 60, 300)

_CLIENT = ("client", "sev")
_GOAL = (*_CLIENT, "goal")

# Promises
TARGET = Figure("gauge", "sla_target_seconds", "Promised now, in seconds of the promise's calendar. Absent where "
                "nothing is promised, or a business day is.", _GOAL)  # fmt: skip
CLOCKS = Figure("gauge", "sla_clocks", "Clocks that have not stopped. `state` is `running`, `off_hours` (it runs, "
                "outside its calendar's hours), `paused` or `breached`.", (*_GOAL, "state"))  # fmt: skip
NEXT_DEADLINE = Figure("gauge", "sla_next_deadline_timestamp_seconds", "The earliest deadline of running clocks, none "
                       "of them missed. Absent if there is none.", _GOAL)  # fmt: skip
DECISIONS = Figure("counter", "sla_decisions", "Promises kept or missed: each cycle of a clock once, at its first stop "
                   "or its deadline.", _GOAL)  # fmt: skip
BREACHES = Figure("counter", "sla_breaches", "Promises missed, counted at the deadline.", _GOAL)
CORRECTIONS = Figure("counter", "sla_corrections", "Taken back since, because something was told late; `kind` is "
                     "`decision` or `breach`. The counters themselves never fall.", (*_GOAL, "kind"))  # fmt: skip
EXCUSED = Figure("counter", "sla_excused_breaches", "Breaches that somebody took out of the client's report, with a "
                 "reason and a name. They stay breaches.", _GOAL)  # fmt: skip
CONSUMED = Figure("histogram", "sla_consumed_ratio", "What of the promised time was used when a clock first stopped: "
                  "up to 1 it was kept.", _GOAL, _RATIO)  # fmt: skip
WARNINGS = Figure("counter", "sla_warnings", "Thresholds crossed; `threshold` as the contract names it: `75%`, `30m`, "
                  "`breach`.", (*_GOAL, "threshold"))  # fmt: skip
ESCALATIONS = Figure("counter", "escalations", "Posts that warnings went to. `level` is a post of `chain`, `assignee`, "
                     "`shift_lead`, `team_lead`, `chain`, or `person` for one that is named.",
                     ("sev", "level"))  # fmt: skip
LAG = Figure("histogram", "sla_timer_lag_seconds", "From a threshold's falling due until it was handled.", (), _LAG)
CLIENT = Figure("info", "client", "Always 1: join it for what a client has. `policy` is the version of the contract "
                "that is in force.", ("client", "tier", "policy", "timezone"))  # fmt: skip

# Tickets
TICKETS = Figure("gauge", "tickets", "Not closed and not cancelled, by state.", (*_CLIENT, "state"))
UNASSIGNED = Figure("gauge", "tickets_unassigned", "Not resolved, and nobody has them.", ("sev",))
OLDEST = Figure(
    "gauge", "ticket_oldest_opened_timestamp_seconds", "When the oldest unresolved one was opened.", _CLIENT
)
OPENED = Figure("counter", "tickets_opened", "Opened.", (*_CLIENT, "origin"))
CLOSED = Figure("counter", "tickets_closed", "Closed, the client having validated.", _CLIENT)
REOPENED = Figure("counter", "tickets_reopened", "Resolved or closed, and then opened again.", _CLIENT)
SEVERITY_CHANGES = Figure("counter", "severity_changes", "Raised or lowered.", ("client", "from_sev", "to_sev"))
RESPONSE = Figure("histogram", "ticket_response_seconds", "From the report to the first response, by the clock on the "
                  "wall.", ("sev", "origin"), _RESPONSE)  # fmt: skip
RESOLUTION = Figure("histogram", "ticket_resolution_seconds", "From the report to each resolve, by the clock on the "
                    "wall: opened again, it counts again.", ("sev", "origin"), _RESOLUTION)  # fmt: skip
DEFECTS = Figure("gauge", "defects", "Filed, for tickets that are not resolved. `kind` is `quick_fix`, `minor_release` "
                 "or `undecided`; `state` is `open` or, with the resolution overdue, `past_eta`.",
                 ("sev", "kind", "state"))  # fmt: skip
RCAS = Figure("gauge", "rcas", "Reports on a root cause: `requested`, `overdue` or `shared`.", ("state",))
RELEASE_NEXT = Figure("gauge", "release_next_timestamp_seconds", "When the next minor release that a fix confirmed now "
                      "can be in leaves.")  # fmt: skip
RELEASE_FREEZE = Figure("gauge", "release_freeze_timestamp_seconds", "Until when a fix can be confirmed for it.")
ON_DUTY = Figure("gauge", "site_on_duty", "1 for the site that owns the queue, else 0: all at 0 is a gap.", ("site",))
HANDOVERS = Figure("gauge", "handovers_unacknowledged", "Handovers of the last day that nobody has acknowledged.")

# Incidents and rules
INCIDENTS = Figure("gauge", "incidents", "Not ended; `state` is `open` or `cleared`.", ("sev", "state"))
EPISODES = Figure("counter", "incident_episodes", "Times that incidents opened, anew or again.", ("origin",))
DETECTION = Figure("histogram", "incident_detection_seconds", "From when the trouble began, by the vendor's clock, "
                   "until the incident was opened: the detection gap.", ("origin",), _DETECTION)  # fmt: skip
RULE_MATCHES = Figure("counter", "rule_matches", "New signals that the rule's conditions hold for, in shadow or live. "
                      "Of this process.", ("rule",))  # fmt: skip
RULE_INCIDENTS = Figure(
    "counter", "rule_incidents", "Times that the rule opened an incident, anew or again.", ("rule",)
)
RULE_TICKETS = Figure("counter", "rule_tickets", "Tickets of the incidents that it opened.", ("rule",))
RULE_FALSE_ALARMS = Figure("counter", "rule_false_alarms", "Of those, the ones that somebody cancelled as a false "
                           "alarm.", ("rule",))  # fmt: skip
RULE_STATE_DROPPED = Figure("counter", "rule_state_dropped", "What the rule's windows forgot because a cap bit: it may "
                            "have missed something. Of this process.", ("rule",))  # fmt: skip

# Sources
LAST_SUCCESS = Figure("gauge", "source_last_success_timestamp_seconds", "The last poll that succeeded; 0 before the "
                      "first.", ("source",))  # fmt: skip
WATERMARK = Figure("gauge", "source_watermark_timestamp_seconds", "All that happened before it has been seen.",
                   ("source",))  # fmt: skip
POLLS = Figure("counter", "source_polls", "Polls made.", ("source",))
POLL_FAILURES = Figure("counter", "source_poll_failures", "Polls that failed.", ("source", "reason"))
POLL_SECONDS = Figure("histogram", "source_poll_duration_seconds", "How long polls took.", ("source",), _CALL)
EVENTS = Figure("counter", "source_events", "What sources said.", ("source",))
RATE_LIMIT_REMAINING = Figure("gauge", "source_rate_limit_remaining", "How many more calls the vendor said that it "
                              "takes before its limit resets, at the last poll; the least, where it has several. "
                              "Absent of one that does not say.", ("source",))  # fmt: skip
EVENTS_DROPPED = Figure("counter", "source_events_dropped", "What was not kept: `unwanted` by every rule, or "
                        "`unreadable`.", ("source", "reason"))  # fmt: skip

# Deliveries
OUTBOX = Figure("gauge", "outbox_messages", "Owed to the outside and not delivered.", ("target",))
OUTBOX_OLDEST = Figure("gauge", "outbox_oldest_timestamp_seconds", "Since when the oldest of them is owed. Absent if "
                       "there is none.", ("target",))  # fmt: skip
GIVEN_UP = Figure("counter", "outbox_given_up", "Refused for good by the outside.", ("target",))
REQUESTS = Figure("counter", "outbound_requests", "Deliveries tried, and look-ups; `operation` is `open`, `update`, "
                  "`close` or `find`.", ("target", "operation"))  # fmt: skip
REQUEST_FAILURES = Figure("counter", "outbound_request_failures", "Those that failed.",
                          ("target", "operation", "reason"))  # fmt: skip
REQUEST_SECONDS = Figure("histogram", "outbound_request_duration_seconds", "How long they took.",
                         ("target", "operation"), _CALL)  # fmt: skip

# The daemon
BUILD = Figure("info", "build", "Always 1: the version that is running, and that of the time zones, by which hours "
               "end.",
               ("version", "revision", "tzdata"))  # fmt: skip
CONFIG = Figure("info", "config", "Always 1: replicas that show one hash run one configuration, policy and rules.",
                ("hash",))  # fmt: skip
RELOAD_WORKED = Figure("gauge", "config_last_reload_successful", "1 if what the files say is what runs, 0 if it was "
                       "refused.")  # fmt: skip
RELOADED_AT = Figure("gauge", "config_last_reload_success_timestamp_seconds", "When what runs was taken.")
TICK = Figure("gauge", "scheduler_last_tick_timestamp_seconds", "When clocks were last looked at. Standing still, it "
              "says that deadlines go unseen.")  # fmt: skip
COLLECT_SECONDS = Figure("gauge", "ticket_collect_duration_seconds", "What this scrape's look at the database cost.")
COLLECTED = Figure("gauge", "ticket_collect_success", "1 if the database could be read, else 0.")
CAPPED = Figure("gauge", "label_values_capped", "Values of this label that stand together as `other`, because there "
                "are more than the configuration allows.", ("label",))  # fmt: skip
SPANS_DROPPED = Figure("counter", "trace_spans_dropped", "Spans that did not fit in the queue, or that the collector "
                       "did not take. Of this process.")  # fmt: skip

SECTIONS: Mapping[str, tuple[Figure, ...]] = {
    "promises": (TARGET, CLOCKS, NEXT_DEADLINE, DECISIONS, BREACHES, CORRECTIONS, EXCUSED, CONSUMED, WARNINGS,
                 ESCALATIONS, LAG, CLIENT),
    "tickets": (TICKETS, UNASSIGNED, OLDEST, OPENED, CLOSED, REOPENED, SEVERITY_CHANGES, RESPONSE, RESOLUTION, DEFECTS,
                RCAS, RELEASE_NEXT, RELEASE_FREEZE, ON_DUTY, HANDOVERS),
    "rules": (INCIDENTS, EPISODES, DETECTION, RULE_MATCHES, RULE_INCIDENTS, RULE_TICKETS, RULE_FALSE_ALARMS,
              RULE_STATE_DROPPED),
    "sources": (LAST_SUCCESS, WATERMARK, POLLS, POLL_FAILURES, POLL_SECONDS, EVENTS, EVENTS_DROPPED,
                RATE_LIMIT_REMAINING),
    "deliveries": (OUTBOX, OUTBOX_OLDEST, GIVEN_UP, REQUESTS, REQUEST_FAILURES, REQUEST_SECONDS),
    "daemon": (BUILD, CONFIG, RELOAD_WORKED, RELOADED_AT, TICK, COLLECT_SECONDS, COLLECTED, CAPPED, SPANS_DROPPED),
}  # fmt: skip
"""As the docs list them."""

FIGURES: tuple[Figure, ...] = tuple(figure for section in SECTIONS.values() for figure in section)
PROCESS: frozenset[Figure] = frozenset(
    (RULE_MATCHES, RULE_STATE_DROPPED, POLLS, POLL_FAILURES, POLL_SECONDS, EVENTS, EVENTS_DROPPED, RATE_LIMIT_REMAINING,
     REQUESTS, REQUEST_FAILURES, REQUEST_SECONDS, BUILD, CONFIG, RELOAD_WORKED, RELOADED_AT, TICK, SPANS_DROPPED)
)  # fmt: skip
"""Of this process alone, and from 0 with it; all others are of the store, and alike on every replica."""
