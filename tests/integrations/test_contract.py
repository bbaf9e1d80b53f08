"""What every integration must be, whichever its vendor: the contract, run against each over real sockets."""

from __future__ import annotations

import json
import logging
import random
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError
from pydantic.fields import FieldInfo

import integrations
from daemon.app import recordings
from daemon.clock import ToldClock
from daemon.contract import Action, Batch, Settings, Source, Unreadable
from daemon.errors import Ambiguous, Failure, Permanent, Temporary
from daemon.model import Cursor, Delivery, Json, Signal
from daemon.secret import Secret
from lab.cloudtrail import CloudTrail
from lab.datadog import Datadog
from lab.ecs import Ecs
from lab.hook import Hook
from lab.jira import Jira
from lab.pagerduty import PagerDuty
from lab.sentry import Sentry
from lab.server import Faults, Now, Request, Response, Server, Vendor
from lab.vpcflow import FlowLogs

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SHORT = 0.3
DELIVERY = Delivery("page", "open", "hg:i-1:1", 1, {"title": "Shop is down", "severity": 1, "incident": "i-1"})
SECRETS: dict[str, dict[str, Any]] = {
    "sentry": {"token": "sentry-token-0123456789"},
    "datadog": {"api_key": "datadog-api-key-012345", "app_key": "datadog-app-key-012345"},
    "cloudtrail": {"access_key_id": "AKIACANARY0123456789", "secret_access_key": "aws-secret-0123456789"},
    "ecs": {"access_key_id": "AKIACANARY0123456789", "secret_access_key": "aws-secret-0123456789"},
    "vpcflow": {"access_key_id": "AKIACANARY0123456789", "secret_access_key": "aws-secret-0123456789"},
    "pagerduty": {
        "routing_keys": {"default": "pagerduty-routing-key-0123456789"},
        "api_token": "pagerduty-token-01234",
    },
    "jira": {"token": "jira-token-0123456789"},
    "webhook": {"secret": "the-lab-signs-its-webhooks-with-this"},
}
STATUSES = (
    *range(301, 304),
    307,
    308,
    *range(400, 419),
    *range(421, 427),
    428,
    429,
    431,
    451,
    *range(500, 512),
    520,
    599,
)
MAY_PASS = {408: "timeout", 409: "conflict", 425: "timeout", 429: "rate_limited"}


@dataclass(frozen=True)
class Case:
    """An integration that calls its vendor, and how to have it do so."""

    name: str
    vendor: Callable[[Now], Vendor]
    address: tuple[str, ...]
    """The settings that say where the vendor is."""
    rest: Mapping[str, Any] = field(default_factory=dict)
    writes: bool = False
    """Whether the first request of a call may change something at the vendor's."""
    has_account: bool = True
    """Whether there is something at the vendor's that a probe can be refused."""

    def make(self, url: str, deadline: float = 5.0, **more: Any) -> Source | Action:
        module = import_module(f"integrations.{self.name}")
        given = {**dict.fromkeys(self.address, url), **SECRETS[self.name], "deadline": deadline, **self.rest, **more}
        if hasattr(module, "action"):
            action: Action = module.action(module.ActionSettings(**given))
            return action
        source: Source = module.source(f"my-{self.name}", module.SourceSettings(**given))
        return source

    def source(self, url: str, **more: Any) -> Source:
        made = self.make(url, **more)
        assert isinstance(made, Source)
        return made


def settings_of(case: Case) -> type[Settings]:
    settings: type[Settings] = import_module(f"integrations.{case.name}").SourceSettings
    return settings


