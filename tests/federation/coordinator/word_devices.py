"""Simulated devices with words of their own, for tests of word discoveries."""

from collections.abc import Callable, Iterable

import numpy as np

from federation.benchmarks.loads.simulated_devices import SimulatedDevice
from federation.coordinator.words.discovery_store import DiscoveryTerms
from federation.protocol.api_messages import CheckIn
from federation.protocol.discovery.round_plans import CountPlan, WordPlan
from federation.protocol.discovery.word_counts import CountTerms, count_vector, words_in
from federation.protocol.discovery.word_table import table_vector
from federation.protocol.secure_aggregation.modular_vectors import Vector
from tests.federation.coordinator.conftest import World

Forge = Callable[[WordPlan, tuple[Vector, ...]], tuple[Vector, ...]]  # from the true vectors to those that are sent


class WordDevice(SimulatedDevice):
    """A device that offers its words once, as keyboards do; a liar sends other vectors in their place."""

    def __init__(self, words: Iterable[str], forge: Forge | None = None) -> None:
        super().__init__(self._of_words)
        self.words, self._forge = list(words), forge

    def _of_words(self, plan: WordPlan) -> tuple[Vector, ...]:
        vectors = honest(plan, self.words)
        return vectors if self._forge is None else self._forge(plan, vectors)


def honest(plan: WordPlan, words: list[str]) -> tuple[Vector, ...]:
    if isinstance(plan, CountPlan):
        return (count_vector(words, plan.counts),)
    return (table_vector(words_in(words, plan.buckets, plan.counts), plan.table),)


class WordWorld(World):
    """A world whose devices offer words."""

    def add(self, *devices: WordDevice) -> None:
        for device in devices:
            self.all_devices.append(device)  # type: ignore[arg-type]
            self.coordinator.devices.enrol(device.enrolment(self.coordinator.devices.invite(self.now)), self.now)
            self.devices.append(device)  # type: ignore[arg-type]

    def check_in(self, device: SimulatedDevice):
        vocabulary = self.coordinator.rounds.model.vocabulary.sha256
        asked = CheckIn(vocabulary, device.round_name, ready=False, words=self.ready(device))
        return self.coordinator.devices.check_in(device.name, asked, self.now)

    def discover(self, k: int = 3, turns: int = 120) -> None:
        """Runs a discovery to its end."""
        self.start_discovery(k)
        self.go_on(turns)

    def start_discovery(self, k: int = 3) -> None:
        """Starts a discovery with few buckets, so that a round takes little time."""
        self.coordinator.rounds.discover_words(DiscoveryTerms(k, counts=CountTerms(2**12)), self.now)

    def go_on(self, turns: int = 120) -> None:
        """Continues until the discovery has ended."""
        for _ in range(turns):
            if self.coordinator.rounds.discoveries.current is None:
                return
            for device in self.devices:
                self.step(device)
            self.work()
            self.now += 1
        raise AssertionError(f"the discovery has not ended: {self.coordinator.store.events.newest(5)}")

    @property
    def found(self) -> dict[str, int]:
        newest = self.coordinator.rounds.discoveries.newest
        assert newest is not None
        return {word.word: word.devices for word in newest.words}


def garbage(plan: WordPlan, vectors: tuple[Vector, ...]) -> tuple[Vector, ...]:
    """Returns random numbers of the layout, of any size."""
    rng = np.random.default_rng(1)
    return tuple(
        (rng.integers(0, 2**63, s.length, np.uint64) % np.uint64(2**s.bits)).astype(np.uint64) for s in plan.layout
    )
