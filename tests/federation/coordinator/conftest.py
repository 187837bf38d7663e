"""A coordinator without network or TensorFlow, and devices that speak the real protocol to it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from federation.benchmarks.loads.simulated_devices import SimulatedDevice
from federation.benchmarks.loads.untrained import untrained_model
from federation.coordinator.coordinator import Coordinator, CoordinatorSettings
from federation.coordinator.round_machine import MessageRefusedError, Rules, Stage
from federation.coordinator.secure_sum import SecureSummation
from federation.protocol.api_messages import REST, WAIT, Call, CheckIn, Plan
from federation.protocol.delta_encoding import flatten, unflatten
from federation.protocol.round_terms import Terms, TrainingResult, counts_of, recall_of
from federation.protocol.secure_aggregation.modular_vectors import unpack
from model.device.config import ModelConfig
from model.device.folder import WEIGHTS, save_model
from model.device.weights import save_weights

CONFIG = ModelConfig(vocabulary=16, embedding=4, units=6, window=20, batch=4)
LENGTH = sum(int(np.prod(shape)) for shape in CONFIG.shapes.values())
RULES = Rules(3, 4, 1.5, 10.0, 10.0, 10.0, 10.0, 10.0)
SETTINGS = CoordinatorSettings(RULES, backoff_seconds=1.0)
TERMS = Terms(LENGTH, clipping_norm=1.0, max_weight=1, cohort=RULES.target, bits=16, seed=5, estimate=1.0)


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose program nobody runs."""
    folder = tmp_path_factory.mktemp("tiny") / "model"
    save_model(folder, untrained_model(CONFIG))
    return folder


def delta_of(device: SimulatedDevice) -> np.ndarray:
    """What a device learned: of its own, and short enough not to be clipped."""
    rng = np.random.default_rng(int(device.name[:8], 16))
    delta = rng.normal(size=LENGTH).astype(np.float32)
    return delta * np.float32(0.5 / np.linalg.norm(delta))


class LearnedDevice(SimulatedDevice):
    """A device that gives `delta_of` itself, and remembers the bytes of what it gave before they were masked."""

    def __init__(self) -> None:
        super().__init__(self._learned)
        self.vectors_given: list[bytes] = []

    def _learned(self, plan: Plan) -> tuple:
        learned = TrainingResult(delta_of(self), 10, 30.0, 1, 3, 5, 2, 4)
        vectors = plan.terms.contribution(learned, np.random.default_rng(0))
        self.vectors_given.append(vectors[0][:16].tobytes())
        return vectors


