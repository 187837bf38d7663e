"""A device or the coordinator is killed, cut off or delayed in each stage: the round ends in a commit or an abort.

Whatever happens, a new global model is the one before plus the mean of the counted devices' deltas.
"""

import pytest

from federation.coordinator.round_machine import GIVING, Stage


@pytest.fixture
def database(each_database: str | None) -> str | None:
    return each_database


SECONDS = 10  # of a stage in this world
STAGES = [Stage.SELECTION, *GIVING, Stage.COMMIT]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("fault", ["killed", "cut off", "delayed"])
def test_a_device_fails(stage, fault, world) -> None:
    world.enrol(6)
    start = world.weights()
    world.coordinator.rounds.schedule(1)
    world.advance(stage)
    victim = world.devices[-1]
    if fault == "killed":  # it loses its keys of the round, and comes back as if new
        victim.forget()
    elif fault == "cut off":
        world.devices.remove(victim)
    else:  # it returns when the stage is over
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
def test_the_coordinator_fails(stage, fault, world) -> None:
    world.enrol(6)
    start = world.weights()
    world.coordinator.rounds.schedule(1)
    world.advance(stage)
    if fault.startswith("killed"):
        device = world.devices[-1]
        if fault != "killed" and stage in GIVING:  # the device's message arrived, the answer did not
            world.step(device)
        if stage == Stage.COMMIT:
            world.unmask()
        world.kill()
    elif fault == "cut off":  # no device reaches it before the stage's deadline
        world.now += 2 * SECONDS
        world.coordinator.tick(world.now)
    else:  # answers get lost, and every device sends everything twice
        world.twice = True
    world.finish()
    world.check_models(start)
    assert len([r for r in world.coordinator.store.rounds() if r.state == "committed"]) == 1
