"""What a running daemon answers at: the pages, the figures, and its own commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from daemon import app
from daemon.config.schema import Config
from daemon.portal.guard import Guard
from daemon.portal.local import local
from daemon.portal.ops import ops
from daemon.portal.pages import pages
from daemon.portal.server import Port, Server, Tls

Reasons = Callable[[], Sequence[str]]


@contextmanager
def serving(
    daemon: app.Daemon, sick: Reasons, not_ready: Reasons, wake: Callable[[], None]
) -> Iterator[dict[str, str]]:
    """What is served, and where; `wake` is called once a request may have made work.

    Raises ConfigError if a port is in use, before anything is served.
    """
    setup = daemon.setup
    portal, metrics = setup.config.portal, setup.config.metrics
    token = app.new_token(setup.token_file)
    servers = {
        "portal": Server(_Waking(_pages(daemon), wake), Port(portal.host, portal.port, "portal.listen")),
        "metrics": Server(
            ops(daemon.registry, sick, not_ready, Guard(metrics.token, metrics.user, metrics.password)),
            Port(metrics.host, metrics.port, "metrics.listen"),
            _tls(setup.config),
        ),
        "commands": Server(_Waking(local(daemon.store, lambda: daemon.setup.terms, token), wake), setup.socket),
    }
    with ExitStack() as stack:
        for server in servers.values():
            stack.enter_context(server)
        stack.callback(setup.token_file.unlink, missing_ok=True)
        yield {name: server.url for name, server in servers.items()}


def _tls(config: Config) -> Tls | None:
    metrics, folder = config.metrics, config.path.parent
    if not metrics.certificate or not metrics.key:
        return None
    return Tls(
        folder / metrics.certificate, folder / metrics.key, folder / metrics.client_ca if metrics.client_ca else None
    )


@dataclass(frozen=True)
class _Waking:
    """An app whose pushes and commands are worked on at once."""

    app: ASGIApp
    wake: Callable[[], None]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)
        if scope["type"] == "http" and scope["method"] == "POST":
            self.wake()


def _pages(daemon: app.Daemon) -> ASGIApp:
    return pages(
        daemon.store,
        lambda: daemon.setup.config.policy,
        lambda: daemon.setup.sources,
        lambda: daemon.setup.config.notices,
        daemon.hooks(),
    )
