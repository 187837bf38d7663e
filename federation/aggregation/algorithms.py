"""The learning processes of TFF over the CIFG-LSTM: what clients do with their words and what the server does with the sums.

`tff.learning` composes a round from four parts; this file gives it ours:

1. broadcast: the global weights go to the clients of the round;
2. client work: each takes steps of SGD, gradients clipped, on its own rows, as a keyboard's LiteRT program does;
3. aggregation: the mean of the model deltas, weighted by the targets each client learned from;
4. server optimizer: the mean is taken for a gradient (Reddi et al. 2021, arXiv 2003.00295). SGD with a learning rate of 1 makes
   this FedAvg (McMahan et al. 2017, arXiv 1602.05629), Adam makes it FedAdam, Yogi FedYogi. FedProx (Li et al. 2020, arXiv
   1812.06127) is FedAvg whose clients are held near the global weights in step 2.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from data.errors import DataError
from data.vocabulary import PAD
from model import cifg
from model.device.config import ModelConfig
from model.device.learning.finetuning import FineTuning
from model.device.weights import Weights

SERVER_LEARNING_RATES = {
    "fedavg": 1.0,
    "fedadam": 0.01,
    "fedyogi": 0.01,
    "fedprox": 1.0,
}  # the algorithms, with defaults


@dataclass(frozen=True)
class Server:
    """How the server turns a mean model delta into the next global model."""

    algorithm: str = "fedavg"
    learning_rate: float = 1.0
    decay_rounds: int = 0  # the rounds over which the rate falls along half a cosine to zero; 0 keeps it as it is
    proximal_strength: float = (
        0.01  # of fedprox alone: half of it times the squared distance is added to a client's loss
    )

    def optimizer(self) -> tff.learning.optimizers.Optimizer:
        """The server optimizer.

        Raises:
          DataError: there is no such algorithm.
        """
        optimizers = tff.learning.optimizers
        if self.algorithm in ("fedavg", "fedprox"):
            optimizer = optimizers.build_sgdm(self.learning_rate)
        elif self.algorithm == "fedadam":
            # Reddi et al. 2021, Section 4: beta_2 that forgets within a hundred rounds.
            optimizer = optimizers.build_adam(self.learning_rate, beta_1=0.9, beta_2=0.99, epsilon=1e-6)
        elif self.algorithm == "fedyogi":
            optimizer = optimizers.build_yogi(self.learning_rate, beta_1=0.9, beta_2=0.99, epsilon=1e-6)
        else:
            known = ", ".join(SERVER_LEARNING_RATES)
            raise DataError(f"there is no algorithm {self.algorithm!r}: choose one of {known}")
        return optimizers.schedule_learning_rate(optimizer, self._decayed) if self.decay_rounds else optimizer

    def _decayed(self, rounds_done: tf.Tensor) -> tf.Tensor:
        """The learning rate of a round (Loshchilov and Hutter 2017, arXiv 1608.03983, without restarts)."""
        progress = tf.minimum(tf.cast(rounds_done, tf.float32) / self.decay_rounds, 1.0)
        return self.learning_rate * (0.5 + 0.5 * tf.cos(math.pi * progress))


class ClippedSGD(tff.learning.optimizers.Optimizer):
    """The client optimizer: SGD with the gradient of a step clipped to a global L2 norm, as the device's program has it."""

    def __init__(self, learning_rate: float, clipping_norm: float) -> None:
        self._sgd = tff.learning.optimizers.build_sgdm(learning_rate)
        self._norm = clipping_norm

    def initialize(self, specs: Any) -> Any:
        """The state of plain SGD: its learning rate."""
        return self._sgd.initialize(specs)

    def next(self, state: Any, weights: Any, gradients: Any) -> tuple[Any, Any]:
        """One step."""
        clipped = cifg.clip_by_global_norm(tf.nest.flatten(gradients), tf.constant(self._norm))
        return self._sgd.next(state, weights, tf.nest.pack_sequence_as(gradients, clipped))


