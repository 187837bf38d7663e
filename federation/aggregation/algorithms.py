"""TFF's learning processes over the CIFG-LSTM: the clients' training, and the server's use of the sums.

`tff.learning` composes a round from four parts; this file provides ours:

1. broadcast: the global weights go to the clients of the round;
2. client work: each client takes steps of SGD with clipped gradients on its own rows, as a keyboard's LiteRT program does;
3. aggregation: the mean of the model deltas, weighted by the number of targets that each client trained on;
4. server optimizer: treats the mean as a gradient (Reddi et al. 2021, arXiv 2003.00295). SGD with a learning rate of 1
   makes this FedAvg (McMahan et al. 2017, arXiv 1602.05629), Adam makes it FedAdam, Yogi FedYogi. FedProx (Li et al. 2020,
   arXiv 1812.06127) is FedAvg whose clients are held near the global weights in step 2.

Only the trainable part of the weights (`model.device.trainable`) has deltas, an optimizer's state, and noise. The others are the
process's non-trainable weights: broadcast, and never changed.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from data.errors import DataError
from federation.aggregation.server_settings import SERVER_LEARNING_RATES, Server
from model.device.config import ModelConfig
from model.device.learning.finetuning import FineTuning
from model.device.sampling import SAMPLED
from model.device.trainable import trainable_shapes
from model.device.weights import Weights
from model.row_likelihood import row_likelihood, sampled_likelihood

Tensors = Any  # a nested structure of tf.Tensor or tf.TensorSpec, like a model's weights, inside a computation
OptimizerState = Any  # a nested structure of tf.Tensor: a client optimizer's state, part of the client work @CLIENTS
MetricsState = Any  # <loss=float32[2]>@CLIENTS: the loss summed over targets, and their number


def server_optimizer(server: Server) -> tff.learning.optimizers.Optimizer:
    """Returns the optimizer that applies a mean model delta.

    Raises:
      DataError: the algorithm is unknown.
    """
    optimizers = tff.learning.optimizers
    if server.algorithm in ("fedavg", "fedprox"):
        optimizer = optimizers.build_sgdm(server.learning_rate, momentum=server.momentum or None)
    elif server.algorithm == "fedadam":
        # Reddi et al. 2021, Section 4: with this beta_2 Adam forgets within a hundred rounds.
        optimizer = optimizers.build_adam(server.learning_rate, beta_1=0.9, beta_2=0.99, epsilon=1e-6)
    elif server.algorithm == "fedyogi":
        optimizer = optimizers.build_yogi(server.learning_rate, beta_1=0.9, beta_2=0.99, epsilon=1e-6)
    else:
        known = ", ".join(SERVER_LEARNING_RATES)
        raise DataError(f"there is no algorithm {server.algorithm!r}: choose one of {known}")
    return optimizers.schedule_learning_rate(optimizer, _decayed(server)) if server.decay_rounds else optimizer


def _decayed(server: Server) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns the cosine schedule of the learning rate (Loshchilov and Hutter 2017, arXiv 1608.03983, without restarts)."""

    def learning_rate(rounds_done: tf.Tensor) -> tf.Tensor:
        progress = tf.minimum(tf.cast(rounds_done, tf.float32) / server.decay_rounds, 1.0)
        return server.learning_rate * (0.5 + 0.5 * tf.cos(math.pi * progress))

    return learning_rate


class ClippedSGD(tff.learning.optimizers.Optimizer):
    """The client optimizer: SGD with each step's gradient clipped to a global L2 norm, as in the device's program."""

    def __init__(self, learning_rate: float, clipping_norm: float) -> None:
        self._sgd = tff.learning.optimizers.build_sgdm(learning_rate)
        self._norm = clipping_norm

    def initialize(self, specs: Tensors) -> OptimizerState:
        """Returns the state of plain SGD: its learning rate."""
        return self._sgd.initialize(specs)

    @tf.autograph.experimental.do_not_convert
    def next(self, state: OptimizerState, weights: Tensors, gradients: Tensors) -> tuple[OptimizerState, Tensors]:
        """Takes one step. The learning rate and the clipping are one factor, so that a gradient is read once for both.

        Of a weight whose gradient is `tf.IndexedSlices`, with each row at most once, only these rows are read and written.
        """
        flat = tf.nest.flatten(gradients)
        squares = 2 * tf.add_n([tf.nn.l2_loss(g.values if isinstance(g, tf.IndexedSlices) else g) for g in flat])
        rate = state[tff.learning.optimizers.LEARNING_RATE_KEY]
        factor = rate * self._norm / tf.maximum(tf.sqrt(squares), self._norm)
        changed = [_descended(w, g, factor) for w, g in zip(tf.nest.flatten(weights), flat, strict=True)]
        return state, tf.nest.pack_sequence_as(weights, changed)


