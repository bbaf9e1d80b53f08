"""config.yaml with the real integrations: what is wrong is told all at once, with its place; what is right is taken."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from daemon.app import Kinds, sigma_terms
from daemon.config import load as configuration
from daemon.config.schema import Config
from daemon.errors import ConfigError
from daemon.marked_yaml import load as load_yaml
from daemon.rules.model import Clear, Clients
from daemon.rules.sigma_terms import LEVELS, LOGSOURCES, SigmaTerms
from daemon.secret import Secret
from integrations import pagerduty, sentry
from tests.config.mistakes import CONTRACT, MISTAKES, PAGE_OFF, SEVERITIES, SEVERITY_MISTAKES, WARNING, Mistake

ROOT = Path(__file__).parents[2]
TOKEN = "sntryu_0123456789"
ENVIRON = {"SENTRY_TOKEN": TOKEN, "SHORT": "abc", "HOOK": "a-secret-of-at-least-32-characters"}
SENTRY = "sources:\n  sentry: {type: sentry, organization: acme, token: %s}\n"

Load = Callable[..., Config]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """What is read of a text that follows the severities."""

    def loaded(written: str, environ: Mapping[str, str] = ENVIRON, *, credentials: bool = True) -> Config:
        return configuration.load(_file(tmp_path, SEVERITIES + written), environ, Kinds(), credentials=credentials)

    return loaded


def _file(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text)
    return path


def told(folder: Path, text: str, environ: Mapping[str, str] = ENVIRON) -> list[str]:
    """Every problem, without the folder."""
    with pytest.raises(ConfigError) as caught:
        configuration.load(_file(folder, text), environ, Kinds())
    return str(caught.value).replace(f"{folder}/", "").splitlines()


def source(config: Config, name: str = "sentry") -> sentry.SourceSettings:
    settings = config.sources[name].settings
    assert isinstance(settings, sentry.SourceSettings)
    return settings


# mistakes


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_told_with_its_place_and_what_to_do(tmp_path: Path, mistake: Mistake) -> None:
    """Word for word."""
    assert [f"config.yaml:{line}" for line in mistake.told] == told(tmp_path, SEVERITIES + mistake.written)


@pytest.mark.parametrize("mistake", SEVERITY_MISTAKES.values(), ids=SEVERITY_MISTAKES.keys())
def test_all_four_severities_must_be_said(tmp_path: Path, mistake: Mistake) -> None:
    """They are what everything else hangs on."""
    assert [f"config.yaml:{line}" for line in mistake.told] == told(tmp_path, mistake.written)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """In the order of the lines, from every part: one run of `check` is enough."""
    wrong = (
        "sorces: {}\nportal: {listen: localhost}\nstore: mysql://u@h/x\n"
        "sources:\n  sentry: {type: sentri}\n  other: {type: sentry, organization: acme, token: $NOT_SET}\n"
        "people:\n  asha: {email: asha}\nclients:\n  acme: {contract: gold}\n"
    )

    assert [6, 7, 8, 10, 11, 13, 15] == [int(line.split(":")[1]) for line in told(tmp_path, SEVERITIES + wrong)]


def test_a_mistake_is_told_once(tmp_path: Path) -> None:
    """What names an entry that has one of its own is no second."""
    wrong = "people:\n  asha: {email: asha}\nchain: {head: asha}\nteams:\n  devops: {lead: asha}\n"

    assert ["config.yaml:7:17: people.asha.email: 'asha' does not look like one."] == told(tmp_path, SEVERITIES + wrong)


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    """By its path."""
    with pytest.raises(ConfigError) as caught:
        configuration.load(tmp_path / "config.yaml", {}, Kinds())

    assert f"{tmp_path}/config.yaml: cannot be read: No such file or directory." == str(caught.value)


# secrets


def test_a_secret_is_taken_from_the_environment(load: Load) -> None:
    """And does not print."""
    config = load(SENTRY % "$SENTRY_TOKEN")

    assert Secret(TOKEN) == source(config).token
    assert TOKEN not in repr(config)


def test_a_secret_is_taken_from_a_file(load: Load, tmp_path: Path) -> None:
    """Beside the configuration, with no line's end: as Docker and Kubernetes mount them."""
    (tmp_path / "token.txt").write_text(f"{TOKEN}\n")

    assert Secret(TOKEN) == source(load(SENTRY % "{file: token.txt}")).token


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe"], ids=["empty", "blank", "not text"])
def test_a_file_that_holds_no_secret_is_told(tmp_path: Path, content: bytes) -> None:
    """With the place that names it."""
    (tmp_path / "token.txt").write_bytes(content)
    (problem,) = told(tmp_path, SEVERITIES + SENTRY % "{file: token.txt}")

    assert problem.startswith("config.yaml:7:53: sources.sentry.token: the file 'token.txt' is ")


