"""A program that was built for more words than a vocabulary has gives the results of one that was built for it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import DataError
from data.vocabulary import BOUNDARY, PAD, SPECIALS
from model.device.config import ModelConfig
from model.device.folder import PRETRAINED, load_model
from model.device.network import State
from model.device.programs import PROGRAMS, SHIPPED, file_name
from model.device.runtime import Program
from model.device.sampling import draw
from model.device.weights import Weights, digest, initial_weights
from model.program import build_program
from tests.model.test_program import random_rows, trained_in_tensorflow

ROWS = 40
CONFIG = ModelConfig(vocabulary=ROWS, embedding=8, units=12, window=6, batch=4)


@pytest.fixture(scope="module")
def roomy() -> bytes:
    """Returns a program for 40 words."""
    return build_program(CONFIG)


@pytest.fixture(scope="module")
def exact() -> bytes:
    """Returns a program for 23 words."""
    return build_program(replace(CONFIG, vocabulary=23))


def random_weights(config: ModelConfig, seed: int) -> Weights:
    """Returns weights whose logits differ clearly, with biases that are not zero."""
    rng = np.random.default_rng(seed)
    weights = {name: array * np.float32(3) for name, array in initial_weights(config, seed).items()}
    return weights | {"output_bias": rng.normal(size=config.vocabulary).astype(np.float32)}


def assert_equal_weights(found: Weights, expected: Weights) -> None:
    for name, array in expected.items():
        assert found[name].shape == array.shape
        np.testing.assert_allclose(found[name], array, atol=1e-5, err_msg=name)


def assert_same_results(roomy: Program, exact: Program, rows: np.ndarray) -> None:
    """Compares every signature of two programs with the same weights."""
    config = exact.config
    assert digest(roomy.weights) == digest(exact.weights)
    rng = np.random.default_rng(0)
    state = State(
        rng.normal(size=(1, config.embedding)).astype(np.float32), rng.normal(size=(1, config.units)).astype(np.float32)
    )
    for token in (BOUNDARY, config.vocabulary - 1):
        (found, after), (expected, then) = roomy.step(token, state), exact.step(token, state)
        assert found.shape == (config.vocabulary,)
        np.testing.assert_allclose(found, expected, atol=1e-5)
        np.testing.assert_allclose(after.cell, then.cell, atol=1e-5)
    (scored, after), (wanted, then) = (p.evaluate(rows, p.initial_state(config.batch)) for p in (roomy, exact))
    np.testing.assert_allclose(scored.log_likelihood, wanted.log_likelihood, atol=1e-5)
    np.testing.assert_array_equal(scored.rank, wanted.rank)
    np.testing.assert_allclose(after.hidden, then.hidden, atol=1e-5)
    # Clipped to a norm that masked rows must not raise, and not clipped.
    for norm, part in ((0.05, "all"), (100.0, "all"), (0.05, "head"), (0.05, "bias")):
        assert roomy.train(rows, 0.5, norm, part) == pytest.approx(exact.train(rows, 0.5, norm, part), abs=1e-5)
        assert_equal_weights(roomy.weights, exact.weights)
    assert roomy.candidates == exact.candidates
    candidates = draw(rows, config.vocabulary, exact.candidates or 0, np.random.default_rng(1))
    for _ in range(2):
        assert roomy.learn(rows, candidates, 0.5, 1.0) == pytest.approx(
            exact.learn(rows, candidates, 0.5, 1.0), abs=1e-5
        )
    assert_equal_weights(roomy.weights, exact.weights)
    np.testing.assert_allclose(roomy.step(5, state)[0], exact.step(5, state)[0], atol=1e-5)


def test_every_signature_gives_the_results_of_a_program_of_the_exact_size(roomy: bytes, exact: bytes) -> None:
    config = replace(CONFIG, vocabulary=23)
    weights = random_weights(config, 3)
    assert_same_results(Program(roomy, config, weights), Program(exact, config, weights), random_rows(config, 4))


def test_the_shipped_programs_give_the_same_results_for_the_shipped_model() -> None:
    model = load_model(PRETRAINED)
    config = model.provenance.config
    smaller, larger = ((PROGRAMS / file_name(size)).read_bytes() for size in SHIPPED)
    rows = random_rows(config, 5)
    assert_same_results(Program(larger, config, model.weights), Program(smaller, config, model.weights), rows)


@settings(max_examples=40, deadline=None)
@given(words=st.integers(len(SPECIALS) + 1, ROWS), seed=st.integers(0, 2**16))
def test_training_equals_tensorflow_over_the_vocabulary_alone_whatever_its_size(
    roomy: bytes, words: int, seed: int
) -> None:
    config = replace(CONFIG, vocabulary=words)
    weights, rows = random_weights(config, seed), random_rows(config, seed)
    program = Program(roomy, config, weights)
    loss, expected = trained_in_tensorflow(weights, rows, 0.5, 1.0)
    candidates = draw(rows, words, program.candidates or 0, np.random.default_rng(seed))
    assert len(candidates.words) == words
    assert program.learn(rows, candidates, 0.5, 1.0) == pytest.approx(loss, abs=1e-5)
    assert_equal_weights(program.weights, expected)
    program.weights = weights
    assert program.train(rows, 0.5, 1.0) == pytest.approx(loss, abs=1e-5)
    assert_equal_weights(program.weights, expected)


@settings(max_examples=40, deadline=None)
@given(words=st.integers(len(SPECIALS) + 1, ROWS), seed=st.integers(0, 2**16), lowest=st.booleans())
def test_a_word_has_its_probability_and_rank_among_the_words_of_the_vocabulary_alone(
    roomy: bytes, words: int, seed: int, lowest: bool
) -> None:
    config = replace(CONFIG, vocabulary=words)
    weights, rows = random_weights(config, seed), random_rows(config, seed)
    if lowest:  # the logits are far below those of rows that hold zeros
        weights["output_bias"] -= np.float32(1000)
    program = Program(roomy, config, weights)
    evaluation, _ = program.evaluate(rows, program.initial_state(config.batch))
    for row in range(config.batch):
        state = program.initial_state(1)
        for position in range(config.window):
            logits, state = program.step(int(rows[row, position]), state)
            target = rows[row, position + 1]
            likelihood = logits[target] - np.logaddexp.reduce(logits.astype(np.float64))
            assert evaluation.log_likelihood[row, position] == pytest.approx(likelihood, abs=1e-3)
            if target > BOUNDARY:
                assert evaluation.rank[row, position] == (logits[BOUNDARY + 1 :] > logits[target]).sum()
    assert digest(program.weights) == digest(weights)


def test_weights_are_read_back_without_the_masked_rows_after_training(roomy: bytes) -> None:
    config = replace(CONFIG, vocabulary=11)
    program = Program(roomy, config, random_weights(config, 1))
    rows = np.full((1, config.window + 1), PAD, np.int32)
    rows[0, :3] = (BOUNDARY, 5, 6)
    program.train(rows, 0.5, 1.0)
    assert {name: array.shape for name, array in program.weights.items()} == config.shapes


def test_a_program_for_fewer_words_is_refused(exact: bytes) -> None:
    config = replace(CONFIG, vocabulary=24)
    with pytest.raises(DataError, match="was built for embedding of shape"):
        Program(exact, config, initial_weights(config, 0))


def test_more_candidates_than_a_program_takes_are_refused(exact: bytes) -> None:
    config = replace(CONFIG, vocabulary=23)
    program = Program(exact, config, initial_weights(config, 0))
    candidates = draw(np.array([[5]]), 30, 30, np.random.default_rng(0))
    with pytest.raises(ValueError, match="this program takes 23 candidates, not 30"):
        program.learn(np.array([[BOUNDARY] * 7], np.int32), candidates, 0.5, 1.0)
