"""One cycle of one goal: how much of the promise is used, when it is due, which warnings have come.

Everything is whole seconds since 1970. A cycle is moved only forward, by what happens to its ticket; between two
happenings it is a matter of arithmetic. What it holds back is time: seconds left by a calendar, from `since` on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from daemon.model import Goal, Severity
from daemon.sla.calendar import Calendar
from daemon.sla.promise import BREACH, Alarm, Contract, Promise
from daemon.sla.targets import BusinessDays


@dataclass(slots=True)
class Limit:
    """Time that is left by one calendar. A clock that was raised has several: the earliest counts."""

    calendar: Calendar
    total: int
    left: int
    severity: Severity
    """The one at which it was promised."""
    due: int | None = None
    """Where the promise is an instant and nothing has paused it."""

    def deadline(self, since: int) -> int:
        return self.calendar.reach(since, self.left) if self.due is None else self.due

    def when(self, alarm: Alarm, since: int) -> int:
        needs = alarm.needs(self.total)
        if self.due is not None and needs == self.total:
            return self.due
        return self.calendar.reach(since, self.left - (self.total - needs))

    def has_reached(self, alarm: Alarm) -> bool:
        return self.total - self.left >= alarm.needs(self.total)

    def spend(self, since: int, to: int) -> None:
        if self.due is None:
            self.left = max(0, self.left - self.calendar.count(since, to))
        else:
            self.left = self.calendar.count(to, self.due)


@dataclass(frozen=True, slots=True)
class Sounded:
    """A warning whose instant has come."""

    alarm: Alarm
    arming: int
    at: int


@dataclass(frozen=True, slots=True)
class Ran:
    """A stretch in which the clock ran, by one calendar."""

    start: int
    end: int
    calendar: Calendar
    severity: Severity
    on_train: bool


@dataclass(slots=True)
class Cycle:
    contract: Contract
    goal: Goal
    number: int
    severity: Severity
    started: int
    waiting: bool = False
    """For the client. It holds the clock only if the promise can be paused."""
    since: int | None = None
    """Running from here on; None while paused, and once stopped or cancelled."""
    consumed: int = 0
    """Up to `since`."""
    limits: list[Limit] = field(default_factory=list)
    """This severity's own first; then what older promises leave. None where nothing is promised."""
    aboard: int | None = None
    """When the fix was put on the release train."""
    stopped: int | None = None
    cancelled: bool = False
    last_due: int | None = None
    """The deadline that it had when it stopped."""
    breached: int | None = None
    breach_severity: Severity | None = None
    decided: int | None = None
    decided_severity: Severity | None = None
    spans: list[tuple[int, int]] = field(default_factory=list)
    """When it ran."""
    ran: list[Ran] = field(default_factory=list)
    """The same and those before a new start, as a person asks for them."""
    sounded: list[Sounded] = field(default_factory=list)
    armings: dict[str, int] = field(default_factory=dict)
    acknowledged: bool = False
    """Whether somebody has taken it, though that may not be the answer that was promised."""

    def __post_init__(self) -> None:
        self._renew(self.started)

    @property
    def promise(self) -> Promise | None:
        return self.contract.goals[self.goal].get(self.severity)

    @property
    def live(self) -> bool:
        return self.stopped is None and not self.cancelled

    @property
    def held(self) -> bool:
        """Whether waiting for the client stops the count."""
        return self.waiting and self.promise is not None and self.promise.pausable

    @property
    def on_train(self) -> bool:
        return self.aboard is not None and self.promise is not None and self.promise.train is not None

    @property
    def target(self) -> int | None:
        return self.limits[0].total if self.limits and not self.on_train else None

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        return self.contract.alarms.get((self.goal, self.severity), ())

    def used(self, now: int) -> int:
        """SLA seconds used up at `now`. They go on past the target."""
        if self.since is None or self.on_train or self.promise is None:
            return self.consumed
        return self.consumed + self.promise.calendar.count(self.since, now)

    def deadline(self) -> int | None:
        if self.since is None or not self.limits:
            return None
        return min(limit.deadline(self.since) for limit in self.limits)

    def due_at(self, alarm: Alarm) -> int | None:
        """When a warning that has not come yet will come. That of a breach comes once the deadline has passed."""
        due = self.deadline()
        if due is None or self.since is None:
            return None
        if alarm.name == BREACH:
            return due + 1 if self.breached is None else None
        if alarm.unacknowledged is not None:
            return self.started + alarm.unacknowledged
        return min(limit.when(alarm, self.since) for limit in self.limits)

    def waits_for(self) -> Iterable[Alarm]:
        """This severity's warnings that have not come in their present arming."""
        come = {(one.alarm.name, one.arming) for one in self.sounded}
        return [alarm for alarm in self.alarms if (alarm.name, self.arming(alarm)) not in come and self._applies(alarm)]

    def _applies(self, alarm: Alarm) -> bool:
        return alarm.unacknowledged is None or not self.acknowledged

    def arming(self, alarm: Alarm) -> int:
        return self.armings.get(alarm.name, 1)

    def catch_up(self, to: int, *, stops: bool = False) -> None:
        """Notes what has come by `to`. What stops the clock at an instant comes before a warning of that instant.

        A deadline has passed only in the second after it: an answer within its own second is in time.
        """
        due = self.deadline()
        if due is None:
            return
        if self.breached is None and due < to:
            self.breached, self.breach_severity = due, self.severity
            self._decide(due)
            self._sound((alarm for alarm in self.waits_for() if alarm.name == BREACH), due)
        for alarm in self.waits_for():
            at = self.due_at(alarm) if alarm.name != BREACH else None
            if at is not None and at < to + (not stops):
                self._sound([alarm], at)

    def acknowledge(self, at: int) -> None:
        self.catch_up(at, stops=True)
        self.acknowledged = True

    def pause(self, at: int) -> None:
        self.waiting = True
        if self.since is not None and self.held:
            self._halt(at)

    def resume(self, at: int) -> None:
        self.waiting = False
        if self.live and self.since is None:
            self.since = at

    def refresh(self, at: int) -> None:
        """Back from the client: the interval begins anew."""
        self.waiting = False
        if self.live and self.since is None:
            self._renew(at)
            self._rearm()

    def stop(self, at: int) -> None:
        if not self.live:
            return
        promised = bool(self.limits)
        self._halt(at, stops=True)
        self.stopped = at
        if promised:
            self._decide(at)

    def cancel(self, at: int) -> None:
        if self.live:
            self._halt(at, stops=True)
            self.cancelled = True

    def reopen(self, at: int, severity: Severity) -> None:
        """Goes on with what was left; the time between was free. A breach of before stays one."""
        self.stopped = self.last_due = self.aboard = None
        self.waiting = False
        self.change(severity, at)
        self.since = at

    def change(self, severity: Severity, at: int) -> None:
        """Another severity, another promise. It takes effect at `at`, and is never due before."""
        if severity == self.severity:
            return
        self._spend(at)
        raised, old = severity < self.severity, self.promise
        was_on_train = self.on_train
        older = self._older(severity, raised=raised)
        self.severity = severity
        if self.promise is None:
            self.limits = []
        elif old is None:
            self._renew(at)
        elif not (was_on_train and self.on_train):
            origin = self._recount(at, old, self.promise, raised=raised)
            self.limits = [self._own(self.promise, origin, at), *older]
        self._rearm()
        self._hold_or_run(at)

    def board(self, at: int) -> None:
        """The fix waits for the next minor release: that is the promise now."""
        if self.live and not self.on_train:
            self._spend(at)
            self.aboard = at
            if self.on_train and self.promise is not None:
                self.limits = [self._own(self.promise, self.started, at)]
                self._rearm()

    def leave_train(self, at: int) -> None:
        """The promise of before, less what was used of it before."""
        if self.live and self.on_train:
            self._spend(at)
            self.aboard = None
            if self.promise is not None:
                self.limits = [self._own(self.promise, self.started, at)]
                self._rearm()
        self.aboard = None

    def _spend(self, to: int, *, stops: bool = False) -> None:
        self.catch_up(to, stops=stops)
        if self.since is None:
            return
        if self.promise is not None and self.since < to:
            self.ran.append(Ran(self.since, to, self.promise.calendar, self.severity, self.on_train))
        self.consumed = self.used(to)
        for limit in self.limits:
            limit.spend(self.since, to)
        if not self.on_train:
            self.spans.append((self.since, to))
        self.since = to

    def _halt(self, at: int, *, stops: bool = False) -> None:
        self.last_due = self.deadline()
        self._spend(at, stops=stops)
        self.since = None
        for limit in self.limits:
            limit.due = None

    def _hold_or_run(self, at: int) -> None:
        if not self.live or self.held:
            self._halt(at)
        elif self.since is None:
            self.since = at

    def _renew(self, at: int) -> None:
        """All of the promise's time, from `at` on."""
        self.consumed, self.spans = 0, []
        self.since = None if self.held else at
        self.limits = [] if self.promise is None else [self._own(self.promise, at, at)]

    def _own(self, promise: Promise, origin: int, at: int) -> Limit:
        """What this severity's promise leaves at `at`. `origin` is where business days are counted from."""
        calendar = promise.calendar
        if promise.train is not None and self.aboard is not None:
            leaves = max(at, promise.train.after(self.aboard))
            total = calendar.count(self.aboard, leaves)
            return Limit(calendar, total, calendar.count(at, leaves), self.severity, leaves)
        total, due = _total(promise, origin), None
        if isinstance(promise.target, BusinessDays) and origin == at and not self.held:
            due = promise.target.due(calendar, origin)
        return Limit(calendar, total, max(0, total - self.consumed), self.severity, due)

    def _recount(self, at: int, old: Promise, new: Promise, *, raised: bool) -> int:
        """Sets what counts as used under the new promise; gives the instant from which its business days count."""
        mode = self._mode(raised=raised)
        if mode in ("restart", "restart_capped"):
            self.consumed = 0
            return at
        if mode == "proportional":
            self.consumed = _total(new, self.started) * self.consumed // max(1, _total(old, self.started))
        elif mode == "retroactive":
            self.consumed = sum(new.calendar.count(a, b) for a, b in self.spans)
        return self.started

    def _mode(self, *, raised: bool) -> str:
        if self.goal == "update":
            return "restart_capped" if raised else "retroactive"
        return self.contract.on_raise if raised else self.contract.on_lower

    def _older(self, severity: Severity, *, raised: bool) -> list[Limit]:
        """What earlier promises still limit: raising never makes it later, nor does lowering back part of the way."""
        if raised and self._mode(raised=True) == "restart_capped":
            return [Limit(one.calendar, one.left, one.left, one.severity, one.due) for one in self.limits]
        return [one for one in self.limits[1:] if raised or one.severity >= severity]

    def _rearm(self) -> None:
        """Warnings whose part of the target is no longer reached may come again."""
        come = {(one.alarm.name, one.arming) for one in self.sounded if one.alarm.name != BREACH}
        for alarm in self.alarms if self.limits else ():
            again = alarm.unacknowledged is None and not any(limit.has_reached(alarm) for limit in self.limits)
            if again and (alarm.name, self.arming(alarm)) in come:
                self.armings[alarm.name] = self.arming(alarm) + 1

    def _decide(self, at: int) -> None:
        if self.decided is None:
            self.decided, self.decided_severity = at, self.severity

    def _sound(self, alarms: Iterable[Alarm], at: int) -> None:
        self.sounded += [Sounded(alarm, self.arming(alarm), at) for alarm in alarms]


def _total(promise: Promise, origin: int) -> int:
    """SLA seconds of a promise that begins at `origin`."""
    if isinstance(promise.target, BusinessDays):
        return promise.calendar.count(origin, promise.target.due(promise.calendar, origin))
    return promise.target
