"""Collecting: a cursor, its signals, and all that they mean, in one transaction or not at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from daemon.contract import Batch
from daemon.errors import Permanent, Temporary
from daemon.pipeline import detect
from daemon.worker import WORKED, Idle
from tests.pipeline.doubles import HOUR, MINUTE, NOON, SECOND, Told, World, kinds, recovered, rule, signal


def test_a_signal_opens_all_that_hangs_on_it(world: World) -> None:
    """Evidence, incident, the client's ticket with its clocks, the page, and the cursor: committed together."""
    world.hear(signal("a"), watermark=NOON)

    assert ("open", 1, "shop is down") == (world.incident.state, world.incident.episode, world.incident.title)
    assert ("acme", "new", 1) == (world.ticket.client, world.ticket.state, world.ticket.severity)
    assert [("open", "hg:<id>:1", "pending")] == world.deliveries()
    assert NOON + 15 * MINUTE == world.clock_of("response")["deadline"]
    assert 1 == len(world.rows("evidence"))
    assert [({"n": 1}, NOON, 1, 0)] == [
        (row["cursor"], row["watermark"], row["signals"], row["unwanted"]) for row in world.rows("polls")
    ]


def test_the_cursor_moves_only_with_its_signals(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies while it records has recorded nothing: the same is read again."""
    world.source.say(signal("a"))
    with monkeypatch.context() as patch:
        patch.setattr(detect, "detect", _die)
        with pytest.raises(KeyboardInterrupt):
            world.collect().step(world.clock.now())

    assert [[], [], []] == [world.rows(table) for table in ("signals", "incidents", "deliveries")]
    assert [None] == [row["cursor"] for row in world.rows("polls")]
    world.after(MINUTE)
    world.hear(signal("a"))
    assert [None, None] == world.source.asked[:2]
    assert 1 == len(world.incidents())


def _die(*_: object) -> int:
    raise KeyboardInterrupt


def test_what_is_read_twice_opens_nothing_twice(world: World) -> None:
    """Each poll looks back over what the last one saw."""
    world.hear(signal("a"))
    world.hear(signal("a"), signal("b", MINUTE))

    assert (1, 1, 2, 2) == tuple(len(world.rows(table)) for table in ("incidents", "tickets", "signals", "evidence"))
    assert 1 == len(world.deliveries())
    assert [2] == [row["signals"] for row in world.rows("polls")]


def test_a_group_has_an_incident_of_its_own(world: World) -> None:
    """And the same group joins its own."""
    world.hear(signal("a"), signal("b", project="till"), signal("c", MINUTE))

    assert ["shop is down", "till is down"] == sorted(each.title for each in world.incidents())
    assert {NOON, NOON + MINUTE} == {each.last_signal_at for each in world.incidents()}
    assert 2 == len(world.deliveries())


def test_what_no_rule_wants_is_counted_and_not_kept(world: World) -> None:
    """Unless the operator keeps everything, and even then it is evidence of nothing."""
    world.hear(signal("a", level="info"))
    everything = world.collect()
    everything.keep_all = True
    world.after(MINUTE)
    world.source.say(signal("b", level="info"))
    world.run(everything)

    assert ["b"] == [row["id"] for row in world.rows("signals")]
    assert [2] == [row["unwanted"] for row in world.rows("polls")]
    assert [] == world.incidents()


def test_more_is_fetched_at_once(world: World) -> None:
    """A page of a long answer is not waited for, and its cursor is handed back."""
    world.source.say(signal("a"), more=True)
    world.source.say(signal("b"))
    until = world.run(world.collect())

    assert [None, {"n": 1}] == world.source.asked
    assert NOON + MINUTE == until


def test_a_count_is_of_event_time(world: World) -> None:
    """Three that happened within five minutes, however long they took to arrive."""
    world.rules = [rule("window: {count: 3, within: 5m}\n")]
    world.hear(signal("a"))
    world.after(HOUR)
    world.hear(signal("b", MINUTE))
    assert [] == world.incidents()
    world.hear(signal("c", 2 * MINUTE))

    assert (NOON, 3) == (world.incident.began_at, len(world.rows("evidence")))


def test_three_that_arrive_together_but_happened_apart_are_no_three(world: World) -> None:
    """An outage of ours does not make one of theirs."""
    world.rules = [rule("window: {count: 3, within: 5m}\n")]
    world.hear(signal("a"), signal("b", 6 * MINUTE), signal("c", 12 * MINUTE))

    assert [] == world.incidents()
    assert 3 == len(world.rows("signals"))


def test_a_late_signal_completes_its_window(world: World) -> None:
    """It happened among the others, though it came last; all three are evidence."""
    world.rules = [rule("window: {count: 3, within: 5m}\n")]
    world.hear(signal("a"), signal("c", 2 * MINUTE))
    world.hear(signal("b", MINUTE))

    assert (NOON, NOON + MINUTE) == (world.incident.began_at, world.incident.opened_at)
    assert 3 == len(world.rows("evidence"))


def test_a_window_counts_one_group(world: World) -> None:
    """Two here and one there are no three."""
    world.rules = [rule("window: {count: 3, within: 5m}\n")]
    world.hear(signal("a"), signal("b"), signal("c", project="till"))

    assert [] == world.incidents()
    assert 2 == len(world.rows("windows"))


def test_while_it_is_open_one_more_is_evidence(world: World) -> None:
    """It need not be counted again to keep the incident open."""
    world.rules = [rule("window: {count: 3, within: 5m}\n")]
    world.hear(signal("a"), signal("b"), signal("c"))
    world.hear(signal("d", 30 * MINUTE))

    assert (NOON + 30 * MINUTE, 4) == (world.incident.last_signal_at, len(world.rows("evidence")))


def test_a_window_is_as_bad_as_the_worst_that_it_counted(world: World) -> None:
    """In whatever order they came."""
    world.rules = [rule("window: {count: 2, within: 5m}\nraise: [{match: {users|gte: 100}, to: 1}]\n", severity=3)]
    world.hear(signal("a", users=500), signal("b", MINUTE, users=3))

    assert (1, 1) == (world.incident.severity, world.ticket.severity)


# what rules say of themselves


def test_a_silent_rule_opens_nothing(world: World) -> None:
    """What it wanted is kept, to be looked at."""
    world.rules = [rule("silent: true\n")]
    world.hear(signal("a"))

    assert ([], 1) == (world.incidents(), len(world.rows("signals")))


def test_a_rule_in_shadow_records_what_it_would_have_opened(world: World) -> None:
    """And sends nothing, opens no ticket, and is listed apart."""
    world.rules = [rule("stage: shadow\nclear: {quiet_for: 30m}\n")]
    world.hear(signal("a"), signal("b", MINUTE))

    (row,) = world.rows("incidents")
    assert ("shadow", "open") == (row["held"]["by"], row["state"])
    assert [[], [], [], []] == [world.incidents(), *map(world.rows, ("tickets", "deliveries", "events"))]
    assert [("shadow", "opened"), ("shadow", "joined")] == [
        (row["outcome"], row["detail"]["would"]) for row in world.rows("judgements")
    ]


@pytest.mark.parametrize(("words", "tickets", "pages"), [("then: [ticket]\n", 1, 0), ("then: [page]\n", 0, 1)])
def test_a_rules_own_then_replaces_the_severitys(world: World, words: str, tickets: int, pages: int) -> None:
    """The incident is there in any case."""
    world.rules = [rule(words)]
    world.hear(signal("a"))

    assert (1, tickets, pages) == (len(world.incidents()), len(world.tickets()), len(world.deliveries()))


# recovery, quiet, episodes


def test_a_recovery_clears(world: World) -> None:
    """The ticket is told and stays owed; its clocks run on."""
    world.rules = [rule("clear: {recovery: true}\n")]
    world.hear(signal("a"))
    world.run(world.send())
    world.hear(recovered("b", MINUTE))

    assert "cleared" == world.incident.state
    assert ("new", ["opened", "recovered"]) == (world.ticket.state, kinds(world.log()))
    assert [("open", "hg:<id>:1", "done"), ("close", "hg:<id>:1", "pending")] == world.deliveries()
    assert "running" == world.clock_of("resolution")["state"]


def test_an_older_recovery_clears_nothing(world: World) -> None:
    """It broke again after that was said."""
    world.rules = [rule("clear: {recovery: true}\n")]
    world.hear(signal("a", 5 * MINUTE))
    world.hear(recovered("b", MINUTE))

    assert "open" == world.incident.state


def test_quiet_clears_in_event_time(world: World) -> None:
    """Nothing was said for so long, as far as the source has been read: a clock on the wall is no proof."""
    world.rules = [rule("clear: {quiet_for: 10m}\n")]
    world.hear(signal("a"), watermark=NOON)
    world.after(HOUR)
    world.run(world.clear())
    assert "open" == world.incident.state
    world.hear(watermark=NOON + 10 * MINUTE - SECOND)
    world.run(world.clear())
    assert "open" == world.incident.state
    world.hear(watermark=NOON + 10 * MINUTE)
    world.run(world.clear())

    assert "cleared" == world.incident.state
    assert [NOON + 10 * MINUTE] == [row["over_at"] for row in world.rows("incidents")]


def test_a_source_that_fails_holds_what_would_clear_by_quiet(world: World) -> None:
    """Its silence says nothing."""
    world.rules = [rule("clear: {quiet_for: 10m}\n")]
    world.after(HOUR)
    world.hear(signal("a", 40 * MINUTE), watermark=NOON + 55 * MINUTE)
    world.after(MINUTE)
    world.source.fail(Temporary("timeout"))
    world.collect().step(world.clock.now())
    world.run(world.clear())
    assert "open" == world.incident.state
    world.after(5 * MINUTE)
    world.hear()
    world.run(world.clear())

    assert "cleared" == world.incident.state


def test_every_source_that_could_say_otherwise_is_waited_for(world: World) -> None:
    """One that was read further than the others proves nothing for them."""
    world.sources = {"sentry": "sentry", "sentry-eu": "sentry"}
    world.rules = [rule("clear: {quiet_for: 10m}\n")]
    world.hear(signal("a"))
    world.after(HOUR)
    world.hear(watermark=NOON + HOUR)
    world.run(world.clear())
    assert "open" == world.incident.state
    other = Told()
    other.say(watermark=NOON + 20 * MINUTE)
    world.run(world.collect(name="sentry-eu", source=other), world.clear())

    assert "cleared" == world.incident.state


def test_what_breaks_again_is_the_next_episode(world: World) -> None:
    """The same incident and ticket, a page of its own; what is old news opens nothing."""
    world.rules = [rule("clear: {recovery: true}\n")]
    world.hear(signal("a"))
    world.run(world.send())
    world.hear(recovered("b", 5 * MINUTE))
    world.hear(signal("late", MINUTE))
    assert "cleared" == world.incident.state
    world.hear(signal("c", 6 * MINUTE))

    assert ("open", 2) == (world.incident.state, world.incident.episode)
    assert 1 == len(world.tickets())
    assert [("open", "hg:<id>:1"), ("close", "hg:<id>:1"), ("open", "hg:<id>:2")] == [
        (verb, key) for verb, key, _ in world.deliveries()
    ]


def test_a_worse_signal_raises_incident_and_ticket_and_pages_once(world: World) -> None:
    """A milder one afterwards lowers nothing, and nobody is paged again."""
    world.rules = [rule("raise: [{match: {users|gte: 100}, to: 1}]\n", severity=2)]
    world.hear(signal("a", users=3))
    assert (2, []) == (world.ticket.severity, world.deliveries())
    world.hear(signal("b", MINUTE, users=500))
    world.hear(signal("c", 2 * MINUTE, users=700), signal("d", 3 * MINUTE, users=3))

    assert (1, 1) == (world.incident.severity, world.ticket.severity)
    assert ["opened", "severity"] == kinds(world.log())
    assert 1 == len(world.deliveries())


def test_a_defect_is_owed_once_with_the_promised_date(world: World) -> None:
    """By its class; a next episode files no second one."""
    world.rules = [rule("class: defect\nclear: {recovery: true}\n")]
    world.hear(signal("a"))
    world.run(world.send("defect"))
    world.hear(recovered("b", 5 * MINUTE))
    world.hear(signal("c", 6 * MINUTE))

    assert [("open", "hg-<id>", "done")] == world.deliveries("defect")
    (filed,) = world.actions["defect"].taken
    assert "2026-03-02T16:00:00Z" == filed.body["due"]
    assert "ENG-1" == next(event.body["key"] for event in world.log() if event.kind == "defect")


def test_a_client_that_is_not_ours_yet_is_unassigned(world: World) -> None:
    """Nobody's trouble is nobody's ticket."""
    world.rules = [replace(rule(), clients=replace(rule().clients, names=("acme", "initech")))]
    world.hear(signal("a"))

    assert ["acme", "unassigned"] == [ticket.client for ticket in world.tickets()]


# turns and failures


def test_nothing_has_been_seen_of_the_future(world: World) -> None:
    """A vendor whose clock is ahead makes nothing quiet."""
    world.hear(watermark=NOON + HOUR)

    assert [NOON] == [row["watermark"] for row in world.rows("polls")]


def test_one_holder_polls(world: World) -> None:
    """Another replica waits for the lease or the interval."""
    other = world.collect("two", source=world.source)
    seen: list[object] = []
    world.source.meanwhile = lambda: seen.append(other.step(world.clock.now()))
    world.source.say(signal("a"))

    assert WORKED == world.collect().step(world.clock.now())
    assert [Idle(NOON + MINUTE)] == seen
    assert 1 == len(world.source.asked)


def test_an_answer_after_the_lease_is_worth_nothing(world: World) -> None:
    """Whoever has the turn now reads the same; the cursor is not moved by the one who slept."""
    world.source.meanwhile = lambda: world.after(2 * MINUTE)
    world.source.say(signal("a"))
    world.collect().step(world.clock.now())

    assert ([], [None]) == (world.rows("signals"), [row["cursor"] for row in world.rows("polls")])


def test_a_failed_poll_waits_longer_each_time(world: World) -> None:
    """With jitter, never less than the vendor asks; the cursor stays, and the rest goes on."""
    world.hear(signal("a"))
    waits = []
    for failure in (*[Temporary("timeout")] * 3, Temporary("rate_limited", after=20 * MINUTE)):
        due = world.run(world.collect())
        assert due is not None
        world.clock.tell(due)
        world.source.fail(failure)
        world.collect().step(world.clock.now())
        until = world.run(world.collect())
        assert until is not None
        waits.append(until - world.clock.now())

    assert MINUTE / 2 <= waits[0] <= MINUTE <= waits[1] <= 2 * MINUTE <= waits[2] <= 4 * MINUTE
    assert 20 * MINUTE == waits[3]
    assert [({"n": 1}, 4, "rate_limited")] == [
        (row["cursor"], row["failures"], row["reason"]) for row in world.rows("polls")
    ]


def test_a_source_that_fails_for_long_is_an_incident_of_ours(world: World) -> None:
    """After a quarter of an hour somebody must know; that it answers again clears it and resolves our ticket."""
    for minutes in (0, 14):
        world.clock.tell(NOON + minutes * MINUTE)
        world.source.fail(Temporary("timeout"))
        world.collect().step(world.clock.now())
    assert [] == world.incidents()
    world.clock.tell(NOON + 20 * MINUTE)
    world.source.fail(Temporary("timeout"))
    world.collect().step(world.clock.now())

    assert ("daemon/source-unread", "open", "internal") == (
        world.incident.rule,
        world.incident.state,
        world.ticket.client,
    )
    world.after(10 * MINUTE)
    world.source.say()
    world.collect().step(world.clock.now())
    assert ("ended", "resolved") == (world.incident.state, world.ticket.state)


def test_a_source_that_fails_again_is_the_next_episode(world: World) -> None:
    """No signal says that it began or was over, and yet each has its times."""
    for minutes in (0, 20):
        world.clock.tell(NOON + minutes * MINUTE)
        world.source.fail(Permanent("auth"))
        world.collect().step(world.clock.now())
        world.after(10 * MINUTE)
        world.source.say()
        world.collect().step(world.clock.now())

    assert ("ended", 2) == (world.incident.state, world.incident.episode)
    assert [(NOON + n * MINUTE, NOON + (n + 10) * MINUTE) for n in (0, 20)] == [
        (row["began_at"], row["over_at"]) for row in world.rows("episodes")
    ]


def test_what_will_not_pass_by_itself_is_told_at_once(world: World) -> None:
    """A revoked token does not get better; one incident, however often it is tried."""
    for _ in range(2):
        world.source.fail(Permanent("auth", "the token lacks event:read"))
        world.collect().step(world.clock.now())
        world.after(5 * MINUTE)

    assert "Source sentry cannot be read: auth: the token lacks event:read" == world.incident.title


def test_a_record_that_cannot_be_read_is_put_aside_once(world: World) -> None:
    """It stops nothing beside it."""
    bad = Batch((signal("a"),), {"n": 1}, quarantined=(("no id", '{"broken":1}'),))
    for _ in range(2):
        world.source.batches.append(bad)
        world.run(world.collect())
        world.after(MINUTE)

    assert [("sentry", "no id", '{"broken":1}')] == [
        (row["source"], row["reason"], row["record"]) for row in world.rows("quarantine")
    ]
    assert 1 == len(world.incidents())
    dropped = {"source": "sentry", "reason": "unreadable"}
    assert 1 == world.registry.get_sample_value("heliograph_source_events_dropped_total", dropped)


# pushed


def test_what_is_pushed_and_polled_is_one(world: World) -> None:
    """Whichever came first."""
    world.receive()({"signature": "right"}, b"a")
    world.hear(signal("a"))

    assert (1, 1) == (len(world.incidents()), len(world.rows("signals")))
    assert 1 == world.registry.get_sample_value("heliograph_source_events_total", {"source": "sentry"})


def test_a_push_of_somebody_else_is_refused(world: World) -> None:
    """And nothing of it is recorded."""
    with pytest.raises(Permanent, match="signature"):
        world.receive()({"signature": "wrong"}, b"a")

    assert ([], []) == (world.rows("signals"), world.rows("polls"))


def test_new_signals_are_counted_by_the_rules_that_match_them(world: World) -> None:
    """Each once, however often it is read again."""
    world.hear(signal("a"), signal("b"), signal("a"))
    world.hear(signal("b"))

    assert 2.0 == world.registry.get_sample_value("heliograph_rule_matches_total", {"rule": "down"})
