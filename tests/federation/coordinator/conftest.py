"""A coordinator without a network or TensorFlow, and devices that use the real protocol."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from federation.aggregation.sum_check import ImplausibleSumError
from federation.benchmarks.loads.simulated_devices import SimulatedDevice
from federation.benchmarks.loads.untrained import untrained_model
from federation.coordinator.coordinator import Coordinator
from federation.coordinator.enrolled_devices import EnrolledDevices
from federation.coordinator.learner.messages import ModelUpdate, NextRound
from federation.coordinator.learner.round_report import RoundReport
from federation.coordinator.round_machine import MessageRefusedError, RefusalKind, Round, Rules, Stage
from federation.coordinator.rounds import CoordinatorSettings
from federation.coordinator.secure_sum import SecureSummation
from federation.coordinator.store import SummedRound
from federation.protocol.api_messages import REST, WAIT, Call, CheckIn, Plan
from federation.protocol.delta_encoding import flatten, unflatten
from federation.protocol.discovery.fingerprint import fingerprint64
from federation.protocol.discovery.round_plans import COUNT, RevealPlan
from federation.protocol.discovery.word_table import PRIME, TableTerms, table_vector
from federation.protocol.round_terms import Terms, TrainingResult, counts_of, recall_of
from federation.protocol.secure_aggregation.modular_vectors import Vector, unpack
from model.device.config import ModelConfig
from model.device.folder import WEIGHTS, save_model
from model.device.trainable import trainable_shapes
from model.device.weights import save_weights
from tests.federation.coordinator.postgres import database_server, each_database, new_database

__all__ = ["database_server", "each_database", "new_database"]  # fixtures

CONFIG = ModelConfig(vocabulary=16, embedding=4, units=6, window=20, batch=4)
LENGTH = sum(int(np.prod(shape)) for shape in CONFIG.shapes.values())
RULES = Rules(3, 4, 1.5, *[10.0] * 7)
SETTINGS = CoordinatorSettings(RULES, backoff_seconds=1.0)
TERMS = Terms(LENGTH, clipping_norm=1.0, max_weight=1, cohort=RULES.target, bits=16, seed=5, estimate=1.0)


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose program is never run."""
    folder = tmp_path_factory.mktemp("tiny") / "model"
    save_model(folder, untrained_model(CONFIG))
    return folder


def delta_of(device: SimulatedDevice) -> np.ndarray:
    """Returns a device's own delta, short enough not to be clipped."""
    rng = np.random.default_rng(int(device.name[:8], 16))
    delta = rng.normal(size=LENGTH).astype(np.float32)
    return delta * np.float32(0.5 / np.linalg.norm(delta))


def peeled(table: Vector, terms: TableTerms) -> dict[str, int]:
    """Returns the words of a summed table and their counts, peeled from rows that have one word only.

    Raises:
      ImplausibleSumError: something remains that is no word.
    """
    left, words = table % PRIME, dict[str, int]()
    columns = terms.chunks + 2
    while True:
        rows, found = left[: -terms.repetitions * terms.rows].reshape(-1, columns), dict[str, int]()
        for row in rows[rows[:, -2] > 0]:
            count = int(row[-2])
            inverse = pow(count, -1, PRIME)
            chunks = [int(chunk) * inverse % PRIME for chunk in row[:-2]]
            word = b"".join(chunk.to_bytes(4, "little")[:3] for chunk in chunks).rstrip(b"\0")
            check = fingerprint64(b"hash_check_%d%s" % (terms.seed, word)) % PRIME
            if word and int(row[-1]) * inverse % PRIME == check:
                found[word.decode(errors="replace")] = count
        for text, count in found.items():
            words[text] = count
            left = (left + (PRIME - table_vector([text], terms) % PRIME) * count) % PRIME
        if not found:
            break
    if left.any():
        raise ImplausibleSumError("the table cannot be decoded")
    return words


class LearnedDevice(SimulatedDevice):
    """A device that sends `delta_of` itself, and remembers the first bytes of its vectors before they were masked."""

    def __init__(self) -> None:
        super().__init__(self._learned)
        self.vectors_given: list[bytes] = []

    def _learned(self, plan: Plan) -> tuple[Vector, ...]:
        learned = TrainingResult(delta_of(self), 10, 30.0, 1, 3, 5, 2, 4)
        vectors = plan.terms.contribution(learned, np.random.default_rng(0))
        self.vectors_given.append(vectors[0][:16].tobytes())
        return vectors


