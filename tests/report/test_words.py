"""Every line of a ticket's log is told in words, whatever it holds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from daemon.model import Event, EventKind
from daemon.report.words import line

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def told(kind: EventKind, body: dict[str, Any]) -> str:
    return line(Event(1, 1, kind, NOON, NOON, "person:asha", body)).title


@pytest.mark.parametrize("kind", EventKind)
def test_no_kind_of_event_is_left_without_words(kind: EventKind) -> None:
    """Nor does one whose body says nothing stop a page."""
    assert told(kind, {})


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        (EventKind.ASSIGNED, {"team": "devops"}, "gave it to team devops"),
        (EventKind.ASSIGNED, {"assignee": "lena", "site": "london"}, "gave it to lena and site london"),
        (EventKind.ASSIGNED, {"assignee": ""}, "gave it to nobody"),
        (EventKind.WORKAROUND, {"to": "proposed", "kind": "interim"}, "proposed an interim work-around"),
        (EventKind.WORKAROUND, {"to": "accepted"}, "accepted the work-around"),
        (EventKind.CANCELLED, {"reason": "false_alarm"}, "cancelled it: false alarm"),
        (EventKind.CANCELLED, {"reason": "duplicate", "into": 7}, "merged it into ticket 7"),
        (EventKind.STATE, {"to": "awaiting_fix", "kind": "quick_fix"}, "set it to awaiting fix (quick fix)"),
        (EventKind.MESSAGE, {"by": "client", "public": True}, "wrote to us"),
        (EventKind.ACTION, {"item": 3, "done": True}, "did action item 3"),
        (EventKind.LINKED, {"ticket": 2, "as": "followed_by"}, "linked it: it is followed by ticket 2"),
        (EventKind.RCA, {"to": "shared"}, "shared the report on the root cause"),
        (EventKind.CORRECTED, {"kind": "breach", "goal": "response"}, "took back the breach of response: told late"),
    ],
)
def test_an_event_in_words(kind: EventKind, body: dict[str, Any], words: str) -> None:
    assert words == told(kind, body)
