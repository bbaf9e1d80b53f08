"""The life of a ticket that a person opened, from the first call to the last action item."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from daemon.desk import aftermath, broadcast, commands, relations, triage
from daemon.desk.desk import Desk, Refused
from daemon.desk.intake import Report, open_ticket
from daemon.desk.staff import Person, Site, Staff, Team
from daemon.model import Fix, Ticket
from daemon.sla.calendar import Always, Calendar
from tests.pipeline.doubles import HOUR, MINUTE, NOON, World, kinds, rule, signal

DAY = timedelta(days=1)
ALWAYS = Calendar("24x7", Always())
STAFF = Staff(
    people={name: Person(name, f"{name}@example.com") for name in ("asha", "lena", "omar")},
    sites={"hyderabad": Site("hyderabad", ALWAYS, "asha")},
    teams={"devops": Team("devops", "asha"), "mobile": Team("mobile", "omar")},
    chain={"support_manager": "lena"},
)
CARTS = Report("acme", 2, "Carts are empty", "Since nine.", "lee@acme.example")


class Office:
    """The desk, one transaction a command."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.terms = replace(world.terms, staff=STAFF, roles=world.terms.roles | {"notice"})

    def do(self, command: Any, *arguments: Any, **more: Any) -> Any:
        keys = {name: more.pop(name) for name in ("at", "request") if name in more}
        with self.world.store.write() as connection:
            return command(replace(self.world.desk(connection), **keys), *arguments, **more)

    def open(self, report: Report = CARTS, **more: Any) -> Ticket:
        ticket: Ticket = self.do(open_ticket, report, **more)
        return ticket

    def refused(self, command: Any, *arguments: Any, **more: Any) -> str:
        with pytest.raises(Refused) as error:
            self.do(command, *arguments, **more)
        return str(error.value)


@pytest.fixture
def office(world: World) -> Office:
    return Office(world)


# opening


def test_a_persons_ticket_makes_an_incident_of_its_own(office: Office) -> None:
    """Named after the ticket; with the team's and the reporter's name on it."""
    ticket = office.open(replace(CARTS, team="devops"))

    assert ("ticket:1", "open", 2) == (
        office.world.incident.key,
        office.world.incident.state,
        office.world.incident.severity,
    )
    assert ("new", "devops", "lee@acme.example") == (ticket.state, ticket.team, ticket.reporter)
    assert [("opened", "person:asha", "Since nine.")] == [
        (one.kind, one.actor, one.body["text"]) for one in office.world.log()
    ]


def test_an_urgent_one_pages(office: Office) -> None:
    """What a severity sets going does not ask who saw it."""
    office.open(replace(CARTS, severity=1))

    assert [("open", "hg:<id>:1", "pending")] == office.world.deliveries("page")


def test_clocks_run_from_when_it_was_reported(office: Office) -> None:
    """A call at 11:50 that is written down at noon is due as from 11:50."""
    office.open(at=NOON - 10 * MINUTE)

    assert NOON + 50 * MINUTE == office.world.clock_of("response")["deadline"]
    assert NOON == office.world.log()[0].recorded_at


def test_the_same_request_opens_one_ticket(office: Office) -> None:
    """Who had no answer may ask again."""
    assert [1, 1, 2] == [office.open(request=key).id for key in ("mail-1", "mail-1", "mail-2")]


@pytest.mark.parametrize(
    ("report", "why"),
    [
        (replace(CARTS, client="acmee"), "there is no client 'acmee': did you mean 'acme'?"),
        (replace(CARTS, severity=5), "'5' is no severity: they are 1, 2, 3 and 4"),
        (replace(CARTS, title=" "), "say what is wrong: the title is empty"),
        (replace(CARTS, team="devop"), "there is no team 'devop': did you mean 'devops'?"),
        (replace(CARTS, class_="securty"), "there is no class 'securty': did you mean 'security'?"),
    ],
)
def test_what_names_nothing_is_refused(office: Office, report: Report, why: str) -> None:
    assert why == office.refused(open_ticket, report)
    assert [] == office.world.tickets()


