"""Takes what is pushed to us: the same signals, the same meaning, whether they are pushed, polled or both."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from daemon import trace
from daemon.contract import Pushed
from daemon.metrics import Metrics
from daemon.pipeline import detect
from daemon.pipeline.collect import tell_brought
from daemon.pipeline.open import Detection
from daemon.pipeline.sift import sift
from daemon.rules.engine import Engine
from daemon.store import polls
from daemon.store.engine import Store

log = logging.getLogger("heliograph.receive")


@dataclass
class Receive:
    """One pushed source. It answers only once all is committed, so what is acknowledged is kept."""

    source_name: str
    source: Pushed
    keep_all: bool
    store: Store
    engine: Callable[[], Engine]
    detection: Callable[[], Detection]
    metrics: Metrics

    def __call__(self, headers: Mapping[str, str], body: bytes) -> None:
        """Raises Permanent("signature") for a push that is not from whom it says."""
        now = self.store.now()
        pushed = self.source.receive(headers, body, now)
        engine = self.engine()
        wanted, ids = sift(engine, pushed, self.keep_all)
        with self.store.write() as connection:
            polls.declare(connection, self.source_name, now)
            brought_by = trace.of_poll(self.source_name, now)
            detected = detect.detect(connection, self.detection(), engine, wanted, now, brought_by)
            new, unwanted = detected.new, len(ids) + detected.spared
            polls.count(connection, self.source_name, new, unwanted)
            tell_brought(connection, log, "receive", brought_by, self.source_name, now, now, new, unwanted)
        self.metrics.matched(detected.matched)
        self.metrics.windows_capped(detected.dropped)
        self.metrics.collected(self.source_name, new, unwanted)