SOURCES = (
    Case("sentry", Sentry, ("url",), {"organization": "acme"}),
    Case("sentry", Sentry, ("url",), {"organization": "acme", "stream": "crons"}),
    Case("datadog", Datadog, ("url",), {"page_size": 500}),
    Case("datadog", Datadog, ("url",), {"page_size": 500, "streams": ["logs"]}),
    Case("datadog", Datadog, ("url",), {"page_size": 500, "streams": ["security_signals"]}),
    Case("cloudtrail", CloudTrail, ("endpoint_url",)),
    Case("vpcflow", FlowLogs, ("endpoint_url",), {"log_group": "flow"}),
    Case("ecs", Ecs, ("endpoint_url",), {"queue_url": "https://sqs.us-east-1.amazonaws.com/111122223333/events"}),
    Case("ecs", Ecs, ("endpoint_url",), {"via": "poll", "clusters": ["shop"]}),
)
ACTIONS = (
    Case("pagerduty", PagerDuty, ("events_url", "api_url"), writes=True),
    Case("jira", Jira, ("url",), {"user": "bot@example.com", "project": "OPS"}),
    Case("webhook", Hook, ("url",), writes=True, has_account=False),
)
every = pytest.mark.parametrize("case", SOURCES + ACTIONS, ids=lambda case: case.name)
every_source = pytest.mark.parametrize("case", SOURCES, ids=lambda case: case.name)
every_that_looks_back = pytest.mark.parametrize(
    "case",
    [case for case in SOURCES if "look_back" in settings_of(case).model_fields and "stream" not in case.rest],
    ids=lambda case: case.name,
)
"""But monitors are states, of which none is left behind."""
READ_AGAIN = [case for case in SOURCES if "queue_url" not in case.rest]
"""But a queue gives what it holds to one reader."""
every_that_reads_again = pytest.mark.parametrize("case", READ_AGAIN, ids=lambda case: case.name)


def call(made: Source | Action) -> None:
    if isinstance(made, Source):
        made.poll(None, NOON)
    else:
        made.deliver(DELIVERY)


def failure(act: Callable[[], object]) -> Failure:
    with pytest.raises(Failure) as caught:
        act()
    return caught.value


