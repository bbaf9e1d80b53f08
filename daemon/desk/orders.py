"""What can be asked of the desk, as data: the same for the command line, the local API and whatever follows them.

An order is checked when it is read (pydantic), and carried out within one transaction. `words` of each are its
positional arguments on the command line; all of its other fields are options.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Connection

from daemon.desk import aftermath, broadcast, commands, handover, relations, triage
from daemon.desk.desk import Desk
from daemon.desk.intake import Report, open_ticket
from daemon.desk.terms import Terms
from daemon.model import Fix, Goal, Ticket
from daemon.store.handovers import Handover


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC)


Text: TypeAlias = Annotated[str, Field(max_length=50_000)]
Name: TypeAlias = Annotated[str, Field(max_length=200)]
Number: TypeAlias = Annotated[int, Field(ge=1, le=2**62)]
Level: TypeAlias = Annotated[int, Field(ge=1, le=4)]
Instant: TypeAlias = Annotated[AwareDatetime, AfterValidator(_utc)]


def complaint(error: ValidationError) -> str:
    """What is wrong with an order, for whoever gave it: each field that is, and nothing of what stood in it."""
    found = error.errors(include_input=False, include_url=False)
    places = [(".".join(map(str, one["loc"])), one["msg"]) for one in found]
    return "; ".join(f"{place}: {wrong}" if place else wrong for place, wrong in places)


class Order(BaseModel):
    """Who asks, and when it happened."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    words: ClassVar[tuple[str, ...]] = ()
    """Fields that stand on the command line without their names."""

    actor: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]+$")] = Field(
        description="Who does it; on the command line, this user if nothing is said."
    )
    at: Instant | None = Field(None, description="When it happened, if that was before now: 2026-11-25T09:30:00Z.")
    request: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="A key of your own: the same one again changes nothing."
    )

    def desk(self, connection: Connection, terms: Terms, now: datetime) -> Desk:
        actor = self.actor if ":" in self.actor else f"person:{self.actor}"
        return Desk(connection, terms, actor, now, self.at, self.request)


class OnTicket(Order):
    """Done to one ticket."""

    def carry_out(self, desk: Desk, number: int) -> Ticket:
        raise NotImplementedError


class OnIncident(Order):
    """Done to each unfinished ticket of an incident."""

    def carry_out(self, desk: Desk, id: str) -> list[Ticket]:
        raise NotImplementedError


class Open(Order):
    """Open a ticket, and with it an incident of its own."""

    words: ClassVar = ("client", "severity", "title")

    client: Name = Field(description="One of `clients`, `internal` or `unassigned`.")
    severity: Level = Field(description="1 (urgent) to 4 (low).")
    title: Annotated[str, Field(max_length=300)] = Field(description="What is wrong, in a line.")
    text: Text = Field("", description="What is wrong, at length.")
    reporter: Name = Field("", description="Who asks: a name, an address, a telephone number.")
    origin: Literal["manual", "portal", "email", "hotline"] = Field("manual", description="How it came.")
    class_: Name = Field("availability", alias="class", description="The class of its incident.")
    location: Name = Field("", description="Where it is.")
    team: Name = Field("", description="Who repairs: one of `teams`.")

    def carry_out(self, desk: Desk) -> Ticket:
        report = Report(
            self.client, self.severity, self.title, self.text, self.reporter, self.origin, self.class_, self.location,
            self.team,
        )  # fmt: skip
        return open_ticket(desk, report)


class Acknowledge(OnTicket):
    """Take it: it is in progress."""

    def carry_out(self, desk: Desk, number: int) -> Ticket:
        return commands.acknowledge(desk, number)


class Reply(OnTicket):
    """Write to the client."""

    words: ClassVar = ("text",)
    text: Text = Field(description="What the client is told.")
    internal: bool = Field(False, description="A note among ourselves.")

    def carry_out(self, desk: Desk, number: int) -> Ticket:
        return commands.reply(desk, number, self.text, public=not self.internal)


