"""States on disk: saved and read bit for bit, found to be damaged, read from earlier releases, and without a trace in memory."""

import gc
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff

from data.errors import DataError, UserFacingError
from federation.engine.state_store import StateStore, wait_for


def state(number: int) -> dict[str, Any]:
    rng = np.random.default_rng(number)
    return {
        "weights": (rng.normal(size=(5, 3)).astype(np.float32), np.zeros((0, 2), np.float32)),
        "round": np.int32(number),
        "seeds": rng.integers(-(2**62), 2**62, 2),
        "on": np.array([True, False]),
        "mean": [np.float64(np.nextafter(number, 9)), np.asfortranarray(rng.normal(size=(2, 3)))],
    }


def assert_equal(found: Any, expected: Any) -> None:
    tf.nest.assert_same_structure(found, expected)
    for a, b in zip(tf.nest.flatten(found), tf.nest.flatten(expected), strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_array_equal(a, b)


def saved(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_newest_state_is_read_bit_for_bit_and_older_ones_are_removed(tmp_path: Path) -> None:
    store = StateStore(tmp_path / "state")
    like = state(0)
    assert store.latest(like) == (like, 0)
    for number in (1, 2, 10):
        store.save(number, state(number))
        found, newest = StateStore(tmp_path / "state").latest(like)
        assert newest == number
        assert_equal(found, state(number))
    assert saved(tmp_path / "state") == ["round_10.safetensors", "round_2.safetensors"]
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "state").iterdir()} == {0o600}, (
        "the seed of noise is secret"
    )
    contents = [(tmp_path / "state" / name).read_bytes() for name in saved(tmp_path / "state")]
    for number in (2, 10):
        StateStore(tmp_path / "again").save(number, state(number))
    assert [(tmp_path / "again" / name).read_bytes() for name in saved(tmp_path / "again")] == contents


def test_a_state_is_not_saved_over_another(tmp_path: Path) -> None:
    store = StateStore(tmp_path)
    store.save(1, state(1))
    with pytest.raises(tff.program.ProgramStateExistsError):
        store.save(1, state(2))
    assert_equal(store.latest(state(0))[0], state(1))


def test_a_state_of_an_earlier_release_is_read_and_then_replaced(tmp_path: Path) -> None:
    before = tff.program.FileProgramStateManager(tmp_path, "round_", keep_total=1, keep_first=False)
    wait_for(before.save([np.asarray(array) for array in tf.nest.flatten(state(4))], 4))
    (tmp_path / "round_5_temp1234").mkdir()  # as if the earlier release had been killed in a save
    store = StateStore(tmp_path)
    found, newest = store.latest(state(0))
    assert newest == 4
    assert_equal(found, state(4))
    store.save(5, state(5))
    assert saved(tmp_path) == ["round_4", "round_5.safetensors"]
    store.save(6, state(6))
    assert saved(tmp_path) == ["round_5.safetensors", "round_6.safetensors"]


def test_a_state_damaged_anywhere_is_found_and_the_round_before_it_is_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each byte in turn, and each length."""
    store, newest = StateStore(tmp_path), tmp_path / "round_2.safetensors"
    store.save(1, state(1))
    store.save(2, state(2))
    content = newest.read_bytes()
    flipped = [content[:i] + bytes([content[i] ^ 1]) + content[i + 1 :] for i in range(len(content))]
    harmless = 0
    for damaged in [*flipped, *(content[:length] for length in range(len(content))), content + b"\0"]:
        newest.write_bytes(damaged)
        found, number = store.latest(state(0))
        harmless += number == 2  # such as a blank in the header
        assert_equal(found, state(number))
        assert newest.exists() == (number == 2)
    assert harmless < 8
    assert f"{newest} is damaged" in capsys.readouterr().err
    store.save(2, state(2))
    assert newest.read_bytes() == content


def test_without_an_undamaged_state_no_run_begins_anew(tmp_path: Path) -> None:
    StateStore(tmp_path).save(1, state(1))
    path = tmp_path / "round_1.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"round_1\.safetensors is damaged.*Restore"):
        StateStore(tmp_path).latest(state(0))
    assert path.exists()


def test_a_state_of_other_settings_is_refused(tmp_path: Path) -> None:
    StateStore(tmp_path).save(1, state(1))
    with pytest.raises(DataError, match="with other settings: it has 7 arrays, not 1"):
        StateStore(tmp_path).latest(np.float32(1))


def test_what_a_killed_save_left_is_removed(tmp_path: Path) -> None:
    StateStore(tmp_path).save(1, state(1))
    (tmp_path / ".round_2.safetensors.abc").write_bytes(b"half")
    found, newest = StateStore(tmp_path).latest(state(0))
    assert newest == 1
    assert_equal(found, state(1))
    assert saved(tmp_path) == ["round_1.safetensors"]


def test_saving_and_loading_keeps_no_object_of_tensorflow_in_memory(tmp_path: Path) -> None:
    """A SavedModel leaves objects behind, at least one for each save, with the thread that saves it and its functions."""

    def objects() -> Counter[str]:
        gc.collect()
        return Counter(
            type(thing).__name__ for thing in gc.get_objects() if type(thing).__module__.startswith("tensorflow")
        )

    def rounds(first: int, last: int) -> None:
        for number in range(first, last + 1):
            StateStore(tmp_path).save(number, state(number))
            StateStore(tmp_path).latest(state(0))

    rounds(1, 2)
    before = objects()
    rounds(3, 12)
    assert {name: count - before[name] for name, count in objects().items() if count - before[name] >= 10} == {}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_full_disk_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def write() -> None:
        tf.io.write_file("/dev/full", "x" * 100_000)

    with pytest.raises(UserFacingError, match="the disk is full: free some space"):
        wait_for(write())

    store = StateStore(tmp_path)
    monkeypatch.setattr("tempfile.mkstemp", lambda **_: (os.open("/dev/full", os.O_WRONLY), str(tmp_path / "full")))
    with pytest.raises(UserFacingError, match="the disk is full: free some space"):
        store.save(1, state(1))
    assert saved(tmp_path) == []


@pytest.mark.parametrize("name", ["[x] of a?", "back\\slash*", "Föderation {a,b}"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    """TensorFlow takes some names for patterns, in which it finds nothing."""
    folder = tmp_path / name / "state"
    for number in (1, 2):
        StateStore(folder).save(number, state(number))
    found, newest = StateStore(folder).latest(state(0))
    assert newest == 2
    assert_equal(found, state(2))