class Says(Vendor):
    """Answers whatever comes with one status, and tells back all that it was told, credentials and all."""

    def __init__(self, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(lambda: NOON)
        self.status = status
        self.headers = headers or {}
        self.asked = 0

    def handle(self, request: Request) -> Response:
        self.asked += 1
        told = [*request.headers.values(), *request.query, request.body.decode(), str(list(request.query.values()))]
        location = {"Location": "/elsewhere"} if self.status < 400 else {}
        return Response(self.status, {"detail": told, "errors": told}, {**location, **self.headers})


class Sometimes(Faults):
    """One request in five meets a fault, by a seed."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)
        self.met: Counter[str] = Counter()

    def take(self, request: str) -> str | None:
        if self._random.random() > 0.2:
            return None
        kind = self._random.choice(("429", "500", "503", "html", "empty", "half", "truncated", "refuse", "lost"))
        self.met[kind] += 1
        return kind


def test_every_integration_is_here() -> None:
    """A new file of integrations/ runs this suite."""
    files = {path.stem for path in Path(integrations.__path__[0]).glob("[!_]*.py")}

    assert {case.name for case in SOURCES + ACTIONS} == files


@every
def test_every_status_is_the_failure_that_it_means(case: Case) -> None:
    """Broken on the vendor's side: try again, or perhaps done. Refused: never done. A redirect is not followed."""
    vendor, got = Says(), {}
    with Server(vendor) as server:
        made = case.make(server.url)
        for status in STATUSES:
            vendor.status = status
            got[status] = type(failure(lambda: call(made))).__mro__

    lost = Ambiguous if case.writes else Temporary
    meant = {s: lost if s >= 500 else Temporary if s in MAY_PASS else Permanent for s in STATUSES}
    assert {} == {status: (kind, got[status]) for status, kind in meant.items() if kind not in got[status]}


@every
@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_credential_is_named_as_such(case: Case, status: int) -> None:
    """The reason is the metric's label, and what the operator is told."""
    with Server(Says(status)) as server:
        made = case.make(server.url)

        assert "auth" == failure(lambda: call(made)).reason
        assert not case.has_account or "auth" == failure(made.probe).reason


@every
def test_a_wait_that_the_vendor_asks_for_is_handed_on(case: Case) -> None:
    """Retry-After becomes `after`, and the integration itself sends no second request."""
    vendor = Says(429, {"Retry-After": "7"})
    with Server(vendor) as server:
        error = failure(lambda: call(case.make(server.url)))

    assert isinstance(error, Temporary)
    assert ("rate_limited", timedelta(seconds=7), 1) == (error.reason, error.after, vendor.asked)


@every_source
def test_a_source_waits_as_long_as_a_broken_vendor_asks(case: Case) -> None:
    """503 with Retry-After is a wait, too."""
    with Server(Says(503, {"Retry-After": "7"})) as server:
        error = failure(lambda: call(case.make(server.url)))

    assert isinstance(error, Temporary)
    assert timedelta(seconds=7) == error.after


@every
def test_no_failure_shows_a_secret(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    """Not even if the vendor's error repeats all that we sent: neither message, nor traceback, nor log."""
    caplog.set_level(logging.INFO)
    vendor, shown = Says(), []
    with Server(vendor) as server:
        made = case.make(server.url)
        for vendor.status in (302, 400, 401, 403, 404, 409, 429, 500):
            error = failure(lambda: call(made))
            shown += [repr(error), *traceback.format_exception(error)]

    secrets = [secret for value in SECRETS[case.name].values() for secret in flat(value)]
    assert [] == [secret for secret in secrets if secret in "".join(shown) + caplog.text]


def flat(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else [value]


@every_source
@pytest.mark.parametrize("kind", ["html", "empty", "half", "truncated", "refuse", "lost"])
def test_an_answer_that_is_not_whole_is_a_failure(case: Case, kind: str) -> None:
    """Nothing of it is taken for an answer without signals."""
    vendor = case.vendor(lambda: NOON)
    with Server(vendor) as server:
        source = case.source(server.url)
        vendor.faults.add(".", kind, times=1)

        assert isinstance(failure(lambda: source.poll(None, NOON)), Temporary)
        assert () == source.poll(None, NOON).signals


@every_source
def test_an_answer_of_another_shape_is_a_failure(case: Case) -> None:
    """JSON alone is not enough."""
    with Server(Says(200)) as server:
        error = failure(lambda: call(case.make(server.url)))

    assert (Temporary, "bad_answer") == (type(error), error.reason)


@every
@pytest.mark.parametrize("kind", ["truncated", "refuse", "lost", "hang"])
def test_a_lost_answer_to_a_write_is_ambiguous(case: Case, kind: str) -> None:
    """And to a read a reason to try again. A vendor that hangs is left at the deadline."""
    vendor = case.vendor(lambda: NOON)
    with Server(vendor) as server:
        vendor.faults.add(".", kind)
        error = failure(lambda: call(case.make(server.url, deadline=SHORT)))

    assert (Ambiguous if case.writes else Temporary) is type(error)
    assert "timeout" == error.reason or kind != "hang"


@every
def test_a_vendor_that_is_not_there_was_told_nothing(case: Case) -> None:
    """No connection: certainly not done, for a write as well."""
    server = Server(Says())
    server.stop()
    error = failure(lambda: call(case.make(server.url)))

    assert (Temporary, "unreachable") == (type(error), error.reason)


@every
def test_a_healthy_vendor_passes_the_probe(case: Case) -> None:
    """Without a word."""
    with Server(case.vendor(lambda: NOON)) as server:
        case.make(server.url).probe()


@every_source
def test_a_probe_that_is_refused_names_the_scopes(case: Case) -> None:
    """As the settings name them, so that the operator need not look them up."""
    scopes = {extra(one)["scopes"] for one in settings_of(case).model_fields.values() if is_secret(one)} - {
        "none of its own"
    }
    with Server(Says(403)) as server:
        messages = [failure(case.make(server.url, **only).probe).message for only in narrowed(case)]

    assert [] == [word for text in scopes for word in text.split(", ") if word not in " ".join(messages)]


def narrowed(case: Case) -> list[dict[str, Any]]:
    """The first refusal ends a probe: what has a scope of its own is tried one by one."""
    ways: dict[str, list[dict[str, Any]]] = {
        "datadog": [{"streams": [one]} for one in ("monitors", "events", "logs", "security_signals")],
        "sentry": [{"stream": one} for one in ("issues", "crons")],
        "ecs": [{"via": "sqs", "queue_url": "http://127.0.0.1/1/x"}, {"via": "poll"}],
    }
    return ways.get(case.name, [{}])


def all_settings() -> Iterator[type[Settings]]:
    for case in SOURCES + ACTIONS:
        module = import_module(f"integrations.{case.name}")
        yield from (getattr(module, name) for name in ("SourceSettings", "ActionSettings") if hasattr(module, name))


def is_secret(info: FieldInfo) -> bool:
    return "Secret" in str(info.annotation)


def extra(info: FieldInfo) -> dict[str, Any]:
    return info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}


@pytest.mark.parametrize("settings", list(all_settings()), ids=lambda one: f"{one.__module__}.{one.__name__}")
def test_settings_explain_themselves(settings: type[Settings]) -> None:
    """Every one says what it is for; every secret where to get it and what it must be allowed."""
    fields = settings.model_fields.items()

    assert [] == [name for name, info in fields if not info.description]
    assert [] == [name for name, info in fields if is_secret(info) and not {"get", "scopes"} <= extra(info).keys()]


@every
def test_an_unknown_setting_is_a_mistake(case: Case) -> None:
    """A misspelt key is never silently without effect."""
    with pytest.raises(ValidationError, match="hostt"):
        case.make("http://127.0.0.1:9", hostt="x")


@pytest.mark.parametrize("case", ACTIONS, ids=lambda case: case.name)
def test_the_same_delivery_twice_has_the_effect_of_once(case: Case) -> None:
    """The vendor has taken one thing in, and both receipts name it."""
    clock = ToldClock(NOON)
    vendor = case.vendor(clock.now)
    with Server(vendor) as server:
        action = case.make(server.url)
        assert isinstance(action, Action)
        first = action.deliver(DELIVERY)
        clock.advance(timedelta(minutes=5))
        second = action.deliver(DELIVERY)

    assert first.id == second.id
    assert 1 == len(taken(vendor))


def taken(vendor: Vendor) -> list[Any]:
    """What an action's vendor has taken in."""
    if isinstance(vendor, PagerDuty):
        return list(vendor.pages)
    return list(vendor.defects) if isinstance(vendor, Jira) else list(getattr(vendor, "taken", ()))


@dataclass
class Watched:
    """A source polled as the daemon does it, its vendor, and what was put in and seen."""

    case: Case
    clock: ToldClock
    vendor: Vendor
    source: Source
    put: dict[str, datetime] = field(default_factory=dict)
    """When each thing happened, by the id that its signal must have."""
    seen: dict[str, Signal] = field(default_factory=dict)
    cursor: Cursor | None = None
    early: list[str] = field(default_factory=list)
    """What a watermark had passed before it was seen."""

    def happen(self, late: timedelta, twice: bool = False) -> None:
        number, now = len(self.put) + 1, self.clock.now()
        if self.case.rest.get("stream") == "crons":
            assert isinstance(self.vendor, Sentry)
            self.vendor.check_in(f"job-{number}", "error", late=late)
            key = f"{UUID(int=number)}/production:error:{now.isoformat(timespec='microseconds').replace('+00:00', 'Z')}"
        elif isinstance(self.vendor, Sentry):
            self.vendor.issue(str(number), late=late)
            key = f"{number}:unresolved/new:{now.isoformat().replace('+00:00', 'Z')}#1"
        elif isinstance(self.vendor, Datadog):
            key = self._at_datadog(self.vendor, number, late)
        elif isinstance(self.vendor, Ecs):
            key = self.vendor.stopped(late, twice)
        elif isinstance(self.vendor, FlowLogs):
            key = self.vendor.row(late=late)
        else:
            assert isinstance(self.vendor, CloudTrail)
            key = self.vendor.event({"eventName": "StopLogging"}, late=late, duplicate=twice)
        self.put[key] = now

    def _at_datadog(self, vendor: Datadog, number: int, late: timedelta) -> str:
        if "logs" in self.case.rest.get("streams", ()):
            return vendor.log(f"Log {number}", late=late, status="error")
        if "security_signals" in self.case.rest.get("streams", ()):
            return vendor.security_signal(f"Rule {number}", late=late) + ":high"
        return vendor.event(f"Event {number}", late=late)

    def scan(self) -> None:
        """Polls until a scan is complete, as often as it fails, with a second between requests."""
        for _ in range(1_000):
            self.clock.advance(timedelta(seconds=1))
            try:
                batch = self.source.poll(self.cursor, self.clock.now())
            except Temporary:
                continue
            self._take(batch)
            if not batch.more:
                return
        pytest.fail("the scan does not end")

    def _take(self, batch: Batch) -> None:
        self.cursor = json.loads(json.dumps(batch.next))
        for signal in batch.signals:
            self.seen.setdefault(signal.id, signal)
        if batch.watermark:
            self.early += [key for key, at in self.put.items() if at < batch.watermark and key not in self.seen]
        assert not (batch.more and batch.watermark), "a watermark before the scan is complete"


def watched(case: Case, server: Server, clock: ToldClock, **more: Any) -> Watched:
    return Watched(case, clock, server.vendor, case.source(server.url, **more))


def play(world: Watched, seed: int, lateness: timedelta) -> None:
    """A burst of more than a page at one instant, then a trickle; each shows late by chance, some of them twice."""
    chance = random.Random(seed)
    world.scan()
    for step in range(16):
        for _ in range(520 if step == 2 else 5):
            world.happen(lateness * chance.random(), twice=chance.random() < 0.3)
        world.scan()
        world.clock.advance(timedelta(minutes=1))
    world.clock.advance(2 * lateness)
    world.scan()


def lateness_of(case: Case) -> timedelta:
    length = settings_of(case).model_fields["lateness"].default
    assert isinstance(length, timedelta)
    return length


@every_source
def test_nothing_is_lost_or_doubled(case: Case) -> None:
    """Over pages, late and repeated events, and failures amid a scan; and no watermark promises too much."""
    clock, faults = ToldClock(NOON), Sometimes(seed=7)
    vendor = case.vendor(clock.now)
    vendor.faults = faults
    with Server(vendor) as server:
        world = watched(case, server, clock)
        play(world, 1, lateness_of(case))
        if case not in READ_AGAIN:  # a message whose answer was lost is hidden for a while
            vendor.faults = Faults()
            clock.advance(timedelta(minutes=5))
            world.scan()

    assert sorted(world.put) == sorted(world.seen)
    assert [] == world.early
    assert len(faults.met) > 4, "too few faults to prove anything"


@every_that_looks_back
def test_without_a_look_back_something_is_lost(case: Case) -> None:
    """The test before this one bites."""
    clock = ToldClock(NOON)
    with Server(case.vendor(clock.now)) as server:
        world = watched(case, server, clock, look_back="0s")
        play(world, 1, lateness_of(case))

    assert world.put.keys() - world.seen.keys()


@every_that_reads_again
def test_a_repeated_scan_tells_nothing_new(case: Case) -> None:
    """What a crash makes us read again has the ids that it had."""
    clock = ToldClock(NOON)
    with Server(case.vendor(clock.now)) as server:
        first, second = watched(case, server, clock), watched(case, server, clock)
        for _ in range(7):
            first.happen(timedelta(0))
        first.scan()
        second.scan()

    assert list(first.seen) == list(second.seen)
    assert 7 == len(first.seen)


@every_source
def test_signals_say_whose_they_are(case: Case) -> None:
    """The configured name, the integration's, an aware UTC instant, fields that are JSON, a link for a person."""
    clock = ToldClock(NOON)
    with Server(case.vendor(clock.now)) as server:
        world = watched(case, server, clock)
        world.happen(timedelta(0))
        world.scan()

    (signal,) = world.seen.values()
    fields: Json = json.loads(json.dumps(signal.fields))
    assert (f"my-{case.name}", case.name, NOON) == (signal.source, signal.type, signal.at)
    assert (UTC, fields) == (signal.at.tzinfo, signal.fields)
    assert signal.url
    assert signal.url.startswith("http")


@every_source
def test_our_clock_may_step_back(case: Case) -> None:
    """A cursor from the future skips nothing: the next scan ends now, not then."""
    clock = ToldClock(NOON)
    with Server(case.vendor(clock.now)) as server:
        world = watched(case, server, clock)
        batch = world.source.poll(None, NOON + timedelta(hours=24))
        world.cursor = batch.next
        world.happen(timedelta(0))
        clock.advance(timedelta(seconds=30))
        world.scan()
        world.scan()

    assert list(world.put) == list(world.seen)


class Recorder(Vendor):
    """Hands every request to a vendor, and keeps what it answers."""

    def __init__(self, vendor: Vendor) -> None:
        super().__init__(vendor.now)
        self._vendor = vendor
        self.answers: list[Json] = []

    def handle(self, request: Request) -> Response:
        response = self._vendor.handle(request)
        self.answers.append(json.loads(response.content()))
        return response


@every_source
def test_what_is_recorded_gives_what_the_poll_gave(case: Case) -> None:
    """The vendor's answers, kept and read offline: the same signals but for links, and nobody else takes them."""
    clock = ToldClock(NOON)
    vendor = case.vendor(clock.now)
    recorder = Recorder(vendor)
    with Server(recorder) as server:
        world = Watched(case, clock, vendor, case.source(server.url, **by_one_answer(case)))
        for _ in range(7):
            world.happen(timedelta(0))
        world.scan()
    read = {
        name: [one for answer in recorder.answers for one in reader.document(f"my-{case.name}", answer) or ()]
        for name, reader in recordings().items()
    }

    assert 7 == len(world.seen)
    assert by_id(world.seen.values()) == by_id(read.pop(case.name))
    assert {name: [] for name in read} == read


def by_one_answer(case: Case) -> dict[str, Any]:
    """Check-ins do not say whose they are: what they tell, no recording can."""
    return {"check_ins": False} if case.rest.get("stream") == "crons" else {}


def by_id(signals: Iterable[Signal | Unreadable]) -> list[Signal]:
    assert [] == [one for one in signals if not isinstance(one, Signal)]
    unlinked = (one._replace(url=None) for one in signals if isinstance(one, Signal))
    return sorted(unlinked, key=lambda signal: signal.id)


ODD: tuple[Json, ...] = (
    *(None, True, 5, "text", [], {}, [1, None], [[[[[[]]]]]], {"detail-type": 7}, {"data": 5}, {"monitors": ["x"]}),
    *({"Records": [None]}, {"Events": {}}, {"events": [{}]}, {"Messages": [{}]}, {"Body": "x", "MessageId": 1}),
)
KNOWN: Mapping[str, Json] = {
    "cloudtrail": {"eventID": 7, "eventTime": []},
    "datadog": {"id": "x", "query": "", "overall_state": 5},
    "ecs": {"source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": 5},
    "sentry": {"id": 1, "shortId": 1, "status": {}, "count": "many", "lastSeen": 5},
    "vpcflow": {"events": [{"eventId": 5, "timestamp": 0, "message": "2 1 eni-a - - - - - - - 0 60 - NODATA"}]},
    "webhook": {"id": "x", "at": "soon"},
}


@pytest.mark.parametrize("name", recordings())
def test_a_recording_is_never_an_exception(name: str) -> None:
    """What is nobody's is None; what is its own and cannot be read is put aside, in its place."""
    reader = recordings()[name].document
    (found,) = reader("x", KNOWN[name]) or ()

    assert [] == [odd for odd in ODD if reader("x", odd) is not None]
    assert not isinstance(found, Signal)
    assert json.loads(found[1]) in (KNOWN[name], *KNOWN[name].get("events", ()))


def test_secrets_are_secrets() -> None:
    """No case of this suite hands a credential over as plain text that its settings keep."""
    for case in SOURCES + ACTIONS:
        made: Any = case.make("http://127.0.0.1:9")
        kept = [value for name in SECRETS[case.name] for value in flat(getattr(made._settings, name))]
        assert [] == [value for value in kept if not isinstance(value, Secret)]
