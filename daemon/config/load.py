"""config.yaml → `Config`, or every problem of it at once. Nothing outside is asked; the environment is handed in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from daemon import marked_yaml
from daemon.config import check
from daemon.config.reading import Reading, fields, part
from daemon.config.schema import (
    PARTS,
    SEVERITIES,
    ActionCommon,
    ActionEntry,
    Class,
    Config,
    File,
    Heartbeat,
    Metrics,
    Person,
    Portal,
    ReportErrors,
    SeverityMeaning,
    Sigma,
    Site,
    SourceCommon,
    SourceEntry,
    Team,
    Traces,
)
from daemon.config.secrets import Outside, Unavailable, variable
from daemon.contract import Settings
from daemon.errors import ConfigError, Problem
from daemon.marked_yaml import Mark, MarkedMap
from daemon.secret import Secret
from daemon.sla import policy
from daemon.sla.policy import Policy

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_SQLITE, _POSTGRESQL = "sqlite", "postgresql+psycopg"

Model = TypeVar("Model", bound=Settings)
Common = TypeVar("Common", SourceCommon, ActionCommon)
Entry = TypeVar("Entry")


class Kinds(Protocol):
    """The types that there are, and the settings of each."""

    def sources(self) -> Mapping[str, type[Settings]]: ...

    def actions(self) -> Mapping[str, type[Settings]]: ...


def load(path: Path, environ: Mapping[str, str], kinds: Kinds, *, credentials: bool = True) -> Config:
    """Raises ConfigError with every problem. Relative paths in the file start from its own folder.

    Without `credentials` no vendor's settings are made, and none of its secrets is needed.
    """
    table = marked_yaml.load(path)
    if not isinstance(table, MarkedMap):
        message = "is empty." if table is None else f"is a map of settings, not {marked_yaml.named(table)}."
        raise ConfigError([Problem(str(path), 1, message, "Start from the config.yaml that comes with the program.")])
    reading = Reading(Outside(environ, path.parent))
    reading.known(table, File.model_fields, "")
    loading = _Loading(path, table, reading, _parts(reading, table), credentials)
    config = loading.config(kinds)
    if loading.policy_stands:  # else every name of a calendar would seem to lead nowhere
        check.references(reading, config, loading.parts)
    check.sigma(reading, config, table)
    check.traces(reading, config, table)
    check.metrics(reading, config, table)
    if reading.problems:
        raise ConfigError(reading.problems)
    return config


def _parts(reading: Reading, table: MarkedMap) -> dict[str, MarkedMap]:
    """The big parts, each from this file or from its own; empty for one that is not written."""
    found = {name: MarkedMap(table.mark) for name in PARTS}
    for name in PARTS:
        if table.get(name) is None:
            continue
        value, mark = table[name], table.value_mark(name)
        if isinstance(value, MarkedMap) and set(value) == {"file"} and isinstance(value["file"], str):
            value, mark = _other_file(reading, mark, value["file"])
        if value is not None and (read := reading.table(value, mark, name)) is not None:
            found[name] = read
    return found


def _other_file(reading: Reading, mark: Mark, name: str) -> tuple[Any, Mark]:
    shown = str(Path(mark.file).parent / name)
    reading.files.append(reading.outside.folder / name)
    try:
        return marked_yaml.load(reading.outside.folder / name, shown=shown), Mark(shown, 1, 1)
    except ConfigError as error:
        for problem in error.problems:
            if problem.line:
                reading.problems.append(problem)
            else:
                reading.report(mark, f"the file '{name}' {problem.message}")
        return None, mark


class _Loading:
    """The reading of one file."""

    def __init__(
        self, path: Path, table: MarkedMap, reading: Reading, parts: dict[str, MarkedMap], credentials: bool
    ) -> None:
        self._path = path
        self._table = table
        self._reading = reading
        self.parts = parts
        self._credentials = credentials
        self._notices: list[str] = []
        self.policy_stands = True

    def config(self, kinds: Kinds) -> Config:
        """All of it is read, so that every problem is found; where there was one, something else stands in."""
        sources, actions = self._sources(kinds), self._actions(kinds)
        metrics = self._section("metrics", Metrics)
        self._notice_what_is_off(sources, actions)
        self._notice_what_is_open(metrics)
        return Config(
            path=self._path,
            store=self._store(),
            rules=self._path.parent / self._text("rules", "rules"),
            rule_policy=self._path.parent / self._text("policy", "policy"),
            policy=self._policy(),
            portal=self._section("portal", Portal),
            metrics=metrics,
            report_errors=self._optional("report_errors", ReportErrors, "sentry_dsn"),
            heartbeat=self._optional("heartbeat", Heartbeat, "url"),
            traces=self._section("traces", Traces),
            sources=sources,
            actions=actions,
            severities=self._severities(),
            classes=self._each("classes", Class),
            teams=self._each("teams", Team),
            people=self._each("people", Person),
            sites=self._each("sites", Site),
            chain={str(post): str(holder) for post, holder in self.parts["chain"].items()},
            sigma=self._section("sigma", Sigma),
            notices=tuple(self._notices),
            files=(self._path, *self._reading.files),
        )

    def _section(self, name: str, model: type[Model]) -> Model:
        """As it is written; where that is nothing, or wrong, as it is by default."""
        return self._written(name, model) or model()

    def _written(self, name: str, model: type[Model]) -> Model | None:
        if self._table.get(name) is None:
            return None
        return self._reading.settings(model, self._table[name], self._table.value_mark(name), name)

    def _optional(self, name: str, model: type[Model], needed: str) -> Model | None:
        """A section that is off while the variable that it needs is not set."""
        value = self._table.get(name)
        if value is None:
            return None
        key = variable(value.get(needed)) if isinstance(value, MarkedMap) else ""
        if key and not self._reading.outside.environ.get(key):
            self._notices.append(f"{name} is off: {key} is not set in the environment.")
            return None
        return self._written(name, model)

    def _text(self, name: str, default: str) -> str:
        value, mark = self._table.get(name, default), self._mark(name)
        try:
            found = self._reading.outside.expanded(value)
        except Unavailable as why:
            self._reading.report(mark, f"{name}: {why.message}")
            return default
        if isinstance(found, str) and found:
            return found
        self._reading.report(mark, f"{name}: this is a text, not {marked_yaml.named(value)}.")
        return default

    def _mark(self, name: str) -> Mark:
        return self._table.value_mark(name) if name in self._table else self._table.mark

    def _store(self) -> str:
        """The database's URL, with the path of a file made absolute, and its password known as a secret."""
        text = self._text("store", "sqlite:///heliograph.db")
        try:
            url = make_url(text)
        except (ArgumentError, ValueError):
            return self._no_store("this is no database URL.")
        if url.drivername not in (_SQLITE, _POSTGRESQL):
            return self._no_store(f"'{url.drivername}' is no database that is known here.")
        if url.password:
            Secret(url.password)
            if not variable(self._table.get("store")):
                return self._no_store("a password does not stand in this file.")
        if url.drivername == _SQLITE:
            if not url.database or url.database == ":memory:":
                return self._no_store("a database in memory forgets what is owed.")
            url = url.set(database=str((self._path.parent / url.database).absolute()))
        return url.render_as_string(hide_password=False)

    def _no_store(self, message: str) -> str:
        hint = f"Write {_SQLITE}:///heliograph.db, or {_POSTGRESQL}://user@host/name, or the variable that holds it."
        self._reading.report(self._mark("store"), f"store: {message}", hint)
        return ""

    def _policy(self) -> Policy:
        parts = self.parts
        train = parts["release_train"] or None
        try:
            return policy.parse(parts["calendars"], parts["contracts"], parts["clients"], train)
        except ConfigError as error:
            self._reading.problems += error.problems
            self.policy_stands = False
            return policy.parse(None, None, None)

    def _severities(self) -> dict[int, SeverityMeaning]:
        table = self.parts["severities"]
        for severity in SEVERITIES:
            if severity not in table:
                self._reading.report(
                    table.mark, f"severities: there is no {severity}.", "Say what each of 1 to 4 means."
                )
        for key in table:
            if key not in SEVERITIES:
                self._reading.report(table.key_mark(key), f"severities: '{key}' is none of 1, 2, 3 and 4.")
        return {key: made for key, made in self._each("severities", SeverityMeaning).items() if key in SEVERITIES}

    def _each(self, name: str, model: type[Model]) -> dict[Any, Model]:
        found = {}
        for key, value, mark in _items(self.parts[name]):
            if (made := self._reading.settings(model, value, mark, f"{name}.{key}")) is not None:
                found[key] = made
        return found

    def _sources(self, kinds: Kinds) -> dict[str, SourceEntry]:
        def made(name: str, common: SourceCommon, settings: Settings | None) -> SourceEntry:
            return SourceEntry(name, common.type, common.enabled, common.every, common.keep, settings)

        return self._entries("sources", "source", SourceCommon, kinds.sources(), made)

    def _actions(self, kinds: Kinds) -> dict[str, ActionEntry]:
        def made(role: str, common: ActionCommon, settings: Settings | None) -> ActionEntry:
            return ActionEntry(role, common.type, common.enabled, common.optional, settings)

        return self._entries("actions", "action", ActionCommon, kinds.actions(), made)

    def _entries(
        self,
        name: str,
        what: str,
        model: type[Common],
        types: Mapping[str, type[Settings]],
        made: Callable[[str, Common, Settings | None], Entry],
    ) -> dict[str, Entry]:
        found = {}
        table = self.parts[name]
        for key, value, mark in _items(table):
            where = f"{name}.{key}"
            if not isinstance(key, str) or not _NAME.fullmatch(key):
                hint = "Use small letters, digits, - and _."
                self._reading.report(table.key_mark(key), f"{name}: '{key}' is no name for one.", hint)
            elif (entry := self._reading.table(value, mark, where)) is not None:
                common = self._reading.settings(model, part(entry, fields(model)), mark, where)
                settings = self._own(entry, common, model, types, what, where)
                if common is not None:
                    found[key] = made(key, common, settings)
        return found

    def _own(
        self,
        entry: MarkedMap,
        common: Common | None,
        model: type[Common],
        types: Mapping[str, type[Settings]],
        what: str,
        where: str,
    ) -> Settings | None:
        """What the entry's type has for settings of its own."""
        type, shared = entry.get("type"), fields(model)
        if not isinstance(type, str):
            return None  # told with what all of them have
        if not self._reading.refer(type, entry.value_mark("type"), types, f"type of {what}", f"{where}.type"):
            return None
        rest = part(entry, [key for key in entry if key not in shared])
        off = common is None or not common.enabled or not self._credentials
        return self._reading.settings(types[type], rest, entry.mark, where, off=off, also=shared)

    def _notice_what_is_off(self, sources: Mapping[str, SourceEntry], actions: Mapping[str, ActionEntry]) -> None:
        how = f"Set 'enabled: true' for it in {self._path}, and give it the credentials that are named there."
        if not any(source.enabled for source in sources.values()):
            self._notices.append(f"No source is on: nothing is watched{_to_choose('switch on', sources)}. {how}")
        if not any(action.enabled for action in actions.values()):
            self._notices.append(
                f"Watch only: no action is on, so nothing is sent to anybody{_to_choose('switch on', actions)}. {how}"
            )

    def _notice_what_is_open(self, metrics: Metrics) -> None:
        if not metrics.is_protected and metrics.host not in _LOOPBACK:
            self._notices.append(
                f"Whoever reaches {metrics.listen} sees the figures, clients' names among them: metrics has no token, "
                "no password and no client_ca."
            )


def _to_choose(verb: str, names: Mapping[str, object]) -> str:
    return f"; there is {', '.join(names)} to {verb}" if names else ""


def _items(table: MarkedMap) -> Iterator[tuple[Any, Any, Mark]]:
    for key, value in table.items():
        yield key, value, table.value_mark(key)
