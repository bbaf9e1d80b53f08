"""Jira Cloud, simulated: issues, their search by label, which lags behind, and the people who work on them.

Creating is not idempotent. Version 2 of the API takes plain text where version 3 takes Atlassian documents.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import ClassVar
from urllib.parse import unquote

from lab.server import Json, Now, Refused, Request, Response, Table, Vendor, route

INDEXED_AFTER = timedelta(seconds=20)
LONGEST_SUMMARY = 255
LONGEST_TEXT = 32_767
LONGEST_PROPERTY = 32_768
SCREEN = frozenset({"project", "issuetype", "summary", "description", "labels", "priority", "duedate"})
REQUIRED = frozenset({"project", "issuetype", "summary"})
TYPES = ("Bug", "Task")
PRIORITIES = ("Highest", "High", "Medium", "Low", "Lowest")
STATUSES = ("To Do", "In Progress", "Done")
_SITE = "https://lab.atlassian.example"
_API = "/rest/api/(?P<version>[23])"
_LABEL = re.compile(r'labels = ("(?:[^"\\]|\\.)*")(?: ORDER BY created (ASC|DESC))?', re.IGNORECASE)


@dataclass(slots=True)
class Defect:
    """An issue as Jira has it."""

    id: str
    key: str
    fields: dict[str, Json]
    created_at: datetime
    properties: dict[str, Json] = field(default_factory=dict)
    status: str = STATUSES[0]
    closed_at: datetime | None = None
    closed_by: str | None = None
    comments: list[tuple[datetime, str, str]] = field(default_factory=list)
    """When, who, what."""

    @property
    def labels(self) -> list[str]:
        return list(self.fields.get("labels") or ())

    def as_json(self) -> dict[str, Json]:
        """For a report."""
        return {
            "id": self.id,
            "key": self.key,
            "summary": self.fields["summary"],
            "priority": (self.fields.get("priority") or {}).get("name"),
            "duedate": self.fields.get("duedate"),
            "labels": self.labels,
            "status": self.status,
            "created_at": f"{self.created_at:%Y-%m-%dT%H:%M:%SZ}",
            "closed_at": self.closed_at and f"{self.closed_at:%Y-%m-%dT%H:%M:%SZ}",
            "closed_by": self.closed_by,
            "comments": [text for _, _, text in self.comments],
        }


class Jira(Vendor):
    """Takes any user and token that is not in `revoked`. `screen` and `required` say which fields an issue may and
    must have; `cloud` False makes it an installation of one's own, whose search is the old one."""

    name: ClassVar[str] = "Jira"

    def __init__(self, now: Now, project: str = "OPS") -> None:
        super().__init__(now)
        self.project = project
        self.defects: list[Defect] = []
        self.revoked: set[str] = set()
        self.screen = set(SCREEN)
        self.required = set(REQUIRED)
        self.indexed_after = INDEXED_AFTER
        self.cloud = True

    # people

    def transition(self, key: str, status: str, user: str) -> None:
        """Raises LookupError for an issue or a status that is not there."""
        if status not in STATUSES:
            raise LookupError(f"no status {status}; one of {', '.join(STATUSES)}")
        with self.lock:
            self._move(self.defect_of(key), status, user)

    def close(self, key: str, user: str) -> None:
        self.transition(key, STATUSES[-1], user)

    def comment(self, key: str, user: str, text: str) -> None:
        with self.lock:
            self.defect_of(key).comments.append((self.now(), user, text))

    def defect_of(self, key: str) -> Defect:
        """By its key, its id or one of its labels. Raises LookupError."""
        with self.lock:
            found = (one for one in self.defects if key in (one.key, one.id, *one.labels))
            defect = next(found, None)
        if defect is None:
            raise LookupError(f"no defect is, or is labelled, {key}")
        return defect

    def _move(self, defect: Defect, status: str, user: str) -> None:
        ends = status == STATUSES[-1]
        defect.status = status
        defect.closed_at, defect.closed_by = (self.now(), user) if ends else (None, None)

    # what every request meets

    def guard(self, request: Request) -> Response | None:
        user, token = _account(request.headers.get("authorization", ""))
        return None if user and token and token not in self.revoked else self.failure(401)

    def failure(self, status: int) -> Response:
        headers = {"Retry-After": "30", "RateLimit-Reason": "jira-burst-based"} if status == 429 else {}
        return _refusal(status, f"Error {status}", headers=headers)

    # asking

    @route("GET", f"{_API}/serverInfo")
    def server_info(self, request: Request, version: str) -> Response:
        kind = "Cloud" if self.cloud else "Server"
        return Response(200, {"baseUrl": _SITE, "versionNumbers": [1001, 0, 0], "deploymentType": kind})

    @route("GET", f"{_API}/myself")
    def myself(self, request: Request, version: str) -> Response:
        user, _ = _account(request.headers["authorization"])
        return Response(200, {"accountId": "lab", "emailAddress": user, "active": True})

    @route("GET", f"{_API}/issue/createmeta/(?P<project>[^/]+)/issuetypes")
    def types(self, request: Request, version: str, project: str) -> Response:
        if unquote(project) != self.project:
            return _refusal(404, f"No project could be found with key '{project}'.")
        types = [{"id": str(number), "name": name, "subtask": False} for number, name in enumerate(TYPES, 1)]
        return Response(200, {"issueTypes": types, "maxResults": 50, "startAt": 0, "total": len(types)})

    @route("GET", f"{_API}/search/jql")
    def search(self, request: Request, version: str) -> Response:
        """Fields are the id alone unless asked for; no total."""
        return Response(200, {"issues": self._found(request, "id"), "isLast": True})

    @route("GET", f"{_API}/search")
    def old_search(self, request: Request, version: str) -> Response:
        if self.cloud:
            return _refusal(
                410, "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API."
            )
        found = self._found(request, "*navigable")
        return Response(200, {"issues": found, "startAt": 0, "maxResults": 50, "total": len(found)})

    def _found(self, request: Request, default_fields: str) -> list[Json]:
        match = _LABEL.fullmatch(request.arg("jql").strip())
        if match is None:
            raise Refused(_refusal(400, 'Error in the JQL Query: the lab knows `labels = "…" ORDER BY created` only'))
        label = json.loads(match[1])
        found = [one for one in self.defects if label in one.labels and self._is_indexed(one)]
        if (match[2] or "DESC").upper() == "DESC":
            found.reverse()
        wanted = request.arg("fields", default_fields)
        return [self._issue(one, wanted) for one in found[: int(request.arg("maxResults", "50"))]]

    def _is_indexed(self, defect: Defect) -> bool:
        return defect.created_at + self.indexed_after <= self.now()

    @route("GET", f"{_API}/issue/(?P<key>[^/]+)")
    def issue(self, request: Request, version: str, key: str) -> Response:
        defect = self._known(key)
        shown = self._issue(defect, request.arg("fields", "*all"))
        if names := request.arg("properties"):
            kept = {
                name: value for name, value in defect.properties.items() if name in names.split(",") or names == "*all"
            }
            shown["properties"] = kept
        return Response(200, shown)

    @route("GET", f"{_API}/issue/(?P<key>[^/]+)/transitions")
    def transitions(self, request: Request, version: str, key: str) -> Response:
        self._known(key)
        moves = [{"id": str(number), "name": name, "to": {"name": name}} for number, name in enumerate(STATUSES, 1)]
        return Response(200, {"transitions": moves})

    def _known(self, key: str) -> Defect:
        defect = next((one for one in self.defects if key in (one.key, one.id)), None)
        if defect is None:
            raise Refused(_refusal(404, "Issue does not exist or you do not have permission to see it."))
        return defect

    def _issue(self, defect: Defect, wanted: str) -> dict[str, Json]:
        issue: dict[str, Json] = {"id": defect.id}
        if wanted != "id":
            everything = {**defect.fields, "status": {"name": defect.status}}
            named = everything if wanted.startswith("*") else wanted.split(",")
            issue |= {"key": defect.key, "self": f"{_SITE}/rest/api/2/issue/{defect.id}"}
            issue["fields"] = {name: everything[name] for name in named if name in everything}
        return issue

    # writing

    @route("POST", f"{_API}/issue")
    def create(self, request: Request, version: str) -> Response:
        body = _object(request)
        fields = _fields(body)
        missing = {name: f"{name.capitalize()} is required." for name in self.required if not fields.get(name)}
        self._refuse(missing | self._wrong_with(fields, version))
        number = len(self.defects) + 1
        defect = Defect(str(10_000 + number), f"{self.project}-{number}", dict(fields), self.now())
        self._set_properties(defect, body)
        self.defects.append(defect)
        return Response(201, {"id": defect.id, "key": defect.key, "self": f"{_SITE}/rest/api/2/issue/{defect.id}"})

    @route("PUT", f"{_API}/issue/(?P<key>[^/]+)")
    def edit(self, request: Request, version: str, key: str) -> Response:
        defect, body = self._known(key), _object(request)
        fields = _fields(body)
        self._refuse(self._wrong_with(fields, version))
        self._set_properties(defect, body)
        defect.fields |= fields
        for one in (body.get("update") or {}).get("comment", ()):
            self._say(defect, request, one["add"]["body"], version)
        return Response(204)

    @route("POST", f"{_API}/issue/(?P<key>[^/]+)/comment")
    def add_comment(self, request: Request, version: str, key: str) -> Response:
        defect = self._known(key)
        self._say(defect, request, _object(request).get("body"), version)
        return Response(201, {"id": str(len(defect.comments))})

    @route("POST", f"{_API}/issue/(?P<key>[^/]+)/transitions")
    def do_transition(self, request: Request, version: str, key: str) -> Response:
        defect = self._known(key)
        chosen = (_object(request).get("transition") or {}).get("id")
        if chosen not in [str(number) for number in range(1, len(STATUSES) + 1)]:
            return _refusal(400, "Transition id is not valid for this issue.")
        self._move(defect, STATUSES[int(chosen) - 1], _account(request.headers["authorization"])[0])
        return Response(204)

    def _say(self, defect: Defect, request: Request, text: Json, version: str) -> None:
        if wrong := _wrong_with_text(text, version):
            raise Refused(_refusal(400, errors={"comment": wrong}))
        user, _ = _account(request.headers["authorization"])
        defect.comments.append((self.now(), user, text if isinstance(text, str) else json.dumps(text)))

    def _set_properties(self, defect: Defect, body: Mapping[str, Json]) -> None:
        told = {one["key"]: one["value"] for one in body.get("properties") or ()}
        if any(len(json.dumps(value)) > LONGEST_PROPERTY for value in told.values()):
            raise Refused(_refusal(400, "The property value is too long."))
        defect.properties |= told

    def _wrong_with(self, fields: Mapping[str, Json], version: str) -> dict[str, str]:
        unknown = "Field '{}' cannot be set. It is not on the appropriate screen, or unknown."
        wrong = {name: unknown.format(name) for name in fields if name not in self.screen}
        checks: dict[str, tuple[Callable[[Json], bool], str]] = {
            "project": (lambda value: value == {"key": self.project}, "valid project is required"),
            "issuetype": (lambda value: _is_named(value, TYPES), "Specify a valid issue type"),
            "summary": (_is_summary, f"Summary must be one line of at most {LONGEST_SUMMARY} characters."),
            "labels": (_are_labels, "The label contains spaces which is invalid."),
            "priority": (lambda value: _is_named(value, PRIORITIES), "Specify a valid 'name' for Priority"),
            "duedate": (_is_day, "Error parsing date string, expected yyyy-MM-dd"),
            "description": (lambda value: not _wrong_with_text(value, version), "Not the text of this version's kind."),
        }
        bad = {name: told for name, (good, told) in checks.items() if fields.get(name) and not good(fields[name])}
        return bad | wrong

    @staticmethod
    def _refuse(errors: Mapping[str, str]) -> None:
        if errors:
            raise Refused(_refusal(400, errors=errors))

    # the page for people

    def tables(self) -> list[Table]:
        rows = [
            (
                one.key,
                one.fields["summary"],
                (one.fields.get("priority") or {}).get("name"),
                one.fields.get("duedate"),
                one.status,
                " ".join(one.labels),
                f"{one.created_at:%H:%M:%S}",
                "; ".join(text for _, _, text in one.comments),
            )
            for one in reversed(self.defects)
        ]
        columns = ("key", "summary", "priority", "due", "status", "labels", "at", "comments")
        return [Table("Issues, newest first", columns, rows)]


