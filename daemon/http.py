"""Every call outside goes through here: a total deadline, a cap on bytes, no redirect, no retry.

    session(…)           a `requests.Session` that keeps these
    Bounded(…)           the adapter that does it, for vendor libraries that bring a session of their own
    raise_for_status(…)  a status → the failure it means
    translate(…)         an exception of the transport → the failure it means
    Allowance()          what vendors say meanwhile of how many more calls they take
    json_of(…)           the answer, or the failure that it is not JSON

`sent` says whether the call was a write: what may have been done although its answer was lost is `Ambiguous` then,
and only `Temporary` for a read. Error texts name host and path, never the query or a header.
"""

from __future__ import annotations

import io
import json
import math
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Self
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from daemon.clock import SystemClock
from daemon.errors import Ambiguous, Failure, Permanent, Temporary
from daemon.model import Json
from daemon.secret import redact

_CLOCK = SystemClock()
_CHUNK = 65_536
_LONGEST_WAIT = timedelta(hours=1)
_LONGEST_ERROR = 300
_REMAINING = ("x-sentry-rate-limit-remaining", "x-ratelimit-remaining", "ratelimit-remaining")
_EPOCH_SECONDS = 1_000_000_000
"""A reset above this is an instant since 1970, below it a number of seconds from now."""


class TooLarge(requests.RequestException):
    """The body, once decompressed, is over the cap."""


class _Budget(threading.local):
    """What is left of the request that this thread is making; a request never changes threads."""

    ends: float = float("inf")
    monotonic: Callable[[], float] = staticmethod(_CLOCK.monotonic)

    def left(self) -> float:
        seconds = self.ends - self.monotonic()
        if seconds <= 0:
            raise TimeoutError("the total deadline has passed")
        return seconds


_budget = _Budget()


class _TimedReader(io.RawIOBase):
    """Reads a socket so that all its reads together keep the deadline, however slowly the bytes drip in."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(_budget.left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedSocket:
    """A connected socket whose reads and writes keep the deadline."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def makefile(self, *_: object, **__: object) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._sock))

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(_budget.left())
        self._sock.sendall(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class _Connecting:
    """Tells a failure before anything was sent from one after, and puts the timed socket in."""

    sock: Any

    def connect(self) -> None:
        try:
            super().connect()  # type: ignore[misc]
            self.sock = _TimedSocket(self.sock)
        except ssl.SSLError as error:
            raise urllib3.exceptions.NewConnectionError(self, f"TLS: {error}") from error  # type: ignore[arg-type]
        except TimeoutError as error:
            raise urllib3.exceptions.ConnectTimeoutError(self, "no connection in time") from error


class _Plain(_Connecting, HTTPConnection):
    pass


class _Secure(_Connecting, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


_POOLS = {"http": _PlainPool, "https": _SecurePool}


class Bounded(HTTPAdapter):
    """Mount it on any `requests.Session`. `deadline` is counted per request, from connecting to the last byte."""

    def __init__(
        self,
        deadline: float = 20.0,
        max_bytes: int = 4_000_000,
        monotonic: Callable[[], float] = _CLOCK.monotonic,
    ) -> None:
        self._deadline = deadline
        self._max_bytes = max_bytes
        self._monotonic = monotonic
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        _budget.monotonic = self._monotonic
        _budget.ends = self._monotonic() + self._deadline
        try:
            response = super().send(request, True, self._deadline, verify, cert, proxies)
            if _listening.heard is not None:
                _listening.heard.hear(response.headers)
            self._read(response)
        except requests.RequestException as error:
            error.request = request
            raise
        return _without_redirect(response)

    def _read(self, response: requests.Response) -> None:
        body = bytearray()
        for chunk in response.iter_content(_CHUNK):
            body += chunk
            if len(body) > self._max_bytes:
                response.close()
                raise TooLarge(f"the answer is over {self._max_bytes} bytes")
        response._content = bytes(body)


class Allowance:
    """While this thread is within it, what vendors say of how many more calls they take.

    `remaining` is the least that was said: one budget is often divided by endpoint. None: nothing was said.
    """

    def __init__(self) -> None:
        self.remaining: int | None = None

    def __enter__(self) -> Self:
        _listening.heard = self
        return self

    def __exit__(self, *_: object) -> None:
        _listening.heard = None

    def hear(self, headers: Mapping[str, str]) -> None:
        said = (headers.get(name, "") for name in _REMAINING)
        known = [int(text) for text in said if re.fullmatch(r"\d{1,9}", text)]
        if known:
            self.remaining = min([*known, *([] if self.remaining is None else [self.remaining])])


class _Listening(threading.local):
    heard: Allowance | None = None


_listening = _Listening()


def _without_redirect(response: requests.Response) -> requests.Response:
    """A redirect with nowhere to go: no session that mounts this follows one, and the credential stays here."""
    if response.is_redirect:
        del response.headers["location"]
    return response


def session(deadline: float = 20.0, max_bytes: int = 4_000_000) -> requests.Session:
    """For one integration. Never takes a credential from a netrc file; proxies of the environment hold."""
    made = requests.Session()
    made.mount("https://", Bounded(deadline, max_bytes))
    made.mount("http://", Bounded(deadline, max_bytes))
    made.auth = lambda request: request
    return made


def call(url: str, deadline: float) -> None:
    """One GET, whose answer is only whether it arrived. Raises Temporary or Permanent."""
    try:
        answer = session(deadline).get(url)
    except requests.RequestException as error:
        raise translate(error, sent=False) from None
    raise_for_status(answer.status_code, answer.headers, answer.text, sent=False)


def raise_for_status(status: int, headers: Mapping[str, str], body: str, *, sent: bool) -> None:
    """Returns on 2xx, else raises what the status means."""
    if 200 <= status < 300:
        return
    message = f"HTTP {status}" + (f": {shown}" if (shown := _shown(body)) else "")
    if status >= 500:
        raise _lost("server_error", message, sent, _after(headers))
    if status == 429:
        raise Temporary("rate_limited", message, _after(headers))
    if status in (408, 409, 425):
        raise Temporary("conflict" if status == 409 else "timeout", message, _after(headers))
    raise Permanent(_reason(status), message)


def _reason(status: int) -> str:
    if status in (401, 403):
        return "auth"
    if status in (404, 410):
        return "not_found"
    return "redirect" if 300 <= status < 400 else "invalid"


def _lost(reason: str, message: str, sent: bool, after: timedelta | None = None) -> Failure:
    return Ambiguous(reason, message) if sent else Temporary(reason, message, after)


def _shown(body: str) -> str:
    """What a person may see of an error's body: its words, without markup, secrets and line ends."""
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", redact(body[:4_000]))).strip()
    return text if len(text) <= _LONGEST_ERROR else text[:_LONGEST_ERROR] + "…"


def _after(headers: Mapping[str, str]) -> timedelta | None:
    """How long the vendor asks us to wait, in any of the ways that vendors say it; at most an hour."""
    lower = {name.lower(): value.strip() for name, value in headers.items()}
    now = _instant(lower.get("date", "")) or _CLOCK.now()
    for name in ("retry-after", "x-sentry-rate-limit-reset", "x-ratelimit-reset", "ratelimit-reset"):
        wait = _wait(lower.get(name, ""), now)
        if wait is not None:
            return min(max(wait, timedelta(0)), _LONGEST_WAIT)
    return None


def _wait(text: str, now: datetime) -> timedelta | None:
    if re.fullmatch(r"\d{1,12}(\.\d+)?", text):
        seconds = float(text)
        return timedelta(seconds=seconds - now.timestamp() if seconds > _EPOCH_SECONDS else seconds)
    instant = _instant(text)
    return instant - now if instant else None


def _instant(text: str) -> datetime | None:
    """An HTTP date or an ISO one."""
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            instant = read(text)
        except (ValueError, TypeError, IndexError):
            continue
        return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return None


_INVALID = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidHeader,
    urllib3.exceptions.LocationValueError,
)
_UNREACHABLE = (
    requests.exceptions.ConnectTimeout,
    requests.exceptions.ProxyError,
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.ProxyError,
    ConnectionRefusedError,
    socket.gaierror,
)
_BAD_ANSWER = (TooLarge, requests.exceptions.ContentDecodingError, urllib3.exceptions.DecodeError)
_TIMEOUT = (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)


def translate(error: Exception, *, sent: bool) -> Failure:
    """What an exception of requests, urllib3 or the socket means; a `Failure` is handed back as it is."""
    chain = tuple(_chain(error))
    message = f"{_where(chain)}{_shown(_kind(chain))}"
    if isinstance(error, Failure):
        return error
    if _any(chain, _INVALID):
        return Permanent("invalid", message)
    if _any(chain, _UNREACHABLE):
        return Temporary("tls" if _any(chain, (ssl.SSLError,)) else "unreachable", message)
    if _any(chain, _BAD_ANSWER):
        return _lost("bad_answer", message, sent)
    return _lost("timeout" if _any(chain, _TIMEOUT) else "connection_lost", message, sent)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and all that it wraps, each once: causes, urllib3's `reason`, and exceptions among the arguments."""
    waiting: list[Any] = [error]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]


