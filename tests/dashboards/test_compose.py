"""The stack to look at: everything that it mounts exists, and nothing of it moves by itself. It is not run here."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.dashboards.files import DASHBOARDS, PROMETHEUS
from tests.house.tree import ROOT

SERVICES: dict[str, Any] = yaml.safe_load((DASHBOARDS / "compose.yaml").read_text())["services"]
PROVISIONING = DASHBOARDS / "grafana/provisioning"
DOCS = (ROOT / "docs/alerts.md").read_text()


def bound(service: str) -> dict[str, str]:
    """Where in the container → what of ours; volumes are none."""
    pairs = (volume.split(":") for volume in SERVICES[service]["volumes"])
    return {inside: ours for ours, inside, *_ in pairs if ours.startswith(".")}


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_all_that_is_mounted_exists_and_is_read_only(service: str) -> None:
    ours = [volume for volume in SERVICES[service]["volumes"] if volume.startswith(".")]

    assert [] == [path for path in bound(service).values() if not (DASHBOARDS / path).exists()]
    assert [] == [volume for volume in ours if not volume.endswith(":ro")]
    assert ours


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_an_image_is_one_version(service: str) -> None:
    """A tag that moves would make of yesterday's stack another one today."""
    assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+", SERVICES[service]["image"])


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_a_port_is_documented_and_of_this_machine_alone(service: str) -> None:
    ports = SERVICES[service]["ports"]

    assert [] == [port for port in ports if not port.startswith("127.0.0.1:")]
    assert [] == [port for port in ports if f"`http://{port.rpartition(':')[0]}`" not in DOCS]


def test_prometheus_finds_its_rules_and_alertmanager() -> None:
    """By the names under which they are mounted and called."""
    read = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    (managers,) = read["alerting"]["alertmanagers"]
    targets = [target for job in read["scrape_configs"] for one in job["static_configs"] for target in one["targets"]]

    assert {f"/etc/prometheus/{name}" for name in ("prometheus.yml", *read["rule_files"])} == set(bound("prometheus"))
    assert ["alertmanager:9093"] == managers["static_configs"][0]["targets"]
    assert "host.docker.internal:9464" in targets
    assert ["host.docker.internal:host-gateway"] == SERVICES["prometheus"]["extra_hosts"]
    assert "--enable-feature=exemplar-storage" in SERVICES["prometheus"]["command"]


def test_each_flag_that_names_a_file_names_one_that_is_mounted() -> None:
    named = {
        service: next(flag.partition("=")[2] for flag in SERVICES[service]["command"] if "--config.file" in flag)
        for service in ("prometheus", "alertmanager")
    }

    assert [] == [path for service, path in named.items() if path not in bound(service)]


def test_grafana_is_given_its_data_and_its_dashboards() -> None:
    """Nobody can change them by hand; a point leads to its ticket."""
    (source,) = yaml.safe_load((PROVISIONING / "datasources/heliograph.yml").read_text())["datasources"]
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards/heliograph.yml").read_text())["providers"]
    (exemplar,) = source["jsonData"]["exemplarTraceIdDestinations"]

    assert ("heliograph-prometheus", "http://prometheus:9090") == (source["uid"], source["url"])
    assert ("ticket", True) == (exemplar["name"], exemplar["url"].endswith("/tickets/$${__value.raw}"))
    assert provider["allowUiUpdates"] is False
    assert "./grafana" == bound("grafana")[provider["options"]["path"]]
