"""The report on a root cause, as Markdown that people go on writing, and as HTML that is made from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from markdown_it import MarkdownIt
from markupsafe import Markup

from daemon.model import ClockState, Event, EventKind
from daemon.report import timeline
from daemon.report.markdown import plain, table
from daemon.report.page import environment
from daemon.report.rca import Rca, Reading
from daemon.report.timeline import Mark, Row, Stretch, Timeline
from daemon.report.words import Tone, bar, length
from daemon.report.written import marked
from daemon.sla.calendar import instant, zone

HINTS: Mapping[str, str] = {
    "summary": "What happened, in three sentences, for somebody who was not there.",
    "impact": "Who could not do what, from when to when, and how many were hit.",
    "cause": "Why it happened: the chain from the trigger to the root, and why nothing stopped it earlier.",
    "fix": "What was changed, and how we know that it holds.",
    "lessons": "What went well, what did not, and what was luck.",
}
"""The parts that people write, with what is asked for."""


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of the report: Markdown of ours, or a part that people write, or a drawing."""

    text: str
    written: str = ""
    """The part's name."""
    drawn: Markup | None = None
    """What stands in the HTML in place of the text."""


def blocks(rca: Rca, written: Mapping[str, str]) -> list[Block]:
    """`written`: what people wrote already, by part."""
    said = _Said(rca)
    drawn = said.drawn()
    order: list[str | Block | None] = [
        said.head(), "summary", "## Impact\n\n" + said.impact(), "impact",
        "## What happened\n\n" + said.what_happened(), "## How it was noticed\n\n" + said.noticed(),
        "## What was promised\n\n" + said.promised(), drawn, "## Root cause", "cause", "## Fix\n\n" + said.fix(), "fix",
        "## Lessons\n\n" + said.lessons(), "lessons", "## Action items\n\n" + said.actions(),
    ]  # fmt: skip
    return [
        Block(written.get(one) or f"*{HINTS[one]}*", one) if isinstance(one, str) and one in HINTS
        else Block(one.strip()) if isinstance(one, str) else one
        for one in order
        if one is not None
    ]  # fmt: skip


def unwritten(made: Sequence[Block]) -> list[str]:
    return [one.written for one in made if one.written and one.text == f"*{HINTS[one.written]}*"]


def as_markdown(made: Sequence[Block]) -> str:
    return "\n\n".join(marked(one.written, one.text) if one.written else one.text for one in made) + "\n"


def as_html(rca: Rca, made: Sequence[Block]) -> str:
    """What people wrote is read as Markdown without HTML and without images: it loads nothing and runs nothing."""
    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    reader.add_render_rule("table_open", _table_open)
    reader.add_render_rule("table_close", _table_close)
    todo = unwritten(made)
    shown = [
        (("unwritten" if one.written in todo else "written") if one.written else "",
         one.drawn if one.drawn is not None else Markup(reader.render(one.text)))  # noqa: S704 - made without HTML
        for one in made
    ]  # fmt: skip
    return environment().get_template("rca.html").render(title=f"Ticket {rca.ticket.id}: root cause", blocks=shown)


def _table_open(*_: Any) -> str:
    return '<div class="scroll"><table>\n'


def _table_close(*_: Any) -> str:
    return "</table></div>\n"


