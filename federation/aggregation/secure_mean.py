"""One aggregation for simulated and real rounds: the mean of deltas by a secure sum of integers of few bits.

`tff.aggregators` has secure sums of 32 bits whose range is the clipping norm, so that few bits lose a delta's small entries. Here:

1. broadcast: the seed of a rotation, the clipping norm, the estimates of quantiles;
2. clients: zero, clip, weigh, rotate, scale, round at random (`federation.aggregation.tensor_encoding`, as devices do), and say on which side of the
   estimates they are: `federation.protocol.round_terms`;
3. `federated_secure_modular_sum` of these integers, and nothing else: it is all that leaves a client;
4. server: rotate the sum back, add noise and move the clipping norm (`federation.aggregation.clipping`), divide.

Compiled to TFF's `MapReduceForm` (`federation.aggregation.server_process`) the secure sum is what devices mask and a coordinator unmasks; in
simulation `federation.engine.local` adds in the clear.
"""

from collections import OrderedDict
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from federation.aggregation import clipping
from federation.aggregation.privacy import Privacy
from federation.aggregation.sum_settings import FLOAT_BITS, SumSettings
from federation.aggregation.tensor_encoding import TensorEncoding, as_arrays, as_vector, l2_norm
from federation.protocol.round_terms import COUNT_BITS, LOSS_STEPS

_COUNTS = ("devices", "weight", "side", "zeroing_side")  # of `federation.protocol.round_terms`, what the mean needs

# Zeroing as TFF's robust aggregator has it: twice the 0.98 quantile of deltas' largest entries and one more, in long steps.
_ZEROING = clipping.quantile_query(10.0, 0.98, float(np.log(10.0)))


class SecureMean(tff.aggregators.WeightedAggregationFactory):
    """The weighted mean of structures of float32 tensors; under differential privacy their sum by the cohort's size.

    The created process takes (state@SERVER, value@CLIENTS, float32 weight@CLIENTS) and measures the clipping norm of the round,
    the estimate, and the sums of `_COUNTS`, but for those that privacy keeps back.
    """

    def __init__(self, summation: SumSettings, privacy: Privacy, seed: int, noise_seed: int) -> None:
        """Takes the settings.

        Args:
          summation: how deltas are bounded and encoded.
          privacy: the mechanism.
          seed: of the rotations, which everybody knows.
          noise_seed: of the server's noise, and of what simulated clients draw, below 2^62; a secret where the noise protects
            anybody.

        Raises:
          DataError: the settings contradict each other.
        """
        summation.check(privacy)
        self._summation, self._privacy, self._seed, self._noise_seed = summation, privacy, seed, noise_seed

    def create(self, value_type: Any, weight_type: Any) -> tff.templates.AggregationProcess:
        """See above."""
        shapes = [tuple(member.shape) for member in value_type]
        length = int(sum(np.prod(shape) for shape in shapes))
        encoding = TensorEncoding(*self._summation.encoding(length, self._privacy))
        bound = clipping.bound_of(self._summation, self._privacy, length, encoding.lengthening, self._noise_seed)
        zeroing, private = self._summation.zeroing, self._privacy.private

        @tff.tensorflow.computation
        def first_state() -> Any:
            return OrderedDict(
                round=tf.constant(0, tf.int64),
                seed=tf.constant(self._seed % 2**32, tf.int64),
                key=tf.constant([self._noise_seed, 0], tf.int64),
                bound=bound.initial(),
                zeroing=_ZEROING.initial_global_state(),
            )

        state_type = first_state.type_signature.result

        @tff.tensorflow.computation(state_type)
        def terms_of(state: Any) -> Any:
            norms, largest = bound.norms(state["bound"]), state["zeroing"].current_estimate
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
        def client_part(value: Any, weight: Any, terms: Any) -> Any:
            delta = -as_vector(tuple(value))  # what TFF calls an update is the way back, before - after
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
        def server_part(state: Any, sums: Any) -> Any:
            norms, counts = bound.norms(state["bound"]), dict(zip(_COUNTS, _signed(sums["counts"]), strict=True))
            seed = tf.math.floormod(state["seed"] + state["round"], 2**32)
            total = encoding.decode(sums["delta"], norms.clipping, seed)
            devices = tf.cast(counts["devices"], tf.float32)
            total, after = bound.finish(total, tf.cast(counts["side"], tf.float32), devices, state["bound"])
            zeroing_state = state["zeroing"]
            if zeroing:
                side = tf.cast(counts["zeroing_side"], tf.float32)
                zeroing_state = clipping.moved(_ZEROING, side, devices, zeroing_state)
            if private:  # divided by what does not depend on who came
                mean = total / self._summation.cohort
            else:
                weight = tf.cast(counts["weight"], tf.float64)
                greatest = tf.constant(encoding.sizes.max_weight, tf.float64)
                mean = total * tf.cast(tf.math.divide_no_nan(greatest, weight), tf.float32)
            next_state = OrderedDict(state, round=state["round"] + 1, bound=after, zeroing=zeroing_state)
            shown = _COUNTS[:2] if private else _COUNTS  # the sides have no noise here
            measured = OrderedDict(
                clipping_norm=norms.clipping, estimate=norms.estimate, **{n: counts[n] for n in shown}
            )
            return next_state, as_arrays(-mean, shapes), measured

        moduli = OrderedDict(delta=2**encoding.sizes.bits, counts=2**COUNT_BITS)

        @tff.federated_computation()
        def initialize() -> Any:
            return tff.federated_eval(first_state, tff.SERVER)

        @tff.federated_computation(
            initialize.type_signature.result,
            tff.FederatedType(value_type, tff.CLIENTS),
            tff.FederatedType(weight_type, tff.CLIENTS),
        )
        def next_round(state: Any, value: Any, weight: Any) -> Any:
            terms = tff.federated_broadcast(tff.federated_map(terms_of, state))
            parts = tff.federated_map(client_part, (value, weight, terms))
            sums = tff.backends.mapreduce.federated_secure_modular_sum(parts, moduli)
            next_state, mean, measured = tff.federated_map(server_part, (state, sums))
            return tff.templates.MeasuredProcessOutput(next_state, mean, measured)

        return tff.templates.AggregationProcess(initialize, next_round)


