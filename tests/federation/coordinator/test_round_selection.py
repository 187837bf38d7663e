"""When the selection of a round ends: with every device here, with no other coming, or when the operator starts it."""

from dataclasses import replace

import pytest

from data.errors import DataError
from federation.aggregation.privacy import Privacy
from federation.coordinator.round_machine import Rules


def waiting_world(new_world, settings, joined: int, present: int, **rules):
    """Returns a world at the selection of its first round, in which some of the devices that joined have checked in."""
    world = new_world(settings=replace(settings, rules=replace(Rules(3, 20), selection_seconds=600.0, **rules)))
    world.enrol(joined)
    world.coordinator.rounds.schedule(1)
    world.coordinator.tick(world.now)
    for device in world.devices[:present]:
        world.step(device)
    return world


def lines(world) -> list[str]:
    return [text for _, text in world.coordinator.store.events.newest(100)]


def test_a_round_begins_once_no_other_device_has_come_for_a_while(new_world, world) -> None:
    """Devices that check in again while they wait do not prolong it."""
    world = waiting_world(new_world, world.settings, joined=5, present=3, settle_seconds=15.0)
    for _ in range(14):
        world.now += 1
        for device in world.devices[:3]:
            world.step(device)
    assert world.round.stage == "selection"
    world.now += 1
    world.coordinator.tick(world.now)
    assert world.round.stage == "keys"
    assert (
        "round 1: selection ended with 3 devices: no other device came for 15 seconds; the next stage is keys"
        in lines(world)
    )


def test_a_round_begins_when_every_device_is_here_and_no_link_is_unused(new_world, world) -> None:
    world = waiting_world(new_world, world.settings, joined=3, present=3)
    world.now += 2
    world.coordinator.tick(world.now)
    assert world.round.stage == "keys" and "every device that can take part is here" in lines(world)[0]


@pytest.mark.parametrize("why", ["left out", "not ready", "removed", "took part"])
def test_a_round_does_not_wait_for_a_device_that_cannot_take_part(why: str, new_world, world) -> None:
    world = waiting_world(new_world, world.settings, joined=4, present=2)
    third, fourth = world.devices[2:]
    if why == "left out":
        world.coordinator.rounds.conduct.convict(fourth.name, "a reason", world.now)
    elif why == "not ready":
        world.ready = lambda device: device is not fourth
        world.step(fourth)
    elif why == "took part":
        world.coordinator.rounds.settings = replace(world.settings, privacy=Privacy("tree", 1.0, 5))
        world.coordinator.devices._may_take_part = lambda device: device != fourth.name
    world.step(third)
    if why == "removed":
        world.coordinator.devices.leave(fourth.name, world.now, removed=True)
    world.now += 2
    world.coordinator.tick(world.now)
    assert world.round.stage == "keys" and "every device that can take part is here" in lines(world)[0]


def test_below_the_minimum_a_round_waits_for_a_device_that_comes_later(new_world, world) -> None:
    """It then waits as long as for any other, since a link is unused."""
    world = waiting_world(new_world, world.settings, joined=2, present=2)
    world.enrol(1)
    world.coordinator.devices.invite(world.now)
    world.step(world.devices[2])
    world.now += 14
    world.coordinator.tick(world.now)
    assert world.round.stage == "selection"
    world.now += 1
    world.coordinator.tick(world.now)
    assert world.round.stage == "keys"


def test_start_now_begins_with_the_devices_present_but_never_below_the_minimum(new_world, world) -> None:
    world = waiting_world(new_world, world.settings, joined=6, present=2)
    rounds = world.coordinator.rounds
    assert rounds.start_now(world.now) == 1
    world.now += 60
    world.coordinator.tick(world.now)
    assert world.round.stage == "selection"
    world.step(world.devices[2])
    world.now += 2
    world.coordinator.tick(world.now)
    assert world.round.stage == "keys" and len(world.round.cohort) == 3
    with pytest.raises(DataError, match="the round has begun already: it is at keys"):
        rounds.start_now(world.now)
    world.finish()
    assert rounds.start_now(world.now) == 3, "a round opens, although none was scheduled"
    assert world.round.stage == "selection"


def test_start_now_opens_a_round_despite_a_pause_and_a_back_off(new_world, world) -> None:
    world = waiting_world(new_world, world.settings, joined=6, present=2)
    world.now += 700
    world.coordinator.tick(world.now)
    world.coordinator.rounds.pause(True)
    assert world.coordinator.rounds.current is None
    world.coordinator.rounds.start_now(world.now)
    assert world.round.stage == "selection"


@pytest.mark.parametrize("finish", [True, False])
def test_stopping_finishes_or_ends_the_round_and_is_no_error(finish: bool, world) -> None:
    world.enrol(6)
    world.coordinator.rounds.schedule(3)
    world.advance("reporting")
    world.coordinator.rounds.stop(world.now, finish)
    assert not world.coordinator.store.events.errors(1)
    world.run()
    (row,) = world.coordinator.store.rounds()
    assert (row.state, row.reason) == (("committed", "") if finish else ("aborted", "stopped by the operator"))
    assert world.coordinator.store.schedule() == (0, False) and not world.coordinator.store.events.errors(1)
    world.coordinator.rounds.schedule(1)
    world.coordinator.tick(world.now)
    assert world.coordinator.rounds.current is not None, "the next round does not wait as after a failure"


def test_a_coordinator_that_ends_in_a_round_repeats_it_without_an_error(world) -> None:
    world.enrol(6)
    start = world.weights()
    world.coordinator.rounds.schedule(1)
    world.advance("reporting")
    world.coordinator.rounds.suspend(world.now)
    world.kill()
    assert not world.coordinator.store.events.errors(1)
    world.finish()
    world.check_models(start)


def test_the_event_log_tells_a_round_from_its_beginning_to_its_end(world) -> None:
    heard: list[str] = []
    world.coordinator.store.events.listener = lambda text, now: heard.append(text)
    world.enrol(6)
    world.coordinator.rounds.schedule(1)
    world.finish()
    world.coordinator.devices.leave(world.devices[0].name, world.now)
    assert [line.split()[2] for line in heard[:6]] == ["joined"] * 6
    assert heard[6].startswith("round 1 is open: it needs at least 3 devices")
    stages = ["selection", "keys", "shares", "reporting", "consistency", "unmasking"]
    assert [line.split()[2] for line in heard[7:13]] == stages
    assert heard[13].startswith("round 1 made a new model from 4 devices") and heard[14].endswith("left")
    assert lines(world) == heard[::-1]
    world.kill()
    assert lines(world) == heard[::-1], "the log is kept"


def test_the_event_log_is_bounded_and_contains_errors(world) -> None:
    store = world.coordinator.store
    for number in range(2_100):
        store.events.add(f"event {number}", world.now + number)
    store.events.add_error("a failure", world.now + 3_000)
    found = lines(world)
    assert found[:2] == ["a failure", "event 2099"]
    assert len(store.events.newest(5_000)) == 2_001
