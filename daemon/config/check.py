"""What the parts of a configuration say of one another: every name leads somewhere, nobody is silently not told."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.util import find_spec

from daemon.config.reading import Reading
from daemon.config.schema import Config
from daemon.desk.owed import WARNING
from daemon.desk.staff import POSTS
from daemon.desk.terms import TICKET
from daemon.marked_yaml import Mark, MarkedList, MarkedMap, mark_of
from daemon.rules.model import Names


def references(reading: Reading, config: Config, parts: Mapping[str, MarkedMap]) -> None:
    """Reports each name that leads nowhere, and each role that is relied on while it is off."""
    for name in ("severities", "classes"):
        for key, body in parts[name].items():
            _roles(reading, config, _words(body, "then"), f"{name}.{key}.then")
    people, sites, calendars = parts["people"], parts["sites"], config.policy.calendars
    _escalations(reading, config, {*people, *parts["chain"], *POSTS})
    _refer(reading, parts["teams"], "teams", {"lead": (people, "person"), "sites": (sites, "site")})
    _refer(reading, parts["people"], "people", {"hours": (calendars, "calendar")})
    _refer(reading, parts["sites"], "sites", {"calendar": (calendars, "calendar"), "shift_lead": (people, "person")})
    for post, holder in parts["chain"].items():
        mark = parts["chain"].value_mark(post)
        reading.refer(holder, mark_of(holder, mark), people, "person", f"chain.{post}")


def sigma(reading: Reading, config: Config, table: MarkedMap) -> None:
    """Reports each class, team, client and parsed path of `sigma: defaults` that leads nowhere."""
    section = table.get("sigma")
    body = section.get("defaults") if isinstance(section, MarkedMap) else None
    known = {
        "class": ({*Names().classes, *config.classes}, "class"),
        "team": (config.teams, "team"),
        "clients": ({"none", "all", *config.policy.clients}, "client"),
    }
    for key, (names, what) in known.items():
        for word, mark in _words(body, key):
            reading.refer(word, mark, names, what, f"sigma.defaults.{key}")
    clients = config.sigma.defaults.clients
    if len(clients) > 1 and {"none", "all"} & {*clients} and isinstance(body, MarkedMap):
        reading.report(body.value_mark("clients"), "sigma.defaults.clients: 'none' and 'all' stand alone.")


def traces(reading: Reading, config: Config, table: MarkedMap) -> None:
    """Reports that traces are on, and what sends them is not installed."""
    if config.traces.enabled and not _is_installed("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"):
        message = "traces: what sends them is not installed."
        reading.report(table.value_mark("traces"), message, "Run: pip install 'heliograph[otel]'")


def metrics(reading: Reading, config: Config, table: MarkedMap) -> None:
    """Reports files of TLS that are absent, or do not fit one another."""
    said, section = config.metrics, table.get("metrics")
    if not isinstance(section, MarkedMap):
        return
    for name, needs in (("certificate", "key"), ("key", "certificate"), ("client_ca", "certificate")):
        if getattr(said, name) and not getattr(said, needs):
            reading.report(section.value_mark(name), f"metrics.{name}: it needs '{needs}' beside it.")
    if said.certificate and said.key:
        certificate, key = (config.path.parent / name for name in (said.certificate, said.key))
        _tls(reading, section, "certificate", lambda context: context.load_cert_chain(certificate, key, lambda: ""))
    if said.client_ca:
        authority = config.path.parent / said.client_ca
        _tls(reading, section, "client_ca", lambda context: context.load_verify_locations(authority))


def _tls(reading: Reading, section: MarkedMap, name: str, load: Callable[[ssl.SSLContext], None]) -> None:
    try:
        load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    except ssl.SSLError as error:
        why = (error.reason or "it is no PEM").replace("_", " ").lower()
        hint = "Both are PEM files, the key is the certificate's own and has no passphrase."
        reading.report(section.value_mark(name), f"metrics.{name}: it cannot be used: {why}.", hint)
    except OSError as error:
        reading.report(section.value_mark(name), f"metrics.{name}: a file cannot be read: {error.strerror}.")


def _is_installed(*modules: str) -> bool:
    try:
        return all(find_spec(module) for module in modules)
    except ModuleNotFoundError:  # not even what it is in
        return False


def _roles(reading: Reading, config: Config, words: Iterable[tuple[str, Mark]], where: str) -> None:
    for role, mark in words:
        if reading.refer(role, mark, {*config.actions, TICKET}, "action", where) and config.unmet([role]):
            message = f"{where}: '{role}' is off, while other actions are on."
            reading.report(mark, message, f"Set 'enabled: true' for actions.{role}, or 'optional: true'.")


def _escalations(reading: Reading, config: Config, told: Iterable[str]) -> None:
    """What contracts name: roles, and people to be warned, by the action `warning`."""
    for mention in config.policy.mentions:
        if mention.kind == "then":
            _roles(reading, config, [(mention.name, mention.mark)], "then")
        elif reading.refer(mention.name, mention.mark, told, "person or post", "notify") and not _can_warn(config):
            message = f"notify: nobody would be told, since the action '{WARNING}' is off or not there."
            reading.report(mention.mark, message, f"Set it up under actions.{WARNING}.")


def _can_warn(config: Config) -> bool:
    if config.watch_only:
        return True
    warning = config.actions.get(WARNING)
    return warning is not None and (warning.enabled or warning.optional)


def _refer(reading: Reading, table: MarkedMap, name: str, keys: Mapping[str, tuple[Iterable[str], str]]) -> None:
    for key, body in table.items():
        for setting, (known, what) in keys.items():
            for word, mark in _words(body, setting):
                reading.refer(word, mark, known, what, f"{name}.{key}.{setting}")


def _words(body: object, key: str) -> Iterator[tuple[str, Mark]]:
    """The texts under a key, one or a list of them, with their places."""
    value = body.get(key) if isinstance(body, MarkedMap) else None
    for word in value if isinstance(value, MarkedList) else [value]:
        if isinstance(word, str) and isinstance(body, MarkedMap):
            yield word, mark_of(word, body.value_mark(key))
