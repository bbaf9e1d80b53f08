"""Opening: whom an incident hits."""

from __future__ import annotations

from tests.pipeline.doubles import World, rule, signal


def hit(world: World) -> set[str]:
    return {row["client"] for row in world.rows("tickets")}


def test_what_hits_all_hits_every_client_that_was_configured(world: World) -> None:
    """Neither ourselves nor the stranger `unassigned`, who are there without being written."""
    world.rules = [rule(clients="all")]
    world.hear(signal("a"))

    assert {"acme", "globex"} == hit(world)


def test_what_hits_nobody_is_ours(world: World) -> None:
    """Somebody must still answer for it."""
    world.rules = [rule(clients="none")]
    world.hear(signal("a"))

    assert {"internal"} == hit(world)
