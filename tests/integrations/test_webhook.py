"""The signed webhook: out as an action, in as a source that is pushed to, against the lab over real sockets."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from daemon.contract import Action, Findable, Pushed, Source
from daemon.errors import Ambiguous, Permanent, Temporary
from daemon.model import Polarity, Signal
from daemon.secret import Secret
from integrations.webhook import (
    LARGEST_BODY,
    SIGNATURE,
    ActionSettings,
    SourceSettings,
    action,
    is_signed,
    recorded,
    sign,
    source,
)
from lab.hook import Hook
from lab.hook import sign as partner_signs
from lab.server import Request, Response, Server, route
from lab.server import Vendor as Base
from tests.integrations.actions import NOON, UNUSABLE, Broken, delivery, failure_of, misread, told_of

SECRET = "webhook-secret-that-nobody-may-see"
OTHER = "another-secret-of-more-than-32-characters"


class Vendor(Broken, Hook):
    pass


class Bench:
    """The lab, and what is under test."""

    def __init__(self, **settings: Any) -> None:
        self.vendor = Vendor(lambda: NOON, SECRET)
        self.server = Server(self.vendor)
        given = {"url": f"{self.server.url}/in", "secret": SECRET, "deadline": 5, **settings}
        self.settings = ActionSettings.model_validate(given)
        self.poster = action(self.settings)


def started(bench: Bench) -> Iterator[Bench]:
    with bench.server:
        yield bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    yield from started(Bench())


@pytest.fixture
def hasty() -> Iterator[Bench]:
    """With a deadline that a hanging receiver reaches soon."""
    yield from started(Bench(deadline=0.3))


def partner(**settings: Any) -> Any:
    return source("partner", SourceSettings.model_validate({"secrets": [SECRET, OTHER], **settings}))


def received(body: object, secret: str = SECRET, **settings: Any) -> Signal:
    """The signal of one push of `body`."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    signals = partner(**settings).receive({SIGNATURE.lower(): sign(raw, Secret(secret))}, raw, NOON)
    assert 1 == len(signals)
    signal: Signal = signals[0]
    return signal


def test_a_delivery_arrives_signed_and_whole(bench: Bench) -> None:
    """Role, verb, key, sequence and the body in plain words, under a name that is the same at each repeat."""
    receipts = [bench.poster.deliver(delivery("warning", key="w:7:response:1:0:50%")) for _ in range(2)]
    taken = bench.vendor.taken

    assert ["w:7:response:1:0:50%:open:1"] * 2 == [receipt.id for receipt in receipts]
    assert [("w:7:response:1:0:50%25:open:1", 2)] == [(one.id, one.times) for one in taken]
    assert ("warning", "open", "Checkout fails") == (
        taken[0].body["role"],
        taken[0].body["verb"],
        taken[0].body["body"]["title"],
    )


def test_each_verb_and_sequence_is_a_delivery_of_its_own(bench: Bench) -> None:
    """An update is not taken for the opening that came before it."""
    bench.poster.deliver(delivery("message"))
    bench.poster.deliver(delivery("message", "update", sequence=1))
    bench.poster.deliver(delivery("message", "update", sequence=2))

    assert 3 == len(bench.vendor.taken)


def test_a_receiver_with_another_secret_refuses(bench: Bench) -> None:
    """Which is permanent: repeating it signs no better."""
    bench.vendor.secret = OTHER
    failure = failure_of(lambda: bench.poster.deliver(delivery("warning")))

    assert (Permanent, "auth", 1) == (type(failure), failure.reason, bench.vendor.refused)


def test_every_status_means_one_thing(bench: Bench) -> None:
    """4xx is certain, 5xx is not; 408, 409, 425 and 429 may be tried again."""
    assert {} == misread(bench.vendor, lambda: bench.poster.deliver(delivery("warning")), sent=True)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_success_is_one_whatever_it_says(bench: Bench, status: int) -> None:
    """The body of the answer is nobody's business."""
    bench.vendor.answer = Response(status, b"<html>thanks</html>" if status != 204 else b"")

    assert "hg:i7:1:open:1" == bench.poster.deliver(delivery("page")).id


def test_a_redirect_is_not_followed(bench: Bench) -> None:
    """What is signed for one place goes to no other."""
    bench.vendor.answer = Response(307, b"", {"Location": f"{bench.server.url}/elsewhere"})
    failure = failure_of(lambda: bench.poster.deliver(delivery("warning")))

    assert (Permanent, "redirect", 1) == (type(failure), failure.reason, len(bench.vendor.received))