class Note(OnTicket):
    """Write a note among ourselves."""

    words: ClassVar = ("text",)
    text: Text = Field(description="What is noted.")

    def carry_out(self, desk: Desk, number: int) -> Ticket:
        return commands.reply(desk, number, self.text, public=False)


class Hear(OnTicket):
    """Write down what the client said; where we waited for it, the work goes on."""

    words: ClassVar = ("text",)
    text: Text = Field(description="What the client said.")

    def carry_out(self, desk: Desk, number: int) -> Ticket:
        return commands.hear(desk, number, self.text)


class Assign(OnTicket):
    """Give it to a person, a team or a site."""

    person: Name | None = Field(None, description="One of `people`; empty: nobody.")
    team: Name | None = Field(None, description="One of `teams`.")
    site: Name | None = Field(None, description="One of `sites`.")

    def carry_out(self, desk: Desk, number: int) -> Ticket:
        return triage.assign(desk, number, self.person, self.team, self.site)


class LoopIn(OnTicket):
    """Ask another team to help."""

    words: ClassVar = ("team", "text")
    team: Name = Field(description="One of `teams`.")
    text: Text = Field(description="What it is asked for.")

    def carry_out(self, desk: Desk, number: int) -> Ticket:
        return triage.loop_in(desk, number, self.team, self.text)


class Severity(OnTicket):
    """Change how bad it is, and say why."""

    words: ClassVar = ("to", "reason")
    to: Level = Field(description="1 (urgent) to 4 (low).")
    reason: Text = Field(description="Why.")

    def carry_out(self, desk: Desk, number: int) -> Ticket:
        return triage.change_severity(desk, number, self.to, self.reason)


class ProposeWorkaround(OnTicket):
    """Tell the client a way around it."""

    words: ClassVar = ("text",)
    text: Text = Field(description="What the client is told.")
    kind: triage.Lasting = Field("interim", description="Whether it stands until the fix, or in its place.")

    def carry_out(self, desk: Desk, number: int) -> Ticket:
        return triage.propose_workaround(desk, number, self.text, self.kind)


class AcceptWorkaround(OnTicket):
    """The client can work with what was proposed."""

    text: Text = Field("", description="What the client said.")
    lower_to: Level | None = Field(None, description="The severity that is left, where the impact is gone.")

    def carry_out(self, desk: Desk, number: int) -> Ticket:
        return triage.accept_workaround(desk, number, self.text, self.lower_to)


class RejectWorkaround(OnTicket):
    """The client cannot work with what was proposed."""

    words: ClassVar = ("reason",)
    reason: Text = Field(description="Why.")

    def carry_out(self, desk: Desk, number: int) -> Ticket:
        return triage.reject_workaround(desk, number, self.reason)


class Defect(OnTicket):
    """Name a defect that is filed already."""

    words: ClassVar = ("key",)
    key: Name = Field(description="Its key: OPS-17.")
    url: Name = Field("", description="Where it stands.")
    due: Instant | None = Field(None, description="When its fix is due.")

    def carry_out(self, desk: Desk, number: int) -> Ticket:
        due = f"{self.due:%Y-%m-%dT%H:%M:%SZ}" if self.due else ""
        return triage.name_defect(desk, number, self.key, self.url, due)


class Wait(OnTicket):
    """Ask the client for something; where the promise allows it, the clock waits too."""

    words: ClassVar = ("text",)
    text: Text = Field(description="What the client is asked.")
    what: commands.Awaited = Field("information", description="What we wait for.")

    def carry_out(self, desk: Desk, number: int) -> Ticket:
        return commands.wait(desk, number, self.what, self.text)


class Resume(OnTicket):
    """Go on with the work."""

    text: Text = Field("", description="Why.")

    def carry_out(self, desk: Desk, number: int) -> Ticket:
        return commands.resume(desk, number, self.text)


