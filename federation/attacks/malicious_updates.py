"""The malicious updates that one device can send under its mask.

Each is a function of everything that the coordinator and the other devices know in a round, including the sum of the others.
A real attacker knows less, and so does no more harm with the same attack. Two things limit an attack: an integer modulo 2^b
cannot exceed 2^b - 1, and the coordinator checks the sum (`federation.aggregation.sum_check`).
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

_STEPS, _RATE = 12, 0.25  # training steps and learning rate of a malicious delta
_MARGIN = 0.99  # share of the greatest norm that passes the check, as the attacker's integers are rounded too


@dataclass(frozen=True)
class Situation:
    """Everything that a malicious device may know in a round."""

    terms: Terms
    others: tuple[Vector, Vector]  # the sums of the other devices, modulo each segment's 2^bits
    learned: TrainingResult  # the device's result of honest training
    program: Program  # the model's program, with the round's weights
    rows: np.ndarray  # the device's own words as training rows
    phrase: list[int]  # ids of the backdoor's trigger, and of the word to suggest after it

    def trained(self, rows: np.ndarray, rate: float) -> NDArray[np.float32]:
        """Returns the delta of a few steps on random batches of these rows; a negative rate increases the loss."""
        program, before, rng = self.program, self.program.weights, np.random.default_rng(0)
        for _ in range(_STEPS):
            program.train(rows[rng.integers(len(rows), size=program.config.batch)], rate, 1.0)
        delta = flatten(subtract(program.weights, before), program.config.shapes)
        program.weights = before
        return delta

    @cached_property
    def harmful(self) -> NDArray[np.float32]:
        """A delta that makes the device's own words as unlikely as possible."""
        return self.trained(self.rows, -_RATE)

    @cached_property
    def poisoned(self) -> NDArray[np.float32]:
        """A delta that makes the word likely after its trigger; the device's own words are trained on too, to keep the rest."""
        phrases = pack([self.phrase] * len(self.rows) * 2, self.program.config.window)
        return self.trained(np.concatenate([phrases[: len(self.rows)], self.rows]), _RATE)

    def largest(self, delta: NDArray[np.float32]) -> tuple[Vector, Vector]:
        """Returns the longest multiple of a delta that passes the check, with the greatest weight allowed."""
        encoding, counts = self.terms.encoding, self.counts(self.terms.max_weight)
        weight = int(self.others[1][COUNTS.index("weight")]) + self.terms.max_weight
        most = _MARGIN * greatest_norm(encoding, 0.0, weight, self.devices)
        others, direction = lifted(self.others[0], self.terms.bits), encoding.rotate(delta).astype(np.float64)
        direction /= np.linalg.norm(direction)
        along = float(others @ direction)
        # The greater solution of |others + length * direction| = most.
        length = -along + np.sqrt(along**2 + most**2 - float(others @ others))
        return self.modular(np.rint(length * direction)), counts

    def modular(self, steps: NDArray[np.float64]) -> Vector:
        """Returns whole steps modulo 2^b, limited so that the sum does not wrap around."""
        half, others = 2 ** (self.terms.bits - 1), lifted(self.others[0], self.terms.bits)
        within = np.clip(steps, -half - others, half - 1 - others).astype(np.int64)
        return (within % (2 * half)).astype(self.others[0].dtype)

    def counts(self, weight: int) -> Vector:
        """Returns the counts of an honest device with this weight."""
        counts = np.zeros(len(COUNTS), np.uint64)
        counts[[COUNTS.index(name) for name in ("devices", "weight", "words")]] = 1, weight, weight
        return counts

    @property
    def devices(self) -> int:
        """The number of devices in the round, the malicious one included."""
        return int(self.others[1][COUNTS.index("devices")]) + 1


def honest_update(s: Situation) -> tuple[Vector, Vector]:
    """Returns the update that the protocol prescribes."""
    return s.terms.contribution(s.learned, np.random.default_rng(0))


def poisoned_words(s: Situation) -> tuple[Vector, Vector]:
    """Returns an update that follows the protocol, clipping included, but is trained on words that nobody typed."""
    return s.terms.contribution(TrainingResult(s.poisoned, s.terms.max_weight), np.random.default_rng(0))


def largest_numbers(s: Situation) -> tuple[Vector, Vector]:
    """Returns the largest numbers possible, in the most harmful direction."""
    signs = np.sign(s.terms.encoding.rotate(s.harmful)).astype(np.float64)
    return s.modular(signs * 2**s.terms.bits), s.counts(s.terms.max_weight)


def most_harmful(s: Situation) -> tuple[Vector, Vector]:
    """Returns the most harmful update that passes the check."""
    return s.largest(s.harmful)


def strongest_backdoor(s: Situation) -> tuple[Vector, Vector]:
    """Returns the strongest backdoor that passes the check.

    Bagdasaryan et al. 2020 (arXiv 1807.00459), Section 4.1, scale a backdoor so that it outweighs all other updates.
    """
    return s.largest(s.poisoned)
