"""What every simulated vendor stands on: requests, routes, faults, a page of what it received, and a real HTTP server.

A vendor is plain state behind one lock; `Server` puts it on a socket. Time is told: `now` is handed in.
"""

from __future__ import annotations

import html
import json
import re
import select
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self, TypeVar
from urllib.parse import parse_qs, urlsplit

Json = Any
Now = Callable[[], datetime]
Handler = TypeVar("Handler", bound=Callable[..., "Response"])

STATUS_FAULTS = frozenset({"400", "401", "403", "404", "429", "500", "502", "503", "504"})
FAULTS = STATUS_FAULTS | {
    "html",  # a proxy's page with status 200
    "empty",  # status 200, no body
    "half",  # processed; half the body, told as if it were whole
    "truncated",  # processed; half the body, then the connection closes
    "refuse",  # the connection closes before the request is read
    "lost",  # processed, then the connection closes without an answer
    "processed-500",  # processed, then the answer is 500
    "hang",  # the socket is held until the client goes or the server stops
    "slow",  # processed after SLOW_SECONDS
}
SLOW_SECONDS = 1.0
RECEIVED_KEPT = 200


class Headers(Mapping[str, str]):
    """Case-insensitive."""

    def __init__(self, items: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        pairs = items.items() if isinstance(items, Mapping) else items
        self._items = {name.lower(): value for name, value in pairs}

    def __getitem__(self, name: str) -> str:
        return self._items[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    query: Mapping[str, list[str]] = field(default_factory=dict)
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""

    def json(self) -> Json:
        """Raises ValueError, which a vendor answers as a 400 of its own shape."""
        return json.loads(self.body or b"null")

    def arg(self, name: str, default: str = "") -> str:
        """The first value of a query parameter."""
        return next(iter(self.query.get(name, ())), default)


@dataclass(frozen=True, slots=True)
class Response:
    status: int = 200
    body: bytes | Json = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()

    def with_headers(self, headers: Mapping[str, str]) -> Response:
        return Response(self.status, self.body, {**headers, **self.headers})


class Refused(Exception):
    """Raised inside a route to answer at once."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


@dataclass(slots=True)
class Fault:
    endpoint: re.Pattern[str]
    kind: str
    left: int | None


class Faults:
    """What goes wrong, by endpoint: a regular expression searched in `METHOD /path`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._active: list[Fault] = []

    def add(self, endpoint: str, kind: str, times: int | None = None) -> None:
        """`times` None: until cleared. Raises ValueError for an unknown kind or a bad expression."""
        if kind not in FAULTS:
            raise ValueError(f"unknown fault '{kind}'; one of {', '.join(sorted(FAULTS))}")
        try:
            pattern = re.compile(endpoint)
        except re.error as error:
            raise ValueError(f"endpoint '{endpoint}' is not a regular expression: {error}") from error
        with self._lock:
            self._active.append(Fault(pattern, kind, times))

    def clear(self) -> None:
        with self._lock:
            self._active.clear()

    def take(self, request: str) -> str | None:
        """The fault that meets this request, which uses up one of its times."""
        with self._lock:
            fault = next((f for f in self._active if f.endpoint.search(request)), None)
            if fault is None:
                return None
            if fault.left is not None:
                fault.left -= 1
                if fault.left <= 0:
                    self._active.remove(fault)
            return fault.kind

    def rows(self) -> list[tuple[str, str, str]]:
        with self._lock:
            return [
                (fault.endpoint.pattern, fault.kind, "until cleared" if fault.left is None else str(fault.left))
                for fault in self._active
            ]


_MARK = "_lab_routes"


def route(method: str, path: str) -> Callable[[Handler], Handler]:
    """Marks a vendor's method as the answer to requests whose whole path matches the regular expression `path`.

    Named groups become keyword arguments.
    """

    def mark(handler: Handler) -> Handler:
        setattr(handler, _MARK, [*getattr(handler, _MARK, []), (method, re.compile(path))])
        return handler

    return mark


@dataclass(frozen=True, slots=True)
class Sent:
    """A signal that the vendor produced."""

    id: str
    at: datetime
    source: str
    visible_at: datetime | None = None
    """When the vendor's API shows it; None: at once."""


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


class Vendor:
    """Base of a simulated vendor. State is touched only under `lock`, which a request holds while it is processed."""

    name: ClassVar[str] = "vendor"
    _routes: ClassVar[list[tuple[str, re.Pattern[str], str]]] = []

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        own = [
            (method, pattern, name)
            for name, member in vars(cls).items()
            for method, pattern in getattr(member, _MARK, [])
        ]
        cls._routes = own + cls._routes

    def __init__(self, now: Now) -> None:
        self.now = now
        self.lock = threading.RLock()
        self.faults = Faults()
        self.sent: list[Sent] = []
        self.received: deque[tuple[datetime, str, str, int | str]] = deque(maxlen=RECEIVED_KEPT)

    def handle(self, request: Request) -> Response:
        with self.lock:
            try:
                refusal = self.guard(request)
                return refusal or self._dispatch(request)
            except Refused as refused:
                return refused.response
            except ValueError:
                return self.failure(400)

    def _dispatch(self, request: Request) -> Response:
        for method, pattern, name in self._routes:
            match = pattern.fullmatch(request.path)
            if match and method == request.method:
                response: Response = getattr(self, name)(request, **match.groupdict())
                return response
        return self.failure(404)

    def guard(self, request: Request) -> Response | None:
        """The vendor's check of credentials: a response refuses the request."""
        return None

    def failure(self, status: int) -> Response:
        """An error in the vendor's own shape, with the headers that it would have."""
        return Response(status, {"error": status})

    def next_at(self) -> datetime | None:
        """When the vendor will next do something by itself."""
        return None

    def tick(self, now: datetime) -> None:
        """Does what is due by itself."""

    def tables(self) -> list[Table]:
        """What the page shows."""
        return []

    def page(self) -> str:
        with self.lock:
            tables = [*self.tables(), Table("Faults", ("endpoint", "kind", "times left"), self.faults.rows())]
            requests = [(f"{at:%H:%M:%S}", *rest) for at, *rest in reversed(self.received)]
            tables.append(Table("Requests, newest first", ("at", "method", "path", "answer"), requests))
        return _PAGE.format(name=html.escape(self.name), tables="".join(_table(t) for t in tables))

    def note(self, request: Request, answer: int | str) -> None:
        with self.lock:
            self.received.append((self.now(), request.method, request.path, answer))


_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="2">
<title>{name}, simulated</title><style>body{{font:14px system-ui;margin:2em;max-width:80em}}
table{{border-collapse:collapse}}h2{{font-size:1.1em}}
td,th{{text-align:left;padding:.2em .8em;border-bottom:1px solid #ddd;vertical-align:top}}</style>
<h1>{name}, simulated</h1>{tables}</html>"""


def _table(table: Table) -> str:
    head = "".join(f"<th>{html.escape(column)}</th>" for column in table.columns)
    cells = ("".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) for row in table.rows)
    rows = "".join(f"<tr>{row}</tr>" for row in cells)
    nothing = "" if table.rows else "<p>nothing yet</p>"
    return f"<h2>{html.escape(table.title)}</h2><table><tr>{head}</tr>{rows}</table>{nothing}"


class Server:
    """One vendor on one socket of 127.0.0.1."""

    def __init__(self, vendor: Vendor, port: int = 0) -> None:
        self.vendor = vendor
        self._http = _Http(("127.0.0.1", port), _Connection)
        self._http.vendor = vendor
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def busy(self) -> int:
        """Requests being answered at this moment."""
        return self._http.in_flight

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Closes every connection and returns when the last of them has ended."""
        self._http.stopping.set()
        if self._thread.is_alive():
            self._http.shutdown()
            self._thread.join()
        self._http.server_close()
        self._http.hang_up()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    vendor: Vendor

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.stopping = threading.Event()
        self.in_flight = 0
        self.changed = threading.Condition()
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self.changed:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self.changed:
            self._open.discard(request)
            self.changed.notify_all()

    def count(self, by: int) -> None:
        with self.changed:
            self.in_flight += by

    def hang_up(self) -> None:
        with self.changed:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:  # the client went first
                    continue
            self.changed.wait_for(lambda: not self._open, timeout=5)


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "lab"
    sys_version = ""
    wbufsize = -1  # one write for head and body: else Nagle and delayed acknowledgement add 40 ms
    disable_nagle_algorithm = True
    server: _Http

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: the page shows the requests."""

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:  # the client went
            self.close_connection = True

    def finish(self) -> None:
        try:
            super().finish()
        except OSError:  # what was still to be flushed has no reader
            self.close_connection = True

    def do_GET(self) -> None:
        self.server.count(+1)
        try:
            self._answer()
            self.wfile.flush()
        finally:
            self.server.count(-1)

    do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_GET  # noqa: N815 names that http.server prescribes

    def _answer(self) -> None:
        vendor, parts = self.server.vendor, urlsplit(self.path)
        own = parts.path == "/_lab/faults" or (self.command == "GET" and parts.path == "/")
        fault = None if own else vendor.faults.take(f"{self.command} {parts.path}")
        if fault == "refuse":
            vendor.note(Request(self.command, parts.path), fault)
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query = parse_qs(parts.query, keep_blank_values=True)
        request = Request(self.command, parts.path, query, Headers(self.headers.items()), body)
        if own:
            self._write(_lab(vendor, request))
        else:
            self._meet(vendor, request, fault)

    def _meet(self, vendor: Vendor, request: Request, fault: str | None) -> None:
        if fault == "hang":
            vendor.note(request, fault)
            self._hang()
            return
        if fault == "slow":
            self.server.stopping.wait(SLOW_SECONDS)
        response = _answer(vendor, request, fault)
        vendor.note(request, f"{response.status} ({fault})" if fault else response.status)
        if fault == "lost":
            self.close_connection = True
        else:
            self._write(response, cut=fault == "truncated")

    def _write(self, response: Response, cut: bool = False) -> None:
        content = response.content()
        self.send_response(response.status)
        for name, value in {"Content-Type": "application/json", **response.headers}.items():
            self.send_header(name, value)
        if response.status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if cut else content)
        self.close_connection = self.close_connection or cut

    def _hang(self) -> None:
        self.close_connection = True
        while not self.server.stopping.wait(0.02):
            readable, _, _ = select.select([self.connection], [], [], 0)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                return


def _answer(vendor: Vendor, request: Request, fault: str | None) -> Response:
    if fault in STATUS_FAULTS:
        return vendor.failure(int(fault))
    if fault == "html":
        return Response(200, b"<html><body>Please sign in</body></html>", {"Content-Type": "text/html"})
    if fault == "empty":
        return Response(200)
    response = vendor.handle(request)
    if fault == "processed-500":
        return vendor.failure(500)
    if fault == "half":
        return Response(response.status, response.content()[: len(response.content()) // 2], response.headers)
    return response


def _lab(vendor: Vendor, request: Request) -> Response:
    """The simulator's own addresses, which no fault meets: the page, and the switch of the faults."""
    if request.path == "/":
        return Response(200, vendor.page().encode(), {"Content-Type": "text/html; charset=utf-8"})
    if request.method == "DELETE":
        vendor.faults.clear()
        return Response(204)
    if request.method != "POST":
        return Response(200, {"faults": vendor.faults.rows()})
    try:
        told = request.json()
        vendor.faults.add(told["endpoint"], told["kind"], told.get("times"))
    except (ValueError, KeyError, TypeError) as error:
        return Response(400, {"error": str(error)})
    return Response(204)
