"""The privacy that rounds spend, compared with the definitions."""

import math

import dp_accounting
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import DataError
from federation.aggregation.accounting import (
    BudgetExhaustedError,
    check_budget,
    distributed_rho,
    rho_of_round,
    rounds_spent,
    spent,
    tree_rho,
)
from federation.aggregation.privacy import Privacy, cohort_of_period, may_take_part
from federation.aggregation.sum_settings import SumSettings

PRIVATE = st.builds(
    Privacy,
    mechanism=st.sampled_from(["tree", "distributed"]),
    noise_multiplier=st.floats(0.3, 20),
    period=st.integers(1, 60),
    delta=st.sampled_from([1e-4, 1e-6]),
)


def nodes_over(leaf: int, leaves: int) -> int:
    """Returns the number of nodes containing a round, among those that tree aggregation over `leaves` rounds releases."""
    released = [
        (start, start + size) for size in (2**k for k in range(11)) for start in range(0, leaves - size + 1, size)
    ]
    return sum(start <= leaf < end for start, end in released)


@given(st.integers(1, 130), st.floats(0.1, 50))
@settings(max_examples=40, deadline=None)
def test_the_rho_of_a_tree_is_that_of_the_nodes_a_device_changes(rounds: int, noise: float) -> None:
    most = max(nodes_over(leaf, rounds) for leaf in range(rounds))
    assert tree_rho(noise, rounds) == pytest.approx(most / (2 * noise**2))


@given(PRIVATE, st.integers(1, 200))
@settings(max_examples=40, deadline=None)
def test_epsilon_and_rho_are_of_the_same_events(privacy: Privacy, rounds: int) -> None:
    """Both have the Rényi divergences of the Gaussian mechanism with this rho."""
    found = spent(privacy, rounds)
    accountant = dp_accounting.rdp.RdpAccountant()
    accountant.compose(dp_accounting.GaussianDpEvent(1 / math.sqrt(2 * found.rho)))
    assert found.epsilon == pytest.approx(accountant.get_epsilon(privacy.delta), rel=1e-6)


@given(PRIVATE, st.integers(0, 200))
@settings(max_examples=40, deadline=None)
def test_more_rounds_and_less_noise_spend_more(privacy: Privacy, rounds: int) -> None:
    now, later = spent(privacy, rounds), spent(privacy, rounds + privacy.period)
    assert later.rho > now.rho
    assert later.epsilon > now.epsilon or not rounds
    louder = Privacy(privacy.mechanism, 2 * privacy.noise_multiplier, privacy.period, privacy.delta)
    assert spent(louder, rounds + 1).rho == pytest.approx(spent(privacy, rounds + 1).rho / 4)


@given(PRIVATE, st.integers(0, 120))
@settings(max_examples=40, deadline=None)
def test_a_sum_that_made_no_model_spends_as_much_as_the_round_that_replaces_it(privacy: Privacy, made: int) -> None:
    lost = spent(privacy, rounds_spent(made, made + 1))
    assert lost == spent(privacy, made + 1), "before another round replaces it"
    assert spent(privacy, rounds_spent(made + 1, made + 1)) == lost, "and after"
    assert lost.rho >= spent(privacy, made).rho
    if made % privacy.period == 0:  # the first round of its period
        assert lost.rho > spent(privacy, made).rho and lost.epsilon > spent(privacy, made).epsilon
    assert may_take_part(privacy, made + 1, made + 1) is False
    assert may_take_part(privacy, made + 1, made + 1 + privacy.period)


def test_restarted_trees_add_up_and_an_unfinished_tree_counts_its_rounds() -> None:
    privacy = Privacy("tree", 2.0, period=7)
    assert spent(privacy, 7).rho == pytest.approx(3 / 8)
    assert spent(privacy, 8).rho == pytest.approx(3 / 8 + 1 / 8)
    assert spent(privacy, 21).rho == pytest.approx(3 * 3 / 8)
    assert spent(Privacy("distributed", 2.0, period=7), 8).rho == pytest.approx(2 / 8)


@pytest.mark.parametrize(("period", "times"), [(1, 1.0), (2, 4 / 3), (4, 12 / 7)])
def test_everybody_in_every_round_has_the_least_noise_for_the_same_passes_and_rho(period: int, times: float) -> None:
    """The noise of a period's sum, as the server adds it, at the multiplier that eight periods of rho 1.78 leave.

    A period's sum is the root of its tree; TensorFlow Privacy estimates it from all levels (Honaker 2015), with the variance of a
    node divided by 2 - 1 / period.
    """
    import tensorflow as tf

    from federation.aggregation.clipping import clipped_sum

    rho, passes, length = 1.78, 8, 20_000
    noise = math.sqrt(passes * tree_rho(1.0, period) / rho)
    privacy = Privacy("tree", noise, period)
    assert spent(privacy, passes * period).rho == pytest.approx(rho)
    summing = clipped_sum(SumSettings(16, cohort=9, max_weight=1), privacy, length, 1.0, noise_seed=7)
    state, total = summing.initial(), tf.zeros([length])
    for _ in range(period):
        noisy, state = summing.finish(tf.zeros([length]), tf.constant(0.0), tf.constant(9.0), state)
        total += noisy
    assert np.var(total) * passes == pytest.approx(times * passes**2 / (2 * rho), rel=0.05)


