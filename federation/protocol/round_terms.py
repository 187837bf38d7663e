"""The terms of a round: how a device turns what it learned into the numbers that are summed.

A device sends two vectors of whole numbers, which secure aggregation masks and adds up:

1. its delta, encoded (`federation.protocol.delta_encoding`), with discrete Gaussian noise added if the terms ask for it;
2. `COUNTS`, of 48 bits each, negative ones modulo 2^48:
   - `devices`: 1;
   - `weight`: the number of words that it learned from, at most `max_weight` of the terms; 1 if all devices have the same weight;
   - `side`: 1 if the delta's L2 norm is at most the terms' estimate of a quantile of these norms, else -1, so that the server can
     adjust its estimate (Andrew et al. 2021, arXiv 1905.03871); 0 if it has no estimate;
   - `zeroing_side`: likewise for the delta's largest entry, and the quantile on which zeroing is based;
   - `loss`: the loss summed over the words, each batch measured before its step, in units of 2^-10 nats; `words`: these words;
   - `tested`: the number of held-back words; `first`, `among_three`: the number of them that the round's weights predicted first,
     or among the first three; `first_after`, `among_three_after`: likewise for the weights after the device's training.

Each of the last seven counts is at most 2^36 per device, so that sums over a thousand devices do not wrap. A delta with an entry
above the terms' zeroing norm is replaced by zeros, as if the device had learned nothing. Under differential privacy the server
learns nothing else without noise: the weight is 1, and the counts after `zeroing_side` are 0.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from federation.protocol.delta_encoding import GREATEST_NORM, GREATEST_WEIGHT, LEAST_NORM, Encoding
from federation.protocol.json_messages import Between, JsonMessage
from federation.protocol.noise import LEAST_STDDEV, Draw, discrete_gaussian, system_bits
from federation.protocol.secure_aggregation.modular_vectors import MAX_LENGTH, Segment, Vector, VectorLayout

COUNTS = (
    *("devices", "weight", "side", "zeroing_side", "loss", "words"),
    *("first", "among_three", "tested", "first_after", "among_three_after"),
)
COUNT_BITS = 48
LOSS_STEPS = 2**10  # in one nat

_NORM = Between(0.0, 2.0**40)
MAX_COUNT = 2**36  # greatest count of a device: words, or units of loss (a million words at 67 nats reach it)


@dataclass(frozen=True)
class TrainingResult:
    """The result of a device's training, in the clear. It stays on the device.

    Raises:
      DataError: the figures contradict each other, or the loss is not finite.
    """

    delta: NDArray[np.float32]  # [n], weights after training minus weights before (`delta_encoding.flatten`)
    words: int  # targets learned from
    loss: float = 0.0  # nats, summed over these words, each batch before its step
    first: int = 0  # tested words that the weights before training predicted first
    among_three: int = 0  # likewise, among the first three
    tested: int = 0  # held-back words
    first_after: int = 0  # likewise, by the weights after training
    among_three_after: int = 0

    def __post_init__(self) -> None:
        found = ((self.first, self.among_three), (self.first_after, self.among_three_after))
        if not (math.isfinite(self.loss) and self.words >= 0 and all(0 <= a <= b <= self.tested for a, b in found)):
            raise DataError("the figures of the training result contradict each other")


@dataclass(frozen=True)
class Terms(JsonMessage):
    """The terms of a round: public, and the same for all its devices.

    Raises:
      DataError: the terms contradict each other, or a number is not within the bounds that its type carries.
    """

    length: Annotated[int, Between(1, MAX_LENGTH)]  # entries of a delta
    # Greatest L2 norm of a delta; longer deltas are shortened to it.
    clipping_norm: Annotated[float, Between(LEAST_NORM, GREATEST_NORM)]
    # Greatest weight of a device, in words; 1 if all devices have the same weight.
    max_weight: Annotated[int, Between(1, GREATEST_WEIGHT)]
    cohort: Annotated[int, Between(1, 2**15)]  # greatest number of devices in a sum
    bits: Annotated[int, Between(2, 16)]  # bits of an encoded entry
    seed: Annotated[int, Between(0, 2**32 - 1)]  # seed of the rotation's signs
    # Estimated quantile of the deltas' L2 norms; 0: the server has no estimate.
    estimate: Annotated[float, _NORM] = 0.0
    zeroing_norm: Annotated[float, _NORM] = 0.0  # largest entry above which a delta is replaced by zeros; 0: no zeroing
    # Estimated quantile of the deltas' largest entries; 0: the server has no estimate.
    zeroing_estimate: Annotated[float, _NORM] = 0.0
    # Standard deviation of each device's noise on an encoded entry; 0: no noise.
    noise_stddev: Annotated[float, Between(LEAST_STDDEV, 2.0**16, or_zero=True)] = 0.0
    private: bool = False  # whether the delta and its sides are all that leaves the device

    def __post_init__(self) -> None:
        super().__post_init__()
        self.layout  # noqa: B018 (raises if sizes contradict each other)
        if self.private and self.max_weight != 1:
            raise DataError("under differential privacy all devices must have the weight 1")
        if self.noise_stddev and not self.private:
            raise DataError("only private rounds can have noise on the devices")

    @property
    def encoding(self) -> Encoding:
        """The encoding of the delta as integers."""
        return Encoding(self.length, self.clipping_norm, self.max_weight, self.cohort, self.bits, self.seed)

    @property
    def layout(self) -> VectorLayout:
        """The layout of the vectors that a device sends: the encoded delta, and `COUNTS`."""
        return Segment(self.encoding.padded, self.bits), Segment(len(COUNTS), COUNT_BITS)

    def contribution(
        self, learned: TrainingResult, rng: np.random.Generator, draw: Draw = system_bits
    ) -> tuple[Vector, Vector]:
        """Returns a device's part of the sum, in the clear: values of `layout`, to be masked before they leave the device.

        Args:
          learned: the result of the device's training.
          rng: draws the rounding.
          draw: returns random bits for the noise.

        Raises:
          DataError: the delta has another length, or is not finite.
        """
        delta = learned.delta
        if delta.shape != (self.length,) or not np.isfinite(delta).all():
            raise DataError(
                f"a delta must have {self.length} entries, all of them finite: this one does not leave the device"
            )
        norm, largest = np.float32(np.sqrt(np.dot(delta, delta.astype(np.float64)))), np.abs(delta).max()
        if self.zeroing_norm and largest > np.float32(self.zeroing_norm):
            delta, norm = np.zeros_like(delta), np.float32(0)
        integers, weight = self.encoding.encode(delta, 1 if self.private else learned.words, rng)
        if self.noise_stddev:
            noise = discrete_gaussian(self.noise_stddev, self.encoding.padded, draw)
            integers = ((integers + noise) % 2**self.bits).astype(integers.dtype)
        figures = [0] * 7 if self.private else _figures(learned)
        sides = _side(norm, self.estimate), _side(largest, self.zeroing_estimate)
        counts = np.array([1, int(weight[0]), *sides, *figures], np.int64)
        return integers, counts.astype(np.uint64) & np.uint64(2**COUNT_BITS - 1)


def _figures(learned: TrainingResult) -> list[int]:
    loss = max(round(learned.loss * LOSS_STEPS), 0)
    before = learned.words, learned.first, learned.among_three, learned.tested
    return [min(count, MAX_COUNT) for count in (loss, *before, learned.first_after, learned.among_three_after)]


def _side(norm: np.floating[Any], estimate: float) -> int:
    if not estimate:
        return 0
    return 1 if norm <= np.float32(estimate) else -1


def counts_of(summed: Vector) -> dict[str, int]:
    """Returns the summed `COUNTS` by name, with their signs.

    Raises:
      DataError: the vector has another length.
    """
    if summed.shape != (len(COUNTS),):
        raise DataError(f"the sum must have {len(COUNTS)} counts, not the shape {list(summed.shape)}")
    half = 2 ** (COUNT_BITS - 1)
    return {name: (int(value) + half) % (2 * half) - half for name, value in zip(COUNTS, summed, strict=True)}


def recall_of(counts: Mapping[str, int]) -> dict[str, float]:
    """Returns recall at 1 and at 3 from summed `COUNTS`, and the number of words tested; empty if no device held words back."""
    tested = counts["tested"]
    if not tested:
        return {}
    found = {"top1": "first", "top3": "among_three", "top1_after": "first_after", "top3_after": "among_three_after"}
    return {"tested": tested} | {name: counts[count] / tested for name, count in found.items()}
