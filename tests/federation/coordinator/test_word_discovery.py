"""Word discoveries over devices with the real protocol: what is found, and what faults and liars change."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select, text

from data.errors import DataError
from federation.aggregation.privacy import Privacy
from federation.coordinator.round_machine import GIVING, Stage
from federation.coordinator.rounds import CoordinatorSettings
from federation.coordinator.storage.tables import discoveries, errors, rounds
from federation.coordinator.words.discovery_store import FAILED, FOUND, DiscoveryTerms
from federation.protocol.discovery.round_plans import COUNT, REVEAL, CountPlan
from federation.protocol.discovery.word_table import table_vector
from tests.federation.coordinator.conftest import RULES
from tests.federation.coordinator.word_devices import WordDevice, WordWorld, garbage

SHARED = ["byu", "provo", "semester"]
OWN = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot"]


@pytest.fixture
def world(tmp_path: Path, tiny_model_folder: Path, each_database: str | None) -> Iterator[WordWorld]:
    world = WordWorld(tmp_path / "coordinator", tiny_model_folder, database=each_database)
    yield world
    world.close()


def honest(count: int) -> list[WordDevice]:
    """The first word has `count` devices, the second one less, and so on; each device has a word of its own."""
    return [WordDevice([*SHARED[: count - n], OWN[n]]) for n in range(count)]


def newest(world: WordWorld):
    found = world.coordinator.rounds.discoveries.newest
    assert found is not None
    return found


def check(world: WordWorld) -> None:
    """Checks that the words are those of the devices in the second sum, all of which are in the first one."""
    assert newest(world).state == FOUND
    query = "SELECT number FROM rounds WHERE state = 'committed' ORDER BY number"
    first, second = (
        set(world.coordinator.store.counted(number)) for (number,) in world.coordinator.store.rows(text(query))
    )
    assert second <= first
    devices = [device for device in world.all_devices if isinstance(device, WordDevice) and device.name in second]
    words = [word for device in devices for word in device.words]
    assert world.found == {word: words.count(word) for word in SHARED if words.count(word) >= 3} != {}


def test_words_of_at_least_k_devices_are_found_with_their_counts(world: WordWorld) -> None:
    world.add(*honest(4))
    world.discover(k=3)
    assert newest(world).state == FOUND and newest(world).note == ""
    assert world.found == {"byu": 4, "provo": 3}, "semester has two"
    rows = world.coordinator.store.rows
    stored = [rows(select(table)) for table in (rounds, errors, discoveries)]
    assert "byu" in str(stored) and not any(word in str(stored) for word in OWN), "a word of one device is not decoded"


def test_rounds_that_make_models_go_on_afterwards_with_their_own_numbers(world: WordWorld) -> None:
    world.add(*honest(4))
    world.coordinator.rounds.schedule(2)
    world.discover()
    store = world.coordinator.store
    assert store.schedule() == (2, False) and store.made() == 0 and store.newest_unmasked() == 0
    assert store.newest_committed() == 0 and store.rounds() == [], "the rounds of the discovery made no model"
    assert [device.rounds for device in store.members.devices()] == [2] * 4
    assert world.found
    world.coordinator.tick(world.now)
    opened = world.coordinator.rounds.open_round
    assert opened is not None and not opened.of_words and opened.number == 3


def test_a_discovery_with_no_word_of_k_devices_ends_after_its_first_round(world: WordWorld) -> None:
    world.add(*[WordDevice([word]) for word in OWN[:4]])
    world.discover()
    assert newest(world).state == FOUND and newest(world).words == ()
    assert world.coordinator.store.rows(text("SELECT kind FROM word_rounds")) == [(COUNT,)]
    with pytest.raises(DataError, match="no word discovery has found words"):
        world.coordinator.rounds.discoveries.as_json()


def test_a_device_that_shares_no_words_is_not_selected_and_its_absence_is_no_obstacle(world: WordWorld) -> None:
    world.add(*honest(4))
    silent = world.devices[0]
    world.ready = lambda device: device is not silent
    world.discover()
    numbers = [number for (number,) in world.coordinator.store.rows(text("SELECT round FROM word_rounds"))]
    assert len(numbers) == 2
    assert all(silent.name not in world.coordinator.store.counted(number) for number in numbers)
    assert world.check_in(silent).reason in ("no round is open", "this device shares no new words")


def begin(world: WordWorld, kind: str, stage: Stage) -> None:
    """Brings a discovery of six devices to a stage of its round of a kind."""
    world.add(*honest(6))
    world.start_discovery()
    while newest(world).state != kind or world.coordinator.rounds.current is None:
        world.run(1)
    world.advance(stage)


@pytest.mark.parametrize("kind", [COUNT, REVEAL])
@pytest.mark.parametrize("stage", [Stage.SELECTION, *GIVING, Stage.COMMIT])
def test_a_device_drops_out_in_a_stage(stage: Stage, kind: str, world: WordWorld) -> None:
    begin(world, kind, stage)
    world.devices.pop()
    world.go_on()
    check(world)


@pytest.mark.parametrize("kind", [COUNT, REVEAL])
@pytest.mark.parametrize("stage", [Stage.SELECTION, *GIVING, Stage.COMMIT])
def test_the_coordinator_is_killed_in_a_stage(stage: Stage, kind: str, world: WordWorld) -> None:
    begin(world, kind, stage)
    if stage == Stage.COMMIT:
        world.unmask()  # the sum is stored: the next coordinator reads it
    world.kill()
    world.go_on()
    check(world)
    aborted = world.coordinator.store.rows(text("SELECT count(*) FROM rounds WHERE state = 'aborted'"))[0][0]
    assert aborted == (stage != Stage.COMMIT)


def test_a_sum_that_was_lost_after_it_could_be_unmasked_ends_the_discovery(world: WordWorld) -> None:
    """Its devices would otherwise give the same words to a second sum."""
    world.add(*honest(6))
    world.start_discovery()
    world.advance(Stage.COMMIT)
    assert world.coordinator.rounds.begin_unmasking() is not None
    world.kill()
    world.coordinator.tick(world.now)
    assert newest(world).state == FAILED and "restarted" in newest(world).note
    world.discover()
    assert world.found


@pytest.mark.parametrize("kind", [COUNT, REVEAL])
def test_garbage_fails_the_discovery_with_the_reason_and_the_next_one_succeeds_without_the_liar(
    kind: str, world: WordWorld
) -> None:
    liar = WordDevice([], lambda plan, vectors: garbage(plan, vectors) if kind == plan.KIND else vectors)
    world.add(*honest(3), liar)
    world.discover()
    assert newest(world).state == FAILED and newest(world).note.startswith("no words could be read from the sum: ")
    assert "at least one of them sent" in newest(world).note or "cannot be decoded" in newest(world).note
    errors = world.coordinator.store.events.errors(9)
    assert any("no words could be read" in text for _, text in errors)
    world.devices.remove(liar)  # type: ignore[arg-type]
    world.coordinator.devices.leave(liar.name, world.now, removed=True)
    world.discover()
    assert newest(world).state == FOUND and world.found == {"byu": 3}
    assert not any(world.coordinator.rounds.conduct.left_out(d.name, world.now) for d in world.devices)


def test_a_table_full_of_noise_cannot_be_decoded_and_says_so(world: WordWorld) -> None:
    letters = "abcdefghijklmnop"
    noise = [f"{a}{b}{c}zq" for a in letters for b in letters for c in letters]

    def forge(plan, vectors):
        return vectors if plan.KIND == COUNT else (table_vector(noise, plan.table),)

    world.add(*honest(3), WordDevice([], forge))
    world.discover()
    assert newest(world).state == FAILED and "cannot be decoded" in newest(world).note


def test_a_word_that_one_device_counts_a_million_times_is_dropped_and_reported(world: WordWorld) -> None:
    def forge(plan, vectors):
        return vectors if plan.KIND == COUNT else (vectors[0] * np.uint64(1_000_000) % np.uint64(2**31 - 1),)

    world.add(*[WordDevice(["byu", "provo"]) for _ in range(3)], WordDevice(["byu"], forge))
    world.discover()
    assert newest(world).state == FOUND and world.found == {"provo": 3}
    assert "1 word (counted by more devices than took part" in newest(world).note


def test_words_that_no_device_may_offer_or_that_were_not_counted_are_dropped_and_reported(world: WordWorld) -> None:
    def forge(plan, vectors):
        return vectors if plan.KIND == COUNT else (table_vector(["not1word", "neverseen", "byu"], plan.table),)

    world.add(*honest(3), WordDevice(["byu"], forge))
    world.discover()
    assert world.found == {"byu": 4} and "(not a word that devices offer)" in newest(world).note


def test_the_owner_strikes_words_out_and_saves_the_others(world: WordWorld) -> None:
    world.add(*honest(6))
    world.discover()
    discoveries = world.coordinator.rounds.discoveries
    discoveries.strike(["byu"], struck=True)
    world.kill()
    discoveries = world.coordinator.rounds.discoveries
    saved = discoveries.as_json()
    assert "byu" not in [found["word"] for found in saved["words"]] and saved["k"] == 3
    assert saved["words"] == sorted(saved["words"], key=lambda found: (-found["devices"], found["word"]))
    discoveries.strike(["byu"], struck=False)
    assert "byu" in [found["word"] for found in discoveries.as_json()["words"]]
    with pytest.raises(DataError, match="has not found 'nothing'"):
        discoveries.strike(["nothing"], struck=True)


def test_a_discovery_that_cannot_begin_says_why(world: WordWorld, new_world, tmp_path: Path) -> None:
    rounds = world.coordinator.rounds
    for k, reason in ((2, "k of a DiscoveryTerms must be between 3"), (5, "a sum has at most 4")):
        with pytest.raises(DataError, match=reason):
            world.start_discovery(k)
    world.start_discovery()
    with pytest.raises(DataError, match="going on already"):
        world.start_discovery()
    rounds.stop(world.now)
    assert newest(world).state == FAILED and newest(world).note == "stopped by the operator"
    rounds.pause(True)
    with pytest.raises(DataError, match="rounds are paused"):
        world.start_discovery()
    private = new_world(settings=CoordinatorSettings(RULES, privacy=Privacy("tree", 1.0, 2)))
    with pytest.raises(DataError, match="promises differential privacy"):
        private.coordinator.rounds.discover_words(DiscoveryTerms(3), world.now)


def test_a_discovery_ends_when_the_vocabulary_changes_or_rounds_fail_again_and_again(world: WordWorld) -> None:
    rounds = world.coordinator.rounds
    world.start_discovery()
    for _ in range(40):
        world.now += 10
        rounds.tick(world.now)
    assert newest(world).state == FAILED and "5 rounds failed" in newest(world).note
    world.start_discovery()
    assert rounds.discoveries.next_discovery("0" * 64, world.now) is None
    assert "another vocabulary" in newest(world).note


def test_a_plan_is_kept_with_its_round(world: WordWorld) -> None:
    world.add(*honest(3))
    world.discover()
    plan = world.coordinator.rounds.discoveries.plan_of(1)
    assert isinstance(plan, CountPlan) and plan.cohort == RULES.target
    with pytest.raises(DataError, match="not one of a word discovery"):
        world.coordinator.rounds.discoveries.plan_of(99)
