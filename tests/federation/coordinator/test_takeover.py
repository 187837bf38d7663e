"""A federation that goes on from another model, also of another vocabulary: rounds, kills, privacy and the command."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.errors import DataError
from federation.aggregation.privacy import Privacy, may_take_part
from federation.benchmarks.loads.untrained import untrained_model
from federation.coordinator.enrolled_devices import OtherVocabularyError
from federation.coordinator.settings.federation_settings import SETTINGS, FederationSettings
from federation.coordinator.settings_in_force import SettingsInForce
from federation.coordinator.takeover import TakeOver, model_to_take_over
from federation.processes import free_port
from federation.protocol.api_messages import CheckIn
from federation.protocol.delta_encoding import flatten
from federation.protocol.round_terms import TrainingResult
from model.device.config import parameters
from model.device.folder import Model, load_model, save_model
from model.device.weights import digest
from tests.federation.coordinator.conftest import CONFIG, LearnedDevice
from tests.federation.coordinator.test_serve import serving

OTHER = replace(CONFIG, vocabulary=23)
STEP = 0.01  # of every device, for every weight


@pytest.fixture(scope="module")
def other() -> Model:
    """Returns a model of another vocabulary, of a lower round than the federation's."""
    return untrained_model(OTHER)


@pytest.fixture
def other_folder(other: Model, tmp_path: Path) -> Path:
    save_model(tmp_path / "other", other)
    return tmp_path / "other"


def run_round(world) -> None:
    world.coordinator.rounds.schedule(1)
    world.finish()


def take_over(world, model: Model) -> None:
    """Takes a model over; from then on, devices move each weight by the same step."""
    world.coordinator.rounds.take_over(model, world.now)
    world.terms = replace(world.terms, length=parameters(model.provenance.config))
    for device in world.all_devices:
        device._vectors = lambda plan: plan.terms.contribution(
            TrainingResult(np.full(plan.terms.length, STEP, np.float32), 10, 30.0, 1, 3, 5, 2, 4),
            np.random.default_rng(0),
        )


def test_rounds_go_on_from_a_model_of_another_vocabulary(world, other: Model) -> None:
    world.enrol(6)
    run_round(world)
    before = world.coordinator.rounds.model
    (device, *_) = world.devices
    old = CheckIn(before.vocabulary.sha256, "")
    assert world.coordinator.devices.check_in(device.name, old, world.now).model == digest(before.weights)
    take_over(world, other)
    rounds = world.coordinator.rounds
    assert rounds.model_digest == digest(other.weights) and rounds.next_round is None
    assert rounds.model.provenance.round == 2, "keyboards do not go back to a lower number"
    assert digest(load_model(rounds.newest_folder).weights) == digest(other.weights)
    with pytest.raises(OtherVocabularyError, match="update the keyboard, which then fetches the model"):
        world.coordinator.devices.check_in(device.name, old, world.now)
    said = world.coordinator.store.events.newest(1)[0][1]
    assert "of 23 words has taken the place of the model" in said and "of 16 words" in said
    for _ in range(3):
        run_round(world)
    shapes = OTHER.shapes
    moved = flatten(rounds.model.weights, shapes) - flatten(other.weights, shapes)
    np.testing.assert_allclose(moved, 3 * STEP, atol=0.5 * STEP)
    assert rounds.model.provenance.round == 5 and rounds.first_folder.exists()
    assert [row.state for row in world.coordinator.store.rounds()] == ["committed"] * 4, "only rounds are listed"
    assert "3 rounds of `federate serve`" in rounds.model.card


def test_the_devices_of_a_take_over_are_those_of_before(world, other: Model) -> None:
    world.enrol(6)
    run_round(world)
    take_over(world, other)
    assert len(world.coordinator.store.members.ids()) == 6
    run_round(world)
    counted = {
        device for row in world.coordinator.store.rounds() for device in world.coordinator.store.counted(row.number)
    }
    assert counted <= {device.name for device in world.devices}