def test_nothing_is_reported_in_the_future(office: Office) -> None:
    assert "it cannot have been reported in the future" == office.refused(open_ticket, CARTS, at=NOON + MINUTE)


# who does it


def test_who_takes_it_has_it(office: Office) -> None:
    """A person that we know by name; a second pair of hands takes nothing away."""
    office.open()
    assert "asha" == office.do(commands.acknowledge, 1).assignee
    assert "lena" == office.do(triage.assign, 1, person="lena").assignee
    assert "lena" == office.do(commands.acknowledge, 1).assignee
    assert "" == office.do(triage.assign, 1, person="").assignee


def test_a_team_that_is_asked_to_help_is_told(office: Office) -> None:
    """Its lead hears of it, where an action `notice` is on."""
    office.open()
    office.do(triage.loop_in, 1, "mobile", "Does the app cache carts?")

    (notice,) = [row for row in office.world.rows("deliveries") if row["role"] == "notice"]
    assert [{"name": "omar", "email": "omar@example.com", "pagerduty_user": ""}] == notice["body"]["to"]
    assert "Ticket 1 (acme) needs mobile: Carts are empty" == notice["body"]["title"]
    assert "there is no team 'web': there is devops, mobile" == office.refused(triage.loop_in, 1, "web", "x")


# severity and work-around


def test_a_severity_changes_only_with_a_reason(office: Office) -> None:
    office.open()
    assert "say why: the client will ask" == office.refused(triage.change_severity, 1, 1, " ")
    assert "ticket 1 has severity 2 already" == office.refused(triage.change_severity, 1, 2, "x")
    assert 1 == office.do(triage.change_severity, 1, 1, "The shop is shut.").severity


def test_a_raised_persons_ticket_raises_its_incident_and_pages(office: Office) -> None:
    """Nobody else would have said how bad it is."""
    office.open()
    assert [] == office.world.deliveries("page")
    office.do(triage.change_severity, 1, 1, "The shop is shut.")

    assert 1 == office.world.incident.severity
    assert [("open", "hg:<id>:1", "pending")] == office.world.deliveries("page")


def test_a_rule_does_not_change_what_a_person_set(office: Office) -> None:
    world = office.world
    world.rules = [rule(id="down", severity=2)]
    world.hear(signal("a"))
    office.do(triage.change_severity, 1, 3, "Only a test shop.")
    world.rules = [rule(id="down", severity=1)]
    world.hear(signal("b", MINUTE))

    assert (1, 3) == (world.incident.severity, world.ticket.severity)


def test_an_accepted_workaround_allows_a_lower_severity(office: Office) -> None:
    """It is proposed to the client, who says yes; the time used is carried over."""
    office.open()
    assert "no work-around that waits" in office.refused(triage.accept_workaround, 1)
    office.do(triage.propose_workaround, 1, "Reload the page.")
    assert "ticket 1 has severity 2: 2 is not lower" == office.refused(triage.accept_workaround, 1, "", 2)
    office.world.after(HOUR)
    ticket = office.do(triage.accept_workaround, 1, "That will do.", 3)

    assert ("accepted", 3) == (ticket.workaround, ticket.severity)
    assert ["opened", "message", "workaround", "workaround", "severity"] == kinds(office.world.log())
    assert "stopped" == office.world.clock_of("response")["state"]


def test_a_rejected_workaround_may_be_followed_by_another(office: Office) -> None:
    office.open()
    office.do(triage.propose_workaround, 1, "Reload the page.")
    assert "rejected" == office.do(triage.reject_workaround, 1, "It comes back.").workaround
    assert "proposed" == office.do(triage.propose_workaround, 1, "Use the old site.").workaround


# waiting


