"""The written-out likelihood has the values and the gradients of the network's functions in `model.cifg`."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.vocabulary import BOUNDARY, PAD, SPECIALS
from model.device.config import ModelConfig
from model.device.weights import initial_weights

CONFIG = ModelConfig(vocabulary=30, embedding=6, units=9, window=3, batch=4)


@cache
def compiled(likelihood: Callable[..., Any]) -> Callable[..., Any]:
    """Returns (rows, upstream gradient) -> (log-likelihoods, gradients by name), with the same weights every time."""
    import tensorflow as tf

    rng = np.random.default_rng(1)
    weights = {
        name: tf.constant(3 * array + rng.normal(0, 0.2, array.shape).astype(np.float32))
        for name, array in initial_weights(CONFIG, seed=0).items()
    }

    @tf.function(
        input_signature=[tf.TensorSpec([None, CONFIG.window + 1], tf.int32), tf.TensorSpec([None], tf.float32)]
    )
    def run(rows: Any, upstream: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(weights)
            found = likelihood(weights, rows)
        return found, tape.gradient(found, weights, upstream)

    return run


def by_cifg(weights: Any, rows: Any) -> Any:
    import tensorflow as tf

    from model import cifg

    inputs, targets = rows[:, :-1], rows[:, 1:]
    hidden, _ = cifg.run(weights, inputs, cifg.zero_state(weights, tf.shape(rows)[0]))
    length = targets.shape[1]
    hidden = tf.reshape(
        tf.transpose(tf.reshape(hidden, [-1, length, CONFIG.embedding]), [1, 0, 2]), [-1, CONFIG.embedding]
    )
    targets = tf.reshape(tf.transpose(targets), [-1])  # by position, then by row
    real = tf.not_equal(targets, PAD)
    return cifg.log_likelihood(weights, tf.boolean_mask(hidden, real), tf.boolean_mask(targets, real))


@given(st.integers(0, 999), st.integers(1, 6), st.floats(0, 1), st.floats(0, 1))
def test_values_and_gradients_are_those_of_the_network(seed: int, rows: int, padded: float, reset: float) -> None:
    from model.row_likelihood import row_likelihood

    rng = np.random.default_rng(seed)
    tokens = rng.integers(3, CONFIG.vocabulary, (rows, CONFIG.window + 1), np.int32)
    tokens[rng.random(tokens.shape) < reset / 2] = BOUNDARY
    tokens[rng.random(tokens.shape) < padded / 2] = PAD
    upstream = rng.normal(size=np.count_nonzero(tokens[:, 1:] != PAD)).astype(np.float32)
    found, gradients = compiled(row_likelihood)(tokens, upstream)
    wanted, expected = compiled(by_cifg)(tokens, upstream)
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    for name, gradient in expected.items():
        np.testing.assert_allclose(gradients[name], gradient, atol=2e-5, err_msg=name)


@given(st.integers(0, 999), st.integers(1, 6), st.integers(0, 20), st.floats(0, 1), st.floats(0, 1))
def test_among_candidates_they_are_those_of_a_network_of_the_candidates_alone(
    seed: int, rows: int, others: int, padded: float, reset: float
) -> None:
    import tensorflow as tf

    from model.row_likelihood import sampled_likelihood

    rng = np.random.default_rng(seed)
    drawn = rng.choice(np.arange(len(SPECIALS), CONFIG.vocabulary), others, replace=False)
    words = np.sort(np.concatenate([np.arange(len(SPECIALS)), drawn])).astype(np.int32)
    shift = (rng.random(len(words)) < 0.5).astype(np.float32) * rng.exponential(2, len(words)).astype(np.float32)
    tokens = rng.integers(0, len(words), (rows, CONFIG.window + 1), np.int32)
    tokens[rng.random(tokens.shape) < reset / 2] = BOUNDARY
    tokens[rng.random(tokens.shape) < padded / 2] = PAD
    upstream = rng.normal(size=np.count_nonzero(tokens[:, 1:] != PAD)).astype(np.float32)
    weights = {n: tf.constant(a) for n, a in initial_weights(CONFIG, seed).items()}
    chosen = weights | {n: tf.gather(weights[n], words) for n in ("embedding", "output_bias")}

    with tf.GradientTape() as tape:
        tape.watch(weights)
        found = sampled_likelihood(weights, tokens, words, shift)
    gradients = tape.gradient(found, weights, upstream)
    with tf.GradientTape() as tape:
        tape.watch(chosen)
        wanted = by_cifg(chosen | {"output_bias": chosen["output_bias"] + shift}, tf.constant(tokens))
    expected = tape.gradient(wanted, chosen, upstream)

    np.testing.assert_allclose(found, wanted, atol=1e-5)
    for name, gradient in gradients.items():
        if name in ("embedding", "output_bias"):
            np.testing.assert_array_equal(gradient.indices, words)
            gradient = gradient.values
        np.testing.assert_allclose(gradient, expected[name], atol=2e-5, err_msg=name)


def test_rows_of_padding_have_no_target_and_no_gradient() -> None:
    from model.row_likelihood import row_likelihood

    rows = np.full((2, CONFIG.window + 1), PAD, np.int32)
    found, gradients = compiled(row_likelihood)(rows, np.zeros(0, np.float32))
    assert found.shape == (0,)
    assert all(not gradient.numpy().any() for gradient in gradients.values())


@pytest.mark.parametrize("bias", [100.0, 1e4])
def test_an_all_but_impossible_target_has_a_finite_loss_and_the_right_gradient(bias: float) -> None:
    import tensorflow as tf

    from model.row_likelihood import row_likelihood

    weights = {name: tf.zeros(shape) for name, shape in CONFIG.shapes.items()}
    weights["output_bias"] = tf.one_hot(7, CONFIG.vocabulary) * bias
    rows = tf.constant([[BOUNDARY, 5, PAD, PAD]])
    with tf.GradientTape() as tape:
        tape.watch(weights)
        found = row_likelihood(weights, rows)
    np.testing.assert_allclose(found, [np.log(np.finfo(np.float32).tiny)], rtol=1e-5)
    wanted = np.zeros(CONFIG.vocabulary)
    wanted[[5, 7]] = 1, -1
    np.testing.assert_allclose(tape.gradient(found, weights["output_bias"]), wanted, atol=1e-6)