def test_without_a_mechanism_there_is_no_guarantee() -> None:
    assert spent(Privacy(), 0).epsilon == 0
    assert spent(Privacy(), 1).epsilon == spent(Privacy(), 1).rho == math.inf
    check_budget(Privacy(), 1000)
    with pytest.raises(DataError, match="needs a mechanism"):
        Privacy(max_epsilon=3.0)


@given(PRIVATE, st.integers(1, 100))
@settings(max_examples=30, deadline=None)
def test_the_budget_refuses_the_first_round_that_exceeds_it(privacy: Privacy, allowed: int) -> None:
    limit = spent(privacy, allowed).rho
    budgeted = Privacy(
        privacy.mechanism, privacy.noise_multiplier, privacy.period, privacy.delta, max_rho=limit * 1.0001
    )
    rounds = allowed
    while spent(budgeted, rounds + 1).rho <= budgeted.max_rho:
        check_budget(budgeted, rounds + 1)
        rounds += 1
    with pytest.raises(BudgetExhaustedError, match=f"round {rounds + 1} would raise epsilon"):
        check_budget(budgeted, rounds + 1)


def test_the_bound_on_summed_discrete_gaussians_holds_for_the_distribution_itself() -> None:
    """Computes the Rényi divergences of a sum of three from its shifts by summation; tau matters where noise is narrow."""
    for stddev in (0.5, 1.0, 2.5):
        k = np.arange(-60, 61)
        one = np.exp(-(k**2) / (2 * stddev**2))
        total = np.convolve(np.convolve(one / one.sum(), one / one.sum()), one / one.sum())
        for shift in (1, 2):
            rho = distributed_rho(sensitivity=shift, stddev=stddev, devices=3, dimensions=1)
            p, q = total[:-shift], total[shift:]
            seen = (p > 1e-250) & (q > 1e-250)
            for order in (1.5, 2.0, 4.0):
                powers = order * np.log(p[seen]) + (1 - order) * np.log(q[seen])
                divergence = np.log(np.exp(powers).sum()) / (order - 1)
                assert divergence <= order * rho * (1 + 1e-9)
                if stddev >= 1:  # with wide noise the bound is the Gaussian's, and tight
                    assert divergence >= 0.98 * order * shift**2 / (2 * 3 * stddev**2)


def test_noise_too_narrow_for_the_bound_gives_no_guarantee() -> None:
    assert distributed_rho(sensitivity=1, stddev=0.49, devices=3, dimensions=1) == math.inf
    assert distributed_rho(sensitivity=1, stddev=0.49, devices=1, dimensions=1) == pytest.approx(1 / (2 * 0.49**2))
    privacy = Privacy("distributed", 1.0, 1, max_epsilon=100)
    assert spent(privacy, 1, math.inf).epsilon == math.inf
    with pytest.raises(BudgetExhaustedError, match="round 1"):
        check_budget(privacy, 1, math.inf)


@given(st.integers(1, 12), st.integers(1, 6), st.integers(0, 30), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_nobody_takes_part_twice_in_a_period(period: int, size: int, more: int, seed: int) -> None:
    privacy = Privacy("tree", 1.0, period)
    users = [f"user {i}" for i in range(period * size + more)]
    last: dict[str, int] = {}
    for number in range(1, 3 * period + 1):
        cohort = cohort_of_period(privacy, users, size, seed, number)
        assert len(cohort) == size
        for user in cohort:
            assert may_take_part(privacy, last.get(user), number)
            last[user] = number
            assert not may_take_part(privacy, last[user], number)
    with pytest.raises(DataError, match="nobody takes part twice"):
        cohort_of_period(privacy, users[: period * size - 1], size, seed, 1)


@given(st.integers(2, 40), st.floats(0, 0.7), st.floats(1, 8))
@settings(max_examples=30, deadline=None)
def test_no_round_with_dropouts_spends_more_than_is_counted(cohort: int, dropouts: float, noise: float) -> None:
    """Dropouts take their noise with them; as long as the minimum of devices is in a sum, its noise is enough."""
    fewest = max(2, math.ceil(cohort * (1 - dropouts)))
    privacy, length = Privacy("distributed", noise, 1), 1000
    summation = SumSettings(16, cohort, fewest, clipping_norm=0.5, max_weight=1)
    counted = rho_of_round(summation, privacy, length)
    assert counted is not None
    encoding, stddev = summation.encoding(length, privacy)
    reach = encoding.rounded_norm * float(encoding.scale)
    spend = [distributed_rho(reach, stddev, devices, encoding.padded) for devices in range(fewest, cohort + 1)]
    assert counted == pytest.approx(max(spend))
    assert counted >= 1 / (2 * noise**2) * (1 - 1e-6)  # no less than Gaussian noise of this multiplier
    assert distributed_rho(reach, stddev, fewest - 1, encoding.padded) > counted  # such a sum is refused
