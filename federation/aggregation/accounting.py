"""The privacy that rounds have spent: rho of zero-concentrated differential privacy, and epsilon at a delta.

Both describe the same guarantee. An observer of the model after any round, and of all models before it, can distinguish one
person's contribution from an empty one only as well as these numbers allow.

Tree aggregation over n rounds: a device that takes part once changes at most ceil(log2(n + 1)) nodes of the tree, each by
at most one device's contribution, and each node has noise of its own. So a tree satisfies (alpha, alpha * rho)-RDP for
every alpha > 1, with

    rho = ceil(log2(n + 1)) / (2 * noise_multiplier^2)

(Kairouz et al. 2021, arXiv 2103.00039, Appendix D; the rho that Xu et al. 2023, arXiv 2305.18465, state for Gboard's
models). That is rho-zCDP (Bun and Steinke 2016, arXiv 1605.02065, Definition 1.1). The rhos of restarted trees add up, since a
device may be in all of them.

A period of one round lets everybody take part in every round. Each tree is then a single node, Gaussian noise of its own, and n
rounds spend n / (2 * noise_multiplier^2). Where a round can hold everybody, this is the best use of a given rho: over R passes
through all people, the noise on all deltas together has a variance of R^2 / (2 rho), in squared clipping norms. Periods of 2 and 4
rounds make it 1.33 and 1.71 times as large for the same passes and rho. Trees are for cohorts that cannot hold everybody.

Distributed noise: a round in which n devices add discrete Gaussian noise of standard deviation s to a vector of d integers,
of which one device changes at most D in the L2 norm, satisfies rho-zCDP with

    rho = min(D^2 / (n s^2) + tau d / 2, (D / (sqrt(n) s) + tau sqrt(d))^2) / 2
    tau = 10 sum_{k=1}^{n-1} exp(-2 pi^2 s^2 k / (k + 1))

(Kairouz, Liu and Steinke 2021, arXiv 2102.06387, Theorem 1, which needs s of at least 1/2). A device is in at most one round of
a period.

A sum that was unmasked but made no model, because the coordinator was killed in between or the learner refused it, spends
privacy as well. It has the number of the round that replaces it, and lies in the same period. Its devices are not selected
again in that period (`may_take_part`), so no device is in both. One device's influence is then the same as if every round up
to the newest unmasked sum had made a model (`rounds_spent`), regardless of the number of attempts.

`dp_accounting` computes epsilon from the Rényi differential privacy of the same events.
"""

import math
from functools import lru_cache

import dp_accounting

from data.errors import UserFacingError
from federation.aggregation.privacy import Privacy, Spent
from federation.aggregation.sum_settings import FLOAT_BITS, SumSettings

_LEAST_STDDEV = 0.5  # of each device's noise: a sum of narrower discrete Gaussians is not nearly a discrete Gaussian


class BudgetExhaustedError(UserFacingError):
    """The next round would exceed the privacy budget."""


def tree_rho(noise_multiplier: float, rounds: int) -> float:
    """Returns the rho of one tree over `rounds` rounds, in at most one of which a device takes part."""
    return math.ceil(math.log2(rounds + 1)) / (2 * noise_multiplier**2)


def distributed_rho(sensitivity: float, stddev: float, devices: int, dimensions: int) -> float:
    """Returns the rho of one round of distributed noise; infinity for noise too narrow for the theorem above.

    Args:
      sensitivity: the greatest L2 norm, in units of the integers, by which one device can change the sum.
      stddev: the standard deviation of the noise that each device adds to each integer.
      devices: the minimum number of devices that added noise.
      dimensions: the number of integers.
    """
    if devices > 1 and stddev < _LEAST_STDDEV:
        return math.inf
    tau = 10 * sum(math.exp(-2 * math.pi**2 * stddev**2 * k / (k + 1)) for k in range(1, devices))
    gaussian = sensitivity / (math.sqrt(devices) * stddev)
    return min(gaussian**2 + tau * dimensions / 2, (gaussian + tau * math.sqrt(dimensions)) ** 2) / 2


