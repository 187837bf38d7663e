"""The coordinator's store: files of an older version, and damaged ones."""

import json
from pathlib import Path

import pytest

from federation.coordinator.coordinator import Coordinator
from federation.coordinator.secure_sum import SecureSummation
from federation.coordinator.store import StoreError


def test_the_store_of_an_older_version_is_upgraded(world) -> None:
    world.enrol(6)
    world.coordinator.rounds.schedule(1)
    world.finish()
    world.coordinator.store._connection.executescript("DROP INDEX rounds_of_a_device; PRAGMA user_version = 1;")
    (world.coordinator.rounds.folders.state_folder(1) / "next.json").write_text(
        json.dumps({"terms": world.terms.to_json(), "exhausted": "", "spent": {}})  # without the sums that it counts
    )
    world.kill()
    assert world.coordinator.store.last_participation(sorted(world.coordinator.store.counted(1))[0]) == (1, 1)
    world.coordinator.rounds.schedule(1)
    world.finish()
    assert world.coordinator.rounds.model.provenance.round == 2


def test_a_damaged_store_is_reported(world, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    folder.mkdir()
    (folder / "coordinator.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match=r"coordinator\.sqlite cannot be read"):
        Coordinator(folder, world.shipped, world.settings, SecureSummation, 0.0)
