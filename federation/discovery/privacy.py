"""Differential privacy of word discovery: noisy counts and a threshold on them.

Whoever sees the published buckets and the found words with their counts can tell one person's part from its absence only as well
as (epsilon, delta) allows. The mechanism is a sparse histogram with noise and a threshold (Korolova et al. 2009; Wilkins, Kifer,
Zhang and Karrer 2024, arXiv 2202.01100), applied twice: to the buckets of the first sum and to the words of the second.

1. Counts below k are left out. No noise can bring them back, so k holds in any case.
2. Discrete Gaussian noise of standard deviation s (Canonne, Kamath and Steinke 2020, arXiv 2004.00010) is added to the others.
3. Those whose noisy count is at least the threshold t are released, words with this count.

A person has at most W words, so adding the person changes at most W counts of each sum, by 1. Where a count is at least k with and
without the person, this is noise against a shift of 1, at most 2 W times: `dp_accounting` composes the privacy loss of discrete
Gaussian noise and gives delta_1 at epsilon_1. Where a count reaches k only with the person, it is k, and is released with
the probability P(noise >= t - k) at most; over 2 W counts these add up to at most delta_2. Without such a release, the person's
presence multiplies probabilities by 1 / (1 - delta_2) more at most, so that

    epsilon = epsilon_1 - ln(1 - delta_2),    delta = delta_1 + delta_2

The second sum depends on the first one's released buckets only: the composition is adaptive, and the bound is the same.

Words and phrases are two such mechanisms on the same people. `together` composes the noise of both with `dp_accounting`, and adds
up what is released by chance.

The noise is central: it is added after the sums. The guarantee does not cover what the machine that decodes them sees, which
is the exact counts of the buckets, and the exact words and counts of the published ones.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce

import numpy as np
from dp_accounting.pld import privacy_loss_distribution
from numpy.typing import NDArray

from data.errors import DataError
from federation.protocol.noise import Draw, discrete_gaussian, system_bits

DELTA = 1e-6

_SUMS = 2
_GREATEST_STDDEV = 2.0**14
_PRECISION = 1.01  # ratio of the standard deviations at which the search ends
_RELEASED_BY_CHANCE = 0.5  # share of delta
_ROUNDING = 0.02  # of epsilon at most, by which the composed privacy loss is rounded up


@dataclass(frozen=True)
class NoisyThreshold:
    """Noise and threshold that give (epsilon, delta) to people with at most `words` words each."""

    epsilon: float
    delta: float
    words: int  # W
    k: int
    stddev: float  # s: of the noise on each count
    threshold: int  # t: smallest noisy count that is released

    def release(self, counts: NDArray[np.uint64], draw: Draw = system_bits) -> NDArray[np.int64]:
        """Returns the noisy counts [n] that are released, and 0 in place of the others."""
        noisy = np.zeros(len(counts), np.int64)
        enough = counts >= self.k
        noisy[enough] = counts[enough].astype(np.int64) + discrete_gaussian(self.stddev, int(enough.sum()), draw)
        return np.where(noisy >= self.threshold, noisy, 0)


def noisy_threshold(epsilon: float, delta: float, words: int, k: int) -> NoisyThreshold:
    """Returns the least noise and threshold that give (epsilon, delta).

    Args:
      epsilon: above 0.
      delta: between 0 and 1; choose less than one over the number of people.
      words: greatest number of words of a device.
      k: counts below it are never released.

    Raises:
      DataError: epsilon is so small that it needs more noise than any sum could bear.
    """
    by_chance = _RELEASED_BY_CHANCE * delta
    rest = epsilon + math.log1p(-by_chance)
    if rest <= 0:
        raise DataError(f"epsilon {epsilon:g} is no larger than delta {delta:g}: raise epsilon")
    stddev = _least_stddev(rest, delta - by_chance, _SUMS * words)
    threshold = k
    while _SUMS * words * upper_tail(stddev, threshold - k) > by_chance:
        threshold += 1
    return NoisyThreshold(epsilon, delta, words, k, stddev, threshold)


@lru_cache(maxsize=256)
def delta_of_noise(stddev: float, epsilon: float, counts: int) -> float:
    """Returns the delta at which discrete Gaussian noise hides a change of this many counts by 1 each, rounded up."""
    interval = _ROUNDING / counts
    loss = privacy_loss_distribution.from_discrete_gaussian_mechanism(stddev, value_discretization_interval=interval)
    return float(loss.self_compose(counts).get_delta_for_epsilon(epsilon))


def together(parts: Sequence[NoisyThreshold]) -> tuple[float, float]:
    """Returns the (epsilon, delta) of several mechanisms on the words of the same people; the deltas add up."""
    delta = sum(part.delta for part in parts)
    by_chance = _RELEASED_BY_CHANCE * delta
    interval = _ROUNDING / sum(_SUMS * part.words for part in parts)
    losses = [
        privacy_loss_distribution.from_discrete_gaussian_mechanism(
            part.stddev, value_discretization_interval=interval
        ).self_compose(_SUMS * part.words)
        for part in parts
    ]
    whole = reduce(lambda first, second: first.compose(second), losses)
    return float(whole.get_epsilon_for_delta(delta - by_chance)) - math.log1p(-by_chance), delta


def upper_tail(stddev: float, least: int) -> float:
    """Returns the probability that discrete Gaussian noise is at least this whole number."""
    reach = math.ceil(40 * stddev) + abs(least)
    values = np.arange(-reach, reach + 1)
    density = np.exp(-(values**2) / (2 * stddev**2))
    return float(density[values >= least].sum() / density.sum())


def gaussian_delta(stddev: float, epsilon: float, counts: int) -> float:
    """Returns the same as `delta_of_noise` for continuous noise (Balle and Wang 2018, arXiv 1805.06083, Theorem 8)."""
    shift = math.sqrt(counts) / stddev
    first, second = (math.erfc((epsilon / shift + sign * shift / 2) / math.sqrt(2)) / 2 for sign in (-1, 1))
    return first - math.exp(epsilon) * second if second else first


def _least_stddev(epsilon: float, delta: float, counts: int) -> float:
    """Returns a standard deviation that suffices, found for continuous noise and checked, at most a few percent too large."""
    low, high = 0.2, _GREATEST_STDDEV
    if gaussian_delta(high, epsilon, counts) > delta:
        raise DataError(
            f"epsilon {epsilon:g} needs too much noise for so many words of a person: raise it, or offer fewer words "
            "(--words-per-device)"
        )
    while high / low > _PRECISION:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if gaussian_delta(middle, epsilon, counts) <= delta else (middle, high)
    while delta_of_noise(high, epsilon, counts) > delta:
        high *= _PRECISION
    return high
