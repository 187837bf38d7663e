"""Discrete Gaussian noise, which devices add to their integers so that only a private sum can be unmasked.

The distribution gives a whole number k a probability proportional to exp(-k^2 / (2 s^2)). It is drawn by rejection from a discrete
Laplace distribution (Canonne, Kamath and Steinke 2020, arXiv 2004.00010, Algorithm 3), in float64 from 53 random bits a draw
where the paper counts in whole numbers: probabilities are right to about 2^-50, and what lies farther out than about 36 standard
deviations never comes.

How far a device's integers may reach is chosen by the noise that goes over them (`private_encoding`): the more noise, the shorter
they are, so that the noisy sum stays within its ring.
"""

import math
import secrets
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from federation.protocol.delta_encoding import Encoding

Draw = Callable[[int], NDArray[np.uint64]]  # so many random numbers of 64 bits

_REACH = 6  # standard deviations of a sum's noise that its ring has room for, beside the sum


def system_bits(count: int) -> NDArray[np.uint64]:
    """Random bits of the operating system, which nobody can foretell: what a device draws its noise from."""
    return np.frombuffer(secrets.token_bytes(8 * count), np.uint64)


def discrete_gaussian(stddev: float, count: int, draw: Draw = system_bits) -> NDArray[np.int64]:
    """Whole numbers [count] of a discrete Gaussian distribution around 0, whose parameter is `stddev`.

    Raises:
      DataError: the standard deviation is not above 0, or above 2^40.
    """
    if not 0 < stddev <= 2**40:
        raise DataError(f"noise has a standard deviation above 0 and at most 2^40, not {stddev}")
    scale = math.floor(stddev) + 1
    drawn, found = np.empty(count, np.int64), 0
    while found < count:
        tries = int((count - found) * 1.5) + 16
        laplace = _geometric(scale, draw(tries)) - _geometric(scale, draw(tries))
        exponent = (np.abs(laplace) - stddev**2 / scale) ** 2 / (2 * stddev**2)
        kept = laplace[_uniform(draw(tries)) < np.exp(-exponent)][: count - found]
        drawn[found : found + len(kept)] = kept
        found += len(kept)
    return drawn


def _uniform(bits: NDArray[np.uint64]) -> NDArray[np.float64]:
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _geometric(scale: int, bits: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Numbers from 0 on with probabilities proportional to exp(-k / scale); the difference of two is discrete Laplace."""
    return np.floor(-np.log1p(-_uniform(bits)) * scale).astype(np.int64)


def private_encoding(
    length: int, clipping_norm: float, cohort: int, minimum: int, bits: int, seed: int, noise_multiplier: float
) -> tuple[Encoding, float]:
    """An encoding whose sums have room for noise, and the standard deviation of the noise that each device adds to an integer.

    The noise of any `minimum` devices together has a standard deviation of `noise_multiplier` times the greatest L2 norm that one
    device's integers have, so that the sum is as private as promised if up to `cohort - minimum` devices drop out.

    Args:
      length: entries of a delta.
      clipping_norm: greatest L2 norm of a delta; every device counts alike.
      cohort: greatest number of devices in a sum.
      minimum: smallest number of devices whose sum is unmasked.
      bits: of an entry as sent.
      seed: of the rotation.
      noise_multiplier: see above.

    Raises:
      DataError: the bits are too few for so much noise.
    """
    room = 2 ** (bits - 1) - 1
    low, high = 1, room  # the most devices that a ring is cut for leave the shortest integers
    if not _fits(_cut(length, clipping_norm, high, bits, seed), cohort, minimum, noise_multiplier):
        raise DataError(
            f"{bits} bits have no room for noise of {noise_multiplier:g} times what one device gives: "
            "allow more bits, or a smaller noise multiplier"
        )
    while low < high:  # the fewest that fit
        middle = (low + high) // 2
        if _fits(_cut(length, clipping_norm, middle, bits, seed), cohort, minimum, noise_multiplier):
            high = middle
        else:
            low = middle + 1
    encoding = _cut(length, clipping_norm, low, bits, seed)
    return encoding, _stddev(encoding, minimum, noise_multiplier)


def _cut(length: int, clipping_norm: float, devices: int, bits: int, seed: int) -> Encoding:
    return Encoding(length, clipping_norm, max_weight=1, cohort=devices, bits=bits, seed=seed)


def _stddev(encoding: Encoding, minimum: int, noise_multiplier: float) -> float:
    return noise_multiplier * encoding.rounded_norm * float(encoding.scale) / math.sqrt(minimum)


def _fits(encoding: Encoding, cohort: int, minimum: int, noise_multiplier: float) -> bool:
    noise = _stddev(encoding, minimum, noise_multiplier) * math.sqrt(cohort)
    return cohort * encoding.levels + _REACH * noise <= 2 ** (encoding.bits - 1) - 1
