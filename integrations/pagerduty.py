"""PagerDuty: pages out by Events v2, and what people did with them back by REST. The one file that knows pdpyras.

A trigger is safe to repeat only while its incident is open: after a resolve the same key opens a new incident and
pages again. So a trigger whose answer was lost is looked up first, which takes a REST token.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import Field, field_validator

from daemon import http
from daemon.contract import Facts, Settings, WebAddress
from daemon.errors import Ambiguous, Permanent, Temporary
from daemon.model import Cursor, Delivery, Fact, FactKind, Json, Receipt, Severity, Shift
from daemon.secret import Secret

LONGEST_SUMMARY = 1024
LONGEST_KEY = 255
LARGEST_EVENT = 512 * 1024
_LONGEST_WORD = 255
_DEEPEST_PAGE = 10_000
"""REST refuses offset + limit beyond this."""
_PAGE = 100
_MOST_ON_CALL = 1_000
_CLIENT = "Heliograph"
_WORDS: Mapping[Severity, str] = {1: "critical", 2: "error", 3: "warning", 4: "info"}
_FACTS = {
    "acknowledge_log_entry": FactKind.ACKNOWLEDGED,
    "resolve_log_entry": FactKind.RESOLVED,
    "annotate_log_entry": FactKind.NOTED,
}
_OVERLAP = timedelta(minutes=10)
"""Log entries may become visible after younger ones: each scan starts this much before the end of the last."""
_FIRST_LOOK = timedelta(hours=24)


class ActionSettings(Settings):
    routing_keys: dict[str, Secret] = Field(
        description="Integration keys: `default`, and one for each team that has a service of its own",
        json_schema_extra={"get": "Service → Integrations → Events API V2 → Integration Key", "scopes": "none"},
    )
    api_token: Secret | None = Field(
        None,
        description="To look up a page whose answer was lost, and to learn who acknowledged; without it, neither",
        json_schema_extra={"get": "Integrations → API Access Keys → Create New API Key", "scopes": "read-only"},
    )
    events_url: WebAddress = Field(
        "https://events.pagerduty.com", description="In the EU https://events.eu.pagerduty.com"
    )
    api_url: WebAddress = Field("https://api.pagerduty.com", description="In the EU https://api.eu.pagerduty.com")
    on_call_of: tuple[str, ...] = Field(
        (), description="Ids of the escalation policies whose people on call are shown; none: all that the token sees"
    )
    deadline: float = Field(20.0, gt=0, description="Seconds that one request may take in all")

    @field_validator("routing_keys")
    @classmethod
    def _has_default(cls, keys: dict[str, Secret]) -> dict[str, Secret]:
        if "default" not in keys:
            raise ValueError("must have an entry `default`, for teams without a key of their own")
        return keys


def action(settings: ActionSettings) -> Pager:
    return AskablePager(settings) if settings.api_token else Pager(settings)


def feed(settings: ActionSettings) -> Acknowledgements:
    return Acknowledgements(settings)


class Pager:
    """Pages. Without a REST token it can't be asked what became of one, so a lost answer is followed by a repeat."""

    def __init__(self, settings: ActionSettings) -> None:
        self._settings = settings

    def probe(self) -> None:
        """Resolves what was never opened: dropped by the vendor, but refused if the integration key is bad."""
        for team, key in self._settings.routing_keys.items():
            try:
                self._send(key, "resolve", "hg:probe")
            except Permanent as error:
                raise Permanent(error.reason, f"routing_keys.{team}: {error.message}") from None

    def deliver(self, delivery: Delivery) -> Receipt:
        key = dedup_key(delivery.key)
        routing = self._routing_key(delivery.body)
        if delivery.verb == "open":
            return Receipt(id=self._send(routing, "trigger", key, **_event(delivery.body)))
        if delivery.verb == "close":
            return Receipt(id=self._send(routing, "resolve", key))
        return Receipt(id=key, state="unchanged")

    def _routing_key(self, body: Mapping[str, Json]) -> Secret:
        keys = self._settings.routing_keys
        return keys.get(str(body.get("team", "")), keys["default"])

    def _send(self, routing: Secret, verb: str, key: str, **event: Json) -> str:
        vendor = _vendor()
        made = vendor.EventsAPISession(routing.reveal())
        with _tamed(made, self._settings.events_url, self._settings.deadline) as session:
            try:
                return str(session.send_event(verb, dedup_key=key, **event))
            except vendor.PDServerError:
                raise Ambiguous("bad_answer", "not the answer that the vendor documents") from None
            except vendor.PDClientError as error:
                raise http.translate(error, sent=True) from None


