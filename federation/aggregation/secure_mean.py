"""The aggregation of simulated and real rounds: the mean of deltas, computed from a secure sum of integers of few bits.

The secure sums of `tff.aggregators` have 32 bits, and the clipping norm as the range of each entry: with few bits, a delta's
small entries would be lost. Here a round has four steps:

1. broadcast: the seed of a rotation, the clipping norm, and the estimates of quantiles;
2. clients: zero, clip, weight, rotate, scale, and round at random (`federation.aggregation.tensor_encoding`, as devices
   do), and compare their norms to the estimates (`federation.protocol.round_terms`);
3. `federated_secure_modular_sum`: sum the resulting integers; nothing else leaves a client;
4. server: rotate the sum back, add noise and move the clipping norm (`federation.aggregation.clipping`), divide.

Compiled to TFF's `MapReduceForm` (`federation.aggregation.server_process`), the secure sum is over integers that devices mask
and a coordinator unmasks. In simulation, `federation.engine.local` adds them in the clear.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from federation.aggregation import clipping
from federation.aggregation.privacy import Privacy
from federation.aggregation.sum_settings import FLOAT_BITS, SumSettings
from federation.aggregation.tensor_encoding import TensorEncoding, as_arrays, as_vector, l2_norm
from federation.protocol.round_terms import COUNT_BITS, LOSS_STEPS

# The counts of `federation.protocol.round_terms` that the mean needs.
_COUNTS = ("devices", "weight", "side", "zeroing_side")

# The zeroing norm as in TFF's robust aggregator: 1 plus twice the 0.98 quantile of deltas' largest entries.
_ZEROING = clipping.quantile_query(10.0, 0.98, float(np.log(10.0)))

AggregatorState = Any  # <round=int64, seed=int64, key=int64[2], clipping=..., zeroing=...>@SERVER
BroadcastTerms = Any  # <seed, key, clipping_norm, estimate, zeroing_norm, zeroing_estimate>, from @SERVER to @CLIENTS
Integers = Any  # <delta=int32[p], counts=int64[4]>: a client's @CLIENTS, and their modular sums @SERVER
Update = Any  # a structure of float32 tensors: a client's weights before minus after @CLIENTS, and their mean @SERVER
Metrics = Any  # <loss=float32[2]>@CLIENTS, and the figures by name @SERVER
Federated = Any  # a value of one of these types inside a federated computation, with its placement
TffType = Any  # tff.Type


class SecureMean(tff.aggregators.WeightedAggregationFactory):
    """The weighted mean of structures of float32 tensors; under differential privacy, their sum divided by the cohort's size.

    The created process has the type (AggregatorState@SERVER, Update@CLIENTS, float32 weight@CLIENTS ->
    <state=AggregatorState@SERVER, result=Update@SERVER, measurements=...@SERVER>). It measures the clipping norm of the
    round, the estimate, and the sums of the counts; under differential privacy, without the sides, which have no noise.
    """

    def __init__(self, summation: SumSettings, privacy: Privacy, seed: int, noise_seed: int) -> None:
        """Checks the settings.

        Args:
          summation: how deltas are clipped and encoded.
          privacy: the mechanism.
          seed: the seed of the rotations; public.
          noise_seed: the seed of the server's noise and of simulated clients' random draws, below 2^62; a secret if the noise
            protects people.

        Raises:
          DataError: the settings contradict each other.
        """
        summation.check(privacy)
        self._summation, self._privacy, self._seed, self._noise_seed = summation, privacy, seed, noise_seed

    def create(self, value_type: TffType, weight_type: TffType) -> tff.templates.AggregationProcess:
        """Composes the process for updates of this type."""
        shapes = [tuple(member.shape) for member in value_type]
        length = int(sum(np.prod(shape) for shape in shapes))
        encoding = TensorEncoding(*self._summation.encoding(length, self._privacy))
        clipped = clipping.clipped_sum(self._summation, self._privacy, length, encoding.lengthening, self._noise_seed)
        zeroing, private = self._summation.zeroing, self._privacy.private

        @tff.tensorflow.computation
        def first_state() -> AggregatorState:
            return OrderedDict(
                round=tf.constant(0, tf.int64),
                seed=tf.constant(self._seed % 2**32, tf.int64),
                key=tf.constant([self._noise_seed, 0], tf.int64),
                clipping=clipped.initial(),
                zeroing=_ZEROING.initial_global_state(),
            )

        state_type = first_state.type_signature.result

        @tff.tensorflow.computation(state_type)
        def terms_of(state: AggregatorState) -> BroadcastTerms:
            norms, largest = clipped.norms(state["clipping"]), state["zeroing"].current_estimate
            return OrderedDict(
                seed=tf.math.floormod(state["seed"] + state["round"], 2**32),
                key=state["key"] + tf.stack([0, state["round"]]),
                clipping_norm=norms.clipping,
                estimate=norms.estimate,
                zeroing_norm=2 * largest + 1 if zeroing else tf.constant(0.0),
                zeroing_estimate=largest if zeroing else tf.constant(0.0),
            )

        terms_type = terms_of.type_signature.result

        @tff.tensorflow.computation(value_type, weight_type, terms_type)
        def client_part(value: Update, weight: tf.Tensor, terms: BroadcastTerms) -> Integers:
            delta = -as_vector(tuple(value))  # TFF's update is the negative delta, before - after
            largest = tf.reduce_max(tf.abs(delta))
            if zeroing:
                delta = tf.cond(largest > terms["zeroing_norm"], lambda: tf.zeros_like(delta), lambda: delta)
            norm, weight = l2_norm(delta), tf.minimum(weight, encoding.sizes.max_weight)
            integers = encoding.encode(delta, weight, terms["clipping_norm"], terms["seed"], terms["key"])
            sides = _side(norm, terms["estimate"]), _side(largest, terms["zeroing_estimate"])
            counts = [tf.constant(1, tf.int64), tf.cast(weight, tf.int64), *sides]
            return OrderedDict(delta=integers, counts=tf.stack(counts))

        sums_type = client_part.type_signature.result

        @tff.tensorflow.computation(state_type, sums_type)
        def server_part(state: AggregatorState, sums: Integers) -> tuple[AggregatorState, Update, Metrics]:
            norms, counts = clipped.norms(state["clipping"]), dict(zip(_COUNTS, _signed(sums["counts"]), strict=True))
            seed = tf.math.floormod(state["seed"] + state["round"], 2**32)
            total = encoding.decode(sums["delta"], norms.clipping, seed)
            devices = tf.cast(counts["devices"], tf.float32)
            total, after = clipped.finish(total, tf.cast(counts["side"], tf.float32), devices, state["clipping"])
            zeroing_state = state["zeroing"]
            if zeroing:
                side = tf.cast(counts["zeroing_side"], tf.float32)
                zeroing_state = clipping.moved(_ZEROING, side, devices, zeroing_state)
            if private:  # the divisor must not depend on which devices took part
                mean = total / self._summation.cohort
            else:
                weight = tf.cast(counts["weight"], tf.float64)
                greatest = tf.constant(encoding.sizes.max_weight, tf.float64)
                mean = total * tf.cast(tf.math.divide_no_nan(greatest, weight), tf.float32)
            next_state = OrderedDict(state, round=state["round"] + 1, clipping=after, zeroing=zeroing_state)
            shown = _COUNTS[:2] if private else _COUNTS  # the sums of the sides have no noise
            measured = OrderedDict(
                clipping_norm=norms.clipping, estimate=norms.estimate, **{n: counts[n] for n in shown}
            )
            return next_state, as_arrays(-mean, shapes), measured

        moduli = OrderedDict(delta=2**encoding.sizes.bits, counts=2**COUNT_BITS)

        @tff.federated_computation()
        def initialize() -> Federated:
            return tff.federated_eval(first_state, tff.SERVER)

        @tff.federated_computation(
            initialize.type_signature.result,
            tff.FederatedType(value_type, tff.CLIENTS),
            tff.FederatedType(weight_type, tff.CLIENTS),
        )
        def next_round(state: Federated, value: Federated, weight: Federated) -> tff.templates.MeasuredProcessOutput:
            terms = tff.federated_broadcast(tff.federated_map(terms_of, state))
            parts = tff.federated_map(client_part, (value, weight, terms))
            sums = tff.backends.mapreduce.federated_secure_modular_sum(parts, moduli)
            next_state, mean, measured = tff.federated_map(server_part, (state, sums))
            return tff.templates.MeasuredProcessOutput(next_state, mean, measured)

        return tff.templates.AggregationProcess(initialize, next_round)


def aggregator(
    summation: SumSettings, privacy: Privacy, seed: int, noise_seed: int
) -> tff.aggregators.WeightedAggregationFactory:
    """Returns the aggregation for these settings: a `SecureMean`, or for 32 bits TFF's mean of clipped floats.

    Raises:
      DataError: the settings contradict each other.
    """
    if summation.bits != FLOAT_BITS:
        return SecureMean(summation, privacy, seed, noise_seed)
    summation.check(privacy)
    norm: float | tff.templates.EstimationProcess = summation.clipping_norm
    quantile = tff.aggregators.PrivateQuantileEstimationProcess
    if summation.clipping_quantile:
        query = clipping.quantile_query(summation.clipping_norm, summation.clipping_quantile, clipping.CLIPPING_RATE)
        norm = quantile(query)
    mean = tff.aggregators.clipping_factory(norm, tff.aggregators.MeanFactory(no_nan_division=True))
    if not summation.zeroing:
        return mean
    return tff.aggregators.zeroing_factory(quantile(_ZEROING).map(_zeroing_norm), mean)


@tff.tensorflow.computation(np.float32)
def _zeroing_norm(largest: tf.Tensor) -> tf.Tensor:
    return 2 * largest + 1


def secure_metrics(finalizer: Any) -> Callable[[Federated], Federated]:
    """Returns a metrics aggregator of `tff.learning` for the metrics of `federation.aggregation.algorithms.functional_model`.

    Its type is (<loss=float32[2]>@CLIENTS -> <loss=float32, words=float32>@SERVER). It sums losses and words securely, as the
    integers of `federation.protocol.round_terms`.
    """
    del finalizer  # `server_part` divides instead

    @tff.federated_computation
    def aggregate(metrics: Federated) -> Federated:
        metrics_type = metrics.type_signature.member

        @tff.tensorflow.computation(metrics_type)
        def client_part(metrics: Metrics) -> tf.Tensor:
            steps = tf.constant([LOSS_STEPS, 1], tf.float32)
            return tf.cast(tf.round(metrics["loss"] * steps), tf.int64)

        @tff.tensorflow.computation(client_part.type_signature.result)
        def server_part(sums: tf.Tensor) -> Metrics:
            loss, words = tf.unstack(tf.cast(sums, tf.float64))
            mean = tf.math.divide_no_nan(loss / LOSS_STEPS, words)
            return OrderedDict(loss=tf.cast(mean, tf.float32), words=tf.cast(words, tf.float32))

        parts = tff.federated_map(client_part, metrics)
        sums = tff.backends.mapreduce.federated_secure_modular_sum(parts, 2**COUNT_BITS)
        return tff.federated_map(server_part, sums)

    return aggregate


def _side(norm: tf.Tensor, estimate: tf.Tensor) -> tf.Tensor:
    """Returns 1 if the norm is at most the estimate, else -1; 0 without an estimate."""
    side = tf.where(norm <= estimate, tf.constant(1, tf.int64), tf.constant(-1, tf.int64))
    return tf.where(estimate > 0, side, tf.zeros_like(side))


def _signed(counts: tf.Tensor) -> list[tf.Tensor]:
    """Returns sums modulo 2^48 as the signed numbers that they represent."""
    half = 2 ** (COUNT_BITS - 1)
    return tf.unstack(tf.math.floormod(counts + half, 2 * half) - half)