@dataclass(frozen=True, slots=True)
class _Said:
    """The parts that are made. Whatever somebody wrote passes `text`."""

    rca: Rca

    def text(self, said: object) -> str:
        return plain(self.rca.hide(str(said)))

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        return table(head, [[self.rca.hide(cell) for cell in row] for row in rows])

    def at(self, instant: datetime | None) -> str:
        if instant is None:
            return "–"
        local = instant.astimezone(zone(self.rca.timezone))
        return f"{local:%Y-%m-%d %H:%M:%S}"

    def short(self, instant: datetime | None) -> str:
        if instant is None:
            return "–"
        local = instant.astimezone(zone(self.rca.timezone))
        return f"{local.day} {local:%b %H:%M}"

    def head(self) -> str:
        rca, ticket, incident = self.rca, self.rca.ticket, self.rca.incident
        for_us = "**Internal: with our notes. Not for the client.**\n\n" if rca.internal else ""
        rows = [
            ("client", ticket.client), ("severity", str(ticket.severity)), ("state", ticket.state.replace("_", " ")),
            ("class", incident.class_), ("location", incident.location), ("reported", self.at(rca.reported_at)),
            ("resolved", self.at(ticket.resolved_at)), ("incident", incident.id),
        ]  # fmt: skip
        made = f"Made on {rca.made_at:%Y-%m-%d at %H:%M} UTC. Times are {rca.timezone}."
        return (
            f"# Root cause of ticket {ticket.id}: {self.text(ticket.title)}\n\n{for_us}{plain(made)}\n\n"
            + self.table(("", ""), [row for row in rows if row[1]])
            + "\n## In short"
        )

    def impact(self) -> str:
        rca = self.rca
        began = min([rca.incident.began_at, rca.reported_at, *(one.first_at for one in rca.seen)])
        end = rca.ticket.resolved_at if rca.ticket.state in ("resolved", "closed") else None
        over = f"to {self.at(end)}, when it was resolved" if end else "and is not resolved"
        lasted = length(((end or rca.made_at) - began).total_seconds())
        return f"From {plain(self.at(began))} {plain(over)}: {lasted}."

    def what_happened(self) -> str:
        rows = [
            (self.at(one.at), one.actor, f"{one.title} (among ourselves)" if one.note else one.title, one.text)
            for one in self.rca.lines
        ]
        return self.table(("at", "who", "what", ""), rows)

    def noticed(self) -> str:
        rca = self.rca
        first, opened, answered = rca.first_signal_at, rca.log[0].recorded_at, rca.answered_at
        steps = [("first signal", first), ("ticket opened", opened), ("first response", answered)]
        if first is None:
            steps[:2] = [("reported by a person", rca.reported_at), ("written down", opened)]
        elif rca.incident.began_at < first:
            steps.insert(0, ("began, as the source says", rca.incident.began_at))
        rows, before = [], None
        for name, at in steps:
            gap = length((at - before).total_seconds()) if at is not None and before is not None else ""
            rows.append((name, self.at(at), gap))
            before = at or before
        return self.table(("", "at", "after the one before"), rows)

    def promised(self) -> str:
        rows = [self._promise(one) for one in self.rca.readings]
        if not rows:
            return "Nothing was promised."
        return self.table(("promise", "severity", "from", "within", "due", "done", "used", ""), rows)

    def _promise(self, one: Reading) -> tuple[str, ...]:
        clock = one.clock
        name = clock.goal if clock.cycle == 1 else f"{clock.goal}, {clock.cycle}"
        within = length(clock.target) if clock.target else "the next release"
        return (
            name, str(clock.severity), self.short(clock.started_at), within,
            self.short(clock.breached_at or clock.deadline), self.short(clock.stopped_at), length(clock.consumed),
            self._verdict(one),
        )  # fmt: skip

    def _verdict(self, one: Reading) -> str:
        return bar(one.clock, self.rca.made_at).says + (", excused" if one.excused else "")

    def fix(self) -> str:
        told = [text for event in self.rca.log if (text := _fixed(event))]
        return "\n".join(f"- {self.text(one)}" for one in dict.fromkeys(told))

    def lessons(self) -> str:
        told = [str(one.body["text"]) for one in self.rca.log if one.kind is EventKind.LESSON]
        return "\n".join(f"- {self.text(one)}" for one in told)

    def actions(self) -> str:
        rows = [
            (str(one.id), one.text, one.owner, one.due, f"done {self.at(one.done_at)}" if one.done_at else "open")
            for one in self.rca.actions
        ]
        return self.table(("item", "what", "who", "by", ""), rows) if rows else "None."

    def drawn(self) -> Block | None:
        line = _timeline(self.rca, self._verdict)
        if line is None:
            return None
        ends = f"{self.at(line.start)} to {self.at(line.end)}"
        text = f"```text\n{timeline.as_text(line, ends)}\n```"
        marks = [(at, self.short(at)) for at in timeline.ticks(line)]
        return Block(text, drawn=timeline.as_svg(line, "Clocks of the ticket", marks))


