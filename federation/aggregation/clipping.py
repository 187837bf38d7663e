"""How a sum is bounded and made private, by the queries of TensorFlow Privacy that TFF's aggregators are made of.

A `Bound` says to which L2 norm a round's deltas are clipped, and what becomes of their sum at the server:

- without a mechanism the norm is fixed, or follows a quantile as `tff.aggregators.clipping_factory` has it with
  `PrivateQuantileEstimationProcess.no_noise` (Andrew et al. 2021, arXiv 1905.03871);
- with the `tree` mechanism the sum is given noise by tree aggregation, restarted after each period, as
  `tff.aggregators.DifferentiallyPrivateFactory.tree_aggregation` and `.tree_adaptive` have it. The latter takes no secure sum, and
  draws the noise of its counts from a seed that is the time of day; here both can be had.

State in, state out; states are nested structures of tensors.
"""

from collections import OrderedDict
from typing import Any, NamedTuple, Protocol

import tensorflow as tf
import tensorflow_federated as tff
import tensorflow_privacy as tfp
from tensorflow_privacy.privacy.dp_query.quantile_estimator_query import TreeQuantileEstimatorQuery

from federation.aggregation.privacy import Privacy
from federation.aggregation.sum_settings import SumSettings

CLIPPING_RATE = 0.2  # as TFF's robust aggregator has it
_APART = 2**40  # of two generators' seeds, which count up with what they draw
_COUNT_NOISE = 0.05  # of the expected devices: standard deviation of the noise on the count that moves the quantile


class Norms(NamedTuple):
    """What devices are told: the clipping norm, and the estimate beside which they say on which side their delta is; 0: none."""

    clipping: tf.Tensor
    estimate: tf.Tensor


class Bound(Protocol):
    """Bounds what one device gives to a sum, and finishes the sum."""

    def initial(self) -> Any:
        """The state before any round."""

    def norms(self, state: Any) -> Norms:
        """The norms of the next round."""

    def finish(self, total: tf.Tensor, side: tf.Tensor, devices: tf.Tensor, state: Any) -> tuple[tf.Tensor, Any]:
        """A round's sum as it may be used, and the next state.

        Args:
          total: float32 [n], the sum of the clipped deltas.
          side: float32, how many devices' norms were at most the estimate, minus how many were above it.
          devices: float32, how many devices are in the sum.
          state: as it is.
        """


def bound_of(summation: SumSettings, privacy: Privacy, length: int, lengthening: float, noise_seed: int) -> Bound:
    """The bound that settings ask for.

    Args:
      summation: the clipping.
      privacy: the mechanism; noise that is added on the devices is no matter of the bound.
      length: entries of a delta.
      lengthening: by what factor rounding may take a device's part beyond the clipping norm: the noise covers it.
      noise_seed: of the server's noise; whoever knows it can take the noise off.
    """
    if privacy.mechanism == "tree":
        query = _tree(summation, privacy, length, lengthening, noise_seed)
        return _Tree(query, privacy.period, adaptive=summation.clipping_quantile > 0)
    if summation.clipping_quantile:
        return _Quantile(summation)
    return _Fixed(summation.clipping_norm)


class _Fixed:
    def __init__(self, norm: float) -> None:
        self._norm = norm

    def initial(self) -> Any:
        return OrderedDict(norm=tf.constant(self._norm, tf.float32))

    def norms(self, state: Any) -> Norms:
        return Norms(state["norm"], tf.zeros([]))

    def finish(self, total: tf.Tensor, side: tf.Tensor, devices: tf.Tensor, state: Any) -> tuple[tf.Tensor, Any]:
        del side, devices
        return total, state


class _Quantile:
    def __init__(self, summation: SumSettings) -> None:
        self._query = quantile_query(summation.clipping_norm, summation.clipping_quantile, CLIPPING_RATE)

    def initial(self) -> Any:
        return self._query.initial_global_state()

    def norms(self, state: Any) -> Norms:
        return Norms(state.current_estimate, state.current_estimate)

    def finish(self, total: tf.Tensor, side: tf.Tensor, devices: tf.Tensor, state: Any) -> tuple[tf.Tensor, Any]:
        return total, moved(self._query, side, devices, state)


