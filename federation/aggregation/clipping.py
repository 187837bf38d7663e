"""Clipping and privacy of a sum, with the queries of TensorFlow Privacy that TFF's aggregators are built from.

A `ClippedSum` determines the L2 norm that a round's deltas are clipped to, and how the server finishes their sum:

- without a mechanism the norm is fixed, or follows a quantile, as in `tff.aggregators.clipping_factory` with
  `PrivateQuantileEstimationProcess.no_noise` (Andrew et al. 2021, arXiv 1905.03871);
- with the `tree` mechanism the sum gets noise by tree aggregation, restarted after each period, as in
  `tff.aggregators.DifferentiallyPrivateFactory.tree_aggregation` and `.tree_adaptive`. The latter does not support secure
  sums, and seeds the noise of its counts with the time of day; this file supports secure sums, and takes a seed.

State is passed in and returned; states are nested structures of tensors.
"""

from collections import OrderedDict
from typing import Any, NamedTuple, Protocol

import tensorflow as tf
import tensorflow_federated as tff
import tensorflow_privacy as tfp
from tensorflow_privacy.privacy.dp_query.quantile_estimator_query import TreeQuantileEstimatorQuery

from federation.aggregation.privacy import Privacy
from federation.aggregation.sum_settings import SumSettings

CLIPPING_RATE = 0.2  # learning rate of the quantile estimate, as in TFF's robust aggregator
_SEED_DISTANCE = 2**40  # distance between the seeds of two generators, since a seed counts up with each draw
# The standard deviation of the noise on the count that moves the quantile, as a share of the expected number of devices.
_COUNT_NOISE = 0.05

State = Any  # a query's state: nested tensors, a part of the aggregator's state@SERVER
Sample = Any  # a query's sample state: nested tensors, a round's sum in the form that the query accepts, @SERVER


class Norms(NamedTuple):
    """The norms that are broadcast to devices, float32 scalars."""

    clipping: tf.Tensor  # the L2 norm that deltas are clipped to
    estimate: tf.Tensor  # estimated quantile of the deltas' norms, to which devices compare theirs; 0: no comparison


class ClippedSum(Protocol):
    """The sum of a round's deltas: the norm that each delta is clipped to, and the server's treatment of the total."""

    def initial(self) -> State:
        """Returns the state before any round."""

    def norms(self, state: State) -> Norms:
        """Returns the norms of the next round."""

    def finish(self, total: tf.Tensor, side: tf.Tensor, devices: tf.Tensor, state: State) -> tuple[tf.Tensor, State]:
        """Returns a round's sum, with noise where there is a mechanism, and the next state.

        Args:
          total: float32 [n], the sum of the clipped deltas.
          side: float32, the number of devices whose norm was at most the estimate, minus the number of the others.
          devices: float32, the number of devices in the sum.
          state: the present state.
        """


def clipped_sum(
    summation: SumSettings, privacy: Privacy, length: int, lengthening: float, noise_seed: int
) -> ClippedSum:
    """Returns the clipped sum for these settings.

    Args:
      summation: the clipping.
      privacy: the mechanism. The clipped sum does not add the noise that devices add themselves.
      length: the number of entries of a delta.
      lengthening: the factor by which rounding may lengthen a contribution beyond the clipping norm; the noise covers it.
      noise_seed: the seed of the server's noise, a secret: anyone who knows it can subtract the noise.
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

    def initial(self) -> State:
        return OrderedDict(norm=tf.constant(self._norm, tf.float32))

    def norms(self, state: State) -> Norms:
        return Norms(state["norm"], tf.zeros([]))

    def finish(self, total: tf.Tensor, side: tf.Tensor, devices: tf.Tensor, state: State) -> tuple[tf.Tensor, State]:
        del side, devices
        return total, state


class _Quantile:
    def __init__(self, summation: SumSettings) -> None:
        self._query = quantile_query(summation.clipping_norm, summation.clipping_quantile, CLIPPING_RATE)

    def initial(self) -> State:
        return self._query.initial_global_state()

    def norms(self, state: State) -> Norms:
        return Norms(state.current_estimate, state.current_estimate)

    def finish(self, total: tf.Tensor, side: tf.Tensor, devices: tf.Tensor, state: State) -> tuple[tf.Tensor, State]:
        return total, moved(self._query, side, devices, state)


def quantile_query(first: float, quantile: float, rate: float) -> tfp.NoPrivacyQuantileEstimatorQuery:
    """Returns a query that estimates a quantile without noise, in geometric steps, as in TFF's robust aggregator."""
    return tfp.NoPrivacyQuantileEstimatorQuery(first, quantile, rate, geometric_update=True)


def moved(query: tfp.NoPrivacyQuantileEstimatorQuery, side: tf.Tensor, devices: tf.Tensor, state: State) -> State:
    """Returns the estimate's state after a round. A round without devices leaves it unchanged."""
    # A sample state has the structure of its sums: half the sum of the sides, and the number of devices.
    sample = query.initial_sample_state()
    sums = tf.nest.pack_sequence_as(sample, [side / 2, tf.maximum(devices, 1.0)])
    _, after, _ = query.get_noised_result(sums, state)
    return tf.nest.map_structure(lambda old, new: tf.where(devices > 0, new, old), state, after)


class _Tree:
    def __init__(self, query: tfp.SumAggregationDPQuery, period: int, adaptive: bool) -> None:
        self._query = tfp.RestartQuery(query, tfp.restart_query.PeriodicRoundRestartIndicator(period))
        self._adaptive = adaptive

    def initial(self) -> State:
        return self._query.initial_global_state()

    def norms(self, state: State) -> Norms:
        inner = state.inner_query_state
        if self._adaptive:  # the norm changes when the tree is restarted, the estimate in every round
            return Norms(inner.sum_state.clip_value, inner.quantile_estimator_state.current_estimate)
        return Norms(inner.clip_value, tf.zeros([]))  # no estimate: the sum of the sides would have no noise

    def finish(self, total: tf.Tensor, side: tf.Tensor, devices: tf.Tensor, state: State) -> tuple[tf.Tensor, State]:
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
    # With little noise on the counts of a small cohort, the counts would use up nearly all of the privacy budget.
    value_noise, count_noise = tff.aggregators.differential_privacy.adaptive_clip_noise_params(
        multiplier, expected, max(_COUNT_NOISE * expected, multiplier)
    )
    return _AdaptiveTree(summation, value_noise * lengthening, count_noise, expected, record, noise_seed)


class _TreeQuantile(TreeQuantileEstimatorQuery):
    """TensorFlow Privacy's query of a quantile, with a seed for its noise."""

    def __init__(self, noise_seed: int, *arguments: Any, **options: Any) -> None:
        self._noise_seed = noise_seed
        super().__init__(*arguments, **options)

    def _construct_below_estimate_query(
        self, below_estimate_stddev: float, expected_num_records: float
    ) -> tfp.NormalizedQuery:
        numerator = tfp.TreeResidualSumQuery.build_l2_gaussian_query(
            0.5, 2 * below_estimate_stddev, tf.TensorSpec([]), self._noise_seed
        )
        return tfp.NormalizedQuery(numerator, denominator=expected_num_records)


class _AdaptiveTree(tfp.QAdaClipTreeResSumQuery):
    """TensorFlow Privacy's query of an adaptively clipped sum, with a seed for the noise of the counts as well."""

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
        self._quantile_estimator_query = _TreeQuantile(noise_seed + _SEED_DISTANCE, *quantile, geometric_update=True)

    @classmethod
    def sample(cls, total: tf.Tensor, side: tf.Tensor) -> Sample:
        return cls._SampleState(total, side)
