"""Word discoveries over devices with the real protocol: what is found, and what faults and liars change."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.federation.coordinator.word_devices import WordDevice, WordWorld

SHARED = ["byu", "provo", "semester"]


@pytest.fixture
def words_world(tmp_path: Path, tiny_model_folder: Path) -> Iterator[WordWorld]:
    world = WordWorld(tmp_path / "coordinator", tiny_model_folder)
    yield world
    world.close()


def honest(count: int) -> list[WordDevice]:
    """The first word has `count` devices, the second one less, and so on; each device has a word of its own."""
    own = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot"]
    return [WordDevice([*SHARED[: count - n], own[n]]) for n in range(count)]


def test_words_of_at_least_k_devices_are_found_with_their_counts(words_world: WordWorld) -> None:
    words_world.add(*honest(4))
    words_world.discover(k=3)
    assert words_world.found == {"byu": 4, "provo": 3}