def quantile_query(first: float, quantile: float, rate: float) -> tfp.NoPrivacyQuantileEstimatorQuery:
    """Estimates a quantile without noise, in geometric steps, as TFF's robust aggregator does."""
    return tfp.NoPrivacyQuantileEstimatorQuery(first, quantile, rate, geometric_update=True)


def moved(query: tfp.NoPrivacyQuantileEstimatorQuery, side: tf.Tensor, devices: tf.Tensor, state: Any) -> Any:
    """The estimate's state after a round; nobody on either side leaves it as it is."""
    sample = (
        query.initial_sample_state()
    )  # of this structure: a sum of halves with the sides' signs, and how many there were
    sums = tf.nest.pack_sequence_as(sample, [side / 2, tf.maximum(devices, 1.0)])
    _, after, _ = query.get_noised_result(sums, state)
    return tf.nest.map_structure(lambda old, new: tf.where(devices > 0, new, old), state, after)


class _Tree:
    def __init__(self, query: tfp.SumAggregationDPQuery, period: int, adaptive: bool) -> None:
        self._query = tfp.RestartQuery(query, tfp.restart_query.PeriodicRoundRestartIndicator(period))
        self._adaptive = adaptive

    def initial(self) -> Any:
        return self._query.initial_global_state()

    def norms(self, state: Any) -> Norms:
        inner = state.inner_query_state
        if self._adaptive:  # the norm stays as it is until the tree is restarted, the estimate moves with every round
            return Norms(inner.sum_state.clip_value, inner.quantile_estimator_state.current_estimate)
        return Norms(inner.clip_value, tf.zeros([]))  # a count that gets no noise is not asked for

    def finish(self, total: tf.Tensor, side: tf.Tensor, devices: tf.Tensor, state: Any) -> tuple[tf.Tensor, Any]:
        del devices
        sample = _AdaptiveTree.sample(total, side / 2) if self._adaptive else total
        noisy, after, _ = self._query.get_noised_result(sample, state)
        return noisy, after


def _tree(
    summation: SumSettings, privacy: Privacy, length: int, lengthening: float, noise_seed: int
) -> tfp.SumAggregationDPQuery:
    record = tf.TensorSpec([length], tf.float32)
    if not summation.clipping_quantile:
        return tfp.TreeResidualSumQuery.build_l2_gaussian_query(
            summation.clipping_norm, privacy.noise_multiplier * lengthening, record, noise_seed
        )
    expected, multiplier = float(summation.cohort), privacy.noise_multiplier
    # With little noise on the counts of a small cohort, nearly all of the privacy would go to them.
    value_noise, count_noise = tff.aggregators.differential_privacy.adaptive_clip_noise_params(
        multiplier, expected, max(_COUNT_NOISE * expected, multiplier)
    )
    return _AdaptiveTree(summation, value_noise * lengthening, count_noise, expected, record, noise_seed)


class _TreeQuantile(TreeQuantileEstimatorQuery):
    """TensorFlow Privacy's, with a seed."""

    def __init__(self, noise_seed: int, *arguments: Any, **options: Any) -> None:
        self._noise_seed = noise_seed
        super().__init__(*arguments, **options)

    def _construct_below_estimate_query(self, below_estimate_stddev: float, expected_num_records: float) -> Any:
        numerator = tfp.TreeResidualSumQuery.build_l2_gaussian_query(
            0.5, 2 * below_estimate_stddev, tf.TensorSpec([]), self._noise_seed
        )
        return tfp.NormalizedQuery(numerator, denominator=expected_num_records)


class _AdaptiveTree(tfp.QAdaClipTreeResSumQuery):
    """TensorFlow Privacy's, whose counts have noise of a seed, too."""

    def __init__(
        self,
        summation: SumSettings,
        value_noise: float,
        count_noise: float,
        expected: float,
        record: tf.TensorSpec,
        noise_seed: int,
    ) -> None:
        quantile = (summation.clipping_norm, summation.clipping_quantile, CLIPPING_RATE, count_noise, expected)
        first, *rest = quantile
        super().__init__(first, value_noise, record, *rest, geometric_update=True, noise_seed=noise_seed)
        self._quantile_estimator_query = _TreeQuantile(noise_seed + _APART, *quantile, geometric_update=True)

    @classmethod
    def sample(cls, total: tf.Tensor, side: tf.Tensor) -> Any:
        return cls._SampleState(total, side)