def test_waiting_for_the_client_pauses_and_its_word_goes_on(office: Office) -> None:
    """Severity 2 may pause: three hours of waiting are three hours later."""
    office.open()
    assert "awaiting_client" == office.do(commands.wait, 1, "information", "Which browser?").state
    assert ("paused", None) == (
        office.world.clock_of("resolution")["state"], office.world.clock_of("resolution")["deadline"],
    )  # fmt: skip
    office.world.after(3 * HOUR)
    assert "in_progress" == office.do(commands.hear, 1, "Firefox.").state
    assert NOON + 15 * HOUR == office.world.clock_of("resolution")["deadline"]


def test_what_waits_for_nothing_is_not_resumed(office: Office) -> None:
    office.open()
    assert "ticket 1 is new: it waits for nothing" == office.refused(commands.resume, 1)


# the fix


@pytest.mark.parametrize(
    ("severity", "accepted", "fix", "allowed"),
    [
        (1, False, Fix.QUICK, True),
        (1, True, Fix.QUICK, True),
        (2, False, Fix.QUICK, True),
        (2, True, Fix.QUICK, False),
        (3, False, Fix.QUICK, False),
        (4, True, Fix.QUICK, False),
        (1, False, Fix.MINOR_RELEASE, False),
        (2, False, Fix.MINOR_RELEASE, False),
        (2, True, Fix.MINOR_RELEASE, True),
        (3, False, Fix.MINOR_RELEASE, True),
        (4, False, Fix.MINOR_RELEASE, True),
    ],
)
def test_how_a_fix_may_come(office: Office, severity: int, accepted: bool, fix: Fix, allowed: bool) -> None:
    """A fix between releases is a risk to every client: only what is urgent, and cannot be worked around, has one."""
    office.open(replace(CARTS, severity=severity))
    if accepted:
        office.do(triage.propose_workaround, 1, "Reload.")
        office.do(triage.accept_workaround, 1)
    if allowed:
        assert ("awaiting_fix", fix) == (
            (ticket := office.do(commands.await_fix, 1, fix)).state, ticket.fix,
        )  # fmt: skip
    else:
        assert "ticket 1: " in office.refused(commands.await_fix, 1, fix)


def test_no_quick_fix_is_installed_before_every_client_knows(office: Office) -> None:
    """All that the incident hits; each by its own ticket."""
    world = office.world
    world.rules = [rule(clients="[acme, globex]")]
    world.hear(signal("a"))
    for number in (1, 2):
        office.do(commands.await_fix, number, Fix.QUICK)
    office.do(commands.inform, 1, "We install a fix at noon.")
    assert "those of ticket 2 do not know" in office.refused(commands.deploy, 1)
    office.do(commands.inform, 2, "We install a fix at noon.")

    assert "in_progress" == office.do(commands.deploy, 1, "4.11.1").state


def test_a_second_quick_fix_has_to_be_told_of_anew(office: Office) -> None:
    office.open()
    office.do(commands.await_fix, 1, Fix.QUICK)
    office.do(commands.inform, 1, "It comes at noon.")
    office.do(commands.deploy, 1)
    assert False is office.do(commands.await_fix, 1, Fix.QUICK).informed


# the end, and after


def test_a_client_may_reject_what_was_delivered(office: Office) -> None:
    """Resolving ended the incident; now it is owed for once more, and pages anew."""
    office.open(replace(CARTS, severity=1))
    office.do(commands.resolve, 1, "It is back.")
    assert "ended" == office.world.incident.state
    office.world.after(HOUR)
    again = office.do(commands.reopen, 1, "It is not.")

    assert ("in_progress", 1) == (again.state, again.id)
    assert "open" == office.world.incident.state
    assert "hg:<id>:2" in [key for _, key, _ in office.world.deliveries("page")]
    assert (2, "running") == (office.world.clock_of("response")["cycle"], office.world.clock_of("resolution")["state"])