@pytest.mark.parametrize(
    "written",
    [
        SENTRY % TOKEN,
        SENTRY % "$SENTRY_TOKEN" + "  other: {type: sentri, token: $SENTRY_TOKEN}\n",
        SENTRY % f"[{TOKEN}]",
        f"store: postgresql+psycopg://u:{TOKEN}@h/x\n",
        f"store: mysql://u:{TOKEN}@h/x\n",
        f"heartbeat: {{url: {TOKEN}}}\n",
    ],
)
def test_no_message_holds_a_secret(tmp_path: Path, written: str) -> None:
    """Not even one that should not have been where it was."""
    assert not [line for line in told(tmp_path, SEVERITIES + written) if TOKEN in line]


def test_maps_of_secrets_are_read_one_by_one(load: Load) -> None:
    """A team has a service of its own."""
    config = load("actions:\n  page: {type: pagerduty, routing_keys: {default: $SENTRY_TOKEN, web: $HOOK}}\n")
    settings = config.actions["page"].settings
    assert isinstance(settings, pagerduty.ActionSettings)

    assert {"default": Secret(TOKEN), "web": Secret(ENVIRON["HOOK"])} == settings.routing_keys


def test_two_dollars_are_one(load: Load) -> None:
    """A text that begins with one is no variable."""
    config = load("sources:\n  sentry: {type: sentry, organization: acme, token: $SENTRY_TOKEN, query: $$x}\n")

    assert "$x" == source(config).query


# what is off


def test_what_is_off_needs_no_credentials(load: Load) -> None:
    """The file can be written before the accounts are there."""
    config = load("sources:\n  sentry: {type: sentry, enabled: false, organization: acme, token: $NOT_SET}\n")

    assert (False, None) == (config.sources["sentry"].enabled, config.sources["sentry"].settings)


def test_what_is_off_is_read_all_the_same(tmp_path: Path) -> None:
    """A mistake in it would else wait for the day that it is needed."""
    wrong = "sources:\n  sentry: {type: sentry, enabled: false, look_back: soon}\n"

    assert [
        "config.yaml:7:53: sources.sentry.look_back: 'soon' is not a length of time, such as 30s, 15m, 4h or 30d."
    ] == told(tmp_path, SEVERITIES + wrong)


def test_without_credentials_none_is_needed(load: Load) -> None:
    """What reads the store or checks the rules calls no vendor."""
    config = load(SENTRY % "$NOT_SET", credentials=False)

    assert (True, None) == (config.sources["sentry"].enabled, config.sources["sentry"].settings)


@pytest.mark.parametrize("absent", ["opentelemetry", "opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"])
def test_traces_that_are_on_need_what_sends_them(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, absent: str
) -> None:
    """It comes with an extra; while they are off, nobody misses it."""
    for loaded in [name for name in sys.modules if name.startswith(f"{absent}.")]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, absent, None)
    said = "config.yaml:7:3: traces: what sends them is not installed. Run: pip install 'heliograph[otel]'"

    assert [said] == told(tmp_path, SEVERITIES + "traces:\n  enabled: true\n")
    assert not load("traces:\n  enabled: false\n").traces.enabled


@pytest.mark.parametrize(
    ("written", "notice"),
    [
        ("heartbeat: {url: $NOT_SET}\n", "heartbeat is off: NOT_SET is not set in the environment."),
        ("report_errors: {sentry_dsn: $NOT_SET}\n", "report_errors is off: NOT_SET is not set in the environment."),
    ],
)
def test_an_optional_section_without_its_variable_is_off_with_a_notice(load: Load, written: str, notice: str) -> None:
    """The same file runs on a laptop."""
    config = load(written)

    assert (None, None) == (config.heartbeat, config.report_errors)
    assert notice in config.notices


def test_watch_only_is_said(load: Load) -> None:
    """With every action off nobody relies on one, and the operator is told that nothing is sent."""
    config = load("actions:\n" + PAGE_OFF + "classes:\n  security: {then: [page]}\n")

    assert config.watch_only
    assert any(notice.startswith("Watch only: no action is on") for notice in config.notices)


def test_a_role_may_be_off_if_it_says_so(load: Load) -> None:
    """`optional: true` is somebody's own word for it."""
    off = PAGE_OFF.replace("false}", "false, optional: true}")
    config = load("actions:\n" + off + WARNING + "classes:\n  security: {then: [page]}\n")

    assert [] == config.unmet(["page"])
    assert not config.watch_only


