"""Jira: defects with a due date taken from the promise. The one file that knows the jira library.

Creating is not idempotent, and search sees a new issue only after a while. So each defect carries its key as a label,
and one whose answer was lost is looked up by it once `settle` has passed. Updates leave their sequence on the issue as
a property, in the same request, and are looked up there. Nobody's issue is ever moved or closed: that is for people.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from pydantic import Field

from daemon import http
from daemon.contract import Duration, Settings, WebAddress
from daemon.errors import Ambiguous, Failure, Permanent, Temporary
from daemon.model import Delivery, Json, Receipt, Severity, Verb
from daemon.secret import Secret

_LONGEST_SUMMARY = 255
_LONGEST_DESCRIPTION = 32_000
_LONGEST_LABEL = 255
_PROPERTY = "heliograph"
_PRIORITIES: dict[Severity, str] = {1: "Highest", 2: "High", 3: "Medium", 4: "Low"}


class ActionSettings(Settings):
    url: WebAddress = Field(description="Where Jira is: https://example.atlassian.net")
    user: str = Field(description="The e-mail address of the account that files defects")
    token: Secret = Field(
        description="That account's API token",
        json_schema_extra={
            "get": "id.atlassian.com → Security → API tokens",
            "scopes": "read:jira-work, write:jira-work; Browse and Create issues in the project",
        },
    )
    project: str = Field(description="The key of the project that defects go to")
    issue_type: str = Field("Bug", description="The type that defects have")
    priorities: dict[Severity, str] = Field(_PRIORITIES, description="The name of the priority for each severity, 1-4")
    due_field: str | None = Field(None, description="A date-and-time field for the exact deadline: customfield_10042")
    settle: Duration = Field(timedelta(seconds=90), description="How long search may take to see a new issue")
    deadline: float = Field(6.0, gt=0, description="Seconds that one request may take; a delivery makes at most four")


def action(settings: ActionSettings) -> Tracker:
    return Tracker(settings)


class _Refused(Permanent):
    """A 400, with the fields that it names."""

    def __init__(self, message: str, fields: frozenset[str]) -> None:
        super().__init__("invalid", message)
        self.fields = fields


class Tracker:
    def __init__(self, settings: ActionSettings) -> None:
        self._settings = settings
        self._header = Secret(base64.b64encode(f"{settings.user}:{settings.token.reveal()}".encode()).decode())
        """Known as a secret too, so that a page that shows our own request back tells nothing."""
        self._is_cloud: bool | None = None
        self.settle = settings.settle
        """Not to be asked earlier than this after a lost answer: `find` trusts a search that finds nothing."""

    def probe(self) -> None:
        self._call("GET", "myself")
        types = self._call("GET", f"issue/createmeta/{quote(self._settings.project)}/issuetypes")
        names = [_map(one).get("name") for one in types.get("issueTypes") or types.get("values") or ()]
        if self._settings.issue_type not in names:
            raise Permanent("not_found", f"project {self._settings.project} has no type {self._settings.issue_type}")

    def deliver(self, delivery: Delivery) -> Receipt:
        """Looks first, so that a repeat finds what the first one did, as far as search can see it yet."""
        issue = self._search(delivery.key)
        if issue is not None and self._has_taken(issue, delivery):
            return issue
        if delivery.verb == "open":
            return self._create(delivery)
        if issue is None:
            raise Temporary("not_found", f"no issue is labelled {delivery.key} yet")
        self._change(issue.id, delivery)
        return issue

    def find(self, delivery: Delivery) -> Receipt | None:
        issue = self._search(delivery.key)
        return issue if issue is not None and self._has_taken(issue, delivery) else None

    def _has_taken(self, issue: Receipt, delivery: Delivery) -> bool:
        if delivery.verb == "open":
            return True
        name = _property_name(delivery.verb)
        shown = self._call("GET", f"issue/{issue.id}", params={"fields": "status", "properties": name})
        done = _map(_map(shown.get("properties")).get(name)).get("sequence")
        return isinstance(done, int) and done >= delivery.sequence

    def _create(self, delivery: Delivery) -> Receipt:
        fields = self._fields(delivery)
        properties = [_property(delivery)]
        created = self._without_refused(
            fields, lambda kept: self._call("POST", "issue", json={"fields": kept, "properties": properties})
        )
        if not isinstance(created.get("key"), str):
            raise Ambiguous("bad_answer", "created, it seems, but the answer has no key")
        return self._receipt(created["key"], "created")

    def _change(self, issue: str, delivery: Delivery) -> None:
        body = delivery.body
        rest: dict[str, Json] = {"properties": [_property(delivery)]}
        if note := body.get("note"):
            rest["update"] = {"comment": [{"add": {"body": _plain(str(note))}}]}
        dates = self._dates(body) if delivery.verb == "update" else {}
        self._without_refused(dates, lambda kept: self._call("PUT", f"issue/{issue}", json={"fields": kept, **rest}))

    def _without_refused(self, fields: dict[str, Json], write: Callable[[dict[str, Json]], Json]) -> dict[str, Json]:
        """Writes; if refused for optional fields alone (not on the project's screen), writes once more without."""
        try:
            answer = write(fields)
        except _Refused as refusal:
            kept = self._keep(fields, refusal.fields)
            if kept == fields:
                raise
            answer = write(kept)
        return answer if isinstance(answer, dict) else {}

    def _keep(self, fields: dict[str, Json], refused: frozenset[str]) -> dict[str, Json]:
        """`fields` less the optional ones of `refused`. Of the labels the first stays: it is the key."""
        optional = {"priority", "duedate", "labels", self._settings.due_field}
        if not refused <= optional:
            return fields
        kept = {name: value for name, value in fields.items() if name not in refused}
        return {**kept, "labels": fields["labels"][:1]} if "labels" in fields else kept

    def _fields(self, delivery: Delivery) -> dict[str, Json]:
        body = delivery.body
        fields: dict[str, Json] = {
            "project": {"key": self._settings.project},
            "issuetype": {"name": self._settings.issue_type},
            "summary": _cut(" ".join(str(body["title"]).split()), _LONGEST_SUMMARY),
            "description": _description(body),
            "labels": [delivery.key, *_labels(body)],
        }
        if priority := self._settings.priorities.get(body["severity"]):
            fields["priority"] = {"name": priority}
        return fields | self._dates(body)

    def _dates(self, body: Mapping[str, Json]) -> dict[str, Json]:
        """The due date in UTC, a day without a time; the instant itself where a field for it is configured."""
        if not body.get("due"):
            return {}
        due = datetime.fromisoformat(body["due"]).astimezone(UTC)
        dates = {"duedate": due.date().isoformat()}
        if self._settings.due_field:
            dates[self._settings.due_field] = due.strftime("%Y-%m-%dT%H:%M:%S.000+0000")
        return dates

    def _search(self, label: str) -> Receipt | None:
        """The oldest issue with `label`, wherever people moved it."""
        jql = f"labels = {json.dumps(label)} ORDER BY created ASC"
        answer = self._call("GET", self._search_path(), params={"jql": jql, "fields": "status", "maxResults": 1})
        issues = answer.get("issues")
        if not isinstance(issues, list) or (not issues and answer.get("isLast") is False):
            raise Temporary("bad_answer", "the search did not finish")
        if not issues:
            return None
        key, fields = _map(issues[0]).get("key"), _map(_map(issues[0]).get("fields"))
        if not isinstance(key, str):
            raise Temporary("bad_answer", "the search found an issue without a key")
        return self._receipt(key, str(_map(fields.get("status")).get("name") or "found"))

    def _search_path(self) -> str:
        """The cloud has removed the search that an installation of one's own still needs."""
        if self._is_cloud is None:
            self._is_cloud = self._call("GET", "serverInfo").get("deploymentType") == "Cloud"
        return "search/jql" if self._is_cloud else "search"

    def _receipt(self, key: str, state: str) -> Receipt:
        return Receipt(id=key, url=f"{self._settings.url.rstrip('/')}/browse/{key}", state=state)

    def _call(self, method: str, path: str, **request: Any) -> dict[str, Json]:
        """The answer as a map; one without a body is an empty one."""
        sent = method != "GET"
        client = self._client()
        try:
            response = client._session.request(method, client._get_url(path), **request)
        except OSError as error:
            raise http.translate(error, sent=sent) from None
        finally:
            client.close()
        answer = http.json_of(response, sent=sent) if response.status_code != 204 else {}
        if not isinstance(answer, dict):
            raise (Ambiguous if sent else Temporary)("bad_answer", "the answer is not a JSON object")
        return answer

    def _client(self) -> Any:
        """Asks the server nothing yet. A bad status becomes a failure before the library sees it."""
        from jira import JIRA

        account = (self._settings.user, self._settings.token.reveal())
        client = JIRA(self._settings.url, basic_auth=account, max_retries=0, get_server_info=False, logging=False)
        session: Any = client._session
        session.hooks["response"] = [_judge]
        session.mount("https://", http.Bounded(self._settings.deadline))
        session.mount("http://", http.Bounded(self._settings.deadline))
        return client


def _judge(response: Any, **_: object) -> None:
    sent = response.request.method != "GET"
    try:
        http.raise_for_status(response.status_code, response.headers, response.text, sent=sent)
    except Permanent as failure:
        raise _refusal(response, failure) from None


def _refusal(response: Any, failure: Permanent) -> Failure:
    """A 400 that names its fields, or `failure` as it is."""
    if response.status_code != 400:
        return failure
    try:
        named = http.parse(response.content)["errors"]
    except (ValueError, KeyError, TypeError):
        return failure
    return _Refused(failure.message, frozenset(named)) if named and isinstance(named, dict) else failure


def _map(value: Json) -> Mapping[str, Json]:
    """`value`, or an empty map where the answer has something else."""
    return value if isinstance(value, dict) else {}


def _property_name(verb: Verb) -> str:
    return f"{_PROPERTY}.{verb}"


def _property(delivery: Delivery) -> dict[str, Json]:
    value = {"key": delivery.key, "incident": delivery.body["incident"], "sequence": delivery.sequence}
    return {"key": _property_name(delivery.verb), "value": value}


def _labels(body: Mapping[str, Json]) -> list[str]:
    return [re.sub(r"\s+", "-", str(label))[:_LONGEST_LABEL] for label in body.get("labels") or ()]


def _description(body: Mapping[str, Json]) -> str:
    named = ("incident", "client", "class", "location", "source", "began_at", "opened_at", "due", "runbook")
    lines = [f"{name.replace('_', ' ').capitalize()}: {_plain(str(body[name]))}" for name in named if body.get(name)]
    details = "\n".join(f"{name}: {value}" for name, value in (body.get("details") or {}).items())
    told = [_verbatim(text) for text in (str(body.get("summary") or ""), details) if text]
    link = [f"Heliograph: {body['url']}"] if body.get("url") else []
    return _cut("\n".join([*link, *lines]), _LONGEST_DESCRIPTION // 2) + "".join(f"\n\n{text}" for text in told)


def _verbatim(text: str) -> str:
    """Text from outside, so that none of it is read as markup or names a person."""
    return "{noformat}\n" + _cut(text.replace("{noformat}", ""), _LONGEST_DESCRIPTION // 4 - 50) + "\n{noformat}"


def _plain(text: str) -> str:
    """One line or more in which markup's opening signs are escaped."""
    return re.sub(r"([{\[!])", r"\\\1", _cut(text, _LONGEST_DESCRIPTION // 4))


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
