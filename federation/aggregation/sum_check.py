"""What a secure sum can be if all its devices are honest: the only thing about it that a coordinator can check.

A device that lies inside its mask is not seen by itself. But each honest device's part is bounded before it is masked
(`federation.protocol.round_terms`), so the sum of m of them is, too, and a sum beyond that has a liar in it. In steps of the integers
(`federation.protocol.delta_encoding`, with its names; s is the standard deviation of each device's noise, where there is any):

- the parts before rounding, (w / W) d each, add up to a norm of at most (sum w / W) C S, as those of length C that point one way;
- rounding and noise add errors of mean 0 that are independent and sub-Gaussian with variance proxies 1/4 (Hoeffding's lemma) and
  s^2 (Canonne, Kamath and Steinke 2020, arXiv 2004.00010, Corollary 17). With probability 1 - beta their sum over m devices has a
  norm of at most sqrt(m (1/4 + s^2)) (sqrt(p) + sqrt(2 ln(1 / beta))) (Hsu, Kakade and Zhang 2012, arXiv 1110.2842, Theorem
  2.1).

So an honest round is refused about once in 1 / beta, and a mean that is let through is hardly longer than a clipped delta. Who
lies within these bounds is not found out: one of m devices can weigh as much as all of them. What that does is
`federation.attacks.malicious_device`.
"""

import math

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError, UserFacingError
from federation.protocol.delta_encoding import Encoding
from federation.protocol.round_terms import MAX_COUNT, counts_of
from federation.protocol.secure_aggregation.modular_vectors import Vector

_BETA = 1e-12
_FLOAT32 = 1e-3  # of the bound: what arithmetic in float32 may add to it


class ImplausibleSumError(UserFacingError):
    """A sum that honest devices do not have: at least one of them lied inside its mask."""


def check_sum(
    encoding: Encoding, noise_stddev: float, private: bool, summed: tuple[Vector, Vector], devices: int
) -> dict[str, int]:
    """Lets a sum pass that honest devices may have; returns its counts by name.

    Args:
      encoding: the round's.
      noise_stddev: of each device's noise, in steps.
      private: whether devices tell nothing but their delta and its side.
      summed: values of the round's `Terms.layout`.
      devices: how many devices are in the sum, as the coordinator counts them.

    Raises:
      ImplausibleSumError: they may not.
      DataError: the sum is not of the round's terms.
    """
    delta, counted = summed
    if delta.shape != (encoding.padded,) or int(delta.max()) >> encoding.bits:
        raise DataError("the sum of deltas is not of this round's terms")
    counts = counts_of(counted)
    _check_counts(counts, encoding.max_weight, private, devices)
    norm, most = steps_norm(encoding, delta), greatest_norm(encoding, noise_stddev, counts["weight"], devices)
    if norm > most:
        raise ImplausibleSumError(
            f"the sum over {devices} devices is {norm / most:.3g} times as long as honest devices' can be: one of them lied"
        )
    return counts


def greatest_norm(encoding: Encoding, noise_stddev: float, weight: int, devices: int) -> float:
    """The greatest L2 norm, in steps, of the sum of so many honest devices with these weights in all."""
    reach = encoding.levels * math.sqrt(encoding.padded) / encoding.deviations  # C S
    errors = math.sqrt(devices * (0.25 + noise_stddev**2)) * (
        math.sqrt(encoding.padded) + math.sqrt(-2 * math.log(_BETA))
    )
    return (weight / encoding.max_weight * reach + errors) * (1 + _FLOAT32)


def steps_norm(encoding: Encoding, delta: Vector) -> float:
    """The L2 norm of summed coordinates [p] modulo 2^b, in steps; rotating back does not change it."""
    return float(np.linalg.norm(lifted(delta, encoding.bits)))


def lifted(delta: Vector, bits: int) -> NDArray[np.float64]:
    """Numbers modulo 2^b as the signed ones that they stand for."""
    signed = delta.astype(np.float64)
    signed[delta >= 2 ** (bits - 1)] -= 2.0**bits
    return signed


def _check_counts(counts: dict[str, int], max_weight: int, private: bool, devices: int) -> None:
    told = 0 if private else devices * MAX_COUNT
    bounds = {
        "devices": (devices, devices),
        "weight": (devices if private else 0, devices * max_weight),
        "side": (-devices, devices),
        "zeroing_side": (-devices, devices),
        "loss": (0, told),
        "words": (0 if private else counts["weight"], told),
        "tested": (0, told),
        "among_three": (0, counts["tested"]),
        "first": (0, counts["among_three"]),
        "among_three_after": (0, counts["tested"]),
        "first_after": (0, counts["among_three_after"]),
    }
    for name, (least, most) in bounds.items():
        if not least <= counts[name] <= most:
            raise ImplausibleSumError(
                f"{devices} honest devices' count of {name.replace('_', ' ')} is {least:,} to {most:,}, not {counts[name]:,}: "
                "one of them lied"
            )
