"""Devices that break the protocol or send false updates, each in its own way, for tests of the coordinator."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from federation.aggregation.sum_check import ImplausibleSumError, check_sum
from federation.protocol.api_messages import Plan
from federation.protocol.secure_aggregation.messages import Advert, MaskedInput, Reveal, Shares
from federation.protocol.secure_aggregation.modular_vectors import Vector, unpack
from federation.protocol.secure_aggregation.states import RoundAbortedError
from tests.federation.coordinator.conftest import LearnedDevice, World


class Liar(LearnedDevice):
    """A device that takes part like any other, except that it replaces some of its messages."""

    def __init__(self, forge: Callable[[str, bytes], bytes], false_vectors: bool = False) -> None:
        super().__init__()
        self._forge = forge
        if false_vectors:
            self._vectors = self._random

    def message(self, stage: str, needed: bytes) -> bytes:
        return self._forge(stage, super().message(stage, needed))

    def _random(self, plan: Plan) -> tuple[Vector, ...]:
        rng = np.random.default_rng()
        return tuple(
            (rng.integers(0, 2**63, s.length, np.uint64) % np.uint64(2**s.bits)).astype(s.dtype)
            for s in plan.terms.layout
        )


def _of_stage(wanted: str, change: Callable[[bytes], bytes]) -> Callable[[str, bytes], bytes]:
    return lambda stage, message: change(message) if stage == wanted else message


def _wrong_commitment(message: bytes) -> bytes:
    return replace(Shares.from_bytes(message), commitment=bytes(32)).to_bytes()


def _garbage_shares(message: bytes) -> bytes:
    shares = Shares.from_bytes(message)
    return replace(shares, shares=tuple(replace(s, sealed=bytes(48)) for s in shares.shares)).to_bytes()


def _bad_signature(message: bytes) -> bytes:
    return replace(Advert.from_bytes(message), signature=bytes(64)).to_bytes()


def _false_share(message: bytes) -> bytes:
    reveal = Reveal.from_bytes(message)
    return replace(reveal, shares=tuple(replace(s, share=bytes(16)) for s in reveal.shares)).to_bytes()


def _no_shares(message: bytes) -> bytes:
    return replace(Reveal.from_bytes(message), shares=()).to_bytes()


LIARS: dict[str, Callable[[], Liar]] = {
    "a wrong commitment": lambda: Liar(_of_stage("shares", _wrong_commitment)),
    "garbage shares": lambda: Liar(_of_stage("shares", _garbage_shares)),
    "a random vector": lambda: Liar(lambda _, message: message, false_vectors=True),
    "a bad signature": lambda: Liar(_of_stage("keys", _bad_signature)),
    "a malformed message": lambda: Liar(_of_stage("reporting", lambda message: message[:-1])),
    "another sender": lambda: Liar(
        _of_stage("reporting", lambda m: replace(MaskedInput.from_bytes(m), device=bytes(32)).to_bytes())
    ),
    "a false share": lambda: Liar(_of_stage("unmasking", _false_share)),
    "no shares": lambda: Liar(_of_stage("unmasking", _no_shares)),
}


class CheckingWorld(World):
    """A world that checks sums as the learner does, and reports failures as `RoundDriver` does."""

    def work(self) -> None:
        rounds = self.coordinator.rounds
        self.coordinator.tick(self.now)
        self.prepare(self.coordinator)
        if rounds.summed() is None and rounds.begin_unmasking() is not None:
            try:
                self.unmask()
            except RoundAbortedError as error:
                rounds.fail(str(error), self.now, culprits=[device.hex() for device in error.culprits])
        if (summed := rounds.summed()) is not None:
            delta, counts = unpack(self.terms.layout, summed.total)
            counted = self.coordinator.store.counted(summed.number)
            try:
                check_sum(self.terms.encoding, 0.0, False, (delta, counts), len(counted))
            except ImplausibleSumError as error:
                rounds.fail(str(error), self.now, spoiled=True)
            else:
                rounds.commit(summed.number, self.learn(summed.number, summed.total), self.now)