def test_what_is_rejected_too_late_is_a_new_ticket_that_follows(office: Office) -> None:
    """Fourteen days are given; then it is another case, which points to the old one."""
    office.open()
    office.do(commands.resolve, 1, "It is back.")
    office.do(commands.close, 1)
    office.world.after(14 * DAY + MINUTE)
    new = office.do(commands.reopen, 1, "Empty again.")

    assert (2, "new", "Carts are empty") == (new.id, new.state, new.title)
    assert [{"ticket": 1, "other": 2, "as": "followed_by"}, {"ticket": 2, "other": 1, "as": "follows"}] == (
        office.world.rows("links")
    )
    assert "closed" == office.world.tickets()[0].state


def test_only_what_is_finished_is_opened_again(office: Office) -> None:
    office.open()
    assert "only a resolved or closed one" in office.refused(commands.reopen, 1, "x")


def test_a_cancelled_ticket_owes_nothing(office: Office) -> None:
    """Its clocks are neither met nor missed, and its incident ends."""
    office.open()
    office.world.after(2 * HOUR)
    office.do(commands.cancel, 1, "false_alarm")

    assert "ended" == office.world.incident.state
    assert "cancelled" == office.world.clock_of("resolution")["state"]
    assert "ticket 1 is cancelled already" == office.refused(commands.resolve, 1, "x")


def test_a_cancelled_ticket_stays_so_while_its_incident_goes_on(office: Office) -> None:
    """Another client's is open, and signals go on: what a person ended is not opened again within the episode."""
    world = office.world
    world.rules = [rule(clients="[acme, globex]")]
    world.hear(signal("a"))
    office.do(commands.cancel, 1, "false_alarm")
    world.hear(signal("b", MINUTE))

    assert ["cancelled", "new"] == [ticket.state for ticket in world.tickets()]


def test_a_merged_ticket_points_to_the_one_that_goes_on(office: Office) -> None:
    office.open()
    office.open(replace(CARTS, title="The cart is empty!"))
    merged = office.do(relations.merge, 2, 1)

    assert ("cancelled", 1) == (merged.state, merged.merged_into)
    assert ["opened", "linked"] == kinds(office.world.log(1))
    assert ["opened", "linked", "cancelled"] == kinds(office.world.log(2))


def test_two_clients_tickets_are_not_merged(office: Office) -> None:
    """Neither may see the other's."""
    office.open()
    office.open(replace(CARTS, client="globex"))
    assert "link them" in office.refused(relations.merge, 2, 1)
    assert "ticket 1 is itself" == office.refused(relations.link, 1, 1)


def test_a_breach_is_excused_once_by_somebody_who_says_why(office: Office) -> None:
    """It stays a breach; it is counted apart."""
    office.open()
    assert "ticket 1 has no breach of response, cycle 1" == office.refused(
        aftermath.excuse, 1, "response", 1, "Their firewall.", "lena"
    )
    office.world.after(2 * HOUR)
    office.do(commands.reply, 1, "Sorry, we are late.")
    office.do(aftermath.excuse, 1, "response", 1, "Their firewall.", "lena")

    assert ["decision", "breach", "excused"] == [
        row["kind"] for row in office.world.counted() if row["goal"] == "response"
    ]
    assert NOON + HOUR == office.world.clock_of("response")["breached_at"]
    assert "is excused already" in office.refused(aftermath.excuse, 1, "response", 1, "Again.", "lena")
    assert "there is no person 'lean'" in office.refused(aftermath.excuse, 1, "response", 1, "x", "lean")