# parts in files of their own


def test_a_part_may_stand_in_a_file_of_its_own(load: Load, tmp_path: Path) -> None:
    """And means the same there."""
    (tmp_path / "clients.yaml").write_text("acme: {contract: gold}\n")
    config = load(CONTRACT + "          - {at: 50%, notify: [assignee]}\nclients: {file: clients.yaml}\n")

    assert "gold" == config.policy.clients["acme"].contract


def test_a_mistake_in_another_file_has_that_files_line(tmp_path: Path) -> None:
    """Beside those of the file that names it."""
    (tmp_path / "clients.yaml").write_text("# ours\nacme: {contract: gold}\n")
    (tmp_path / "people.yaml").write_text("asha: {email: [}\n")
    wrong = "clients: {file: clients.yaml}\npeople: {file: people.yaml}\nsorces: {}\n"
    problems = told(tmp_path, SEVERITIES + wrong)

    assert "clients.yaml:2:18: 'gold' is no contract here. There is internal, unassigned." in problems
    assert "config.yaml:8:1: there is no setting 'sorces'. Did you mean 'sources'?" in problems
    assert 1 == len([problem for problem in problems if problem.startswith("people.yaml:1:16: ")])
    assert 3 == len(problems)


# what is taken


def test_paths_start_from_the_files_own_folder(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the command is started."""
    monkeypatch.chdir("/")
    config = load("store: sqlite:///data/x.db\nrules: my-rules\n")

    assert (f"sqlite:///{tmp_path}/data/x.db", tmp_path / "my-rules") == (config.store, config.rules)


def test_a_relative_configuration_has_an_absolute_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that changes its folder does not change its database."""
    _file(tmp_path, SEVERITIES)
    monkeypatch.chdir(tmp_path)

    assert f"sqlite:///{tmp_path}/heliograph.db" == configuration.load(Path("config.yaml"), {}, Kinds()).store


def test_a_store_with_its_password_is_taken_from_the_environment(load: Load) -> None:
    """Whole; and it does not print."""
    url = f"postgresql+psycopg://u:{TOKEN}@h/x"
    config = load("store: $DATABASE_URL\n", {"DATABASE_URL": url})

    assert url == config.store
    assert TOKEN not in repr(config)


def test_any_plain_value_may_come_from_the_environment(load: Load) -> None:
    """It is checked as if it stood there."""
    config = load("portal: {listen: $PORTAL}\n", {"PORTAL": "0.0.0.0:9000"})

    assert ("0.0.0.0", 9000, "http://0.0.0.0:9000") == (config.portal.host, config.portal.port, config.portal.url)


def test_what_is_not_written_has_its_default(load: Load) -> None:
    """Four severities are a configuration."""
    config = load(SENTRY % "$SENTRY_TOKEN")
    entry = config.sources["sentry"]

    assert (True, timedelta(minutes=1), "wanted") == (entry.enabled, entry.every, entry.keep)
    assert ("127.0.0.1:8080", "127.0.0.1:9464") == (config.portal.listen, config.metrics.listen)
    assert {"internal", "unassigned"} == set(config.policy.clients)


# the files that we ship


def test_the_shipped_configuration_runs_as_it_stands() -> None:
    """With no variable set: watch only, and it says so."""
    config = configuration.load(ROOT / "config.yaml", {}, Kinds())

    assert config.watch_only
    assert not [entry for entry in config.sources.values() if entry.enabled]
    assert any(notice.startswith("Watch only") for notice in config.notices)


def test_the_shipped_configuration_switched_on_needs_only_what_it_names(tmp_path: Path) -> None:
    """Every `enabled: false` turned, and every variable set: nothing else is missing."""
    text = (ROOT / "config.yaml").read_text().replace("enabled: false", "enabled: true")
    environ = dict.fromkeys(_variables(yaml.safe_load(text)), "a-secret-of-at-least-32-characters")
    environ |= {name: "https://a:b@example.com/1" for name in environ if name.endswith(("_URL", "_DSN"))}
    config = configuration.load(_file(tmp_path, text), environ, Kinds())

    assert all(entry.settings for entry in config.sources.values())
    assert all(entry.settings for entry in config.actions.values())
    assert () == config.notices


def test_sigma_is_shadow_for_nobody_by_default(load: Load) -> None:
    """Nothing of it need be written."""
    assert SigmaTerms() == sigma_terms(load(""))


def test_what_is_said_of_sigma_is_what_its_rules_are_given(load: Load) -> None:
    """Levels and log sources add to those that are there; one text may stand for a list of one."""
    said = load(
        "sigma:\n  levels: {low: 3}\n  logsources: {okta/okta: hook, a/b: [c, d]}\n  live: [a/b]\n"
        "  defaults: {group_by: user, clear: {quiet_for: 5m}, clients: all, stage: live, class: abuse, team: web}\n"
        "teams: {web: {}}\n"
    )
    expected = SigmaTerms(
        levels={**LEVELS, "low": 3},
        logsources={**LOGSOURCES, "okta/okta": ("hook",), "a/b": ("c", "d")},
        group_by=("user",),
        clear=Clear(quiet_for=timedelta(minutes=5)),
        clients=Clients("all"),
        stage="live",
        live=frozenset({"a/b"}),
        class_="abuse",
        team="web",
    )
    assert expected == sigma_terms(said)
    assert Clients("names", ("internal",)) == sigma_terms(load("sigma: {defaults: {clients: internal}}\n")).clients


def test_the_demonstrations_configuration_loads() -> None:
    """By what the lab says of itself in the environment."""
    names = _variables(load_yaml(ROOT / "lab" / "demo.yaml"))
    environ = dict.fromkeys(names, "a-secret-of-at-least-32-characters")
    environ |= {name: "http://127.0.0.1:1" for name in names if name.endswith("_URL")}
    environ |= {"LAB_STORE": "sqlite:///lab.db", "LAB_PORTAL": "127.0.0.1:0", "LAB_METRICS": "127.0.0.1:0"}
    environ |= {"LAB_EVERY": "2s", "LAB_LOOK_BACK": "10m", "LAB_RULES": str(ROOT / "rules")}
    config = configuration.load(ROOT / "lab" / "demo.yaml", environ, Kinds())

    assert {"page", "defect", "warning"} == {role for role, entry in config.actions.items() if entry.settings}
    assert not config.watch_only


def _variables(value: object) -> list[str]:
    if isinstance(value, dict):
        return [name for part in value.values() for name in _variables(part)]
    if isinstance(value, list):
        return [name for part in value for name in _variables(part)]
    return [value[1:]] if isinstance(value, str) and value.startswith("$") else []


def openssl(folder: Path, name: str) -> None:
    """A certificate and its key."""
    files = ("-keyout", f"{name}.key", "-out", f"{name}.crt", "-subj", f"/CN={name}")
    new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *files]
    subprocess.run(new, cwd=folder, check=True, capture_output=True, timeout=30)


