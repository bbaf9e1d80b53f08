"""What the streams of Datadog share: its own client, whose answers we read ourselves, for the client takes a wrong type
for no error. The only file that imports datadog_api_client. Docs: docs.datadoghq.com/api/latest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, cast

import requests

from daemon import http
from daemon.errors import Temporary
from daemon.model import Json
from daemon.secret import Secret, redact

_LARGEST_ANSWER = 16_000_000
_LARGEST = 2**53


@dataclass(frozen=True, slots=True)
class Whose:
    """Of which source signals are, and where Datadog's pages are."""

    source: str
    app: str


@dataclass(frozen=True, slots=True)
class Part:
    """What is asked of a search: a page of at most `size` rows, from `start` to `to`, both ends counted. Without a time
    it is the last quarter of an hour. A token is good for the very same question only.
    """

    size: int
    start: datetime | None = None
    to: datetime | None = None
    token: str = ""

    @property
    def page(self) -> dict[str, Json]:
        return {"limit": self.size, **({"cursor": self.token} if self.token else {})}

    @property
    def millis(self) -> dict[str, Json]:
        times = {"_from": self.start, "to": self.to}
        return {name: str(int(at.timestamp() * 1000)) for name, at in times.items() if at}

    @property
    def instants(self) -> dict[str, datetime]:
        times = {"_from": self.start, "to": self.to}
        return {name: at.astimezone(UTC) for name, at in times.items() if at}


class Api:
    """Raises Temporary or Permanent. Sends each request once and under a total deadline, in seconds."""

    def __init__(self, host: str, api_key: Secret, app_key: Secret, deadline: float) -> None:
        self._host = host
        self._keys = {"apiKeyAuth": api_key, "appKeyAuth": app_key}
        self._session = http.session(deadline, max_bytes=_LARGEST_ANSWER)

    def monitors(self, number: int, size: int, tags: Sequence[str]) -> list[Json]:
        """A page of them, from number 0, each with its groups."""
        from datadog_api_client.v1.api.monitors_api import MonitorsApi

        narrowed = {"monitor_tags": ",".join(tags)} if tags else {}
        api: Any = cast(Any, MonitorsApi)(self._client)
        return _rows(http.json_of(api.list_monitors(group_states="all", page=number, page_size=size, **narrowed)))

    def events(self, query: str, part: Part) -> Json:
        from datadog_api_client.v2.api.events_api import EventsApi
        from datadog_api_client.v2.model.events_list_request import EventsListRequest
        from datadog_api_client.v2.model.events_query_filter import EventsQueryFilter
        from datadog_api_client.v2.model.events_request_page import EventsRequestPage
        from datadog_api_client.v2.model.events_sort import EventsSort

        body = EventsListRequest(
            filter=EventsQueryFilter(query=query, **part.millis),
            page=EventsRequestPage(**part.page),
            sort=EventsSort.TIMESTAMP_ASCENDING,
        )
        api: Any = cast(Any, EventsApi)(self._client)
        return http.json_of(api.search_events(body=body))

    def logs(self, query: str, indexes: Sequence[str], part: Part) -> Json:
        from datadog_api_client.v2.api.logs_api import LogsApi
        from datadog_api_client.v2.model.logs_list_request import LogsListRequest
        from datadog_api_client.v2.model.logs_list_request_page import LogsListRequestPage
        from datadog_api_client.v2.model.logs_query_filter import LogsQueryFilter
        from datadog_api_client.v2.model.logs_sort import LogsSort

        body = LogsListRequest(
            filter=LogsQueryFilter(query=query, indexes=list(indexes), **part.millis),
            page=LogsListRequestPage(**part.page),
            sort=LogsSort.TIMESTAMP_ASCENDING,
        )
        api: Any = cast(Any, LogsApi)(self._client)
        return http.json_of(api.list_logs(body=body))

    def security_signals(self, query: str, part: Part) -> Json:
        from datadog_api_client.v2.api.security_monitoring_api import SecurityMonitoringApi
        from datadog_api_client.v2.model import security_monitoring_signal_list_request as request
        from datadog_api_client.v2.model import security_monitoring_signal_list_request_filter as filters
        from datadog_api_client.v2.model import security_monitoring_signal_list_request_page as pages
        from datadog_api_client.v2.model.security_monitoring_signals_sort import SecurityMonitoringSignalsSort

        body = request.SecurityMonitoringSignalListRequest(
            filter=filters.SecurityMonitoringSignalListRequestFilter(query=query, **part.instants),
            page=pages.SecurityMonitoringSignalListRequestPage(**part.page),
            sort=SecurityMonitoringSignalsSort.TIMESTAMP_ASCENDING,
        )
        api: Any = cast(Any, SecurityMonitoringApi)(self._client)
        return http.json_of(api.search_security_monitoring_signals(body=body))

    @cached_property
    def _client(self) -> Any:
        """Makes the requests; our session sends them."""
        from datadog_api_client import ApiClient, Configuration

        keys = {name: key.reveal() for name, key in self._keys.items()}
        configuration: Any = cast(Any, Configuration)(host=self._host, api_key=keys, enable_retry=False)
        configuration.preload_content = False
        client = ApiClient(configuration)
        client.close()
        client.rest_client = _Sender(self._session)
        return client


class _Sender:
    """Sends what Datadog's client made, in place of its own sender, which keeps no total deadline."""

    def __init__(self, session: requests.Session) -> None:
        self._session = session

    def request(
        self,
        method: str,
        url: str,
        query_params: Any = None,
        headers: Any = None,
        body: Any = None,
        post_params: Any = None,
        preload_content: bool = False,
        request_timeout: Any = None,
    ) -> requests.Response:
        try:
            response = self._session.request(method, url, params=query_params, headers=headers, json=body)
        except requests.RequestException as error:
            raise http.translate(error, sent=False) from None
        http.raise_for_status(response.status_code, response.headers, response.text, sent=False)
        return response


def found(answer: Json) -> tuple[list[Json], str | None]:
    """The rows of a search's answer, and the token of the next page if there is one: only a page without rows is
    certain to be the last. An answer that says that it is not whole is a failure."""
    rows = _rows(answer.get("data") if isinstance(answer, dict) else None)
    after = _after(answer.get("meta"))
    return rows, after if rows else None


def _rows(answer: Json) -> list[Json]:
    if not isinstance(answer, list):
        raise Temporary("bad_answer", "Datadog's answer has no list of what was asked for")
    return answer


def _after(meta: Json) -> str | None:
    meta = meta if isinstance(meta, dict) else {}
    if meta.get("status", "done") != "done" or meta.get("warnings"):
        detail = f"status {meta.get('status')}, warnings {meta.get('warnings')}"
        raise Temporary("incomplete", redact(f"Datadog's answer is not whole: {detail}"[:300]))
    after = (meta.get("page") or {}).get("after")
    return str(after) if after else None


def named(value: Json) -> str:
    """Raises ValueError where a name is needed and there is none."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"{str(value)[:80]!r} is no name")
    return value


def whole(value: Json) -> int:
    """A number, be it written as a text. Raises ValueError or TypeError."""
    number = int(value)
    if not 0 <= number < _LARGEST:
        raise ValueError(f"{str(value)[:80]} is out of range")
    return number


def instant(text: str) -> datetime:
    """Raises ValueError or TypeError."""
    read = datetime.fromisoformat(text)
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)


def written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