class AskablePager(Pager):
    """A pager with a REST token."""

    settle = timedelta(seconds=10)
    """Events are taken in asynchronously, and REST shows them within seconds. A page cannot wait for certainty: sent
    again too soon it joins the incident that is open, unless somebody took and resolved that within these seconds."""

    def probe(self) -> None:
        super().probe()
        _get(self._settings, "/abilities", {})

    def find(self, delivery: Delivery) -> Receipt | None:
        """The newest incident of this key counts in any state: a person may have resolved it already.

        A token that is refused tells nothing: as without one, paging twice is better than never."""
        key = dedup_key(delivery.key)
        query = {"incident_key": key, "date_range": "all", "sort_by": "created_at:desc", "limit": 1}
        try:
            found = _records(_get(self._settings, "/incidents", query), "incidents")
        except Permanent:
            return None
        if not found or (delivery.verb == "close" and found[0].get("status") != "resolved"):
            return None
        incident = found[0]
        return Receipt(id=str(incident.get("id")), url=incident.get("html_url"), state=str(incident.get("status")))

    def on_call(self, now: datetime) -> tuple[Shift, ...]:
        """Who is on call now, the first to be paged first. REST has a rate limit of its own for this."""
        query: dict[str, Json] = {"earliest": "true", "limit": _PAGE, "offset": 0}
        if self._settings.on_call_of:
            query["escalation_policy_ids[]"] = list(self._settings.on_call_of)
        found: list[Mapping[str, Json]] = []
        more = True
        while more and len(found) < _MOST_ON_CALL:
            answer = _get(self._settings, "/oncalls", query | {"offset": len(found)})
            entries = _records(answer, "oncalls")
            found += entries
            more = bool(entries and answer.get("more"))
        shifts = [_shift(entry) for entry in found]
        return tuple(sorted(dict.fromkeys(shifts), key=lambda shift: (shift.policy, shift.level, shift.person)))


class Acknowledgements:
    """What people did with pages, from the account's log. A key's own resolve is not a person's, so no fact.

    The log is read newest first in a window that stands still while it is paged through. The cursor:
    `since` (end of the last complete window), and within a scan `from`, `until` and `offset`.
    """

    def __init__(self, settings: ActionSettings) -> None:
        self._settings = settings

    def poll(self, since: Cursor | None, now: datetime) -> Facts:
        if self._settings.api_token is None:
            return Facts((), since)
        scan = since if since and "until" in since else _new_scan(since, now)
        query = {
            "since": scan["from"],
            "until": scan["until"],
            "offset": scan["offset"],
            "limit": _PAGE,
            "include[]": ["incidents", "channels"],
        }
        answer = _get(self._settings, "/log_entries", query)
        entries = _records(answer, "log_entries")
        facts = tuple(fact for entry in reversed(entries) if (fact := _fact(entry)))
        if not entries or not answer.get("more"):
            return Facts(facts, {"since": scan["end"]})
        return Facts(facts, _next_page(scan, entries), more=True)


def dedup_key(key: str) -> str:
    """`key` itself, or, beyond the vendor's limit, its beginning and a hash of the whole."""
    if len(key) <= LONGEST_KEY:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f"{key[: LONGEST_KEY - len(digest) - 1]}~{digest}"


def _event(body: Mapping[str, Json]) -> dict[str, Json]:
    """A trigger's fields. Over the size limit the details go first, then the links."""
    event: dict[str, Json] = {"payload": _payload(body), "client": _CLIENT}
    if url := body.get("url"):
        event |= {"client_url": url}
    if links := _links(body):
        event |= {"links": links}
    if _size(event) > LARGEST_EVENT:
        event["payload"]["custom_details"] = {"left_out": "too large for a page"}
    if _size(event) > LARGEST_EVENT:
        event.pop("links", None)
    return event


def _payload(body: Mapping[str, Json]) -> dict[str, Json]:
    payload = {
        "summary": _cut(str(body["title"]), LONGEST_SUMMARY),
        "severity": _WORDS.get(body["severity"], "error"),
        "source": _cut(str(body.get("source") or body.get("location") or _CLIENT), _LONGEST_WORD),
        "timestamp": body.get("began_at") or body.get("opened_at"),
        "component": _word(body, "location"),
        "group": _word(body, "team"),
        "class": _word(body, "class"),
        "custom_details": _details(body),
    }
    return {name: value for name, value in payload.items() if value}


def _details(body: Mapping[str, Json]) -> dict[str, Json]:
    named = ("incident", "client", "summary", "due", "ticket", "goal", "threshold", "runbook")
    details = dict(body.get("details") or {})
    return details | {name: body[name] for name in named if body.get(name)}


def _links(body: Mapping[str, Json]) -> list[dict[str, str]]:
    offered = (("url", _CLIENT), ("runbook", "Runbook"))
    urls = ((str(body.get(name) or ""), text) for name, text in offered)
    return [{"href": url, "text": text} for url, text in urls if url.startswith(("https://", "http://"))]


