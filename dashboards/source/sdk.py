"""What we use of Grafana's own library. It warns at import that classic dashboards have a successor; they are what
every Grafana reads from a file, so they are what we write."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "Prefer using dashboardv2", DeprecationWarning)
    from grafana_foundation_sdk.builders import (
        bargauge,
        common,
        dashboard,
        heatmap,
        prometheus,
        stat,
        statetimeline,
        table,
        timeseries,
    )
    from grafana_foundation_sdk.cog.builder import Builder
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models import common as common_models
    from grafana_foundation_sdk.models import dashboard as models
    from grafana_foundation_sdk.models import heatmap as heatmap_models
    from grafana_foundation_sdk.models import prometheus as prometheus_models

__all__ = [
    "Builder", "JSONEncoder", "bargauge", "common", "common_models", "dashboard", "heatmap", "heatmap_models", "models",
    "prometheus", "prometheus_models", "register_default_plugins", "stat", "statetimeline", "table", "timeseries",
]  # fmt: skip