class AwaitFix(OnTicket):
    """Wait for a fix of the code."""

    words: ClassVar = ("fix",)
    fix: Fix = Field(description="How it comes.")
    release: Name = Field("", description="The release that brings it.")
    text: Text = Field("", description="What is fixed.")

    def carry_out(self, desk: Desk, number: int) -> Ticket:
        return commands.await_fix(desk, number, self.fix, self.release, self.text)


class Inform(OnTicket):
    """Tell the client that the quick fix comes."""

    words: ClassVar = ("text",)
    text: Text = Field(description="What the client is told.")

    def carry_out(self, desk: Desk, number: int) -> Ticket:
        return commands.inform(desk, number, self.text)


class Deploy(OnTicket):
    """The fix is installed."""

    release: Name = Field("", description="What was installed.")
    text: Text = Field("", description="How it went.")

    def carry_out(self, desk: Desk, number: int) -> Ticket:
        return commands.deploy(desk, number, self.release, self.text)


class Resolve(OnTicket):
    """Delivered, and told to the client."""

    words: ClassVar = ("text",)
    text: Text = Field(description="What the client is told.")

    def carry_out(self, desk: Desk, number: int) -> Ticket:
        return commands.resolve(desk, number, self.text)


class Close(OnTicket):
    """The client has validated."""

    text: Text = Field("", description="What the client said.")

    def carry_out(self, desk: Desk, number: int) -> Ticket:
        return commands.close(desk, number, self.text)


class Reopen(OnTicket):
    """The client rejects what was delivered; after the days that the contract gives, a new ticket follows."""

    words: ClassVar = ("reason",)
    reason: Text = Field(description="Why.")

    def carry_out(self, desk: Desk, number: int) -> Ticket:
        return commands.reopen(desk, number, self.reason)


class Cancel(OnTicket):
    """Nothing is owed any more."""

    words: ClassVar = ("reason",)
    reason: commands.Withdrawal = Field(description="Why.")
    text: Text = Field("", description="Why, in words.")

    def carry_out(self, desk: Desk, number: int) -> Ticket:
        return commands.cancel(desk, number, self.reason, self.text)


class Link(OnTicket):
    """Say how it hangs together with another."""

    words: ClassVar = ("other",)
    other: Number = Field(description="The other ticket.")
    how: relations.Relation = Field("relates", description="What this one is to the other.")

    def carry_out(self, desk: Desk, number: int) -> Ticket:
        return relations.link(desk, number, self.other, self.how)


class Merge(OnTicket):
    """Cancel it as a duplicate of one that goes on."""

    words: ClassVar = ("into",)
    into: Number = Field(description="The ticket that goes on.")

    def carry_out(self, desk: Desk, number: int) -> Ticket:
        return relations.merge(desk, number, self.into)


class RequestRca(OnTicket):
    """The client asks for a report on the root cause."""

    text: Text = Field("", description="What the client wants to know.")

    def carry_out(self, desk: Desk, number: int) -> Ticket:
        return aftermath.request_rca(desk, number, self.text)


class ShareRca(OnTicket):
    """The report went to the client."""

    text: Text = Field("", description="How.")
    url: Name = Field("", description="Where it stands.")

    def carry_out(self, desk: Desk, number: int) -> Ticket:
        return aftermath.share_rca(desk, number, self.text, self.url)


class Lesson(OnTicket):
    """Write down what was learnt."""

    words: ClassVar = ("text",)
    text: Text = Field(description="What was learnt.")

    def carry_out(self, desk: Desk, number: int) -> Ticket:
        return aftermath.learn(desk, number, self.text)


class PlanAction(OnTicket):
    """Plan something so that it does not happen again."""

    words: ClassVar = ("text",)
    text: Text = Field(description="What is to be done.")
    owner: Name = Field(description="Who does it: one of `people`.")
    due: date = Field(description="By when: 2026-12-31.")

    def carry_out(self, desk: Desk, number: int) -> Ticket:
        return aftermath.plan_action(desk, number, self.text, self.owner, self.due)