def _fixed(event: Event) -> str:
    """What the event says of the fix; nothing if it says none."""
    said = _FIXED.get(event.kind)
    return said(event.body) if said else ""


def _workaround(body: Mapping[str, Any]) -> str:
    if body.get("to") == "proposed":
        return f"Work-around: {body.get('text', '')}"
    return f"The work-around was {body.get('to')}."


def _defect(body: Mapping[str, Any]) -> str:
    known = [f"Defect {body.get('key')}", str(body.get("url") or ""), f"due {body['due']}" if body.get("due") else ""]
    return ", ".join(filter(None, known))


def _awaited(body: Mapping[str, Any]) -> str:
    if body.get("to") != "awaiting_fix":
        return ""
    return f"To come with the {str(body.get('kind', '')).replace('_', ' ')} {body.get('release', '')}".strip()


_FIXED: Mapping[EventKind, Callable[[Mapping[str, Any]], str]] = {
    EventKind.WORKAROUND: _workaround,
    EventKind.DEFECT: _defect,
    EventKind.STATE: _awaited,
    EventKind.DEPLOYED: lambda body: f"Installed: {body['release']}" if body.get("release") else "Installed",
    EventKind.RESOLVED: lambda body: f"Resolved: {body.get('text', '')}",
}


def _timeline(rca: Rca, verdict: Any) -> Timeline | None:
    if not rca.readings:
        return None
    instants = [one.clock.stopped_at or rca.made_at for one in rca.readings]
    instants += [one.clock.breached_at for one in rca.readings if one.clock.breached_at]
    start = min([one.clock.started_at for one in rca.readings] + [one.first_at for one in rca.seen])
    end = max(instants + [one.last_at for one in rca.seen])
    rows = []
    if rca.seen:
        first, last = min(one.first_at for one in rca.seen), max(one.last_at for one in rca.seen)
        lasted = length((last - first).total_seconds())
        rows.append(Row("trouble", f"signals for {lasted}", [Stretch(first, last, "calm")]))
    for goal in dict.fromkeys(one.clock.goal for one in rca.readings):
        cycles = [one for one in rca.readings if one.clock.goal == goal]
        stretches = [stretch for one in cycles for stretch in _stretches(one, rca.made_at)]
        marks = [
            Mark(due, one.clock.breached_at is not None)
            for one in cycles
            if (due := one.clock.breached_at or one.clock.deadline) is not None
        ]
        rows.append(Row(goal, verdict(cycles[-1]), stretches, marks))
    return Timeline(start, max(end, start + timedelta(minutes=1)), rows)


def _stretches(one: Reading, now: datetime) -> list[Stretch]:
    clock, cycle = one.clock, one.cycle
    whole = Stretch(clock.started_at, clock.stopped_at or now, "calm")
    ran = [(instant(start), instant(end)) for start, end in cycle.spans]
    if cycle.since is not None and clock.state is ClockState.RUNNING:
        ran.append((instant(cycle.since), now))
    tone: Tone = "good" if clock.state is ClockState.STOPPED and clock.breached_at is None else "plain"
    found = [whole]
    for start, end in ran:
        late_from = clock.breached_at
        if late_from is None or end <= late_from:
            found.append(Stretch(start, end, tone))
            continue
        if start < late_from:
            found.append(Stretch(start, late_from, tone))
        found.append(Stretch(max(start, late_from), end, "late"))
    return [stretch for stretch in found if stretch.end > stretch.start]
