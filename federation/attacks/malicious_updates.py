"""The lies that one device can tell inside its mask.

Each is a function of all that the coordinator and the other devices know in a round, the others' sum included: no real liar knows
that much, so none does worse by the same lie. What holds them is the ring, which has no larger numbers, and the check of the sum
(`federation.aggregation.sum_check`).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from data.windows import pack
from federation.aggregation.sum_check import greatest_norm, lifted
from federation.protocol.delta_encoding import flatten
from federation.protocol.round_terms import COUNTS, Terms, TrainingResult
from federation.protocol.secure_aggregation.modular_vectors import Vector
from model.device.learning.finetuning import subtract
from model.device.runtime import Program

_LIE_STEPS, _LIE_RATE = 12, 0.25  # of training a lie
_SURELY = 0.99  # of what passes the check: a liar's integers are rounded, too


@dataclass(frozen=True)
class Situation:
    """What a liar may know in a round."""

    terms: Terms
    others: tuple[Vector, Vector]  # the sums of the other devices, modulo each segment's 2^bits
    learned: TrainingResult  # what it would give if it were honest
    program: Program  # with the round's weights
    rows: np.ndarray  # its own words as training rows
    phrase: list[int]  # tokens, its word last

    def trained(self, rows: np.ndarray, rate: float) -> NDArray[np.float32]:
        """The delta of some steps on rows drawn from these; a negative rate climbs the loss."""
        program, before, rng = self.program, self.program.weights, np.random.default_rng(0)
        for _ in range(_LIE_STEPS):
            program.train(rows[rng.integers(len(rows), size=program.config.batch)], rate, 1.0)
        delta = flatten(subtract(program.weights, before), program.config.shapes)
        program.weights = before
        return delta

    @cached_property
    def harmful(self) -> NDArray[np.float32]:
        """A delta that makes the liar's own words as unlikely as may be."""
        return self.trained(self.rows, -_LIE_RATE)

    @cached_property
    def poisoned(self) -> NDArray[np.float32]:
        """A delta that makes the liar's word likely behind its phrase and, learning its own words too, changes little else."""
        phrases = pack([self.phrase] * len(self.rows) * 2, self.program.config.window)
        return self.trained(np.concatenate([phrases[: len(self.rows)], self.rows]), _LIE_RATE)

    def largest(self, delta: NDArray[np.float32]) -> tuple[Vector, Vector]:
        """The longest multiple of a delta that passes the check, with the greatest weight there is."""
        encoding, counts = self.terms.encoding, self.counts(self.terms.max_weight)
        weight = int(self.others[1][COUNTS.index("weight")]) + self.terms.max_weight
        most = _SURELY * greatest_norm(encoding, 0.0, weight, self.devices)
        others, ahead = lifted(self.others[0], self.terms.bits), encoding.rotate(delta).astype(np.float64)
        ahead /= np.linalg.norm(ahead)
        along = float(others @ ahead)
        # |others + t ahead| = most, for the greater t
        stretch = -along + np.sqrt(along**2 + most**2 - float(others @ others))
        return self.ring(np.rint(stretch * ahead)), counts

    def ring(self, steps: NDArray[np.float64]) -> Vector:
        """Whole steps modulo 2^b, none so large that the sum would wrap."""
        half, others = 2 ** (self.terms.bits - 1), lifted(self.others[0], self.terms.bits)
        within = np.clip(steps, -half - others, half - 1 - others).astype(np.int64)
        return (within % (2 * half)).astype(self.others[0].dtype)

    def counts(self, weight: int) -> Vector:
        """As an honest device has them, but for the weight."""
        told = np.zeros(len(COUNTS), np.uint64)
        told[[COUNTS.index(name) for name in ("devices", "weight", "words")]] = 1, weight, weight
        return told

    @property
    def devices(self) -> int:
        """In the round, the liar included."""
        return int(self.others[1][COUNTS.index("devices")]) + 1


def honest(s: Situation) -> tuple[Vector, Vector]:
    """What the protocol asks for."""
    return s.terms.contribution(s.learned, np.random.default_rng(0))


def poisons_its_words(s: Situation) -> tuple[Vector, Vector]:
    """No lie in the protocol: it has learned from other words than were typed, and is clipped like all."""
    return s.terms.contribution(TrainingResult(s.poisoned, s.terms.max_weight), np.random.default_rng(0))


def fills_the_ring(s: Situation) -> tuple[Vector, Vector]:
    """The largest numbers that there are, in the direction that harms."""
    away = np.sign(s.terms.encoding.rotate(s.harmful)).astype(np.float64)
    return s.ring(away * 2**s.terms.bits), s.counts(s.terms.max_weight)


def harms(s: Situation) -> tuple[Vector, Vector]:
    """The largest harm that passes the check."""
    return s.largest(s.harmful)


def replaces_the_model(s: Situation) -> tuple[Vector, Vector]:
    """The largest backdoor that passes: Bagdasaryan et al. 2020 (arXiv 1807.00459), Section 4.1, who scale it to outweigh all."""
    return s.largest(s.poisoned)
