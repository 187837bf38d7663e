"""How devices' deltas are bounded and summed, as settings: the same for simulated and real rounds.

It needs no TensorFlow. What the settings mean for numbers on the wire is `federation.protocol.round_terms`; what the server does with
the sums is `federation.aggregation.secure_mean`.
"""

from dataclasses import dataclass

from data.errors import DataError
from federation.aggregation.privacy import Privacy
from federation.protocol.delta_encoding import Encoding
from federation.protocol.noise import private_encoding

FLOAT_BITS = 32


@dataclass(frozen=True)
class SumSettings:
    """How a round's deltas are clipped, weighed and made integers of few bits.

    Raises:
      DataError: a setting is none, or the bits are too few for the cohort.
    """

    bits: int = 16  # of an entry as sent, 2 to 16; in simulation also 32: floats, summed in the clear, to compare with
    cohort: int = 20  # devices in a sum, at most; with a mechanism, also what the sum is divided by
    minimum: int = 0  # devices in a sum, at least: what distributed noise is calibrated for; 0: as many as the cohort
    clipping_norm: float = 1.0  # greatest L2 norm of a delta, or the first estimate of its quantile
    clipping_quantile: float = (
        0.0  # of the deltas' norms that the clipping norm follows (Andrew et al. 2021); 0: it stays
    )
    zeroing: bool = False  # deltas whose largest entry is far above all so far count as zeros
    max_weight: int = 2000  # words that a device counts at most; 1: all devices count alike

    def __post_init__(self) -> None:
        if not (self.clipping_norm > 0 and 0 <= self.clipping_quantile < 1 and 0 <= self.minimum <= self.cohort):
            raise DataError(
                "clipping needs a norm above 0, a quantile from 0 to below 1, and no more devices than the cohort"
            )

    def check(self, privacy: Privacy) -> None:
        """Lets settings pass that go with this promise.

        Raises:
          DataError: they would break it.
        """
        if not privacy.private:
            return
        if self.bits == FLOAT_BITS:
            raise DataError("differential privacy is built over sums of integers: choose 2 to 16 bits")
        if self.max_weight != 1:
            raise DataError("under differential privacy all devices count alike: set the greatest weight to 1")
        if self.zeroing:
            raise DataError("zeroing follows the deltas without noise: under differential privacy clipping has to do")
        if privacy.mechanism == "distributed" and self.clipping_quantile:
            raise DataError(
                "adaptive clipping is for the tree mechanism: with distributed noise the clipping norm is fixed"
            )

    def least(self, privacy: Privacy) -> int:
        """How few devices may be in a sum: with fewer, distributed noise would not be what was promised."""
        return max(1, self.minimum or (self.cohort if privacy.mechanism == "distributed" else 0))

    def encoding(self, length: int, privacy: Privacy) -> tuple[Encoding, float]:
        """The encoding of deltas of so many entries, and the standard deviation of each device's noise in its steps.

        What it has for clipping norm and seed are the first round's.

        Raises:
          DataError: the bits are too few.
        """
        self.check(privacy)
        if privacy.mechanism == "distributed":
            least, noise = self.least(privacy), privacy.noise_multiplier
            return private_encoding(length, self.clipping_norm, self.cohort, least, self.bits, 0, noise)
        return Encoding(length, self.clipping_norm, self.max_weight, self.cohort, self.bits, 0), 0.0
