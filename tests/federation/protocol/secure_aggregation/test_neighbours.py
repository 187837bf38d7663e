"""The graph of a secure round: large enough for its assumptions, and no larger than documented."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from data.errors import DataError
from federation.protocol.secure_aggregation.neighbours import (
    COMPLETE_UP_TO,
    MIN_DEVICES,
    Assumptions,
    Topology,
    _disconnected,
    _tails,
    choose,
    connect,
    connected,
    keeps_secrets,
)


def names(count: int) -> list[bytes]:
    return [i.to_bytes(32, "big") for i in range(count)]


@settings(deadline=None)
@given(st.integers(2, 200), st.data())
def test_tails_are_those_of_the_hypergeometric_distribution(population: int, data: st.DataObject) -> None:
    marked, drawn = data.draw(st.integers(0, population)), data.draw(st.integers(0, population))
    expected = hypergeom.sf(np.arange(drawn + 2) - 1, population, marked, drawn)
    np.testing.assert_allclose(_tails(population, marked, drawn), expected, rtol=1e-6, atol=1e-12)


def test_a_ring_falls_apart_no_more_often_than_the_bound() -> None:
    rng, draws, ring = np.random.default_rng(0), 3000, names(24)
    neighbours = connect(ring, Topology(4, 2), seed=1)
    for removed in (8, 12):
        apart = sum(
            not connected(neighbours, frozenset(ring[i] for i in rng.permutation(24)[removed:])) for _ in range(draws)
        )
        assert apart > 0, "some rings fall apart, so the bound is tested"
        assert apart / draws < 1.1 * _disconnected(24, 4, removed)


def test_all_mask_with_all_in_small_cohorts() -> None:
    for devices in range(MIN_DEVICES, COMPLETE_UP_TO + 1):
        topology = choose(devices)
        assert topology.degree == devices - 1
        assert 2 * topology.threshold > topology.degree + devices // 20, (
            "a device's neighbours cannot reveal both its secrets, if one in twenty reveals two shares"
        )
        assert topology.threshold >= 2
    everybody = names(5)
    assert connect(everybody, choose(5), 0) == {d: tuple(o for o in everybody if o != d) for d in everybody}
    for devices in (0, 1, 2):
        with pytest.raises(DataError):
            choose(devices)


def test_degrees_of_large_cohorts() -> None:
    """The figures in the documentation: they grow with the logarithm of the cohort, and with the assumptions."""
    assert [choose(n) for n in (101, 200, 500, 1000)] == [
        Topology(34, 20),
        Topology(56, 34),
        Topology(90, 57),
        Topology(106, 67),
    ]
    assert choose(1000, Assumptions(0.1, 0.05)) == Topology(78, 52)
    assert choose(1000, Assumptions(0.3, 0.05)).degree == 314
    with pytest.raises(DataError):
        choose(200, Assumptions(0.6, 0.4))


@settings(max_examples=60, deadline=None)
@given(st.integers(MIN_DEVICES, 1_500))
def test_the_threshold_is_more_than_half_of_the_neighbours_at_every_size(devices: int) -> None:
    topology = choose(devices)
    assert keeps_secrets(topology.threshold, topology.degree)
    assert topology.degree < 2 * topology.threshold <= 2 * topology.degree


@given(st.integers(-1, 40), st.integers(0, 40))
def test_a_threshold_keeps_secrets_if_no_two_disjoint_groups_of_neighbours_reach_it(threshold: int, k: int) -> None:
    two_groups = any(a >= threshold and k - a >= threshold for a in range(k + 1))
    assert keeps_secrets(threshold, k) == (k >= 2 and threshold <= k and not two_groups)


def test_the_chosen_topology_withstands_its_assumptions() -> None:
    devices, assumptions, rng = 200, Assumptions(0.15, 0.1), np.random.default_rng(2)
    topology, everybody = choose(devices, assumptions), names(devices)
    for seed in range(20):
        neighbours = connect(everybody, topology, seed)
        fallen, corrupt = np.split(rng.permutation(devices)[:50], [30])
        left = frozenset(everybody) - {everybody[i] for i in fallen}
        bad = {everybody[i] for i in corrupt}
        assert connected(neighbours, left - bad)
        for device in everybody:
            among = neighbours[device]
            assert sum(n in left for n in among) >= topology.threshold
            corrupted = sum(n in bad for n in among)
            assert topology.degree + corrupted < 2 * topology.threshold


@settings(max_examples=50, deadline=None)
@given(st.integers(5, 80), st.integers(0, 2**63), st.data())
def test_neighbours_are_mutual_and_as_many_as_the_degree(count: int, seed: int, data: st.DataObject) -> None:
    degree = 2 * data.draw(st.integers(1, (count - 2) // 2))
    everybody = names(count)
    neighbours = connect(everybody, Topology(degree, 2), seed)
    assert connect(everybody[::-1], Topology(degree, 2), seed) == neighbours, "the order of arrival makes no difference"
    assert connected(neighbours, frozenset(everybody))
    for device, among in neighbours.items():
        assert len(set(among)) == degree
        assert list(among) == sorted(among)
        assert device not in among
        assert all(device in neighbours[other] for other in among)


def test_a_coordinator_that_lies_about_dropouts_cannot_cut_a_ring() -> None:
    """A ring falls apart at two gaps of k / 2 devices. Those next to a gap have too few neighbours left, and reveal nothing."""
    for devices in (101, 200, 500, 1000):
        topology, half = choose(devices), devices // 2
        neighbours = connect(names(devices), topology, seed=1)
        ring = [names(devices)[i] for i in np.random.default_rng(1).permutation(devices)]
        for gap, apart in ((topology.degree // 2 - 1, False), (topology.degree // 2, True)):
            left = frozenset(ring) - {*ring[:gap], *ring[half : half + gap]}
            assert connected(neighbours, left) != apart
        for device in (ring[gap], ring[half - 1], ring[half + gap], ring[-1]):
            assert sum(n in left for n in neighbours[device]) < topology.threshold


def test_the_corrupted_devices_that_two_gaps_would_take_are_improbable() -> None:
    """The figure in the documentation: two windows of k / 2 devices in a row with t - k / 2 corrupted ones each."""
    devices, corrupted, topology = 1000, 50, choose(1000)
    window = topology.degree // 2
    needed = np.arange(topology.threshold - window, window + 1)
    first = hypergeom.pmf(needed, devices, corrupted, window)
    second = hypergeom.sf(needed[0] - 1, devices - window, corrupted - needed, window)
    pairs = devices * (devices - topology.degree - 1) / 2
    assert 2**-36 < pairs * float(np.nansum(first * second)) < 2**-35


def test_rings_differ_between_rounds() -> None:
    first, second = (connect(names(120), Topology(26, 6), seed) for seed in (1, 2))
    assert sum(len(set(first[d]) & set(second[d])) for d in first) / (120 * 26) < 0.3


def test_an_empty_graph_is_connected() -> None:
    assert connected({}, frozenset())
