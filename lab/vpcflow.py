"""CloudWatch Logs simulated, with the rows of a flow log: FilterLogEvents.

As the vendor's: rows are stamped with the start of what they tell, and show later; by that time stamp and by when they
were taken in they are sorted; a token holds only for the parameters that it was given for; a page may be empty and yet
not the last.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from lab.aws import Aws, asked, refused
from lab.server import Json, Now, Request, Response, route
from lab.source import milliseconds

TARGET = "Logs_20140328.FilterLogEvents"
_LARGEST_PAGE = 10_000
_TOLD = timedelta(minutes=1)
_BOUND = ("logGroupName", "startTime", "endTime", "filterPattern", "limit")


@dataclass(frozen=True, slots=True)
class _Row:
    stamp: int
    ingested: int
    number: int
    message: str

    @property
    def id(self) -> str:
        return f"{self.number:056d}"

    @property
    def place(self) -> tuple[int, int, int]:
        return self.stamp, self.ingested, self.number


class FlowLogs(Aws):
    """`page`: rows a page at most; between any two pages comes an empty one."""

    name = "vpcflow"
    needs = "logs:FilterLogEvents"

    def __init__(
        self, now: Now, delay: timedelta = timedelta(seconds=20), group: str = "flow", page: int = 100
    ) -> None:
        super().__init__(now, delay)
        self.group = group
        self._most = page
        self._rows: list[_Row] = []
        self._generation = 0

    def row(self, told: str = "ACCEPT OK", late: timedelta | None = None, began: datetime | None = None) -> str:
        """A row of the default format whose minute ends now; the answer is its event id. `told`: its last columns."""
        with self.lock:
            end = self.now()
            start, number = began or end - _TOLD, len(self._rows) + 1
            flow = f"203.0.113.7 10.0.0.{number % 200} {40_000 + number % 20_000} 22 6 9 840"
            message = f"2 111122223333 eni-0a {flow} {int(start.timestamp())} {int(end.timestamp())} {told}"
            return self.put(message, start, late)

    def put(self, message: str, start: datetime, late: timedelta | None = None) -> str:
        """A row, whole, that is taken in `late` after now."""
        with self.lock:
            now, number = self.now(), len(self._rows) + 1
            row = _Row(milliseconds(start), milliseconds(now + (self.delay if late is None else late)), number, message)
            self._send(row.id, now, late)
            self._rows.append(row)
            return row.id

    def expire_tokens(self) -> None:
        """No nextToken given so far is valid any more."""
        with self.lock:
            self._generation += 1

    @route("POST", "/")
    def filter(self, request: Request) -> Response:
        if request.headers.get("x-amz-target") != TARGET:
            return self.refusal(404)
        ask = asked(request)
        if ask.get("logGroupName") != self.group:
            raise refused("ResourceNotFoundException", "The specified log group does not exist.")
        after, empty = self._place(ask)
        rows = [row for row in self._found(ask) if row.place > after]
        size = min(int(ask.get("limit", _LARGEST_PAGE)), self._most)
        shown = [] if empty else rows[:size]
        answer: Json = {"events": [_shown(row) for row in shown], "searchedLogStreams": []}
        if empty and rows:
            answer["nextToken"] = self._token(ask, after, False)
        elif len(rows) > size:
            answer["nextToken"] = self._token(ask, shown[-1].place, True)
        return Response(200, answer)

    def _found(self, ask: Json) -> list[_Row]:
        now, start, end = milliseconds(self.now()), ask.get("startTime", 0), ask.get("endTime")
        wanted = str(ask.get("filterPattern", ""))
        rows = [row for row in self._rows if row.ingested <= now and start <= row.stamp and wanted in row.message]
        return sorted((row for row in rows if end is None or row.stamp < end), key=lambda row: row.place)

    def _token(self, ask: Json, after: tuple[int, int, int], empty: bool) -> str:
        return json.dumps([_digest(ask), self._generation, after, empty])

    def _place(self, ask: Json) -> tuple[tuple[int, int, int], bool]:
        """After which row the page begins, and whether it is an empty one."""
        if not ask.get("nextToken"):
            return (-1, -1, -1), False
        digest, generation, after, empty = json.loads(ask["nextToken"])
        if (digest, generation) != (_digest(ask), self._generation):
            raise refused("InvalidParameterException", "The specified nextToken is invalid.")
        return tuple(after), empty


def _shown(row: _Row) -> Json:
    taken = {"timestamp": row.stamp, "message": row.message, "ingestionTime": row.ingested}
    return {"logStreamName": "eni-0a-all", **taken, "eventId": row.id}


def _digest(ask: Json) -> str:
    """Of the parameters that a token is bound to."""
    bound = {name: ask.get(name) for name in _BOUND}
    return sha256(json.dumps(bound, sort_keys=True).encode()).hexdigest()[:16]
