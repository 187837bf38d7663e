"""A device sends something else than its table through a real secure round; TFF's decoder reads the sum or says why not."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from federation.coordinator.learner.messages import DecodeRequest
from federation.coordinator.words.discovery_store import FAILED, FOUND
from federation.protocol.discovery.round_plans import COUNT, RevealPlan
from federation.protocol.discovery.word_table import PRIME, table_vector
from federation.protocol.secure_aggregation.modular_vectors import Vector, pack
from tests.federation.coordinator.word_devices import WordDevice, WordWorld


class DecodingWorld(WordWorld):
    """A world that decodes as the learner does."""

    def decoded(self, table: Vector, plan: RevealPlan) -> dict[str, int]:
        from federation.coordinator.learner.learner import decode

        path = self.folder / "decoded"
        path.write_bytes(pack(plan.layout, [table]))
        return decode(DecodeRequest(str(path), plan.to_json())).words


@pytest.fixture
def world(tmp_path: Path, tiny_model_folder: Path) -> Iterator[DecodingWorld]:
    world = DecodingWorld(tmp_path / "coordinator", tiny_model_folder)
    yield world
    world.close()


def often(plan: RevealPlan, vector: Vector) -> Vector:
    return vector * np.uint64(5_000_000) % np.uint64(PRIME)


def half(plan: RevealPlan, vector: Vector) -> Vector:
    """Leaves out the last half of all rows, and their values."""
    kept, cells = vector.copy(), plan.table.repetitions * plan.table.rows * (plan.table.chunks + 2)
    kept[cells // 2 : cells] = 0
    kept[cells + (len(kept) - cells) // 2 :] = 0
    return kept


def noise(plan: RevealPlan, vector: Vector) -> Vector:
    return np.random.default_rng(0).integers(0, PRIME, len(vector), np.uint64)


def unchecked(plan: RevealPlan, vector: Vector) -> Vector:
    """Enters a word with a check that fits no word."""
    columns = plan.table.chunks + 2
    forged = table_vector(["forged"], plan.table)
    forged[: plan.table.repetitions * plan.table.rows * columns].reshape(-1, columns)[:, -1] *= np.uint64(2)
    return vector + forged


def full(plan: RevealPlan, vector: Vector) -> Vector:
    letters = "abcdefgh"
    return table_vector([f"q{a}{b}{c}" for a in letters for b in letters for c in letters], plan.table)


def discover(world: DecodingWorld, forge: Callable[[RevealPlan, Vector], Vector]) -> tuple[str, str]:
    """Runs a discovery of three honest devices and a liar; returns its state and its note."""
    liar = WordDevice(
        ["byu"],
        lambda plan, vectors: vectors if plan.KIND == COUNT else (forge(plan, vectors[0]),),  # type: ignore[arg-type]
    )
    world.add(*[WordDevice(["byu", "provo"]) for _ in range(3)], liar)
    world.discover()
    newest = world.coordinator.rounds.discoveries.newest
    assert newest is not None
    return newest.state, newest.note


def test_a_word_that_a_device_counts_millions_of_times_is_dropped_alone(world: DecodingWorld) -> None:
    state, note = discover(world, often)
    assert state == FOUND and world.found == {"provo": 3}
    assert "1 word (counted by more devices than took part" in note


@pytest.mark.parametrize(
    ("forge", "reason"),
    [
        (half, "its repetitions contradict each other"),
        (noise, "its counts contradict its values"),
        (unchecked, "words that have the wrong form"),
        (full, "different words, and its capacity is"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_no_table_ends_the_discovery_with_the_reason(
    forge: Callable[[RevealPlan, Vector], Vector], reason: str, world: DecodingWorld
) -> None:
    state, note = discover(world, forge)
    assert state == FAILED and "cannot be decoded" in note and reason in note
    assert not any(world.coordinator.rounds.conduct.left_out(device.name, world.now) for device in world.devices)