def _any(chain: tuple[BaseException, ...], kinds: tuple[type[BaseException], ...]) -> bool:
    return any(isinstance(one, kinds) for one in chain)


def _where(chain: tuple[BaseException, ...]) -> str:
    for one in chain:
        url = getattr(getattr(one, "request", None), "url", None)
        if url:
            return f"{address(url)}: "
    return ""


def _kind(chain: tuple[BaseException, ...]) -> str:
    """The innermost error in its own words if it is the system's; the wrappers' words carry URLs with queries."""
    for one in reversed(chain):
        if isinstance(one, (OSError, TooLarge)) and not isinstance(one, requests.RequestException | ssl.SSLError):
            return one.strerror or str(one) or type(one).__name__
    return type(chain[0]).__name__


def address(url: str) -> str:
    """Host and path, which may be shown; never the user, the query or the fragment."""
    parts = urlsplit(url)
    return redact(f"{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}")


def json_of(response: requests.Response, *, sent: bool = False) -> Json:
    """The body as JSON. HTML, an empty body, half a JSON: `bad_answer`."""
    try:
        return parse(response.content)
    except ValueError as error:
        kind = response.headers.get("content-type", "no content type")
        message = f"{address(response.url)}: not JSON ({kind}, {len(response.content)} bytes)"
        raise _lost("bad_answer", message, sent) from error


def parse(text: str | bytes) -> Json:
    """Strict JSON that any database can hold: NaN and infinity are refused, NUL and lone surrogates are
    replaced. Raises ValueError."""
    try:
        whole = text if isinstance(text, str) else text.decode(json.detect_encoding(text), "surrogatepass")
        value = _JSON.decode(whole)
        return _storable(value) if "\\u" in whole else value
    except RecursionError as error:
        raise ValueError("too deep") from error


def _finite(text: str) -> float:
    if math.isfinite(number := float(text)):
        return number
    raise ValueError(f"{text} is not a number that JSON can say")


_JSON = json.JSONDecoder(parse_constant=_finite, parse_float=_finite)
"""Made once: `json.loads` makes one for each text."""


def _storable(value: Json) -> Json:
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_storable(one) for one in value]
    if isinstance(value, dict):
        return {_storable(key): _storable(one) for key, one in value.items()}
    return value
