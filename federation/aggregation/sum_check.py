"""The plausibility check of a secure sum, the only check of devices' contributions that a coordinator can make.

A malicious device is hidden by its mask. But each honest device's contribution is bounded before it is masked
(`federation.protocol.round_terms`), and so is the sum of m of them: a sum beyond the bound contains a malicious
contribution. In steps of the integers (`federation.protocol.delta_encoding`, whose names are used here; s is the standard
deviation of each device's noise, if any):

- the contributions before rounding, (w / W) d each, add up to a norm of at most (sum w / W) C S: the extreme case is deltas
  of norm C in the same direction;
- rounding and noise add errors of mean 0 that are independent and sub-Gaussian with variance proxies 1/4 (Hoeffding's
  lemma) and s^2 (Canonne, Kamath and Steinke 2020, arXiv 2004.00010, Corollary 17). With probability 1 - beta their sum
  over m devices has a norm of at most sqrt(m (1/4 + s^2)) (sqrt(p) + sqrt(2 ln(1 / beta))) (Hsu, Kakade and Zhang 2012,
  arXiv 1110.2842, Theorem 2.1).

So an honest round is refused with a probability of at most beta, and an accepted mean is hardly longer than a clipped delta.
A malicious contribution within the bound is not detected: one of m devices can have the weight of all of them.
`federation.attacks.malicious_device` measures the effect.
"""

import math

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError, UserFacingError
from federation.protocol.delta_encoding import Encoding
from federation.protocol.round_terms import MAX_COUNT, counts_of
from federation.protocol.secure_aggregation.modular_vectors import Vector

_BETA = 1e-12  # greatest probability that an honest round is refused
_FLOAT32 = 1e-3  # allowance for the error of float32 arithmetic, as a share of the bound


class ImplausibleSumError(UserFacingError):
    """A sum that honest devices cannot have: at least one device sent a malicious update under its mask."""


def check_sum(
    encoding: Encoding, noise_stddev: float, private: bool, summed: tuple[Vector, Vector], devices: int
) -> dict[str, int]:
    """Returns the counts of a sum by name, if honest devices can have that sum.

    Args:
      encoding: the round's encoding.
      noise_stddev: the standard deviation of each device's noise, in steps.
      private: whether devices send only their delta and its side.
      summed: the sums, values of the round's `Terms.layout`.
      devices: the number of devices in the sum, as the coordinator counts them.

    Raises:
      ImplausibleSumError: honest devices cannot have that sum.
      DataError: the sum does not fit the round's terms.
    """
    delta, counted = summed
    if delta.shape != (encoding.padded,) or int(delta.max()) >> encoding.bits:
        raise DataError("the sum of deltas does not fit this round's terms")
    counts = counts_of(counted)
    _check_counts(counts, encoding.max_weight, private, devices)
    norm, most = steps_norm(encoding, delta), greatest_norm(encoding, noise_stddev, counts["weight"], devices)
    if norm > most:
        raise ImplausibleSumError(
            f"the sum over {devices} devices is {norm / most:.3g} times as long as honest devices can make it: "
            "at least one of them sent a malicious update"
        )
    return counts


def greatest_norm(encoding: Encoding, noise_stddev: float, weight: int, devices: int) -> float:
    """Returns the greatest L2 norm, in steps, of the sum of `devices` honest devices whose weights add up to `weight`."""
    reach = encoding.levels * math.sqrt(encoding.padded) / encoding.deviations  # C S
    errors = math.sqrt(devices * (0.25 + noise_stddev**2)) * (
        math.sqrt(encoding.padded) + math.sqrt(-2 * math.log(_BETA))
    )
    return (weight / encoding.max_weight * reach + errors) * (1 + _FLOAT32)


def steps_norm(encoding: Encoding, delta: Vector) -> float:
    """Returns the L2 norm of summed coordinates [p] modulo 2^b, in steps. Rotating them back would not change it."""
    return float(np.linalg.norm(lifted(delta, encoding.bits)))


def lifted(delta: Vector, bits: int) -> NDArray[np.float64]:
    """Returns numbers modulo 2^b as the signed numbers that they represent."""
    signed = delta.astype(np.float64)
    signed[delta >= 2 ** (bits - 1)] -= 2.0**bits
    return signed


def _check_counts(counts: dict[str, int], max_weight: int, private: bool, devices: int) -> None:
    most_reported = 0 if private else devices * MAX_COUNT
    ranges = {
        "devices": (devices, devices),
        "weight": (devices if private else 0, devices * max_weight),
        "side": (-devices, devices),
        "zeroing_side": (-devices, devices),
        "loss": (0, most_reported),
        "words": (0 if private else counts["weight"], most_reported),
        "tested": (0, most_reported),
        "among_three": (0, counts["tested"]),
        "first": (0, counts["among_three"]),
        "among_three_after": (0, counts["tested"]),
        "first_after": (0, counts["among_three_after"]),
    }
    for name, (least, most) in ranges.items():
        if not least <= counts[name] <= most:
            raise ImplausibleSumError(
                f"the count of {name.replace('_', ' ')} over {devices} honest devices is {least:,} to {most:,}, "
                f"not {counts[name]:,}: at least one of them sent a malicious update"
            )