def test_lessons_and_action_items_outlive_the_ticket(office: Office) -> None:
    office.open()
    office.do(commands.resolve, 1, "It is back.")
    office.do(aftermath.learn, 1, "Nobody watched the cache.")
    office.do(aftermath.plan_action, 1, "Watch the cache.", "omar", date(2026, 12, 31))
    office.do(aftermath.finish_action, 1, 1)

    (item,) = office.world.rows("action_items")
    assert ("omar", "2026-12-31", NOON) == (item["owner"], item["due"], item["done_at"])
    assert "ticket 1 has no action item 1 that is not done" == office.refused(aftermath.finish_action, 1, 1)
    assert ["opened", "resolved", "lesson", "action", "action"] == kinds(office.world.log())


def test_a_report_on_the_cause_is_asked_for_and_shared(office: Office) -> None:
    office.open()
    assert "requested" == office.do(aftermath.request_rca, 1, "Why twice?").rca
    assert "the report on ticket 1 is requested already" == office.refused(aftermath.request_rca, 1)
    assert "shared" == office.do(aftermath.share_rca, 1, url="https://example.com/rca/1").rca


# time, and asking twice


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (commands.acknowledge, ()),
        (commands.reply, ("We are on it.",)),
        (commands.wait, ("information", "Which browser?")),
        (triage.change_severity, (1, "The shop is shut.")),
        (triage.propose_workaround, ("Reload.",)),
        (commands.resolve, ("It is back.",)),
        (commands.cancel, ("withdrawn",)),
        (aftermath.request_rca, ()),
        (aftermath.plan_action, ("Watch it.", "omar", date(2026, 12, 31))),
        (relations.merge, (2,)),
    ],
)
def test_the_same_request_changes_nothing(office: Office, command: Any, arguments: tuple[Any, ...]) -> None:
    """Whoever had no answer asks again, and is told how things stand."""
    office.open()
    office.open()
    first = office.do(command, 1, *arguments, request="r1")
    log = office.world.log()
    office.world.after(MINUTE)

    assert first == office.do(command, 1, *arguments, request="r1")
    assert log == office.world.log()


def test_what_is_written_down_late_counts_from_when_it_happened(office: Office) -> None:
    """A call in time, written down after the deadline."""
    office.open()
    office.world.after(2 * HOUR)
    office.do(commands.reply, 1, "I told them by telephone.", at=NOON + 30 * MINUTE)

    assert (NOON + 30 * MINUTE, None) == (
        office.world.clock_of("response")["stopped_at"], office.world.clock_of("response")["breached_at"],
    )  # fmt: skip


def test_nothing_happened_in_the_future_before_the_ticket_or_before_its_last_move(office: Office) -> None:
    office.open()
    office.world.after(HOUR)
    office.do(commands.resolve, 1, "It is back.")
    assert "is in the future" in office.refused(commands.reply, 1, "x", at=NOON + 2 * HOUR)
    assert "before ticket 1 was opened" in office.refused(commands.reply, 1, "x", at=NOON - MINUTE)
    assert "changed its state at" in office.refused(commands.close, 1, at=NOON + MINUTE)


# all tickets of an incident


def test_an_update_corrects_the_incident_and_each_ticket(office: Office) -> None:
    world = office.world
    world.rules = [rule(severity=2, clients="[acme, globex]")]
    world.hear(signal("a"))
    changed = office.do(
        broadcast.update_all, world.incident.id, "It is the database.", severity=1, team="devops", location="eu"
    )

    assert [(1, "devops"), (1, "devops")] == [(ticket.severity, ticket.team) for ticket in changed]
    assert (1, "eu", "devops") == (world.incident.severity, world.incident.location, world.incident.team)
    assert [("open", "hg:<id>:1", "pending")] == world.deliveries("page")
    assert "say what changes" in office.refused(broadcast.update_all, world.incident.id, "x")


def test_a_desk_tells_when_it_happened(office: Office) -> None:
    with office.world.store.read() as connection:
        desk = Desk(connection, office.world.terms, "person:asha", NOON)
    assert NOON == desk.happened_at
    assert NOON - MINUTE == replace(desk, at=NOON - MINUTE).happened_at
