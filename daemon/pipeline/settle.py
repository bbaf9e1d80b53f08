"""What only time tells: windows that had to wait for their sources, incidents that have been quiet for long enough, and
what is held no longer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from daemon.desk import hearing, opening
from daemon.model import Incident
from daemon.pipeline.detect import Detecting
from daemon.pipeline.open import Detection
from daemon.rules import windows as window_of
from daemon.rules.engine import Engine, incident_key
from daemon.rules.model import Absent, Rule
from daemon.rules.windows.document import document_of
from daemon.store import incidents, polls, windows
from daemon.store.engine import Store
from daemon.store.windows import Kept
from daemon.worker import WORKED, Idle, Outcome


@dataclass
class Settle:
    """Nothing is certain before every source that could say otherwise has been read past that time."""

    store: Store
    engine: Callable[[], Engine]
    detection: Callable[[], Detection]
    name: str = "settle"
    _expecting: Engine | None = field(default=None, init=False)
    _looked: Mapping[str, Incident] = field(default_factory=dict, init=False)
    """Held incidents as they were when they were looked at last, by their ids."""
    _hung_on: object = field(default=None, init=False)
    """On what it hung then that they were held."""

    def step(self, now: datetime) -> Outcome:
        engine = self.engine()
        if engine is not self._expecting:
            with self.store.write() as connection:
                expect(connection, engine, now)
            self._expecting = engine
        detection = self.detection()
        with self.store.read() as connection:
            held = {each.id: each for each in incidents.held(connection)}
            hangs_on = (engine, detection.hold.hangs_on(connection, now)) if held else None
            known = self._looked if hangs_on == self._hung_on else {}
            changed = {id for id, each in held.items() if known.get(id) != each}
            if not changed and not _anything(connection):
                return Idle()
        with self.store.write() as connection:
            detecting = Detecting(connection, detection, engine, now)
            worked = settle(detecting, changed)
            detecting.flush()
        self._looked, self._hung_on = held, hangs_on  # as they were read: what moved since is looked at again
        return WORKED if worked else Idle()


def _anything(connection: Connection) -> bool:
    marks = polls.watermarks(connection)
    known = [mark for mark in marks.values() if mark is not None]
    due = bool(known) and bool(windows.due(connection, max(known)))
    return due or bool(incidents.quiet(connection, marks))


def settle(detecting: Detecting, changed: Collection[str] | None = None) -> bool:
    """Whether anything came of it. `changed`: the held incidents that may be held no longer; None: any. What is to be
    written of it, `flush` writes."""
    connection, detection, now = detecting.connection, detecting.detection, detecting.now
    known = [mark for mark in detecting.watermarks.values() if mark is not None]
    moved = [detecting.settle(kept) for kept in (detecting.due(max(known)) if known else ())]
    for incident in detecting.quiet():
        moved.append(hearing.look(connection, detection.terms, incident, detecting, now))
        detecting.touched()
    moved += [
        _release(connection, detecting, incident)
        for incident in (detecting.held() if changed is None or changed else ())
        if changed is None or incident.id in changed
    ]
    return any(moved)


def _release(connection: Connection, detecting: Detecting, incident: Incident) -> bool:
    """Sets going what was held, if nothing holds it any more."""
    proofs = incidents.proofs(connection, incident.id, incident.episode)
    told = detecting.retell(incident, next((proof for proof in proofs if proof.fired), None))
    if told.held is not None:
        return False
    opening.release(connection, detecting.detection.terms, incident, told, detecting.now)
    detecting.touched()
    return True


def expect(connection: Connection, engine: Engine, now: datetime) -> None:
    """Begins to listen for groups that rules expect: their silence counts from the first time they are expected."""
    for rule in engine.rules.values():
        if isinstance(rule.window, Absent) and rule.window.expect:
            _expect(connection, rule, rule.window, now)


def _expect(connection: Connection, rule: Rule, window: Absent, now: datetime) -> None:
    groups = [dict(zip(rule.group_by, values, strict=True)) for values in window.expect]
    by_key = {(rule.id, incident_key(rule.id, group)): group for group in groups}
    known = windows.get(connection, list(by_key))
    state = window_of.begin(window, now)
    windows.put(
        connection,
        [
            Kept(*key, document_of(window, state), now, group, now + window.length)
            for key, group in by_key.items()
            if key not in known
        ],
    )
