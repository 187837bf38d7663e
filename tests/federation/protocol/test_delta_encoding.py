"""The encoding of deltas as integers: sums that never wrap, unbiased rounding, bounded norms."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import DataError
from federation.protocol.delta_encoding import Encoding, clip, flatten, hadamard, signs, unflatten
from federation.protocol.secure_aggregation import modular_vectors
from federation.protocol.secure_aggregation.messages import MaskedInput
from tests.federation.protocol.layouts import segments_of

SHIPPED = 1_422_250  # weights of the model
ENCODINGS = st.builds(
    Encoding,
    length=st.integers(1, 300),
    clipping_norm=st.floats(1e-3, 1e3),
    max_weight=st.integers(1, 2000),
    cohort=st.integers(1, 30),
    bits=st.integers(6, 16),
    seed=st.integers(0, 2**32 - 1),
)


def delta_of(encoding: Encoding, norm: float, seed: int) -> np.ndarray:
    delta = np.random.default_rng(seed).standard_normal(encoding.length)
    return (delta * (norm / np.linalg.norm(delta))).astype(np.float32)


def test_a_device_sends_no_more_bytes_than_the_targets() -> None:
    large, small = (Encoding(SHIPPED, 1.0, 2000, cohort, bits, 0) for cohort, bits in ((256, 16), (32, 9)))
    assert MaskedInput.size(modular_vectors.packed_size(segments_of(large))) < 2.9e6
    assert MaskedInput.size(modular_vectors.packed_size(segments_of(small))) < 1.604e6
    assert large.padded <= 1.005 * SHIPPED


@settings(max_examples=40, deadline=None)
@given(st.integers(12_600, 10**7))
def test_a_long_vector_is_padded_by_at_most_half_a_percent(length: int) -> None:
    assert Encoding(length, 1.0, 1, 1, 8, 0).padded <= 1.005 * length


def test_hadamard_is_the_matrix_of_sylvester() -> None:
    expected = np.ones((1, 1), np.float32)
    for _ in range(5):
        expected = np.block([[expected, expected], [expected, -expected]])
    matrix = np.eye(32, dtype=np.float32)
    hadamard(matrix)
    assert np.array_equal(matrix, expected)


def test_signs_are_fair_and_differ_between_seeds() -> None:
    drawn = np.stack([signs(seed, 100_000) for seed in (0, 1, 2, 2**31, 0x9E3779B9)])
    assert set(np.unique(drawn)) == {-1, 1}
    correlations = drawn @ drawn.T / 100_000 - np.eye(5)
    assert np.abs(drawn.mean(1)).max() < 0.02
    assert np.abs(correlations).max() < 0.02
    assert np.abs((drawn[:, 1:] * drawn[:, :-1]).mean(1)).max() < 0.02


@settings(max_examples=40, deadline=None)
@given(ENCODINGS, st.integers(0, 2**32))
def test_rotation_keeps_the_norm_and_is_undone(encoding: Encoding, seed: int) -> None:
    delta = delta_of(encoding, 1.0, seed)
    rotated = encoding.rotate(delta)
    assert rotated.shape == (encoding.padded,)
    assert np.linalg.norm(rotated) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(encoding.rotate_back(rotated), delta, atol=1e-5)


@pytest.mark.parametrize("entries", [1, 64, SHIPPED // 1000])
def test_a_delta_of_few_entries_is_spread_over_all_coordinates(entries: int) -> None:
    encoding = Encoding(SHIPPED, 1.0, 1, 32, 8, 3)
    delta = np.zeros(SHIPPED, np.float32)
    delta[1000 : 1000 + entries] = 1 / np.sqrt(entries)
    deviations = np.abs(encoding.rotate(delta)) * np.sqrt(encoding.padded)
    assert np.mean(deviations > encoding.deviations) < 5 * 6.4e-5, "of a Gaussian, 2 Q(4)"
    assert deviations.max() < 8


@settings(max_examples=40, deadline=None)
@given(
    ENCODINGS,
    st.lists(st.tuples(st.sampled_from([0.0, 0.1, 1.0, 50.0]), st.integers(0, 4000)), min_size=1, max_size=30),
)
def test_a_sum_over_a_cohort_never_wraps(encoding: Encoding, devices: list[tuple[float, int]]) -> None:
    rng = np.random.default_rng(0)
    summed, exact, weights = np.zeros(encoding.padded, np.uint32), np.zeros(encoding.padded, np.int64), 0
    spike = np.zeros(encoding.length, np.float32)
    for share, weight in devices[: encoding.cohort]:
        spike[0] = share * encoding.clipping_norm  # the same for all devices, so that nothing cancels
        values, sent = encoding.encode(spike, weight, rng)
        lifted = values.astype(np.int64)
        lifted[lifted >= 2 ** (encoding.bits - 1)] -= 2**encoding.bits
        assert np.abs(lifted).max() <= encoding.levels
        assert sent[0] == min(weight, encoding.max_weight)
        summed, exact, weights = summed + values, exact + lifted, weights + int(sent[0])
    assert weights < 2 ** segments_of(encoding)[1].bits
    decoded = encoding.decode(summed % 2**encoding.bits)
    expected = encoding.rotate_back((exact / float(encoding.scale)).astype(np.float32))
    np.testing.assert_allclose(decoded, expected, rtol=1e-3, atol=1e-4 * encoding.clipping_norm)


def test_coordinates_beyond_the_deviations_are_clipped_and_do_not_wrap() -> None:
    encoding = Encoding(1000, 1.0, 1, 5, 8, 0, deviations=1.0)  # a third of the coordinates lie beyond
    values, _ = encoding.encode(delta_of(encoding, 1.0, 1), 1, np.random.default_rng(2))
    lifted = values.astype(int) - 256 * (values >= 128)
    assert (lifted.min(), lifted.max()) == (-encoding.levels, encoding.levels)
    assert np.mean(np.abs(lifted) == encoding.levels) > 0.25


def test_rounding_is_unbiased() -> None:
    encoding, rng = Encoding(100, 2.0, 10, 8, 8, 5), np.random.default_rng(6)
    delta = delta_of(encoding, 1.5, 7)
    draws = np.stack([encoding.decode(encoding.encode(delta, 4, rng)[0]) for _ in range(1500)])
    errors = (draws.mean(0) - 0.4 * delta) / (draws.std(0) / np.sqrt(len(draws)))
    assert np.abs(errors).max() < 4.5, "standard errors; 100 Gaussians exceed 4.5 with a probability below 1e-3"


@pytest.mark.parametrize(("bits", "cohort", "devices"), [(16, 256, 40), (9, 32, 32), (8, 32, 20)])
def test_sums_decode_to_the_weighted_mean_within_the_documented_error(bits: int, cohort: int, devices: int) -> None:
    encoding, rng = Encoding(20_000, 0.7, 500, cohort, bits, 9), np.random.default_rng(10)
    deltas = [delta_of(encoding, norm, i) for i, norm in enumerate(rng.uniform(0.1, 1.4, devices))]
    weights = rng.integers(0, 900, devices)
    sent = [encoding.encode(d, int(w), rng) for d, w in zip(deltas, weights, strict=True)]
    total = sum(int(w[0]) for _, w in sent)
    decoded = encoding.decode_mean(sum(v.astype(np.uint32) for v, _ in sent) % 2**bits, total)
    capped = np.minimum(weights, 500)
    expected = sum(w * clip(d, 0.7).astype(np.float64) for w, d in zip(capped, deltas, strict=True)) / capped.sum()
    bound = np.sqrt(devices * encoding.padded) / (2 * float(encoding.scale)) * (500 / total)
    assert np.linalg.norm(decoded - expected) < 1.05 * bound
    if bits == 16:
        assert np.linalg.norm(decoded - expected) < 0.03 * np.linalg.norm(expected), (
            "although the deltas are independent"
        )


def test_a_rounding_beyond_the_norm_bound_is_drawn_again() -> None:
    encoding = Encoding(4096, 1.0, 1, 127, 8, 0, deviations=2.0)  # a delta may lie half a step from whole numbers
    delta = encoding.rotate_back(np.full(4096, 0.49 / float(encoding.scale), np.float32))

    class Draws:
        """Rounds all coordinates up first, which has a probability of 2^-4096, and then at random."""

        asked = 0

        def random(self, count: int, dtype: type) -> np.ndarray:
            self.asked += 1
            return np.full(count, 0.75, dtype) if self.asked == 1 else np.random.default_rng(0).random(count, dtype)

    draws = Draws()
    values, _ = encoding.encode(delta, 1, draws)  # type: ignore[arg-type]
    assert draws.asked == 2
    assert 0.4 < np.mean(values) < 0.6


@settings(max_examples=40, deadline=None)
@given(ENCODINGS, st.integers(0, 2**32))
def test_no_device_has_more_influence_than_the_norm_bound(encoding: Encoding, seed: int) -> None:
    values, _ = encoding.encode(delta_of(encoding, 9 * encoding.clipping_norm, seed), 5000, np.random.default_rng(seed))
    assert np.linalg.norm(encoding.decode(values)) <= 1.0001 * encoding.rounded_norm
    assert encoding.rounded_norm >= 0.9 * encoding.clipping_norm or encoding.levels < 4


def clipped_energy(z: float) -> float:
    return (1 + z * z) * math.erfc(z / math.sqrt(2)) - 2 * z * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def test_the_clipped_energy_is_as_documented() -> None:
    encoding = Encoding(100_000, 1.0, 1, 1, 12, 0, deviations=2.5)
    scaled = encoding.rotate(delta_of(encoding, 1.0, 1)) * encoding.scale
    clipped = np.clip(scaled, -encoding.levels, encoding.levels)
    share = np.sum((scaled - clipped) ** 2) / np.sum(scaled**2)
    z = encoding.deviations  # for Gaussian coordinates, as rotated ones nearly are: E[max(|g| - z, 0)^2]
    assert share == pytest.approx(clipped_energy(z), rel=0.2)
    assert 0.5e-5 < clipped_energy(4) < 1.5e-5


def test_invalid_deltas_weights_and_sums_are_refused() -> None:
    encoding, rng = Encoding(10, 1.0, 5, 3, 8, 0), np.random.default_rng(0)
    zeros = np.zeros(10, np.float32)
    deltas: list[tuple[np.ndarray, int]] = [
        (np.zeros(9, np.float32), 1),
        (np.zeros(10), 1),
        (np.where(np.arange(10) == 3, np.float32(np.nan), zeros), 1),
        (np.where(np.arange(10) == 3, np.float32(np.inf), zeros), 1),
        (zeros, -1),
    ]
    for delta, weight in deltas:
        with pytest.raises(DataError):
            encoding.encode(delta, weight, rng)
    sums: list[np.ndarray] = [np.zeros(10, np.uint16), np.full(64, 256, np.uint16), np.zeros(64, np.int16)]
    for summed in sums:
        with pytest.raises(DataError):
            encoding.decode(summed)
    with pytest.raises(DataError):
        encoding.decode_mean(np.zeros(64, np.uint16), 16)
    assert not encoding.decode_mean(np.zeros(64, np.uint16), 0).any()


@pytest.mark.parametrize(
    "change",
    [
        {"length": 0},
        {"clipping_norm": 0.0},
        {"clipping_norm": float("nan")},
        {"clipping_norm": float("inf")},
        {"max_weight": 0},
        {"cohort": 200},
        {"bits": 17},
        {"bits": 1},
        {"seed": 2**32},
        {"seed": -1},
        {"deviations": 0.0},
    ],
)
def test_sizes_out_of_range_are_refused(change: dict[str, Any]) -> None:
    right: dict[str, Any] = {"length": 10, "clipping_norm": 1.0, "max_weight": 5, "cohort": 3, "bits": 8, "seed": 0}
    with pytest.raises(DataError):
        Encoding(**(right | change))


def test_named_arrays_are_flattened_in_a_fixed_order() -> None:
    shapes = {"b": (2, 3), "a": (2,)}
    arrays = {"a": np.array([7, 8], np.float32), "b": np.arange(6, dtype=np.float32).reshape(2, 3)}
    vector = flatten(arrays, shapes)
    assert vector.tolist() == [0, 1, 2, 3, 4, 5, 7, 8]
    back = unflatten(vector, shapes)
    assert list(back) == ["b", "a"]
    assert all(np.array_equal(back[name], arrays[name]) for name in shapes)
    for wrong in ({"a": arrays["a"]}, {**arrays, "c": arrays["a"]}, {**arrays, "a": arrays["b"]}):
        with pytest.raises(DataError):
            flatten(wrong, shapes)
    with pytest.raises(DataError):
        unflatten(vector[:-1], shapes)