class Proximal(tff.learning.optimizers.Optimizer):
    """A client optimizer held near the weights it starts a round from (FedProx).

    Half of `strength` times the squared distance from them is added to the loss.
    `tff.learning.algorithms.build_weighted_fed_prox` of TFF 0.87.0 adds the term's gradient with the wrong sign, and drives
    clients away from the global weights: a test of ours found out.
    """

    def __init__(self, optimizer: tff.learning.optimizers.Optimizer, strength: float) -> None:
        self._optimizer = optimizer
        self._strength = strength

    def initialize(self, specs: Any) -> Any:
        """The state of the optimizer within, and room for the weights of the first step."""
        anchor = tf.nest.map_structure(lambda spec: tf.zeros(spec.shape, spec.dtype), specs)
        return OrderedDict(optimizer=self._optimizer.initialize(specs), anchor=anchor, begun=tf.constant(False))

    def next(self, state: Any, weights: Any, gradients: Any) -> tuple[Any, Any]:
        """One step; the first has nothing to be held back from."""
        anchor = tf.nest.map_structure(lambda a, w: tf.where(state["begun"], a, w), state["anchor"], weights)
        pulled = tf.nest.map_structure(lambda g, w, a: g + self._strength * (w - a), gradients, weights, anchor)
        inner, weights = self._optimizer.next(state["optimizer"], weights, pulled)
        return OrderedDict(optimizer=inner, anchor=anchor, begun=tf.constant(True)), weights


def functional_model(config: ModelConfig, weights: Weights) -> tff.learning.models.FunctionalModel:
    """The model as TFF takes it: a batch is (rows [n, T + 1] int32, their targets [n, T]), whose every target counts alike.

    What it calls predictions are the log-likelihoods of the targets that are not padding: one for each word, so that TFF, which
    weighs a client by the number of its predictions, weighs it by words.
    """

    @tf.function
    def predict(model_weights: Any, rows: tf.Tensor, training: bool = True) -> tf.Tensor:
        del training  # there is no dropout
        named = dict(zip(config.shapes, model_weights[0], strict=True))
        tokens = tf.ensure_shape(rows, [None, config.window + 1])
        inputs, targets = tokens[:, :-1], tf.reshape(tokens[:, 1:], [-1])
        hidden, _ = cifg.run(named, inputs, cifg.zero_state(named, tf.shape(inputs)[0]))
        real = tf.not_equal(targets, PAD)
        return cifg.log_likelihood(named, tf.boolean_mask(hidden, real), tf.boolean_mask(targets, real))

    def loss(output: tf.Tensor, label: tf.Tensor, sample_weight: tf.Tensor | None = None) -> tf.Tensor:
        del label, sample_weight
        return -tf.reduce_mean(output)

    @tf.function
    def no_metrics() -> Any:
        return OrderedDict(loss=tf.zeros([2]))

    @tf.function
    def add_metrics(state: Any, labels: Any, batch_output: Any, sample_weight: Any = None) -> Any:
        del labels, sample_weight
        words = tf.cast(batch_output.num_examples, tf.float32)
        return OrderedDict(loss=state["loss"] + tf.stack([batch_output.loss * words, words]))

    @tf.function
    def finish_metrics(state: Any) -> Any:
        return OrderedDict(loss=state["loss"][0] / state["loss"][1], words=state["loss"][1])

    return tff.learning.models.FunctionalModel(
        initial_weights=(tuple(weights[name] for name in config.shapes), ()),
        predict_on_batch_fn=predict,
        loss_fn=loss,
        metrics_fns=(no_metrics, add_metrics, finish_metrics),
        input_spec=(
            tf.TensorSpec([None, config.window + 1], tf.int32),
            tf.TensorSpec([None, config.window], tf.int32),
        ),
    )


def learning_process(
    config: ModelConfig,
    weights: Weights,
    client: FineTuning,
    server: Server,
    aggregator: tff.aggregators.WeightedAggregationFactory | None = None,
    **options: Any,
) -> tff.learning.templates.LearningProcess:
    """The process whose `initialize` holds `weights` and whose `next` is a round over a list of client datasets.

    `aggregator` takes the place of the plain mean; `options` are those of `tff.learning.algorithms.build_weighted_fed_avg`.
    """
    client_optimizer: tff.learning.optimizers.Optimizer = ClippedSGD(client.learning_rate, client.clipping_norm)
    if server.algorithm == "fedprox":
        client_optimizer = Proximal(client_optimizer, server.proximal_strength)
    return tff.learning.algorithms.build_weighted_fed_avg(
        functional_model(config, weights),
        client_optimizer_fn=client_optimizer,
        server_optimizer_fn=server.optimizer(),
        # A cohort of people who wrote nothing but emoji leaves the model as it is.
        model_aggregator=aggregator or tff.aggregators.MeanFactory(no_nan_division=True),
        loop_implementation=tff.learning.LoopImplementation.DATASET_ITERATOR,
        **options,
    )


def weights_of(state: tff.learning.templates.LearningAlgorithmState, config: ModelConfig) -> Weights:
    """The global model in a state of a learning process, by name."""
    arrays = state.global_model_weights.trainable
    return {name: np.asarray(array) for name, array in zip(config.shapes, arrays, strict=True)}
