"""The noise that devices add, tested against its distribution."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import DataError
from federation.aggregation.accounting import rho_of_round
from federation.aggregation.privacy import Privacy
from federation.aggregation.sum_settings import SumSettings
from federation.protocol.noise import discrete_gaussian, private_encoding, system_bits


def seeded(seed: int):
    rng = np.random.default_rng(seed)
    return lambda count: rng.integers(0, 2**64, count, dtype=np.uint64)


@pytest.mark.parametrize("stddev", [0.3, 1.0, 2.6, 17.0])
def test_the_noise_is_distributed_as_a_discrete_gaussian(stddev: float) -> None:
    """A chi-square test against the probabilities, over all whole numbers that are frequent enough."""
    count = 400_000
    drawn = discrete_gaussian(stddev, count, seeded(int(10 * stddev)))
    k = np.arange(-200, 201)
    expected = np.exp(-(k**2) / (2 * stddev**2))
    expected *= count / expected.sum()
    often = expected > 20
    seen = np.array([np.count_nonzero(drawn == value) for value in k[often]])
    degrees = np.count_nonzero(often)
    statistic = float(((seen - expected[often]) ** 2 / expected[often]).sum())
    assert statistic < degrees + 5 * math.sqrt(2 * degrees)
    assert np.count_nonzero(np.abs(drawn) > 9 * max(stddev, 1)) == 0


def test_noise_from_the_operating_system_does_not_repeat() -> None:
    first, second = (discrete_gaussian(1000.0, 5000) for _ in range(2))
    assert abs(first.mean()) < 100
    assert 900 < first.std() < 1100
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.1
    assert len(np.unique(system_bits(1000))) == 1000
    with pytest.raises(DataError, match="standard deviation"):
        discrete_gaussian(0.0, 1)


def test_the_noise_is_calibrated_for_the_smallest_sum_that_is_unmasked() -> None:
    distributed, tree = Privacy("distributed", 1.0, 5), Privacy("tree", 1.0, 5)
    for minimum, least in ((0, 20), (15, 15)):
        summation = SumSettings(cohort=20, minimum=minimum, max_weight=1)
        assert summation.least(distributed) == least
        encoding, stddev = summation.encoding(4700, distributed)
        greatest = encoding.rounded_norm * float(encoding.scale)
        assert stddev * math.sqrt(least) == pytest.approx(greatest)
        assert rho_of_round(summation, distributed, 4700) == pytest.approx(0.5, rel=1e-3)
    assert SumSettings(cohort=20, max_weight=1).least(tree) == 1


@given(
    length=st.sampled_from([100, 4700, 1_422_250]),
    norm=st.floats(0.01, 10),
    cohort=st.integers(2, 300),
    dropouts=st.floats(0, 0.5),
    bits=st.integers(10, 16),
    noise=st.floats(0.2, 8),
)
@settings(max_examples=60, deadline=None)
def test_a_private_sum_has_the_promised_noise_and_room_for_it(
    length: int, norm: float, cohort: int, dropouts: float, bits: int, noise: float
) -> None:
    minimum = max(1, int(cohort * (1 - dropouts)))
    try:
        encoding, stddev = private_encoding(length, norm, cohort, minimum, bits, 0, noise)
    except DataError as error:
        assert "bits have no room" in str(error)
        return
    greatest = encoding.rounded_norm * float(encoding.scale)  # of one device's integers
    assert stddev * math.sqrt(minimum) == pytest.approx(noise * greatest)
    assert cohort * encoding.levels + 6 * stddev * math.sqrt(cohort) < 2 ** (bits - 1)
