"""The first weights of new words: the larger model is the same function of the text."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.vocabulary import UNKNOWN
from federation.growing.counts_files import Counted
from federation.growing.new_rows import shares_of, with_new_rows
from model.device.config import ModelConfig
from model.device.folder import Model
from model.device.suggesting.reading import Reader, softmax
from model.device.weights import check_weights, initial_weights

WORDS = [Counted("aa", 30), Counted("bb", 10)]


def test_shares_are_those_of_the_offers() -> None:
    np.testing.assert_allclose(shares_of(WORDS, 400), [0.075, 0.025])
    np.testing.assert_allclose(shares_of(WORDS, 0), [0.225, 0.075])
    np.testing.assert_allclose(shares_of(WORDS, 40).sum(), 0.95, err_msg="something is left for other words")


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=40), st.integers(0, 10**8), st.integers(0, 9))
def test_the_new_words_and_the_unknown_have_the_probability_of_the_unknown(
    devices: list[int], offers: int, seed: int
) -> None:
    config = ModelConfig(vocabulary=12, embedding=4, units=5)
    weights = initial_weights(config, seed)
    shares = shares_of([Counted(str(n), count) for n, count in enumerate(devices)], offers)
    grown = with_new_rows(weights, shares)
    check_weights(grown, replace(config, vocabulary=12 + len(devices)))
    hidden = np.random.default_rng(seed).normal(size=4).astype(np.float32)
    before, after = (softmax(w["embedding"] @ hidden + w["output_bias"]) for w in (weights, grown))
    others = np.delete(np.arange(12), UNKNOWN)
    np.testing.assert_allclose(after[others], before[others], rtol=1e-4)
    np.testing.assert_allclose(after[12:], before[UNKNOWN] * shares, rtol=1e-3, atol=1e-12)


def test_the_program_predicts_every_word_of_before_as_before(two_vocabularies: tuple[Model, Model]) -> None:
    first, _ = two_vocabularies  # its program has rows to spare
    grown = with_new_rows(first.weights, shares_of(WORDS, 100))
    size = len(first.vocabulary)
    sizes = replace(first.provenance.config, vocabulary=size + 2)
    larger = replace(first, weights=grown, provenance=replace(first.provenance, config=sizes))
    for context in ([], [5, UNKNOWN, 9]):
        before = softmax(Reader(first.start()).logits(context))
        after = softmax(Reader(larger.start()).logits(context))
        assert after[3:size] == pytest.approx(before[3:], rel=1e-4)
        # A new word is read as <unk> was.
        read = softmax(Reader(larger.start()).logits([size if i == UNKNOWN else i for i in context]))
        np.testing.assert_allclose(read, after, rtol=1e-4)
