"""A signed webhook: in as a source (pushed to `/hooks/<name>`), out as an action.

Both directions sign alike: `X-Heliograph-Signature: v1=<hex HMAC-SHA256 of the raw body>`, more than one separated by
commas while a secret is being changed. The signature covers the body alone, so a body sent again is known by its id.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import AfterValidator, Field, JsonValue

from daemon import http
from daemon.contract import MISSHAPEN, Batch, Example, Settings, Unreadable, WebAddress, unreadable
from daemon.errors import Permanent
from daemon.model import Cursor, Delivery, Json, Polarity, Receipt, Signal
from daemon.secret import Secret

SIGNATURE = "X-Heliograph-Signature"
DELIVERY = "X-Heliograph-Delivery"
SHORTEST_SECRET = 32
LARGEST_BODY = 1_000_000
DEEPEST_BODY = 50
_LOOKED_AT = 10
"""Bodies of a recording by which it is known for ours: one of them may be spoilt."""
_MOST_SIGNATURES = 8
"""More than a change of secrets needs, and few enough to be cheap to refuse."""

EXAMPLE = Example({"name": "shop", "status": "down"}, ("status", "down"), "up", "name")


def _long_enough(secret: Secret) -> Secret:
    if len(secret.reveal()) < SHORTEST_SECRET:
        raise ValueError(f"must have at least {SHORTEST_SECRET} characters; make one with: openssl rand -hex 32")
    return secret


SigningSecret = Annotated[Secret, AfterValidator(_long_enough)]
_GET: dict[str, JsonValue] = {"get": "openssl rand -hex 32, and give the other side the same", "scopes": "none"}


class SourceSettings(Settings):
    secrets: list[SigningSecret] = Field(
        min_length=1,
        max_length=4,
        description="Any of these may have signed: two of them while changing",
        json_schema_extra=_GET,
    )
    kind: str = Field("webhook", description="The kind that its signals carry, which rules match on")
    id: str = Field("id", description="Where in the body each push says its own id; without one, the body's hash is it")
    at: str = Field("at", description="Where the body says when it happened: ISO 8601 or Unix seconds; else on arrival")
    polarity: str = Field("status", description="Where the body says whether it broke or recovered")
    broken: list[str] = Field(["broken", "firing", "down", "open"], description="Words there that mean: it broke")
    recovered: list[str] = Field(["recovered", "resolved", "up", "ok"], description="Words that mean: it recovered")
    url: str = Field("url", description="Where the body has a link for people")


class ActionSettings(Settings):
    url: WebAddress = Field(description="Where deliveries are posted to")
    secret: SigningSecret = Field(json_schema_extra=_GET, description="What signs each delivery")
    deadline: float = Field(20.0, gt=0, description="Seconds that one request may take in all")


def source(name: str, settings: SourceSettings) -> Webhook:
    return Webhook(name, settings)


def action(settings: ActionSettings) -> Poster:
    return Poster(settings)


def recorded(name: str, document: Json) -> Iterable[Signal | Unreadable] | None:
    """Of a body, or a list of them, that says its `id` and `at`: what is without them says nothing of when it came."""
    bodies = document if isinstance(document, list) else [document]
    if not any(isinstance(body, dict) and {"id", "at"} <= body.keys() for body in bodies[:_LOOKED_AT]):
        return None
    return Webhook(name, SourceSettings.model_construct(secrets=[])).reread(bodies)


def sign(body: bytes, secret: Secret) -> str:
    return "v1=" + hmac.new(secret.reveal().encode(), body, hashlib.sha256).hexdigest()


def is_signed(header: str, body: bytes, secrets: Iterable[Secret]) -> bool:
    """Whether any signature in `header` was made by any of `secrets`. Takes as long whichever of them it was."""
    offered = [part.strip().encode() for part in header.split(",")[:_MOST_SIGNATURES]]
    expected = [sign(body, secret).encode() for secret in secrets]
    return sum(hmac.compare_digest(ours, theirs) for ours in expected for theirs in offered) > 0


class Webhook:
    """A source that is only pushed to: its polls find nothing."""

    def __init__(self, name: str, settings: SourceSettings) -> None:
        self._name = name
        self._settings = settings

    def probe(self) -> None:
        """Nothing to ask: the other side calls us."""

    def poll(self, since: Cursor | None, now: datetime) -> Batch:
        return Batch(signals=(), next=since, watermark=now)

    def receive(self, headers: Any, body: bytes, now: datetime) -> tuple[Signal, ...]:
        if len(body) > LARGEST_BODY:
            raise Permanent("too_large")
        if not is_signed(_header(headers, SIGNATURE), body, self._settings.secrets):
            raise Permanent("signature")
        return (self._signal(_read(body), body, now),)

    def reread(self, bodies: Iterable[Json]) -> Iterator[Signal | Unreadable]:
        """Of bodies that were taken in before, and say themselves when they came."""
        for body in bodies:
            try:
                at = _instant(body["at"])
                if at is None:
                    raise ValueError("its 'at' is no instant")
                yield self._signal(body, json.dumps(body).encode(), at)
            except MISSHAPEN as error:
                yield unreadable(error, body)

    def _signal(self, fields: Mapping[str, Json], body: bytes, now: datetime) -> Signal:
        url = _at(fields, self._settings.url)
        return Signal(
            source=self._name,
            type="webhook",
            kind=self._settings.kind,
            id=_id(_at(fields, self._settings.id), body),
            at=min(_instant(_at(fields, self._settings.at)) or now, now),
            fields=fields,
            polarity=self._polarity(_at(fields, self._settings.polarity)),
            url=url if isinstance(url, str) else None,
        )

    def _polarity(self, word: Json) -> Polarity:
        if word in self._settings.broken:
            return Polarity.BROKEN
        return Polarity.RECOVERED if word in self._settings.recovered else Polarity.NONE


class Poster:
    """Posts deliveries. The receiver must take the same `X-Heliograph-Delivery` once, however often it comes."""

    def __init__(self, settings: ActionSettings) -> None:
        self._settings = settings

    def probe(self) -> None:
        """Whether something answers there. What it answers to HEAD says nothing about POST."""
        try:
            with http.session(self._settings.deadline) as session:
                status = session.head(self._settings.url).status_code
        except OSError as error:
            raise http.translate(error, sent=False) from None
        if status >= 500:
            http.raise_for_status(status, {}, "", sent=False)

    def deliver(self, delivery: Delivery) -> Receipt:
        name = f"{delivery.key}:{delivery.verb}:{delivery.sequence}"
        body = _write(delivery)
        headers = {
            "Content-Type": "application/json",
            SIGNATURE: sign(body, self._settings.secret),
            DELIVERY: quote(name, safe=":-_./"),
        }
        try:
            with http.session(self._settings.deadline) as session:
                answer = session.post(self._settings.url, data=body, headers=headers)
                http.raise_for_status(answer.status_code, answer.headers, answer.text, sent=True)
        except OSError as error:
            raise http.translate(error, sent=True) from None
        return Receipt(id=name)


def _write(delivery: Delivery) -> bytes:
    said = {name: getattr(delivery, name) for name in ("role", "verb", "key", "sequence")}
    return json.dumps({**said, "body": dict(delivery.body)}).encode()


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value for key, value in headers.items() if key.lower() == name.lower()), "")


def _read(body: bytes) -> dict[str, Json]:
    try:
        value = http.parse(body)
    except ValueError:
        raise Permanent("invalid", "the body is not JSON") from None
    if not isinstance(value, dict):
        raise Permanent("invalid", "the body is not a JSON object")
    if _deeper_than(value, DEEPEST_BODY):
        raise Permanent("invalid", f"the body is nested deeper than {DEEPEST_BODY}")
    return value


def _deeper_than(value: Json, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return False
    return any(isinstance(item, dict | list) for item in level)


def _children(value: Json) -> Iterable[Json]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _at(fields: Json, path: str) -> Json:
    """The value at a dotted path, or None."""
    for name in path.split("."):
        fields = fields.get(name) if isinstance(fields, dict) else None
    return fields


def _id(value: Json, body: bytes) -> str:
    given = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return given if 0 < len(given) <= 255 else hashlib.sha256(body).hexdigest()


def _instant(value: Json) -> datetime | None:
    """None for what cannot be read as one. An instant without a zone is UTC."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        when = datetime.fromisoformat(value) if isinstance(value, str) else None
        return when and (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