def rho_of_round(summation: SumSettings, privacy: Privacy, length: int) -> float | None:
    """Returns the rho of a round with distributed noise over deltas of `length` entries; None with any other mechanism.

    Raises:
      DataError: the settings contradict each other.
    """
    if summation.bits == FLOAT_BITS:
        summation.check(privacy)
        return None
    encoding, stddev = summation.encoding(length, privacy)
    if not stddev:
        return None
    sensitivity = encoding.rounded_norm * float(encoding.scale)
    return distributed_rho(sensitivity, stddev, summation.least(privacy), encoding.padded)


def rounds_spent(made: int, unmasked: int) -> int:
    """Returns the number of rounds that have spent privacy.

    Args:
      made: the number of rounds that made a model.
      unmasked: the number, counted from 1, of the newest round whose sum was unmasked; 0 if there is none.
    """
    return max(made, unmasked)


def spent(privacy: Privacy, rounds: int, round_rho: float | None = None) -> Spent:
    """Returns the privacy that `rounds` rounds spend together.

    Args:
      privacy: the settings.
      rounds: the number of rounds that made a model, or had their sum unmasked (`rounds_spent`).
      round_rho: for distributed noise, the rho of one round (`rho_of_round`). The default is the rho of Gaussian noise with
        the same multiplier, a good approximation if the standard deviation is many units of the integers.
    """
    if not rounds:
        return Spent(0.0, privacy.delta, 0.0)
    if not privacy.private:
        return Spent(math.inf, privacy.delta, math.inf)
    periods, rest = divmod(rounds, privacy.period)
    if privacy.mechanism == "distributed":
        gaussian = 1 / (2 * privacy.noise_multiplier**2)
        rho = (periods + (rest > 0)) * (gaussian if round_rho is None else round_rho)
    else:
        rho = periods * tree_rho(privacy.noise_multiplier, privacy.period)
        rho += tree_rho(privacy.noise_multiplier, rest) if rest else 0.0
    return Spent(_epsilon(privacy, rounds, rho), privacy.delta, rho)


@lru_cache(maxsize=1024)
def _epsilon(privacy: Privacy, rounds: int, rho: float) -> float:
    accountant = dp_accounting.rdp.RdpAccountant(
        neighboring_relation=dp_accounting.NeighboringRelation.REPLACE_SPECIAL
        if privacy.mechanism == "tree"
        else dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE  # the only relation that a Gaussian event accepts
    )
    if privacy.mechanism == "tree":
        periods, rest = divmod(rounds, privacy.period)
        for count, steps in ((periods, privacy.period), (1, rest)):
            if count and steps:
                tree = dp_accounting.SingleEpochTreeAggregationDpEvent(privacy.noise_multiplier, steps)
                accountant.compose(dp_accounting.SelfComposedDpEvent(tree, count))
    else:
        accountant.compose(dp_accounting.GaussianDpEvent(1 / math.sqrt(2 * rho)))  # Gaussian noise of the same rho
    return float(accountant.get_epsilon(privacy.delta))


def check_budget(privacy: Privacy, rounds: int, round_rho: float | None = None) -> Spent:
    """Returns the privacy that `rounds` rounds spend (`spent`).

    Raises:
      BudgetExhaustedError: the budget does not allow that many rounds.
    """
    after = spent(privacy, rounds, round_rho)
    if privacy.private and (after.epsilon > privacy.max_epsilon or after.rho > privacy.max_rho):
        raise BudgetExhaustedError(
            f"round {rounds} would raise epsilon to {after.epsilon:.3g} at delta {after.delta:g} and rho to {after.rho:.3g}, "
            f"above the budget ({_limits(privacy)}): the model stays as it is after {rounds - 1} rounds"
        )
    return after


def _limits(privacy: Privacy) -> str:
    limits = (("epsilon", privacy.max_epsilon), ("rho", privacy.max_rho))
    return ", ".join(f"{name} at most {limit:g}" for name, limit in limits if limit < math.inf)
