"""Candidates are drawn with the stated probabilities, so that the softmax denominator is unbiased."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.vocabulary import SPECIALS
from model.device.sampling import draw, inclusion


@given(st.integers(3, 400), st.integers(0, 2**32 - 1), st.data())
def test_all_words_of_the_batch_and_the_right_number_of_others_are_candidates(
    vocabulary: int, seed: int, data: st.DataObject
) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, vocabulary, (3, 7), dtype=np.int32)
    least = len(np.union1d(rows, range(len(SPECIALS))))
    count = data.draw(st.integers(least, vocabulary))
    words, shift = candidates = draw(rows, vocabulary, count, rng)
    assert len(words) == len(shift) == count
    assert (np.diff(words) > 0).all()
    assert list(words[: len(SPECIALS)]) == list(range(len(SPECIALS)))
    places = candidates.places(rows)
    np.testing.assert_array_equal(words[places], rows)
    assert (shift[places] == 0).all()
    assert (shift >= 0).all()
    if count == vocabulary:
        np.testing.assert_allclose(shift, 0, atol=1e-6)


@given(st.lists(st.floats(0.001, 1000), min_size=1, max_size=50), st.data())
def test_probabilities_are_proportional_or_one(weights: list[float], data: st.DataObject) -> None:
    descending = np.array(sorted(weights, reverse=True))
    count = data.draw(st.integers(0, len(weights)))
    chances = inclusion(descending, count)
    assert chances.sum() == pytest.approx(count, abs=1e-6)
    assert (chances <= 1 + 1e-9).all()
    uncertain = chances < 1 - 1e-9
    ratios = chances[uncertain] / descending[uncertain]
    np.testing.assert_allclose(ratios, ratios[:1].repeat(len(ratios)), rtol=1e-6)
    if uncertain.any():
        assert (descending[~uncertain] * ratios[0] >= 1 - 1e-6).all(), (
            "an item that is certain would have had a chance above 1"
        )


def test_words_are_drawn_with_their_probabilities_and_the_denominator_is_unbiased() -> None:
    rng = np.random.default_rng(0)
    vocabulary, draws = 2_000, 4_000
    rows = rng.integers(0, vocabulary, (4, 6), dtype=np.int32)
    weights = np.exp(rng.normal(size=vocabulary)) / (1 + np.arange(vocabulary))
    times, denominators = np.zeros(vocabulary), []
    chance = np.ones(vocabulary)
    for _ in range(draws):
        words, shift = draw(rows, vocabulary, 150, rng)
        times[words] += 1
        chance[words] = np.exp(-shift)
        denominators.append((weights[words] * np.exp(shift)).sum())
    noise = np.sqrt(draws * chance * (1 - chance)) + 1e-6
    assert (times > 0).all(), "no word is never drawn"
    assert np.abs((times - draws * chance) / noise).max() < 5
    error = np.std(denominators) / np.sqrt(draws)
    assert np.mean(denominators) == pytest.approx(weights.sum(), abs=5 * error)
    assert error < 0.01 * weights.sum()