@pytest.mark.parametrize("fault", sorted(set(UNUSABLE) - {"html", "empty", "half"}))
def test_a_lost_answer_leaves_a_delivery_in_doubt(hasty: Bench, fault: str) -> None:
    """Perhaps it was taken: ambiguous, after exactly one request."""
    hasty.vendor.faults.add("POST", fault)

    assert Ambiguous is type(failure_of(lambda: hasty.poster.deliver(delivery("warning"))))
    assert 1 == len(hasty.vendor.received)


def test_a_repeat_after_a_lost_answer_is_taken_once(bench: Bench) -> None:
    """There is nothing to ask, so it is sent again, under the same name."""
    bench.vendor.faults.add("POST", "lost", 1)
    failure_of(lambda: bench.poster.deliver(delivery("warning")))
    bench.poster.deliver(delivery("warning"))

    assert [2] == [one.times for one in bench.vendor.taken]
    assert (True, False) == (isinstance(bench.poster, Action), isinstance(bench.poster, Findable))


def test_nobody_there_is_certainly_not_done(bench: Bench) -> None:
    """A refused connection is temporary, for the probe too."""
    bench.server.stop()
    failures = [failure_of(lambda: bench.poster.deliver(delivery("warning"))), failure_of(bench.poster.probe)]

    assert [Temporary, Temporary] == [type(failure) for failure in failures]


def test_a_probe_wants_somebody_there(bench: Bench) -> None:
    """That HEAD is not taken says nothing about POST; a broken server does."""
    bench.poster.probe()
    bench.vendor.faults.add("HEAD", "503")

    assert "server_error" == failure_of(bench.poster.probe).reason


def test_no_failure_and_no_log_shows_the_secret(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Even if the answer does."""
    caplog.set_level(logging.DEBUG)
    text = told_of(bench.vendor, lambda: bench.poster.deliver(delivery("warning")), SECRET)

    assert (False, False) == (SECRET in text, SECRET in caplog.text)
    assert SECRET not in f"{bench.settings!r} {bench.settings.model_dump()}"


def test_a_push_becomes_a_signal() -> None:
    """Id, instant, polarity and link are read where the settings say; the fields stay as they came."""
    told = {"id": "a1", "at": "2026-03-02T13:58:00+02:00", "status": "down", "url": "https://x.example", "n": 5}
    signal = received(told)

    assert ("partner", "webhook", "webhook", "a1") == (signal.source, signal.type, signal.kind, signal.id)
    assert (NOON - timedelta(minutes=2), Polarity.BROKEN) == (signal.at, signal.polarity)
    assert ("https://x.example", told) == (signal.url, signal.fields)


def test_where_to_look_can_be_told() -> None:
    """Dotted paths, words of one's own, and Unix seconds."""
    paths: dict[str, Any] = {
        "id": "event.key",
        "at": "event.ts",
        "polarity": "event.state",
        "recovered": ["fine"],
        "kind": "door",
    }
    signal = received({"event": {"key": 7, "ts": NOON.timestamp() - 5, "state": "fine"}}, **paths)

    assert ("door", "7", NOON - timedelta(seconds=5), Polarity.RECOVERED) == (
        signal.kind,
        signal.id,
        signal.at,
        signal.polarity,
    )


@pytest.mark.parametrize("at", [None, "soon", 1e300, True, "2027-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00"])
def test_an_instant_that_is_none_or_to_come_is_now(at: object) -> None:
    """A partner's clock cannot push us into the future."""
    assert NOON == received({"id": "a", "at": at}).at


def test_the_same_push_has_the_same_id() -> None:
    """Its own, or, without one, the hash of its bytes: taking it a hundred times is taking it once."""
    bare = [received({"status": status}).id for status in ("down", "down", "up")]

    assert (bare[0], 64) == (bare[1], len(bare[2]))
    assert bare[0] != bare[2]
    assert 64 == len(received({"id": "x" * 300}).id)


@pytest.mark.parametrize("word", [None, ["down"], {"is": "down"}, "unknown", 1])
def test_a_word_that_nobody_named_says_neither(word: object) -> None:
    """Neither broken nor recovered."""
    assert Polarity.NONE is received({"id": "a", "status": word}).polarity


def test_either_of_two_secrets_may_sign() -> None:
    """So that a secret can be changed without losing a push; several signatures may be offered."""
    body = b'{"id": "a"}'
    both = f"v1=0, {sign(body, Secret(OTHER))}"

    assert "a" == received(body, OTHER).id
    assert is_signed(both, body, [Secret(SECRET), Secret(OTHER)])
    assert partner_signs(body, SECRET) == sign(body, Secret(SECRET))


def test_what_is_not_signed_by_a_partner_is_refused() -> None:
    """Another secret, another byte, no header, a flood of guesses, letters that no signature has."""
    body = b'{"id": "a"}'
    right = sign(body, Secret(SECRET))
    headers: list[Mapping[str, str]] = [{}, {SIGNATURE: ""}, {SIGNATURE: "v1=é"}, {SIGNATURE: right[3:]}]
    headers += [{SIGNATURE: sign(body, Secret("x" * 32))}, {SIGNATURE: "v1=0," * 50 + right}]
    tries = [failure_of(lambda h=header: partner().receive(h, body, NOON)) for header in headers]  # type: ignore[misc]
    tries += [failure_of(lambda n=n: partner().receive({SIGNATURE: right}, _flipped(body, n), NOON)) for n in range(11)]  # type: ignore[misc]

    assert {("signature", "")} == {(failure.reason, failure.message) for failure in tries}


def _flipped(body: bytes, place: int) -> bytes:
    return body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "invalid"),
        (b"[]", "invalid"),
        (b'{"a": NaN}', "invalid"),
        (b'{"a":' * 60 + b"1" + b"}" * 60, "invalid"),
        (b"[" * 100_000, "invalid"),
        (b" " * (LARGEST_BODY + 1), "too_large"),
    ],
)
def test_what_is_signed_but_no_object_is_refused(body: bytes, reason: str) -> None:
    """Permanent, and cheap."""
    failure = failure_of(lambda: partner().receive({SIGNATURE: sign(body, Secret(SECRET))}, body, NOON))

    assert (Permanent, reason) == (type(failure), failure.reason)