class World:
    """A coordinator in a folder, a clock, devices; what a network would do, done by hand."""

    def __init__(
        self, folder: Path, shipped: Path, settings: CoordinatorSettings = SETTINGS, terms: Terms = TERMS
    ) -> None:
        self.folder, self.shipped, self.settings, self.terms = folder, shipped, settings, terms
        self.now = 1_000.0
        self.coordinator = self.start()
        self.devices: list[LearnedDevice] = []  # that are on the network
        self.everybody: list[LearnedDevice] = []
        self.closed = False
        self.twice = False  # whether devices say everything twice, as if answers got lost

    def start(self) -> Coordinator:
        coordinator = Coordinator(self.folder, self.shipped, self.settings, SecureSummation, self.now)
        self.prepare(coordinator)
        return coordinator

    def prepare(self, coordinator: Coordinator) -> None:
        """What the learner says where it has to."""
        if coordinator.next is None:
            unmasked = coordinator.store.newest_unmasked()
            told = {"terms": self.terms.to_json(), "exhausted": "", "spent": {}, "unmasked": unmasked}
            coordinator.prepared(told)

    def close(self) -> None:
        if not self.closed:
            self.coordinator.close()
        self.closed = True

    def kill(self) -> None:
        """Ends the coordinator without a word and starts another; only what was on the disk is left."""
        self.coordinator.store._connection.close()  # what the kernel does for a killed process
        self.coordinator = self.start()

    def new_device(self) -> LearnedDevice:
        device = LearnedDevice()
        self.everybody.append(device)
        return device

    def enrol(self, count: int) -> list[LearnedDevice]:
        for _ in range(count):
            device = self.new_device()
            self.coordinator.enrol(device.enrolment(self.coordinator.invite(self.now)), self.now)
            self.devices.append(device)
        return self.devices

    def check_in(self, device: SimulatedDevice) -> Call:
        vocabulary = self.coordinator.model.vocabulary.sha256
        return self.coordinator.check_in(device.name, CheckIn(vocabulary, device.round_name), self.now)

    def step(self, device: SimulatedDevice) -> str:
        """One turn of a device; returns what it was asked for."""
        call = self.check_in(device)
        if call.outcome:
            device.forget()
        if call.task in (REST, WAIT):
            return call.task
        if not device.round_name and call.task != Stage.KEYS:  # it was started anew
            self.coordinator.withdraw(device.name, call.round_name, self.now)
            return call.task
        if not device.round_name:
            device.begin(self.coordinator.plan(device.name, call.round_name, self.now))
        self.give(device, Stage(call.task))
        return call.task

    def give(self, device: SimulatedDevice, stage: Stage) -> None:
        needed = b""
        if not device.has(stage):
            needed = self.coordinator.needs(device.name, device.round_name, stage, self.now)
        message = device.message(stage, needed)
        round_name = device.round_name
        self.coordinator.give(device.name, round_name, stage, message, self.now)
        if self.twice:
            with pytest.raises(MessageRefusedError) as refused:
                self.coordinator.give(device.name, round_name, stage, message, self.now)
            assert refused.value.repeated or refused.value.late

    def advance(self, stage: Stage) -> None:
        """Takes turns until the round is at a stage in which the last device has not given anything."""
        for _ in range(20):
            for device in self.devices:
                if self.coordinator.round is not None and self.coordinator.round.stage == stage:
                    return
                self.step(device)
            self.coordinator.tick(self.now)
        raise AssertionError(f"it never came to {stage}")

    def finish(self) -> None:
        """Goes on until no round is wanted or open."""
        for _ in range(80):
            for device in self.devices:
                self.step(device)
            self.work()
            self.now += 1
            if self.coordinator.store.wishes()[0] == 0 and self.coordinator.round is None:
                return
        raise AssertionError("no round was committed")

    def weights(self) -> np.ndarray:
        """The global model, as one vector."""
        return flatten(self.coordinator.model.weights, self.coordinator.model.provenance.config.shapes)

    def check_models(self, start: np.ndarray) -> None:
        """The model is the start plus one mean for each committed round, over exactly the devices on its record."""
        names = {device.name: device for device in self.everybody}
        expected, committed = start.copy(), 0
        for row in self.coordinator.store.rounds():
            if row.state != "committed":
                continue
            counted = self.coordinator.store.counted(row.number)
            assert len(counted) >= RULES.minimum
            expected += np.mean([delta_of(names[name]) for name in counted], axis=0)
            committed += 1
        assert committed
        assert self.coordinator.model.provenance.round == committed
        # A device's coordinates are each rounded by less than a step, and so is the mean of several.
        most = committed * np.sqrt(self.terms.encoding.padded) / float(self.terms.encoding.scale)
        off = np.linalg.norm(self.weights() - expected)
        assert off < most
        assert off < 0.1 * np.linalg.norm(expected - start)

    def work(self) -> None:
        """What `Serving.step` does, with arithmetic where TFF would be."""
        self.coordinator.tick(self.now)
        self.prepare(self.coordinator)
        if self.coordinator.summed() is None and (unmasked := self.coordinator.begin_unmasking()) is not None:
            self.coordinator.keep_sum(unmasked.secure.unmask())
        if (summed := self.coordinator.summed()) is not None:
            self.coordinator.commit(summed.number, self.learn(summed.number, summed.total), self.now)

    def learn(self, number: int, total: bytes) -> dict:
        delta, counted = unpack(self.terms.layout, total)
        counts = counts_of(counted)
        model = self.coordinator.model
        mean = self.terms.encoding.decode_mean(delta, counts["weight"])
        shapes = model.provenance.config.shapes
        weights = unflatten(flatten(model.weights, shapes) + mean, shapes)
        folder = self.coordinator.shelf.state_folder(number)
        folder.mkdir(parents=True, exist_ok=True)
        save_weights(folder / WEIGHTS, weights, model.provenance)
        metrics = {
            "devices": counts["devices"],
            "words": counts["words"],
            "update_norm": float(np.linalg.norm(mean)),
            "clipping_norm": self.terms.clipping_norm,
            **recall_of(counts),
        }
        told: dict[str, object] = {"terms": self.terms.to_json(), "exhausted": "", "spent": {}, "promise": "none"}
        told |= {"unmasked": self.coordinator.store.newest_unmasked(), "metrics": metrics}
        (folder / "next.json").write_text(json.dumps(told))
        return told

    def run(self, turns: int = 12) -> None:
        """Everybody takes turns, and a second passes with each."""
        for _ in range(turns):
            for device in self.devices:
                self.step(device)
            self.work()
            self.now += 1


@pytest.fixture
def terms() -> Terms:
    """Those of every world that is given no others."""
    return TERMS


@pytest.fixture
def world(tmp_path: Path, tiny_model_folder: Path) -> Iterator[World]:
    world = World(tmp_path / "coordinator", tiny_model_folder)
    yield world
    world.close()


@pytest.fixture
def new_world(tmp_path: Path, tiny_model_folder: Path) -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def make(
        shipped: Path = tiny_model_folder, settings: CoordinatorSettings = SETTINGS, terms: Terms = TERMS
    ) -> World:
        made.append(World(tmp_path / f"coordinator-{len(made)}", shipped, settings, terms))
        return made[-1]

    yield make
    for world in made:
        world.close()
