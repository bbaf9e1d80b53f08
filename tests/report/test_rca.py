"""The report on a root cause: what the store knows is in it, and what is not for the client is not."""

from __future__ import annotations

import re
from datetime import date

import pytest

from daemon.desk import aftermath, commands, relations, triage
from daemon.model import Delivery, Fix
from daemon.report.rca import Rca, gather
from daemon.report.rca_page import Block, as_html, as_markdown, blocks, unwritten
from daemon.store import deliveries, tickets
from tests.pipeline.doubles import HOUR, MINUTE, World, recovered, rule, signal
from tests.report.conftest import Office
from tests.report.test_pages import Seen

START = "2026-03-02 07:00:00"


def known(world: World, number: int = 1, *, internal: bool = False) -> Rca:
    with world.store.read() as connection:
        found = gather(connection, world.terms.policy, number, world.clock.now(), internal=internal)
    assert found is not None
    return found


def made(world: World, *, internal: bool = False, **written: str) -> list[Block]:
    return blocks(known(world, internal=internal), written)


def told(world: World, *, internal: bool = False) -> str:
    return as_markdown(made(world, internal=internal))


@pytest.fixture
def outage(office: Office) -> Office:
    """Two clients are hit; acme's ticket is answered in time and resolved an hour late."""
    world = office.world
    world.rules = [rule(clients="[acme, globex]")]
    world.hear(signal("a"), signal("b", 3 * MINUTE))
    world.run(world.send())
    world.after(10 * MINUTE)
    office.do(commands.reply, 1, "We are on it.")
    office.do(commands.reply, 1, "SECRET: who dropped the index?", public=False)
    office.do(triage.name_defect, 1, "OPS-17", "https://jira.example/OPS-17", "2026-03-02T16:00:00Z")
    office.do(triage.propose_workaround, 1, "Use the old door.")
    office.do(triage.accept_workaround, 1)
    for number in (1, 2):
        office.do(commands.await_fix, number, Fix.QUICK)
        office.do(commands.inform, number, "The fix comes.")
    world.after(5 * HOUR)
    office.tick()
    office.do(commands.deploy, 1, "4.12")
    office.do(commands.resolve, 1, "Repaired.")
    office.do(aftermath.learn, 1, "Migrations drop indexes.")
    office.do(aftermath.plan_action, 1, "Alert on missing indexes", "lena", date(2026, 3, 20))
    return office


@pytest.mark.parametrize(
    "line",
    [
        "# Root cause of ticket 1: shop is down",
        "| client | acme |",
        "| severity | 1 |",
        "From 2026-03-02 07:00:00 to 2026-03-02 12:10:00, when it was resolved: 5 h 10 min.",
        f"| {START} | sentry | said that something was wrong, for the first time | Rule down, 2 signals in all. |",
        "| 2026-03-02 07:03:00 | sentry | said that something was wrong, for the last time |  |",
        "| 2026-03-02 07:00:00 | Heliograph | paged |  |",
        "| 2026-03-02 10:00:00 | Heliograph | warned of the resolution | At 75%. |",
        "| 2026-03-02 11:00:00 | Heliograph | saw the resolution missed |  |",
        "| 2026-03-02 07:10:00 | asha | wrote to the client | We are on it. |",
        "| first signal | 2026-03-02 07:00:00 |  |",
        "| first response | 2026-03-02 07:10:00 | 10 min |",
        "| response | 1 | 2 Mar 07:00 | 15 min | 2 Mar 07:15 | 2 Mar 07:10 | 10 min | met after 10 min |",
        "- Defect OPS-17, https://jira.example/OPS-17, due 2026-03-02T16:00:00Z",
        "- Work-around: Use the old door.",
        "- Installed: 4.12",
        "- Migrations drop indexes.",
        "| 1 | Alert on missing indexes | lena | 2026-03-20 | open |",
    ],
)
def test_what_the_store_knows_is_in_it(outage: Office, line: str) -> None:
    assert line in told(outage.world).splitlines()


def test_clocks_are_drawn_as_text_and_as_a_picture(outage: Office) -> None:
    """With the deadline, and what was late of it."""
    text = told(outage.world)
    html = as_html(known(outage.world), made(outage.world))
    (line,) = [one for one in text.splitlines() if one.startswith("resolution ")]

    assert 60 == sum(line.count(sign) for sign in "█▓░·|")
    assert line.index("█") < line.index("|") < line.index("▓")
    assert "missed by 1 h" in line
    assert '<rect class="late"' in html
    assert '<line class="late"' in html
    assert "resolution: missed by" in html
    assert "█" not in html


