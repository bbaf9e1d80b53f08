"""The figures of the store for Prometheus, read at each scrape."""

from daemon.collector.collector import Collector
from daemon.collector.known import Known

__all__ = ["Collector", "Known"]
