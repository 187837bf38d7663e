"""First weights of new words that are fitted to their contexts."""

from dataclasses import replace

import numpy as np
import pytest

from data.vocabulary import UNKNOWN, Vocabulary
from federation.growing.fitted_rows import StateSums, with_fitted_rows
from federation.growing.new_rows import with_new_rows
from model.device.config import ModelConfig
from model.device.folder import Model
from model.device.sampling import SOFTMAXES
from model.device.weights import Weights, check_weights, initial_weights

SIZE = 4
CONFIG = ModelConfig(vocabulary=12, embedding=SIZE, units=5)
SHARES = np.array([0.2, 0.1, 0.05])


def drawn(uses: list[int], means: np.ndarray, covariance: np.ndarray) -> StateSums:
    """Returns the sums over states of new words, and of 20,000 others around zero."""
    rng, numbers = np.random.default_rng(0), [*uses, 20_000]
    states = [rng.multivariate_normal(m, covariance, n) for n, m in zip(numbers, [*means, np.zeros(SIZE)], strict=True)]
    everything = np.concatenate(states)
    return StateSums(
        np.array(numbers, float), np.array([part.sum(axis=0) for part in states]), everything.T @ everything
    )


def share_of_unknown(weights: Weights, hidden: np.ndarray) -> np.ndarray:
    """Returns the probability of each new word in the context of a state, over that of `<unk>` before."""
    before = initial_weights(CONFIG, 3)
    logits = weights["embedding"] @ hidden + weights["output_bias"]
    own = before["embedding"][UNKNOWN] @ hidden + before["output_bias"][UNKNOWN]
    ratios: np.ndarray = np.exp(logits[12:] - own)
    return ratios


def test_a_row_is_the_ratio_of_the_densities_of_states_before_the_word_and_before_all() -> None:
    mixing = np.random.default_rng(1).normal(size=(SIZE, SIZE))
    covariance = mixing @ mixing.T + np.eye(SIZE)
    means = np.array([[1.0, 0, 0, 0.5], [0, -0.8, 0.4, 0], [0, 0, 0, 0]])
    grown = with_fitted_rows(initial_weights(CONFIG, 3), SHARES, drawn([2_000, 2_000, 0], means, covariance), 1.0)
    check_weights(grown, replace(CONFIG, vocabulary=15))
    inverse = np.linalg.inv(covariance)
    all_words = means.sum(axis=0) * 2_000 / 24_000

    def log_density(hidden: np.ndarray, mean: np.ndarray) -> float:
        return float(-(hidden - mean) @ inverse @ (hidden - mean) / 2)

    for seed in range(5):
        hidden = np.random.default_rng(seed).multivariate_normal(np.zeros(SIZE), covariance)
        expected = [np.exp(log_density(hidden, mean) - log_density(hidden, all_words)) for mean in means[:2]]
        np.testing.assert_allclose(share_of_unknown(grown, hidden) / SHARES, [*expected, 1.0], rtol=0.2)


def test_a_rare_word_moves_less_than_a_frequent_one_and_nothing_moves_without_states() -> None:
    weights, means = initial_weights(CONFIG, 3), np.tile([1.0, 0.0, 0.0, 0.0], (3, 1))
    plain = with_new_rows(weights, SHARES)
    grown = with_fitted_rows(weights, SHARES, drawn([1_000, 1, 0], means, np.eye(SIZE)))
    often, seldom, never = np.linalg.norm((grown["embedding"] - plain["embedding"])[12:], axis=1)
    assert often > seldom > 0 == never
    nothing = StateSums(np.zeros(4), np.zeros((4, SIZE)), np.zeros((SIZE, SIZE)))
    for name, array in with_fitted_rows(weights, SHARES, nothing).items():
        assert np.array_equal(array, plain[name])


def test_the_sums_are_of_the_states_before_the_words_that_the_vocabulary_lacks(small_model: Model) -> None:
    from federation.growing.preceding_states import sums_of_states  # imports TensorFlow

    vocabulary = Vocabulary([*small_model.vocabulary.words, "byu", "provo"])
    people = [["i think byu is good.", "i think", "provo provo"], ["xyzzy you have byu", "byu"]]
    found = sums_of_states(small_model, vocabulary, people, 100)
    program, known = small_model.start(), len(small_model.vocabulary)
    size = small_model.provenance.config.embedding
    uses, states, products = np.zeros(3), np.zeros((3, size)), np.zeros((size, size))
    for text in [text for messages in people for text in messages]:
        state = program.initial_state(1)
        previous = 2  # `<s>`
        for token in vocabulary.encode(text):
            _, state = program.step(previous, state)
            if token >= known or token == UNKNOWN:
                place = token - known if token >= known else 2
                uses[place] += 1
                states[place] += state.hidden[0]
                products += np.outer(state.hidden[0], state.hidden[0])
            previous = UNKNOWN if token >= known else token
    assert list(found.uses) == list(uses) == [3, 2, 1]
    np.testing.assert_allclose(found.states, states, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.products, products, rtol=1e-4, atol=1e-5)
    assert sums_of_states(small_model, vocabulary, people, 2).uses.sum() == 3, "the newest words of each person"


@pytest.mark.parametrize("softmax", SOFTMAXES)
def test_only_the_rows_of_new_words_are_trained(small_model: Model, tff_engine: None, softmax: str) -> None:
    from federation.aggregation.server_settings import Server
    from federation.engine.training_data import training_data
    from federation.growing.row_rounds import rows_process, rows_weights
    from model.device.learning.finetuning import FineTuning, candidate_generator

    known, config = len(small_model.vocabulary), small_model.provenance.config
    weights = with_new_rows(small_model.weights, np.array([0.1, 0.1]))
    sizes = replace(config, vocabulary=known + 2)
    how = FineTuning(1.0, passes=1, softmax=softmax)
    process = rows_process(sizes, weights, known, how, Server("fedavg", 1.0))
    rows = np.full((4, config.window + 1), 0, np.int32)
    rows[:, :4] = [2, 5, known, 2]
    data = training_data([rows], sizes, candidate_generator(how, np.random.default_rng(0)))
    state = process.next(process.initialize(), [data]).state
    after = rows_weights(state, weights, known)
    assert all(np.array_equal(after[n], weights[n]) for n in weights if n not in ("embedding", "output_bias"))
    for name in ("embedding", "output_bias"):
        assert np.array_equal(after[name][:known], weights[name][:known])
        assert not np.array_equal(after[name][known:], weights[name][known:])
    assert (
        after["output_bias"][known] > weights["output_bias"][known] == pytest.approx(weights["output_bias"][known + 1])
    )
