"""The settings of clipping and summing deltas, the same for simulated and real rounds.

Nothing here imports TensorFlow. `federation.protocol.round_terms` applies the settings to the numbers that devices send,
`federation.aggregation.secure_mean` to their sums on the server.
"""

from dataclasses import dataclass

from data.errors import DataError
from federation.aggregation.privacy import Privacy
from federation.protocol.delta_encoding import Encoding
from federation.protocol.noise import private_encoding

FLOAT_BITS = 32


@dataclass(frozen=True)
class SumSettings:
    """How a round's deltas are clipped, weighted, and encoded as integers of few bits.

    Raises:
      DataError: a setting is out of range.
    """

    bits: int = 16  # bits of a sent entry, 2 to 16; in simulation also 32: sums of floats in the clear, for comparison
    cohort: int = 20  # maximum number of devices in a sum; with a mechanism, also the divisor of the sum
    minimum: int = 0  # minimum number of devices in a sum, which distributed noise is calibrated for; 0: the cohort
    clipping_norm: float = 1.0  # greatest L2 norm of a delta; with a quantile, the first estimate of that norm
    # Quantile of deltas' norms that the clipping norm follows (Andrew et al. 2021); 0: the norm is fixed.
    clipping_quantile: float = 0.0
    zeroing: bool = False  # whether a delta counts as zero if its largest entry is far above those of earlier rounds
    max_weight: int = 2000  # greatest weight of a device, in words; 1: all devices weigh the same

    def __post_init__(self) -> None:
        if not (self.clipping_norm > 0 and 0 <= self.clipping_quantile < 1 and 0 <= self.minimum <= self.cohort):
            raise DataError(
                "clipping needs a norm above 0 and a quantile of at least 0 and below 1; the minimum is at most the cohort"
            )

    def check(self, privacy: Privacy) -> None:
        """Raises DataError if the settings would break the guarantee of `privacy`."""
        if not privacy.private:
            return
        if self.bits == FLOAT_BITS:
            raise DataError("differential privacy needs sums of integers: choose 2 to 16 bits")
        if self.max_weight != 1:
            raise DataError("under differential privacy all devices weigh the same: set the greatest weight to 1")
        if self.zeroing:
            raise DataError("zeroing adapts to the deltas without noise: under differential privacy use clipping alone")
        if privacy.mechanism == "distributed" and self.clipping_quantile:
            raise DataError(
                "adaptive clipping is for the tree mechanism: with distributed noise the clipping norm is fixed"
            )

    def least(self, privacy: Privacy) -> int:
        """Returns the minimum number of devices in a sum; with fewer, distributed noise would be less than promised."""
        return max(1, self.minimum or (self.cohort if privacy.mechanism == "distributed" else 0))

    def encoding(self, length: int, privacy: Privacy) -> tuple[Encoding, float]:
        """Returns the encoding of deltas of `length` entries, and the standard deviation of each device's noise in its steps.

        The encoding has the clipping norm and the seed of the first round.

        Raises:
          DataError: the bits are too few, or the settings contradict each other.
        """
        self.check(privacy)
        if privacy.mechanism == "distributed":
            least, noise = self.least(privacy), privacy.noise_multiplier
            return private_encoding(length, self.clipping_norm, self.cohort, least, self.bits, 0, noise)
        return Encoding(length, self.clipping_norm, self.max_weight, self.cohort, self.bits, 0), 0.0