def _descended(weight: tf.Tensor, gradient: tf.Tensor | tf.IndexedSlices, factor: tf.Tensor) -> tf.Tensor:
    """Returns a weight minus `factor` times its gradient. Rows are subtracted in place, as nothing else needs the weight."""
    if isinstance(gradient, tf.IndexedSlices):
        places = tf.expand_dims(gradient.indices, 1)
        return tf.tensor_scatter_nd_sub(weight, places, factor * gradient.values)
    return weight - factor * gradient


class Proximal(tff.learning.optimizers.Optimizer):
    """A client optimizer that stays near the weights that the round starts from (FedProx).

    The proximal term, half of `strength` times the squared distance from these weights, is added to the loss.
    `tff.learning.algorithms.build_weighted_fed_prox` of TFF 0.87.0 adds the term's gradient with the wrong sign, which drives
    clients away from the global weights.
    """

    def __init__(self, optimizer: tff.learning.optimizers.Optimizer, strength: float) -> None:
        self._optimizer = optimizer
        self._strength = strength

    def initialize(self, specs: Tensors) -> OptimizerState:
        """Returns the state of the inner optimizer, and room for the weights before the first step."""
        anchor = tf.nest.map_structure(lambda spec: tf.zeros(spec.shape, spec.dtype), specs)
        return OrderedDict(optimizer=self._optimizer.initialize(specs), anchor=anchor, begun=tf.constant(False))

    def next(self, state: OptimizerState, weights: Tensors, gradients: Tensors) -> tuple[OptimizerState, Tensors]:
        """Takes one step. The first has no proximal term, as the weights have not moved yet."""
        anchor = tf.nest.map_structure(lambda a, w: tf.where(state["begun"], a, w), state["anchor"], weights)
        dense = tf.nest.map_structure(tf.convert_to_tensor, gradients)  # the term moves all rows
        pulled = tf.nest.map_structure(lambda g, w, a: g + self._strength * (w - a), dense, weights, anchor)
        inner, weights = self._optimizer.next(state["optimizer"], weights, pulled)
        return OrderedDict(optimizer=inner, anchor=anchor, begun=tf.constant(True)), weights


def model_weights(
    config: ModelConfig, weights: Weights, trainable: str = "all"
) -> tff.learning.models.ModelWeights[Any, Any]:
    """Returns weights in TFF's form: the trainable arrays and the others, each in the order of `ModelConfig.shapes`."""
    chosen = trainable_shapes(config, trainable)
    others = tuple(weights[name] for name in config.shapes if name not in chosen)
    return tff.learning.models.ModelWeights(tuple(weights[name] for name in chosen), others)


def named_weights(config: ModelConfig, trained: Any, others: Any, trainable: str = "all") -> dict[str, Any]:
    """Returns weights by name, the inverse of `model_weights`."""
    chosen = trainable_shapes(config, trainable)
    fixed = (name for name in config.shapes if name not in chosen)
    named = dict(zip(chosen, trained, strict=True)) | dict(zip(fixed, others, strict=True))
    return {name: named[name] for name in config.shapes}


def functional_model(config: ModelConfig, weights: Weights, how: FineTuning) -> tff.learning.models.FunctionalModel:
    """Returns the model in TFF's functional form, trained as `how` says; see `functional_form`."""

    def named(trained: Any, others: Any) -> dict[str, Any]:
        return named_weights(config, trained, others, how.trainable)

    return functional_form(config, model_weights(config, weights, how.trainable), named, how.softmax)


