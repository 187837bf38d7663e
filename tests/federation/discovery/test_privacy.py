"""The privacy of released counts, computed from the distributions themselves."""

import math
from itertools import product

import numpy as np
import pytest

from data.errors import DataError
from federation.discovery.privacy import (
    NoisyThreshold,
    delta_of_noise,
    gaussian_delta,
    noisy_threshold,
    together,
    upper_tail,
)
from federation.protocol.discovery.word_counts import CountTerms, count_vector


def outcomes(mechanism: NoisyThreshold, count: int, reach: int) -> np.ndarray:
    """Returns the probability that a count is not released, and that each noisy count from the threshold to `reach` is."""
    values = np.arange(mechanism.threshold, reach + 1)
    if count < mechanism.k:
        return np.append(1.0, np.zeros(len(values)))
    noise = np.arange(-40 * 60, 40 * 60 + 1)
    scale = np.exp(-(noise**2) / (2 * mechanism.stddev**2)).sum()
    released = np.exp(-((values - count) ** 2) / (2 * mechanism.stddev**2)) / scale
    return np.append(1 - released.sum(), released)


def delta_between(first: np.ndarray, second: np.ndarray, epsilon: float) -> float:
    """Returns the least delta at which the first distribution is within (epsilon, delta) of the second one."""
    return float(np.maximum(first - math.exp(epsilon) * second, 0).sum())


@pytest.mark.parametrize("epsilon", [0.5, 2.0, 6.0])
def test_one_word_of_a_person_changes_what_is_released_by_no_more_than_promised(epsilon: float) -> None:
    """All pairs of counts in both sums, with and without the person, around k and around the threshold."""
    delta = 1e-3
    mechanism = noisy_threshold(epsilon, delta, 1, 5)
    reach = mechanism.threshold + 30 + int(12 * mechanism.stddev)
    worst = 0.0
    starts = {mechanism.k - 1, mechanism.k, mechanism.threshold - 1, mechanism.threshold + 20}
    of = {count: outcomes(mechanism, count, reach) for start in starts for count in (start, start + 1)}
    for bucket, word in product(starts, starts):
        without = np.outer(of[bucket], of[word]).ravel()
        with_person = np.outer(of[bucket + 1], of[word + 1]).ravel()
        worst = max(worst, delta_between(without, with_person, epsilon), delta_between(with_person, without, epsilon))
    assert worst <= delta
    assert worst > 0.2 * delta, "the noise is not much more than needed"


@pytest.mark.parametrize(("stddev", "counts"), [(3.0, 8), (7.0, 50)])
def test_the_noise_hides_as_much_as_a_gaussian_of_the_same_size(stddev: float, counts: int) -> None:
    for epsilon in (0.5, 1.0, 3.0):
        expected = gaussian_delta(stddev, epsilon, counts)
        assert 0.99 * expected < delta_of_noise(stddev, epsilon, counts) < 1.1 * expected


def test_the_delta_of_gaussian_noise_is_that_of_its_distributions() -> None:
    """One dimension, by summation over fine steps."""
    steps = np.linspace(-30, 30, 600_001)
    density = np.exp(-(steps**2) / (2 * 2.0**2))
    moved = np.exp(-((steps - math.sqrt(3)) ** 2) / (2 * 2.0**2))
    expected = np.maximum(moved - math.exp(0.7) * density, 0).sum() / density.sum()
    assert gaussian_delta(2.0, 0.7, 3) == pytest.approx(expected, rel=1e-6)


def test_no_count_below_k_is_released_and_others_have_the_noise() -> None:
    rng = np.random.default_rng(0)
    mechanism = noisy_threshold(1.0, 1e-6, 10, 10)
    assert mechanism.threshold > 10 + 3 * mechanism.stddev
    assert 20 * upper_tail(mechanism.stddev, mechanism.threshold - 10) <= 0.5e-6
    counts = np.repeat(np.array([0, 9, 10_000], np.uint64), 5000)
    released = mechanism.release(counts, lambda n: rng.integers(0, 2**64, n, dtype=np.uint64))
    assert not released[:10_000].any()
    assert abs(released[10_000:].mean() - 10_000) < 4 * mechanism.stddev / math.sqrt(5000)
    assert released[10_000:].std() == pytest.approx(mechanism.stddev, rel=0.05)


def test_a_device_adds_at_most_one_to_each_of_at_most_so_many_counts() -> None:
    vector = count_vector([f"word{i}" for i in range(50)], CountTerms(256))
    assert vector.max() == 1
    assert vector.sum() <= 50


def test_too_small_an_epsilon_says_what_to_do() -> None:
    with pytest.raises(DataError, match="raise it, or offer fewer words"):
        noisy_threshold(1e-6, 1e-9, 100, 3)


def test_two_mechanisms_compose_to_less_than_the_sum_of_their_epsilons() -> None:
    words, phrases = noisy_threshold(2.0, 1e-6, 5, 3), noisy_threshold(4.0, 1e-6, 8, 3)
    epsilon, delta = together([words, phrases])
    assert delta == 2e-6 and 4.0 < epsilon < 6.0
    # Gaussian noise on 10 and on 16 counts is noise of one size on the shift of both together.
    shift = 10 / words.stddev**2 + 16 / phrases.stddev**2
    for bound, least in ((epsilon + 0.05, False), (epsilon - 0.1, True)):
        assert (gaussian_delta(1 / math.sqrt(shift), bound, 1) > 1e-6) == least
    alone, _ = together([words])
    assert 1.8 < alone <= 2.02