@pytest.mark.parametrize("killed", ["before the commit", "after it"])
def test_a_coordinator_killed_while_it_takes_over_has_one_model_or_the_other(world, other: Model, killed: str) -> None:
    world.enrol(6)
    run_round(world)
    before, number = world.coordinator.rounds.model_digest, world.coordinator.store.next_number()
    if killed == "before the commit":
        world.coordinator.rounds.folders.save(number, other)
    else:
        take_over(world, other)
    world.kill()
    rounds = world.coordinator.rounds
    assert rounds.model_digest == (before if killed == "before the commit" else digest(other.weights))
    if killed == "before the commit":
        assert not rounds.folders.model_folder(number).exists()
        take_over(world, other)
    run_round(world)
    assert rounds.model.provenance.config == OTHER
    assert len(world.coordinator.store.rounds()) == 2


def test_a_sum_is_made_into_a_model_before_another_model_is_taken_over(world, other: Model, tmp_path: Path) -> None:
    settings = FederationSettings(noise_seed=7)
    settings.save(world.folder)
    world.enrol(6)
    world.coordinator.rounds.schedule(2)
    world.advance("commit")
    world.unmask()
    rounds = world.coordinator.rounds
    in_force = SettingsInForce(world.folder, settings, rounds, world.coordinator.store)
    waiting = TakeOver(other, rounds, in_force)
    assert not waiting.apply(world.now)
    with pytest.raises(DataError, match="a round is not over yet"):
        rounds.take_over(other, world.now)
    summed = rounds.summed()
    rounds.commit(summed.number, world.learn(summed.number, summed.total), world.now)
    made = rounds.model
    world.coordinator.tick(world.now)
    assert made.provenance.config == CONFIG and rounds.open_round is None, "no round opens before the take-over"
    with pytest.raises(DataError, match="TensorFlow Federated is starting"):
        rounds.start_now(world.now)
    assert waiting.apply(world.now) and not waiting.apply(world.now)
    assert rounds.model_digest == digest(other.weights) and not rounds.taking_over


def test_a_change_of_settings_that_waits_survives_with_the_new_seed_of_the_noise(world, other: Model) -> None:
    """The noise of the new server state must not repeat the noise of the state before."""
    settings = FederationSettings(noise_seed=7)
    settings.save(world.folder)
    world.enrol(6)
    world.coordinator.rounds.schedule(1)
    world.advance("keys")
    rounds = world.coordinator.rounds
    in_force = SettingsInForce(world.folder, settings, rounds, world.coordinator.store)
    in_force.change({"max_words": 77}, world.now)
    rounds.stop(world.now)
    assert TakeOver(other, rounds, in_force).apply(world.now)
    seed = FederationSettings.load(world.folder).noise_seed
    assert seed != 7 and in_force.apply()
    after = FederationSettings.load(world.folder, SETTINGS)
    assert (after.noise_seed, after.training.max_words) == (seed, 77)


@pytest.mark.parametrize(("made", "before"), [(0, 0), (1, 3), (3, 3), (4, 6)])
def test_places_of_rounds_go_on_with_a_new_period_and_no_device_is_in_a_period_twice(
    world, other: Model, made: int, before: int
) -> None:
    privacy = Privacy("tree", noise_multiplier=1.0, period=3)
    world.coordinator.rounds.settings = world.settings = replace(world.settings, privacy=privacy)
    world.enrol(24)
    store = world.coordinator.store
    for _ in range(made):
        run_round(world)
    take_over(world, other)
    assert store.newest_takeover() == (made + 1, before) and store.made() == before
    for number in range(1, 5):
        run_round(world)
        assert store.newest_unmasked() == store.made() == before + number
    rows = store.rounds()
    sums = [set(store.counted(row.number)) for row in rows]
    periods = [sums[:made][i : i + 3] for i in range(0, made, 3)] + [sums[made : made + 3], sums[made + 3 :]]
    for period in periods:
        assert len(set().union(*period)) == sum(map(len, period)), "a device is in a period twice"
    last, done = store.last_participation(sorted(sums[-1])[0])
    assert (last, done) == (before + 4, before + 4) and not may_take_part(privacy, last, done + 1)
    world.kill()
    assert world.coordinator.store.made() == before + 4