def test_the_files_of_tls_are_tried_at_the_start(load: Load, tmp_path: Path) -> None:
    """Not at the first scrape: that they are there, that they fit, that none is missing beside another."""
    for name in ("one", "other"):
        openssl(tmp_path, name)
    (tmp_path / "junk").write_text("no certificate")
    hint = "Both are PEM files, the key is the certificate's own and has no passphrase."

    def tried(**files: str) -> list[str]:
        lines = "".join(f"  {name}: {file}\n" for name, file in files.items())
        return told(tmp_path, f"{SEVERITIES}metrics:\n{lines}")

    assert ["config.yaml:7:16: metrics.certificate: it needs 'key' beside it."] == tried(certificate="one.crt")
    assert ["config.yaml:7:14: metrics.client_ca: it needs 'certificate' beside it."] == tried(client_ca="one.crt")
    assert [f"config.yaml:7:16: metrics.certificate: it cannot be used: key values mismatch. {hint}"] == tried(
        certificate="one.crt", key="other.key"
    )
    assert ["config.yaml:7:16: metrics.certificate: a file cannot be read: No such file or directory."] == tried(
        certificate="none.crt", key="one.key"
    )
    (one,) = tried(certificate="one.crt", key="one.key", client_ca="junk")
    assert one.startswith("config.yaml:9:14: metrics.client_ca: it cannot be used: ")
    loaded = load("metrics:\n  certificate: one.crt\n  key: one.key\n")
    assert "one.crt" == loaded.metrics.certificate


@pytest.mark.parametrize(
    ("listen", "more", "open_"),
    [
        ("127.0.0.1:1", "", False),
        ("'[::1]:1'", "", False),
        ("0.0.0.0:1", "", True),
        ("0.0.0.0:1", "  token: $SENTRY_TOKEN\n", False),
        ("0.0.0.0:1", "  password: $SENTRY_TOKEN\n", False),
    ],
)
def test_an_operator_is_told_that_everybody_sees_the_figures(load: Load, listen: str, more: str, open_: bool) -> None:
    """Where the port is open to others than this machine, and asks for nothing."""
    config = load(f"metrics:\n  listen: {listen}\n{more}")

    assert open_ == any("sees the figures" in notice for notice in config.notices)
