"""The life of a ticket: what each event makes of it, and which moves make sense. Pure.

new → in_progress ⇄ awaiting_client        in_progress → awaiting_fix → in_progress
any open one → resolved → closed           resolved, closed → in_progress, when it is opened again
any open one → cancelled
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias

from daemon.model import Event, EventKind, Fix, Json, Rca, Severity, Ticket, TicketState, Workaround

Body: TypeAlias = Mapping[str, Json]

_STATE_AFTER = {
    EventKind.OPENED: TicketState.NEW,
    EventKind.DEPLOYED: TicketState.IN_PROGRESS,
    EventKind.RESOLVED: TicketState.RESOLVED,
    EventKind.REOPENED: TicketState.IN_PROGRESS,
    EventKind.CLOSED: TicketState.CLOSED,
    EventKind.CANCELLED: TicketState.CANCELLED,
}
MOVES = frozenset({EventKind.STATE, *_STATE_AFTER})
"""Kinds of event that leave a ticket in a state: none of them can be told to have happened before the last of them."""


def after(ticket: Ticket, event: Event) -> Ticket:
    """The ticket as it stands once `event` is in its log."""
    changed = replace(ticket, version=event.sequence, state=_state(ticket, event))
    more = _MORE.get(event.kind)
    return changed if more is None else more(changed, event)


def is_answer(body: Body) -> bool:
    """Whether a message is a person's public word to the client."""
    return bool(body.get("public")) and bool(body.get("human")) and body.get("by") == "rep"


def _state(ticket: Ticket, event: Event) -> TicketState:
    if event.kind is EventKind.STATE:
        return TicketState(event.body["to"])
    taken = event.kind is EventKind.ACKNOWLEDGED or (event.kind is EventKind.MESSAGE and is_answer(event.body))
    if taken and ticket.state is TicketState.NEW:
        return TicketState.IN_PROGRESS
    return _STATE_AFTER.get(event.kind, ticket.state)


def _assigned(ticket: Ticket, event: Event) -> Ticket:
    return replace(
        ticket,
        assignee=str(event.body.get("assignee", ticket.assignee)),
        team=str(event.body.get("team", ticket.team)),
        site=str(event.body.get("site", ticket.site)),
    )


def _moved(ticket: Ticket, event: Event) -> Ticket:
    """A new quick fix has to be told of anew."""
    if ticket.state is not TicketState.AWAITING_FIX:
        return ticket
    return replace(ticket, fix=Fix(event.body["kind"]), informed=False)


_MORE: Mapping[EventKind, Callable[[Ticket, Event], Ticket]] = {
    EventKind.OPENED: lambda ticket, event: replace(
        _assigned(ticket, event), reporter=str(event.body.get("reporter", ""))
    ),
    EventKind.ASSIGNED: _assigned,
    EventKind.STATE: _moved,
    EventKind.SEVERITY: lambda ticket, event: replace(ticket, severity=int(event.body["to"])),
    EventKind.WORKAROUND: lambda ticket, event: replace(ticket, workaround=Workaround(event.body["to"])),
    EventKind.DEFECT: lambda ticket, event: replace(ticket, defect=str(event.body.get("key") or "")),
    EventKind.INFORMED: lambda ticket, event: replace(ticket, informed=True),
    EventKind.RESOLVED: lambda ticket, event: replace(ticket, resolved_at=event.effective_at),
    EventKind.CANCELLED: lambda ticket, event: replace(ticket, merged_into=event.body.get("into")),
    EventKind.RCA: lambda ticket, event: replace(ticket, rca=Rca(event.body["to"])),
}


def no_quick_fix(severity: Severity, workaround: Workaround) -> str | None:
    """Why a ticket may not wait for a quick fix; None if it may. A fix between releases is a risk to every client."""
    if severity in (3, 4):
        return f"a quick fix is for severity 1 and 2; a severity {severity} ships with the next minor release"
    if severity == 2 and workaround is Workaround.ACCEPTED:
        return "the client has accepted a work-around: the fix ships with the next minor release"
    return None


def no_release(severity: Severity, workaround: Workaround) -> str | None:
    """Why a ticket may not wait for the next minor release; None if it may."""
    if severity == 1:
        return "severity 1 does not wait for a release: give it a quick fix, or an accepted work-around that lowers it"
    if severity == 2 and workaround is not Workaround.ACCEPTED:
        return "severity 2 waits for a release only once the client has accepted a work-around"
    return None
