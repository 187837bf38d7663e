"""A step of the network in NumPy, beside the `step` of the LiteRT program and of the functions in TensorFlow."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import DataError
from data.vocabulary import BOUNDARY
from model import cifg
from model.device import litert
from model.device.config import ModelConfig
from model.device.folder import PRETRAINED, Model, load_model
from model.device.network import Network
from model.device.weights import initial_weights


@pytest.fixture(scope="module")
def shipped() -> Model:
    return load_model(PRETRAINED)


def test_a_message_has_the_logits_of_the_program_that_the_app_comes_with(shipped: Model) -> None:
    interpreter = litert.start(shipped.program, threads=1)
    interpreter.run("set_weights", shipped.weights)
    network = shipped.network()
    state = found = network.initial_state(1)
    tokens = [BOUNDARY, *shipped.vocabulary.encode("how are you doing today ? i am fine , thanks"), BOUNDARY, 7]
    for token in tokens:
        logits, state = network.step(token, state)
        expected = interpreter.run("step", {"token": np.array([token], np.int32), **found._asdict()})
        found = type(found)(expected["hidden"], expected["cell"])
        # The logits of frequent and of rare words are up to 10 apart.
        np.testing.assert_allclose(logits, expected["logits"][0], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(state.hidden, found.hidden, atol=1e-5)
        np.testing.assert_allclose(state.cell, found.cell, atol=1e-5)
        assert logits.dtype == state.hidden.dtype == state.cell.dtype == np.float32


@settings(max_examples=25, deadline=None)
@given(
    words=st.integers(4, 40),
    embedding=st.integers(1, 20),
    units=st.integers(1, 30),
    scale=st.sampled_from([0.0, 1.0, 5.0, 200.0]),
    seed=st.integers(0, 2**16),
)
def test_a_step_of_any_size_equals_that_in_tensorflow(
    words: int, embedding: int, units: int, scale: float, seed: int
) -> None:
    config = ModelConfig(vocabulary=words, embedding=embedding, units=units)
    weights = {name: array * np.float32(scale) for name, array in initial_weights(config, seed).items()}
    network, tensors = Network(config, weights), {name: tf.constant(array) for name, array in weights.items()}
    state, expected = network.initial_state(1), cifg.zero_state(tensors, 1)
    for token in np.random.default_rng(seed).integers(BOUNDARY, words, 4).tolist():
        logits, state = network.step(token, state)
        wanted, expected = cifg.step(tensors, tf.constant([token]), expected)
        np.testing.assert_allclose(logits, wanted[0], rtol=1e-4, atol=1e-4 * max(scale, 1))
        np.testing.assert_allclose(state.cell, expected.cell, atol=1e-4)


def test_the_same_message_has_the_same_bits_again_and_in_several_threads(shipped: Model) -> None:
    def read(network: Network) -> bytes:
        state = network.initial_state(1)
        for token in (BOUNDARY, 5, 6, 7):
            logits, state = network.step(token, state)
        return logits.tobytes() + state.cell.tobytes()

    network = shipped.network()
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(read, [network, network, network, shipped.network()]))) == 1


def test_weights_that_do_not_fit_are_refused(shipped: Model) -> None:
    with pytest.raises(DataError, match="'projection' has shape"):
        Network(shipped.provenance.config, shipped.weights | {"projection": np.zeros((96, 5), np.float32)})
