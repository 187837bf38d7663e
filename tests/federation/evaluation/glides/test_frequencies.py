"""Frequencies of words that stand alone."""

import numpy as np

from federation.evaluation.glides.frequencies import log_frequencies
from model.device.folder import Model


def test_they_join_the_model_and_the_order_of_the_vocabulary(small_model: Model) -> None:
    found = log_frequencies(small_model, steps=20)
    assert found.shape == (len(small_model.vocabulary),)
    assert np.isfinite(found).all()
    assert np.array_equal(found, log_frequencies(small_model, steps=20)), "the same each time"
    assert np.corrcoef(found, -np.log(np.arange(1, len(found) + 1)))[0, 1] > 0.8, "random weights add little"
    expected = -np.log(np.arange(1, len(found) + 1)) - np.log(len(found))
    assert np.abs(2 * found - expected).max() < 3, "nearly uniform probabilities, and Zipf's law"