def _refusal(
    status: int, message: str = "", errors: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    body = {"errorMessages": [message] if message else [], "errors": dict(errors or {})}
    return Response(status, body, headers or {})


def _account(header: str) -> tuple[str, str]:
    """User and token of a Basic header; empty where it is none."""
    kind, _, coded = header.partition(" ")
    try:
        user, _, token = base64.b64decode(coded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return (user, token) if kind == "Basic" else ("", "")


def _object(request: Request) -> dict[str, Json]:
    body = request.json()
    if not isinstance(body, dict):
        raise Refused(_refusal(400, "The body is not a JSON object."))
    return body


def _fields(body: Mapping[str, Json]) -> dict[str, Json]:
    fields = body.get("fields") or {}
    if not isinstance(fields, dict):
        raise Refused(_refusal(400, "`fields` is not a JSON object."))
    return fields


def _is_named(value: Json, names: Sequence[str]) -> bool:
    return isinstance(value, dict) and value.get("name") in names


def _is_summary(value: Json) -> bool:
    return isinstance(value, str) and "\n" not in value and len(value) <= LONGEST_SUMMARY


def _are_labels(value: Json) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and not re.search(r"\s", one) for one in value)


def _is_day(value: Json) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _wrong_with_text(value: Json, version: str) -> str:
    if version == "3":
        is_document = isinstance(value, dict) and value.get("type") == "doc"
        return (
            "" if is_document else "Operation value must be an Atlassian Document (see the Atlassian Document Format)"
        )
    return "" if isinstance(value, str) and len(value) <= LONGEST_TEXT else "Operation value must be a string"