def functional_form(
    config: ModelConfig,
    initial: tff.learning.models.ModelWeights[Any, Any],
    named: Callable[[Any, Any], dict[str, Any]],
    softmax: str = "full",
) -> tff.learning.models.FunctionalModel:
    """Returns the network in TFF's functional form, for any division of its weights into trained and other arrays.

    A batch is (rows [n, T + 1] int32, their targets [n, T]), as `federation.engine.training_data` makes it; all targets have the
    same weight. With the sampled softmax, rows and targets are indices among the batch's candidates, and the rows come with them:
    ((rows, words [C] int32, shift [C] float32), targets). The model's predictions are the log-likelihoods of the targets that
    are not padding, one per word. TFF weights a client by the number of its predictions, and so by its words.

    Args:
      config: the model's sizes.
      initial: the first arrays, trained ones and others.
      named: returns the weights by name, given the trained arrays and the others.
      softmax: over all words ("full"), or over candidates ("sampled").
    """
    sampled = softmax == SAMPLED

    # These functions have no control flow over tensors. Without its conversion by AutoGraph, TFF compiles a process sooner.
    @tf.function(autograph=False)
    def predict(values: Tensors, inputs: Tensors, training: bool = True) -> tf.Tensor:
        del training  # the network has no dropout layers
        trained, others = values
        weights = named(trained, others)
        if sampled:
            rows, words, shift = inputs
            return sampled_likelihood(weights, tf.ensure_shape(rows, [None, config.window + 1]), words, shift)
        return row_likelihood(weights, tf.ensure_shape(inputs, [None, config.window + 1]))

    @tf.autograph.experimental.do_not_convert
    def loss(output: tf.Tensor, label: tf.Tensor, sample_weight: tf.Tensor | None = None) -> tf.Tensor:
        del label, sample_weight
        return -tf.reduce_mean(output)

    @tf.function(autograph=False)
    def no_metrics() -> MetricsState:
        return OrderedDict(loss=tf.zeros([2]))

    @tf.function(autograph=False)
    def add_metrics(
        state: MetricsState, labels: tf.Tensor, batch_output: Tensors, sample_weight: tf.Tensor | None = None
    ) -> MetricsState:
        del labels, sample_weight
        words = tf.cast(batch_output.num_examples, tf.float32)
        return OrderedDict(loss=state["loss"] + tf.stack([batch_output.loss * words, words]))

    @tf.function(autograph=False)
    def finish_metrics(state: MetricsState) -> Tensors:
        return OrderedDict(loss=state["loss"][0] / state["loss"][1], words=state["loss"][1])

    rows_spec, targets_spec = (tf.TensorSpec([None, n], tf.int32) for n in (config.window + 1, config.window))
    candidates_spec = tf.TensorSpec([config.candidates], tf.int32), tf.TensorSpec([config.candidates], tf.float32)
    form = _SparseFunctionalModel if sampled else tff.learning.models.FunctionalModel
    return form(
        initial_weights=(initial.trainable, initial.non_trainable),
        predict_on_batch_fn=predict,
        loss_fn=loss,
        metrics_fns=(no_metrics, add_metrics, finish_metrics),
        input_spec=((rows_spec, *candidates_spec) if sampled else rows_spec, targets_spec),
    )


class _SparseFunctionalModel(tff.learning.models.FunctionalModel):
    """A functional model whose gradients keep the form that its function gives them: some rows of a weight, `tf.IndexedSlices`.

    TFF's own makes a `tf.function` of a prediction, at whose border gradients become dense.
    """

    def __init__(self, predict_on_batch_fn: Any, **options: Any) -> None:
        super().__init__(predict_on_batch_fn=predict_on_batch_fn, **options)
        self._predict = predict_on_batch_fn.python_function

    @tf.autograph.experimental.do_not_convert
    def predict_on_batch(self, model_weights: Tensors, x: Tensors, training: bool = True) -> tf.Tensor:
        """Returns the model's predictions, traced as a part of the computation that asks for them."""
        return self._predict(model_weights, x, training)


def learning_process(
    config: ModelConfig,
    weights: Weights,
    client: FineTuning,
    server: Server,
    aggregator: tff.aggregators.WeightedAggregationFactory | None = None,
    model: tff.learning.models.FunctionalModel | None = None,
    **options: Any,
) -> tff.learning.templates.LearningProcess:
    """Composes a process whose `initialize` returns `weights` and whose `next` runs a round over a list of client datasets.

    Its types are (-> LearningAlgorithmState@SERVER) and (LearningAlgorithmState@SERVER, {(rows, targets)*}@CLIENTS ->
    <state=LearningAlgorithmState@SERVER, metrics=...@SERVER>).

    Args:
      config: the model's sizes.
      weights: the first global weights.
      client: how clients train, and which weights.
      server: the algorithm.
      aggregator: replaces the plain weighted mean.
      model: replaces the functional form that trains as `client` says.
      **options: the options of `tff.learning.algorithms.build_weighted_fed_avg`.

    Raises:
      DataError: the algorithm is unknown.
    """
    client_optimizer: tff.learning.optimizers.Optimizer = ClippedSGD(client.learning_rate, client.clipping_norm)
    if server.algorithm == "fedprox":
        client_optimizer = Proximal(client_optimizer, server.proximal_strength)
    return tff.learning.algorithms.build_weighted_fed_avg(
        model or functional_model(config, weights, client),
        client_optimizer_fn=client_optimizer,
        server_optimizer_fn=server_optimizer(server),
        # A cohort without a single word has weight 0: without a division by zero, it leaves the model unchanged.
        model_aggregator=aggregator or tff.aggregators.MeanFactory(no_nan_division=True),
        loop_implementation=tff.learning.LoopImplementation.DATASET_ITERATOR,
        **options,
    )


def weights_of(
    state: tff.learning.templates.LearningAlgorithmState, config: ModelConfig, trainable: str = "all"
) -> Weights:
    """Returns the global weights in the state of a learning process that trains the part `trainable`, by name."""
    values = state.global_model_weights
    named = named_weights(config, values.trainable, values.non_trainable, trainable)
    return {name: np.asarray(array) for name, array in named.items()}