def test_a_note_among_ourselves_is_for_the_internal_edition_alone(outage: Office) -> None:
    outage.do(commands.resume, 2, "x")
    outage.do(aftermath.excuse, 1, "resolution", 1, "EXCUSE", "lena")

    for text in (told(outage.world), as_html(known(outage.world), made(outage.world))):
        assert "SECRET" not in text
        assert "EXCUSE" not in text
    assert "SECRET: who dropped the index?" in told(outage.world, internal=True)
    assert "EXCUSE" in told(outage.world, internal=True)
    assert "Not for the client" in told(outage.world, internal=True)


def test_words_of_a_move_are_for_ourselves(outage: Office) -> None:
    """Why the work goes on, and how an installation went, is no message to the client."""
    outage.do(commands.reopen, 1, "It is down again.")
    outage.do(commands.await_fix, 1, Fix.QUICK, "4.13", "HUSH: the same migration")

    assert "HUSH" not in told(outage.world)
    assert "HUSH" in told(outage.world, internal=True)


def test_no_other_clients_name_is_in_it(outage: Office) -> None:
    """Wherever somebody wrote it; and no link to their tickets."""
    outage.do(relations.link, 1, 2, "relates")
    outage.do(commands.reply, 1, "Globex has it too (globex-shop, GLOBEX).")
    outage.do(aftermath.learn, 1, "What hits globex hits acme.")
    outage.do(aftermath.plan_action, 1, "Ask globex", "lena", date(2026, 3, 20))
    texts = [told(outage.world), as_html(known(outage.world), made(outage.world))]

    for text in texts:
        assert "globex" not in text.lower()
        assert "relates to ticket" not in text
        assert "acme" in text
    assert "globex" in told(outage.world, internal=True)


def test_a_title_that_names_another_client_is_told_without_it(office: Office) -> None:
    office.open("acme", title="Like globex's: carts are empty")

    assert "# Root cause of ticket 1: Like \\[another client\\]'s: carts are empty\n" in told(office.world)


def test_a_ticket_that_a_person_reported_has_no_signal(office: Office) -> None:
    """It was noticed when somebody said so."""
    office.open(at=office.world.clock.now() - 10 * MINUTE)
    written = told(office.world)

    assert "| reported by a person | 2026-03-02 06:50:00 |  |" in written
    assert "| written down | 2026-03-02 07:00:00 | 10 min |" in written
    assert "| first response | – |  |" in written


def test_what_is_not_written_yet_is_asked_for(office: Office) -> None:
    office.open()

    assert ["summary", "impact", "cause", "fix", "lessons"] == unwritten(made(office.world))
    assert ["summary", "impact", "fix", "lessons"] == unwritten(made(office.world, cause="The index."))


def test_what_people_write_is_markdown_and_neither_html_nor_an_image(office: Office) -> None:
    """The page runs nothing and loads nothing."""
    office.open(title="<script>alert(1)</script>")
    cause = "It was **dropped**.\n\n<script>x</script>\n\n![i](http://e/x.png) [y](javascript:x)\n\n| a |\n|---|\n| b |"
    html = as_html(known(office.world), made(office.world, cause=cause))
    page = Seen(html)

    assert {"strong", "table"} <= set(page.tags)
    assert not {"script", "img"} & set(page.tags)
    assert ['href="http://e/x.png"'] == re.findall(r'href="[^"]*"', html)
    assert ["a href"] == page.outside


def test_a_ticket_that_is_opened_again_has_the_evidence_of_each_episode(office: Office) -> None:
    """Up to the one for which the client has another ticket."""
    world = office.world
    world.hear(signal("a"), signal("b", MINUTE))
    world.hear(recovered("c", 2 * MINUTE))
    world.settle()
    office.do(commands.resolve, 1, "Repaired.")
    world.after(10 * MINUTE)
    world.hear(signal("d", 15 * MINUTE))
    seen = [(one.count, one.recovered) for one in known(world).seen]
    with world.store.write() as connection:
        tickets.add(
            connection, incident=world.incident.id, client="acme", episode=2, severity=1, state="new", title="again",
            origin="sentry", contract=world.ticket.contract, opened_at=world.clock.now(),
        )  # fmt: skip

    assert 2 == world.incident.episode
    assert [(3, False)] == seen
    assert [(2, False)] == [(one.count, one.recovered) for one in known(world).seen]


def test_pages_for_another_clients_ticket_are_not_told(outage: Office) -> None:
    """Its warnings may page as well."""
    world = outage.world
    before = told(world).count("paged")
    with world.store.write() as connection:
        for number in (1, 2):
            page = Delivery("page", "open", f"w:{number}:resolution:1:1:breach", 1, {})
            deliveries.owe(connection, page, world.incident.id, 1, world.clock.now(), number)

    assert before + 1 == told(world).count("paged")
