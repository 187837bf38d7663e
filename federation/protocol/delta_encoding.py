"""From a model delta to integers that sum, and back: clipping, rotation, scaling, stochastic rounding, a ring of few bits.

What a device with delta d (float32 [n]) and `weight` words sends, with the round's clipping norm C, greatest weight W, cohort N,
bits b and seed; every array is float32, every line one elementwise operation in this order, so that any float32 library that
follows IEEE 754 gives the same integers:

    1. clip      l = float32(sqrt(sum of float64(d)^2));  d <- d * (C / l) where l > C, else d
    2. weigh     w = min(weight, W);  x = d * float32(w / W)                                    so the norm of x is at most C
    3. rotate    x, with zeros behind it, as a matrix [B, m] row by row (B a power of two, m = ceil(n / B), p = B m):
                 x <- H (x * s1) down its columns;  x <- transposed [m, B], read row by row as [B, m];
                 x <- H (x * s2) down its columns;  y = x * (1 / B)
    4. scale     v = y * S,   S = float32(R sqrt(p) / (z C)),   R = (2^(b-1) - 1) // N
    5. round     q = clip(floor(v + u), -R, R) with u uniform in [0, 1)
    6. send      q modulo 2^b, p numbers of b bits, and beside them w, one number of (N W).bit_length() bits

H is the Walsh-Hadamard matrix of order B in its natural order without a factor: for h = 1, 2, 4, ... B/2 the rows i and i + h of
each group of 2h rows become their sum and their difference. s1 and s2 are the signs 1 - 2 (bit 31 of mix(mix(i) ^ seed)) for
i = 0 ... p - 1 and p ... 2p - 1, in 32-bit unsigned arithmetic; mix is the finalizer of MurmurHash3.

What the server does with the sum s of up to N such vectors modulo 2^b, and the sum of the weights:

    7. lift      s - 2^b where s >= 2^(b-1), else s
    8. unscale   y = s * float32(1 / S), rotated back:  x * (1 / B), and 3. the other way round;  the first n are sum (w / W) d
    9. mean      sum (w / W) d * float32(W / sum w)

This is TFF's `MeanFactory` over secure sums: weighted values and weights are summed separately, and each device's part is bounded
(a delta by C before it is weighed, a weight by W), so that no device counts more than any other may.

**The sum never wraps**: |q| <= R and N R < 2^(b-1), whatever the deltas are. What that costs instead is the clip in 5. By 3., a
coordinate of y has a standard deviation of norm(x) / sqrt(p) over the signs, at most C / sqrt(p), so that only deltas at the
clipping norm and weights at W reach R, at z standard deviations: below z the rounding is unbiased, beyond it lies a share of about
2 Q(z) of such a delta's coordinates, with 1e-5 of its energy at z = 4 (`clipped_energy`). Two passes of the rotation spread any
delta over all p coordinates, one that is a single entry too, where one pass would leave it in its column; B divides n up to half a
percent of zeros, where padding to a power of two would add up to 100%.

Rotation and rounding at random are those of Suresh et al. 2017, arXiv 1611.00429, Sections 2 and 3. Bonawitz et al. 2019, arXiv
1912.00131, and Kairouz et al. 2021, arXiv 2102.06387, Section 4, scale by standard deviations of the sum and let it wrap with a
small probability: for a sum of equal deltas that comes to the same scale, and there a coordinate beyond it is off by 2^b, here by
what is beyond.

Rounding adds to the sum of m devices an error of mean 0 and at most sqrt(m) / (2 S) a coordinate, so of at most
sqrt(m p) / (2 S) = sqrt(m) z C / (2 R) in norm, root mean square. It also lengthens a device's part: `rounded_norm` bounds it as
Kairouz et al. 2021, Section 4, do, and `encode` draws u anew in the rare case that a draw goes beyond, so that the bound always
holds; noise for differential privacy is calibrated by it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from federation.protocol.secure_aggregation.modular_vectors import Segment

_LARGEST_BLOCK, _SMALLEST_BLOCK = 4096, 64
_MAX_PADDING = 0.005  # of the length
_TAIL = 1e-9  # probability that one rounding lengthens a vector beyond `rounded_norm` and is drawn again

Float = NDArray[np.float32]


@dataclass(frozen=True)
class Encoding:
    """A round's encoding, which its devices and its server share.

    Raises:
      DataError: no integer of so few bits can be summed over so many devices, or a size is not positive.
    """

    length: int  # n: entries of a delta
    clipping_norm: float  # C: greatest L2 norm of a delta
    max_weight: int  # W: greatest weight of a device, in words; 1 where all count alike
    cohort: int  # N: greatest number of devices in a sum
    bits: int  # b: of an entry as sent, 2 to 16
    seed: (
        int  # of the rotation's signs, 32 bits: public, and drawn before devices train, so that no delta is made for it
    )
    deviations: float = (
        4.0  # z: standard deviations of a coordinate, of a delta at the clipping norm, that the integers reach
    )

    def __post_init__(self) -> None:
        if min(self.length, self.max_weight, self.cohort) < 1:
            raise DataError("an encoding needs a positive length, greatest weight and cohort")
        if not (0 < self.clipping_norm < math.inf and 0 < self.deviations < math.inf):
            raise DataError("an encoding needs a positive clipping norm and deviations")
        if not 0 <= self.seed < 2**32:
            raise DataError(f"the seed of an encoding has 32 bits; {self.seed} has not")
        if not 2 <= self.bits <= 16:
            raise DataError(f"an encoding has 2 to 16 bits, not {self.bits}")
        if self.levels < 1:
            raise DataError(
                f"{self.bits} bits are too few for a sum over {self.cohort} devices: allow more bits or fewer devices"
            )

    @property
    def block(self) -> int:
        """B: rows of the rotation's matrix, the most of at most 4096 that pad the length by at most 0.5%, and at least 64."""
        block = _LARGEST_BLOCK
        while block > _SMALLEST_BLOCK and -self.length % block > _MAX_PADDING * self.length:
            block //= 2
        return block

    @property
    def padded(self) -> int:
        """p: coordinates after padding, as sent."""
        return self.length + -self.length % self.block

    @property
    def levels(self) -> int:
        """R: the greatest integer that a device sends in a coordinate."""
        return (2 ** (self.bits - 1) - 1) // self.cohort

    @property
    def scale(self) -> np.float32:
        """S: integer steps in a unit of a coordinate."""
        return np.float32(self.levels * math.sqrt(self.padded) / (self.deviations * self.clipping_norm))

    @property
    def segments(self) -> tuple[Segment, Segment]:
        """What a device sends: the coordinates, and its weight."""
        return Segment(self.padded, self.bits), Segment(1, (self.cohort * self.max_weight).bit_length())

    @property
    def rounded_norm(self) -> float:
        """The greatest L2 norm that one device's integers have in a sum decoded, so of (w / W) d as the server sees it.

        Kairouz et al. 2021, Section 4, in steps: rounding a vector of norm c to p integers gives at most
        sqrt(c^2 + p / 4 + sqrt(2 ln(1 / beta)) (c + sqrt(p) / 2)) with probability 1 - beta, and never more than c + sqrt(p).
        """
        c, root = float(self.scale) * self.clipping_norm, math.sqrt(self.padded)
        likely = math.sqrt(c * c + self.padded / 4 + math.sqrt(-2 * math.log(_TAIL)) * (c + root / 2))
        return min(likely, c + root, self.levels * root) / float(self.scale)

    @property
    def clipped_energy(self) -> float:
        """What step 5's clip removes of a delta at the clipping norm and the greatest weight, as a share of its squared norm.

        For Gaussian coordinates, which the rotation's nearly are: E[max(|g| - z, 0)^2].
        """
        z = self.deviations
        return (1 + z * z) * math.erfc(z / math.sqrt(2)) - 2 * z * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)

    def encode(
        self, delta: Float, weight: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.uint16], NDArray[np.uint64]]:
        """Steps 1 to 6.

        Args:
          delta: float32 [n].
          weight: the words it was learned from, at least 0.
          rng: draws the rounding; the device's own and unpredictable, or seeded in simulations.

        Returns:
          The values of `segments`, in their order: uint16 [p] below 2^b, and the weight, uint64 [1].

        Raises:
          DataError: the delta is of another length or not finite, or the weight is negative.
        """
        if delta.shape != (self.length,) or delta.dtype != np.float32:
            raise DataError(f"a delta is float32 [{self.length}] here, not {delta.dtype} {list(delta.shape)}")
        if not np.isfinite(delta).all():
            raise DataError("the delta holds values that are not finite")
        if weight < 0:
            raise DataError(f"a weight is at least 0, not {weight}")
        weight = min(weight, self.max_weight)
        weighed = clip(delta, self.clipping_norm) * np.float32(weight / self.max_weight)
        scaled = self.rotate(weighed) * self.scale
        bound = (self.rounded_norm * float(self.scale)) ** 2
        while True:
            rounded = self.round(scaled, rng.random(self.padded, np.float32))
            if np.dot(rounded, rounded.astype(np.float64)) <= bound:
                break
        ring = rounded.astype(np.int32).astype(np.uint16) & np.uint16(2**self.bits - 1)
        return ring, np.array([weight], np.uint64)

    def round(self, scaled: Float, uniform: Float) -> Float:
        """Step 5: whole numbers, float32 [p], of the scaled coordinates and numbers drawn from [0, 1)."""
        rounded = np.floor(scaled + uniform)
        return np.clip(rounded, -self.levels, self.levels, out=rounded)

    def decode(self, summed: NDArray[np.unsignedinteger]) -> Float:
        """Steps 7 and 8: the sum of (w / W) d, float32 [n], from the summed coordinates [p] modulo 2^b.

        Raises:
          DataError: there are not p of them, or one is not below 2^b.
        """
        if summed.shape != (self.padded,) or summed.dtype.kind != "u" or int(summed.max()) >> self.bits:
            raise DataError(f"a sum holds {self.padded} whole numbers of {self.bits} bits here")
        lifted = summed.astype(np.int32)
        lifted[lifted >= 2 ** (self.bits - 1)] -= 2**self.bits
        return self.rotate_back(lifted.astype(np.float32) * np.float32(1 / float(self.scale)))

    def decode_mean(self, summed: NDArray[np.unsignedinteger], weight: int) -> Float:
        """Steps 7 to 9: the mean of the deltas weighted by words, float32 [n]; zeros where the weights sum to 0.

        Raises:
          DataError: as `decode`, or the weights sum to less than 0 or more than N W.
        """
        if not 0 <= weight <= self.cohort * self.max_weight:
            raise DataError(f"{self.cohort} weights of at most {self.max_weight} don't sum to {weight}")
        total = self.decode(summed)
        return total * np.float32(self.max_weight / weight) if weight else np.zeros_like(total)

    def rotate(self, vector: Float) -> Float:
        """Step 3: float32 [n] to [p], of the same norm."""
        block, first, second = self.block, *self._signs()
        matrix = np.zeros((block, self.padded // block), np.float32)
        matrix.reshape(-1)[: self.length] = vector
        matrix *= first
        hadamard(matrix)
        matrix = np.ascontiguousarray(matrix.T).reshape(matrix.shape)
        matrix *= second
        hadamard(matrix)
        matrix *= np.float32(1 / block)  # a power of two, so exact
        return matrix.reshape(-1)

    def rotate_back(self, vector: Float) -> Float:
        """The inverse of `rotate`: float32 [p] to [n]."""
        block, first, second = self.block, *self._signs()
        matrix = vector.reshape(block, -1) * np.float32(1 / block)
        hadamard(matrix)
        matrix *= second
        matrix = np.ascontiguousarray(matrix.reshape(-1, block).T)
        hadamard(matrix)
        matrix *= first
        return matrix.reshape(-1)[: self.length].copy()

    def _signs(self) -> Float:
        """Both passes' signs, float32 [2, B, m]."""
        return signs(self.seed, 2 * self.padded).reshape(2, self.block, -1)


def clip(vector: Float, norm: float) -> Float:
    """Step 1: the vector, shortened to an L2 norm where it is longer."""
    length = np.float32(math.sqrt(np.dot(vector, vector.astype(np.float64))))
    return vector * (np.float32(norm) / length) if length > np.float32(norm) else vector


def signs(seed: int, count: int) -> Float:
    """The rotation's signs, float32 [count], each 1 or -1."""
    mixed = _mix(_mix(np.arange(count, dtype=np.uint32)) ^ np.uint32(seed))
    return 1 - 2 * (mixed >> np.uint32(31)).astype(np.float32)


def _mix(x: NDArray[np.uint32]) -> NDArray[np.uint32]:
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    x = (x ^ (x >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return x ^ (x >> np.uint32(16))


def hadamard(matrix: Float) -> None:
    """Multiplies a contiguous matrix [B, m] by H from the left, in place."""
    rows, half = len(matrix), 1
    while half < rows:
        pairs = matrix.reshape(rows // (2 * half), 2, -1)
        difference = pairs[:, 0] - pairs[:, 1]
        pairs[:, 0] += pairs[:, 1]
        pairs[:, 1] = difference
        half *= 2


def flatten(arrays: Mapping[str, NDArray[np.float32]], shapes: Mapping[str, tuple[int, ...]]) -> Float:
    """Named arrays one behind the other in the order of `shapes`, float32 [n].

    Raises:
      DataError: an array is missing, too many, or of another shape.
    """
    if arrays.keys() != shapes.keys():
        raise DataError(f"a delta has the arrays {', '.join(shapes)}; this one has {', '.join(arrays)}")
    for name, shape in shapes.items():
        if arrays[name].shape != tuple(shape):
            raise DataError(f"{name} of the delta has shape {arrays[name].shape} where the model has {tuple(shape)}")
    return np.concatenate([np.asarray(arrays[name], np.float32).reshape(-1) for name in shapes])


def unflatten(vector: Float, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Float]:
    """The inverse of `flatten`.

    Raises:
      DataError: the shapes hold another number of entries.
    """
    sizes = [math.prod(shape) for shape in shapes.values()]
    if vector.shape != (sum(sizes),):
        raise DataError(f"the model has {sum(sizes)} entries; the vector's shape is {list(vector.shape)}")
    parts = np.split(vector, np.cumsum(sizes)[:-1])
    return {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}
