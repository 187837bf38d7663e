"""The work beside the API reads both sums of a word discovery; TFF decodes the second one in the learner's process."""

import asyncio
import time
from pathlib import Path

from federation.coordinator.round_driver import RoundDriver
from federation.coordinator.settings.federation_settings import FederationSettings
from federation.coordinator.steady_clock import steady_time
from federation.coordinator.words.discovery_store import FOUND
from tests.federation.coordinator.word_devices import WordDevice, WordWorld

SECONDS = 300


def test_both_sums_are_read_and_the_second_one_is_decoded_by_tff(tmp_path: Path, tiny_model_folder: Path) -> None:
    folder = tmp_path / "coordinator"
    folder.mkdir()
    FederationSettings().with_noise_seed().save(folder)
    world = WordWorld(folder, tiny_model_folder)
    world.now = steady_time()
    world.add(*[WordDevice(["byu", "provo", f"own{letter}"]) for letter in "abc"])
    world.start_discovery()

    async def run() -> None:
        driver = RoundDriver(world.coordinator, folder, lambda: None)
        until = time.monotonic() + SECONDS
        try:
            while world.coordinator.rounds.discoveries.current is not None:
                assert time.monotonic() < until, world.coordinator.store.events.newest(9)
                world.now = steady_time()
                for device in world.devices:
                    world.step(device)
                await driver.step()
                await asyncio.sleep(0.05)
        finally:
            await driver._learner.close()

    try:
        asyncio.run(run())
        newest = world.coordinator.rounds.discoveries.newest
        assert newest is not None and newest.state == FOUND, newest
        assert world.found == {"byu": 3, "provo": 3}
        assert not list((folder / "temporary").glob("sum-*")), "no sum stays on the disk"
    finally:
        world.close()
