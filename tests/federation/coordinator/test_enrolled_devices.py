"""The devices of a federation: who may take part in a private run, and when devices were last seen."""

from dataclasses import replace

from federation.aggregation.privacy import Privacy
from federation.protocol.api_messages import REST, CheckIn


def test_a_device_takes_part_once_in_a_period_of_a_private_run(world) -> None:
    world.coordinator.rounds.settings = replace(
        world.coordinator.rounds.settings, privacy=Privacy("tree", noise_multiplier=1.0, period=2)
    )
    world.enrol(12)
    world.coordinator.rounds.schedule(4)
    for _ in range(60):
        for device in world.devices:
            world.step(device)
        world.work()
        world.now += 1
    rounds = [
        set(world.coordinator.store.counted(r.number))
        for r in world.coordinator.store.rounds()
        if r.state == "committed"
    ]
    assert len(rounds) == 4
    assert not rounds[0] & rounds[1] and not rounds[2] & rounds[3]
    assert (rounds[0] | rounds[1]) & (rounds[2] | rounds[3])


def test_the_times_at_which_devices_were_seen_are_stored_every_few_seconds(world) -> None:
    for device in world.enrol(2):
        world.now += 1
        world.step(device)
    assert {row.seen for row in world.coordinator.store.devices()} == {1_000.0}
    world.now += 10
    world.coordinator.tick(world.now)
    assert {row.seen for row in world.coordinator.store.devices()} == {1_001.0, 1_002.0}


def test_a_device_with_nothing_to_do_rests(world) -> None:
    (device,) = world.enrol(1)
    vocabulary = world.coordinator.rounds.model.vocabulary.sha256
    call = world.coordinator.devices.check_in(device.name, CheckIn(vocabulary, ""), world.now)
    assert call.task == REST and not call.round_name
