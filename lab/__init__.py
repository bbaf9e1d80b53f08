"""The lab: every vendor, simulated over real HTTP, and a story that plays at them. It knows nothing of the daemon."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

from lab.cloudtrail import CloudTrail
from lab.datadog import Datadog
from lab.hook import Hook
from lab.jira import Jira
from lab.pagerduty import PagerDuty
from lab.play import Desk, Play
from lab.recorded import Recorded, load
from lab.sentry import Sentry
from lab.server import Json, Now, Server, Vendor
from lab.source import Source
from lab.story import Story, StoryError, read

__all__ = ["Lab", "StoryError"]

_HERE = Path(__file__).parent
_READ_IN = timedelta(minutes=2)
"""How long after its beginning all that was recorded must have been read."""


class Lab:
    """All vendors on sockets of 127.0.0.1, and what plays at them: a story, or recorded CloudTrail files."""

    config = _HERE / "demo.yaml"
    """A configuration for whoever is tried here; it takes `environment()`."""

    def __init__(
        self,
        now: Now,
        story: Path | None = None,
        recorded: Path | None = None,
        ports: Mapping[str, int] | None = None,
    ) -> None:
        """`ports`: of vendors by name; the others get any. Raises StoryError if nothing can be played."""
        self.now = now
        self.pagerduty, self.jira, self.hook, self.cloudtrail = PagerDuty(now), Jira(now), Hook(now), CloudTrail(now)
        self.vendors: dict[str, Vendor] = {
            "sentry": Sentry(now),
            "datadog": Datadog(now),
            "cloudtrail": self.cloudtrail,
            "pagerduty": self.pagerduty,
            "jira": self.jira,
            "hook": self.hook,
        }
        self.recorded = _recorded(recorded) if recorded else None
        self._play = Play(now, self.vendors, self._story(story))
        self._servers = {name: Server(vendor, (ports or {}).get(name, 0)) for name, vendor in self.vendors.items()}
        self._open = ExitStack()

    def _story(self, path: Path | None) -> Story:
        if self.recorded:
            return Story("recorded CloudTrail files", _READ_IN, (), ())
        return read(path or _HERE / "stories" / "demo.yaml")

    @property
    def title(self) -> str:
        return self._play.story.title

    @property
    def lasts(self) -> timedelta:
        return self._play.story.lasts

    @property
    def urls(self) -> dict[str, str]:
        """Where each vendor is, and has its page."""
        return {name: server.url for name, server in self._servers.items()}

    def environment(self) -> dict[str, str]:
        """What `config` is told by the environment."""
        return {
            **{f"LAB_{name.upper()}_URL": url for name, url in self.urls.items()},
            "LAB_TOKEN": "lab-token",
            "LAB_ROUTING_KEY": "lab-routing-key".ljust(32, "0"),
            "LAB_SECRET": self.hook.secret,
            # what was recorded is read once, all of it; what a story plays is asked for often
            "LAB_EVERY": "10m" if self.recorded else "5s",
            "LAB_LOOK_BACK": "90d" if self.recorded else "10m",
        }

    def start(self) -> None:
        for server in self._servers.values():
            self._open.enter_context(server)

    def stop(self) -> None:
        self._open.close()

    def begin(self) -> None:
        """The story's first instant is now."""
        if self.recorded:
            self.recorded.feed(self.cloudtrail)
        self._play.begin()

    def seat(self, desk: Desk) -> None:
        """Who does what the story's people do on tickets."""
        self._play.desk = desk

    def play(self) -> bool:
        """Does what is due; whether there was anything."""
        return self._play.act()

    def next_at(self) -> datetime | None:
        """When something will happen here by itself."""
        vendors = (vendor.next_at() for vendor in self.vendors.values())
        return min((at for at in (self._play.next_at(), *vendors) if at is not None), default=None)

    def busy(self) -> bool:
        """Whether a request is being answered."""
        return any(server.busy for server in self._servers.values())

    def done(self) -> bool:
        return self._play.done()

    def report(self) -> dict[str, Json]:
        """What the vendors sent and saw."""
        report: dict[str, Json] = {
            "sent": sum(len(vendor.sent) for vendor in self.vendors.values() if isinstance(vendor, Source)),
            "pages": [page.as_json() for page in self.pagerduty.pages],
            "defects": [defect.as_json() for defect in self.jira.defects],
            "posts": [taken.as_json() for taken in self.hook.taken],
        }
        if self.recorded:
            report |= {"unreadable": list(self.recorded.problems), "unshown": list(self.recorded.unshown)}
        return report

    def check(self, report: Mapping[str, Json]) -> list[str]:
        """What did not come as it must, in words. `report`: ours, and the lists of what came of it elsewhere."""
        if self.recorded:
            return self._unread(report)
        began_at = self._play.began_at or self.now()
        unmet = [one.unmet(report, began_at) for one in self._play.story.expected]
        return [*filter(None, unmet), *self._play.undone]

    def _unread(self, report: Mapping[str, Json]) -> list[str]:
        sent = len({one.id for one in self.cloudtrail.sent})
        read_in = len(report["signals"]) + report["unwanted"]
        return [] if read_in == sent else [f"all {sent} records are read, {read_in} were"]


def _recorded(folder: Path) -> Recorded:
    try:
        return load(folder)
    except FileNotFoundError as error:
        raise StoryError(str(error)) from None
