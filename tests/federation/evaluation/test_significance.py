"""Intervals cover the truth as often as they should, and tests find real differences."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.evaluation.significance import compare, pooled_interval, sign_test

people = st.lists(
    st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50)).map(
        lambda t: (min(t[0], t[2]), min(t[1], t[2]), t[2])
    ),
    min_size=1,
    max_size=30,
).filter(lambda rows: any(words for _, _, words in rows))


def simulated(rng: np.random.Generator, users: int, gain: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws hits of models A and B and numbers of words; A predicts each word with a probability that is `gain` above B's."""
    words = np.ceil(rng.lognormal(4, 1, users)).astype(int)
    talent = rng.beta(20, 80, users)
    return rng.binomial(words, talent + gain), rng.binomial(words, talent), words


def test_an_interval_covers_the_truth_95_times_in_100() -> None:
    rng = np.random.default_rng(0)
    truth = 0.2
    intervals = [pooled_interval(hits, words, 0, 400) for _, hits, words in (simulated(rng, 60) for _ in range(400))]
    covered = np.mean([i is not None and i.low <= truth <= i.high for i in intervals])
    assert 0.88 < covered < 0.98, "percentile intervals of 60 people cover a little less than 95%"


def test_equally_good_models_differ_significantly_5_times_in_100() -> None:
    rng = np.random.default_rng(1)
    ps = np.array([compare(*simulated(rng, 40), 0, 200).p for _ in range(400)])
    assert 0.02 < np.mean(ps <= 0.05) < 0.09
    assert 0.4 < np.mean(ps <= 0.5) < 0.6


def test_a_gain_is_statistically_significant() -> None:
    found = compare(*simulated(np.random.default_rng(2), 100, gain=0.05))
    assert found.p < 0.001
    assert found.difference_interval is not None and found.ratio_interval is not None
    assert 0 < found.difference_interval.low < 0.05 < found.difference_interval.high < 0.1
    assert 1 < found.ratio_interval.low < found.ratio_interval.high


def test_few_words_of_many_people_are_more_certain_than_many_words_of_few() -> None:
    rng = np.random.default_rng(3)
    talent = rng.beta(2, 8, 1000)
    many, few = np.full(1000, 10), np.full(10, 1000)
    wide, narrow = (
        pooled_interval(rng.binomial(few, talent[:10]), few),
        pooled_interval(rng.binomial(many, talent), many),
    )
    assert wide is not None and narrow is not None
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)


@settings(max_examples=50, deadline=None)
@given(people, st.integers(0, 3))
def test_swapping_the_models_swaps_the_signs(rows: list[tuple[int, int, int]], seed: int) -> None:
    a, b, words = (np.array(column) for column in zip(*rows, strict=True))
    one, other = compare(a, b, words, seed, 100), compare(b, a, words, seed, 100)
    assert one.difference == -other.difference
    assert one.p == other.p
    if one.difference_interval and other.difference_interval:
        assert one.difference_interval.low == pytest.approx(-other.difference_interval.high, abs=1e-12)
    if one.ratio and other.ratio:
        assert one.ratio == pytest.approx(1 / other.ratio)


@settings(max_examples=50, deadline=None)
@given(people)
def test_a_model_equals_itself(rows: list[tuple[int, int, int]]) -> None:
    a, _, words = (np.array(column) for column in zip(*rows, strict=True))
    found = compare(a, a, words, resamples=100)
    assert (found.difference, found.p) == (0, 1)
    assert found.ratio in (1, None)
    if found.ratio_interval:
        assert (found.ratio_interval.low, found.ratio_interval.high) == (1, 1)


@settings(max_examples=50, deadline=None)
@given(people)
def test_people_without_words_change_nothing(rows: list[tuple[int, int, int]]) -> None:
    a, b, words = (np.array(column) for column in zip(*rows, strict=True))
    kept = words > 0
    assert compare(a, b, words, 0, 100) == compare(a[kept], b[kept], words[kept], 0, 100)
    assert pooled_interval(a, words, 0, 100) == pooled_interval(a[kept], words[kept], 0, 100)


def test_one_person_gives_no_interval() -> None:
    one = np.array([30]), np.array([10]), np.array([100])
    assert pooled_interval(one[0], one[2]) is None
    found = compare(*one)
    assert (found.difference, found.ratio, found.p) == (0.2, 3, 1)
    assert found.difference_interval is None and found.ratio_interval is None


def test_there_is_no_ratio_to_a_recall_of_zero() -> None:
    found = compare(np.array([1, 2, 3]), np.zeros(3), np.array([5, 5, 5]))
    assert found.ratio is None and found.ratio_interval is None and found.difference == 0.4


def test_the_same_seed_gives_the_same_interval() -> None:
    a, b, words = simulated(np.random.default_rng(4), 30)
    assert pooled_interval(a, words, seed=1) == pooled_interval(a, words, seed=1) != pooled_interval(a, words, seed=2)
    assert compare(a, b, words, seed=1) == compare(a, b, words, seed=1)


def test_comparing_without_words_is_an_error() -> None:
    with pytest.raises(ValueError, match="no words"):
        compare(np.zeros(2), np.zeros(2), np.zeros(2))


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_sign_test_is_the_binomial_test(better: int, worse: int) -> None:
    n, fewer = better + worse, min(better, worse)
    expected = min(1.0, 2 * sum(math.comb(n, k) for k in range(fewer + 1)) / 2**n)
    assert sign_test(better, worse) == pytest.approx(expected)
    assert sign_test(better, worse) == sign_test(worse, better)
