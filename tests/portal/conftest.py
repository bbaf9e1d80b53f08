"""A store on SQLite that the desk fills, and its pages on a real port."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import Connection, update

from daemon.clock import ToldClock
from daemon.desk import commands, hearing
from daemon.desk.desk import Desk
from daemon.desk.opening import Opening
from daemon.desk.terms import TICKET, Terms
from daemon.model import INTERNAL, Polarity, Signal
from daemon.portal.pages import pages
from daemon.portal.server import Port, Server
from daemon.sla.policy import parse
from daemon.store import polls, signals, tickets
from daemon.store.engine import Store
from daemon.store.incidents import Proof
from daemon.store.schema import deliveries

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
ANY = Port("127.0.0.1", 0, "portal.port")


@dataclass
class Office:
    """Everything behind the pages. Severity 1 pages somebody; every severity opens a ticket."""

    store: Store
    clock: ToldClock
    terms: Terms

    def incident(self, title: str = "Checkout is down", severity: int = 1, url: str | None = None, **more: Any) -> str:
        """The id of a new incident, with one signal and a ticket of ours."""
        now = self.store.now()
        signal = Signal(
            "sentry-shop", "sentry", "sentry.issue", f"of {title}", now, {"title": title}, Polarity.BROKEN, url=url
        )
        with self.store.write() as connection:
            (row,) = signals.keep(connection, [signal], now).values()
            proof = Proof(row, "test/rule", now, severity)
            found, _ = hearing.open_or_join(
                connection,
                self.terms,
                Opening(f"test/{title}", "test/rule", title, severity, now, now, (proof,), clients=(INTERNAL,), **more),
                hearing.Nothing(),
                now,
            )
            return found.id

    def ticket(self, title: str = "Checkout is down", severity: int = 1) -> int:
        """The number of the ticket of a new incident."""
        id = self.incident(title, severity)
        with self.store.read() as connection:
            return tickets.of_incident(connection, id)[0].id

    def desk(self, connection: Connection) -> Desk:
        return Desk(connection, self.terms, "person:asha", self.store.now())

    def reply(self, number: int, text: str, *, public: bool = True) -> None:
        with self.store.write() as connection:
            commands.reply(self.desk(connection), number, text, public=public)

    def resolve(self, number: int) -> None:
        with self.store.write() as connection:
            commands.resolve(self.desk(connection), number, "It is mended.")

    def defect(self, incident: str, url: str, due: str | None = None) -> None:
        with self.store.write() as connection:
            commands.defect_filed(self.desk(connection), incident, {"key": "OPS-1", "url": url, "due": due})

    def delivered(self, state: str, *, receipt: dict[str, str] | None = None, reason: str | None = None) -> None:
        """What the outside made of every delivery so far."""
        with self.store.write() as connection:
            connection.execute(update(deliveries).values(state=state, receipt=receipt, reason=reason))

    def source_fails(self, name: str, reason: str) -> None:
        now = self.store.now()
        with self.store.write() as connection:
            polls.declare(connection, name, now)
            polls.fail(connection, name, reason, now, now + timedelta(minutes=1))


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    clock = ToldClock(START)
    store = Store(f"sqlite:///{tmp_path}/heliograph.db", clock)
    store.migrate()
    severities = {1: ("page", TICKET), 2: (TICKET,), 3: (TICKET,), 4: (TICKET,)}
    terms = Terms(parse(None, None, None), severities, {}, frozenset({"page"}), random.Random(7))
    yield Office(store, clock, terms)
    store.close()


class Browser:
    """Reads pages and follows nothing."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, timeout=10)

    def read(self, path: str) -> str:
        answer = self.get(path)
        assert 200 == answer.status_code, path
        return answer.text


@pytest.fixture
def browser(office: Office) -> Iterator[Browser]:
    app = pages(
        office.store, lambda: office.terms.policy, lambda: ["sentry-shop"], lambda: ["the action 'defect' is off"]
    )
    with Server(app, ANY) as server:
        yield Browser(server.url)