class FinishAction(OnTicket):
    """An action item is done."""

    words: ClassVar = ("item",)
    item: Number = Field(description="Its number.")

    def carry_out(self, desk: Desk, number: int) -> Ticket:
        return aftermath.finish_action(desk, number, self.item)


class Excuse(OnTicket):
    """Take a breach out of the client's report; it is counted apart."""

    words: ClassVar = ("goal", "reason")
    goal: Goal = Field(description="The goal that was missed.")
    reason: Text = Field(description="Why.")
    approver: Name = Field(description="Who approved it: one of `people`.")
    cycle: Number = Field(1, description="Which cycle of its clock.")

    def carry_out(self, desk: Desk, number: int) -> Ticket:
        return aftermath.excuse(desk, number, self.goal, self.cycle, self.reason, self.approver)


class ReplyToAll(OnIncident):
    """Write to the clients of every ticket of it."""

    words: ClassVar = ("text",)
    text: Text = Field(description="What the clients are told.")
    internal: bool = Field(False, description="A note among ourselves.")

    def carry_out(self, desk: Desk, id: str) -> list[Ticket]:
        return broadcast.reply_to_all(desk, id, self.text, public=not self.internal)


class UpdateAll(OnIncident):
    """Correct what is known of it, on every ticket of it."""

    words: ClassVar = ("reason",)
    reason: Text = Field(description="Why.")
    severity: Level | None = Field(None, description="1 (urgent) to 4 (low).")
    class_: Name | None = Field(None, alias="class", description="Its class.")
    location: Name | None = Field(None, description="Where it is.")
    team: Name | None = Field(None, description="Who repairs: one of `teams`.")

    def carry_out(self, desk: Desk, id: str) -> list[Ticket]:
        return broadcast.update_all(
            desk, id, self.reason, severity=self.severity, team=self.team, class_=self.class_, location=self.location
        )


class ResolveAll(OnIncident):
    """Resolve every ticket of it."""

    words: ClassVar = ("text",)
    text: Text = Field(description="What the clients are told.")

    def carry_out(self, desk: Desk, id: str) -> list[Ticket]:
        return broadcast.resolve_all(desk, id, self.text)


class OnHandover(Order):
    """Done to a handover of the queue."""

    def carry_out(self, desk: Desk, id: int) -> Handover:
        raise NotImplementedError


class NoteForNext(OnHandover):
    """Tell the site that takes over what it should know."""

    words: ClassVar = ("text",)
    text: Text = Field(description="What it should know.")

    def carry_out(self, desk: Desk, id: int) -> Handover:
        return handover.note(desk, id, self.text)


class TakeOver(OnHandover):
    """The site that takes over has read it."""

    def carry_out(self, desk: Desk, id: int) -> Handover:
        return handover.acknowledge(desk, id)


ON_TICKET: Mapping[str, type[OnTicket]] = {
    "acknowledge": Acknowledge,
    "reply": Reply,
    "note": Note,
    "hear": Hear,
    "assign": Assign,
    "loop-in": LoopIn,
    "severity": Severity,
    "propose-workaround": ProposeWorkaround,
    "accept-workaround": AcceptWorkaround,
    "reject-workaround": RejectWorkaround,
    "defect": Defect,
    "wait": Wait,
    "resume": Resume,
    "await-fix": AwaitFix,
    "inform": Inform,
    "deploy": Deploy,
    "resolve": Resolve,
    "close": Close,
    "reopen": Reopen,
    "cancel": Cancel,
    "link": Link,
    "merge": Merge,
    "request-rca": RequestRca,
    "share-rca": ShareRca,
    "lesson": Lesson,
    "plan-action": PlanAction,
    "finish-action": FinishAction,
    "excuse": Excuse,
}
ON_INCIDENT: Mapping[str, type[OnIncident]] = {
    "reply": ReplyToAll,
    "update": UpdateAll,
    "resolve": ResolveAll,
}
ON_HANDOVER: Mapping[str, type[OnHandover]] = {
    "note": NoteForNext,
    "acknowledge": TakeOver,
}
