"""What the streams of Sentry share: the account, and its REST API, for sentry-sdk can only send.

Docs: docs.sentry.io/api.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import requests
from pydantic import Field

from daemon import http
from daemon.contract import Duration, Settings, WebAddress
from daemon.errors import Permanent, Temporary
from daemon.model import Json
from daemon.secret import Secret

_LARGEST = 2**53
_REGION = re.compile(r"^https://\w+\.sentry\.io$")


class Account(Settings):
    url: WebAddress = Field("https://us.sentry.io", description="Where Sentry is: your region, or your own host.")
    organization: str = Field(pattern=r"^[\w-]+$", description="The organisation's slug, as in its address.")
    token: Secret = Field(
        description="An auth token that may read issues, and with `stream: crons` alerts.",
        json_schema_extra={
            "get": "Sentry: Settings, Developer Settings, new internal integration",
            "scopes": "event:read, alerts:read",
        },
    )
    projects: tuple[str, ...] = Field((), description="Slugs of the projects to watch; none: all that the token sees.")
    environments: tuple[str, ...] = Field((), description="Environments to watch; none: all.")
    lateness: Duration = Field(timedelta(minutes=1), description="How late an event may show in Sentry's search.")
    deadline: float = Field(20.0, gt=0, description="Seconds that one request may take in all.")


class Api:
    """One resource of an organisation: `issues`, `monitors`. `scope` is what the token needs to read it."""

    def __init__(self, account: Account, resource: str, scope: str) -> None:
        self._account = account
        self._root = f"{account.url}/api/0/organizations/{account.organization}/{resource}/"
        self._scope = scope
        self._session = http.session(account.deadline)

    @property
    def pages(self) -> str:
        """Where a person reads of the organisation; a region's host serves programs alone."""
        host = _REGION.sub("https://sentry.io", self._account.url)
        return f"{host}/organizations/{self._account.organization}"

    def page(self, query: dict[str, Any], path: str = "") -> tuple[list[Json], str | None]:
        """The rows, and the token of the next page if there is one."""
        response = self._get(path, query)
        rows = http.json_of(response)
        following = response.links.get("next", {})
        if not isinstance(rows, list) or following.get("results") not in ("true", "false"):
            raise Temporary("bad_answer", "Sentry's answer is not a list with a Link header")
        if following["results"] == "false":
            return rows, None
        return rows, following.get("cursor") or _token_missing()

    def one(self, path: str, query: dict[str, Any]) -> Json:
        return http.json_of(self._get(path, query))

    def _get(self, path: str, query: dict[str, Any]) -> requests.Response:
        headers = {"Authorization": f"Bearer {self._account.token.reveal()}", "Accept": "application/json"}
        try:
            response = self._session.get(self._root + path, params=query, headers=headers)
        except requests.RequestException as error:
            raise http.translate(error, sent=False) from None
        try:
            http.raise_for_status(response.status_code, response.headers, response.text, sent=False)
        except Permanent as error:
            raise Permanent(error.reason, f"{error.message}{self._hint(error.reason)}") from None
        return response

    def _hint(self, reason: str) -> str:
        if reason == "auth":
            return (
                f". The token must be valid and have the scope {self._scope}; make one in Sentry under"
                " Settings, Developer Settings, new internal integration"
            )
        if reason == "not_found":
            slug = self._account.organization
            return f". Is '{slug}' the organisation's slug, and has the token {self._scope} there?"
        return ""


def _token_missing() -> NoReturn:
    raise Temporary("bad_answer", "Sentry says that there is a next page, but not which")


def whole(value: Json) -> int:
    """Sentry writes counts as texts. Raises ValueError for what is no count."""
    number = int(value)
    if not 0 <= number < _LARGEST:
        raise ValueError(f"{str(value)[:80]} is out of range")
    return number


def read(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)


def written(instant: datetime) -> str:
    """Always with microseconds, so that texts compare as instants do."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
