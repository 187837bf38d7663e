"""The terms of a round: all that a device needs, beside the weights, to make of what it learned the numbers that are summed.

A device sends two vectors of whole numbers, which secure aggregation masks and adds up:

1. its delta, encoded (`federation.protocol.delta_encoding`), with discrete Gaussian noise over it where the terms ask for that;
2. `COUNTS`, of 48 bits each, negative ones modulo 2^48:
   - `devices`: 1;
   - `weight`: the words it learned from, at most the terms' greatest; 1 where all devices count alike;
   - `side`: 1 where the delta's L2 norm is at most the terms' estimate of a quantile of these norms, else -1, by which the server
     moves its estimate (Andrew et al. 2021, arXiv 1905.03871); 0 where it has none to move;
   - `zeroing_side`: likewise for the delta's largest entry, and the quantile that zeroing goes by;
   - `loss`: the mean loss of each batch before its step times the batch's words, added up, in steps of 2^-10 nats, and `words`;
   - `first`, `among_three`, `tested`: of `tested` words kept for it, those that the round's weights had as first guess, or among
     three; `first_after`, `among_three_after`: likewise of the same words, for what the device's training made of these weights.

A device counts at most 2^36 of each of the last seven, so that sums over a thousand devices do not wrap. A delta with an entry
above the terms' zeroing norm counts as one of zeros (its device, as one that learned nothing). Under differential privacy the
server learns nothing else without noise: the weight is 1, the counts behind `zeroing_side` are 0.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import cast

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from federation.protocol.delta_encoding import Encoding
from federation.protocol.json_messages import read_json
from federation.protocol.noise import Draw, discrete_gaussian, system_bits
from federation.protocol.secure_aggregation.modular_vectors import Layout, Segment, Vector

COUNTS = (
    *("devices", "weight", "side", "zeroing_side", "loss", "words"),
    *("first", "among_three", "tested", "first_after", "among_three_after"),
)
COUNT_BITS = 48
LOSS_STEPS = 2**10  # in a nat

MAX_COUNT = 2**36  # of a device: words, or steps of loss, those of a million words at 67 nats


@dataclass(frozen=True)
class TrainingResult:
    """What a device has to give after training, in the clear: it stays on the device.

    Raises:
      DataError: a figure is not one.
    """

    delta: NDArray[
        np.float32
    ]  # [n], weights after training minus those before (`federation.protocol.delta_encoding.flatten`)
    words: int  # targets learned from
    loss: float = 0.0  # nats, summed over these words, each batch before its step
    first: int = 0  # of the `tested` words, by the weights before training
    among_three: int = 0
    tested: int = 0
    first_after: int = 0  # of the same, by the weights after it
    among_three_after: int = 0

    def __post_init__(self) -> None:
        found = ((self.first, self.among_three), (self.first_after, self.among_three_after))
        if not (math.isfinite(self.loss) and self.words >= 0 and all(0 <= a <= b <= self.tested for a, b in found)):
            raise DataError("what the device learned has figures that are none")


@dataclass(frozen=True)
class Terms:
    """The terms of a round, the same for all its devices; public.

    Raises:
      DataError: they contradict themselves.
    """

    length: int  # entries of a delta
    clipping_norm: float  # greatest L2 norm of a delta; longer ones are shortened to it
    max_weight: int  # in words; 1 where all devices count alike
    cohort: int  # the number of devices that the ring is cut for; a sum has at most as many
    bits: int  # of an entry as sent
    seed: int  # of the rotation, 32 bits
    estimate: float = 0.0  # of a quantile of the deltas' L2 norms; 0: the server estimates none
    zeroing_norm: float = 0.0  # of a delta's largest entry, above which the delta counts as zeros; 0: nothing is zeroed
    zeroing_estimate: float = 0.0  # of a quantile of the deltas' largest entries
    noise_stddev: float = 0.0  # of the noise that each device adds to each entry, in steps of the integers; 0: none
    private: bool = False  # nothing leaves the device but the delta and its side

    def __post_init__(self) -> None:
        self.encoding  # noqa: B018 (raises where sizes are wrong)
        norms = (self.estimate, self.zeroing_norm, self.zeroing_estimate, self.noise_stddev)
        if not all(math.isfinite(x) and x >= 0 for x in norms):
            raise DataError("a round's norms and noise are finite and not below 0")
        if self.private and self.max_weight != 1:
            raise DataError("under differential privacy all devices count alike")
        if self.noise_stddev and not self.private:
            raise DataError("noise on the devices is for private rounds")

    @property
    def encoding(self) -> Encoding:
        """How the delta becomes integers."""
        return Encoding(self.length, self.clipping_norm, self.max_weight, self.cohort, self.bits, self.seed)

    @property
    def layout(self) -> Layout:
        """What a device sends: the delta's integers, and `COUNTS`."""
        return Segment(self.encoding.padded, self.bits), Segment(len(COUNTS), COUNT_BITS)

    def contribution(
        self, learned: TrainingResult, rng: np.random.Generator, draw: Draw = system_bits
    ) -> tuple[Vector, Vector]:
        """The numbers that a device sends, in the clear: to be masked before they leave it.

        Args:
          learned: what it learned.
          rng: draws the rounding.
          draw: random bits for the noise.

        Returns:
          Values of `layout`.

        Raises:
          DataError: the delta is of another length or not finite.
        """
        delta = learned.delta
        if delta.shape != (self.length,) or not np.isfinite(delta).all():
            raise DataError(
                f"a delta has {self.length} entries here, and all of them finite: those that are not finite stay"
            )
        norm, largest = np.float32(np.sqrt(np.dot(delta, delta.astype(np.float64)))), np.abs(delta).max()
        if self.zeroing_norm and largest > np.float32(self.zeroing_norm):
            delta, norm = np.zeros_like(delta), np.float32(0)
        integers, weight = self.encoding.encode(delta, 1 if self.private else learned.words, rng)
        if self.noise_stddev:
            noise = discrete_gaussian(self.noise_stddev, self.encoding.padded, draw)
            integers = ((integers + noise) % 2**self.bits).astype(integers.dtype)
        told = [0] * 7 if self.private else _told(learned)
        sides = _side(norm, self.estimate), _side(largest, self.zeroing_estimate)
        counts = np.array([1, int(weight[0]), *sides, *told], np.int64)
        return integers, counts.astype(np.uint64) & np.uint64(2**COUNT_BITS - 1)

    def to_json(self) -> str:
        """For the wire."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Terms":
        """Reads what `to_json` gave.

        Raises:
          DataError: the text is no terms of a round.
        """
        try:
            content = read_json(text)
            kinds = {f.name: cast(type, f.type) for f in fields(cls)}
            if not isinstance(content, dict) or content.keys() != kinds.keys():
                raise DataError(f"the terms of a round are {', '.join(kinds)}")
            for name, kind in kinds.items():
                if type(content[name]) is not kind and not (kind is float and type(content[name]) is int):
                    raise DataError(f"{name} of a round's terms is no {kind.__name__}: {content[name]!r}")
            return cls(**content)
        except (ValueError, OverflowError, RecursionError) as error:
            raise (
                error if isinstance(error, DataError) else DataError(f"these are no terms of a round: {error}")
            ) from error


def _told(learned: TrainingResult) -> list[int]:
    loss = max(round(learned.loss * LOSS_STEPS), 0)
    before = learned.words, learned.first, learned.among_three, learned.tested
    return [min(count, MAX_COUNT) for count in (loss, *before, learned.first_after, learned.among_three_after)]


def _side(norm: np.floating, estimate: float) -> int:
    return 0 if not estimate else 1 if norm <= np.float32(estimate) else -1


def counts_of(summed: Vector) -> dict[str, int]:
    """The summed `COUNTS`, by name, negative where they are.

    Raises:
      DataError: there are more or fewer.
    """
    if summed.shape != (len(COUNTS),):
        raise DataError(f"a sum has {len(COUNTS)} counts")
    half = 2 ** (COUNT_BITS - 1)
    return {name: (int(value) + half) % (2 * half) - half for name, value in zip(COUNTS, summed, strict=True)}


def recall_of(counts: Mapping[str, int]) -> dict[str, float]:
    """Recall at 1 and at 3 that summed `COUNTS` come to, and on how many words; nothing where no device held any back."""
    tested = counts["tested"]
    if not tested:
        return {}
    found = {"top1": "first", "top3": "among_three", "top1_after": "first_after", "top3_after": "among_three_after"}
    return {"tested": tested} | {name: counts[count] / tested for name, count in found.items()}
