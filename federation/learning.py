"""The learning processes of TFF over the CIFG-LSTM: what clients do with their words and what the server does with the sums.

`tff.learning` composes a round from four parts; this file gives it ours:

1. broadcast: the global weights go to the clients of the round;
2. client work: each takes steps of SGD, gradients clipped, on its own rows, as a keyboard's LiteRT program does;
3. aggregation: the mean of the model deltas, weighted by the targets each client learned from;
4. server optimizer: the mean is taken for a gradient (Reddi et al. 2021, arXiv 2003.00295). SGD with a learning rate of 1 makes
   this FedAvg (McMahan et al. 2017, arXiv 1602.05629), Adam makes it FedAdam.
"""

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
from model.device.finetuning import FineTuning
from model.device.weights import Weights

SERVER_LEARNING_RATES = {"fedavg": 1.0, "fedadam": 0.01}


@dataclass(frozen=True)
class Server:
    """How the server turns a mean model delta into the next global model."""

    algorithm: str = "fedavg"
    learning_rate: float = 1.0

    def optimizer(self) -> tff.learning.optimizers.Optimizer:
        """The server optimizer.

        Raises:
          DataError: there is no such algorithm.
        """
        if self.algorithm == "fedavg":
            return tff.learning.optimizers.build_sgdm(self.learning_rate)
        if self.algorithm == "fedadam":
            # Reddi et al. 2021, Section 4: beta_2 that forgets within a hundred rounds.
            return tff.learning.optimizers.build_adam(self.learning_rate, beta_1=0.9, beta_2=0.99, epsilon=1e-6)
        raise DataError(f"there is no algorithm {self.algorithm!r}: choose one of {', '.join(SERVER_LEARNING_RATES)}")


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
    config: ModelConfig, weights: Weights, client: FineTuning, server: Server
) -> tff.learning.templates.LearningProcess:
    """The process whose `initialize` holds `weights` and whose `next` is a round over a list of client datasets."""
    return tff.learning.algorithms.build_weighted_fed_avg(
        functional_model(config, weights),
        client_optimizer_fn=ClippedSGD(client.learning_rate, client.clipping_norm),
        server_optimizer_fn=server.optimizer(),
        # A cohort of people who wrote nothing but emoji leaves the model as it is.
        model_aggregator=tff.aggregators.MeanFactory(no_nan_division=True),
        loop_implementation=tff.learning.LoopImplementation.DATASET_ITERATOR,
    )


def weights_of(state: tff.learning.templates.LearningAlgorithmState, config: ModelConfig) -> Weights:
    """The global model in a state of a learning process, by name."""
    arrays = state.global_model_weights.trainable
    return {name: np.asarray(array) for name, array in zip(config.shapes, arrays, strict=True)}
