"""A ticket keeps what it was promised: every text of a contract is kept, and a calendar changes from an instant on.

A contract that was rewritten in place is another one from then on: tickets that were opened before keep the text that
they were opened with. A calendar that changed is spliced: until it was first seen it opens as it did, from then on as
it does now. So what has passed stays as it was counted, and no breach is undone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from itertools import groupby

from sqlalchemy import Connection

from daemon.sla.calendar import Calendar, tzdata_version
from daemon.sla.policy import Policy
from daemon.sla.promise import Contract
from daemon.sla.read_contracts import read_kept
from daemon.sla.versions import from_content, one_after_another
from daemon.store import policies
from daemon.store.policies import Kept, What

_Series = dict[tuple[What, str], list[Kept]]


def take(connection: Connection, policy: Policy, now: datetime) -> Policy:
    """Keeps what of the policy is new, and gives it as tickets go by it from `now` on.

    Open clocks are looked at anew if a calendar or the zones changed. Raises ConfigError if a kept contract cannot be
    used any more.
    """
    before = policies.kept(connection)
    new = list(_new(policy, _series(before), now))
    policies.keep(connection, new)
    changed = [one for one in new if one.number > 1 and one.what != "contract"]
    if changed:
        policies.ask_refold(connection, ", ".join(f"{one.what} {one.name}" for one in changed))
    return _as_kept(policy, _series([*before, *new]))


def as_kept(connection: Connection, policy: Policy, now: datetime) -> Policy:
    """The policy as tickets go by it. Writes nothing: what is new in it is as it would be if it were taken now."""
    before = policies.kept(connection)
    return _as_kept(policy, _series([*before, *_new(policy, _series(before), now)]))


def _series(kept: Iterable[Kept]) -> _Series:
    """Those of one name, in their order."""
    ordered = sorted(kept, key=lambda one: (one.what, one.name, one.number))
    return {key: list(group) for key, group in groupby(ordered, key=lambda one: (one.what, one.name))}


def _new(policy: Policy, series: _Series, now: datetime) -> Iterator[Kept]:
    for contract in _written(policy):
        texts = series.get(("contract", contract.version), [])
        if contract.hash not in {one.hash for one in texts}:
            yield Kept("contract", contract.version, len(texts) + 1, contract.hash, contract.text, now)
    states = [("calendar", name, one.hash, json.dumps(one.hours.content())) for name, one in policy.calendars.items()]
    for what, name, hash, content in (*states, ("tzdata", "tzdata", tzdata_version(), "")):
        past = series.get((what, name), [])  # type: ignore[arg-type]
        if not past or past[-1].hash != hash:
            yield Kept(what, name, len(past) + 1, hash, content, now)  # type: ignore[arg-type]


def _written(policy: Policy) -> list[Contract]:
    return [one for versions in policy.contracts.values() for one in versions if one.text]


def _as_kept(policy: Policy, series: _Series) -> Policy:
    calendars = {name: _spliced(name, past) for (what, name), past in series.items() if what == "calendar"}
    now = policy.with_calendars(calendars)
    contracts = {
        name: tuple(_named(contract, series) if contract.text else contract for contract in versions)
        for name, versions in now.contracts.items()
    }
    current = {contract.version for versions in contracts.values() for contract in versions}
    kept = {
        label: read_kept(one.content, label, calendars)
        for (what, _), texts in series.items()
        if what == "contract"
        for one in texts
        if (label := _label(one)) not in current
    }
    return replace(now, contracts=contracts, kept=kept)


def _spliced(name: str, past: list[Kept]) -> Calendar:
    first, *later = past
    hours = one_after_another(
        from_content(json.loads(first.content)), ((one.since, from_content(json.loads(one.content))) for one in later)
    )
    return Calendar(name, hours)


def _named(contract: Contract, series: _Series) -> Contract:
    (own,) = (one for one in series[("contract", contract.version)] if one.hash == contract.hash)
    return replace(contract, version=_label(own))


def _label(kept: Kept) -> str:
    return kept.name if kept.number == 1 else f"{kept.name}~{kept.number}"
