"""Discrete Gaussian noise, which devices add to their integers so that only a private sum can be unmasked.

The probability of a whole number k is proportional to exp(-k^2 / (2 s^2)). Numbers are drawn by rejection from a discrete Laplace
distribution (Canonne, Kamath and Steinke 2020, arXiv 2004.00010, Algorithm 3), in float64 from 53 random bits each, where the
paper uses whole numbers. Probabilities are right to about 2^-50, and values beyond about 36 standard deviations never occur.

The range of a device's integers depends on the noise added to them (`private_encoding`): the more noise, the smaller the integers,
so that the noisy sum stays within its modulus.
"""

import math
import secrets
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from federation.protocol.delta_encoding import Encoding

Draw = Callable[[int], NDArray[np.uint64]]  # takes a count and returns as many random numbers of 64 bits

LEAST_STDDEV, GREATEST_STDDEV = 2.0**-10, 2.0**40
_MOST_DRAWS = 200  # attempts to draw the numbers that are still missing; each finds about half of them

_REACH = 6  # standard deviations of a sum's noise for which the modulus has room, beside the sum itself


def system_bits(count: int) -> NDArray[np.uint64]:
    """Returns unpredictable numbers from the operating system, from which a device draws its noise."""
    return np.frombuffer(secrets.token_bytes(8 * count), np.uint64)


def discrete_gaussian(stddev: float, count: int, draw: Draw = system_bits) -> NDArray[np.int64]:
    """Draws whole numbers [count] from a discrete Gaussian distribution around 0 with the parameter `stddev`.

    Raises:
      DataError: the standard deviation is not from 2^-10 to 2^40.
    """
    if not LEAST_STDDEV <= stddev <= GREATEST_STDDEV:
        raise DataError(f"the noise's standard deviation must be from 2^-10 to 2^40, not {stddev}")
    scale = math.floor(stddev) + 1
    drawn, found = np.empty(count, np.int64), 0
    for _ in range(_MOST_DRAWS):
        tries = int((count - found) * 1.5) + 16
        laplace = _geometric(scale, draw(tries)) - _geometric(scale, draw(tries))
        exponent = (np.abs(laplace) - stddev**2 / scale) ** 2 / (2 * stddev**2)
        kept = laplace[_uniform(draw(tries)) < np.exp(-exponent)][: count - found]
        drawn[found : found + len(kept)] = kept
        found += len(kept)
        if found == count:
            return drawn
    raise DataError("the noise could not be drawn: the source of random numbers does not work")


def _uniform(bits: NDArray[np.uint64]) -> NDArray[np.float64]:
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _geometric(scale: int, bits: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Returns numbers k >= 0 with probabilities proportional to exp(-k / scale); the difference of two is discrete Laplace."""
    drawn: NDArray[np.int64] = np.floor(-np.log1p(-_uniform(bits)) * scale).astype(np.int64)
    return drawn


def private_encoding(
    length: int, clipping_norm: float, cohort: int, minimum: int, bits: int, seed: int, noise_multiplier: float
) -> tuple[Encoding, float]:
    """Returns an encoding whose sums have room for noise, and the standard deviation of each device's noise on an integer.

    The noise of any `minimum` devices together has a standard deviation of `noise_multiplier` times the greatest L2 norm of one
    device's integers. The sum is therefore as private as promised even if `cohort - minimum` devices drop out.

    Args:
      length: entries of a delta.
      clipping_norm: greatest L2 norm of a delta; all devices have the same weight.
      cohort: greatest number of devices in a sum.
      minimum: smallest number of devices whose sum is unmasked.
      bits: bits of an entry as sent.
      seed: seed of the rotation's signs.
      noise_multiplier: as above.

    Raises:
      DataError: the bits are too few for this much noise.
    """
    room = 2 ** (bits - 1) - 1
    low, high = 1, room  # the more devices are planned for, the smaller the integers of each
    if not _fits(_planned_for(length, clipping_norm, high, bits, seed), cohort, minimum, noise_multiplier):
        raise DataError(
            f"{bits} bits have no room for noise of {noise_multiplier:g} times one device's part: "
            "allow more bits, or a smaller noise multiplier"
        )
    while low < high:  # finds the fewest devices that fit
        middle = (low + high) // 2
        if _fits(_planned_for(length, clipping_norm, middle, bits, seed), cohort, minimum, noise_multiplier):
            high = middle
        else:
            low = middle + 1
    encoding = _planned_for(length, clipping_norm, low, bits, seed)
    return encoding, _stddev(encoding, minimum, noise_multiplier)


def _planned_for(length: int, clipping_norm: float, devices: int, bits: int, seed: int) -> Encoding:
    return Encoding(length, clipping_norm, max_weight=1, cohort=devices, bits=bits, seed=seed)


def _stddev(encoding: Encoding, minimum: int, noise_multiplier: float) -> float:
    return noise_multiplier * encoding.rounded_norm * float(encoding.scale) / math.sqrt(minimum)


def _fits(encoding: Encoding, cohort: int, minimum: int, noise_multiplier: float) -> bool:
    noise = _stddev(encoding, minimum, noise_multiplier) * math.sqrt(cohort)
    return bool(cohort * encoding.levels + _REACH * noise <= 2 ** (encoding.bits - 1) - 1)
