"""What a run promises about the privacy of a whole person's words, as settings; `federation.aggregation.accounting` says what it amounts to.

Two mechanisms, both at the level of people (all that one device ever gives, not one message), both over secure sums:

- `tree`: the server adds Gaussian noise by tree aggregation, which is DP-FTRL (Kairouz et al. 2021, arXiv 2103.00039, restarts
  in Appendix D). The noise of a round is small as it is shared with the rounds before. The server is trusted to add it.
- `distributed`: each device adds its share of discrete Gaussian noise to its integers, under the sum (Kairouz, Liu and Steinke
  2021, arXiv 2102.06387). Nobody holds a sum without noise, and every round costs its own noise.

Neither counts on chance to draw a device, which no server can prove. Instead a device takes part at most once in each `period`
of rounds, at the end of which the tree is restarted; whoever selects devices has to see to that (`may_take_part`).
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

    The guarantee is that of replacing everything one device gives with nothing, where the number of devices is public
    ("zero-out"; `REPLACE_SPECIAL` in `dp_accounting`).
    """

    mechanism: str = "none"
    noise_multiplier: float = (
        0.0  # standard deviation of the noise (of a tree's node) / what one device can change in a sum
    )
    period: int = 0  # rounds in which a device takes part at most once
    delta: float = 1e-5  # of the epsilon that is shown; should be below one by the number of people
    max_epsilon: float = math.inf  # the budget: rounds stop before they would exceed either
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
        """Whether there is a guarantee at all."""
        return self.mechanism != "none"

    def period_of(self, round_number: int) -> int:
        """Which period a round, counted from 1, belongs to; periods count from 0."""
        return (round_number - 1) // self.period


@dataclass(frozen=True)
class Spent:
    """What was spent; the less, the more private. Infinite without a mechanism."""

    epsilon: float
    delta: float  # of that epsilon
    rho: float


def may_take_part(privacy: Privacy, last_round: int | None, round_number: int) -> bool:
    """Whether a device that last gave something to `last_round` may be called to `round_number`, both counted from 1.

    Rounds are those that made a model. One that was aborted before its sum could be unmasked revealed nothing and does not count;
    one whose sum could be, and that made no model, has the number of the next that does.
    """
    return not privacy.private or last_round is None or privacy.period_of(last_round) < privacy.period_of(round_number)


def cohort_of_period(privacy: Privacy, users: Sequence[str], size: int, seed: int, round_number: int) -> list[str]:
    """The clients of a simulated round: in each period the users are shuffled and called in turn, nobody twice.

    A function of its arguments alone, like `federation.simulation.clients.sample_cohort`.

    Raises:
      DataError: there are too few users for a period.
    """
    check_enough(privacy, len(users), size)
    order = np.random.default_rng([seed, privacy.period_of(round_number)]).permutation(len(users))
    start = (round_number - 1) % privacy.period * size
    return [users[i] for i in order[start : start + size]]


def check_enough(privacy: Privacy, users: int, size: int) -> None:
    """Lets settings pass under which every round of a period finds its devices.

    Raises:
      DataError: there are too few.
    """
    if privacy.period * size > users:
        raise DataError(
            f"{users} people cannot take part once each in {privacy.period} rounds of {size}: "
            f"lower the period to {users // size}, or the cohort"
        )
