"""Plays a story at the vendors, act by act, as time comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from fnmatch import fnmatchcase
from functools import partial

from lab.jira import Jira
from lab.pagerduty import PagerDuty
from lab.server import Json, Now, Vendor
from lab.story import Act, Story, StoryError, length

Desk = Callable[[str, dict[str, Json]], None]
"""How a person acts on tickets: a command and its arguments. Raises LookupError while there is no such ticket."""

_DOES = {
    "sentry": ("issue", "resolve", "unresolve", "archive", "regress", "delete", "merge", "check_in", "mute", "disable"),
    "datadog": ("monitor", "recover", "delete", "event", "log", "security_signal"),
    "cloudtrail": ("event", "expire_tokens"),
    "pagerduty": ("acknowledge", "resolve", "annotate"),
    "desk": ("acknowledge", "reply", "resolve", "close"),
    "jira": ("transition", "close", "comment"),
}


class Play:
    """One story, from `begin` on."""

    def __init__(self, now: Now, vendors: Mapping[str, Vendor], story: Story) -> None:
        """Raises StoryError for an act that nobody can do."""
        self.now = now
        self.story = story
        self.desk: Desk | None = None
        self.began_at: datetime | None = None
        self._vendors = vendors
        self._left = sorted(story.acts, key=lambda act: act.at)
        self._waiting: dict[int, str] = {}
        for act in self._left:
            self._expect_known(act)

    def _expect_known(self, act: Act) -> None:
        does = (*_DOES.get(act.who, ()), *(("fault", "mend") if act.who in self._vendors else ()))
        if act.does not in does:
            raise StoryError(f"{act}: nobody does that; {act.who or 'one'} does: {', '.join(does) or 'nothing'}")

    def begin(self) -> None:
        self.began_at = self.now()

    def act(self) -> bool:
        """Does what is due and can be done; whether anything was."""
        done = [act for act in self._left if self._at(act) <= self.now() and self._try(act)]
        self._left = [act for act in self._left if act not in done]
        return bool(done)

    def next_at(self) -> datetime | None:
        """When more will be due; what waits for something to act on has no time."""
        following = [self._at(act) for act in self._left if self._at(act) > self.now()]
        return min([*following, *([] if self.done() else [self._ends_at])], default=None)

    def done(self) -> bool:
        return self.began_at is not None and self.now() >= self._ends_at

    @property
    def undone(self) -> list[str]:
        """Acts that found nothing to act on."""
        return [f"{act}: {self._waiting.get(act.number, 'its time did not come')}" for act in self._left]

    @property
    def _ends_at(self) -> datetime:
        return self._began_at + self.story.lasts

    @property
    def _began_at(self) -> datetime:
        if self.began_at is None:
            raise RuntimeError("the story has not begun")
        return self.began_at

    def _at(self, act: Act) -> datetime:
        return self._began_at + act.at

    def _try(self, act: Act) -> bool:
        try:
            self._do(act)
        except LookupError as error:
            self._waiting[act.number] = str(error.args[0])
            return False
        except (TypeError, ValueError) as error:
            raise StoryError(f"{act}: {error}") from error
        return True

    def _do(self, act: Act) -> None:
        arguments = dict(act.arguments)
        if "late" in arguments:
            arguments["late"] = length(arguments["late"])
        if act.who == "desk":
            if self.desk is None:
                raise LookupError("nobody is at the desk")
            self.desk(act.does, arguments)
        else:
            self._verb(act, arguments)(**arguments)

    def _verb(self, act: Act, arguments: dict[str, Json]) -> Callable[..., object]:
        vendor = self._vendors[act.who]
        if act.does == "fault":
            return vendor.faults.add
        if act.does == "mend":
            return vendor.faults.clear
        if isinstance(vendor, PagerDuty):
            return partial(getattr(vendor, act.does), _page(vendor, arguments.pop("page", "*")))
        if isinstance(vendor, Jira):
            return partial(getattr(vendor, act.does), _defect(vendor, arguments.pop("defect", "*")))
        verb: Callable[..., object] = getattr(vendor, act.does)
        return verb


def _page(vendor: PagerDuty, title: str) -> str:
    """The key of the newest page of such a title. Raises LookupError."""
    found = next((page for page in reversed(vendor.pages) if fnmatchcase(page.title, title)), None)
    if found is None:
        raise LookupError(f"no page is titled '{title}'")
    return found.dedup_key


def _defect(vendor: Jira, summary: str) -> str:
    found = next((one for one in reversed(vendor.defects) if fnmatchcase(str(one.fields["summary"]), summary)), None)
    if found is None:
        raise LookupError(f"no defect is titled '{summary}'")
    return found.key