def aggregator(
    summation: SumSettings, privacy: Privacy, seed: int, noise_seed: int
) -> tff.aggregators.WeightedAggregationFactory:
    """The aggregation that settings ask for: a `SecureMean`, or for 32 bits TFF's own over floats, with the same clipping.

    Raises:
      DataError: the settings contradict each other.
    """
    if summation.bits != FLOAT_BITS:
        return SecureMean(summation, privacy, seed, noise_seed)
    summation.check(privacy)
    norm: Any = summation.clipping_norm
    quantile = tff.aggregators.PrivateQuantileEstimationProcess
    if summation.clipping_quantile:
        norm = quantile(clipping.quantile_query(norm, summation.clipping_quantile, clipping.CLIPPING_RATE))
    mean = tff.aggregators.clipping_factory(norm, tff.aggregators.MeanFactory(no_nan_division=True))
    if not summation.zeroing:
        return mean
    return tff.aggregators.zeroing_factory(quantile(_ZEROING).map(_beyond), mean)


@tff.tensorflow.computation(np.float32)
def _beyond(largest: Any) -> Any:
    return 2 * largest + 1


def secure_metrics(finalizer: Any) -> Any:
    """Sums the clients' losses and words securely, in the numbers of `federation.protocol.round_terms`.

    A metrics aggregator of `tff.learning` for the metrics of `federation.aggregation.algorithms.functional_model`.
    """
    del finalizer  # it is the quotient below

    @tff.federated_computation
    def aggregate(metrics: Any) -> Any:
        metrics_type = metrics.type_signature.member

        @tff.tensorflow.computation(metrics_type)
        def client_part(metrics: Any) -> Any:
            steps = tf.constant([LOSS_STEPS, 1], tf.float32)
            return tf.cast(tf.round(metrics["loss"] * steps), tf.int64)

        @tff.tensorflow.computation(client_part.type_signature.result)
        def server_part(sums: Any) -> Any:
            loss, words = tf.unstack(tf.cast(sums, tf.float64))
            mean = tf.math.divide_no_nan(loss / LOSS_STEPS, words)
            return OrderedDict(loss=tf.cast(mean, tf.float32), words=tf.cast(words, tf.float32))

        parts = tff.federated_map(client_part, metrics)
        sums = tff.backends.mapreduce.federated_secure_modular_sum(parts, 2**COUNT_BITS)
        return tff.federated_map(server_part, sums)

    return aggregate


def _side(norm: tf.Tensor, estimate: tf.Tensor) -> tf.Tensor:
    side = tf.where(norm <= estimate, tf.constant(1, tf.int64), tf.constant(-1, tf.int64))
    return tf.where(estimate > 0, side, tf.zeros_like(side))


def _signed(counts: tf.Tensor) -> list[tf.Tensor]:
    half = 2 ** (COUNT_BITS - 1)
    return tf.unstack(tf.math.floormod(counts + half, 2 * half) - half)
