"""Rounded weights: their distance from the original ones, and their size in bytes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.device.folder import PRETRAINED, load_model
from model.device.quantization import eight_bit, half_precision

matrices = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).normal(0, 10.0 ** (seed % 7 - 4), (5, 8)).astype(np.float32)
)


@given(matrices)
def test_eight_bits_move_a_weight_by_at_most_half_a_step_of_its_row(matrix: np.ndarray) -> None:
    widened, size = eight_bit({"matrix": matrix, "vector": matrix[0]})
    step = np.abs(matrix).max(axis=1, keepdims=True) / 127
    assert (np.abs(widened["matrix"] - matrix) <= step * 0.5001).all()
    assert len(np.unique(widened["matrix"][0])) <= 255
    assert widened["matrix"].dtype == np.float32
    assert (widened["vector"] == matrix[0]).all()
    assert size == 5 * 8 + 5 * 4 + 8 * 4


@given(matrices)
def test_rounded_weights_do_not_change_again(matrix: np.ndarray) -> None:
    once, _ = eight_bit({"matrix": matrix})
    again, _ = eight_bit(once)
    assert again["matrix"] == pytest.approx(once["matrix"], rel=1e-5)


def test_eight_bits_against_a_hand_computed_example() -> None:
    matrix = np.array([[127, 1.4, -1.6, -127], [0, 0, 0, 0], [0.254, 0.003, -0.127, 0]], np.float32)
    widened, _ = eight_bit({"matrix": matrix})
    expected = np.array([[127, 1, -2, -127], [0, 0, 0, 0], [0.254, 0.004, -0.128, 0]])  # step sizes of 1, 0 and 0.002
    assert widened["matrix"] == pytest.approx(expected, abs=1e-6)


def test_sixteen_bits_follow_the_standard() -> None:
    widened, size = half_precision({"matrix": np.array([[1 / 3, -2.0], [1e-9, 1024.4]], np.float32)})
    assert widened["matrix"] == pytest.approx(np.array([[0.333251953125, -2.0], [0, 1024]]), abs=1e-9)
    assert (widened["matrix"].dtype, size) == (np.dtype(np.float32), 8)


def test_the_shipped_model_shrinks_to_a_half_and_to_about_a_quarter() -> None:
    weights = load_model(PRETRAINED).weights
    full = sum(a.nbytes for a in weights.values())
    assert half_precision(weights)[1] * 2 == full
    assert 3.6 < full / eight_bit(weights)[1] < 4