def test_a_sum_without_a_model_counts_before_a_take_over(world, other: Model) -> None:
    world.enrol(6)
    world.coordinator.rounds.schedule(1)
    world.advance("commit")
    world.unmask()
    world.coordinator.rounds.fail("the learner refuses it", world.now)
    assert world.coordinator.store.newest_unmasked() == 1 and world.coordinator.store.made() == 0
    take_over(world, other)
    assert world.coordinator.store.newest_takeover()[1] == 1
    assert world.coordinator.store.newest_unmasked() == 1


def test_a_device_in_a_round_hears_what_became_of_it_before_it_changes_its_vocabulary(world, other: Model) -> None:
    world.enrol(6)
    world.coordinator.rounds.schedule(1)
    old = world.coordinator.rounds.model.vocabulary.sha256
    world.advance("reporting")
    name, (device, *_) = world.round.name, world.devices
    world.kill()  # the round is aborted
    take_over(world, other)
    call = world.coordinator.devices.check_in(device.name, CheckIn(old, name), world.now)
    assert call.outcome == "not counted" and call.model == digest(other.weights)


def test_a_device_that_has_to_fetch_the_model_first_is_not_waited_for(world, other: Model) -> None:
    world.enrol(4)
    old = world.coordinator.rounds.model.vocabulary.sha256
    take_over(world, other)
    left_behind: LearnedDevice = world.devices.pop()
    world.coordinator.rounds.schedule(1)
    for _ in range(30):
        with pytest.raises(OtherVocabularyError):
            world.coordinator.devices.check_in(left_behind.name, CheckIn(old, ""), world.now)
        for device in world.devices:
            world.step(device)
        world.work()
        world.now += 0.1
        if world.coordinator.store.schedule()[0] == 0:
            break
    (row,) = world.coordinator.store.rounds()
    assert (row.state, row.counted) == ("committed", 3)
    assert row.ended - row.started < world.settings.rules.settle_seconds


def test_another_model_is_taken_over_only_if_the_operator_says_so(
    world, other_folder: Path, tiny_model_folder: Path, tmp_path: Path
) -> None:
    world.enrol(6)
    run_round(world)
    world.close()
    assert model_to_take_over(world.folder, None, agreed=True) is None
    assert model_to_take_over(world.folder, tiny_model_folder, agreed=True) is None
    assert model_to_take_over(tmp_path / "new", other_folder, agreed=True) is None
    with pytest.raises(DataError, match=r"does not continue from .*, by itself. Leave out --model; add --take-over"):
        model_to_take_over(world.folder, other_folder, agreed=False)
    assert model_to_take_over(world.folder, other_folder, agreed=True) is not None


def test_serve_takes_a_model_over_once_and_goes_on_from_it(
    world, other: Model, other_folder: Path, federate_process: Callable, tmp_path: Path
) -> None:
    world.enrol(6)
    run_round(world)
    world.close()
    ports = ("--port", free_port(), "--control-port", free_port())
    refused = federate_process("serve", "--folder", world.folder, "--model", other_folder, *ports)
    assert refused.returncode == 1 and "add --take-over" in refused.stderr and len(refused.stderr.splitlines()) == 1
    alone = federate_process("serve", "--folder", world.folder, "--take-over", *ports)
    assert alone.returncode == 2 and "--take-over needs the --model to take over" in alone.stderr
    copied = tmp_path / "copy"
    shutil.copytree(world.folder, copied)
    for folder, options in ((world.folder, ["--take-over"]), (world.folder, []), (copied, ["--take-over"])):
        with serving(folder, "--model", other_folder, *options, "--json") as running:
            output = running.stop(2)
        assert running.process.returncode == 0 and "Traceback" not in running.printed, running.printed
        result = json.loads(output.splitlines()[-1])
        assert result["model_round"] == 2
        assert digest(load_model(Path(result["model"])).weights) == digest(other.weights)
        assert ("has taken the place of the model" in running.printed) == bool(options)
