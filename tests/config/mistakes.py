"""What an operator may get wrong, and what is said of it, word for word.

Each mistake follows five lines of severities, so it begins on line 6; `SHORT` holds three characters, and `HOOK` a
proper secret.
"""

from __future__ import annotations

from typing import NamedTuple

SEVERITIES = """\
severities:
  1: {name: urgent, means: down, then: [ticket]}
  2: {name: high, means: hurt, then: [ticket]}
  3: {name: normal, means: impaired, then: [ticket]}
  4: {name: low, means: a question, then: [ticket]}
"""

CONTRACT = """\
contracts:
  gold:
    - effective_from: 2026-01-01T00:00:00Z
      goals:
        response: {1: {target: 15m, calendar: 24x7}, 2: null, 3: null, 4: null}
      escalation:
        default:
"""

WARNING = "  warning: {type: webhook, url: https://chat.example.com, secret: $HOOK}\n"
PAGE_OFF = "  page: {type: webhook, enabled: false}\n"

_SOURCE = "sources:\n  sentry: "
_TOKEN = (
    "Get one: Sentry: Settings, Developer Settings, new internal integration."
    " It must be allowed: event:read, alerts:read."
)
_STORE = "Write sqlite:///heliograph.db, or postgresql+psycopg://user@host/name, or the variable that holds it."
_LIST = "Write [a, b], or each item on a line of its own after '- '."


class Mistake(NamedTuple):
    written: str
    told: tuple[str, ...]


def _told(written: str, *told: str) -> Mistake:
    return Mistake(written, told)