def _word(body: Mapping[str, Json], name: str) -> str:
    return _cut(str(body.get(name) or ""), _LONGEST_WORD)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _size(event: Mapping[str, Json]) -> int:
    """Bytes as sent, with room for routing key, dedup key and verb."""
    return len(json.dumps(event)) + 1024


def _new_scan(since: Cursor | None, now: datetime) -> dict[str, Json]:
    start = datetime.fromisoformat(since["since"]) - _OVERLAP if since else now - _FIRST_LOOK
    return {"from": start.isoformat(), "until": now.isoformat(), "end": now.isoformat(), "offset": 0}


def _next_page(scan: Mapping[str, Json], entries: list[dict[str, Json]]) -> dict[str, Json]:
    """The next page or, at the vendor's depth limit, the first of a window that ends where this page did."""
    offset = scan["offset"] + len(entries)
    if offset + _PAGE <= _DEEPEST_PAGE:
        return {**scan, "offset": offset}
    oldest = _instant(entries[-1].get("created_at"))
    if oldest is None:
        raise Temporary("bad_answer", "a log entry without an instant")
    until = oldest + timedelta(seconds=1)
    if until >= datetime.fromisoformat(scan["until"]):
        raise Permanent("too_many", f"more than {_DEEPEST_PAGE} log entries in one second")
    return {**scan, "until": until.isoformat(), "offset": 0}


def _fact(entry: Mapping[str, Json]) -> Fact | None:
    """What a person did; None for what the service did, and for an entry that cannot be read."""
    kind = _FACTS.get(str(entry.get("type")))
    agent, incident, channel = (_map(entry.get(name)) for name in ("agent", "incident", "channel"))
    key, at = incident.get("incident_key"), _instant(entry.get("created_at"))
    if kind is None or at is None or not key or not entry.get("id"):
        return None
    if agent.get("type") not in ("user", "user_reference"):
        return None
    said = channel.get("content") or channel.get("summary") or ""
    return Fact(
        kind=kind,
        id=str(entry["id"]),
        key=str(key),
        at=at,
        actor=str(agent.get("summary") or agent.get("id") or ""),
        text=str(said) if kind is FactKind.NOTED else "",
        fields={"incident": incident.get("id"), "url": incident.get("html_url"), "user": agent.get("id")},
    )


def _shift(entry: Mapping[str, Json]) -> Shift:
    user, policy = _map(entry.get("user")), _map(entry.get("escalation_policy"))
    level = entry.get("escalation_level")
    return Shift(
        person=str(user.get("summary") or user.get("id") or ""),
        user=str(user.get("id") or ""),
        policy=str(policy.get("summary") or policy.get("id") or ""),
        level=level if isinstance(level, int) else 1,
        until=_instant(entry.get("end")),
    )


def _map(value: Json) -> Mapping[str, Json]:
    """`value`, or an empty map where the answer has something else."""
    return value if isinstance(value, dict) else {}


def _instant(value: Json) -> datetime | None:
    try:
        instant = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return instant.astimezone(UTC) if instant and instant.tzinfo else None


def _records(answer: Mapping[str, Json], name: str) -> list[dict[str, Json]]:
    records = answer.get(name)
    if not isinstance(records, list) or not all(isinstance(one, dict) for one in records):
        raise Temporary("bad_answer", f"no list of {name} in the answer")
    return records


def _get(settings: ActionSettings, path: str, query: Mapping[str, Json]) -> dict[str, Json]:
    if settings.api_token is None:
        raise Permanent("auth", "api_token is not set")
    vendor = _vendor()
    made = vendor.APISession(settings.api_token.reveal())
    with _tamed(made, settings.api_url, settings.deadline) as session:
        try:
            response = session.get(path, params=dict(query))
        except vendor.PDClientError as error:
            raise http.translate(error, sent=False) from None
    answer = http.json_of(response)
    if not isinstance(answer, dict):
        raise Temporary("bad_answer", "the answer is not a JSON object")
    return answer


def _vendor() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        import pdpyras
    return pdpyras


def _tamed(session: Any, url: str, deadline: float) -> Any:
    """The library's session without its own retry and sleeps: a bad status becomes a failure before it sees it.

    Left to itself it would sleep on every 429, for ever.
    """
    session.url = url.rstrip("/")
    session.retry = {}
    session.max_network_attempts = 0
    session.auth = _no_netrc
    session.hooks["response"] = [_judge]
    session.mount("https://", http.Bounded(deadline))
    session.mount("http://", http.Bounded(deadline))
    return session


def _no_netrc(request: Any) -> Any:
    return request


def _judge(response: Any, **_: object) -> None:
    sent = response.request.method != "GET"
    http.raise_for_status(response.status_code, response.headers, response.text, sent=sent)
