"""The settings of differential privacy for a person's words. `federation.aggregation.accounting` computes the privacy spent.

There are two mechanisms. Both protect a whole person (everything that one device ever contributes, not a single message), and
both work over secure sums:

- `tree`: the server adds Gaussian noise by tree aggregation, which is DP-FTRL (Kairouz et al. 2021, arXiv 2103.00039;
  restarts in Appendix D). A round needs little noise, because it shares noise with the rounds before. The server is trusted
  to add it.
- `distributed`: each device adds its share of discrete Gaussian noise to its integers before it masks them (Kairouz, Liu and
  Steinke 2021, arXiv 2102.06387). Nobody holds a sum without noise, and every round has noise of its own.

Neither relies on devices being sampled at random, which no server can prove. Instead, a device takes part at most once in each
`period` of rounds, which the code that selects devices must ensure (`may_take_part`). The tree is restarted after each period.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.errors import DataError

MECHANISMS = ("none", "tree", "distributed")


@dataclass(frozen=True)
class Privacy:
    """The settings of differential privacy, fixed for a run.

    Neighbouring data sets differ by one device, whose contribution is replaced by nothing; the number of devices is public
    ("zero-out"; `REPLACE_SPECIAL` in `dp_accounting`).

    Raises:
      DataError: the settings contradict each other.
    """

    mechanism: str = "none"
    noise_multiplier: float = 0.0  # standard deviation of the noise (at a tree's node) / greatest change by one device
    period: int = 0  # rounds in which a device takes part at most once
    delta: float = 1e-5  # delta of the reported epsilon; should be below 1 / the number of people
    max_epsilon: float = math.inf  # the budget: rounds stop before they exceed either limit
    max_rho: float = math.inf

    def __post_init__(self) -> None:
        if self.mechanism not in MECHANISMS:
            raise DataError(f"there is no mechanism {self.mechanism!r}: choose one of {', '.join(MECHANISMS)}")
        if self.mechanism == "none":
            if self.max_epsilon < math.inf or self.max_rho < math.inf:
                raise DataError("a privacy budget needs a mechanism that spends it: choose tree or distributed")
            return
        if not (0 < self.noise_multiplier < math.inf and self.period >= 1 and 0 < self.delta < 1):
            raise DataError(
                "differential privacy needs a noise multiplier above 0, a period of rounds, and 0 < delta < 1"
            )

    @property
    def private(self) -> bool:
        """Whether there is a mechanism, and so a guarantee."""
        return self.mechanism != "none"

    def period_of(self, round_number: int) -> int:
        """Returns the period, counted from 0, of a round, counted from 1."""
        return (round_number - 1) // self.period


@dataclass(frozen=True)
class Spent:
    """The privacy spent so far: less is more private. Infinite after a round without a mechanism."""

    epsilon: float
    delta: float  # delta of this epsilon
    rho: float


def may_take_part(privacy: Privacy, last_round: int | None, round_number: int) -> bool:
    """Returns whether a device that last contributed to `last_round` may be selected for `round_number`, both counted from 1.

    Rounds are those that made a model. A round aborted before its sum could be unmasked revealed nothing and does not
    count; a round whose sum could be unmasked, but which made no model, has the number of the next round that does.
    """
    return not privacy.private or last_round is None or privacy.period_of(last_round) < privacy.period_of(round_number)


def cohort_of_period(privacy: Privacy, users: Sequence[str], size: int, seed: int, round_number: int) -> list[str]:
    """Returns the clients of a simulated round: in each period the users are shuffled and selected in turn, nobody twice.

    The result depends on the arguments alone, like that of `federation.simulation.clients.sample_cohort`.

    Raises:
      DataError: there are too few users for a period.
    """
    check_enough(privacy, len(users), size)
    order = np.random.default_rng([seed, privacy.period_of(round_number)]).permutation(len(users))
    start = (round_number - 1) % privacy.period * size
    return [users[i] for i in order[start : start + size]]


def check_enough(privacy: Privacy, users: int, size: int) -> None:
    """Raises DataError unless `users` people are enough for every round of a period to have a cohort of `size`."""
    if privacy.period * size > users:
        raise DataError(
            f"{users} people are too few for {privacy.period} rounds of {size} in which nobody takes part twice: "
            f"lower the period to {users // size}, or reduce the cohort"
        )


def privacy_line(privacy: Privacy, spent: Spent) -> str:
    """Returns one line for people: the mechanism, and its guarantee to a person whose words the model learned from."""
    if not privacy.private:
        return "no differential privacy"
    mechanism = {"tree": "tree aggregation by the server", "distributed": "discrete Gaussian noise from the devices"}
    return (
        f"epsilon {spent.epsilon:.3g} at delta {spent.delta:g}, rho {spent.rho:.3g} (zCDP), for all words of one person; "
        f"{mechanism[privacy.mechanism]}, noise multiplier {privacy.noise_multiplier:g}, each person in at most one of "
        f"{privacy.period} rounds"
    )
