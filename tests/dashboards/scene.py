"""Where the month is set: four clients, three contracts, three sites that follow the sun, three sources, six rules."""

from __future__ import annotations

import random

from daemon.desk.staff import Person, Site, Staff, Team
from daemon.desk.terms import Terms
from daemon.marked_yaml import parse as parse_yaml
from daemon.rules.load import load_text
from daemon.rules.model import Names, Rule
from daemon.sla.policy import Policy
from daemon.sla.policy import parse as parse_policy

SOURCES = {"sentry": "sentry", "datadog": "datadog", "cloudtrail-eu": "cloudtrail"}
KINDS = {"sentry": "sentry.issue", "datadog": "datadog.monitor", "cloudtrail-eu": "aws.cloudtrail"}
ROLES = ("page", "defect", "warning", "notice")
CLIENTS = ("acme", "globex", "initech", "umbrella")
SITES = {"hyderabad": ("asha", "ravi"), "london": ("lena", "tom"), "denver": ("june", "omar")}

POLICY = """
calendars:
  hyderabad: {tz: Asia/Kolkata, weekly: {mon-fri: ["07:00-15:30"]}}
  london: {tz: Europe/London, weekly: {mon-fri: ["09:00-17:00"]}}
  denver: {tz: America/Denver, weekly: {mon-fri: ["08:00-18:00"]}}
  follow-the-sun: {union: [hyderabad, london, denver]}
release_train: {anchor: "2026-03-11T18:00", every_weeks: 2, freeze_days_before: 3, tz: Europe/London}
contracts:
  gold:
    - effective_from: 2026-01-01T00:00:00Z
      acknowledgement_counts: true
      goals:
        response:
          1: {target: 15m, calendar: 24x7}
          2: {target: 1h, calendar: 24x7}
          3: {target: 4h, calendar: follow-the-sun}
          4: {business_days: 1, by: close, calendar: london}
        resolution:
          1: {target: 4h, calendar: 24x7, pausable: false}
          2: {target: 12h, calendar: 24x7, code_fix: release_train}
          3: {target: 40h, calendar: follow-the-sun}
          4: null
        update: {1: {every: 1h, calendar: 24x7}, 2: {every: 8h, calendar: 24x7}, 3: null, 4: null}
        rca: {1: {target: 120h, calendar: 24x7}, 2: {target: 240h, calendar: 24x7}, 3: null, 4: null}
      escalation:
        default:
          - {at: 75%, notify: [assignee, shift_lead]}
          - {before: 30m, notify: [chain], only_severity: [1, 2]}
          - {at: breach, notify: [chain], then: [page]}
  silver:
    - effective_from: 2026-01-01T00:00:00Z
      acknowledgement_counts: true
      goals:
        response:
          1: {target: 30m, calendar: 24x7}
          2: {target: 2h, calendar: 24x7}
          3: {target: 8h, calendar: london}
          4: null
        resolution:
          1: {target: 8h, calendar: 24x7}
          2: {target: 24h, calendar: 24x7}
          3: null
          4: null
        update: {1: {every: 4h, calendar: 24x7}, 2: null, 3: null, 4: null}
      escalation:
        default:
          - {at: 75%, notify: [assignee, shift_lead]}
          - {before: 30m, notify: [chain], only_severity: [1, 2]}
          - {at: breach, notify: [chain], then: [page]}
clients:
  acme: {contract: gold, timezone: America/New_York}
  globex: {contract: gold, timezone: Asia/Kolkata}
  initech: {contract: silver, timezone: Europe/London}
  umbrella: {contract: silver, timezone: Europe/Paris}
"""

NAMES = Names(
    sources=SOURCES, types=frozenset(SOURCES.values()), teams=frozenset({"devops", "web"}),
    clients=frozenset(CLIENTS), roles=frozenset({"ticket", *ROLES}), kinds=frozenset(KINDS.values()),
    recovering=frozenset({"sentry", "datadog"}),
)  # fmt: skip

_RULES = {
    "sentry/crash-loop": "title: '{project} crashes'\nsource: sentry\nmatch: {level: fatal}\nseverity: 1\n"
    "class: availability\ngroup_by: [project]\nclients: [acme, globex]\nclear: recovery\n",
    "sentry/error-burst": "title: Many errors in {project}\nsource: sentry\nmatch: {level: error}\nseverity: 2\n"
    "class: defect\ngroup_by: [project]\nwindow: {count: 5, within: 15m}\nclients: [acme]\nclear: {quiet_for: 2h}\n",
    "datadog/monitor-alert": "title: '{service} is slow'\nsource: datadog\nmatch: {status: alert}\nseverity: 2\n"
    "class: performance\ngroup_by: [service]\nclients: [initech, umbrella]\nclear: recovery\n",
    "datadog/disk-full": "title: A disk of {service} is full\nsource: datadog\nmatch: {status: disk}\nseverity: 3\n"
    "class: availability\ngroup_by: [service]\nclients: [globex]\nclear: {quiet_for: 3h}\n",
    "cloudtrail/console-bruteforce": "title: Passwords are guessed from {address}\nsource: cloudtrail\n"
    "match: {eventName: ConsoleLogin}\nseverity: 2\nclass: security\ngroup_by: [address]\n"
    "window: {count: 8, within: 10m}\nclients: [umbrella]\nclear: {quiet_for: 1h}\n",
    "cloudtrail/root-use": "title: The root user acts\nsource: cloudtrail\nmatch: {user: root}\nseverity: 3\n"
    "class: security\ngroup_by: [address]\nclients: [acme]\nclear: {quiet_for: 1h}\n",
}


def rules() -> list[Rule]:
    return [load_text(id, text, f"rules/{id}.yaml", NAMES) for id, text in _RULES.items()]


def terms() -> Terms:
    parts = parse_yaml(POLICY, "config.yaml")
    policy = parse_policy(parts["calendars"], parts["contracts"], parts["clients"], parts["release_train"])
    return Terms(
        policy=policy,
        severities={1: ("ticket", "page"), 2: ("ticket", "page"), 3: ("ticket",), 4: ("ticket",)},
        classes={"defect": ("defect",), "availability": ("defect",)},
        roles=frozenset(ROLES),
        random=random.Random(1),
        portal="https://support.example.com",
        staff=_staff(policy),
    )


def _staff(policy: Policy) -> Staff:
    everybody = [name for names in SITES.values() for name in names]
    people = {name: Person(name, f"{name}@example.com") for name in (*everybody, "mia", "noor")}
    sites = {name: Site(name, policy.calendars[name], leads[0]) for name, leads in SITES.items()}
    chain = {"support_manager": "mia", "head_of_cs": "noor"}
    return Staff(people, sites, {"devops": Team("devops", "asha"), "web": Team("web", "lena")}, chain)
