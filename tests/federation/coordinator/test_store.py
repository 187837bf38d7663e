"""The coordinator's store: files of an older version, and damaged ones."""

import json
import math
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from data.errors import DataError
from federation.aggregation.privacy import Spent
from federation.coordinator.coordinator import Coordinator
from federation.coordinator.learner.round_report import RoundReport
from federation.coordinator.secure_sum import SecureSummation
from federation.coordinator.store import CoordinatorStore, StoreError


def test_the_store_of_an_older_version_is_upgraded(world) -> None:
    world.enrol(6)
    world.coordinator.rounds.schedule(1)
    world.finish()
    for statement in ("DROP INDEX rounds_of_a_device", "PRAGMA user_version = 1"):
        world.coordinator.store.database.connection.exec_driver_sql(statement)
    (world.coordinator.rounds.folders.state_folder(1) / "next.json").write_text(
        json.dumps({"terms": world.terms.to_json(), "exhausted": "", "spent": {}})  # without the sums that it counts
    )
    world.kill()
    assert world.coordinator.store.last_participation(sorted(world.coordinator.store.counted(1))[0]) == (1, 1)
    world.coordinator.rounds.schedule(1)
    world.finish()
    assert world.coordinator.rounds.model.provenance.round == 2


NO_SHRINKING = [
    Phase.explicit,
    Phase.reuse,
    Phase.generate,
]  # it takes minutes, and the place of the damage says little

WRONG = {
    "the report of a round": "UPDATE rounds SET report = 'no JSON'",
    "devices": "UPDATE devices SET id = CAST(x'ff' AS TEXT) WHERE rowid = 1",
    "codes": "UPDATE codes SET sha256 = x'00' WHERE rowid = 1",
    "seen": "UPDATE devices SET seen = 'yesterday'",
    "schedule": "DELETE FROM wishes",
    "wishes": "UPDATE wishes SET paused = 'no'",
    "errors": "INSERT INTO errors (time, text) VALUES (1.0, CAST(x'ff' AS TEXT))",
    "errors is missing": "DROP TABLE errors",
}


@pytest.mark.parametrize("named", WRONG)
def test_a_damaged_value_is_named_in_one_line_and_nothing_is_changed(world, named: str) -> None:
    """The operator decides: the file says who belongs to the federation and how much privacy is spent."""
    world.enrol(6)
    world.coordinator.rounds.schedule(1)
    world.finish()
    world.close()
    path = world.folder / "coordinator.sqlite"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA foreign_keys = OFF")
        db.execute(WRONG[named])
    before = path.read_bytes()
    with pytest.raises(StoreError, match=named) as raised:
        world.start()
    message = str(raised.value)
    assert "\n" not in message
    assert str(path) in message
    assert path.read_bytes() == before


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], phases=NO_SHRINKING
)
@given(st.floats(0, 1, exclude_max=True), st.integers(1, 255), st.booleans())
def test_a_store_with_any_damage_opens_or_is_refused_in_one_line(
    whole: bytes, tmp_path: Path, at: float, value: int, page: bool
) -> None:
    place = int(at * len(whole))
    size = 4096 if page else 1
    place = place // size * size
    folder = tmp_path / "damaged"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    path = folder / "coordinator.sqlite"
    path.write_bytes(whole[:place] + bytes(b ^ value for b in whole[place : place + size]) + whole[place + size :])
    try:
        store = CoordinatorStore.open(path)
    except (StoreError, DataError) as error:
        assert "\n" not in str(error)
        assert path.exists()
        return
    for ask in (store.rounds, store.devices, store.schedule, store.summed, store.newest_unmasked):
        ask()
    store.open_codes(0.0)
    store.errors(10)
    store.close()


@pytest.fixture
def whole(world) -> bytes:
    """The file of a federation with one committed and one aborted round."""
    world.enrol(6)
    world.coordinator.rounds.schedule(1)
    world.finish()
    world.coordinator.rounds.schedule(1)
    world.advance("reporting")
    world.coordinator.rounds.stop(world.now)
    world.close()
    return (world.folder / "coordinator.sqlite").read_bytes()


def test_a_damaged_store_is_reported(world, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    folder.mkdir()
    (folder / "coordinator.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match=r"coordinator\.sqlite cannot be read"):
        Coordinator(folder, world.shipped, world.settings, SecureSummation, 0.0)


def test_the_infinite_epsilon_of_rounds_without_differential_privacy_is_no_damage(world) -> None:
    world.enrol(6)
    world.coordinator.rounds.schedule(1)
    world.finish()
    world.close()
    report = RoundReport(devices=4, spent=Spent(math.inf, 1e-5, math.inf))
    with closing(sqlite3.connect(world.folder / "coordinator.sqlite")) as db, db:
        db.execute("UPDATE rounds SET report = ?", (json.dumps(report.to_json()),))
    coordinator = world.start()
    assert coordinator.store.rounds(1)[0].state == "committed"
    coordinator.close()
