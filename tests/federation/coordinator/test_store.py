"""The coordinator's store: kills at each statement, files of an older version, damaged ones, and PostgreSQL's addresses."""

import itertools
import json
import math
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select

from data.errors import DataError
from federation.aggregation.privacy import Spent
from federation.coordinator.coordinator import Coordinator
from federation.coordinator.learner.round_report import RoundReport
from federation.coordinator.secure_sum import SecureSummation
from federation.coordinator.storage.tables import rounds
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
    for ask in (store.rounds, store.members.devices, store.schedule, store.summed, store.newest_unmasked):
        ask()
    store.members.open_codes(0.0)
    store.events.errors(10)
    store.close()


def test_damage_of_a_text_is_found_in_the_table_and_not_only_in_its_index(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "coordinator.sqlite"
    path.write_bytes(whole)
    with closing(sqlite3.connect(path)) as db:
        (name,) = db.execute("SELECT name FROM rounds WHERE number = 1").fetchone()
    places = [found.start() for found in re.finditer(name.encode(), whole)]
    assert len(places) == 2, "the row and its copy in the index"
    refused = 0
    for place in places:
        path.write_bytes(whole[:place] + b"\xff" + whole[place + 1 :])
        try:
            store = CoordinatorStore.open(path)
        except StoreError as error:
            assert "the column name of the table rounds holds text that is not UTF-8" in str(error)
            refused += 1
        else:
            store.rounds()
            store.close()
    assert refused == 1


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


class Killed(BaseException):
    """The process was killed."""


DEVICES = ["aa" * 32, "bb" * 32, "cc" * 32]


def run_a_round(store: CoordinatorStore) -> None:
    number = store.start_round("first", "model", 2.0)
    store.begin_unmasking(number, 3, DEVICES)
    store.keep_sum(number, b"sum")
    store.commit_round(number, "{}", 3.0)


@pytest.mark.parametrize("kind", ["SQLite", "PostgreSQL"])
def test_a_round_is_whole_after_a_kill_at_any_statement(
    kind: str, tmp_path: Path, new_database: Callable[[], str]
) -> None:
    seen = set()
    for statements in itertools.count():
        place = (tmp_path / str(statements), None) if kind == "SQLite" else (tmp_path / str(statements), new_database())
        store = CoordinatorStore.of(*place)
        for device in DEVICES:
            store.members.add_code(device, 0.0, 10.0)
            store.members.enrol(device, device, 1.0)
        store.set_schedule(5, False)
        left = iter([*range(statements)])

        def kill(*_arguments: object, left: object = left) -> None:
            if next(left, None) is None:  # type: ignore[call-overload]
                raise Killed

        event.listen(store.database.connection.engine, "before_cursor_execute", kill)
        with suppress(Killed):
            run_a_round(store)
            store.close()
            break
        store.close()
        after = CoordinatorStore.of(*place)
        found = after.rows(select(rounds.c.state, rounds.c.sum, rounds.c.cohort))
        state, total, cohort = found[0] if found else ("", None, 0)
        counted, scheduled = after.counted(1), after.schedule()[0]
        assert (total is not None) == (state == "summed")
        assert scheduled == (4 if state == "committed" else 5)
        assert (counted, cohort) in ((DEVICES, 3), ([], 0))
        assert counted or state in ("", "open")
        seen.add((state, bool(counted)))
        after.close()
    assert seen == {("", False), ("open", False), ("open", True), ("summed", True)}


def test_no_start_goes_on_with_another_database(tmp_path: Path, new_database: Callable[[], str]) -> None:
    url, other = new_database(), new_database()
    CoordinatorStore.of(tmp_path / "hub", url).close()
    CoordinatorStore.of(tmp_path / "hub", url).close()
    with pytest.raises(DataError, match=r"keeps its rounds in postgresql:.*add --database"):
        CoordinatorStore.of(tmp_path / "hub", None)
    with pytest.raises(DataError, match="belongs to another federation"):
        CoordinatorStore.of(tmp_path / "hub", other)
    CoordinatorStore.of(tmp_path / "file", None).close()
    with pytest.raises(DataError, match="leave out --database"):
        CoordinatorStore.of(tmp_path / "file", other)
    (tmp_path / "lost" / "models" / "000003").mkdir(parents=True)
    with pytest.raises(DataError, match="does not say which database"):
        CoordinatorStore.of(tmp_path / "lost", other)


@pytest.mark.parametrize("url", ["mysql://root:secret@host/name", "no address", "sqlite:///file", ""])
def test_another_kind_of_database_is_refused_in_one_line_without_its_password(url: str) -> None:
    with pytest.raises(DataError, match="as postgresql://user@host/name") as refused:
        CoordinatorStore.connect(url)
    assert "secret" not in str(refused.value) and "\n" not in str(refused.value)


def test_a_server_that_does_not_answer_is_reported_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read or written") as refused:
        CoordinatorStore.connect(f"postgresql://user:secret@/name?host={tmp_path}")
    assert "secret" not in str(refused.value) and "\n" not in str(refused.value)


def test_a_store_goes_on_when_its_connection_was_lost(new_database: Callable[[], str]) -> None:
    store = CoordinatorStore.connect(new_database())
    store.set_schedule(3, False)
    (found,) = store.database.connection.exec_driver_sql("SELECT pg_backend_pid()").fetchall()
    other = CoordinatorStore.connect(store.database.connection.engine.url.render_as_string(hide_password=False))
    other.database.connection.exec_driver_sql(f"SELECT pg_terminate_backend({found[0]})")
    other.close()
    with pytest.raises(StoreError):
        store.set_schedule(4, False)
    store.set_schedule(4, False)
    assert store.schedule() == (4, False)
    store.close()
