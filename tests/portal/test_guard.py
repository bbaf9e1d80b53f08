"""The figures over TLS, and whom they are shown to; over real sockets, with certificates of openssl's making."""

from __future__ import annotations

import base64
import gc
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from prometheus_client import CollectorRegistry, Counter

from daemon.portal.guard import Guard
from daemon.portal.ops import ops
from daemon.portal.server import Port, Server, Tls
from daemon.secret import Secret

TOKEN, PASSWORD = "a-token-of-some-length", "pass:wörd"
BOTH = Guard(Secret(TOKEN), "prometheus", Secret(PASSWORD))
OF_PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
OF_PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
    "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)
"""What they send, without protobuf."""


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@contextmanager
def serving(guard: Guard = BOTH, tls: Tls | None = None) -> Iterator[str]:
    registry = CollectorRegistry()
    Counter("heliograph_breaches", "Missed.", registry=registry).inc(1, {"ticket": "7"})
    for number in range(40):
        Counter(f"heliograph_filler_{number}", "So that it is worth compressing.", registry=registry)
    with Server(ops(registry, lambda: (), lambda: (), guard), Port("127.0.0.1", 0, "metrics.listen"), tls) as server:
        yield server.url


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving() as url:
        yield url


def status(url: str, authorization: str | None) -> int:
    headers = {} if authorization is None else {"Authorization": authorization.encode()}
    return requests.get(f"{url}/metrics", headers=headers, timeout=5).status_code


@pytest.mark.parametrize("right", [f"Bearer {TOKEN}", f"bearer {TOKEN}", basic("prometheus", PASSWORD)])
def test_who_has_the_token_or_the_password_is_shown_them(url: str, right: str) -> None:
    """Either will do."""
    assert 200 == status(url, right)


@pytest.mark.parametrize(
    "wrong",
    [None, "", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, f"Digest {TOKEN}", "Basic ===",
     "Basic", "Bearer wörd", basic("prometheus", ""), basic("root", PASSWORD), basic("", PASSWORD),
     basic("prometheus", TOKEN), f"Bearer {PASSWORD}"],
)  # fmt: skip
def test_nobody_else_is(url: str, wrong: str | None) -> None:
    """401, with both ways to ask; never an error of ours."""
    assert 401 == status(url, wrong)


def test_a_challenge_names_the_ways(url: str) -> None:
    """A browser asks for a password then; no figure is in the answer, and no secret."""
    answer = requests.get(f"{url}/metrics", timeout=5)

    assert 'Bearer realm="heliograph"' in answer.headers["WWW-Authenticate"]
    assert 'Basic realm="heliograph"' in answer.headers["WWW-Authenticate"]
    assert "heliograph_" not in answer.text
    assert TOKEN not in answer.text


def test_one_way_alone() -> None:
    """A way that is not set lets nobody in, not even with nothing."""
    with serving(Guard(token=Secret(TOKEN))) as url:
        assert [200, 401, 401] == [
            status(url, each) for each in (f"Bearer {TOKEN}", basic("prometheus", ""), "Basic Og==")
        ]
        assert "Basic" not in requests.get(f"{url}/metrics", timeout=5).headers["WWW-Authenticate"]
    with serving(Guard()) as url:
        assert 200 == status(url, None)


def test_health_needs_no_credentials(url: str) -> None:
    """Whoever supervises the process has none."""
    assert [200, 200] == [requests.get(url + path, timeout=5).status_code for path in ("/healthz", "/readyz")]


@pytest.mark.parametrize("accept", [OF_PROMETHEUS_2, OF_PROMETHEUS_3])
def test_prometheus_is_given_openmetrics(url: str, accept: str) -> None:
    """Whole, compressed, with the ticket as an exemplar; a person is given plain text without."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Accept": accept, "Accept-Encoding": "gzip"}
    answer = requests.get(f"{url}/metrics", headers=headers, timeout=5)

    assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert "gzip" == answer.headers["Content-Encoding"]
    assert {"Accept", "Accept-Encoding"} <= {one.strip() for one in answer.headers["Vary"].split(",")}
    assert 'heliograph_breaches_total 1.0 # {ticket="7"} 1.0' in answer.text
    assert answer.text.endswith("# EOF\n")

    plain = requests.get(f"{url}/metrics", headers={**headers, "Accept": "text/html", "Accept-Encoding": ""}, timeout=5)
    assert plain.headers["Content-Type"].startswith("text/plain; version=")
    assert "Content-Encoding" not in plain.headers
    assert "heliograph_breaches_total 1.0\n" in plain.text


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/openmetrics-text; version=x", "text/plain; version=0.0.4"),
        ("application/openmetrics-text; version=9.9", "text/plain; version=0.0.4"),
        ("application/openmetrics-text; version=9.9, application/openmetrics-text; version=1.0.0",
         "application/openmetrics-text; version=1.0.0"),
    ],
)  # fmt: skip
def test_a_version_that_is_not_known_is_not_promised(url: str, accept: str, kind: str) -> None:
    """Nor does it break anything."""
    answer = requests.get(f"{url}/metrics", headers={"Authorization": f"Bearer {TOKEN}", "Accept": accept}, timeout=5)

    assert 200 == answer.status_code
    assert answer.headers["Content-Type"].startswith(kind)


def test_head_weighs_them(url: str) -> None:
    """Without sending them."""
    answer = requests.head(f"{url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=5)

    assert (200, b"") == (answer.status_code, answer.content)


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=30)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, what it signed for the server and for Prometheus, and a stranger's."""
    folder = tmp_path_factory.mktemp("keys")
    new = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")
    for name in ("ca", "stranger"):
        openssl(folder, *new, "-keyout", f"{name}.key", "-out", f"{name}.crt", "-subj", f"/CN={name}")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1")
    for name in ("server", "prometheus"):
        openssl(
            folder, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj",
            f"/CN={name}",
        )  # fmt: skip
        openssl(
            folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", f"{name}.crt", "-days", "2", "-extfile", "names",
        )  # fmt: skip
    return folder


@pytest.fixture
def refusing() -> Iterator[None]:
    """asyncio leaves the transport of a handshake that failed to the garbage collector, which warns of it: here."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.mark.usefixtures("refusing")
def test_the_port_speaks_tls(keys: Path) -> None:
    """With the certificate that it was given; who does not trust its authority gets nothing, nor who speaks plainly."""
    with serving(tls=Tls(keys / "server.crt", keys / "server.key")) as url:
        assert url.startswith("https://")
        answer = requests.get(
            f"{url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, verify=str(keys / "ca.crt"), timeout=5
        )
        assert 200 == answer.status_code
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(f"{url}/metrics", verify=str(keys / "stranger.crt"), timeout=5)
        with pytest.raises(requests.exceptions.ConnectionError):
            requests.get(url.replace("https", "http") + "/metrics", timeout=5)


@pytest.mark.usefixtures("refusing")
def test_only_whom_the_authority_signed_is_answered(keys: Path) -> None:
    """Not even with the token; and the health neither, since nothing is said to a stranger."""
    tls = Tls(keys / "server.crt", keys / "server.key", keys / "ca.crt")
    with serving(Guard(), tls) as url:
        mine = (str(keys / "prometheus.crt"), str(keys / "prometheus.key"))
        assert 200 == requests.get(f"{url}/metrics", cert=mine, verify=str(keys / "ca.crt"), timeout=5).status_code
        for cert in (None, (str(keys / "stranger.crt"), str(keys / "stranger.key"))):
            with pytest.raises(requests.exceptions.ConnectionError):
                requests.get(f"{url}/healthz", cert=cert, verify=str(keys / "ca.crt"), timeout=5)
