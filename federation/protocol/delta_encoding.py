"""From a model delta to integers that can be summed, and back: clipping, rotation, scaling, stochastic rounding, few bits.

A device with delta d (float32 [n]) and `weight` words computes its message from the round's clipping norm C, greatest weight W,
cohort N, bits b and seed. Every array is float32, and every line is one elementwise operation in this order, so that any float32
library that follows IEEE 754 gives the same integers:

    1. clip      l = float32(sqrt(sum of float64(d)^2));  d <- d * (C / l) where l > C, else d
    2. weigh     w = min(weight, W);  x = d * float32(w / W)                                    so the norm of x is at most C
    3. rotate    x, padded with zeros, as a matrix [B, m] row by row (B a power of two, m = ceil(n / B), p = B m):
                 x <- H (x * s1) down its columns;  x <- transposed [m, B], read row by row as [B, m];
                 x <- H (x * s2) down its columns;  y = x * (1 / B)
    4. scale     v = y * S,   S = float32(R sqrt(p) / (z C)),   R = (2^(b-1) - 1) // N
    5. round     q = clip(floor(v + u), -R, R) with u uniform in [0, 1)
    6. send      q modulo 2^b, p numbers of b bits, and w, one number of (N W).bit_length() bits

H is the unscaled Walsh-Hadamard matrix of order B in natural order: for h = 1, 2, 4, ... B/2 the rows i and i + h of each group of
2h rows are replaced by their sum and their difference. s1 and s2 are the signs 1 - 2 (bit 31 of mix(mix(i) ^ seed)) for
i = 0 ... p - 1 and p ... 2p - 1, in 32-bit unsigned arithmetic; mix is the finalizer of MurmurHash3.

The server computes from the sum s of up to N such vectors modulo 2^b, and from the sum of the weights:

    7. lift      s - 2^b where s >= 2^(b-1), else s
    8. unscale   y = s * float32(1 / S), rotated back:  x * (1 / B), and step 3 in reverse;  the first n are sum (w / W) d
    9. mean      sum (w / W) d * float32(W / sum w)

This is TFF's `MeanFactory` over secure sums: weighted values and weights are summed separately, and each device's part is bounded
(a delta by C before it is weighted, a weight by W), so that no device has more influence than the bounds allow.

**The sum never wraps**: |q| <= R and N R < 2^(b-1), whatever the deltas are. The price is the clipping in step 5. By step 3, a
coordinate of y has a standard deviation of norm(x) / sqrt(p) over the signs, at most C / sqrt(p). Only deltas at the clipping norm
with weights at W therefore reach R, at z standard deviations. Below z the rounding is unbiased. About 2 Q(z) of such a delta's
coordinates lie beyond z, and clipping removes 1e-5 of its energy at z = 4. The two passes of the rotation spread any delta over
all p coordinates, even one with a single entry, which one pass would leave in its column. By the choice of B, padding adds at
most half a percent to a long delta; padding to a power of two would add up to 100%.

Rotation and stochastic rounding are those of Suresh et al. 2017, arXiv 1611.00429, Sections 2 and 3. Bonawitz et al. 2019, arXiv
1912.00131, and Kairouz et al. 2021, arXiv 2102.06387, Section 4, scale by standard deviations of the sum and let it wrap with a
small probability. For a sum of equal deltas the scale is the same. A coordinate beyond the range is wrong by 2^b in their schemes,
and by the excess in this one.

Rounding adds an error to the sum of m devices: of mean 0 and at most sqrt(m) / (2 S) in a coordinate, so at most
sqrt(m p) / (2 S) = sqrt(m) z C / (2 R) in norm, root mean square. It also lengthens a device's part. `rounded_norm` bounds that as
Kairouz et al. 2021, Section 4, do, and `encode` draws u again in the rare case that a draw exceeds the bound, so that the bound
always holds. Noise for differential privacy is calibrated by it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from federation.protocol.secure_aggregation.modular_vectors import MAX_LENGTH, UnsignedArray

_LARGEST_BLOCK, _SMALLEST_BLOCK = 4096, 64
_MAX_PADDING = 0.005  # as a fraction of the length
_TAIL = 1e-9  # probability that a rounding exceeds `rounded_norm` and is drawn again
_MOST_DRAWS = 100  # of one rounding

# Bounds within which every step is exact to float32's precision: norms of deltas, and weights in words.
LEAST_NORM, GREATEST_NORM = 2.0**-20, 2.0**20
GREATEST_WEIGHT = 2**20

Float = NDArray[np.float32]


@dataclass(frozen=True)
class Encoding:
    """A round's encoding, the same for its devices and its server.

    Raises:
      DataError: the bits are too few for a sum over the cohort, or a size is out of range.
    """

    length: int  # n: entries of a delta
    clipping_norm: float  # C: greatest L2 norm of a delta
    max_weight: int  # W: greatest weight of a device, in words; 1 if all devices have the same weight
    cohort: int  # N: greatest number of devices in a sum
    bits: int  # b: bits of an entry as sent, 2 to 16
    # Seed of the rotation's signs, 32 bits: public, and drawn before devices train, so that honest deltas do not depend on it.
    # It is the same for the whole cohort, since only vectors rotated alike can be added; each device draws its own rounding.
    seed: int
    # z: the greatest integer in standard deviations of a coordinate, for a delta at the clipping norm.
    deviations: float = 4.0

    def __post_init__(self) -> None:
        if not (1 <= self.length <= MAX_LENGTH and 1 <= self.max_weight <= GREATEST_WEIGHT and self.cohort >= 1):
            raise DataError(
                "an encoding's length, greatest weight and cohort must be positive, "
                f"the length at most {MAX_LENGTH:,} and the weight at most {GREATEST_WEIGHT:,}"
            )
        if not (LEAST_NORM <= self.clipping_norm <= GREATEST_NORM and 0 < self.deviations < math.inf):
            raise DataError(
                f"a clipping norm must be between {LEAST_NORM:g} and {GREATEST_NORM:g}, not {self.clipping_norm:g}, "
                "and an encoding's deviations must be positive and finite"
            )
        if not 0 <= self.seed < 2**32:
            raise DataError(f"an encoding's seed must fit in 32 bits, and {self.seed} does not")
        if not 2 <= self.bits <= 16:
            raise DataError(f"an encoding has 2 to 16 bits, not {self.bits}")
        if self.levels < 1:
            raise DataError(
                f"{self.bits} bits are too few for a sum over {self.cohort} devices: allow more bits or fewer devices"
            )

    @property
    def block(self) -> int:
        """B: rows of the rotation's matrix. The largest power of two up to 4096 that pads by at most 0.5%, and at least 64."""
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
        return ((1 << self.bits - 1) - 1) // self.cohort

    @property
    def scale(self) -> np.float32:
        """S: integer steps in a unit of a coordinate."""
        return np.float32(self.levels * math.sqrt(self.padded) / (self.deviations * self.clipping_norm))

    @property
    def rounded_norm(self) -> float:
        """The greatest L2 norm of one device's part of a decoded sum, which is (w / W) d after rounding.

        Kairouz et al. 2021, Section 4, in integer steps: rounding a vector of norm c to p integers gives a norm of at most
        sqrt(c^2 + p / 4 + sqrt(2 ln(1 / beta)) (c + sqrt(p) / 2)) with probability 1 - beta, and never more than c + sqrt(p).
        """
        c, root = float(self.scale) * self.clipping_norm, math.sqrt(self.padded)
        likely = math.sqrt(c * c + self.padded / 4 + math.sqrt(-2 * math.log(_TAIL)) * (c + root / 2))
        return float(min(likely, c + root, self.levels * root) / float(self.scale))

    def encode(
        self, delta: Float, weight: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.uint16], NDArray[np.uint64]]:
        """Encodes a delta: steps 1 to 6.

        Args:
          delta: float32 [n].
          weight: the number of words that the delta was learned from, at least 0.
          rng: draws the rounding; unpredictable on devices, seeded in simulations.

        Returns:
          The coordinates, uint16 [p] below 2^b, and the weight, uint64 [1], at most W.

        Raises:
          DataError: the delta has the wrong length or type or is not finite, or the weight is negative.
        """
        if delta.shape != (self.length,) or delta.dtype != np.float32:
            raise DataError(f"the delta must be float32 [{self.length}], not {delta.dtype} {list(delta.shape)}")
        if not np.isfinite(delta).all():
            raise DataError("the delta contains values that are not finite")
        if weight < 0:
            raise DataError(f"a weight must be at least 0, not {weight}")
        weight = min(weight, self.max_weight)
        weighted = clip(delta, self.clipping_norm) * np.float32(weight / self.max_weight)
        scaled = self.rotate(weighted) * self.scale
        greatest = (self.rounded_norm * float(self.scale)) ** 2
        for _ in range(_MOST_DRAWS):
            rounded = self.round(scaled, rng.random(self.padded, np.float32))
            if np.dot(rounded, rounded.astype(np.float64)) <= greatest:
                break
        else:
            raise DataError("the delta cannot be rounded within its bound: it does not leave the device")
        modular = rounded.astype(np.int32).astype(np.uint16) & np.uint16(2**self.bits - 1)
        return modular, np.array([weight], np.uint64)

    def round(self, scaled: Float, uniform: Float) -> Float:
        """Rounds scaled coordinates to whole numbers, float32 [p], by uniform numbers from [0, 1): step 5."""
        rounded = np.floor(scaled + uniform)
        clipped: Float = np.clip(rounded, -self.levels, self.levels, out=rounded)
        return clipped

    def decode(self, summed: UnsignedArray) -> Float:
        """Returns the sum of (w / W) d, float32 [n], decoded from the summed coordinates [p] modulo 2^b: steps 7 and 8.

        Raises:
          DataError: the coordinates are not p unsigned integers below 2^b.
        """
        if summed.shape != (self.padded,) or summed.dtype.kind != "u" or int(summed.max()) >> self.bits:
            raise DataError(f"the sum must have {self.padded} whole numbers of {self.bits} bits")
        lifted = summed.astype(np.int32)
        lifted[lifted >= 2 ** (self.bits - 1)] -= 2**self.bits
        return self.rotate_back(lifted.astype(np.float32) * np.float32(1 / float(self.scale)))

    def decode_mean(self, summed: UnsignedArray, weight: int) -> Float:
        """Returns the mean of the deltas weighted by words, float32 [n], or zeros if the weights sum to 0: steps 7 to 9.

        Raises:
          DataError: as `decode`, or `weight` is below 0 or above N W.
        """
        if not 0 <= weight <= self.cohort * self.max_weight:
            raise DataError(f"{self.cohort} weights of at most {self.max_weight} cannot sum to {weight}")
        total = self.decode(summed)
        return total * np.float32(self.max_weight / weight) if weight else np.zeros_like(total)

    def rotate(self, vector: Float) -> Float:
        """Rotates float32 [n] to [p], which keeps the norm: step 3."""
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
        """Inverts `rotate`: float32 [p] to [n]."""
        block, first, second = self.block, *self._signs()
        matrix = vector.reshape(block, -1) * np.float32(1 / block)
        hadamard(matrix)
        matrix *= second
        matrix = np.ascontiguousarray(matrix.reshape(-1, block).T)
        hadamard(matrix)
        matrix *= first
        return matrix.reshape(-1)[: self.length].copy()

    def _signs(self) -> Float:
        """Returns the signs of both passes, float32 [2, B, m]."""
        return signs(self.seed, 2 * self.padded).reshape(2, self.block, -1)


