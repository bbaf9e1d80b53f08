"""Whether a silence, maintenance or another incident holds an opening, as the store and `policy/` have it now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection

from daemon.desk import silences
from daemon.desk.opening import Opening
from daemon.model import PROBLEM_KEY, Incident, Json
from daemon.rules.holds import Standing, Subject, holding, next_change
from daemon.rules.policy import RulePolicy
from daemon.store import incidents


@dataclass(frozen=True, slots=True)
class ByPolicy:
    """A `Hold` of this policy and of the silences that people made."""

    policy: RulePolicy

    def __call__(self, connection: Connection, opening: Opening, now: datetime) -> Mapping[str, Json] | None:
        own = incidents.standing(connection, opening.key)
        held = holding(
            _subject(opening),
            now,
            self.policy,
            silences.standing(connection, now),
            _standing(connection) if self.policy.inhibitions else (),
            own.id if own else "",
        )
        if held is None:
            return None
        return asdict(held) | {"until": held.until and held.until.isoformat()}

    def hangs_on(self, connection: Connection, now: datetime) -> object:
        """Time alone changes an answer at `next_change`, and until then that is the same instant."""
        made = silences.standing(connection, now)
        others = list(_standing(connection)) if self.policy.inhibitions else []
        return self.policy, made, next_change(now, self.policy, made), others


def _standing(connection: Connection) -> Iterator[Standing]:
    for incident in incidents.all_open(connection):
        yield Standing(incident.id, _subject(incident))


def _subject(what: Opening | Incident) -> Subject:
    """As selectors name it."""
    problem = what.key.removeprefix(PROBLEM_KEY).split(" ")[0] if what.key.startswith(PROBLEM_KEY) else ""
    fields = {
        "rule": what.rule, "problem": problem, "source": what.origin, "class": what.class_, "team": what.team,
        "location": what.location, "severity": str(what.severity),
    }  # fmt: skip
    return Subject(fields | {f"group.{part}": str(value) for part, value in (what.group or {}).items()})
