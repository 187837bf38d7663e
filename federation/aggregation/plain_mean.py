"""The server's half of a round over real devices: TFF turns their model deltas into the next global model.

This is the same half that `tff.learning` composes into a simulated round: the weighted `tff.aggregators.MeanFactory`, then
the server optimizer as a finalizer. The devices did the clients' half.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from data.errors import DataError
from federation.aggregation.algorithms import (
    ClippedSGD,
    functional_model,
    model_weights,
    named_weights,
    server_optimizer,
)
from federation.aggregation.server_settings import Server
from federation.engine.state_store import StateStore
from model.device.config import ModelConfig
from model.device.learning.finetuning import FineTuning
from model.device.trainable import trainable_shapes
from model.device.weights import Weights, check_weights

Federated = Any  # a TFF value inside a federated computation: a member type @SERVER or @CLIENTS
Tensors = Any  # a nested structure of tf.Tensor inside a TensorFlow computation


class Aggregation:
    """Averages model deltas and applies a server optimizer, whose state it keeps between rounds. Needs an `engine`.

    Weights outside the part `part` (`model.device.trainable`) stay as they are, whatever the deltas say of them.
    """

    def __init__(self, config: ModelConfig, server: Server, part: str = "all") -> None:
        self._config, self._part = config, part
        chosen = trainable_shapes(config, part)
        types = {name: tff.TensorType(np.float32, shape) for name, shape in config.shapes.items()}
        trainable = tuple(types[name] for name in chosen)
        others = tuple(types[name] for name in types if name not in chosen)
        weights_type = tff.to_type(tff.learning.models.ModelWeights(trainable, others))
        mean = tff.aggregators.MeanFactory().create(tff.to_type(trainable), tff.TensorType(np.float32))
        finalizer = tff.learning.templates.build_apply_optimizer_finalizer(server_optimizer(server), weights_type)

        @tff.tensorflow.computation(tff.to_type(trainable))
        def as_gradient(delta: Tensors) -> Tensors:
            return tf.nest.map_structure(tf.negative, delta)  # an optimizer steps against the gradient

        @tff.federated_computation()
        def initialize() -> Federated:
            return tff.federated_zip((mean.initialize(), finalizer.initialize()))

        state_type = initialize.type_signature.result

        @tff.federated_computation(
            state_type,
            tff.FederatedType(weights_type, tff.SERVER),
            tff.FederatedType(tff.to_type(trainable), tff.CLIENTS),
            tff.FederatedType(np.float32, tff.CLIENTS),
        )
        def aggregate(state: Federated, weights: Federated, deltas: Federated, words: Federated) -> Federated:
            mean_state, optimizer_state = state
            update = mean.next(mean_state, tff.federated_map(as_gradient, deltas), words)
            updated = finalizer.next(optimizer_state, weights, update.result)
            return tff.federated_zip((update.state, updated.state)), updated.result

        self._aggregate = aggregate
        self._state = initialize()  # <the mean's state, the optimizer's state>@SERVER

    def restore(self, store: StateStore) -> None:
        """Loads the server optimizer's state after the newest round in `store`, if there is one."""
        self._state, _ = store.latest(self._state)

    def save(self, store: StateStore, round_number: int) -> None:
        """Saves the server optimizer's state after a round."""
        store.save(round_number, self._state)

    def __call__(self, weights: Weights, deltas: Sequence[Weights], words: Sequence[int]) -> Weights:
        """Returns the next global model.

        Args:
          weights: the round's global model, from which every delta starts.
          deltas: each device's weights after training minus `weights`.
          words: the number of targets that each device trained on, the weight of its delta.

        Raises:
          DataError: there is no delta, or a delta is not finite or does not have the model's shapes.
        """
        if not deltas or sum(words) <= 0:
            raise DataError("no device has contributed to this round")
        for delta in deltas:
            check_weights(delta, self._config)
        names = trainable_shapes(self._config, self._part)
        state, updated = self._aggregate(
            self._state,
            model_weights(self._config, weights, self._part),
            [tuple(delta[n] for n in names) for delta in deltas],
            [np.float32(n) for n in words],
        )
        self._state = state
        named = named_weights(self._config, updated.trainable, updated.non_trainable, self._part)
        return {name: np.asarray(array) for name, array in named.items()}


class SimulatedClients:
    """Clients that TFF simulates beside real devices: they train as devices do, and return their deltas. Needs an `engine`."""

    def __init__(self, config: ModelConfig, weights: Weights, how: FineTuning) -> None:
        self._config, self._part = config, how.trainable
        work = tff.learning.templates.build_functional_model_delta_client_work(
            model=functional_model(config, weights, how),
            optimizer=ClippedSGD(how.learning_rate, how.clipping_norm),
            client_weighting=tff.learning.ClientWeighting.NUM_EXAMPLES,
            loop_implementation=tff.learning.LoopImplementation.DATASET_ITERATOR,
        )
        _, weights_at_clients, data_at_clients = work.next.type_signature.parameter

        @tff.federated_computation(tff.FederatedType(weights_at_clients.member, tff.SERVER), data_at_clients)
        def train(global_weights: Federated, datasets: Federated) -> Federated:
            return work.next(work.initialize(), tff.federated_broadcast(global_weights), datasets).result

        self._train = train

    def __call__(self, weights: Weights, datasets: Sequence[tf.data.Dataset]) -> tuple[list[Weights], list[int]]:
        """Trains a client on each dataset from the global weights; returns their deltas and their numbers of targets."""
        values = model_weights(self._config, weights, self._part)
        results = self._train((values.trainable, values.non_trainable), list(datasets))
        unchanged = [np.zeros_like(array) for array in values.non_trainable]
        deltas = [
            named_weights(self._config, [-np.asarray(array) for array in r.update], unchanged, self._part)
            for r in results
        ]
        return deltas, [int(r.update_weight) for r in results]