def clip(vector: Float, norm: float) -> Float:
    """Returns the vector, shortened to the L2 norm `norm` if it is longer: step 1."""
    length = np.float32(math.sqrt(np.dot(vector, vector.astype(np.float64))))
    return vector * (np.float32(norm) / length) if length > np.float32(norm) else vector


def signs(seed: int, count: int) -> Float:
    """Returns the rotation's signs, float32 [count], each 1 or -1."""
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
    """Concatenates named arrays in the order of `shapes`, float32 [n].

    Raises:
      DataError: an array is missing, unknown, or of another shape.
    """
    if arrays.keys() != shapes.keys():
        raise DataError(f"a delta must have the arrays {', '.join(shapes)}; this one has {', '.join(arrays)}")
    for name, shape in shapes.items():
        if arrays[name].shape != tuple(shape):
            raise DataError(f"{name} of the delta has shape {arrays[name].shape} where the model has {tuple(shape)}")
    return np.concatenate([np.asarray(arrays[name], np.float32).reshape(-1) for name in shapes])


def unflatten(vector: Float, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Float]:
    """Inverts `flatten`.

    Raises:
      DataError: the vector's length is not the number of entries of the shapes.
    """
    sizes = [math.prod(shape) for shape in shapes.values()]
    if vector.shape != (sum(sizes),):
        raise DataError(f"the model has {sum(sizes)} entries; the vector's shape is {list(vector.shape)}")
    parts = np.split(vector, np.cumsum(sizes)[:-1])
    return {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}