class World:
    """A coordinator in a folder, a clock, and devices; the tests stand in for the network."""

    def __init__(
        self,
        folder: Path,
        shipped: Path,
        settings: CoordinatorSettings = SETTINGS,
        terms: Terms = TERMS,
        database: str | None = None,
    ) -> None:
        self.database = database
        self.folder, self.shipped, self.settings, self.terms = folder, shipped, settings, terms
        self.now = 1_000.0
        self.coordinator = self.start()
        self.devices: list[LearnedDevice] = []  # on the network
        self.all_devices: list[LearnedDevice] = []
        self.closed = False
        self.ready: Callable[[SimulatedDevice], bool] = lambda device: True  # whether a device says that it is ready
        self.twice = False  # whether devices send everything twice, as if answers got lost

    def start(self) -> Coordinator:
        coordinator = Coordinator(self.folder, self.shipped, self.settings, SecureSummation, self.now, self.database)
        self.prepare(coordinator)
        return coordinator

    def prepare(self, coordinator: Coordinator) -> None:
        """Prepares the next round, in the learner's place, if the coordinator waits for that."""
        if coordinator.rounds.next_round is None:
            coordinator.rounds.prepared(self.next_round(coordinator.store.newest_unmasked()))

    def next_round(self, unmasked: int) -> NextRound:
        return NextRound(self.terms, exhausted="", spent=None, promise="none", unmasked=unmasked)

    def close(self) -> None:
        if not self.closed:
            self.coordinator.close()
        self.closed = True

    def kill(self) -> None:
        """Kills the coordinator and starts another one; only the files on the disk remain."""
        self.coordinator.store.close()  # what the kernel does for a killed process
        self.coordinator = self.start()

    def new_device(self) -> LearnedDevice:
        device = LearnedDevice()
        self.all_devices.append(device)
        return device

    @property
    def desk(self) -> EnrolledDevices:
        """The process that answers a device's next request."""
        return self.coordinator.devices

    @property
    def round(self) -> Round:
        """The round that is under way."""
        current = self.coordinator.rounds.current
        assert current is not None
        return current

    def enrol(self, count: int) -> list[LearnedDevice]:
        for _ in range(count):
            device = self.new_device()
            self.coordinator.devices.enrol(device.enrolment(self.coordinator.devices.invite(self.now)), self.now)
            self.devices.append(device)
        return self.devices

    def check_in(self, device: SimulatedDevice) -> Call:
        vocabulary = self.coordinator.rounds.model.vocabulary.sha256
        return self.desk.check_in(device.name, CheckIn(vocabulary, device.round_name, self.ready(device)), self.now)

    def step(self, device: SimulatedDevice) -> str:
        """Lets a device take one turn; returns its task."""
        call = self.check_in(device)
        if call.outcome:
            device.forget()
        if call.task in (REST, WAIT):
            return call.task
        if not device.round_name and call.task != Stage.KEYS:  # it was restarted
            self.desk.withdraw(device.name, call.round_name, self.now)
            return call.task
        if not device.round_name:
            device.begin(self.desk.plan(device.name, call.round_name, self.now))
        self.give(device, Stage(call.task))
        return call.task

    def give(self, device: SimulatedDevice, stage: Stage) -> None:
        needed = b""
        if not device.has(stage):
            needed = self.desk.needs(device.name, device.round_name, stage, self.now)
        message = device.message(stage, needed)
        round_name = device.round_name
        self.desk.give(device.name, round_name, stage, message, self.now)
        if self.twice:
            with pytest.raises(MessageRefusedError) as refused:
                self.desk.give(device.name, round_name, stage, message, self.now)
            assert refused.value.kind in (RefusalKind.REPEATED, RefusalKind.LATE)

    def advance(self, stage: Stage) -> None:
        """Takes turns until the round is at a stage and the last device has not sent anything in it."""
        for _ in range(20):
            for device in self.devices:
                if self.coordinator.rounds.current is not None and self.coordinator.rounds.current.stage == stage:
                    return
                self.step(device)
            self.coordinator.tick(self.now)
        raise AssertionError(f"the round never reached {stage}")

    def finish(self) -> None:
        """Continues until no round is scheduled or open."""
        for _ in range(80):
            for device in self.devices:
                self.step(device)
            self.work()
            self.now += 1
            if self.coordinator.store.schedule()[0] == 0 and self.coordinator.rounds.current is None:
                return
        raise AssertionError("no round was committed")

    def weights(self) -> np.ndarray:
        """Returns the global model as one vector."""
        return flatten(self.coordinator.rounds.model.weights, self.coordinator.rounds.model.provenance.config.shapes)

    def check_models(self, start: np.ndarray) -> None:
        """Checks that the model is the start plus a mean for each committed round, over exactly the devices recorded for it."""
        names = {device.name: device for device in self.all_devices}
        expected, committed = start.copy(), 0
        for row in self.coordinator.store.rounds():
            if row.state != "committed":
                continue
            counted = self.coordinator.store.counted(row.number)
            assert len(counted) >= RULES.minimum
            expected += np.mean([delta_of(names[name]) for name in counted], axis=0)
            committed += 1
        assert committed
        assert self.coordinator.rounds.model.provenance.round == committed
        # Each coordinate of a device is rounded by less than a step, and so is each coordinate of a mean.
        limit = committed * np.sqrt(self.terms.encoding.padded) / float(self.terms.encoding.scale)
        error = np.linalg.norm(self.weights() - expected)
        assert error < limit
        assert error < 0.1 * np.linalg.norm(expected - start)

    def work(self) -> None:
        """Does what `RoundDriver.step` does, with arithmetic in place of TFF."""
        self.coordinator.tick(self.now)
        self.prepare(self.coordinator)
        if self.coordinator.rounds.summed() is None and self.coordinator.rounds.begin_unmasking() is not None:
            self.unmask()
        if (summed := self.coordinator.rounds.summed()) is not None:
            if summed.kind:
                self.read_words(summed)
            else:
                self.coordinator.rounds.commit(summed.number, self.learn(summed.number, summed.total), self.now)

    def read_words(self, summed: SummedRound) -> None:
        """Reads the sum of a round of a word discovery, as `RoundDriver` does, with arithmetic in place of TFF's decoder."""
        rounds = self.coordinator.rounds
        try:
            if summed.kind == COUNT:
                rounds.read_counts(summed, self.now)
                return
            table = rounds.discoveries.table(summed.number, summed.total)
            plan = rounds.discoveries.plan_of(summed.number)
            assert isinstance(plan, RevealPlan)
            rounds.keep_words(summed.number, self.decoded(table, plan), self.now)
        except ImplausibleSumError as error:
            rounds.fail(f"no words could be read from the sum: {error}", self.now, spoiled=True)

    def decoded(self, table: Vector, plan: RevealPlan) -> dict[str, int]:
        """Returns the words of a summed table, with arithmetic in place of TFF."""
        return peeled(table, plan.table)

    def unmask(self) -> None:
        """Unmasks and stores the sum of the round, which is at its commit."""
        opened = self.coordinator.rounds.begin_unmasking()
        assert opened is not None
        self.coordinator.rounds.keep_sum(opened.number, opened.machine.secure.unmask())

    def learn(self, number: int, total: bytes) -> ModelUpdate:
        """Makes the next model from a sum."""
        delta, counted = unpack(self.terms.layout, total)
        counts = counts_of(counted)
        model = self.coordinator.rounds.model
        mean = self.terms.encoding.decode_mean(delta, counts["weight"])
        shapes = trainable_shapes(model.provenance.config, self.coordinator.rounds.settings.training.trainable)
        before = flatten({name: model.weights[name] for name in shapes}, shapes)
        weights = model.weights | unflatten(before + mean, shapes)
        folder = self.coordinator.rounds.folders.state_folder(number)
        folder.mkdir(parents=True, exist_ok=True)
        save_weights(folder / WEIGHTS, weights, model.provenance)
        report = {
            "devices": counts["devices"],
            "words": counts["words"],
            "update_norm": float(np.linalg.norm(mean)),
            "clipping_norm": self.terms.clipping_norm,
            **recall_of(counts),
        }
        next_round = self.next_round(self.coordinator.store.newest_unmasked())
        next_round.save(folder)
        return ModelUpdate(next_round, RoundReport.from_json(report))

    def run(self, turns: int = 12) -> None:
        """Lets every device take turns; a second passes with each."""
        for _ in range(turns):
            for device in self.devices:
                self.step(device)
            self.work()
            self.now += 1


@pytest.fixture
def terms() -> Terms:
    """Returns the default terms of a world."""
    return TERMS


@pytest.fixture
def database() -> str | None:
    """The database of the world: a file in its folder. Tests that run on each database have a fixture of this name."""
    return None


@pytest.fixture
def world(tmp_path: Path, tiny_model_folder: Path, database: str | None) -> Iterator[World]:
    world = World(tmp_path / "coordinator", tiny_model_folder, database=database)
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
