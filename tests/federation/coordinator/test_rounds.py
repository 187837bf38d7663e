"""When rounds stop, pause and are repeated, and when a sum that made no model counts as spent privacy."""

from dataclasses import replace

import pytest

from federation.aggregation.privacy import Privacy
from federation.coordinator.learner.messages import NextRound


@pytest.fixture
def database(each_database: str | None) -> str | None:
    return each_database


def test_rounds_pause_when_the_budget_is_exhausted_and_after_several_aborts(world) -> None:
    world.enrol(6)
    world.coordinator.rounds.prepared(NextRound(None, "the budget is spent", None, "", unmasked=0))
    world.coordinator.rounds.schedule(1)
    world.run(2)
    assert not world.coordinator.store.rounds()
    assert world.coordinator.store.schedule() == (1, True)
    assert "the budget is spent" in world.coordinator.store.events.errors(1)[0][1]

    world.coordinator.rounds.prepared(NextRound(world.terms, "", None, "", unmasked=0))
    world.coordinator.rounds.schedule(1)
    absent, world.devices = world.devices, []
    for _ in range(200):
        world.coordinator.tick(world.now)
        world.now += 5
    assert {r.state for r in world.coordinator.store.rounds()} == {"aborted"}
    assert len(world.coordinator.store.rounds()) == 5  # then the rounds are paused
    world.devices = absent
    world.coordinator.rounds.pause(False)
    world.finish()
    assert world.coordinator.rounds.model.provenance.round == 1


def test_a_new_federation_waits_for_its_first_devices_without_a_pause(world) -> None:
    world.enrol(2)
    world.coordinator.rounds.schedule(1)
    absent, world.devices = world.devices, []
    for _ in range(200):
        world.coordinator.tick(world.now)
        world.now += 5
    assert len(world.coordinator.store.rounds()) > 5 and world.coordinator.store.schedule() == (1, False)
    world.devices = absent
    world.enrol(4)
    world.finish()
    assert world.coordinator.rounds.model.provenance.round == 1


def test_a_sum_from_which_no_model_can_be_made_aborts_its_round(world) -> None:
    world.enrol(6)
    world.coordinator.rounds.schedule(1)
    world.advance("commit")
    world.unmask()
    world.coordinator.rounds.fail("the learner refuses it", world.now)
    (row,) = world.coordinator.store.rounds()
    assert row.state == "aborted" and world.coordinator.rounds.summed() is None
    assert world.coordinator.rounds.model.provenance.round == 0
    world.finish()
    assert world.coordinator.rounds.model.provenance.round == 1


@pytest.mark.parametrize("lost", ["before the sum was kept", "by the learner"])
def test_a_sum_that_was_unmasked_but_made_no_model_counts_as_spent_privacy(lost: str, world) -> None:
    """Its devices are not selected again in the period, and the learner counts it; the repeated round is like any other."""
    private = Privacy("tree", noise_multiplier=1.0, period=2)
    world.coordinator.rounds.settings = world.settings = replace(world.settings, privacy=private)
    world.enrol(18)
    world.coordinator.rounds.schedule(3)
    world.advance("commit")
    world.coordinator.rounds.begin_unmasking()
    assert world.coordinator.store.newest_unmasked() == 1
    if lost == "by the learner":
        world.unmask()
        world.coordinator.rounds.fail("the learner refuses it", world.now)
    else:
        world.kill()
    world.prepare(world.coordinator)
    assert world.coordinator.rounds.next_round.unmasked == 1 and world.coordinator.store.newest_committed() == 0
    world.finish()
    rows = world.coordinator.store.rounds()
    assert [row.state for row in rows] == ["aborted", "committed", "committed", "committed"]
    sums = [set(world.coordinator.store.counted(row.number)) for row in rows]
    assert all(len(devices) == 4 for devices in sums)
    assert len(sums[0] | sums[1] | sums[2]) == 12, "no device takes part twice in the period"
    assert world.coordinator.store.newest_unmasked() == 3
    world.kill()
    assert world.coordinator.rounds.next_round is not None, "the prepared round counts every unmasked sum"


def test_a_round_that_ended_before_its_sum_could_be_unmasked_spends_no_privacy(world) -> None:
    world.enrol(6)
    world.coordinator.rounds.schedule(1)
    world.advance("unmasking")
    world.kill()
    assert world.coordinator.store.rounds()[0].state == "aborted"
    assert world.coordinator.store.newest_unmasked() == 0
    assert world.coordinator.store.last_participation(world.devices[0].name) == (None, 0)
