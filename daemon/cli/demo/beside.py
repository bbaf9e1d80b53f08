"""How a Prometheus and a Grafana that are there already are pointed at the demonstration."""

from __future__ import annotations

from daemon.shipped import shipped


def prometheus(address: str) -> str:
    """What to add to its configuration; `address` is host and port of the figures."""
    files = shipped("dashboards") / "prometheus"
    return f"""\
rule_files:
  - {files / "rules.yml"}
  - {files / "alerts.yml"}
scrape_configs:
  - job_name: heliograph
    scrape_interval: 1s
    static_configs:
      - targets: ["{address}"]
"""


def grafana() -> str:
    """The files to import, one a line."""
    return "".join(f"{file}\n" for file in sorted(shipped("dashboards").rglob("*.json")))