MISTAKES = {
    # keys
    "a key that is near one": _told("sorces: {}\n", "6:1: there is no setting 'sorces'. Did you mean 'sources'?"),
    "a key that is near none": _told(
        "zzz: 1\n",
        "6:1: there is no setting 'zzz'. There is actions, calendars, chain, classes, clients, contracts, heartbeat, "
        "metrics, people, policy, portal, release_train, report_errors, rules, severities, sigma, sites, sources, "
        "store, teams, traces.",
    ),
    "a key twice": _told("rules: a\nrules: b\n", "7:1: 'rules' is there twice; first on line 6."),
    "a key of a vendor's": _told(
        _SOURCE + "{type: sentry, enabled: false, organisation: acme}\n",
        "7:42: sources.sentry: there is no setting 'organisation'. Did you mean 'organization'?",
    ),
    # Sigma
    "a level that Sigma has not": _told(
        "sigma: {levels: {critcal: 1}}\n",
        "6:27: sigma.levels.critcal: this is 'critical', 'high', 'medium', 'low' or 'informational', not '1'.",
    ),
    "a level of no severity": _told(
        "sigma: {levels: {high: 9}}\n", "6:24: sigma.levels.high: this is at most 4, not '9'."
    ),
    "a log source of no source": _told(
        "sigma: {logsources: {aws/x: 3}}\n", f"6:29: sigma.logsources.aws/x: this is a list, not '3'. {_LIST}"
    ),
    "defaults of Sigma that lead nowhere": _told(
        "sigma:\n  defaults:\n    class: odd\n    team: x\n    clients: nobody\n    stage: dark\n"
        "    group_by: [a..b]\n    clear: {quiet_for: soon}\n",
        "8:12: sigma.defaults.class: there is no class 'odd'. There is abuse, availability, defect, performance, "
        "security.",
        "9:11: sigma.defaults.team: there is no team 'x'. There is no team at all.",
        "10:14: sigma.defaults.clients: there is no client 'nobody'. There is all, internal, none, unassigned.",
        "11:12: sigma.defaults.stage: this is 'shadow' or 'live', not 'dark'.",
        "12:15: sigma.defaults.group_by: 'a..b' is not a path such as userIdentity.type or containers[].exitCode.",
        "13:24: sigma.defaults.clear.quiet_for: 'soon' is not a length of time, such as 30s, 15m, 4h or 30d.",
    ),
    "a client beside none": _told(
        "sigma: {defaults: {clients: [none, internal]}}\n",
        "6:29: sigma.defaults.clients: 'none' and 'all' stand alone.",
    ),
    # sources and actions
    "an unknown type": _told(
        _SOURCE + "{type: sentri, enabled: false}\n",
        "7:18: sources.sentry.type: there is no type of source 'sentri'. Did you mean 'sentry'?",
    ),
    "an action's type for a source": _told(
        _SOURCE + "{type: pagerduty, enabled: false}\n",
        "7:18: sources.sentry.type: there is no type of source 'pagerduty'. "
        "There is cloudtrail, datadog, ecs, sentry, vpcflow, webhook.",
    ),
    "no type": _told(
        _SOURCE + "{enabled: false}\n",
        "7:11: sources.sentry: 'type' is missing: What it is: the name of a file of `integrations/`.",
    ),
    "a vendor's setting missing": _told(
        _SOURCE + "{type: sentry, token: $HOOK}\n",
        "7:11: sources.sentry: 'organization' is missing: The organisation's slug, as in its address.",
    ),
    "a name with a space": _told(
        "sources:\n  Sentry EU: {type: sentry, enabled: false}\n",
        "7:3: sources: 'Sentry EU' is no name for one. Use small letters, digits, - and _.",
    ),
    "a list of sources": _told("sources: [sentry]\n", "6:10: sources: this is a map, not a list."),
    "a source that is a word": _told(_SOURCE + "yes\n", "7:11: sources.sentry: this is a map, not 'yes'."),
    # values
    "a length without a unit": _told(
        _SOURCE + "{type: sentry, enabled: false, every: 30}\n",
        "7:49: sources.sentry.every: '30' is not a length of time, such as 30s, 15m, 4h or 30d.",
    ),
    "no time at all": _told(
        _SOURCE + "{type: sentry, enabled: false, every: 0s}\n", "7:49: sources.sentry.every: must be at least 1s."
    ),
    "neither true nor false": _told(
        _SOURCE + "{type: sentry, enabled: maybe}\n",
        "7:35: sources.sentry.enabled: this is true or false, not 'maybe'.",
    ),
    "none of the choices": _told(
        _SOURCE + "{type: sentry, enabled: false, keep: most}\n",
        "7:48: sources.sentry.keep: this is 'wanted' or 'all', not 'most'.",
    ),
    "a number for an address": _told(
        "portal: {listen: 8080}\n", "6:18: portal.listen: this is a text, not '8080'. Put it in quotes."
    ),
    "an address without a port": _told(
        "portal: {listen: localhost}\n",
        "6:18: portal.listen: 'localhost' is not an address to listen at, such as 127.0.0.1:8080 or [::1]:8080.",
    ),
    "a host for a URL": _told(
        "portal: {url: support.example.com}\n", "6:15: portal.url: must begin with https:// or http://."
    ),
    "a list for a folder": _told("rules: [a]\n", "6:8: rules: this is a text, not a list."),
    "no address of a person": _told(
        "people:\n  asha: {email: asha}\n", "7:17: people.asha.email: 'asha' does not look like one."
    ),
    # secrets
    "a variable that is not set": _told(
        _SOURCE + "{type: sentry, organization: acme, token: $NOT_SET}\n",
        f"7:53: sources.sentry.token: NOT_SET is not set in the environment. {_TOKEN}",
    ),
    "a secret in the file": _told(
        _SOURCE + "{type: sentry, organization: acme, token: sntryu_0123456789}\n",
        "7:53: sources.sentry.token: a secret does not stand in this file. Write the name of an environment variable "
        "($NAME) or of a file ({file: path}).",
    ),
    "a secret too short": _told(
        _SOURCE + "{type: sentry, organization: acme, token: $SHORT}\n",
        f"7:53: sources.sentry.token: what $SHORT holds is too short to be a secret: 6 characters at least. {_TOKEN}",
    ),
    "a secret's file that is gone": _told(
        _SOURCE + "{type: sentry, organization: acme, token: {file: gone.txt}}\n",
        f"7:53: sources.sentry.token: the file 'gone.txt' cannot be read: No such file or directory. {_TOKEN}",
    ),
    # the store
    "a file for a database": _told("store: heliograph.db\n", f"6:8: store: this is no database URL. {_STORE}"),
    "another database": _told(
        "store: mysql://u@h/x\n", f"6:8: store: 'mysql' is no database that is known here. {_STORE}"
    ),
    "a database in memory": _told(
        "store: 'sqlite://'\n", f"6:8: store: a database in memory forgets what is owed. {_STORE}"
    ),
    "a password in the file": _told(
        "store: postgresql+psycopg://u:sntryu_0123456789@h/x\n",
        f"6:8: store: a password does not stand in this file. {_STORE}",
    ),
    "a store that is not set": _told("store: $NOT_SET\n", "6:8: store: NOT_SET is not set in the environment."),
    # names that lead nowhere
    "an unknown action": _told(
        "classes:\n  defect: {then: [defekt]}\nactions:\n  defect: {type: webhook, enabled: false}\n",
        "7:19: classes.defect.then: there is no action 'defekt'. Did you mean 'defect'?",
    ),
    "an unknown calendar": _told(
        "people:\n  asha: {email: asha@example.com, hours: hyd}\n",
        "7:42: people.asha.hours: there is no calendar 'hyd'. There is 24x7.",
    ),
    "an unknown lead": _told(
        "sites:\n  lab: {calendar: 24x7, shift_lead: asha}\npeople:\n  ashka: {email: a@example.com}\n",
        "7:37: sites.lab.shift_lead: there is no person 'asha'. Did you mean 'ashka'?",
    ),
    "a team of nobody": _told(
        "teams:\n  devops: {lead: lena, sites: [lab]}\n",
        "7:18: teams.devops.lead: there is no person 'lena'. There is no person at all.",
        "7:32: teams.devops.sites: there is no site 'lab'. There is no site at all.",
    ),
    "a post of a stranger": _told(
        "chain: {head: asha}\npeople:\n  lena: {email: a@example.com}\n",
        "6:15: chain.head: there is no person 'asha'. There is lena.",
    ),
    "an unknown contract": _told(
        "clients:\n  acme: {contract: gold}\n", "7:20: 'gold' is no contract here. There is internal, unassigned."
    ),
    "a warning to a stranger": _told(
        CONTRACT + "          - {at: breach, notify: [asha]}\npeople:\n  ashka: {email: a@example.com}\n",
        "13:35: notify: there is no person or post 'asha'. Did you mean 'ashka'?",
    ),
    # what is relied on while it is off
    "a page that is off": _told(
        "actions:\n" + PAGE_OFF + WARNING + "classes:\n  security: {then: [page]}\n",
        "10:21: classes.security.then: 'page' is off, while other actions are on. "
        "Set 'enabled: true' for actions.page, or 'optional: true'.",
    ),
    "a page of a contract that is off": _told(
        CONTRACT + "          - {at: breach, notify: [chain], then: [page]}\nactions:\n" + PAGE_OFF + WARNING,
        "13:50: then: 'page' is off, while other actions are on. "
        "Set 'enabled: true' for actions.page, or 'optional: true'.",
    ),
    "nobody to be warned by": _told(
        CONTRACT + "          - {at: breach, notify: [chain]}\nactions:\n" + WARNING.replace("warning", "page"),
        "13:35: notify: nobody would be told, since the action 'warning' is off or not there. "
        "Set it up under actions.warning.",
    ),
    # parts in other files
    "a part's file that is gone": _told(
        "clients: {file: clients.yaml}\n", "6:10: the file 'clients.yaml' cannot be read: No such file or directory."
    ),
}

SEVERITY_MISTAKES = {
    "one that is not there": Mistake(
        SEVERITIES.replace("  4:", "  5:"),
        (
            "2:3: severities: there is no 4. Say what each of 1 to 4 means.",
            "5:3: severities: '5' is none of 1, 2, 3 and 4.",
        ),
    ),
    "a word for a list": Mistake(
        SEVERITIES.replace("hurt, then: [ticket]", "hurt, then: ticket"),
        (f"3:38: severities.2.then: this is a list, not 'ticket'. {_LIST}",),
    ),
    "none": Mistake(
        "rules: rules\n",
        tuple(f"1:1: severities: there is no {n}. Say what each of 1 to 4 means." for n in (1, 2, 3, 4)),
    ),
    "an empty file": Mistake("", ("1: is empty. Start from the config.yaml that comes with the program.",)),
    "a list": Mistake(
        "- a\n", ("1: is a map of settings, not a list. Start from the config.yaml that comes with the program.",)
    ),
}
