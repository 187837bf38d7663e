"""Every stage of a round, and a device or the coordinator killed, cut off or delayed in it: each ends in a commit or an abort.

Whatever happens, a global model is the one before plus the mean of what the devices that counted learned.
"""

import pytest

from federation.coordinator.round_machine import GIVING, Stage

SECONDS = 10  # that a stage lasts in this world
STAGES = [Stage.SELECTION, *GIVING, Stage.COMMIT]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("fault", ["killed", "cut off", "delayed"])
def test_a_device(stage, fault, world) -> None:
    world.enrol(6)
    start = world.weights()
    world.coordinator.want(1)
    world.advance(stage)
    victim = world.devices[-1]
    if fault == "killed":  # its keys of the round are gone; it comes back as one that knows nothing of it
        victim.forget()
    elif fault == "cut off":
        world.devices.remove(victim)
    else:  # it speaks again when the stage is over
        world.devices.remove(victim)
        for _ in range(3):
            for device in world.devices:
                world.step(device)
            world.work()
            world.now += SECONDS / 2
        world.devices.append(victim)
    world.finish()
    if victim not in world.devices:
        world.devices.append(victim)
    world.check_models(start)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("fault", ["killed", "killed before the answer", "cut off", "delayed"])
def test_the_coordinator(stage, fault, world) -> None:
    world.enrol(6)
    start = world.weights()
    world.coordinator.want(1)
    world.advance(stage)
    if fault.startswith("killed"):
        device = world.devices[-1]
        if fault != "killed" and stage in GIVING:  # what the device gave arrived, and the answer did not
            world.step(device)
        if stage == Stage.COMMIT:
            world.coordinator.keep_sum(world.coordinator.begin_unmasking().secure.unmask())
        world.kill()
    elif fault == "cut off":  # no device reaches it until the stage's time is over
        world.now += 2 * SECONDS
        world.coordinator.tick(world.now)
    else:  # answers get lost, and every device says everything twice
        world.twice = True
    world.finish()
    world.check_models(start)
    assert len([r for r in world.coordinator.store.rounds() if r.state == "committed"]) == 1