def test_its_polls_find_nothing_and_keep_the_cursor() -> None:
    """It is only pushed to; there is nothing behind the watermark to wait for."""
    hook = partner()
    hook.probe()
    batch = hook.poll({"any": 1}, NOON)

    assert ((), {"any": 1}, NOON, False) == (batch.signals, batch.next, batch.watermark, batch.more)
    assert (True, True) == (isinstance(hook, Source), isinstance(hook, Pushed))


class Door(Base):
    """Where the daemon would stand: hands each push to the source."""

    @route("POST", "/hooks/partner")
    def take(self, request: Request) -> Response:
        self.signals = partner().receive(request.headers, request.body, NOON)
        return Response(202)


def test_what_the_lab_pushes_is_taken(bench: Bench) -> None:
    """Over a socket, as the partner signs it and with its headers as they arrive."""
    door = Door(lambda: NOON)
    with Server(door) as server:
        status = bench.vendor.push(f"{server.url}/hooks/partner", {"id": "p1", "status": "down"}, "partner")

    assert (202, ["p1"], ["p1"]) == (status, [one.id for one in door.signals], [one.id for one in bench.vendor.sent])


@pytest.mark.parametrize("secrets", [[], ["short"], [""], [SECRET] * 5])
def test_a_source_without_a_good_secret_is_refused(secrets: list[str]) -> None:
    """No secret, no route."""
    with pytest.raises(ValidationError):
        SourceSettings.model_validate({"secrets": secrets})


def test_a_recorded_body_gives_what_its_push_gave() -> None:
    """Read with the default settings; what does not say when it came is put aside."""
    body = {"id": "7", "at": "2026-03-02T12:00:00Z", "status": "down", "url": "https://example.com/7"}
    hook = source("hook", SourceSettings.model_validate({"secrets": [SECRET]}))
    pushed = hook.receive({SIGNATURE: sign(json.dumps(body).encode(), Secret(SECRET))}, json.dumps(body).encode(), NOON)

    assert list(pushed) == list(recorded("hook", body) or ())
    found = list(recorded("hook", [body, {"id": "8"}, {"id": "9", "at": "soon"}]) or ())
    assert [pushed[0].id, "KeyError: 'at'", "ValueError: its 'at' is no instant"] == [
        one.id if isinstance(one, Signal) else one[0] for one in found
    ]
